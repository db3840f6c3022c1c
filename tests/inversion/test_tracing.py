"""The picture that gradients go through is the picture that is rendered."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import graf_cli as graf
from graf_cli.inversion import tracing as tracing_module
from graf_cli.inversion.asking import photographs_of, problem_of
from graf_cli.inversion.baked import Baked
from graf_cli.inversion.problem import Candidate, Problem
from graf_cli.inversion.refine import Unknowns
from graf_cli.inversion.search import reach_of
from graf_cli.inversion.tracing import Tracing, pose_of
from graf_cli.model.generator import Generator
from graf_cli.scene.camera import pose_on_sphere, rays
from graf_cli.scene.codes import draw
from tests.inversion.objects import eggs, photograph

AZIMUTH, ELEVATION = 30.0, 25.0


def problem(generator: Generator, size: int, samples: int, **said: object) -> Problem:
    image = np.zeros((size, size, 3))
    return problem_of(
        generator, photographs_of(image), {"size": (size, size), "samples": samples, **said}
    )


def candidate(one: Problem, seed: int = 3) -> Candidate:
    stands = one.middle(0)
    return Candidate(draw(one.generator.features, seed), (stands,))


@pytest.mark.parametrize("pivot", [(0.0, 0.0, 0.0), (0.1, -0.2, 0.3)])
def test_a_pose_is_that_of_the_camera(pivot: tuple[float, float, float]) -> None:
    angles = (math.radians(a) for a in (AZIMUTH, ELEVATION))
    azimuth, elevation, radius = (
        torch.tensor(value, device="cpu", dtype=torch.float64) for value in (*angles, 4.0)
    )
    made = pose_of(
        azimuth, elevation, radius, torch.tensor(pivot, device="cpu", dtype=torch.float64)
    )
    assert np.allclose(made.numpy(), pose_on_sphere(AZIMUTH, ELEVATION, 4.0, pivot), atol=1e-12)


@pytest.mark.parametrize(("make", "size", "samples"), [(eggs, 16, 32), (graf.load, 20, 32)])
def test_what_is_kept_makes_the_picture(make: object, size: int, samples: int) -> None:
    """By the exact integrator's search for what shows, and by the fast one's."""
    assert callable(make)
    generator = make()
    view: dict[str, Any] = {"azimuth": AZIMUTH, "elevation": ELEVATION}
    one = problem(generator, size, samples, **view)
    unknowns, tracing = Unknowns(one, candidate(one)), Tracing(one)
    [kept] = tracing.keep(unknowns.codes, (one.middle(0),), size)
    with torch.no_grad():
        scene = tracing.scene(unknowns.codes, kept.camera)
        rgb, opacity = tracing.picture(scene, kept, unknowns.pose(0))
    frame = graf.render(generator, seed=3, size=size, samples=samples, **view)
    assert np.abs(rgb.numpy() - frame.rgb).max() < 0.01
    assert np.abs(opacity.numpy() - frame.opacity).max() < 0.01
    assert 0 < kept.mask.sum() < size * size * samples / 4


def test_gradients_are_those_of_finite_differences() -> None:
    one = problem(eggs(), 12, 24)
    unknowns, tracing = Unknowns(one, candidate(one)), Tracing(one)
    [kept] = tracing.keep(unknowns.codes, (one.middle(0),), 12)

    def value() -> torch.Tensor:
        scene = tracing.scene(unknowns.codes, kept.camera)
        return tracing.picture(scene, kept, unknowns.pose(0))[0].square().mean()

    value().backward()  # type: ignore[no-untyped-call]
    step = 1e-2
    for leaf, entry in ((unknowns.moves[0], 1), (unknowns.codes["shape"], 0)):
        assert leaf.grad is not None
        with torch.no_grad():
            leaf[entry] += step
            high = float(value())
            leaf[entry] -= 2 * step
            low = float(value())
            leaf[entry] += step
        assert float(leaf.grad[entry]) == pytest.approx((high - low) / (2 * step), rel=0.05)


def test_gradients_of_many_samples_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Made twice rather than held."""
    one = problem(eggs(), 12, 24)
    tracing, made = Tracing(one), []
    for held in (tracing_module.HELD, 0):
        monkeypatch.setattr(tracing_module, "HELD", held)
        unknowns = Unknowns(one, candidate(one))
        [kept] = tracing.keep(unknowns.codes, (one.middle(0),), 12)
        scene = tracing.scene(unknowns.codes, kept.camera)
        rgb, _ = tracing.picture(scene, kept, unknowns.pose(0))
        rgb.square().mean().backward()  # type: ignore[no-untyped-call]
        made.append([leaf.grad for leaf in unknowns.leaves])
    for held, again in zip(*made, strict=True):
        assert torch.equal(held, again)


def test_a_baked_scene_looks_like_itself() -> None:
    generator = eggs()
    one = problem(generator, 24, 48, azimuth=AZIMUTH, elevation=ELEVATION)
    camera = one.camera(0, one.middle(0), 24, 24)
    scene = Tracing(one).scene(draw(generator.features, 3), camera)
    baked = Baked(scene, reach_of(camera), generator.device)
    seen = baked.march(rays(camera, device=generator.device, dtype=torch.float32))
    frame = graf.render(
        generator, seed=3, size=24, samples=48, azimuth=AZIMUTH, elevation=ELEVATION
    )
    drawn = seen.opacity.view(24, 24).numpy() > 0.5
    both = drawn & (frame.opacity > 0.5)
    assert both.sum() / (drawn | (frame.opacity > 0.5)).sum() > 0.85
    inside = (seen.opacity.view(24, 24).numpy() > 0.99) & (frame.opacity > 0.99)
    colours = seen.radiance.view(24, 24, 3).numpy()
    assert np.abs(colours - frame.rgb)[inside].mean() < 0.05


def test_small_pictures_are_of_the_same_view() -> None:
    """The corners of a picture stay where they are, whatever its size."""
    one = problem(eggs(), 24, 8)
    whole, small = (one.camera(0, one.middle(0), size, size) for size in (24, 8))
    edges = [
        [(end - camera.lens.cx) / camera.lens.fx for end in (-0.5, camera.width - 0.5)]
        for camera in (whole, small)
    ]
    assert edges[0] == pytest.approx(edges[1])


def test_photographs_of_the_eggs_show_something() -> None:
    assert photograph(eggs(), azimuth=AZIMUTH).std() > 0.1
