"""Pages from the command line: what they say of themselves, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import CARS, Run
from tests.families.eg3d.conftest import CASES as EG3D
from tests.families.giraffe.test_parity import CASES as GIRAFFE

SMALL = ("--resolution", 16)


def test_a_page_is_told_of_and_made_again(run: Run, tmp_path: Path) -> None:
    run("export", *CARS, *SMALL, "--seed", 2, "--out", "a.html")
    told = json.loads(run("info", "--json", "a.html").stdout)
    assert told["format"] == "html"
    assert told["generated"]
    assert told["recipe"]["export"] == {"kind": "page", "resolution": 16}
    run("replay", *CARS[:2], *CARS[2:], "a.html", "--out", "b.html")
    assert (tmp_path / "b.html").read_bytes() == (tmp_path / "a.html").read_bytes()


def test_without_metadata_a_page_does_not_say_how_it_was_made(run: Run, tmp_path: Path) -> None:
    run("export", *CARS, *SMALL, "--seed", 2, "--no-metadata", "--out", "a.html")
    text = (tmp_path / "a.html").read_text()
    assert "graf.recipe" not in text
    assert '"command":null' in text


def test_several_pages_are_a_folder(run: Run, tmp_path: Path) -> None:
    run("export", *CARS, *SMALL, "--n", 2, "--as", "page", "--out", "cars/")
    assert sorted(path.name for path in (tmp_path / "cars").glob("*.html")) == [
        "0000.html",
        "0001.html",
    ]


def test_eg3d_has_raw_colours(run: Run, tmp_path: Path) -> None:
    run("export", "--checkpoint", EG3D / "ffhq64.pkl", *SMALL, "--seed", 0, "--out", "a.html")
    assert "--show" in (tmp_path / "a.html").read_text()


def test_giraffe_says_why_it_has_no_page(run: Run) -> None:
    cars = ("--checkpoint", GIRAFFE / "cars.pt", "--config", GIRAFFE / "cars.json")
    told = run("export", *cars, *SMALL, "--out", "a.html", code=1).stderr
    assert "has no page" in told
