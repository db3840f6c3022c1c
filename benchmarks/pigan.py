"""π-GAN by the plain marcher and by the fast path, in one process and in turns.

    python -m benchmarks.pigan [CASE …] [--size 64] [--threads 2] [--cases FOLDER]
                               [--device cpu]

The cases: ``celeba`` and ``carla``, the released networks at their true size with random weights
(by the rule of the measured case ``full_celeba``), which are dense nearly everywhere; ``head`` and
``car``, the same sizes and cameras with fields that were fitted to an object. The car is fitted
anew, in a minute. Told are seconds of a plain frame (from an eighth of its rays), of a first
picture with grid and proof, and of a further frame of a turntable, whose grid is nearly complete.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import torch

from benchmarks.passes import CPU, measure
from graf_cli.families.pigan.config import RELEASED
from graf_cli.families.pigan.network import Network
from graf_cli.families.pigan.spec import BOX, Spec
from graf_cli.model.device import pick_device
from graf_cli.model.generator import Generator
from graf_cli.scene.spec import ModelSpec
from tools.parity.pigan import Pictures
from tools.pigan_head import CAR, SIDE, fit, load, widened

CASES = Path(__file__).parents[1] / "tests" / "families" / "pigan"
WIDTH = 256  # of the released sine layers
FITTED_STEPS = 500
CUBE = 0.72  # side of the part of CARLA's world that a camera sees


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


def on(generator: Generator, device: torch.device) -> Generator:
    """It on a device."""
    return replace(generator, network=generator.network.to(device=device), device=device)


CASE: dict[str, Callable[[Path], Generator]] = {
    "celeba": lambda folder: random("celeba", folder),
    "carla": lambda folder: random("carla", folder),
    "head": head,
    "car": car,
}


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pigan", description=__doc__)
    parser.add_argument("case", nargs="*", choices=[*CASE, []], default=[*CASE])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", type=Path, default=CASES / "cases")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{given.size}², {given.threads} thread(s), float32, true size of the networks")
    for name in given.case:
        measure(name, on(CASE[name](given.cases), pick_device(given.device)), given.size)


if __name__ == "__main__":
    main()
