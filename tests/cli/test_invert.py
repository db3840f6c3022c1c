"""`graf invert` on the real command line."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graf_cli import stopping
from graf_cli.recipe import Sweep, from_json
from tests.cli.conftest import CARS, Run

QUICK = ("--size", 8, "--samples", 8, "--starts", 1, "--azimuth", 20, "--elevation", 30)


@pytest.fixture
def photo(run: Run, tmp_path: Path) -> Path:
    run("render", *CARS, "--seed", 3, "--azimuth", 20, "--elevation", 30, "--size", 16,
        "--out", "photo.png")  # fmt: skip
    return tmp_path / "photo.png"


def test_what_is_found_can_be_seen_from_all_sides(run: Run, photo: Path, tmp_path: Path) -> None:
    done = run("invert", photo, *CARS, *QUICK, "--out", "found.json")
    assert done.stdout == "found.json\n"
    assert "stage 1 of 5" in done.stderr
    assert "dB" in done.stderr
    recipe = from_json((tmp_path / "found.json").read_text())
    assert isinstance(recipe.plan, Sweep)
    assert recipe.plan.view.azimuth == (20,)
    turn = run("render", *CARS, "--recipe", "found.json", "--azimuth", "0:360", "--dry-run")
    assert len(from_json(turn.stdout)) == 120
    again = run("invert", photo, *CARS, *QUICK, "--out", "found.json", "--resume")
    assert "finished and kept" in again.stderr
    run("invert", photo, *CARS, *QUICK, "--no-clobber", code=1)


def test_several_photographs_with_cameras_of_a_file(run: Run, photo: Path, tmp_path: Path) -> None:
    run("render", *CARS, "--azimuth", "20:30", "--frames", 2, "--dry-run", "--save-cameras",
        "transforms.json", "--size", 16)  # fmt: skip
    told = run("invert", photo, photo, *CARS, "--poses", "transforms.json", "--size", 8,
               "--samples", 8, "--starts", 1, "--seconds", 0.1, "--json")  # fmt: skip
    assert len(json.loads(told.stdout)["psnr"]) == 2
    recipe = from_json((tmp_path / "found.json").read_text())
    assert len(recipe) == 2
    turn = run("render", *CARS, "--recipe", "found.json", "--azimuth", "0:360", "--dry-run")
    assert len(from_json(turn.stdout)) == 120
    run("invert", photo, *CARS, "--poses", "transforms.json", code=2)


def test_an_interruption_leaves_the_best_so_far(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is needed to go on."""

    @contextmanager
    def interrupted(noted: Callable[[], None]) -> Iterator[stopping.Ending]:
        ending = stopping.Ending()
        ending.signal = signal.SIGINT
        noted()
        yield ending

    with monkeypatch.context() as patch:
        patch.setattr(stopping, "after_the_picture_in_hand", interrupted)
        ended = run("invert", photo, *CARS, *QUICK, "--out", "found.json", code=130)
    assert "Writing the best so far" in ended.stderr
    assert "--resume" in ended.stderr
    assert (tmp_path / ".found.json.progress").exists()
    from_json((tmp_path / "found.json").read_text())
    done = run("invert", photo, *CARS, *QUICK, "--out", "found.json", "--resume", "--json")
    assert json.loads(done.stdout)["finished"]
    assert not (tmp_path / ".found.json.progress").exists()


def test_what_is_no_photograph_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("words")
    assert "cannot be read as a picture" in run("invert", "words.png", *CARS, code=2).stderr
