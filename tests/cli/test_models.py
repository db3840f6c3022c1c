"""`graf models`: the table, one model whole, manifests of the user's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graf_cli.cli.main import cli
from graf_cli.cli.types import MODEL
from tests.cli.conftest import Run

OWN = """
schema = 1
[models.chairs]
title = "Chairs of my own"
default_size = 32
[models.chairs.camera]
near = 1.0
far = 6.0
radius = [3, 4]
fov = 40
[models.chairs.files]
32 = { url = "chairs.pt" }
"""


def test_table(run: Run) -> None:
    lines = run("models").stdout.splitlines()
    assert lines[0].split() == ["NAME", "SIZES", "ON", "THIS", "MACHINE", "SHOWS"]
    cars = next(line for line in lines if line.startswith("cars "))
    assert cars.split()[1:6] == ["64", "128", "256", "512", "no"]


def test_json_is_one_object_a_line(run: Run) -> None:
    rows = [json.loads(line) for line in run("models", "--json").stdout.splitlines()]
    names = {row["name"]: row for row in rows}
    assert {"cars", "faces", "faces-hq", "cats", "birds"} <= set(names)
    assert names["cars"]["aliases"] == ["carla"]
    assert names["faces"]["sizes"] == [64, 128]


def test_show_tells_ranges_in_degrees(run: Run) -> None:
    facts = json.loads(run("models", "show", "celebA", "--json").stdout)
    assert facts["name"] == "faces:128"
    assert facts["azimuth_degrees"] == [0, 90]
    assert facts["elevation_degrees"] == pytest.approx([5, 20])
    assert facts["radius"] == [9.5, 10.5]
    assert facts["fov_degrees"] == 10
    assert "Schwarz" in facts["citation"]


def test_show_reads_well(run: Run) -> None:
    text = run("models", "show", "birds").stdout
    assert "azimuth degrees    0 to 360\n" in text
    assert "elevation degrees  -5 to 30\n" in text
    assert "sha256             never published" in text


def test_own_manifest_adds_models(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tmp_path / "own.toml"
    manifest.write_text(OWN)
    (tmp_path / "chairs.pt").touch()
    table = run("models", "--manifest", manifest).stdout
    assert "\ncars " in table
    chairs = next(line for line in table.splitlines() if line.startswith("chairs "))
    assert chairs.split() == ["chairs", "32", "32", "Chairs", "of", "my", "own"]
    monkeypatch.setenv("GRAF_MANIFEST", str(manifest))
    assert json.loads(run("models", "show", "chairs", "--json").stdout)["radius"] == [3, 4]


def test_a_broken_manifest_is_a_sentence(run: Run, tmp_path: Path) -> None:
    manifest = tmp_path / "own.toml"
    manifest.write_text(OWN.replace("fov = 40", 'fov = "wide"'))
    error = run("models", "--manifest", manifest, code=1).stderr
    assert error.startswith(f"Error: {manifest}")
    assert "fov" in error


def test_shell_completion_offers_names_and_sizes() -> None:
    ctx = cli.make_context("graf", ["models"])
    parameter = next(iter(cli.params))
    names = [item.value for item in MODEL.shell_complete(ctx, parameter, "ca")]
    assert {"cars", "cats"} <= set(names)
    sized = [item.value for item in MODEL.shell_complete(ctx, parameter, "cars:")]
    assert sized == ["cars:64", "cars:128", "cars:256", "cars:512"]
