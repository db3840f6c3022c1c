"""`graf score` on the real command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graf_cli.scoring import standard
from graf_cli.weights.download import Source
from tests.cli.conftest import CARS, Run
from tests.scoring.test_inception import Means, saved

SMALL = (*CARS, "--n", 2, "--views", 3, "--size", 8, "--samples", 8)


def test_consistency_writes_numbers_and_a_sheet(run: Run, tmp_path: Path) -> None:
    done = run("score", "consistency", *SMALL, "--json")
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "consistency.json").read_text())
    assert [row["number"] for row in told["objects"]] == [0, 1]
    assert (tmp_path / "consistency.png").exists()
    assert not (tmp_path / ".consistency.json.objects").exists()
    run("score", "consistency", *SMALL, "--no-clobber", code=1)


def test_the_last_shard_writes(run: Run, tmp_path: Path) -> None:
    first = run("score", "consistency", *SMALL, "--shard", "1/2", "--out", "parts.json")
    assert "the last one writes parts.json" in first.stderr
    assert not first.stdout
    last = run("score", "consistency", *SMALL, "--shard", "2/2", "--out", "parts.json")
    assert last.stdout == "parts.json\n"
    run("score", "consistency", *SMALL, "--out", "whole.json")
    whole, parts = ((tmp_path / name).read_text() for name in ("whole.json", "parts.json"))
    assert whole == parts


def test_distances_to_a_folder(run: Run, tmp_path: Path) -> None:
    """Of the pictures that `graf sample` draws, 0; by a network of the user's."""
    network = saved(Means(), tmp_path / "means.pt")
    run("sample", *CARS, "--n", 4, "--seed", 5, "--size", 8, "--samples", 8, "--out", "real/")
    asked = (*CARS, "--real", "real", "--inception", network, "--size", 8, "--samples", 8)
    same = run("score", "fid", *asked, "--seed", 5)
    assert abs(float(same.stdout)) < 1e-6
    assert "4 generated pictures, 4 real ones" in same.stderr
    other = json.loads(run("score", "kid", *asked, "--seed", 6, "--n", 3, "--json").stdout)
    assert other["score"] == "kid"
    assert (other["real"], other["generated"]) == (4, 3)
    folder = ("--real", "real", "--inception", network, "--generated", "real")
    assert abs(float(run("score", "fid", *folder).stdout)) < 1e-6


def test_distances_are_measured_with_the_standard_weights_unless_others_are_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("sample", *CARS, "--n", 2, "--size", 8, "--samples", 8, "--out", "real/")
    asked = ("--real", "real", "--generated", "real")
    missing = run("score", "fid", *asked, code=1)
    assert "pt_inception-2015-12-05-6726825d.pth is not in the cache" in missing.stderr
    network = saved(Means(), tmp_path / "means.pt")
    monkeypatch.setattr(standard, "WEIGHTS", Source(str(network), network.name))
    assert abs(float(run("score", "fid", *asked).stdout)) < 1e-6
