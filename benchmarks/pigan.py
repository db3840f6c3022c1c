"""π-GAN by the plain marcher and by the fast path, in one process and in turns.

    python -m benchmarks.pigan [CASE …] [--size 64] [--threads 2] [--cases FOLDER]

The cases: ``celeba`` and ``carla``, the released networks at their true size with random weights
(by the rule of the measured case ``full_celeba``), which are dense nearly everywhere; ``head`` and
``car``, the same sizes and cameras with fields that were fitted to an object. The car is fitted
anew, in a minute. Told are seconds of a plain frame (from an eighth of its rays), of a first
picture with grid and proof, and of a further frame of a turntable, whose grid is nearly complete.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import torch

from graf_cli.families.pigan.config import RELEASED
from graf_cli.families.pigan.network import Network
from graf_cli.families.pigan.spec import BOX, Spec
from graf_cli.measure import PLAIN_SHARE, seconds, turntable_shot
from graf_cli.model.generator import Generator
from graf_cli.rendering.integrator import integrate
from graf_cli.rendering.renderer import Renderer, RenderOptions, Series, Shot
from graf_cli.scene.camera import rays
from graf_cli.scene.spec import ModelSpec
from tools.parity.pigan import Pictures
from tools.pigan_head import CAR, SIDE, fit, load, widened

CASES = Path(__file__).parents[1] / "tests" / "families" / "pigan"
WIDTH = 256  # of the released sine layers
FITTED_STEPS = 500
CUBE = 0.72  # side of the part of CARLA's world that a camera sees
TURN, PICTURES = 3.0, 120  # degrees between the frames of a turntable, and how many it has
GROWING, WARM = 3, 3  # frames in which the grid still grows much, and those that are timed
CPU = torch.device("cpu")


def model(released: str, spec: Spec, network: Network) -> Generator:
    """A generator with the cameras and the samples of a released one."""
    curriculum = RELEASED[released]
    assert curriculum.model is not None
    own = curriculum.settings(curriculum.model)
    settings = msgspec.structs.replace(spec, samples=own.samples, last_back=own.last_back)
    about = ModelSpec(
        name=released, family="pigan", size=curriculum.img_size, camera=curriculum.camera,
        background="white" if curriculum.white_back else "black", settings=settings,
    )  # fmt: skip
    return Generator(about, "0" * 64, network, CPU)


def random(released: str, folder: Path) -> Generator:
    """True size, weights by the rule of a measured case."""
    case = Pictures(folder, "full_celeba")
    siren = RELEASED[released].model or case.spec.siren
    spec = msgspec.structs.replace(case.spec, siren=siren, scale=None)
    case.network.siren.spec = spec
    return model(released, spec, case.network)


def head(_: Path) -> Generator:
    """The fitted head of the tests, by CelebA's cameras."""
    return model("celeba", *load(CASES / "head.npz", WIDTH))


def car(_: Path) -> Generator:
    """A car, by CARLA's cameras."""
    narrow = {name: one.numpy() for name, one in fit(FITTED_STEPS, CAR).items()}
    spec = Spec(z=16, hidden=WIDTH, mapping=16, scale=BOX * SIDE / CUBE)
    for name in ("density.weight", "density.bias"):
        narrow[name] = narrow[name] * np.float32(SIDE / CUBE)
    return model("carla", spec, widened(spec, narrow))


CASE: dict[str, Callable[[Path], Generator]] = {
    "celeba": lambda folder: random("celeba", folder),
    "carla": lambda folder: random("carla", folder),
    "head": head,
    "car": car,
}


@torch.inference_mode()
def plainly(generator: Generator, shot: Shot, chunk: int) -> Callable[[], object]:
    """A share of a frame's rays through the exact integrator."""
    scene = generator.scene(shot.subject, samples=shot.samples, camera=shot.camera)
    some = rays(shot.camera, device=CPU, dtype=torch.float32)[::PLAIN_SHARE]

    @torch.inference_mode()
    def run() -> object:
        return integrate(scene, some, chunk=chunk)

    return run


def measure(name: str, generator: Generator, size: int) -> None:
    """One line."""

    def at(turn: float) -> Shot:
        return turntable_shot(generator, turn, 0, size)

    renderer, first = Renderer(generator, RenderOptions()), at(0)
    plain_part = plainly(generator, first, renderer.chunk)
    renderer.render(turntable_shot(generator, 0, 0, 16))  # compiles kernels
    plain, warm = [], []
    cold = seconds(lambda: Renderer(generator, RenderOptions()).render(first), CPU)
    series = Series(first, PICTURES)
    for frame in range(GROWING + WARM):
        before = renderer.outcome
        shot = at(TURN * frame)
        taken = seconds(lambda s=shot: renderer.render(s, series), CPU)  # type: ignore[misc]
        if frame >= GROWING:
            warm.append(taken)
            plain.append(PLAIN_SHARE * seconds(plain_part, CPU))
    last = renderer.outcome
    slow, further = statistics.median(plain), statistics.median(warm)
    evaluated = last.evaluated - before.evaluated
    samples = (last.possible - before.possible) * 2 // 3  # the first pass's count in both
    shown = float(np.mean(renderer.render(first, series).opacity > 1e-3))
    print(
        f"{name:8} plain {slow:7.2f} s   cold {cold:7.2f} s {slow / cold:5.2f} ×   "
        f"further {further:7.2f} s {slow / further:5.2f} ×   {last.path} {last.resolution}, "
        f"{evaluated / samples:.0%} of {samples:,} samples, {shown:.0%} of rays meet something, "
        f"error {last.difference:.1e}",
        flush=True,
    )


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pigan", description=__doc__)
    parser.add_argument("case", nargs="*", choices=[*CASE, []], default=[*CASE])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", type=Path, default=CASES / "cases")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{given.size}², {given.threads} thread(s), float32, true size of the networks")
    for name in given.case:
        measure(name, CASE[name](given.cases), given.size)


if __name__ == "__main__":
    main()
