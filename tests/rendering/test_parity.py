"""What the authors' own code measured, met by the plain marcher."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from graf_cli.arrays import Array
from graf_cli.model.generator import Generator, load_checkpoint
from graf_cli.rendering.integrator import disparity
from graf_cli.scene.camera import azimuth_of, camera_for, elevation_of, pose_on_sphere, rays
from graf_cli.scene.spec import CameraSpec
from tests.conftest import CPU, REFERENCE, Case
from tests.rendering.fields import conditioned, march
from tools.parity.__main__ import ELSEWHERE

HIERARCHICAL = "hierarchical"


@dataclass(frozen=True, eq=False)
class Pictures:
    """All pictures of one case; shapes as in `Case`."""

    rgb: Array
    opacity: Array
    disparity: Array


def render(case: Case, generator: Generator) -> Pictures:
    network, size = generator.spec.settings.network, generator.spec.size
    seen = []
    for index, pose in enumerate(case.poses):
        camera = camera_for(generator.spec.camera, pose, width=size, height=size)
        seen.append(
            march(
                conditioned(generator, case.latent(index)),
                rays(camera, device=generator.device, dtype=torch.float32),
                network.samples,
                chunk=4096,
                importance=network.importance,
                fine=conditioned(generator, case.latent(index), fine=True),
            )
        )
    white = float(generator.spec.background == "white")
    opacity = torch.stack([one.opacity for one in seen])
    colour = torch.stack([one.radiance for one in seen]) + (1 - opacity[..., None]) * white
    nearness = torch.stack([disparity(one.depth, one.opacity) for one in seen])
    return Pictures(
        colour.cpu().double().numpy().reshape(case.rgb.shape),
        opacity.cpu().double().numpy().reshape(case.opacity.shape),
        nearness.cpu().double().numpy().reshape(case.disparity.shape),
    )


def assert_parity(case: Case, pictures: Pictures, times: float = 1) -> None:
    """The bounds that graf promises, or so many times as wide."""
    for found, measured in ((pictures.rgb, case.rgb), (pictures.opacity, case.opacity)):
        error = np.abs(found - measured)
        if case.name == HIERARCHICAL:
            assert (error <= times * 1e-3).mean() >= 0.999
            assert error.mean() <= times * 1e-4
        else:
            assert error.max() <= times * 2e-4
            assert error.mean() <= times * 1e-5
    something = case.opacity > 1e-3
    error = np.abs(pictures.disparity / case.disparity - 1)[something]
    assert (error <= times * 1e-3).mean() >= 0.999
    assert error.mean() <= times * 1e-4


@torch.inference_mode()
def test_pictures_are_the_measured_ones(case: Case) -> None:
    pictures = render(case, case.generator)
    assert_parity(case, pictures)
    for found, measured in ((pictures.rgb, case.rgb), (pictures.opacity, case.opacity)):
        if case.name != HIERARCHICAL:  # tighter than promised: what a change here would disturb
            assert np.abs(found - measured).max() <= 5e-5
        assert np.abs(found - measured).mean() <= 1e-6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@torch.inference_mode()
def test_cuda_gives_the_same_pictures(case: Case) -> None:
    generator = load_checkpoint(case.checkpoint, case.config, torch.device("cuda"))
    assert_parity(case, render(case, generator), times=ELSEWHERE)


@pytest.fixture(scope="module")
def cameras() -> dict[str, Array]:
    with np.load(REFERENCE / "cameras.npz") as file:
        return {key: file[key].astype(np.float64) for key in file.files}


def test_poses_are_the_measured_ones(cameras: dict[str, Array]) -> None:
    # The release keeps angles 0.1° away from the singular ones.
    turn = [pose_on_sphere(max(45 * k, 0.1), 90 - 42.5, 10) for k in range(8)]
    np.testing.assert_allclose(turn, cameras["rotation_r10_polar42_5"], atol=1e-9)
    rise = [pose_on_sphere(180, 90 - max(17 * k, 0.1), 10) for k in range(5)]
    np.testing.assert_allclose(rise, cameras["elevation_r10_azimuth180"], atol=1e-9)


@pytest.mark.parametrize(("kind", "projection"), [("pinhole", "fov30"), ("ortho", "size5")])
def test_rays_are_the_measured_ones(cameras: dict[str, Array], kind: str, projection: str) -> None:
    spec = CameraSpec(near=7.5, far=12.5, radius=(10, 10), fov=30, orthographic=kind == "ortho")
    camera = camera_for(spec, pose_on_sphere(135, 90 - 42.5, 10), width=6, height=6)
    found = rays(camera, device=CPU, dtype=torch.float64)
    name = f"rays_{kind}_6x6_{projection}"
    for part, values in (("origin", found.origins), ("direction", found.directions)):
        measured = cameras[f"{name}_{part}"].reshape(-1, 3)
        np.testing.assert_allclose(values.numpy(), measured, atol=2e-6)


def test_angles_are_the_measured_ones(cameras: dict[str, Array]) -> None:
    polar = [90 - elevation_of(v) for v in cameras["v"]]
    np.testing.assert_allclose(polar, cameras["polar_deg_of_v"], atol=1e-9)
    unit = [
        pose_on_sphere(azimuth_of(u), elevation_of(v), 1)[:, 3]
        for u, v in zip(cameras["u_sphere"], cameras["v_sphere"], strict=True)
    ]
    np.testing.assert_allclose(unit, cameras["xyz_of_uv"], atol=1e-12)
