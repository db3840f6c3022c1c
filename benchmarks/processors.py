"""How far pictures made on different processors are apart.

    python -m benchmarks.processors

Other processors are pretended, each in a process of its own, as far as this one can. Printed are
the largest difference from the first one's colours and opacities, in steps of 1/255, and how many
bytes of the 8-bit pictures differ.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.render import ASSET
from graf_cli.measure import turntable_shot
from graf_cli.model.generator import Generator, load_checkpoint
from graf_cli.rendering.renderer import Image, Renderer, RenderOptions
from tests.conftest import read_case
from tests.processors import possible, run_as

CPU = torch.device("cpu")
SIZE, SEEDS = 48, (0, 1)


def subjects() -> dict[str, Generator]:
    """The model in the box, and one of two passes, which feel every bit."""
    return {
        "toy-cars": load_checkpoint(ASSET, None, CPU),
        "two passes": read_case("hierarchical").generator,
    }


def pictures() -> dict[str, Image]:
    """Colours and opacities by subject and path."""
    made = {}
    for name, generator in subjects().items():
        for path, options in (("fast", RenderOptions()), ("plain", RenderOptions(exact=True))):
            shots = (turntable_shot(generator, 30, seed, SIZE) for seed in SEEDS)
            frames = [Renderer(generator, options).render(shot) for shot in shots]
            made[f"{name}, {path}"] = np.stack(
                [np.dstack((frame.rgb, frame.opacity)) for frame in frames]
            )
    return made


def apart(a: Image, b: Image) -> str:
    """Of two sets of pictures."""
    steps = 255 * float(np.abs(a - b).max())
    bytes_apart = int((np.rint(255 * a.clip(0, 1)) != np.rint(255 * b.clip(0, 1))).sum())
    return f"{steps:.5f}/255, {bytes_apart} of {a.size:,} bytes"


def main() -> None:
    """One line a processor and picture; with a file's name, this one's pictures go there."""
    if len(sys.argv) > 1:
        np.savez(sys.argv[1], **pictures())  # type: ignore[arg-type]
        return
    with tempfile.TemporaryDirectory() as folder:
        made = {}
        for processor in possible():
            path = Path(folder) / f"{processor}.npz"
            run_as(processor, "benchmarks.processors", str(path))
            with np.load(path) as file:
                made[processor] = {key: file[key] for key in file.files}
    first, *others = made
    for processor in others:
        for key, picture in made[processor].items():
            print(f"{processor} from {first}: {key}: {apart(made[first][key], picture)}")


if __name__ == "__main__":
    main()
