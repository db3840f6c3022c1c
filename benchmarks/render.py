"""Rendering against the naive twin, a row of docs/performance.md each.

    python -m benchmarks.render ROW [ROW …] [--checkpoint FILE] [--frames N] [--device cpu]

On a GPU the peak of its memory is told as well.

The rows: turntable, cold, samples, large, bfloat16, dense, floor, profile. Two threads; the naive
twin and the fast path take turns in one process; medians of wall-clock seconds. A frame of the
naive twin costs the same whatever it shows, so that long jobs are counted by their frames.
"""

from __future__ import annotations

import argparse
import cProfile
import platform
import pstats
import re
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks import naive
from graf_cli.families.graf.checkpoint import Weights
from graf_cli.families.graf.field import RadianceField
from graf_cli.measure import matrix_floor, peak_memory, seconds, turntable_shot
from graf_cli.model.device import pick_device
from graf_cli.model.generator import Generator, build, load_checkpoint
from graf_cli.rendering.renderer import Frame, Renderer, RenderOptions, Series, Shot
from graf_cli.scene.kernels import ONEDNN, has_fused_product
from graf_cli.scene.spec import ModelSpec

ASSET = Path(__file__).parents[1] / "graf_cli" / "assets" / "toy-cars.safetensors"
SIZE, LARGE = 128, 512
FRAMES = 120
LARGE_PART = 16  # of the naive twin's rays in the large picture; all cost the same
TWINS, CHECKED = 2, 2
BASE = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes, with torch imported


def shot(generator: Generator, turn: float = 0.0, seed: int = 0, size: int = SIZE) -> Shot:
    """Of a turntable."""
    return turntable_shot(generator, 360 * turn, seed, size)


def whole_turn(generator: Generator, frames: int = FRAMES) -> Series:
    """The series that a turntable is."""
    return Series(shot(generator), frames)


def naive_seconds(generator: Generator, size: int = SIZE, part: int = 1) -> float:
    """One frame of the naive twin."""
    one = shot(generator, size=size)
    return part * seconds(lambda: naive.picture(generator, one, part), generator.device)


@dataclass(frozen=True)
class Apart:
    """A frame from the naive twin's: largest difference of a colour or an opacity, and decibels."""

    error: float
    psnr: float


def apart(generator: Generator, frame: Frame) -> Apart:
    """Hold a whole frame against the naive twin."""
    truth = naive.picture(generator, frame.shot).reshape(*frame.opacity.shape, 4).cpu().numpy()
    seen = np.concatenate((frame.rgb, frame.opacity[..., None]), axis=-1)
    square = float(np.square(frame.rgb - truth[..., :3]).mean())
    return Apart(float(np.abs(seen - truth).max()), -10 * float(np.log10(max(square, 1e-20))))


def tell(row: str, slow: float, fast: float, *more: str) -> None:
    """One line."""
    print(
        f"{row:<12}{slow:9.2f} s{fast:9.3f} s{slow / fast:8.1f} ×   {', '.join(more)}", flush=True
    )


def _turn(generator: Generator, options: RenderOptions, frames: int) -> tuple[float, Renderer]:
    renderer, series = Renderer(generator, options), whole_turn(generator, frames)

    def all_of_them() -> None:
        for k in range(frames):
            renderer.render(shot(generator, k / frames), series)

    return seconds(all_of_them, generator.device), renderer


def turntable(generator: Generator, frames: int) -> None:
    """A whole job, grid and proof included."""
    slow = [naive_seconds(generator)]
    fast, renderer = _turn(generator, RenderOptions(), frames)
    slow.append(naive_seconds(generator))
    outcome = renderer.outcome
    one = renderer.render(shot(generator, 0.31), whole_turn(generator, frames))
    worst = apart(generator, one).error
    tell(
        "turntable",
        frames * statistics.median(slow),
        fast,
        f"{frames} frames",
        f"{outcome.path} {outcome.resolution}",
        f"{outcome.evaluated / frames:,.0f} samples a frame",
        f"error {worst:.1e}",
    )


def bfloat16(generator: Generator, frames: int) -> None:
    """The same at half precision."""
    slow = [naive_seconds(generator)]
    fast, renderer = _turn(generator, RenderOptions(precision="bfloat16"), frames)
    slow.append(naive_seconds(generator))
    series = whole_turn(generator, frames)
    checked = [
        apart(generator, renderer.render(shot(generator, k / CHECKED), series))
        for k in range(CHECKED)
    ]
    tell(
        "bfloat16",
        frames * statistics.median(slow),
        fast,
        f"{frames} frames",
        f"{min(one.psnr for one in checked):.1f} dB",
        f"error {max(one.error for one in checked):.1e}",
    )


def _colds(generator: Generator, size: int, count: int) -> list[float]:
    return [
        seconds(lambda: Renderer(generator).render(shot(generator, size=size)), generator.device)
        for _ in range(count)
    ]


def cold(generator: Generator, _: int) -> None:
    """One picture, grid and proof included."""
    slow: list[float] = []
    fast: list[float] = []
    while len(slow) < TWINS:
        slow.append(naive_seconds(generator))
        fast += _colds(generator, SIZE, 2)
    worst = apart(generator, Renderer(generator).render(shot(generator))).error
    tell("cold", statistics.median(slow), statistics.median(fast), f"error {worst:.1e}")


def samples(generator: Generator, frames: int) -> None:
    """A new shape each picture."""
    count = min(frames, 64)
    slow = [naive_seconds(generator)]
    renderer = Renderer(generator)

    def all_of_them() -> None:
        for seed in range(count):
            renderer.render(shot(generator, seed / 7, seed))

    fast = seconds(all_of_them, generator.device)
    slow.append(naive_seconds(generator))
    frame = renderer.render(shot(generator, 0.5, count))
    tell(
        "samples",
        count * statistics.median(slow),
        fast,
        f"{count} shapes",
        f"proof {renderer.outcome.difference:.1e}",
        f"error {apart(generator, frame).error:.1e}",
    )


def large(generator: Generator, _: int) -> None:
    """One cold picture of 512 × 512, and the peak of this process's memory."""
    fast = _colds(generator, LARGE, 2)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - BASE) / 1024
    slow = naive_seconds(generator, LARGE, LARGE_PART)
    tell("large", slow, statistics.median(fast), f"{peak:,.0f} MiB over the import of torch")


def dense(generator: Generator, _: int) -> None:
    """Random weights of the same size: nothing to skip, and little that ends a ray."""
    random = random_generator(generator.spec, generator.device)
    slow: list[float] = []
    fast: list[float] = []
    while len(slow) < TWINS:
        slow.append(naive_seconds(random))
        fast += _colds(random, SIZE, 1)
    frame = Renderer(random).render(shot(random))
    tell(
        "dense",
        statistics.median(slow),
        statistics.median(fast),
        f"mean opacity {frame.opacity.mean():.2f}",
        f"error {apart(random, frame).error:.1e}",
    )


def random_generator(spec: ModelSpec, device: torch.device) -> Generator:
    """The released network as an optimiser finds it, with its density raised to be seen."""
    torch.manual_seed(0)
    field = RadianceField(
        spec.settings.network, spec.settings.latent, device="cpu", dtype=torch.float32
    )
    weights = field.state_dict()
    weights["alpha_linear.bias"] += 0.3
    return build(spec, Weights(weights).networks, "0" * 64, device)


def floor(generator: Generator, _: int) -> None:
    """A frame of a turntable over the matrix products that its samples need."""
    renderer, series = Renderer(generator), whole_turn(generator)
    for k in range(16):
        renderer.render(shot(generator, k / FRAMES), series)
    ratios, times, floors = [], [], []
    for k in range(16, 31):
        before = renderer.outcome
        one = shot(generator, k / FRAMES)
        times.append(seconds(lambda s=one: renderer.render(s, series), generator.device))  # type: ignore[misc]
        after = renderer.outcome
        floors.append(
            matrix_floor(
                generator,
                one,
                renderer.chunk,
                precision="float32",
                evaluated=after.evaluated - before.evaluated,
                coloured=after.coloured - before.coloured,
            )
        )
        ratios.append(times[-1] / floors[-1])
    print(
        f"floor       frame {statistics.median(times):.3f} s, products "
        f"{statistics.median(floors):.3f} s, ratio {statistics.median(ratios):.2f}"
    )


def profile(generator: Generator, _: int) -> None:
    """Where the time of a turntable's frames goes."""
    renderer, series = Renderer(generator), whole_turn(generator)
    for k in range(16):
        renderer.render(shot(generator, k / FRAMES), series)
    profiler = cProfile.Profile()
    profiler.enable()
    for k in range(16, 24):
        renderer.render(shot(generator, k / FRAMES), series)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


ROWS: dict[str, Callable[[Generator, int], None]] = {
    "turntable": turntable,
    "cold": cold,
    "samples": samples,
    "large": large,
    "bfloat16": bfloat16,
    "dense": dense,
    "floor": floor,
    "profile": profile,
}


def where() -> str:
    """The processor, the kernels that multiply on it, and the threads."""
    told = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", told.read_text()) if told.exists() else []
    cpu = torch.device("cpu")
    fused = [dtype for dtype in ONEDNN if has_fused_product(cpu, dtype)]
    kernels = f"oneDNN ({', '.join(str(one)[6:] for one in fused)})" if fused else "MKL"
    return (
        f"{names[0] if names else platform.processor()}, {torch.backends.cpu.get_cpu_capability()},"
        f" {kernels}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}"
    )


def main() -> None:
    """Measure the rows asked for, each in a process of its own, whose peak of memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("rows", nargs="+", choices=list(ROWS))
    parser.add_argument("--checkpoint", type=Path, default=ASSET)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    if len(asked.rows) > 1:
        options = ["--checkpoint", str(asked.checkpoint), "--frames", str(asked.frames)]
        options += ["--device", asked.device]
        for row in asked.rows:
            subprocess.run([sys.executable, "-m", "benchmarks.render", row, *options], check=True)
        return
    torch.set_num_threads(2)
    print(where(), flush=True)
    generator = load_checkpoint(asked.checkpoint, None, pick_device(asked.device))
    Renderer(generator).render(shot(generator, size=16))
    ROWS[asked.rows[0]](generator, asked.frames)
    if generator.device.type == "cuda":
        peak = peak_memory(generator.device) / 2**20
        print(
            f"{torch.cuda.get_device_name(generator.device)}, at most {peak:,.0f} MiB", flush=True
        )


if __name__ == "__main__":
    main()
