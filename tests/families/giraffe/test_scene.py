"""Scenes: the fast march against its naive twin, masks, gradients, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.families.giraffe import cameras, layout, scene
from graf_cli.families.giraffe.family import FAMILY
from graf_cli.families.giraffe.spec import blocks
from graf_cli.rendering.integrator import integrate
from graf_cli.scene.camera import Rays
from graf_cli.scene.codes import Code, Subject
from tools.parity import giraffe as parity

CASES = Path(__file__).parent / "cases"
CHUNK = 1 << 16
NAMES = ("cars", "church", "options", "plain")


def model(name: str) -> parity.Model:
    return parity.load(CASES, name)


def subject(found: parity.Model, *, objects: int = 1, **controls: float) -> Subject:
    generator = torch.Generator(device="cpu").manual_seed(1)
    codes = {
        block.name: Code(
            torch.randn(block.length, generator=generator, device="cpu", dtype=torch.float32)
        )
        for block in blocks(found.spec, objects)
    }
    return Subject(codes, controls={"objects": float(objects), **controls})


def rays(found: parity.Model) -> Rays:
    return found.rays(found.pose(0.5, 0.5, 0.5))


@pytest.mark.parametrize("name", NAMES)
def test_the_fast_march_sees_what_the_integrator_does(name: str) -> None:
    found = model(name)
    for azimuth in (0.0, 40.0):  # the second frame has the background of the first
        seen = found.scene(subject(found, objects=2, turn=azimuth))
        assert seen.march is not None
        with torch.no_grad():
            exact = integrate(seen, rays(found), chunk=CHUNK)
        radiance, opacity, depth = seen.march(rays(found), True)
        torch.testing.assert_close(radiance, exact.radiance, rtol=0, atol=5e-5)
        torch.testing.assert_close(opacity, exact.opacity, rtol=0, atol=1e-5)
        torch.testing.assert_close(depth, exact.depth, rtol=0, atol=2e-5)
        alone, again, _ = seen.march(rays(found), False)
        assert alone.shape == (len(radiance), 0)
        torch.testing.assert_close(again, opacity, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_masks_are_the_objects_shares_of_the_opacity(name: str) -> None:
    found = model(name)
    seen = subject(found, objects=2)
    masks = scene.masks(found.spec, found.network, seen, found.spec.samples)
    assert masks.march is not None
    with torch.no_grad():
        exact = integrate(masks, rays(found), chunk=CHUNK)
    fast, _, _ = masks.march(rays(found), True)
    assert fast.shape[-1] == 2
    torch.testing.assert_close(fast, exact.radiance, rtol=0, atol=1e-5)
    assert bool((exact.radiance.sum(dim=-1) <= exact.opacity + 1e-5).all())


def test_an_object_that_does_not_exist_is_neither_seen_nor_masked() -> None:
    found = model("cars")
    there = found.scene(subject(found, objects=1))
    codes = subject(found, objects=2).codes
    gone = {"objects": 2.0, "object.1.exists": 0.0}
    other = {**codes, **subject(found, objects=1).codes}
    left = found.scene(Subject(other, controls=gone))
    with torch.no_grad():
        a, b = (integrate(one, rays(found), chunk=CHUNK) for one in (there, left))
        masks = scene.masks(found.spec, found.network, Subject(other, controls=gone), 64)
        seen = integrate(masks, rays(found), chunk=CHUNK).radiance
    assert torch.equal(a.radiance, b.radiance)
    assert not bool(seen[:, 1].any())


def test_turning_the_object_is_walking_around_it() -> None:
    found = model("cars")
    given: dict[str, Any] = {"background": 0.0, "object.0.x": 0.5, "object.0.y": 0.5}
    turned = found.scene(subject(found, turn=90.0, **given))
    still = found.scene(subject(found, turn=0.0, **given))
    elsewhere = found.rays(cameras.pose(0.25, 0.458335, 2.732))
    with torch.no_grad():
        a = integrate(turned, rays(found), chunk=CHUNK)
        b = integrate(still, elsewhere, chunk=CHUNK)
    torch.testing.assert_close(a.opacity, b.opacity, rtol=0, atol=2e-3)


def test_gradients_reach_points_and_codes() -> None:
    found = model("cars")
    seen = subject(found, objects=1)
    code: Tensor = seen.codes["object.0.shape"].start.requires_grad_()
    union = found.scene(seen).passes[0]
    across = torch.linspace(-0.15, 0.15, 64, device="cpu", dtype=torch.float32)
    points = across[:, None].repeat(1, 3).requires_grad_()  # some of them are dense
    features, density = union.density(points)
    d = torch.tensor([[1.0, 0.0, 0.0]], device="cpu", dtype=torch.float32).expand(64, 3)
    (density.sum() + union.radiance(features, d).sum()).backward()  # type: ignore[no-untyped-call]
    assert points.grad is not None
    assert code.grad is not None
    assert bool(code.grad.any())


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({"object.0.size": 1.0}, "no control object.0.size"),
        ({"objects": 1.5}, "whole number"),
        ({"objects": 3.0}, "no code object.1.shape"),
    ],
)
def test_what_cannot_be_placed_is_refused(controls: dict[str, float], message: str) -> None:
    found = model("cars")
    codes = subject(found).codes
    with pytest.raises(UsageError, match=message):
        found.scene(Subject(codes, controls=controls))


def test_an_objects_own_setting_goes_before_that_of_all() -> None:
    found = model("cars")
    given = {"object.*.y": 0.0, "object.1.y": 1.0}
    first, second = layout.layout(found.spec, subject(found, objects=2, **given)).objects
    assert first.translation[1] == pytest.approx(-0.12)
    assert second.translation[1] == pytest.approx(0.12)


def test_the_features_name_every_code_and_control() -> None:
    found = model("cars")
    features = FAMILY.features(found.spec)
    assert [block.name for block in features.blocks][:2] == [
        "object.0.shape",
        "object.0.appearance",
    ]
    assert features.sizes == (64,)
    assert features.truncation_default == 0.65
    names = {control.name for control in features.controls}
    assert {"object.*.scale", "object.*.x", "object.*.y", "turn", "background.turn"} <= names
    assert "object.*.z" not in names  # the range has no width
