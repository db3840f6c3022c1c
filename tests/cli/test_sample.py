"""`graf sample`: a folder, its records, a sheet; the same pictures whatever n is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.cli.conftest import CARS, Run
from tests.media import image

SMALL = (*CARS, "--size", "8", "--samples", "8")


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def pictures(folder: Path) -> list[np.ndarray]:
    return [image(path) for path in sorted(folder.glob("*.png"))]


def test_folder_and_records(run: Run, tmp_path: Path) -> None:
    done = run("sample", *SMALL, "--n", 5)
    folder = tmp_path / "samples"
    assert len(done.stdout.splitlines()) == 6
    assert [path.name for path in sorted(folder.glob("*.png"))] == [f"000{k}.png" for k in range(5)]
    rows = records(folder)
    assert [row["file"] for row in rows] == [f"000{k}.png" for k in range(5)]
    assert len({row["seed"] for row in rows}) == 5
    assert all(0 <= row["azimuth"] <= 360 and 5 <= row["elevation"] <= 90 for row in rows)
    assert all(row["radius"] == 10 for row in rows)


def test_picture_k_is_the_same_whatever_n_is(run: Run, tmp_path: Path) -> None:
    run("sample", *SMALL, "--n", 2, "--seed", 7, "--out", "few/")
    run("sample", *SMALL, "--n", 4, "--seed", 7, "--out", "many/")
    few, many = pictures(tmp_path / "few"), pictures(tmp_path / "many")
    assert all(np.array_equal(a, b) for a, b in zip(few, many, strict=False))
    assert records(tmp_path / "few") == records(tmp_path / "many")[:2]
    run("sample", *SMALL, "--n", 2, "--seed", 8, "--out", "other/")
    assert not np.array_equal(few[0], pictures(tmp_path / "other")[0])


def test_a_record_renders_again(run: Run, tmp_path: Path) -> None:
    run("sample", *SMALL, "--n", 1)
    row = records(tmp_path / "samples")[0]
    words = [word for key in ("seed", "azimuth", "elevation", "radius")
             for word in (f"--{key}", row[key])]  # fmt: skip
    run("render", *SMALL, *words, "--out", "again.png")
    again = image(tmp_path / "again.png")
    assert np.abs(again.astype(int) - pictures(tmp_path / "samples")[0]).max() <= 1


def test_a_sheet(run: Run, tmp_path: Path) -> None:
    assert run("sample", *SMALL, "--n", 5, "--out", "sheet.png").stdout == "sheet.png\n"
    sheet = image(tmp_path / "sheet.png")
    assert sheet.shape == (16, 24, 3)
    run("sample", *SMALL, "--n", 5)
    assert np.array_equal(sheet[:8, 8:16], pictures(tmp_path / "samples")[1])
    assert (sheet[8:, 16:] == 255).all()


def test_bad_input(run: Run, tmp_path: Path) -> None:
    run("sample", *SMALL, "--n", 0, code=2)
    run("sample", *SMALL, "--out", "a.txt", code=2)
    run("sample", *SMALL, "--n", 1_000_000, "--size", 4096, "--out", "sheet.png", code=1)
    assert list(tmp_path.iterdir()) == []


def test_a_name_without_a_suffix_is_a_folder(run: Run, tmp_path: Path) -> None:
    run("sample", *SMALL, "--n", 2, "--out", "whole")
    names = ["0000.png", "0001.png", "recipe.json", "samples.jsonl"]
    assert sorted(path.name for path in (tmp_path / "whole").iterdir()) == names
    run("sample", *SMALL, "--n", 2, "--out", "file", "--format", "npz")
    assert (tmp_path / "file").is_file()
    run("render", *SMALL, "--out", "picture", code=2)  # which makes pictures or videos as well
