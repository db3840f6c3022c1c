"""A Shot becomes a Frame: chunks, memory, precision, the fast path and its proof."""

from __future__ import annotations

import dataclasses
import logging
from collections import OrderedDict
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
from graf_cli.rendering.camera import Camera, Rays, rays
from graf_cli.rendering.fast.audit import Audit, GridBrokenError
from graf_cli.rendering.fast.march import Count
from graf_cli.rendering.fast.objects import Job, Objects, Tightness, key_of, remember
from graf_cli.rendering.fast.proof import (
    AUDIT,
    AUDIT_FIRST,
    DTYPES,
    LADDER,
    PROBES,
    PROBES_FIRST,
    PROMISE,
    Outcome,
    Used,
    after_broken_grid,
    difference,
    matrix_products,
    precisions,
    probes,
)
from graf_cli.rendering.march import RAY_BLOCK_POINTS, Composite, disparity, march
from graf_cli.syntax import Precision

CPU_CHUNK = 4096  # points whose activations stay in a processor's cache
GPU_CHUNK = 1 << 17
SMALLEST_CHUNK = 64

FAST_BLOCK_POINTS = 1 << 20  # samples that the fast path holds at once, most of them only as bits

BLOCK_RAYS = 1 << 16
CAREFULLY = "rendering more carefully from here on"

log = logging.getLogger("graf")

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
    precision : str
        Of the matrix products: ``auto`` is the fastest that keeps the promise; a precision asked
        for by name is used, and its error told.
    """

    exact: bool = False
    chunk: int | None = None
    precision: Precision = "auto"


class Renderer:
    """Renders the shots of one generator; one renderer is one job.

    Each picture is rendered the fast way and held against the plain marcher on some of its rays
    (`graf_cli.rendering.fast.proof`). Where the promise is broken the picture is made again more
    carefully, in the end plainly, and so are those that follow.

    Parameters
    ----------
    generator : Generator
    options : RenderOptions

    Attributes
    ----------
    outcome : Outcome
        What was done so far, and the largest difference measured.
    """

    def __init__(self, generator: Generator, options: RenderOptions | None = None) -> None:
        self.generator = generator
        self.options = options or RenderOptions()
        on_cpu = generator.device.type == "cpu"
        self.chunk = self.options.chunk or (CPU_CHUNK if on_cpu else GPU_CHUNK)
        self.outcome = Outcome()
        self._objects = Objects(generator)
        self._precisions = precisions(self.options.precision, generator.device)
        self._rungs: OrderedDict[bytes, int] = OrderedDict()  # of the ladder, by shape
        self._pictures = 0

    @torch.inference_mode()
    def render(self, shot: Shot) -> Frame:
        """Render one shot.

        Raises
        ------
        DeviceError
            When the device's memory does not hold even the smallest chunk.
        """
        picture = None if self.options.exact else self._proven(shot)
        if picture is None:
            picture = self._plain(shot)
        self._pictures += 1
        return _frame(shot, picture)

    def _proven(self, shot: Shot) -> Tensor | None:
        """The picture by the first way that keeps the promise, if there is one.

        A grid that fails one shape fails it for good; a precision that fails fails the job.
        """
        shape = key_of(shot.latent.shape)
        rung = self._rungs.get(shape, 0)
        while rung < len(LADDER):
            try:
                attempt = self._attempt(shot, LADDER[rung], self._precisions[0])
            except GridBrokenError as broken:
                log.info("picture %d: %s; %s", self._pictures + 1, broken, CAREFULLY)
                rung = after_broken_grid(rung, broken.share)
                continue
            kept = attempt.honest <= PROMISE
            self._tell(attempt, kept=kept)
            if kept:
                remember(self._rungs, shape, rung)
                self.outcome = attempt.outcome
                return attempt.picture
            if len(self._precisions) > 1:
                self._precisions.pop(0)
            else:
                rung += 1
        remember(self._rungs, shape, rung)
        return None

    def _attempt(self, shot: Shot, tightness: Tightness, precision: Used) -> _Attempt:
        with matrix_products(precision):
            picture, outcome = self._fast(shot, tightness, precision)
        pixels = probes(
            picture[:, 3].view(shot.camera.height, shot.camera.width),
            PROBES if self._pictures else PROBES_FIRST,
            self._pictures,
        )
        through = _through(shot.camera, pixels, picture)
        truth = _columns(self._march(shot, through))
        seen = picture[pixels.to(device=picture.device)]
        measured = difference(seen, truth, shot.background)
        honest = measured
        if self.options.precision not in ("auto", "float32"):
            # A precision asked for by name may err; the grid may not.
            exact = self._fast_rays(shot, tightness, through)
            honest = difference(exact, truth, shot.background)
        before = self.outcome
        outcome = dataclasses.replace(
            outcome,
            probed=before.probed + len(pixels),
            difference=max(before.difference, measured),
        )
        return _Attempt(picture, outcome, measured, honest)

    def _fast(self, shot: Shot, tightness: Tightness, precision: Used) -> tuple[Tensor, Outcome]:
        opened = self._objects.open(_job(shot, tightness, precision), self.chunk)
        before, count = self.outcome, Count()

        def march_some(through: Rays) -> Composite:
            seen, made = self._within_memory(lambda chunk: opened.march(through, chunk, audit))
            count.add(made)
            return seen

        audit = self._audit(shot, new=opened.new)
        picture = self._fill(shot, march_some, FAST_BLOCK_POINTS)
        return picture, dataclasses.replace(
            before,
            path="fast" if opened.resolution else "folded",
            precision=precision,
            resolution=opened.resolution,
            evaluated=before.evaluated + count.evaluated,
            coloured=before.coloured + count.coloured,
            possible=before.possible + count.possible,
            cells=before.cells + opened.cells,
        )

    def _audit(self, shot: Shot, *, new: bool) -> Audit:
        """Of each block of rays as much as makes a fixed number a picture; more of a new grid."""
        pixels = shot.camera.width * shot.camera.height
        samples = (shot.samples + self.generator.spec.network.importance) * pixels
        blocks = max(-(-samples // FAST_BLOCK_POINTS), -(-pixels // BLOCK_RAYS))
        count = AUDIT_FIRST if new else AUDIT
        source = torch.Generator(device="cpu").manual_seed(self._pictures)
        return Audit(max(count // blocks, 8), source, expect=new)

    def _fast_rays(self, shot: Shot, tightness: Tightness, through: Rays) -> Tensor:
        """In float32, by the grid as the picture left it."""
        opened = self._objects.open(_job(shot, tightness, "float32"), self.chunk)
        seen, _ = self._within_memory(lambda chunk: opened.march(through, chunk))
        return _columns(seen)

    def _tell(self, attempt: _Attempt, *, kept: bool) -> None:
        said = attempt.outcome
        level = logging.DEBUG if kept and self._pictures else logging.INFO
        log.log(
            level,
            "picture %d: %s path, %s, grid %d: largest difference %.1e on %d rays marched both "
            "ways; %s",
            self._pictures + 1,
            said.path,
            said.precision,
            said.resolution,
            attempt.measured,
            PROBES if self._pictures else PROBES_FIRST,
            "kept" if kept else f"more than {PROMISE:.0e}; {CAREFULLY}",
        )

    def _plain(self, shot: Shot) -> Tensor:
        samples = self._samples(shot)
        before = self.outcome
        self.outcome = dataclasses.replace(
            before,
            path="plain",
            precision="float32",
            resolution=0,
            evaluated=before.evaluated + samples,
            coloured=before.coloured + samples,
            possible=before.possible + samples,
        )
        return self._fill(shot, lambda through: self._march(shot, through), RAY_BLOCK_POINTS)

    def _samples(self, shot: Shot) -> int:
        """Of a whole picture, all passes together."""
        more = self.generator.spec.network.importance
        along = 2 * shot.samples + more if more else shot.samples
        return along * shot.camera.width * shot.camera.height

    def _fill(self, shot: Shot, march_some: Callable[[Rays], Composite], points: int) -> Tensor:
        """Colour, opacity, depth of every pixel, shape = (H·W, 5), some rays at a time."""
        camera = shot.camera
        pixels = camera.width * camera.height
        along = shot.samples + self.generator.spec.network.importance
        block = max(1, min(points // along, BLOCK_RAYS))
        picture = torch.empty((pixels, 5), device=self.generator.device, dtype=torch.float32)
        for start in range(0, pixels, block):
            stop = min(start + block, pixels)
            through = rays(
                camera, device=picture.device, dtype=picture.dtype, start=start, stop=stop
            )
            picture[start:stop] = _columns(march_some(through))
        return picture

    def _march(self, shot: Shot, through: Rays) -> Composite:
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


@dataclass(frozen=True, eq=False)
class _Attempt:
    """A picture, the job's outcome if it is kept, and how it differs from the truth.

    `measured` is the difference of the picture; `honest` that of the same in float32, which tells
    whether the grid can be trusted.
    """

    picture: Tensor
    outcome: Outcome
    measured: float
    honest: float


def _job(shot: Shot, tightness: Tightness, precision: Used) -> Job:
    return Job(shot.latent, shot.camera, shot.samples, tightness, DTYPES[precision])


def _through(camera: Camera, pixels: Tensor, like: Tensor) -> Rays:
    """Rays through some pixels."""
    each = [
        rays(camera, device=like.device, dtype=like.dtype, start=at, stop=at + 1)
        for at in pixels.tolist()
    ]
    return Rays(
        torch.cat([one.origins for one in each]),
        torch.cat([one.directions for one in each]),
        torch.cat([one.near for one in each]),
        torch.cat([one.far for one in each]),
    )


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
