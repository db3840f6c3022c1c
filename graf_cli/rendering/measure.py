"""How fast a model renders on the device at hand, and how far the fast path is from the plain one.

What is measured takes turns with what it is compared to, and medians are told, so that a busy
machine slows both alike.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from graf_cli.model.generator import Generator
from graf_cli.model.latent import Latent, draw
from graf_cli.rendering.crew import each, workers
from graf_cli.rendering.fast.fold import FoldedColour, FoldedDensity
from graf_cli.rendering.fast.proof import DTYPES, Used, difference
from graf_cli.rendering.march import march
from graf_cli.rendering.renderer import Renderer, RenderOptions, Series, Shot
from graf_cli.scene.camera import camera_for, elevation_of, pose_on_sphere, rays

WARM = 5  # pictures of a short turntable after its first one
TURN = 3.0  # degrees between them
TURN_PICTURES = int(360 / TURN)  # of the turntable that they begin
PLAIN_SHARE = 8  # one ray in so many is marched plainly: every ray costs the same there
REPEATS = 5


@dataclass(frozen=True)
class Measured:
    """One model on one device.

    Attributes
    ----------
    device, precision, path : str
    threads : int
        Of the CPU.
    width, height, samples : int
    plain : float
        Seconds a frame by the plain marcher, from a share of its rays.
    cold, warm : float
        Seconds of a first frame, grid and proof included, and of a further one.
    floor : float
        Seconds of a further frame's matrix products alone.
    evaluated, possible : int
        Samples of a further frame.
    error : float
        Largest difference of a colour or an opacity on the rays marched plainly.
    peak : int
        Bytes: of the process on a CPU, of tensors on CUDA; 0 where it cannot be told.
    """

    device: str
    precision: Used
    path: str
    threads: int
    width: int
    height: int
    samples: int
    plain: float
    cold: float
    warm: float
    floor: float
    evaluated: int
    possible: int
    error: float
    peak: int

    @property
    def rays_per_second(self) -> float:
        """Of a further frame."""
        return self.width * self.height / self.warm


def turntable_shot(generator: Generator, azimuth: float, seed: int, size: int) -> Shot:
    """An object of the model's from the middle of its training elevations, on its background."""
    spec = generator.spec
    elevation = elevation_of(sum(spec.camera.v) / 2)
    pose = pose_on_sphere(azimuth, elevation, sum(spec.camera.radius) / 2)
    camera = camera_for(spec.camera, pose, width=size, height=size)
    white = float(spec.background == "white")
    return Shot(draw(spec.latent, seed), camera, spec.network.samples, (white, white, white))


def measure(
    generator: Generator, options: RenderOptions, *, size: int | None = None, seed: int = 0
) -> Measured:
    """Render a few frames both ways.

    Parameters
    ----------
    generator : Generator
    options : RenderOptions
    size : int or None
        Pixels along a side; None takes that of the training images.
    seed : int
        Of the object.
    """
    size = size or generator.spec.size
    start = sum(generator.spec.camera.azimuth) / 2
    shot = turntable_shot(generator, start, seed, size)
    Renderer(generator, options).render(turntable_shot(generator, start, seed, 16))  # warms up
    cold = seconds(lambda: Renderer(generator, options).render(shot), generator.device)
    renderer, series = Renderer(generator, options), Series(shot, TURN_PICTURES)
    renderer.render(shot, series)
    plain, error = _against_plain(generator, shot, options)
    warm = []
    for turn in range(1, WARM + 1):
        before = renderer.outcome
        turned = turntable_shot(generator, start + TURN * turn, seed, size)
        warm.append(seconds(lambda s=turned: renderer.render(s, series), generator.device))  # type: ignore[misc]
    last = renderer.outcome
    evaluated = last.evaluated - before.evaluated
    return Measured(
        device=str(generator.device),
        precision=last.precision,
        path=last.path,
        threads=torch.get_num_threads(),
        width=size,
        height=size,
        samples=shot.samples,
        plain=plain,
        cold=cold,
        warm=statistics.median(warm),
        floor=matrix_floor(
            generator,
            shot.latent,
            renderer.chunk,
            precision=last.precision,
            evaluated=evaluated,
            coloured=last.coloured - before.coloured,
        ),
        evaluated=evaluated,
        possible=last.possible - before.possible,
        error=error,
        peak=peak_memory(generator.device),
    )


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Wall-clock time, until the device is done."""
    _wait(device)
    begin = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - begin


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.inference_mode()
def _against_plain(generator: Generator, shot: Shot, options: RenderOptions) -> tuple[float, float]:
    """Seconds a plain frame, and the largest difference from it, by a share of its rays."""
    network, renderer = generator.spec.network, Renderer(generator, options)
    every = rays(shot.camera, device=generator.device, dtype=torch.float32)
    some = torch.arange(0, len(every), PLAIN_SHARE, device=generator.device, dtype=torch.int64)
    seen = []

    def plainly() -> None:
        seen.append(
            march(
                generator.conditioned(shot.latent),
                every[some],
                shot.samples,
                chunk=renderer.chunk,
                importance=network.importance,
                fine=generator.conditioned(shot.latent, fine=True),
            )
        )

    taken = seconds(plainly, generator.device) * len(every) / len(some)
    frame = renderer.render(shot)
    picture = torch.cat(
        [
            torch.from_numpy(frame.rgb).view(-1, 3),
            torch.from_numpy(frame.opacity).view(-1, 1),
            torch.from_numpy(frame.depth).view(-1, 1),
        ],
        dim=-1,
    )[some.cpu()]
    truth = torch.cat([seen[0].colour, seen[0].opacity[:, None], seen[0].depth[:, None]], dim=-1)
    behind = torch.tensor(shot.background, device="cpu", dtype=torch.float32)
    # The frame is composited on its background already; bring the truth there too.
    truth = truth.cpu()
    truth[:, :3] += (1 - truth[:, 3:4]) * behind
    return taken, difference(picture, truth, (0.0, 0.0, 0.0))


@torch.inference_mode()
def matrix_floor(
    generator: Generator,
    latent: Latent,
    chunk: int,
    *,
    precision: Used,
    evaluated: int,
    coloured: int,
) -> float:
    """Seconds that the matrix products of so many samples take, and nothing beside them."""
    field = generator.fine or generator.coarse
    dtype = DTYPES[precision]
    density = FoldedDensity(field, latent.shape, dtype)
    colour = FoldedColour(field, latent, dtype)
    inputs = [
        torch.ones((chunk, affine.weight.shape[1]), device=generator.device, dtype=dtype)
        for affine in density.layers
    ]
    width = density.head.weight.shape[1]
    features = torch.ones((chunk, width), device=generator.device, dtype=dtype)

    def trunk() -> None:
        for affine, x in zip(density.layers, inputs, strict=True):
            affine.rectified(x)

    def branch() -> None:
        if colour.view is None:
            colour.out(features)
        else:
            colour.out(colour.view.rectified(features))

    return _product_seconds(trunk, generator.device, evaluated / chunk) + _product_seconds(
        branch, generator.device, coloured / chunk
    )


def _product_seconds(product: Callable[[], None], device: torch.device, times: float) -> float:
    """Seconds that so many products take, shared among threads as those of a picture are."""
    threads = workers(device)

    def repeatedly(_: int) -> None:
        for _ in range(REPEATS):
            product()

    repeatedly(0)
    taken = [seconds(lambda: each(repeatedly, range(threads), threads), device) for _ in range(3)]
    return statistics.median(taken) * times / (threads * REPEATS)


def peak_memory(device: torch.device) -> int:
    """Bytes held at most so far: by the process on a CPU, by tensors on CUDA, else 0."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type != "cpu" or sys.platform == "win32":
        return 0
    import resource  # noqa: PLC0415 not on Windows

    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held << 10
