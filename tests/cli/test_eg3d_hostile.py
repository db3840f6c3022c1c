"""Hostile files of EG3D through the command line: a sentence each, and nothing runs."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graf_cli.families.eg3d.checkpoint import NAMES, load
from tests.cli.conftest import Run
from tests.families.eg3d.conftest import CASES
from tests.families.eg3d.files import checkpoint
from tests.weights.pickled import Raw, assemble, variants
from tests.weights.test_objects import HOSTILE, canaries

# One of each kind; all are refused at every depth in tests/weights.
KINDS = (
    "a call", "a name", "a class that is not known", "a loop of objects", "depth",
    "a call in a storage", "a storage that counts wrongly", "strides that go too far",
)  # fmt: skip


def damaged(file: dict[str, Any], thing: object, every: int) -> Iterator[bytes]:
    """The file with a thing in the place of one after the other of its parts."""
    for number, changed in enumerate(variants(file, lambda _: thing)):
        if number % every == every // 2:
            yield assemble(changed)


@pytest.fixture(scope="module")
def file() -> dict[str, Any]:
    spec, _ = load(CASES / "odd.pkl")
    return checkpoint(spec, {"G_ema": 1})


def refused(run: Run, command: str, data: bytes) -> str:
    Path("a.pkl").write_bytes(data)
    words: tuple[str, ...] = ("a.pkl", "--out", "a.safetensors")
    if command == "render":
        words = ("--checkpoint", "a.pkl", "--out", "a.png")
    error = run(command, *words, code=1).stderr
    assert error.startswith("Error: a.pkl"), error
    assert error.rstrip().endswith(".")
    assert "SystemExit" not in error  # of the source text that the file carries
    assert [path.name for path in Path().iterdir() if path.name != "cache"] == ["a.pkl"]
    return error


@pytest.mark.parametrize("name", KINDS)
def test_hostile_things_are_refused(
    run: Run, file: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [*damaged(file, HOSTILE[name], 1000)]
    assert files
    refused(run, "convert", b"none")  # what a command imports at first has been imported
    with canaries(NAMES, monkeypatch) as sung:
        for data in files:
            refused(run, "convert", data)
        assert sung == []


def test_sizes_that_are_meant_to_exhaust_are_refused(run: Run, file: dict[str, Any]) -> None:
    deep = Raw(b"]" * 5000 + b"a" * 4999)
    many = Raw(b"(" + b"N" * 1_000_000 + b"t")
    for thing in (deep, many, Raw(b"N0" * 500_000 + b"N")):
        refused(run, "render", assemble({**file, "D": thing}))


def test_the_canaries_sing(file: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The names under watch are those that the file calls."""
    with canaries(NAMES, monkeypatch) as sung:
        with pytest.raises(AssertionError):
            pickle.loads(assemble(file["G_ema"]))
        assert sung
