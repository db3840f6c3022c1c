"""One file of each kind as this version writes it, for later versions to read and to replay.

``python -m tools.past`` makes ``tests/past/VERSION``; run it for every release and commit what it
makes. A folder that is there is never made again: what an older version wrote is the point of it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from graf_cli import api
from graf_cli.cli.main import cli
from graf_cli.model.manifest import load_manifest
from graf_cli.recipe import ModelRef, model_ref
from graf_cli.version import __version__

TESTS = Path(__file__).parents[1] / "tests"
PAST = TESTS / "past"
REFERENCE = TESTS / "reference"
MODEL = "compact"  # of a test's checkpoint, small enough to be kept with the files
OWN_MODEL = ("--checkpoint", f"{MODEL}.safetensors")
REFERENCES = "models.json"  # how a Recipe names each model whose configuration is at hand
COMMANDS = "commands.json"  # what was typed for each file
HALF = ("--shard", "1/2")  # a job that somebody else has to finish

TINY = ("--size", "16", "--samples", "32")
SMALL = ("--size", "24x20", "--samples", "32")
TURN = ("--seed", "3", "--azimuth", "0:90", "--elevation", "10:30:10", "--frames", "3")
KEPT = ("--azimuth", "0:90", "--frames", "4", *TINY)  # of jobs that are left half done

# Each file, and the words that make it; it is the last of them.
FILES: dict[str, tuple[str, ...]] = {
    "still.png": ("render", "--seed", "3", "--azimuth", "40", *SMALL),
    "still.jpg": ("render", "--seed", "4", "--elevation", "35", *SMALL),
    "still.webp": ("render", "--shape", "1", "--appearance", "2", *SMALL),
    "still.exr": ("render", "--seed", "5", "--azimuth", "60", *TINY),
    "transparent.png": ("render", "--background", "transparent", "--truncation", "0.7", *TINY),
    "kinds.png": ("render", "--show", "rgba,depth,disparity,opacity", *TINY),
    "normals.png": ("render", "--show", "normal", "--normals", "world", *TINY),
    "depth.png": ("render", "--show", "depth16", "--depth-range", "8:12", *TINY),
    "exact.png": ("render", "--exact", "--background", "#20242c", *TINY),
    "precise.png": ("render", "--precision", "float32", "--fov", "20", *TINY),
    "turn.webp": ("render", *TURN, *TINY),
    "turn.gif": ("render", *TURN, "--background", "transparent", *TINY),
    "turn.apng": ("render", *TURN, "--ease", "smooth", *TINY),
    "turn.mp4": ("render", *TURN, "--fps", "12", *SMALL),
    "turn.webm": ("render", *TURN, "--background", "transparent", *SMALL),
    "turn.mov": ("render", *TURN, *SMALL),
    "turn.npz": ("render", *TURN, *TINY),
    "turn.tar": ("render", *TURN, "--show", "depth16", *TINY),
    "sequence/": ("render", *TURN, "--boomerang", *TINY),
    "numbered/car-%02d.jpg": ("render", "--shape", "1:2", "--frames", "2", *TINY),
    "samples/": ("sample", "--n", "3", "--seed", "7", *TINY),
    "sheet.png": ("sample", "--n", "4", *TINY),
    "grid.png": ("grid", "--shapes", "2", "--appearances", "2", "--azimuth", "35", *TINY),
    "dataset/": ("dataset", "--n", "2", "--views", "2", "--split", "train=0.5,val=0.5", *TINY),
    "tars/": ("dataset", "--n", "2", "--views", "2", "--format", "webdataset", *TINY),
    "posed/": ("dataset", "--n", "1", "--poses", "poses.npy", *TINY),
    "codes.npz": ("render", *OWN_MODEL, "--latent", "codes.npy", *TINY),
    "codes-and-poses.png": ("render", *OWN_MODEL, "--latent", "code.npy", "--poses", "pose.npy",
                            *TINY),
    "half/samples/": ("sample", "--n", "4", *TINY, *HALF),
    "half/turn.mp4": ("render", *KEPT, *HALF),
    "half/turn.npz": ("render", *KEPT, *HALF),
    "half/tars/": ("dataset", "--n", "2", "--views", "2", "--format", "webdataset", *TINY, *HALF),
}  # fmt: skip

# Each recipe alone, and the words that say it.
RECIPES: dict[str, tuple[str, ...]] = {
    "seeds.json": ("render", "--shape", "1:2:5", "--appearance", "7", "--ease", "smooth",
                   "--boomerang", "--frames", "4", *TINY),
    "codes.json": ("render", *OWN_MODEL, "--latent", "codes.npy", *TINY),
    "poses.json": ("render", "--poses", "poses.npy", "--fov", "25", *TINY),
    "sample.json": ("sample", "--n", "2", "--seed", str(2**63 - 1), *TINY),
    "grid.json": ("grid", "--shapes", "1", "--appearances", "2", "--show", "rgb,opacity", *TINY),
    "orbit.json": ("dataset", "--n", "1", "--views", "2", "--cameras", "orbit", *TINY),
    "cap.json": ("dataset", "--n", "1", "--views", "2", "--cameras", "cap", *TINY),
}  # fmt: skip


def main() -> None:
    """Make the folder of this version.

    Raises
    ------
    SystemExit
        When it is there, or one of the files cannot be made.
    """
    folder = PAST / __version__
    if folder.exists():
        raise SystemExit(f"{folder} is there, and shall stay as that version wrote it.")
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):
        _write_inputs()
        _convert()
        for name, words in FILES.items():
            run(*words, "--out", name)
        for name, words in RECIPES.items():
            _write_recipe(name, words)
        _write_json(REFERENCES, references())
        _write_json(COMMANDS, FILES)
        _take_inputs_away()
        shutil.copytree(temporary, folder)
    print(folder)


def run(*words: str) -> None:
    """`graf` with these words, in this process.

    Raises
    ------
    SystemExit
        When it fails.
    """
    try:
        cli.main(list(words), prog_name="graf")
    except SystemExit as end:
        if end.code:
            raise SystemExit(f"graf {' '.join(words)}: exit code {end.code}") from end


def references() -> dict[str, ModelRef]:
    """Every model of the manifest, and every configuration of the tests, as a Recipe names it."""
    named = {spec.name: model_ref(spec, None) for spec in load_manifest(None)}
    return {**named, **{f"tests/{path.stem}": _own_reference(path) for path in _configurations()}}


def _configurations() -> Iterator[Path]:
    """The configurations that have a checkpoint beside them."""
    return (path for path in sorted(REFERENCE.glob("*.json")) if path.with_suffix(".pt").exists())


def _own_reference(config: Path) -> ModelRef:
    return api.outline(checkpoint=config.with_suffix(".pt"), config=config).ref


def _convert() -> None:
    checkpoint, config = REFERENCE / f"{MODEL}.pt", REFERENCE / f"{MODEL}.json"
    out = f"{MODEL}.safetensors"
    run("convert", str(checkpoint), "--config", str(config), "--half", "--out", out)


def _write_inputs() -> None:
    with np.load(REFERENCE / f"{MODEL}.npz") as measured:
        codes, poses = measured["z"], measured["poses"]
    for name, array in (("codes", codes[:2]), ("code", codes[0]), ("poses", poses[:2])):
        np.save(f"{name}.npy", array)
    np.save("pose.npy", poses[0])


def _write_recipe(name: str, words: tuple[str, ...]) -> None:
    with Path(name).open("w", encoding="utf-8") as file, contextlib.redirect_stdout(file):
        run(*words, "--dry-run", "--quiet")


def _write_json(name: str, content: object) -> None:
    Path(name).write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def _take_inputs_away() -> None:
    """A recipe holds what it was made of."""
    for path in Path().glob("*.npy"):
        path.unlink()


if __name__ == "__main__":
    os.environ.pop("GRAF_MANIFEST", None)  # the models that everybody has
    main()
