"""Render an EG3D by the fast path on a device that is not there; run as a program.

See `tests.devices.pretended_gpu`. The 2-D stage is painted at half precision, as on CUDA.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any

import numpy as np
import torch
from torch.utils.backend_registration import (
    _setup_privateuseone_for_python_backend,
)

from graf_cli.families.eg3d.scene import Stage
from graf_cli.model.checkpoint import open_checkpoint
from graf_cli.model.generator import Generator, build
from graf_cli.rendering.renderer import LEVEL, Renderer, RenderOptions, Series, Shot
from graf_cli.scene.camera import camera_for, pose_on_sphere
from graf_cli.scene.codes import Code, Subject, draw
from tests.devices.pretended_gpu import PRETENDED, Pretence
from tests.families.eg3d.conftest import CASES

MOST_WAITS = 90  # of the host in two pictures, the first one's proof among them


def place(device: str) -> Generator:
    spec, weights = open_checkpoint(CASES / "ffhq64.pkl")
    there = {
        network: {key: tensor.to(device=device) for key, tensor in tensors.items()}
        for network, tensors in weights.items()
    }
    return build(spec, there, "0" * 64, torch.device(device))


def pictures(generator: Generator) -> tuple[list[Any], Renderer]:
    """Two views of a long turntable of one object."""
    spec = generator.spec
    subject = Subject({name: Code(code) for name, code in draw(generator.features, 0).items()})
    seen = [
        Shot(
            subject,
            camera_for(
                spec.camera,
                pose_on_sphere(azimuth, 5, 2.7, spec.camera.pivot),
                width=spec.size,
                height=spec.size,
            ),
            spec.settings.samples,
            (0.0, 0.0, 0.0),
        )
        for azimuth in (0, 15)
    ]
    renderer = Renderer(generator, RenderOptions())
    render = inspect.unwrap(Renderer.render)  # inference mode knows no tensors such as `There`
    with torch.no_grad():
        return [render(renderer, one, Series(seen[0], 1000)).rgb for one in seen], renderer


def main() -> None:
    """Print how the pictures were painted, and how often the host waited."""
    _setup_privateuseone_for_python_backend(PRETENDED)
    torch.set_num_threads(1)
    expected, _ = pictures(place("cpu"))
    # What a pretended device is asked for is what CUDA would be.
    setattr(Stage, "faster", lambda _: [torch.float16])  # noqa: B010 - a method, mypy says
    with Pretence() as pretence:
        found, renderer = pictures(place(PRETENDED))
    apart = max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))
    assert 0 < apart <= LEVEL, apart
    assert pretence.waits <= MOST_WAITS, f"the host waited {pretence.waits} times"
    print(renderer.outcome.path, renderer.outcome.precision)
    print(f"{apart:.1e}, {pretence.waits} waits", file=sys.stderr)


if __name__ == "__main__":
    main()
