"""What the grid calls empty, and what it costs to know."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from graf_cli.rendering.fast.audit import Audit, GridBrokenError, expected_highest
from graf_cli.rendering.fast.grid import UNKNOWN, Lattice, OccupancyGrid
from graf_cli.rendering.fast.level import Density, distinct
from tests.conftest import CPU
from tests.rendering.fast.twins import seeded

LATTICE = Lattice(half=2.0, cells=32, levels=2, margin=1.0, doubt=2.0)
RAYS = 200


def ball(points: Tensor) -> Tensor:
    density: Tensor = (20 * (0.5 - points.norm(dim=-1))).clamp(-5, 5)
    return density


def speck(points: Tensor) -> Tensor:
    """One cell in a thousand's worth of something that no centre of a cell is near."""
    inside = (points - 0.125).abs().amax(dim=-1) < 0.05
    return torch.where(inside, 5.0, -5.0)


def lines() -> tuple[Tensor, Tensor, Tensor]:
    """Rays through the middle, and depths along them."""
    directions = torch.nn.functional.normalize(
        torch.randn((RAYS, 3), generator=seeded(0), device="cpu", dtype=torch.float32), dim=-1
    )
    z = torch.linspace(0, 3.4, 64, device="cpu", dtype=torch.float32).expand(RAYS, 64)
    return -1.7 * directions, directions, z


def points(origins: Tensor, directions: Tensor, z: Tensor) -> Tensor:
    return origins[:, None] + directions[:, None] * z[..., None]


def grid(density: Density, lattice: Lattice = LATTICE) -> OccupancyGrid:
    return OccupancyGrid(lattice, density, density, CPU)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_all_of_the_object_is_occupied_and_little_else(levels: int) -> None:
    occupied = grid(ball, replace(LATTICE, levels=levels)).occupied(*lines())
    density = ball(points(*lines()))
    assert bool(occupied[density > 0].all())
    assert float(occupied[density <= -5].float().mean()) < (0.2, 0.1, 0.05)[levels - 1]


def test_only_cells_that_rays_pass_are_looked_into_and_each_once() -> None:
    calls: list[int] = []

    def counted(points: Tensor) -> Tensor:
        calls.append(len(points))
        return ball(points)

    origins, directions, z = lines()
    lazy = grid(counted)
    first = lazy.occupied(origins[:1], directions[:1], z[:1])
    assert 0 < sum(calls) < 32**3 / 8
    assert lazy.evaluated == sum(calls)
    assert torch.equal(lazy.occupied(origins[:1], directions[:1], z[:1]), first)
    assert lazy.evaluated == sum(calls)


def test_order_of_asking_does_not_matter() -> None:
    origins, directions, z = lines()
    whole = grid(ball).occupied(origins, directions, z)
    lazy = grid(ball)
    parts = [
        lazy.occupied(origins[at], directions[at], z[at])
        for at in torch.arange(RAYS, device="cpu", dtype=torch.int64).flip(0).view(-1, 20)
    ]
    assert torch.equal(torch.cat(parts), whole.flip(0))


def test_outside_everything_is_evaluated() -> None:
    origins, directions, z = lines()
    occupied = grid(ball).occupied(origins * 10, directions, z)
    assert bool(occupied.all())


@pytest.mark.parametrize("height", [0.1, 20.0])
def test_dividing_pays_where_space_is_mostly_empty(height: float) -> None:
    def noise(points: Tensor) -> Tensor:
        return -3 + height * torch.sin(4000 * points).sum(dim=-1)

    crowded = height > 1
    divided = grid(noise, replace(LATTICE, levels=3))
    assert divided.lattice.resolution == (32 if crowded else 128)
    assert bool(divided.occupied(*lines()).all()) == crowded


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_levels_above_change_nothing_but_the_work(levels: int) -> None:
    lattice = replace(LATTICE, cells=64, levels=levels)
    plain, above = grid(ball, lattice), grid(ball, replace(lattice, above=1))
    assert above.lattice.resolution == plain.lattice.resolution
    assert torch.equal(above.occupied(*lines()), plain.occupied(*lines()))
    assert above.evaluated < 0.7 * plain.evaluated


def test_a_crowded_space_has_no_levels_above() -> None:
    def noise(points: Tensor) -> Tensor:
        return torch.sin(4000 * points).sum(dim=-1)

    lattice = replace(LATTICE, levels=1)
    crowded = grid(noise, replace(lattice, above=1))
    assert crowded.lattice == lattice
    assert torch.equal(crowded.occupied(*lines()), grid(noise, lattice).occupied(*lines()))


@pytest.mark.parametrize(("levels", "above"), [(2, 0), (3, 0), (2, 1)])
def test_a_cell_does_not_depend_on_what_was_asked_before(levels: int, above: int) -> None:
    origins, directions, z = lines()
    lattice = replace(LATTICE, levels=levels, above=above)
    whole, lazy = grid(ball, lattice), grid(ball, lattice)
    lazy.chunk = 77
    together = whole.occupied(origins, directions, z)
    for ray in range(RAYS - 1, -1, -1):
        some = slice(ray, ray + 1)
        alone = lazy.occupied(origins[some], directions[some], z[some])
        assert torch.equal(alone, together[some])
    known = (lazy.state != UNKNOWN) & (whole.state != UNKNOWN)
    assert torch.equal(lazy.state[known], whole.state[known])


def test_bounds_leave_out_nothing() -> None:
    lattice = replace(LATTICE, levels=3)
    bounded, unbounded = grid(ball, lattice), grid(ball, lattice)
    assert bounded.bounds is not None
    assert float(bounded.bounds.abs().max()) < 1.0
    unbounded.bounds = None
    for origin, count in (((0, 0, 0), 64), ((0.3, -0.2, 0.1), 1), ((3, 3, 3), 5)):
        origins, directions, z = lines()
        origins = origins + torch.tensor(origin, device="cpu", dtype=torch.float32)
        asked = (origins, directions, z[:, :count])
        assert torch.equal(bounded.occupied(*asked), unbounded.occupied(*asked))


def test_where_nothing_is_nothing_is_looked_up() -> None:
    def nothing(points: Tensor) -> Tensor:
        return torch.full_like(points[:, 0], -3.0)

    empty = grid(nothing, replace(LATTICE, levels=3))
    evaluated = empty.evaluated
    assert not bool(empty.occupied(*lines()).any())
    assert empty.evaluated == evaluated


@pytest.mark.parametrize("workers", [2, 3, 500])
def test_threads_that_share_a_grid_change_nothing(workers: int) -> None:
    shared = OccupancyGrid(LATTICE, ball, ball, CPU, chunk=100, workers=workers)
    assert torch.equal(shared.occupied(*lines()), grid(ball).occupied(*lines()))


def test_what_is_no_number_is_not_empty() -> None:
    def broken(points: Tensor) -> Tensor:
        return torch.full_like(points[:, 0], torch.nan)

    assert bool(grid(broken).occupied(*lines()).all())


def test_last_samples_are_called_empty_later() -> None:
    def wavering(points: Tensor) -> Tensor:
        return -3 + 0.6 * torch.sign(torch.sin(40 * points[:, 0]))

    lattice = Lattice(half=2.0, cells=16, levels=1, margin=1.0, doubt=3.0)
    occupied = grid(wavering, lattice).occupied(*lines())
    assert bool(occupied[:, -1].any())
    assert not bool(occupied[:, :-1].any())


@pytest.mark.parametrize("spread", [3, 10_000_000])
def test_distinct_cells(spread: int) -> None:
    cells = torch.randint(
        5, 5 + spread, (40,), generator=seeded(0), device="cpu", dtype=torch.int32
    )
    assert distinct(cells).tolist() == sorted(set(cells.tolist()))
    assert distinct(cells[:0]).tolist() == []


def test_an_audit_finds_a_speck() -> None:
    lazy = grid(speck, replace(LATTICE, levels=1))
    occupied = lazy.occupied(*lines())
    assert not bool(occupied.any())
    lost = int((speck(points(*lines())) > 0).sum())
    assert lost > 0
    densities = lazy.audit(*lines(), 4096, 0)
    with pytest.raises(GridBrokenError, match="called empty are not"):
        Audit(4096, 1, 0, expect=False).judge(densities)


def test_an_audit_is_content_with_emptiness() -> None:
    lazy = grid(ball)
    occupied = lazy.occupied(*lines())
    densities = lazy.audit(*lines(), 400, 0)
    assert 100 <= sum(len(kind.densities) for kind in densities) <= 400
    audit = Audit(400, 1, 0, expect=False)
    audit.judge(densities)
    audit.finish()
    empty = int((~occupied).sum())
    assert 0 < densities[1].of < empty <= densities[2].of


def test_expected_highest_of_an_exponential_tail() -> None:
    sample = torch.zeros(2000, device="cpu", dtype=torch.float64)
    sample.exponential_(2.0, generator=seeded(3))
    expected = expected_highest(sample - 10, 2_000_000)
    assert abs(expected + 10 - torch.log(torch.tensor(2e6)).item() / 2) < 2
    flat = torch.full((100,), -15.0, device="cpu", dtype=torch.float32)
    assert expected_highest(flat, 10**6) == -15
