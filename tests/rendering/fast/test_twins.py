"""The fast path against its naive twin: measured cases, random models, fields to break it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.model.generator import Generator
from graf_cli.rendering.fast.proof import PROMISE
from graf_cli.rendering.renderer import Renderer, RenderOptions, Series
from graf_cli.scene.camera import camera_for
from graf_cli.scene.spec import CameraSpec
from tests.conftest import Case, small_generator, small_spec
from tests.rendering.fast import crafted
from tests.rendering.fast.twins import apart, assert_promise, camera, shot


def test_measured_cases(case: Case) -> None:
    renderer = Renderer(case.generator)
    spec, size = case.generator.spec, case.generator.spec.size
    for index in (0, 1):
        seen_from = camera_for(spec.camera, case.poses[index], width=size, height=size)
        assert_promise(renderer, shot(case.generator, seen_from, seed=index))
    assert renderer.outcome.difference <= PROMISE


networks = st.builds(
    NetworkSpec,
    depth=st.sampled_from([1, 2, 4, 6, 8]),
    width=st.sampled_from([8, 12]),
    encode=st.booleans(),
    multires=st.integers(0, 4),
    multires_views=st.integers(0, 2),
    use_viewdirs=st.booleans(),
    samples=st.integers(1, 24),
    importance=st.sampled_from([0, 0, 7]),
)
latents = st.builds(LatentSpec, dim=st.just(6), dim_appearance=st.sampled_from([0, 3]))
cameras = st.builds(
    CameraSpec,
    near=st.sampled_from([0.0, 2.0]),
    far=st.sampled_from([6.0, 7.5]),
    radius=st.sampled_from([(4.0, 4.0), (3.0, 4.5)]),
    fov=st.floats(10, 120),
    orthographic=st.booleans(),
)


views = st.tuples(st.floats(0, 360), st.floats(-90, 90), st.integers(1, 24))


@settings(max_examples=40)
@given(network=networks, latent=latents, seen=cameras, view=views, seed=st.integers(0, 99))
def test_random_models_and_cameras(
    network: NetworkSpec,
    latent: LatentSpec,
    seen: CameraSpec,
    view: tuple[float, float, int],
    seed: int,
) -> None:
    generator = small_generator(small_spec(network, latent, seen), seed)
    azimuth, elevation, size = view
    seen_from = camera(generator, azimuth, elevation, size=size, height=20)
    assert_promise(Renderer(generator), shot(generator, seen_from, seed=seed))


CRAFTED = {
    "empty": crafted.constant(-10),
    "nothing at all": crafted.constant(0),
    "dense": crafted.constant(50),
    "haze": crafted.constant(1e-3),
    "haze that only the last sample shows": crafted.constant(1e-9),
    "as dense as numbers go": crafted.constant(3e38),
    "object": crafted.tent((0.1, 0.0, -0.1), (0.6, 0.8, 0.5)),
    "thin sheet": crafted.tent((0.013, 0, 0), (0.01, 0, 0)),
    "thin rod": crafted.tent((0.013, 0.02, 0), (0.06, 0.06, 0)),
    "object in the far corner": crafted.tent((-2.4, -1.6, 0), (0.5, 0.5, 0.5)),
    "ripples smaller than a cell": crafted.ripples(9, 3.0, -2.5),
    "ripples about nothing": crafted.ripples(6, 1e-6, 0.0),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_fields_made_to_break_it(name: str) -> None:
    generator = CRAFTED[name]
    renderer = Renderer(generator)
    for azimuth, elevation in ((0, 0), (40, 20), (130, -70)):
        assert_promise(renderer, shot(generator, camera(generator, azimuth, elevation, size=24)))


@pytest.mark.parametrize("samples", [1, 2, 3, 64])
@pytest.mark.parametrize("size", [1, 33])
def test_any_size_and_samples(size: int, samples: int) -> None:
    generator = CRAFTED["object"]
    seen = camera(generator, size=size, height=size + 2)
    assert_promise(Renderer(generator), shot(generator, seen, samples=samples))


def test_cameras_of_one_job_may_leave_the_first_ones_volume() -> None:
    generator = CRAFTED["object in the far corner"]
    lenses = ((4.0, 10.0), (4.0, 100.0), (40.0, 40.0), (0.5, 40.0))
    shots = [
        shot(generator, camera(generator, size=24, radius=radius, fov=fov))
        for radius, fov in lenses
    ]
    renderer, series = Renderer(generator), Series(shots[0], len(shots))
    for one in shots:
        assert_promise(renderer, one, series)


def test_a_turntable_has_a_finer_grid_than_a_picture() -> None:
    generator = CRAFTED["object"]
    shots = [shot(generator, camera(generator, 30 * turn, size=96)) for turn in range(12)]
    renderer, series = Renderer(generator), Series(shots[0], len(shots))
    for turn, one in enumerate(shots):
        if turn % 4 == 3:
            assert_promise(renderer, one, series)
        else:
            renderer.render(one, series)
    assert (renderer.outcome.path, renderer.outcome.resolution) == ("fast", 128)
    renderer.render(shots[0])
    assert (renderer.outcome.path, renderer.outcome.resolution) == ("fast", 64)


@pytest.mark.parametrize("background", [(0.0, 0.0, 0.0), (0.2, 1.0, 0.6)])
def test_backgrounds(background: tuple[float, float, float]) -> None:
    generator = CRAFTED["haze"]
    assert_promise(Renderer(generator), shot(generator, background=background))


@pytest.mark.parametrize("chunk", [7, 100, 1 << 20])
def test_chunks_do_not_matter(chunk: int) -> None:
    generator: Generator = CRAFTED["object"]
    looked_at = shot(generator, camera(generator, size=12))
    found = Renderer(generator, RenderOptions(chunk=chunk)).render(looked_at)
    assert apart(found, Renderer(generator).render(looked_at)).rgb <= 1e-5


def test_the_grid_saves_nearly_all_of_an_empty_picture() -> None:
    generator = CRAFTED["object"]
    renderer = Renderer(generator)
    renderer.render(shot(generator, camera(generator, size=64, fov=70.0)))
    outcome = renderer.outcome
    assert outcome.possible == 64 * 64 * 32
    assert outcome.evaluated < 0.15 * outcome.possible
    assert math.isfinite(outcome.difference)


@torch.inference_mode()
def test_what_is_opaque_ends_rays_at_once() -> None:
    generator = CRAFTED["dense"]
    renderer = Renderer(generator)
    renderer.render(shot(generator, camera(generator, size=64)))
    assert renderer.outcome.evaluated < 0.15 * renderer.outcome.possible
