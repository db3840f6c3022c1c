"""Tensors stay on the device that was asked for: proved without one, and on one where there is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.families.graf.spec import LatentSpec
from graf_cli.model.generator import load_checkpoint
from graf_cli.rendering.integrator import disparity
from graf_cli.scene.camera import camera_for, pose_on_sphere, rays
from graf_cli.scene.codes import Code, along_great_circle
from tests.conftest import CASES, CPU, REFERENCE
from tests.rendering.fields import conditioned, march

ROOT = Path(__file__).parents[2]


class ExplicitPlaces(TorchFunctionMode):
    """Refuses every new tensor that does not say where it is and what it holds."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _device_constructors() and not {"device", "dtype"} <= kwargs.keys():
            raise AssertionError(f"torch.{func.__name__} without device= and dtype=")
        return func(*args, **kwargs)


def test_the_refusal_refuses() -> None:
    with ExplicitPlaces():
        torch.zeros(2, device="cpu", dtype=torch.float32)
        for slip in (lambda: torch.zeros(2), lambda: torch.arange(2, device="cpu")):
            with pytest.raises(AssertionError, match="without device= and dtype="):
                slip()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("name", CASES)
def test_every_new_tensor_says_where_it_is(name: str) -> None:
    with ExplicitPlaces(), torch.inference_mode():
        generator = load_checkpoint(REFERENCE / f"{name}.pt", REFERENCE / f"{name}.json", CPU)
        spec, network = generator.spec, generator.spec.settings.network
        latent = draw(spec.settings.latent, 0)
        along_great_circle(Code(latent.shape, draw(spec.settings.latent, 1).shape, 0.5))
        camera = camera_for(spec.camera, pose_on_sphere(30, 20, 10), width=4, height=3)
        seen = march(
            conditioned(generator, latent),
            rays(camera, device=CPU, dtype=torch.float32),
            network.samples,
            chunk=64,
            importance=network.importance,
            fine=conditioned(generator, latent, fine=True),
        )
        disparity(seen.depth, seen.opacity)


def test_a_uniform_prior_says_where_it_is_too() -> None:
    with ExplicitPlaces():
        draw(LatentSpec(prior="uniform"), 0)


@pytest.mark.parametrize(
    ("program", "cases"), [("fake_gpu", CASES), ("pretended_gpu", ("cars", "hierarchical"))]
)
def test_nothing_leaves_a_device_that_is_not_there(program: str, cases: Sequence[str]) -> None:
    """By the plain marcher, whose tensors have no numbers, and by the fast path, with numbers."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"tests.devices.{program}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert tuple(run.stdout.split()) == cases


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_seed_is_the_same_object_on_cuda() -> None:
    generator = load_checkpoint(
        REFERENCE / "cars.pt", REFERENCE / "cars.json", torch.device("cuda")
    )
    latent = draw(generator.spec.settings.latent, 3)
    assert torch.equal(latent.shape, draw(generator.spec.settings.latent, 3).shape)
    assert latent.shape.device.type == "cpu"
    points = torch.zeros((2, 3), device=generator.device, dtype=torch.float32)
    directions = torch.ones_like(points) / 3**0.5
    density, colour = conditioned(generator, latent)(points, directions)
    assert density.device.type == colour.device.type == "cuda"
