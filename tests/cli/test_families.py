"""The words of a family that is none of graf's: blocks, spaces, controls, axes, by its features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graf_cli.cli.main import cli
from graf_cli.cli.types import AXIS, CODE, CONTROL
from tests.cli.conftest import CARS, Run
from tests.families import made_up
from tests.media import image

BALL = ("--model", "ball", "--size", "8")


@pytest.fixture(autouse=True)
def _ball(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Run) -> None:
    made_up.install(monkeypatch, tmp_path)


def planned(run: Run, *words: object, command: str = "render", **settings: Any) -> dict[str, Any]:
    done = run(command, *words, "--dry-run", "-q", **settings)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_seed_is_of_every_code_and_a_code_of_its_own(run: Run) -> None:
    seeds = planned(run, *BALL, "--seed", 3, "--code", "paint=5:7")["plan"]["subject"]["seeds"]
    assert seeds == {"body": [3], "paint": [5, 7], "room": [3]}


def test_its_truncation_is_its_own(run: Run) -> None:
    assert planned(run, *BALL)["plan"]["subject"]["truncation"] == 0.5
    assert "truncation" not in planned(run, *BALL, "--truncation", 1)["plan"]["subject"]


def test_controls_sweep(run: Run, tmp_path: Path) -> None:
    words = ("--control", "object.0.size=0.5:1.5", "--control", "lamp=1", "--frames", 3)
    run("render", *BALL, *words, "--show", "opacity", "--out", "grow.npz")
    with np.load(tmp_path / "grow.npz") as file:
        covered = file["opacity"].sum(axis=(1, 2))
    assert covered[0] < covered[1] < covered[2]
    told = run("info", "grow.npz").stdout
    assert "object.0.size  0.5 → 1.5\n" in told
    run("replay", "grow.npz", "--out", "again.npz")
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "grow.npz").read_bytes()
    shorter = planned(run, "--recipe", "grow.npz", "--control", "lamp=0.5")["plan"]
    assert shorter["subject"]["controls"] == {"object.0.size": [0.5, 1.5], "lamp": [0.5]}
    assert shorter["frames"] == 3


def test_a_control_beyond_its_range_is_told_or_refused(run: Run) -> None:
    warned = run("render", *BALL, "--control", "object.1.size=2", "--out", "a.png").stderr
    assert "object.1.size 0.5 to 1.5 (here 2)" in warned
    refused = run("render", *BALL, "--control", "lamp=2", code=2).stderr
    assert "--control: `lamp` of `ball:8` is from 0 to 1." in refused


def test_jitter_is_of_the_recipe(run: Run, tmp_path: Path) -> None:
    assert planned(run, *BALL, "--jitter", 7)["jitter"] == 7
    assert "jitter" not in planned(run, *BALL)
    run("render", *BALL, "--jitter", 400, "--out", "a.png")
    run("render", *BALL, "--out", "b.png")
    run("replay", "a.png", "--out", "c.png")
    a, b, c = (image(tmp_path / f"{name}.png") for name in "abc")
    assert not np.array_equal(a, b)
    assert np.array_equal(a, c)


@pytest.mark.parametrize(
    ("space", "shape", "rows", "of"),
    [
        ("z", (2, 8), 2, []),
        ("w", (2, 5), 2, []),
        ("w", (5,), 1, []),
        ("w+", (3, 2, 3), 3, [2, 3]),
        ("w+", (2, 3), 1, [2, 3]),
        ("w+", (4, 6), 4, [2, 3]),
    ],
)
def test_rows_of_a_space(
    run: Run, tmp_path: Path, *, space: str, shape: tuple[int, ...], rows: int, of: list[int]
) -> None:
    np.save(tmp_path / "rows.npy", np.arange(np.prod(shape), dtype=float).reshape(shape))
    found = planned(run, *BALL, "--latent", "rows.npy", "--space", space)
    given = found["plan"]["subject"]["rows"]
    assert len(given["values"]) == found["plan"]["frames"] == rows
    assert (given.get("space", "z"), given.get("shape", [])) == (space, of)
    (tmp_path / "job.json").write_text(json.dumps(found))
    again = planned(run, "--recipe", "job.json", "--fov", 30)
    assert again["plan"]["subject"] == found["plan"]["subject"]


def test_a_grid_of_anything(run: Run, tmp_path: Path) -> None:
    words = ("--rows", "object.0.size=0.6,1.2", "--columns", "seed=4:2", "--azimuth", 30)
    run("grid", *BALL, *words, "--out", "grid.png")
    assert image(tmp_path / "grid.png").shape == (16, 24, 3)
    told = run("info", "grid.png").stdout
    assert "rows        object.0.size: 0.6, 1.2\n" in told
    assert "columns     body, paint, room: 4, 3, 2\n" in told
    one = ("--seed", 3, "--control", "object.0.size=1.2", "--azimuth", 30, "--out", "one.png")
    run("render", *BALL, *one)
    assert np.array_equal(image(tmp_path / "grid.png")[8:, 8:16], image(tmp_path / "one.png"))
    run("replay", "grid.png", "--out", "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "grid.png").read_bytes()


def test_a_grid_of_shapes_and_views(run: Run) -> None:
    words = ("--rows", "shape=0:4", "--columns", "azimuth=-30:30", "--appearance", 1)
    refused = run("grid", *CARS, *words, code=2).stderr
    assert "--appearance" in refused
    plan = planned(run, *CARS, *words[:-2], "--code", "appearance=9", command="grid")["plan"]
    assert plan["rows"] == {"of": "seeds", "blocks": ["shape"], "seeds": [0, 1, 2, 3, 4]}
    assert plan["columns"] == {"of": "view", "word": "azimuth", "values": [-30, -15, 0, 15, 30]}
    assert plan["subject"] == {"seeds": {"appearance": [9]}}
    turn = planned(run, *CARS, "--columns", "azimuth=0:360/4", command="grid")["plan"]
    assert turn["columns"]["values"] == [0, 90, 180, 270]
    assert len(turn["rows"]["seeds"]) == 5


@pytest.mark.parametrize(
    ("command", "words", "says"),
    [
        ("render", (*BALL, "--shape", 3), "--shape: `ball:8` has no code `shape`; it has `body`, "
                                          "`paint` and `room`."),
        ("render", (*BALL, "--code", "face=3"), "--code: `ball:8` has no code `face`"),
        ("render", (*BALL, "--code", "body"), "NAME=VALUE"),
        ("render", (*BALL, "--code", "body=1", "--code", "body=2"), "`body` twice"),
        ("render", (*CARS, "--code", "shape=1", "--shape", 2), "--shape and --code both"),
        ("render", (*BALL, "--control", "object.x.size=1"), "it has `object.*.size`, `turn` and "
                                                            "`lamp`."),
        ("render", (*CARS, "--control", "y=1"), "has no `y`; it has none."),
        ("render", (*CARS, "--jitter", 1), "leave out --jitter"),
        ("render", (*CARS, "--space", "w"), "give them as well"),
        ("render", (*BALL, "--latent", "z.npy", "--space", "film"), "it takes `z`, `w` and `w+`."),
        ("render", (*BALL, "--latent", "z.npy", "--space", "w"), "in w they are n × 5"),
        ("render", (*BALL, "--latent", "z.npy", "--code", "body=1"), "--latent says"),
        ("render", ("--model", "bare", "--seed", 3), "`bare:8` has no codes, it shows one scene; "
                                                     "leave out --seed."),
        ("render", ("--model", "bare", "--shape", 3), "leave out --shape."),
        ("render", ("--model", "bare", "--truncation", 1), "nothing to truncate"),
        ("render", ("--model", "bare", "--latent", "z.npy"), "leave out --latent"),
        ("sample", (*BALL, "--control", "lamp=0:1"), "here it takes one number"),
        ("dataset", ("--model", "bare"), "give 1 as --n"),
        ("grid", BALL, "`ball:8` has no `shape`; say with --rows what changes: `seed`, `body`, "),
        ("grid", (*BALL, "--rows", "body=0:2", "--columns", "seed=0:2"), "both change `body`"),
        ("grid", (*CARS, "--rows", "shape=0:2", "--shapes", 3), "--rows and --shapes both"),
        ("grid", (*CARS, "--rows", "shape=0.5"), "whole numbers"),
        ("grid", (*CARS, "--rows", "shape=0:4/3"), "a list"),
        ("grid", (*CARS, "--rows", "fov=0:40"), "fov"),
        ("grid", (*CARS, "--rows", "fov=20,30", "--fov", 25), "leave out --fov"),
        ("grid", (*CARS, "--rows", "soul=1:2"), "has no `soul`; it has `seed`, `shape`"),
        ("grid", ("--model", "bare", "--rows", "seed=0:2", "--columns", "fov=20,30"), "no codes"),
    ],
)  # fmt: skip
def test_a_word_that_a_family_lacks(
    run: Run, tmp_path: Path, command: str, words: tuple[object, ...], says: str
) -> None:
    np.save(tmp_path / "z.npy", np.zeros((2, 8)))
    assert says in run(command, *words, "--dry-run", code=2).stderr


def test_a_scene_without_codes(run: Run, tmp_path: Path) -> None:
    bare = ("--model", "bare", "--size", 8)
    assert "subject" in planned(run, *bare)["plan"]
    run("render", *bare, "--azimuth", "0:90", "--frames", 2, "--out", "turn.gif")
    run("replay", "turn.gif", "--out", "again.gif")
    assert (tmp_path / "again.gif").read_bytes() == (tmp_path / "turn.gif").read_bytes()
    run("sample", *bare, "--n", 2, "--out", "samples")
    lines = (tmp_path / "samples/samples.jsonl").read_text().splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [
        ["azimuth", "elevation", "file", "radius"]
    ] * 2
    run("dataset", *bare, "--n", 1, "--views", 2, "--out", "set")
    run("dataset", *bare, "--n", 1, "--views", 2, "--format", "webdataset", "--out", "tars")
    assert (tmp_path / "tars/train-000000.tar").exists()


def test_a_data_set_speaks_of_its_codes(run: Run, tmp_path: Path) -> None:
    words = ("--n", 1, "--views", 1, "--control", "lamp=0.5", "--out", "set")
    run("dataset", *BALL, *words)
    assert (
        "the object's codes, `body`, `paint` and `room`" in (tmp_path / "set/README.md").read_text()
    )
    with np.load(tmp_path / "set/train/000000/latent.npz") as file:
        assert file.files == ["body", "paint", "room"]
    run("sample", *BALL, "--n", 1, "--control", "lamp=0.5", "--out", "samples")
    assert json.loads((tmp_path / "samples/samples.jsonl").read_text())["controls"] == {"lamp": 0.5}


def test_a_batch_names_codes_and_controls(run: Run, tmp_path: Path) -> None:
    line = {"model": "ball", "size": 8, "code": {"body": 3}, "control": {"lamp": [0, 1]},
            "frames": 2, "out": "a.gif"}  # fmt: skip
    (tmp_path / "jobs.jsonl").write_text(json.dumps(line))
    run("batch", "jobs.jsonl")
    told = json.loads(run("info", "a.gif", "--json").stdout)["recipe"]["plan"]["subject"]
    assert (told["seeds"]["body"], told["controls"]) == ([3], {"lamp": [0, 1]})


def test_show_tells_what_there_is(run: Run) -> None:
    text = run("models", "show", "ball").stdout
    for line in (
        "code body", "3 numbers, legacy, moves geometry", "control object.*.size",
        "0.5 to 1.5 world units, 1 if not said; radius of a ball", "z w w+",
        "usual truncation", "fixed sizes", "azimuth turns",
    ):  # fmt: skip
        assert line in text
    facts = json.loads(run("models", "show", "ball", "--json").stdout)["features"]
    assert [block["name"] for block in facts["blocks"]] == ["body", "paint", "room"]
    assert facts["controls"][2]["strict"] is True
    assert "none: one scene" in run("models", "show", "bare").stdout


def test_the_shell_completes_names(run: Run) -> None:
    with cli.make_context("graf", ["models"]) as ctx:
        parameter = next(iter(cli.params))
        ctx.params["model"] = "ball"
        found = [
            [item.value for item in kind.shell_complete(ctx, parameter, start)]
            for kind, start in ((CODE, ""), (CONTROL, "l"), (AXIS, "r"), (CODE, "pa"))
        ]
        assert found == [
            ["body=", "paint=", "room="], ["lamp="], ["room=", "radius="], ["paint="]
        ]  # fmt: skip
        ctx.params["model"] = "nobody"
        assert CODE.shell_complete(ctx, parameter, "") == []
