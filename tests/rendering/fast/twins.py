"""One shot by the fast path and by its naive twin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.model.generator import Generator
from graf_cli.rendering.fast.proof import PROMISE
from graf_cli.rendering.renderer import Frame, Renderer, RenderOptions, Rgb, Series, Shot
from graf_cli.scene.camera import Camera, camera_for, pose_on_sphere

WHITE: Rgb = (1.0, 1.0, 1.0)


def camera(
    generator: Generator,
    azimuth: float = 40,
    elevation: float = 20,
    *,
    size: int = 16,
    height: int | None = None,
    radius: float | None = None,
    fov: float | None = None,
) -> Camera:
    """One of a model's cameras."""
    spec = generator.spec.camera
    pose = pose_on_sphere(azimuth, elevation, radius or spec.radius[1])
    return camera_for(spec, pose, width=size, height=height or size, fov=fov)


def shot(
    generator: Generator,
    seen_from: Camera | None = None,
    *,
    seed: int = 0,
    samples: int | None = None,
    background: Rgb = WHITE,
) -> Shot:
    """The object of a seed."""
    spec = generator.spec
    along = spec.settings.network.samples if samples is None else samples
    return Shot(
        draw(spec.settings.latent, seed).subject(),
        seen_from or camera(generator),
        along,
        background,
    )


@dataclass(frozen=True)
class Apart:
    """Largest differences of two frames; depth as a part of near to far."""

    rgb: float
    opacity: float
    depth: float


def apart(a: Frame, b: Frame) -> Apart:
    """How far."""
    reach = a.shot.camera.far - a.shot.camera.near
    return Apart(
        float(np.abs(a.rgb - b.rgb).max()),
        float(np.abs(a.opacity - b.opacity).max()),
        float(np.abs(a.depth - b.depth).max()) / reach,
    )


def assert_promise(renderer: Renderer, of: Shot, series: Series | None = None) -> Frame:
    """A shot's frame keeps the promise; the frame."""
    frame = renderer.render(of, series)
    truth = Renderer(renderer.generator, RenderOptions(exact=True)).render(of)
    assert np.isfinite(frame.rgb).all()
    found = apart(frame, truth)
    assert max(found.rgb, found.opacity) <= PROMISE, found
    assert found.depth <= 2 * PROMISE, found
    return frame


def seeded(seed: int) -> torch.Generator:
    """A source of random numbers."""
    return torch.Generator(device="cpu").manual_seed(seed)
