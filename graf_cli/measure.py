"""How fast a model renders on the device at hand, and how far the fast path is from the plain one.

What is measured takes turns with what it is compared to, and medians are told, so that a busy
machine slows both alike.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.model.generator import Generator
from graf_cli.rendering.fast.proof import DTYPES, Used, difference
from graf_cli.rendering.integrator import integrate
from graf_cli.rendering.renderer import Renderer, RenderOptions, Series, Shot
from graf_cli.rendering.threads import each, workers
from graf_cli.scene.camera import camera_for, elevation_of, pose_on_sphere, rays
from graf_cli.scene.codes import Code, Subject, draw
from graf_cli.scene.kernels import Affine

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
    pose = pose_on_sphere(azimuth, elevation, sum(spec.camera.radius) / 2, spec.camera.pivot)
    camera = camera_for(spec.camera, pose, width=size, height=size)
    white = float(spec.background == "white")
    features = generator.features
    codes = {name: Code(code) for name, code in draw(features, seed).items()}
    return Shot(Subject(codes), camera, features.samples, (white, white, white))


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

    Raises
    ------
    UsageError
        When a 2-D network paints the pictures.
    """
    if generator.features.sizes is not None:
        raise UsageError(
            f"`{generator.spec.name}` paints its pictures with a 2-D network, which has no other "
            "way to be held against; there is nothing to measure."
        )
    size = generator.spec.size if size is None else size
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
            shot,
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
    renderer = Renderer(generator, options)
    scene = generator.scene(shot.subject, samples=shot.samples, camera=shot.camera)
    every = rays(shot.camera, device=generator.device, dtype=torch.float32)
    every = every if scene.warp is None else scene.warp(every, shot.camera)
    some = torch.arange(0, len(every), PLAIN_SHARE, device=generator.device, dtype=torch.int64)
    seen = []

    def plainly() -> None:
        seen.append(integrate(scene, every[some], chunk=renderer.chunk))

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
    truth = torch.cat([seen[0].radiance, seen[0].opacity[:, None], seen[0].depth[:, None]], dim=-1)
    behind = torch.tensor(shot.background, device="cpu", dtype=torch.float32)
    # The frame is composited on its background already; bring the truth there too.
    truth = truth.cpu()
    if not frame.complete:
        truth[:, :3] += (1 - truth[:, 3:4]) * behind
    return taken, difference(picture, truth, (0.0, 0.0, 0.0))


@torch.inference_mode()
def matrix_floor(
    generator: Generator,
    shot: Shot,
    chunk: int,
    *,
    precision: Used,
    evaluated: int,
    coloured: int,
) -> float:
    """Seconds that the matrix products of so many samples take, and nothing beside them."""
    scene = generator.scene(shot.subject, samples=shot.samples, camera=shot.camera)
    if scene.fast is None:
        return 0.0
    volume = scene.fast(len(scene.passes) - 1, DTYPES[precision])

    def products(shapes: Sequence[torch.Size]) -> Callable[[], None]:
        made = [_product(shape, chunk, generator.device, DTYPES[precision]) for shape in shapes]

        def run() -> None:
            for affine, x in made:
                affine.rectified(x)

        return run

    return sum(
        _product_seconds(products(shapes), generator.device, count / chunk)
        for shapes, count in (
            (volume.density_products, evaluated),
            (volume.radiance_products, coloured),
        )
    )


def _product(
    shape: torch.Size, rows: int, device: torch.device, dtype: torch.dtype
) -> tuple[Affine, Tensor]:
    """A matrix of a shape, and what it is multiplied with."""
    weight = torch.ones(shape, device=device, dtype=torch.float32)
    bias = torch.zeros(shape[0], device=device, dtype=torch.float32)
    return Affine(weight, bias, dtype), torch.ones((rows, shape[1]), device=device, dtype=dtype)


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
