"""The same pictures drawn in many ways; as a program it tells which ways change a bit.

Run on a pretended processor by `test_processors.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch

import graf_cli
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.model.generator import Generator, load_checkpoint
from graf_cli.rendering.normals import normals
from graf_cli.rendering.renderer import Image, Renderer, RenderOptions
from tests.conftest import CPU, small_generator, small_spec
from tests.rendering.fast.twins import camera, shot
from tests.scene.layers import differing, subjects

TOYS = Path(graf_cli.__file__).parent / "assets" / "toy-cars.safetensors"
CODES = LatentSpec(dim=8, dim_appearance=2)
ONE_PASS = NetworkSpec(width=32, multires=4, multires_views=2, samples=17)
TWO_PASSES = msgspec.structs.replace(ONE_PASS, importance=11)


@dataclass(frozen=True)
class Way:
    """How a picture is drawn."""

    exact: bool
    chunk: int | None
    threads: int


FAST, PLAIN = (
    [Way(exact, chunk, threads) for chunk, threads in ((None, 1), (None, 2), (257, 3), (None, 4))]
    for exact in (False, True)
)


@dataclass(frozen=True)
class Subject:
    """What is drawn, and how large; odd sizes leave odd numbers of rows."""

    make: Callable[[], Generator]
    size: int
    ways: list[Way]


SUBJECTS = {
    "toy cars": Subject(lambda: load_checkpoint(TOYS, None, CPU), 13, FAST[::2]),
    "one pass": Subject(lambda: small_generator(small_spec(ONE_PASS, CODES)), 15, [*FAST, *PLAIN]),
    "two passes": Subject(
        lambda: small_generator(small_spec(TWO_PASSES, CODES)), 9, [*FAST, *PLAIN]
    ),
}


def drawn(generator: Generator, size: int, way: Way) -> dict[str, Image]:
    """Colour, opacity, depth and normals of one picture."""
    before = torch.get_num_threads()
    torch.set_num_threads(way.threads)
    try:
        seen = shot(generator, camera(generator, 40, 20, size=size), seed=3)
        options = RenderOptions(exact=way.exact, chunk=way.chunk)
        frame = Renderer(generator, options).render(seen)
        return {
            "rgb": frame.rgb,
            "opacity": frame.opacity,
            "depth": frame.depth,
            "normal": normals(generator, frame),
        }
    finally:
        torch.set_num_threads(before)


def changed() -> Iterator[str]:
    """Subject, way and part of each picture that is not that of the first way of its kind."""
    for name, subject in SUBJECTS.items():
        generator = subject.make()
        first: dict[bool, dict[str, Image]] = {}
        for way in subject.ways:
            parts = drawn(generator, subject.size, way)
            expected = first.setdefault(way.exact, parts)
            for part, found in parts.items():
                if not np.array_equal(found, expected[part]):
                    yield f"{name}, {way}: {part}"


def main() -> None:
    """Print what differs."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        products = [
            name
            for name, inputs, run in subjects()
            if differing(run, inputs, threads=(1, 3), rows=(1, 127))
        ]
    print(json.dumps([*products, *changed()]))


if __name__ == "__main__":
    main()
