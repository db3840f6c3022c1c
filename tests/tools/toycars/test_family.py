"""The family's shapes and colours."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.toycars.codes import SHAPE_FACTOR_NAMES, SHAPE_SEED, with_factor
from tools.toycars.family import Cars, cars
from tools.toycars.shape import CAR_RADIUS, GROUND, smooth_max, smooth_min

CPU = torch.device("cpu")
Seeds = st.integers(0, 2**31 - 1)


def drawn(seed: int, *size: int) -> torch.Tensor:
    generator = torch.Generator(device=CPU).manual_seed(seed)
    return torch.randn(*size, generator=generator, device=CPU, dtype=torch.float32)


def some_cars(seed: int, count: int = 4) -> Cars:
    return cars(drawn(seed, count, 128), drawn(seed + 1, count, 128))


def points_in_the_box(seed: int, cars_count: int, count: int) -> torch.Tensor:
    return (drawn(seed, cars_count, count, 3)).clamp(-2.4, 2.4)


@given(seed=Seeds)
@settings(max_examples=20, deadline=None)
def test_every_car_stays_inside_its_ball_and_off_the_floor(seed: int) -> None:
    family = some_cars(seed)
    shell = torch.nn.functional.normalize(drawn(seed, 1, 500, 3), dim=-1) * CAR_RADIUS
    assert family.distance(shell.expand(4, -1, -1)).min() > 0
    below = points_in_the_box(seed, 4, 300)
    below[..., 2] = GROUND - 0.02
    assert family.distance(below).min() > 0


@given(seed=Seeds)
@settings(max_examples=20, deadline=None)
def test_cars_are_symmetric_and_solid(seed: int) -> None:
    family = some_cars(seed)
    points = points_in_the_box(seed, 4, 200)
    mirrored = points * torch.tensor((1.0, -1.0, 1.0), device=CPU)
    assert torch.allclose(family.distance(points), family.distance(mirrored), atol=1e-5)
    middle = torch.tensor((((0.6, 0.0, -0.2),),), device=CPU).expand(4, -1, -1)
    assert family.distance(middle).max() < -0.1


@given(seed=Seeds)
@settings(max_examples=20, deadline=None)
def test_distance_never_jumps(seed: int) -> None:
    family = some_cars(seed)
    points = points_in_the_box(seed, 4, 300)
    step = 1e-3 * torch.nn.functional.normalize(drawn(seed + 2, 4, 300, 3), dim=-1)
    change = (family.distance(points + step) - family.distance(points)).abs() / 1e-3
    assert change.max() < 2.5


def test_nearest_lands_on_the_surface() -> None:
    family = some_cars(5)
    points = points_in_the_box(6, 4, 4000)
    close = family.distance(points).abs() < 0.08
    landed = family.distance(family.nearest(points)).abs()
    assert landed[close].quantile(0.95) < 5e-3


def test_normals_are_unit_and_point_outwards() -> None:
    family = some_cars(7)
    surface = family.nearest(points_in_the_box(8, 4, 500))
    normal = family.normal(surface)
    assert torch.allclose(normal.norm(dim=-1), torch.ones_like(normal[..., 0]), atol=1e-4)
    outwards = family.distance(surface + 0.01 * normal) > family.distance(surface)
    assert outwards.float().mean() > 0.98


def test_each_shape_factor_moves_the_surface() -> None:
    code, appearance = drawn(9, 1, 128), drawn(10, 1, 128)
    points = points_in_the_box(11, 1, 2000)
    count = len(SHAPE_FACTOR_NAMES)
    for index in range(count):
        low, high = (
            cars(with_factor(code, index, value, seed=SHAPE_SEED, count=count), appearance)
            for value in (0.1, 0.9)
        )
        assert (low.distance(points) - high.distance(points)).abs().max() > 0.04


def test_appearance_changes_colour_and_never_shape() -> None:
    shape = drawn(12, 1, 128).expand(2, -1)
    family = cars(shape, drawn(13, 2, 128))
    points = points_in_the_box(14, 1, 300).expand(2, -1, -1)
    first, second = family.distance(points)
    assert torch.equal(first, second)
    surface = family.nearest(points)
    red, blue = family.colour(surface, -family.normal(surface))
    assert (red - blue).abs().max() > 0.1


def test_colours_stay_in_range_and_the_highlight_follows_the_eye() -> None:
    family = some_cars(15)
    surface = family.nearest(points_in_the_box(16, 4, 1000))
    directions = torch.nn.functional.normalize(drawn(17, 2, 4, 1000, 3), dim=-1)
    one, other = (family.colour(surface, seen) for seen in directions)
    assert one.min() >= 0
    assert one.max() <= 1
    assert (one - other).abs().amax(dim=-1).quantile(0.9) > 0.05


@given(a=st.floats(-1, 1), b=st.floats(-1, 1), blend=st.floats(0.01, 0.5))
def test_smooth_union_and_intersection_bound_the_sharp_ones(
    a: float, b: float, blend: float
) -> None:
    first, second = torch.tensor(a, device=CPU), torch.tensor(b, device=CPU)
    union, both = smooth_min(first, second, blend), smooth_max(first, second, blend)
    assert min(a, b) - blend / 4 - 1e-6 <= union <= min(a, b) + 1e-6
    assert max(a, b) - 1e-6 <= both <= max(a, b) + blend / 4 + 1e-6
