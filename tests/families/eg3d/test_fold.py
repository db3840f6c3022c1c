"""The fast march and the fast painting against their naive twins."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
import torch
from torch import Tensor

from graf_cli.families.eg3d.family import FAMILY
from graf_cli.families.eg3d.network import Generator, Layer, Superresolution
from graf_cli.families.eg3d.paint import painter, phases, transformed
from graf_cli.families.eg3d.scene import Stage, make_scene, scene_of
from graf_cli.families.eg3d.spec import Spec
from graf_cli.rendering.integrator import Seen, integrate
from graf_cli.scene.camera import Camera, Rays, rays
from graf_cli.scene.volume import Scene
from tests.families.eg3d.conftest import CPU, Model, model
from tests.families.eg3d.test_scene import camera, subject

F32 = torch.float32


def through(scene: Scene, view: Camera) -> Rays:
    assert scene.warp is not None
    return scene.warp(rays(view, device=CPU, dtype=F32), view)


def marched(scene: Scene, view: Camera) -> tuple[Seen, Seen]:
    """By the family's own march, and by the exact integrator."""
    assert scene.march is not None
    found = through(scene, view)
    return Seen(*scene.march(found, True)), integrate(scene, found, chunk=999)


def assert_close(ours: Seen, theirs: Seen, bound: float = 1e-4) -> None:
    for name in ("radiance", "opacity", "depth"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name), atol=bound, rtol=0)


@pytest.mark.parametrize("name", ["ffhq64", "auto4x", "odd"])
def test_the_fast_march_sees_what_the_exact_integrator_sees(name: str) -> None:
    made = model(name)
    scene = make_scene(made.spec, made.network, subject(made))
    for azimuth in (0.0, 25.0):
        with torch.inference_mode():
            assert_close(*marched(scene, camera(made, azimuth)))


def test_what_misses_is_white_where_the_model_says_so(faces: Model) -> None:
    spec = msgspec.structs.replace(faces.spec, white=True)
    scene = make_scene(spec, faces.network, subject(faces))
    with torch.inference_mode():
        ours, theirs = marched(scene, camera(faces))
    assert ours.radiance.shape[1] == 33
    assert_close(ours, theirs)


def dense(spec: Spec, network: Generator, planes: Tensor, bias: float) -> Scene:
    """The scene of some planes, with more or less everywhere."""
    weights = {key: value.clone() for key, value in network.state_dict().items()}
    weights["decoder.out.bias"][0] += bias
    changed = FAMILY.network(spec, {"generator": weights}, device=CPU)
    assert isinstance(changed, Generator)
    row = torch.zeros(spec.rows, spec.w_dim, device=CPU, dtype=F32)
    return scene_of(spec, changed, row, planes, key=b"")


@pytest.mark.parametrize(("bias", "share"), [(400.0, 0.6), (-400.0, 1.0)])
def test_rays_end_where_nothing_behind_shows(faces: Model, bias: float, share: float) -> None:
    generator = torch.Generator(device="cpu").manual_seed(0)
    size = (3, 32, 32, 32)
    planes = torch.randn(size, generator=generator, device="cpu", dtype=F32)
    scene = dense(faces.spec, faces.network, planes, bias)
    view = camera(faces, n=16)
    with torch.inference_mode():
        assert_close(*marched(scene, view))
    possible = 16 * 16 * (scene.quadrature.samples + scene.quadrature.further)
    evaluated = scene.march.evaluated  # type: ignore[union-attr]
    assert evaluated <= share * possible


def test_what_a_thin_sheet_hid_from_the_first_pass_is_looked_at(faces: Model) -> None:
    """The first pass hits a sheet that is thinner than a step; the second one sees past it."""
    spec = msgspec.structs.replace(faces.spec, samples=8, further=24)
    planes = torch.zeros((3, 32, 64, 64), device="cpu", dtype=F32)
    planes[0, 0, :, ::4] = 40  # walls across, four texels apart
    planes[1, 1] = torch.linspace(-3, 3, 64, device="cpu", dtype=F32)[:, None]
    scene = dense(spec, faces.network, planes, 0.0)
    with torch.inference_mode():
        assert_close(*marched(scene, camera(faces, 60.0, n=16)), bound=1e-3)


# the 2-D stage


@pytest.mark.parametrize("up", [False, True])
def test_kernels_of_tiles_and_phases_are_the_layers(up: bool) -> None:
    generator = torch.Generator(device="cpu").manual_seed(0)
    weight = torch.randn((2, 3, 3, 3), generator=generator, device="cpu", dtype=torch.float64)
    if up:
        total = phases(weight).reshape(2, 2, 2, 3, 3, 3).sum(dim=(0, 1))
        # A constant goes in, and the sum of the kernel times the filter's gain comes out.
        torch.testing.assert_close(total.sum(dim=(2, 3)), 4 * weight.sum(dim=(2, 3)))
    assert transformed(weight).shape == (36, 3, 2)


def stages() -> list[str]:
    return ["ffhq64", "auto4x", "odd"]


def with_noise(made: Model) -> Model:
    """The same model, whose stage adds noise."""
    spec = msgspec.structs.replace(made.spec, stage_noise="const")
    generator = torch.Generator(device="cpu").manual_seed(1)
    network = Generator(spec, device=CPU, dtype=F32).requires_grad_(False)
    weights = {**network.state_dict(), **made.network.state_dict()}
    for name, tensor in weights.items():
        if name.startswith("superresolution") and "noise" in name:
            weights[name] = torch.randn(tensor.shape, generator=generator, device="cpu", dtype=F32)
    network.load_state_dict(weights)
    return Model(spec, network)


@pytest.mark.parametrize("name", stages())
@pytest.mark.parametrize("change", [lambda made: made, with_noise])
def test_the_fast_painting_is_the_stages(name: str, change: Callable[[Model], Model]) -> None:
    made = change(model(name))
    n = made.spec.stage_input
    generator = torch.Generator(device="cpu").manual_seed(2)
    features = torch.rand((32, n, n), generator=generator, device="cpu", dtype=F32) * 2 - 1
    w = torch.randn(made.spec.w_dim, generator=generator, device="cpu", dtype=F32)
    stage = made.network.superresolution
    with torch.inference_mode():
        exact = stage(features, w)
        torch.testing.assert_close(painter(stage, w, F32)(features), exact, atol=2e-4, rtol=1e-4)
        for dtype in (torch.bfloat16, torch.float16):
            off = (painter(stage, w, dtype)(features) - exact).abs()
            assert 0 < float(off.mean()) < 0.02 * float(exact.abs().amax())


@pytest.mark.parametrize("name", stages())
@pytest.mark.parametrize("noisy", [False, True])
def test_a_window_is_finished_as_it_is_in_the_whole(name: str, noisy: bool) -> None:
    made = with_noise(model(name)) if noisy else model(name)
    # Larger, so that there is an inside; nothing in the networks knows the size but their noise.
    times = 1 if noisy else 4
    n = made.spec.raster * times
    spec = msgspec.structs.replace(made.spec, raster=n, stage_input=made.spec.stage_input * times)
    stage = made.network.superresolution
    enlarged = Superresolution(spec, device=CPU, dtype=F32).requires_grad_(False)
    for layer in enlarged.modules():
        if isinstance(layer, Layer):
            assert layer.noisy == noisy
    enlarged.load_state_dict(stage.state_dict())
    generator = torch.Generator(device="cpu").manual_seed(3)
    radiance = torch.rand((32, n, n), generator=generator, device="cpu", dtype=F32)
    w = torch.randn(spec.w_dim, generator=generator, device="cpu", dtype=F32)
    finish = Stage(enlarged, w, white=False)
    windows = finish.windows()
    with torch.inference_mode():
        whole = finish(radiance)
        last = (n - windows.side) // windows.step * windows.step
        for row in {0, last // 2 // windows.step * windows.step, last}:
            for column in {0, last}:
                part = radiance[:, row : row + windows.side, column : column + windows.side]
                found, top, left = windows.finish(part, row, column)
                height, width = found.shape[1:]
                assert min(height, width) > 0
                expected = whole[:, top : top + height, left : left + width]
                torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)
