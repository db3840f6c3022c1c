"""A Shot becomes a Frame: chunks, memory, precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graf_cli.errors import DeviceError
from graf_cli.model.generator import Generator
from graf_cli.model.latent import Latent
from graf_cli.render.camera import Camera, Rays, rays
from graf_cli.render.march import RAY_BLOCK_POINTS, Composite, disparity, march

CPU_CHUNK = 4096  # points whose activations stay in a processor's cache
GPU_CHUNK = 1 << 17
SMALLEST_CHUNK = 64

Image = NDArray[np.float32]
Rgb = tuple[float, float, float]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Shot:
    """One latent seen by one camera: everything a picture needs beside the generator.

    Attributes
    ----------
    latent : Latent
    camera : Camera
    samples : int
        Along each ray.
    background : tuple of 3 floats
        What shows through, in [0, 1].
    """

    latent: Latent
    camera: Camera
    samples: int
    background: Rgb


@dataclass(frozen=True, eq=False)
class Frame:
    """One rendered picture, float32 on the host.

    Attributes
    ----------
    rgb : ndarray, shape = (H, W, 3)
        In [0, 1], composited on the shot's background.
    depth : ndarray, shape = (H, W)
        Expected depth along the optical axis, ``Σ weight·z``, world units; 0 where nothing is.
    opacity : ndarray, shape = (H, W)
        In [0, 1].
    shot : Shot
    """

    rgb: Image
    depth: Image
    opacity: Image
    shot: Shot

    @property
    def disparity(self) -> Image:
        """``1 / max(1e-10, depth / (opacity + 1e-10))``, shape = (H, W), per world unit."""
        values = disparity(torch.from_numpy(self.depth), torch.from_numpy(self.opacity))
        return np.asarray(values.numpy(), dtype=np.float32)


@dataclass(frozen=True)
class RenderOptions:
    """What does not change a pixel beyond the promised error.

    Attributes
    ----------
    exact : bool
        Use the plain marcher, by name.
    chunk : int or None
        Points that go through the network at once; None takes what suits the device.
    """

    exact: bool = False
    chunk: int | None = None


class Renderer:
    """Renders the shots of one generator.

    Parameters
    ----------
    generator : Generator
    options : RenderOptions
    """

    def __init__(self, generator: Generator, options: RenderOptions | None = None) -> None:
        self.generator = generator
        self.options = options or RenderOptions()
        on_cpu = generator.device.type == "cpu"
        self.chunk = self.options.chunk or (CPU_CHUNK if on_cpu else GPU_CHUNK)

    @torch.inference_mode()
    def render(self, shot: Shot) -> Frame:
        """Render one shot.

        Raises
        ------
        DeviceError
            When the device's memory does not hold even the smallest chunk.
        """
        camera = shot.camera
        pixels = camera.width * camera.height
        block = max(1, RAY_BLOCK_POINTS // shot.samples)
        picture = torch.empty((pixels, 5), device=self.generator.device, dtype=torch.float32)
        for start in range(0, pixels, block):
            stop = min(start + block, pixels)
            through = rays(
                camera, device=picture.device, dtype=picture.dtype, start=start, stop=stop
            )
            picture[start:stop] = _columns(self._march(shot, through))
        return _frame(shot, picture)

    def _march(self, shot: Shot, through: Rays) -> Composite:
        network = self.generator.spec.network
        fine = self.generator.conditioned(shot.latent, fine=True) if network.importance else None

        def attempt(chunk: int) -> Composite:
            return march(
                self.generator.conditioned(shot.latent),
                through,
                shot.samples,
                chunk=chunk,
                importance=network.importance,
                fine=fine,
            )

        return self._within_memory(attempt)

    def _within_memory(self, attempt: Callable[[int], T]) -> T:
        """Halve the chunk until the device holds it, and stay there."""
        while True:
            try:
                return attempt(self.chunk)
            except torch.OutOfMemoryError as error:
                if self.chunk <= SMALLEST_CHUNK:
                    raise DeviceError(
                        f"The memory of `{self.generator.device}` does not hold even "
                        f"{self.chunk} points; free some or use --device cpu."
                    ) from error
            self.chunk //= 2


def _columns(seen: Composite) -> Tensor:
    return torch.cat((seen.colour, seen.opacity[:, None], seen.depth[:, None]), dim=-1)


def _frame(shot: Shot, picture: Tensor) -> Frame:
    """One transfer to the host, then the background."""
    height, width = shot.camera.height, shot.camera.width
    host = picture.to(device="cpu").numpy().reshape(height, width, 5)
    opacity = np.ascontiguousarray(host[..., 3])
    behind = np.asarray(shot.background, dtype=np.float32)
    return Frame(
        rgb=host[..., :3] + (1 - opacity[..., None]) * behind,
        depth=np.ascontiguousarray(host[..., 4]),
        opacity=opacity,
        shot=shot,
    )
