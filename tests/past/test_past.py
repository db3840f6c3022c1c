"""Whatever an earlier version wrote is read, and replays to the same pixels.

``python -m tools.past`` makes the folder of a release; a folder that is there never changes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from graf_cli.api import outline
from graf_cli.model.generator import load_checkpoint
from graf_cli.output.dataset.tars import TarPlaces
from graf_cli.output.provenance import reading
from graf_cli.recipe import Recipe
from graf_cli.request import parts
from graf_cli.shots import Shots
from graf_cli.version import __version__
from tests.cli.conftest import Run
from tests.conftest import CPU
from tests.past.pixels import shows_the_same
from tools.past import references

HERE = Path(__file__).parent
VERSIONS = sorted(path.name for path in HERE.iterdir() if path.name[0].isdigit())
OWN_MODEL = "compact.safetensors"
ABOUT = {"models.json", "commands.json", OWN_MODEL, "half"}  # not of the files to replay
WRITTEN = {".png", ".jpg", ".webp", ".gif", ".apng", ".mp4", ".webm", ".mov", ".exr", ".npz"}


def each(*, whole: bool) -> Iterator[tuple[str, str]]:
    """Version and name of the files to replay, or of all that carry a recipe, down to the last."""
    for version in VERSIONS:
        folder = HERE / version
        found = folder.iterdir() if whole else folder.rglob("*")
        for path in sorted(found):
            name = path.relative_to(folder)
            if name.parts[0] not in ABOUT and (whole or carries(path)):
                yield version, str(name)


def carries(path: Path) -> bool:
    """Codes of objects and their cameras, `latent.npz` and `transforms.json`, carry none."""
    beside = path.name in ("latent.npz", "transforms.json")
    return path.suffix in WRITTEN | {".tar", ".json"} and not beside


def recipe_of(path: Path) -> Recipe:
    return reading.read(path).recipe(str(path))


def own_model(version: str, recipe: Recipe) -> tuple[object, ...]:
    named = recipe.model.name == OWN_MODEL.partition(".")[0]
    return ("--checkpoint", HERE / version / OWN_MODEL) if named else ()


def _needs(name: str) -> None:
    if name.endswith(".exr"):
        pytest.importorskip("OpenEXR", reason="the extra `exr` is not installed")


def test_this_is_a_museum() -> None:
    """Every kind of file is in it; a version more is never a reason to take one away."""
    assert "0.1.0" in VERSIONS
    assert __version__ in VERSIONS, "`python -m tools.past` makes the files of a new version"
    for version in VERSIONS:
        suffixes = {path.suffix for path in (HERE / version).rglob("*")}
        assert suffixes >= WRITTEN | {".tar", ".json", ".jsonl", ".safetensors"}


@pytest.mark.parametrize(("version", "name"), [*each(whole=False)])
def test_it_is_read(run: Run, version: str, name: str) -> None:
    _needs(name)
    path = HERE / version / name
    facts = json.loads(run("info", path, "--json").stdout)
    assert facts["recipe"]["graf"] == version
    assert facts["generated"] is (path.suffix != ".json")
    assert f"graf {version}" in run("info", path).stdout


@pytest.mark.parametrize(("version", "name"), [*each(whole=True)])
def test_it_is_replayed(run: Run, tmp_path: Path, version: str, name: str) -> None:
    _needs(name)
    path = HERE / version / name
    recipe = recipe_of(path)
    again = tmp_path / f"again{path.suffix if path.suffix != '.json' else ''}"
    run("replay", *own_model(version, recipe), path, "--out", _place(path, again))
    if path.is_dir():
        _hold_folders(path, again)
    elif path.suffix != ".json":
        shows_the_same(path, again)
    if path.suffix != ".json":
        assert recipe_of(again) == recipe


def _place(path: Path, again: Path) -> str:
    """As `--out` takes it: pictures of a sequence are named as they were."""
    numbered = any(path.glob("car-*.jpg"))
    pattern = "car-%02d.jpg" if numbered else ""
    return f"{again}/{pattern}" if path.is_dir() or not again.suffix else str(again)


def _hold_folders(there: Path, here: Path) -> None:
    """Every picture, and the codes of objects; what tells of them may tell more than it did."""
    pictures = [path for path in there.rglob("*") if path.suffix in WRITTEN | {".tar"}]
    assert pictures
    for path in pictures:
        again = here / path.relative_to(there)
        if path.suffix != ".npz":
            shows_the_same(path, again)
            continue
        with np.load(path) as then, np.load(again) as now:
            assert all(np.array_equal(then[key], now[key]) for key in then.files)


@pytest.mark.parametrize("version", VERSIONS)
def test_its_model_is_read(version: str) -> None:
    generator = load_checkpoint(HERE / version / OWN_MODEL, None, CPU)
    assert generator.spec.name == "compact"


@pytest.mark.parametrize("version", VERSIONS)
def test_each_sample_says_how_to_render_it(run: Run, tmp_path: Path, version: str) -> None:
    folder = HERE / version / "samples"
    size = ("--size", 16, "--samples", 32)
    for line in (folder / "samples.jsonl").read_text().splitlines():
        told = json.loads(line)
        view = [word for key in ("seed", "azimuth", "elevation", "radius")
                for word in (f"--{key}", told[key])]  # fmt: skip
        run("render", *view, *size, "--out", told["file"])
        shows_the_same(folder / told["file"], tmp_path / told["file"])


# jobs that were left half done


def commands(version: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads((HERE / version / "commands.json").read_text())
    return found


HALF_DONE = [
    (version, name) for version in VERSIONS for name in commands(version) if name.startswith("half")
]


@pytest.mark.parametrize("now", [None, "10.11.12rc13"])
@pytest.mark.parametrize(("version", "name"), HALF_DONE)
def test_it_is_gone_on_with(
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    version: str,
    name: str,
    now: str | None,
) -> None:
    """What was made then is kept, to the bit; the rest is made, and the whole is whole.

    By this version, and by one to come, which says that it is another one.
    """
    now = now or __version__
    monkeypatch.setattr(parts, "__version__", now)
    shutil.copytree(HERE / version / "half", tmp_path / "half")
    words = commands(version)[name]
    done = [word for word in words if word not in ("--shard", "1/2")]
    kept = {path: path.read_bytes() for path in (tmp_path / "half").rglob("*.png")}
    result = run(*done, "--out", name, "--resume", "--json")
    told = json.loads(result.stdout)
    assert (told["frames"], told["kept"], told["waiting"]) == (4, 2, 0)
    assert (f"is of graf {version}; this is graf {now}" in result.stderr) == (now != version)
    assert all(path.read_bytes() == data for path, data in kept.items() if path.exists())
    run(*done, "--out", f"whole/{name}")
    here = tmp_path / "whole" / name
    if here.is_dir():
        _hold_folders(here, tmp_path / name)
    else:
        shows_the_same(here, tmp_path / name)
    # Once more: all of it is kept, and nothing is left that only a job on its way needs.
    result = run(*done, "--out", name, "--resume", "--json")
    assert json.loads(result.stdout)["kept"] == 4
    assert not [*(tmp_path / "half").glob(f".{Path(name).name}*")]


def test_a_finished_file_keeps_the_version_that_wrote_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "__version__", "9.9.9")
    for name in ("turn.mp4", "turn.gif", "still.png", "grid.png", "samples/", "dataset/", "tars/"):
        there = HERE / "0.1.0" / name
        copy = shutil.copytree if there.is_dir() else shutil.copy2
        copy(there, tmp_path / name)
        before = contents(tmp_path / name)
        result = run(*commands("0.1.0")[name], "--out", name, "--resume", "--json")
        told = json.loads(result.stdout)
        assert told["kept"] == told["frames"]
        assert "is of graf 0.1.0; this is graf 9.9.9" in result.stderr
        after = contents(tmp_path / name)
        about = {tmp_path / name / "README.md"}  # says which version saw it finished
        assert {path for path in before if before[path] != after[path]} <= about


def contents(path: Path) -> dict[Path, bytes]:
    files = path.rglob("*") if path.is_dir() else [path]
    return {file: file.read_bytes() for file in files if file.is_file()}


MOST = {"0.1.0": 16990}  # bytes of a view of `tars/`, as that version counted them


@pytest.mark.parametrize("version", VERSIONS)
def test_a_tar_holds_as_many_views_as_it_did(version: str, tmp_path: Path) -> None:
    """A job that is gone on with would lay out its tars anew, if a recipe's words counted anew."""
    recipe, spec = recipe_of(HERE / version / "tars"), outline().spec
    places = TarPlaces(
        folder=tmp_path, recipe=recipe, stamped=True, clobber=True,
        shots=Shots(recipe, spec), spec=spec,
    )  # fmt: skip
    assert places.most() == MOST[version]


# what is held against a model


@pytest.mark.parametrize("version", VERSIONS)
def test_its_recipes_find_their_models(version: str) -> None:
    """A new setting in a specification changes no digest of a model that does without it."""
    then = json.loads((HERE / version / "models.json").read_text())
    now = references()
    assert {name: ref["settings"] for name, ref in then.items()} == {
        name: now[name].settings for name in then
    }


# these tests


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sequence/0000.png", "sequence/0001.png"),
        ("numbered/car-00.jpg", "numbered/car-01.jpg"),
        ("turn.npz", "codes.npz"),
    ],
)
def test_the_comparison_bites(one: str, other: str) -> None:
    there, here = HERE / "0.1.0" / one, HERE / "0.1.0" / other
    shows_the_same(there, there)
    with pytest.raises(AssertionError):
        shows_the_same(there, here)
