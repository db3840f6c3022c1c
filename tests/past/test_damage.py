"""Files that were cut short, or lie on a disk that turned some bits: one sentence, no traceback."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from graf_cli.cli.main import cli
from graf_cli.errors import CheckpointError, GrafError, RecipeError
from graf_cli.model.generator import load_checkpoint
from graf_cli.output.provenance import reading
from graf_cli.recipe import Recipe
from tests.conftest import CPU

FILES = Path(__file__).parent / "0.1.0"
KINDS = (
    "still.png", "still.jpg", "still.webp", "still.exr", "turn.webp", "turn.gif", "turn.apng",
    "turn.npz", "turn.tar", "tars/train-000000.tar", "seeds.json", "codes.json",
)  # fmt: skip
VIDEOS = ("turn.mp4", "turn.webm", "turn.mov")  # which a program of its own reads
MANY, FEW = 60, 6
FLIPS = 8  # bits at once, of which one at least is near the start, where words are


def damaged(data: bytes, times: int) -> Iterator[bytes]:
    """Cut anywhere, and with bits turned; the same in every run."""
    source = random.Random(0)
    for _ in range(times):
        yield data[: source.randrange(len(data))]
        turned = bytearray(data)
        near = min(len(data), 2000)
        for place in [source.randrange(near), *source.choices(range(len(data)), k=FLIPS - 1)]:
            turned[place] ^= 1 << source.randrange(8)
        yield bytes(turned)


def told(error: GrafError) -> None:
    text = str(error)
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 600


@pytest.mark.parametrize("name", [*KINDS, *VIDEOS])
def test_it_is_read_or_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    if name.endswith(".exr"):
        pytest.importorskip("OpenEXR", reason="the extra `exr` is not installed")
    path = tmp_path / Path(name).name
    refused = 0
    for data in damaged((FILES / name).read_bytes(), FEW if name in VIDEOS else MANY):
        path.write_bytes(data)
        try:
            assert isinstance(reading.read(path).recipe(path.name), Recipe)
        except RecipeError as error:
            told(error)
            refused += 1
    assert refused  # it was damaged where it matters, at times


def test_a_damaged_model_is_read_or_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "compact.safetensors"
    refused = 0
    for data in damaged((FILES / path.name).read_bytes(), MANY):
        path.write_bytes(data)
        try:
            load_checkpoint(path, None, CPU)
        except CheckpointError as error:
            told(error)
            refused += 1
    assert refused


@pytest.mark.parametrize("command", ["info", "replay"])
@pytest.mark.parametrize("name", [*KINDS, "turn.mp4"])
def test_the_command_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / Path(name).name
    data = (FILES / name).read_bytes()
    path.write_bytes(data[: len(data) // 40])
    result = CliRunner().invoke(cli, [command, path.name])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("name", ["samples", "tars", ".turn.mp4.frames"])
def test_a_damaged_job_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Nobody knows what is finished of it, and nothing of it is touched."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FILES / "half" / name, tmp_path / name)
    (tmp_path / name / "recipe.json").write_bytes(b'{"graf": "0.1.0", "sch')
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    words = {
        "samples": ["sample", "--n", "4", "--out", "samples/"],
        "tars": ["dataset", "--n", "2", "--views", "2", "--format", "webdataset", "--out", "tars/"],
        ".turn.mp4.frames": ["render", "--azimuth", "0:90", "--frames", "4", "--out", "turn.mp4"],
    }[name]
    result = CliRunner().invoke(cli, [*words, "--size", "16", "--samples", "32", "--resume"])
    assert result.exit_code == 1
    assert "cannot be read, so that nobody knows what is finished" in result.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
