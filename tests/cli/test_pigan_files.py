"""Hostile files of π-GAN through the command line: one sentence, and nothing of them runs."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import Run
from tests.families.pigan.hostile import CALL, EXEC, boundaries, changed, packed, parts
from tests.families.pigan.models import CASES
from tests.weights.pickled import Called, Named, code

Change = Callable[[bytes], bytes]


def with_code(wrong: bytes, where: float) -> Change:
    """A pickle with further instructions between two of its own."""

    def change(pickle: bytes) -> bytes:
        places = boundaries(pickle)
        at = places[int(where * (len(places) - 1))]
        return pickle[:at] + wrong + pickle[at:]

    return lambda data: changed(data, change)


def renamed(data: bytes) -> bytes:
    return changed(
        data, lambda old: old.replace(b"csiren.siren\nFiLMLayer\n", b"cposix\nsystem\n", 1)
    )


def shortened(data: bytes) -> bytes:
    """A storage with fewer bytes than its tensor is said to have."""
    records = parts(data)
    [key] = [name for name in records if name.endswith("data/0")]
    return packed(records | {key: records[key][:-4]})


def in_a_dict(_: bytes) -> bytes:
    """A state dict whose reader would call."""
    buffer = io.BytesIO()
    torch.save({"siren.network.0.layer.weight": torch.zeros(2)}, buffer)
    return changed(buffer.getvalue(), lambda old: old[:2] + EXEC + old[2:])


HOSTILE: dict[str, tuple[Change, str]] = {
    "a call at the start": (with_code(CALL, 0), "asks for"),
    "a call in the middle": (with_code(EXEC, 0.5), "asks for"),
    "a call at the end": (with_code(CALL, 1), "asks for"),
    "a class that is called": (
        with_code(code(Called(Named("siren.siren", "FiLMLayer"), (1, 2))) + b"0", 0),
        "in a way of its own",
    ),
    "another name": (renamed, "asks for"),
    "a storage that lies": (shortened, "other sizes than it has"),
    "a memo that contains itself": (with_code(b"(dq\xfeh\xfeX\x01\x00\x00\x00ah\xfes", 0), ""),
    "marks without end": (with_code(b"(" * 3000, 0), "nested deeper"),
    "a dict of calls": (in_a_dict, "asks for"),
    "a bare pickle": (lambda _: CALL[:-1] + b".", "asks for"),
}
OF_GENERATORS = ("another name", "a dict of calls")  # in averages they mean nothing


@pytest.mark.parametrize("form", ["pair", "archive"])
@pytest.mark.parametrize(
    ("name", "which"),
    [(name, which) for name in HOSTILE for which in ("generator", "ema")
     if which == "generator" or name not in OF_GENERATORS],
)  # fmt: skip
def test_a_hostile_file_is_refused_in_a_sentence(
    run: Run, tmp_path: Path, name: str, which: str, form: str
) -> None:
    change, told = HOSTILE[name]
    files = {kind: (CASES / f"celeba_{kind}.pth").read_bytes() for kind in ("generator", "ema")}
    files[which] = change(files[which])
    if form == "archive":
        released = {f"CelebA/{kind}.pth": data for kind, data in files.items()}
        (tmp_path / "CelebA.zip").write_bytes(packed(released, zipfile.ZIP_DEFLATED))
        given = "CelebA.zip"
    else:
        for kind, data in files.items():
            (tmp_path / f"{kind}.pth").write_bytes(data)
        (tmp_path / "c.toml").write_text('curriculum = "CelebA"\n')
        given = "generator.pth"
    config = ("--config", "c.toml") if form == "pair" else ()
    before = {path.name for path in tmp_path.iterdir()}
    for words in (
        ("render", "--checkpoint", given, *config, "--out", "a.png"),
        ("convert", given, *config, "--out", "a.safetensors"),
    ):
        error = run(*words, code=1).stderr
        assert error.startswith("Error: ")
        assert error.count("\n") == 1
        assert error.endswith(".\n")
        assert told in error
    assert {path.name for path in tmp_path.iterdir()} == before
