"""The truth's renderer, on a sphere, and its cameras against the program's."""

import math

import pytest
import torch

from graf_cli.scene.camera import (
    azimuth_of,
    camera_for,
    elevation_of,
    pose_on_sphere,
    rays,
)
from tools.toycars.asset import model_spec
from tools.toycars.fit import FitPlan, new_field
from tools.toycars.truth import FAR, RADIUS, camera_rays, trace

CPU = torch.device("cpu")


def viewpoint(u: float, v: float) -> tuple[torch.Tensor, torch.Tensor]:
    both = torch.tensor(((u,), (v,)), device=CPU, dtype=torch.float64)
    return both[0], both[1]


@pytest.mark.parametrize(("u", "v"), [(0.0, 0.3), (0.37, 0.4564), (0.8, 0.0)])
def test_cameras_are_the_programs(u: float, v: float) -> None:
    spec = model_spec(new_field(FitPlan(), CPU)).camera
    pose = pose_on_sphere(azimuth_of(u), elevation_of(v), RADIUS)
    camera = camera_for(spec, pose, width=6, height=6)
    theirs = rays(camera, device=CPU, dtype=torch.float64)
    ours = camera_rays(*viewpoint(u, v), size=6)
    assert torch.allclose(ours.directions[0], theirs.directions, atol=1e-9)
    assert torch.allclose(ours.origins[0].expand_as(theirs.origins), theirs.origins, atol=1e-9)


def test_a_sphere_has_its_depth_and_its_outline() -> None:
    size, radius = 64, 1.5
    through = camera_rays(*viewpoint(0.1, 0.2), size=size)
    depth, hit = trace(lambda points: points.norm(dim=-1) - radius, through)
    middle = size // 2 * size + size // 2
    assert hit[0, middle]
    assert math.isclose(float(depth[0, middle]), RADIUS - radius, abs_tol=5e-3)
    tangent = radius / math.sqrt(RADIUS**2 - radius**2)
    offset = (through.directions + through.origins / RADIUS).norm(dim=-1)
    assert hit[offset < tangent - 0.005].all()
    assert not hit[offset > tangent + 0.005].any()
    assert (depth[~hit] > FAR - 0.5).all()
