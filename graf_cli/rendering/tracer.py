"""A picture is filled some rays at a time, within the memory of a device."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from graf_cli.errors import DeviceError
from graf_cli.rendering.integrator import Seen, integrate
from graf_cli.rendering.recent import remember
from graf_cli.rendering.shot import Shot
from graf_cli.rendering.threads import each, workers
from graf_cli.scene.camera import Rays, rays_through
from graf_cli.scene.volume import March, Scene, Scenes

CPU_CHUNK = 4096  # points whose activations stay in a processor's cache
GPU_CHUNK = 1 << 17
SMALLEST_CHUNK = 64
BLOCK_RAYS = 1 << 16
BLOCK_POINTS = 1 << 18  # samples held at once by the exact integrator
# By a march of a family's own: 512 rays of EG3D's 96 samples, so that every thread has its share.
MARCHED_POINTS = 3 << 14
FAST_BLOCK_POINTS = 1 << 20  # by the fast path, which holds most of them only as bits
GPU_TIMES = 4  # as many on other devices, which wait for every block's operations to be sent

T = TypeVar("T")


class Tracer:
    """Where pictures of one generator are made, and by the exact integrator how.

    Parameters
    ----------
    generator : Scenes
    chunk : int or None
        Points that go through the network at once; None takes what suits the device.

    Attributes
    ----------
    block_points, fast_block_points : int
        Samples that the exact integrator and the fast path hold at once.
    """

    def __init__(self, generator: Scenes, chunk: int | None = None) -> None:
        self.generator = generator
        suits = CPU_CHUNK if generator.device.type == "cpu" else GPU_CHUNK
        self.chunk = suits if chunk is None else chunk
        times = 1 if generator.device.type == "cpu" else GPU_TIMES
        self.block_points, self.fast_block_points = BLOCK_POINTS * times, FAST_BLOCK_POINTS * times
        self._scenes: OrderedDict[tuple[bytes, ...], Scene] = OrderedDict()

    def scene(self, shot: Shot) -> Scene:
        """What a shot's rays pass through, made once for many cameras."""
        key: tuple[bytes, ...] = (shot.subject.key, str(shot.samples).encode())
        if self.generator.conditioned_on_camera(shot.subject):
            key = (*key, shot.key)
        if key not in self._scenes:
            made = self.generator.scene(shot.subject, samples=shot.samples, camera=shot.camera)
            remember(self._scenes, key, made)
        self._scenes.move_to_end(key)
        return self._scenes[key]

    def samples(self, shot: Shot) -> int:
        """Of a whole picture, all passes together."""
        quadrature = self.scene(shot).quadrature
        along = quadrature.samples + quadrature.further
        if quadrature.further and not quadrature.reused:
            along += quadrature.samples
        return along * shot.camera.width * shot.camera.height

    def blocks(self, shot: Shot, points: int) -> range:
        """First pixels of the blocks of rays that have about so many samples each."""
        pixels = shot.camera.width * shot.camera.height
        quadrature = self.scene(shot).quadrature
        along = quadrature.samples + quadrature.further
        return range(0, pixels, max(1, min(points // along, BLOCK_RAYS)))

    def rays(self, shot: Shot, pixel: Tensor) -> Rays:
        """Rays through some pixels, as the scene takes them."""
        through = rays_through(shot.camera, pixel, dtype=torch.float32)
        warp = self.scene(shot).warp
        return through if warp is None else warp(through, shot.camera)

    def fill(
        self,
        shot: Shot,
        march_some: Callable[[Rays, Tensor], Seen],
        points: int,
        channels: int,
        threads: int = 1,
    ) -> Tensor:
        """Radiance, opacity, depth of every pixel, shape = (H·W, channels + 2).

        Parameters
        ----------
        shot : Shot
        march_some : callable
            What some rays see; it is told their pixels.
        points : int
            Samples of the rays that are marched at once.
        channels : int
            Of the radiance.
        threads : int
            That take blocks of their own.
        """
        blocks, device = self.blocks(shot, points), self.generator.device
        picture = torch.empty((blocks.stop, channels + 2), device=device, dtype=torch.float32)

        def block(start: int) -> None:
            stop = min(start + blocks.step, blocks.stop)
            pixel = torch.arange(start, stop, device=device, dtype=torch.int64)
            picture[start:stop] = columns(march_some(self.rays(shot, pixel), pixel))

        each(block, blocks, threads)
        return picture

    def plain(self, shot: Shot, scene: Scene | None = None) -> Tensor:
        """The whole picture by the exact integrator, shape = (H·W, channels + 2).

        Of the shot's scene, or of another that stands in for it.
        """
        scene = scene or self.scene(shot)
        return self.fill(
            shot,
            lambda through, pixel: self.march(shot, through, pixel, scene),
            self.block_points,
            scene.passes[-1].channels,
        )

    def marched(
        self,
        shot: Shot,
        *,
        radiance: bool,
        scene: Scene | None = None,
        march: March | None = None,
    ) -> Tensor:
        """The whole picture by the scene's own march, shape = (H·W, channels + 2).

        Of the shot's scene, or of another that stands in for it. Without `radiance` there are no
        channels.
        """
        scene = scene or self.scene(shot)
        march = march or scene.march
        assert march is not None
        channels = scene.passes[-1].channels if radiance else 0
        cpu = self.generator.device.type == "cpu"
        return self.fill(
            shot,
            lambda through, _: Seen(*march(through, radiance)),
            MARCHED_POINTS if cpu else self.block_points,
            channels,
            workers(self.generator.device),
        )

    def sparse(self, shot: Shot, pictures: int) -> March | None:
        """The march of a series that leaves out what is empty; None where that is the scene's."""
        scene = self.scene(shot)
        made = None if scene.sparse is None else scene.sparse(pictures * self.samples(shot))
        return None if made is scene.march else made

    def march(self, shot: Shot, through: Rays, pixel: Tensor, scene: Scene | None = None) -> Seen:
        """Rays through the exact integrator."""
        scene = scene or self.scene(shot)
        draws = None if scene.draws is None else scene.draws(shot.camera)
        return self.within_memory(
            lambda chunk: integrate(scene, through, chunk=chunk, pixel=pixel, draws=draws)
        )

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
                        f"{self.chunk} points; free some or use ⟨device⟩ cpu."
                    ) from error
            self.chunk //= 2


def columns(seen: Seen) -> Tensor:
    """Radiance, opacity, depth beside each other, shape = (n, channels + 2)."""
    return torch.cat((seen.radiance, seen.opacity[:, None], seen.depth[:, None]), dim=-1)
