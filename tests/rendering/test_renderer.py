"""A shot becomes a frame, whatever the options; and the outcome tells how."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

import graf_cli.rendering.fast.attempt as module
from graf_cli.errors import DeviceError, UsageError
from graf_cli.families.graf.field import RadianceField
from graf_cli.rendering.fast.audit import Looked
from graf_cli.rendering.fast.grid import OccupancyGrid
from graf_cli.rendering.fast.proof import PROBES, PROBES_FIRST, PROMISE, Outcome, merged
from graf_cli.rendering.renderer import Renderer, RenderOptions, Series
from tests.conftest import small_generator
from tests.rendering.fast import crafted
from tests.rendering.fast.twins import apart, assert_promise, camera, shot

OBJECT = crafted.tent((0.1, 0.0, -0.1), (0.6, 0.8, 0.5))


def test_exact_is_the_plain_marcher_by_name() -> None:
    renderer = Renderer(OBJECT, RenderOptions(exact=True))
    renderer.render(shot(OBJECT))
    outcome = renderer.outcome
    assert (outcome.path, outcome.probed, outcome.difference) == ("plain", 0, 0.0)
    assert outcome.evaluated == outcome.possible == 16 * 16 * 32


def test_outcome_tells_what_was_done() -> None:
    renderer = Renderer(OBJECT)
    renderer.render(shot(OBJECT, camera(OBJECT, size=32)))
    first = renderer.outcome
    assert (first.path, first.precision) == ("fast", "float32")
    assert first.resolution in (32, 64, 128, 256)
    assert first.probed == PROBES_FIRST
    assert 0 < first.evaluated < first.possible == 32 * 32 * 32
    assert first.cells > 0
    assert 0 <= first.difference <= PROMISE
    one = shot(OBJECT, camera(OBJECT, size=32))
    renderer.render(shot(OBJECT, camera(OBJECT, 60, size=32)), Series(one, 2))
    assert renderer.outcome.probed == 2 * PROBES_FIRST + PROBES  # of the first, and of this one
    assert renderer.outcome.possible == 2 * first.possible


def test_outcomes_of_parts_of_a_job_are_merged() -> None:
    a = Outcome("fast", "float32", 64, 128, 1e-5, 10, 5, 100, 7)
    b = Outcome("folded", "bfloat16", 0, 8, 1e-6, 20, 6, 200, 0)
    assert merged(a, b) == Outcome("folded", "bfloat16", 0, 136, 1e-5, 30, 11, 300, 7)
    assert merged(b, a) == Outcome("fast", "float32", 64, 136, 1e-5, 30, 11, 300, 7)
    assert merged(a, Outcome()) == merged(Outcome(), a) == a


def test_a_second_picture_of_a_shape_reuses_its_grid() -> None:
    renderer = Renderer(OBJECT)
    for _ in range(2):
        renderer.render(shot(OBJECT, camera(OBJECT, size=32)))
    cells = renderer.outcome.cells
    renderer.render(shot(OBJECT, camera(OBJECT, size=32)))
    assert renderer.outcome.cells == cells


def test_the_first_picture_of_a_series_is_proved_once() -> None:
    renderer = Renderer(OBJECT)
    one, two = (shot(OBJECT, camera(OBJECT, azimuth, size=32)) for azimuth in (0, 90))
    for seen in (one, two, one):
        renderer.render(seen, Series(one, 2))
    assert renderer.outcome.probed == PROBES_FIRST + PROBES


def test_few_samples_get_no_grid() -> None:
    renderer = Renderer(OBJECT)
    renderer.render(shot(OBJECT, camera(OBJECT, size=4)))
    assert renderer.outcome.path == "folded"
    assert renderer.outcome.resolution == 0


def blind(monkeypatch: pytest.MonkeyPatch, *, audited: bool) -> None:
    """Grids that call everything empty."""

    def nothing(_: OccupancyGrid, origins: Any, directions: Any, z: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(z, dtype=torch.bool)

    monkeypatch.setattr(OccupancyGrid, "occupied", nothing)
    if not audited:
        none = torch.zeros(0, device="cpu", dtype=torch.float32)
        monkeypatch.setattr(OccupancyGrid, "audit", lambda *_: [Looked(none, 0)])


@pytest.mark.parametrize("audited", [True, False])
def test_a_bad_grid_is_found_told_and_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, audited: bool
) -> None:
    blind(monkeypatch, audited=audited)
    renderer = Renderer(OBJECT)
    with caplog.at_level(logging.INFO, logger="graf"):
        assert_promise(renderer, shot(OBJECT, camera(OBJECT, size=32)))
    assert renderer.outcome.path == "folded"
    assert "more carefully" in caplog.text


def test_what_no_fast_way_gets_right_is_rendered_plainly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "difference", lambda *_: 1.0)
    renderer = Renderer(OBJECT)
    with caplog.at_level(logging.INFO, logger="graf"):
        found = renderer.render(shot(OBJECT))
    truth = Renderer(OBJECT, RenderOptions(exact=True)).render(shot(OBJECT))
    assert renderer.outcome.path == "plain"
    assert np.array_equal(found.rgb, truth.rgb)


def path(renderer: Renderer) -> str:
    return renderer.outcome.path


def test_one_bad_shape_does_not_spoil_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = Renderer(OBJECT)
    with monkeypatch.context() as patch:
        blind(patch, audited=True)
        renderer.render(shot(OBJECT, camera(OBJECT, size=32), seed=1))
        assert path(renderer) == "folded"
    renderer.render(shot(OBJECT, camera(OBJECT, size=32), seed=2))
    assert path(renderer) == "fast"
    renderer.render(shot(OBJECT, camera(OBJECT, size=32), seed=1))
    assert path(renderer) == "folded"


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_precision_asked_for_is_used_and_its_error_told(precision: Any) -> None:
    renderer = Renderer(OBJECT, RenderOptions(precision=precision))
    looked_at = shot(OBJECT, camera(OBJECT, size=24))
    frame = renderer.render(looked_at)
    truth = Renderer(OBJECT, RenderOptions(exact=True)).render(looked_at)
    assert renderer.outcome.precision == precision
    assert renderer.outcome.path == "fast"
    assert renderer.outcome.difference > 1e-5
    assert apart(frame, truth).rgb < 0.2


def test_a_chunk_of_nothing_is_refused() -> None:
    for chunk in (0, -1):
        with pytest.raises(UsageError, match=f"`chunk` {chunk} holds no point"):
            RenderOptions(chunk=chunk)


def test_memory_that_does_not_suffice_halves_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 500
    real = RadianceField.encode_points

    def narrow(self: Any, points: torch.Tensor) -> torch.Tensor:
        if len(points) > limit:
            raise torch.OutOfMemoryError
        return real(self, points)

    monkeypatch.setattr(RadianceField, "encode_points", narrow)
    renderer = Renderer(OBJECT)
    renderer.render(shot(OBJECT))
    assert renderer.chunk <= limit


def test_memory_that_holds_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(RadianceField, "encode_points", nothing)
    with pytest.raises(DeviceError, match="does not hold even 64 points"):
        Renderer(OBJECT).render(shot(OBJECT))


def test_frames_have_shapes_and_ranges() -> None:
    generator = small_generator()
    frame = Renderer(generator).render(shot(generator, camera(generator, size=5, height=7)))
    assert frame.rgb.shape == (7, 5, 3)
    assert frame.depth.shape == frame.opacity.shape == frame.disparity.shape == (7, 5)
    assert frame.rgb.dtype == frame.depth.dtype == frame.opacity.dtype == np.float32
    assert frame.rgb.min() >= 0
    assert frame.rgb.max() <= 1 + 1e-5


def test_a_small_picture_is_proved_on_an_eighth_of_its_rays() -> None:
    renderer = Renderer(OBJECT)
    renderer.render(shot(OBJECT, camera(OBJECT, size=16)))
    assert renderer.outcome.probed == 16 * 16 // 8
