from dataclasses import replace

import torch

from tools.toycars.family import cars
from tools.toycars.sampling import COLOUR_BAND, EMPTY, SOLID, BatchSize, draw_batch, draw_rays
from tools.toycars.truth import FAR, RADIUS

CPU = torch.device("cpu")
SMALL = BatchSize(codes=6, near=64, coloured=24, volume=32, candidates=200)


def test_a_seed_gives_one_batch() -> None:
    one, same, other = (
        draw_batch(SMALL, seed, device=CPU, dtype=torch.float32) for seed in (3, 3, 4)
    )
    assert torch.equal(one.points, same.points)
    assert torch.equal(one.colour, same.colour)
    assert not torch.equal(one.points, other.points)


def test_answers_are_the_familys() -> None:
    batch = draw_batch(SMALL, 3, device=CPU, dtype=torch.float32)
    assert batch.points.shape == (6, 96, 3)
    assert batch.directions.shape == batch.colour.shape == (6, 24, 3)
    distance = cars(batch.shape, batch.appearance).distance(batch.points)
    assert torch.allclose(batch.density, (-350 * distance).clamp(EMPTY, SOLID), atol=1e-2)
    coloured = distance[:, :24][batch.seen > 0]
    assert (coloured > COLOUR_BAND[0]).all()
    assert (coloured < COLOUR_BAND[1]).all()
    assert batch.seen.mean() > 0.5
    assert (distance[:, :64].abs() < 0.15).float().mean() > 0.7


def test_points_lie_in_view_and_eyes_look_down() -> None:
    batch = draw_batch(SMALL, 5, device=CPU, dtype=torch.float32)
    assert batch.points.norm(dim=-1).max() < (FAR - RADIUS) + 0.4 * FAR
    lengths = batch.directions.norm(dim=-1)
    assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-5)
    assert (batch.directions[..., 2] < 0.3).all()


def test_rays_take_the_renderers_samples_around_the_surface() -> None:
    rays = draw_rays(SMALL, 40, 8, 3, device=CPU, dtype=torch.float32)
    assert rays.points.shape == (6, 40, 8, 3)
    assert 0.4 < rays.hit.mean() < 0.98
    assert (rays.colour[rays.hit == 0] == 1).all()
    steps = (rays.points[:, :, 1:] - rays.points[:, :, :-1]).norm(dim=-1)
    assert torch.allclose(steps, rays.interval[..., None].expand_as(steps), atol=1e-4)
    family = cars(rays.shape, rays.appearance)
    distance = family.distance(rays.points.flatten(1, 2)).reshape(6, 40, 8)
    met = rays.hit > 0
    assert (distance[met][:, 0] > -1e-2).all()
    assert (distance[met].amin(dim=-1) < 0.01).float().mean() > 0.9


def test_a_point_may_have_an_appearance_of_its_own() -> None:
    size = replace(SMALL, own_appearance=True)
    batch = draw_batch(size, 3, device=CPU, dtype=torch.float32)
    assert batch.appearance.shape == (6, 24, 128)
    family = cars(batch.shape, batch.appearance)
    normal = family.normal(batch.points[:, :24])
    surface = batch.points[:, :24] - family.distance(batch.points[:, :24])[..., None] * normal
    alone = cars(batch.shape, batch.appearance[:, 5]).colour(surface, batch.directions)
    assert torch.allclose(alone[:, 5], batch.colour[:, 5], atol=1e-3)
    assert not torch.allclose(alone[:, 6], batch.colour[:, 6], atol=1e-3)
