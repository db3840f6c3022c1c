"""Samples that interpolation finds to be outside of what their cells may hold."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from graf_cli.rendering.fast import grid as module
from graf_cli.rendering.fast.audit import Audit, GridBrokenError, Looked
from graf_cli.rendering.fast.grid import OccupancyGrid
from graf_cli.rendering.fast.level import Level
from graf_cli.rendering.fast.outside import Outside, drawn, interpolated
from graf_cli.rendering.renderer import Renderer, Series
from graf_cli.scene.camera import Rays
from tests.conftest import CPU
from tests.rendering.fast import crafted
from tests.rendering.fast.test_grid import LATTICE, ball, grid, lines, points
from tests.rendering.fast.twins import camera, shot

OBJECT = crafted.tent((0.1, 0.0, -0.1), (0.6, 0.8, 0.5))
FINE = replace(LATTICE, cells=64, margin=2.0, doubt=4.0)


def rays() -> tuple[Rays, Tensor]:
    """Those of `lines`, and depths along them."""
    origins, directions, z = lines()
    return Rays(origins, directions, z[:, :1], z[:, -1:]), z


def left_out(lazy: OccupancyGrid) -> tuple[Tensor, Outside]:
    """What a grid calls occupied, and what of it lies outside."""
    through, z = rays()
    occupied = lazy.occupied(*lines())
    found = lazy.outside(through, z, occupied)
    assert found is not None
    return occupied, found


def test_between_centres_a_density_is_linear() -> None:
    def slope(points: Tensor) -> Tensor:
        return 4 * points[:, 0] - 2 * points[:, 1] + points[:, 2]

    level = Level(8, 0.5, 1, CPU)
    level.complete(slope)
    where = torch.tensor([[0.1, -0.7, 0.3], [1.0, 0.2, -1.6]], device="cpu", dtype=torch.float32)
    density, apart = interpolated(level, where)
    assert torch.allclose(density, slope(where), atol=0.02)  # centres are kept as bfloat16
    assert torch.allclose(apart, torch.full_like(apart, (4 + 2 + 1) * 0.5), atol=0.06)


def test_what_is_not_known_around_it_keeps_a_sample() -> None:
    level = Level(4, 1.0, 1, CPU)
    density, _ = interpolated(level, torch.zeros((1, 3), device="cpu", dtype=torch.float32))
    assert bool(density.isnan())


@pytest.mark.parametrize("levels", [2, 3])
def test_what_has_a_density_stays_and_much_of_the_rest_does_not(levels: int) -> None:
    occupied, found = left_out(grid(ball, replace(FINE, levels=levels)))
    density = ball(points(*lines()))
    assert bool((density[found.ray, found.sample] < 0).all())
    assert bool(occupied[found.ray, found.sample].all())
    assert len(found) > 0.2 * int((occupied & (density < 0)).sum())
    assert torch.allclose(found.density, density[found.ray, found.sample], atol=0.5)


def test_last_samples_stay() -> None:
    through, z = rays()
    lazy = grid(lambda points: ball(points - 1), FINE)
    cut = z[:, :45]
    occupied = lazy.occupied(through.origins, through.directions, cut)
    found = lazy.outside(through, cut, occupied)
    assert found is not None
    assert int(found.sample.max()) < cut.shape[1] - 1


def test_large_cells_are_not_interpolated() -> None:
    through, z = rays()
    lazy = grid(ball, replace(FINE, cells=32))
    assert lazy.outside(through, z, lazy.occupied(*lines())) is None


def test_any_number_of_threads_finds_the_same() -> None:
    _, one = left_out(grid(ball, FINE))
    _, three = left_out(OccupancyGrid(FINE, ball, ball, CPU, workers=3))
    for field in dataclasses.fields(Outside):
        assert torch.equal(getattr(one, field.name), getattr(three, field.name))


def test_an_audit_finds_what_interpolation_missed() -> None:
    through, z = rays()
    wrong = OccupancyGrid(FINE, ball, lambda points: ball(points).neg(), CPU)
    _, found = left_out(wrong)
    seen = wrong.audit_outside(through, z, found, 50, 0)
    assert len(seen) == 50
    with pytest.raises(GridBrokenError, match="called empty are not"):
        Audit(200, 1, 0, expect=False).judge([Looked(seen, len(found))])


def test_an_audit_is_content_where_interpolation_is_right() -> None:
    through, z = rays()
    lazy = grid(ball, FINE)
    _, found = left_out(lazy)
    audit = Audit(200, 1, 0, expect=True)
    audit.judge([Looked(lazy.audit_outside(through, z, found, 50, 0), len(found))])
    audit.finish()


def test_some_are_drawn_by_the_seed() -> None:
    _, found = left_out(grid(ball, FINE))
    assert len(drawn(found, 20, 1)) == 20
    assert torch.equal(drawn(found, 20, 1).ray, drawn(found, 20, 1).ray)
    assert not torch.equal(drawn(found, 20, 1).ray, drawn(found, 20, 2).ray)
    assert drawn(found, len(found), 1) is found


def test_a_picture_has_the_same_bits_with_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    view = shot(OBJECT, camera(OBJECT, size=32))
    series, renderer = Series(view, 1 << 16), Renderer(OBJECT)
    fewer = renderer.render(view, series)
    monkeypatch.setattr(module, "FINE", 999)
    whole = Renderer(OBJECT)
    more = whole.render(view, series)
    assert fewer.rgb.tobytes() == more.rgb.tobytes()
    assert renderer.outcome.path == whole.outcome.path == "fast"
    assert renderer.outcome.evaluated < whole.outcome.evaluated
