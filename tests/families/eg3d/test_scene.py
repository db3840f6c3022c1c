"""What one subject of EG3D is, and what it depends on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.families.eg3d.cameras import default_pose
from graf_cli.families.eg3d.family import FAMILY
from graf_cli.families.eg3d.scene import legacy_code, make_scene, styles
from graf_cli.rendering.integrator import integrate
from graf_cli.scene.camera import Camera, Rays, rays
from graf_cli.scene.codes import Code, Subject
from graf_cli.scene.volume import Scene
from tests.families.eg3d.conftest import Model

CPU = torch.device("cpu")


def subject(
    model: Model,
    seed: int = 0,
    *,
    truncation: float = 1.0,
    controls: Mapping[str, float] | None = None,
) -> Subject:
    code = Code(legacy_code(seed, model.spec.z_dim))
    return Subject({"z": code}, truncation=truncation, controls=controls or {})


def camera(model: Model, azimuth: float = 0.0, n: int = 8) -> Camera:
    spec = model.spec
    return Camera(default_pose(spec, azimuth), n, n, 13.4, 0.1, 5.0)


def seen(scene: Scene, view: Camera, some: slice | None = None) -> Tensor:
    found = rays(view, device=CPU, dtype=torch.float32)
    assert scene.warp is not None
    pixel = torch.arange(len(found), device=CPU, dtype=torch.int64)[some or slice(None)]
    warped: Rays = scene.warp(found[pixel], view)
    draws = None if scene.draws is None else scene.draws(view)
    return integrate(scene, warped, chunk=999, pixel=pixel, draws=draws).radiance


def test_a_seed_is_the_authors_seed() -> None:
    theirs = np.random.RandomState(3).randn(1, 24)
    np.testing.assert_array_equal(legacy_code(3, 24).numpy(), theirs[0].astype(np.float32))


def test_truncation_reaches_rows_in_front_of_the_cutoff(faces: Model) -> None:
    full = styles(faces.spec, faces.network, subject(faces))
    half = styles(faces.spec, faces.network, subject(faces, truncation=0.5, controls={"cutoff": 3}))
    average = faces.network.mapping.w_avg
    torch.testing.assert_close(half[:3], average + 0.5 * (full[:3] - average))
    assert torch.equal(half[3:], full[3:])


def test_rows_of_w_are_taken_as_they_are(faces: Model) -> None:
    full = styles(faces.spec, faces.network, subject(faces))
    for space, code in (("w", full[0]), ("w+", full)):
        given = Subject({"z": Code(code)}, space=space)
        assert torch.equal(styles(faces.spec, faces.network, given), full)


def test_interpolation_is_a_line_in_w(faces: Model) -> None:
    codes = [legacy_code(seed, faces.spec.z_dim) for seed in (0, 1)]
    ends = [styles(faces.spec, faces.network, subject(faces, seed)) for seed in (0, 1)]
    for t in (0.0, 0.25, 1.0):
        between = Subject({"z": Code(codes[0], codes[1], t)})
        found = styles(faces.spec, faces.network, between)
        torch.testing.assert_close(found, torch.lerp(ends[0], ends[1], t))


def test_styles_are_mixed_by_rows(faces: Model) -> None:
    a, b = (styles(faces.spec, faces.network, subject(faces, seed)) for seed in (0, 1))
    for name, rows in (("low", slice(0, 5)), ("high", slice(5, None))):
        for seed, t in ((1.0, 1.0), (0.0, 0.0), (-1.0, 0.0), (0.25, 0.25)):
            controls = {"split": 5.0, name: seed}
            mixed = styles(faces.spec, faces.network, subject(faces, controls=controls))
            expected = a.clone()
            expected[rows] = torch.lerp(a, b, t)[rows]
            assert torch.equal(mixed, expected)


def test_what_counts_is_whole(faces: Model) -> None:
    for name in ("split", "cutoff", "follow"):
        with pytest.raises(UsageError, match=f"`{name}` is a whole number, not 0.5"):
            styles(faces.spec, faces.network, subject(faces, controls={name: 0.5}))


def test_identity_does_not_follow_the_view_unless_asked(faces: Model) -> None:
    views = [camera(faces, azimuth) for azimuth in (0.0, 20.0)]
    fixed = [styles(faces.spec, faces.network, subject(faces), view) for view in views]
    assert torch.equal(*fixed)
    following = subject(faces, controls={"follow": 1})
    moved = [styles(faces.spec, faces.network, following, view) for view in views]
    assert not torch.equal(*moved)
    turned = subject(faces, controls={"conditioning-azimuth": 20})
    assert not torch.equal(styles(faces.spec, faces.network, turned), fixed[0])


def test_nothing_is_drawn_unless_asked(faces: Model) -> None:
    pictures = {
        seed: [
            seen(make_scene(faces.spec, faces.network, subject(faces), seed=seed), camera(faces))
            for _ in range(2)
        ]
        for seed in (None, 1, 2)
    }
    for pair in pictures.values():
        assert torch.equal(*pair)
    even, one, two = (pair[0] for pair in pictures.values())
    assert not torch.equal(one, two)
    # A few hundredths: what two draws of the authors differ by.
    assert float((even - one).abs().mean()) < 0.02


def test_noise_is_a_control(faces: Model) -> None:
    planes = [
        make_scene(faces.spec, faces.network, subject(faces, controls={"noise": kind})).passes[0]
        for kind in (0, 1, 2)
    ]
    points = torch.zeros(1, 3, device=CPU, dtype=torch.float32)
    densities = [float(volume.density(points)[1]) for volume in planes]
    assert len({*densities}) == 3


@pytest.mark.parametrize("name", ["faces", "boxed"])
def test_a_ray_does_not_depend_on_its_neighbours(name: str, request: pytest.FixtureRequest) -> None:
    model: Model = request.getfixturevalue(name)
    scene = make_scene(model.spec, model.network, subject(model))
    view = camera(model)
    if name == "boxed":
        view = Camera(view.pose, 8, 8, 40.0, 0.1, 5.0)  # its corners miss the box
    every = seen(scene, view)
    for start in (0, 27, 56):
        some = slice(start, start + 8)
        torch.testing.assert_close(seen(scene, view, some), every[some], rtol=1e-5, atol=1e-5)


def test_the_finished_picture_has_the_size_of_the_stage(faces: Model) -> None:
    spec = faces.spec
    scene = FAMILY.scene(spec, faces.network, subject(faces), samples=24, camera=None)
    assert (scene.quadrature.samples, scene.quadrature.further) == (24, 24)
    assert scene.raster is not None
    assert scene.finish is not None
    view = scene.raster(camera(faces, n=spec.size))
    assert (view.width, view.height) == (spec.raster, spec.raster)
    radiance = seen(scene, view).T.reshape(-1, spec.raster, spec.raster)
    assert scene.finish(radiance).shape == (3, spec.size, spec.size)
    assert FAMILY.features(spec).sizes == (spec.size,)


def test_a_picture_is_differentiable_in_its_code(faces: Model) -> None:
    code = legacy_code(0, faces.spec.z_dim).requires_grad_()
    scene = make_scene(faces.spec, faces.network, Subject({"z": Code(code)}))
    radiance = seen(scene, camera(faces)).T.reshape(-1, 8, 8)
    assert scene.finish is not None
    (gradient,) = torch.autograd.grad(scene.finish(radiance).sum(), code)
    assert bool((gradient != 0).all())


def test_outside_of_the_box_density_is_the_decoders_constant(faces: Model) -> None:
    volume = make_scene(faces.spec, faces.network, subject(faces)).passes[0]
    points = torch.tensor([[3.0, 2, 2], [1, -4, 9]], device=CPU, dtype=torch.float32)
    empty = torch.zeros(1, 32, device=CPU, dtype=torch.float32)
    density = volume.density(points)[1]
    expected = faces.network.decoder(empty)[0, 0]
    torch.testing.assert_close(density, expected.expand(2))
