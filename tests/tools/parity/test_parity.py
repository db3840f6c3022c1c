"""`python -m tools.parity` over folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REFERENCE
from tests.families.nerf.conftest import CASES
from tools.parity.__main__ import main


def copied(source: Path, name: str, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for path in source.glob(f"{name}.*"):
        shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize(("source", "name"), [(CASES, "plain"), (REFERENCE, "compact")])
def test_a_case_of_each_form_is_within_its_bounds(
    tmp_path: Path, source: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(copied(source, name, tmp_path / "one"))]) == 0
    table = capsys.readouterr().out
    assert f"\n{name} " in table
    assert table.endswith(" rows, 0 off\n")


def test_one_that_is_off_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = copied(CASES, "plain", tmp_path / "one")
    with np.load(folder / "plain.npz") as file:
        arrays = dict(file)
    arrays["rgb"] = arrays["rgb"] + np.float32(0.01)
    (folder / "plain.npz").unlink()
    np.savez(folder / "plain.npz", **arrays)
    assert main([str(folder)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in told if line.endswith("OFF")] == ["rgb"]


def test_a_folder_of_nothing_is_no_success(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 1
