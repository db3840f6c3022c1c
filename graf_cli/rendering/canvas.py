"""A picture is filled some rays at a time, within the memory of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from graf_cli.errors import DeviceError
from graf_cli.model.generator import Generator
from graf_cli.rendering.march import RAY_BLOCK_POINTS, Composite, march
from graf_cli.rendering.shot import Shot
from graf_cli.scene.camera import Rays, rays

CPU_CHUNK = 4096  # points whose activations stay in a processor's cache
GPU_CHUNK = 1 << 17
SMALLEST_CHUNK = 64
BLOCK_RAYS = 1 << 16

T = TypeVar("T")


class Canvas:
    """Where pictures of one generator are made, and by the plain marcher how.

    Parameters
    ----------
    generator : Generator
    chunk : int or None
        Points that go through the network at once; None takes what suits the device.
    """

    def __init__(self, generator: Generator, chunk: int | None = None) -> None:
        self.generator = generator
        self.chunk = chunk or (CPU_CHUNK if generator.device.type == "cpu" else GPU_CHUNK)

    def samples(self, shot: Shot) -> int:
        """Of a whole picture, all passes together."""
        more = self.generator.spec.network.importance
        along = 2 * shot.samples + more if more else shot.samples
        return along * shot.camera.width * shot.camera.height

    def blocks(self, shot: Shot, points: int) -> range:
        """First pixels of the blocks of rays that have about so many samples each."""
        pixels = shot.camera.width * shot.camera.height
        along = shot.samples + self.generator.spec.network.importance
        return range(0, pixels, max(1, min(points // along, BLOCK_RAYS)))

    def fill(self, shot: Shot, march_some: Callable[[Rays, int], Composite], points: int) -> Tensor:
        """Colour, opacity, depth of every pixel, shape = (H·W, 5).

        Parameters
        ----------
        shot : Shot
        march_some : callable
            What some rays see; it is told the pixel of the first one.
        points : int
            Samples of the rays that are marched at once.
        """
        camera, blocks = shot.camera, self.blocks(shot, points)
        picture = torch.empty((blocks.stop, 5), device=self.generator.device, dtype=torch.float32)
        for start in blocks:
            stop = min(start + blocks.step, blocks.stop)
            through = rays(
                camera, device=picture.device, dtype=picture.dtype, start=start, stop=stop
            )
            picture[start:stop] = columns(march_some(through, start))
        return picture

    def plain(self, shot: Shot) -> Tensor:
        """The whole picture by the plain marcher, shape = (H·W, 5)."""
        return self.fill(shot, lambda through, _: self.march(shot, through), RAY_BLOCK_POINTS)

    def march(self, shot: Shot, through: Rays) -> Composite:
        """Rays through the plain marcher."""
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

        return self.within_memory(attempt)

    def within_memory(self, attempt: Callable[[int], T]) -> T:
        """Halve the chunk until the device holds it, and stay there.

        Raises
        ------
        DeviceError
            When the device's memory does not hold even the smallest chunk.
        """
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


def columns(seen: Composite) -> Tensor:
    """Colour, opacity, depth beside each other, shape = (n, 5)."""
    return torch.cat((seen.colour, seen.opacity[:, None], seen.depth[:, None]), dim=-1)
