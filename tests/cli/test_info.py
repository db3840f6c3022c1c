"""`graf info`: what a file says of itself."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tests.cli.conftest import CARS, Run
from tests.conftest import read_case

SMALL = (*CARS, "--size", "8", "--samples", "8")


def facts(text: str) -> dict[str, str]:
    return {line[:12].strip(): line[12:] for line in text.splitlines()}


def test_a_sweep(run: Run) -> None:
    run("render", *SMALL, "--azimuth", "0:360", "--seed", 3, "--frames", 3, "--out", "a.gif")
    found = facts(run("info", "a.gif").stdout)
    assert found["generated"] == "yes"
    assert found["model"] == "cars"
    assert found["pictures"] == "3"
    assert found["azimuth"] == "0 → 360"
    assert found["shape"] == "3"


def test_as_json(run: Run) -> None:
    run("sample", *SMALL, "--n", 2)
    found = json.loads(run("info", "--json", "samples/0001.png").stdout)
    assert found["generated"] is True
    assert found["format"] == "png"
    assert found["recipe"]["frame"] == 1
    assert found["recipe"]["plan"]["kind"] == "sample"
    text = facts(run("info", "samples").stdout)
    assert (text["format"], text["pictures"]) == ("json", "2")
    assert (text["finished"], text["stale"], text["missing"]) == ("2", "0", "0")


def test_how_far_a_folder_has_come(run: Run, tmp_path: Path) -> None:
    run("sample", *SMALL, "--n", 2)
    pictures = tmp_path / "samples"
    shutil.copy(pictures / "0001.png", pictures / "0000.png")
    os.utime(pictures / "0000.png", ns=(0, 0))
    (pictures / "0001.png").unlink()
    found = json.loads(run("info", "--json", "samples").stdout)
    assert (found["finished"], found["missing"]) == (0, 1)
    [stale] = found["stale"]
    assert stale["picture"] == 0
    assert "older than recipe.json" in stale["reason"]
    said = run("sample", *SMALL, "--n", 2, "--resume", "-v").stderr
    assert "picture 0 is stale, and made again: 0000.png is older" in said
    assert "picture 1 is missing, and made." in said


def test_every_kind_of_plan(run: Run, tmp_path: Path) -> None:
    run("grid", *SMALL, "--shapes", 2, "--appearances", 1, "--out", "grid.png")
    found = facts(run("info", "grid.png").stdout)
    assert (found["rows"], found["columns"]) == ("shape: 0, 1", "appearance: 0")
    np.save(tmp_path / "z.npy", read_case("cars").z)
    np.save(tmp_path / "p.npy", read_case("cars").poses)
    run("render", *SMALL, "--latent", "z.npy", "--poses", "p.npy", "--out", "a.npz")
    found = facts(run("info", "a.npz").stdout)
    assert (found["codes"], found["poses"]) == ("4 of 256 numbers", "4")


def test_files_that_say_nothing(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "b.txt").write_text("words")
    assert "carries no recipe" in run("info", "a.png", code=1).stderr
    assert "no format" in run("info", "b.txt", code=1).stderr
    run("info", "missing.png", code=2)
