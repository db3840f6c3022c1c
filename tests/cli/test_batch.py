"""A job a line: what fails, what is shared, what comes out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from graf_cli.cli import console
from graf_cli.cli.choices import ModelChoice
from graf_cli.cli.main import cli
from graf_cli.engine import local, making
from graf_cli.model import checkpoint
from graf_cli.model.generator import Generator
from graf_cli.rendering.renderer import Frame, Renderer, Series, Shot
from tests.cli.conftest import CARS, Run
from tests.cli.process import Server

SMALL = {"size": 8, "samples": 8}


def batch(run: Run, *jobs: Any, words: tuple[str, ...] = (), **settings: Any) -> Result:
    lines = [job if isinstance(job, str) else json.dumps({**SMALL, **job}) for job in jobs]
    return run("batch", "-", *CARS, *words, input="\n".join(lines), **settings)


def told(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_job_says_what_came_of_it(run: Run, tmp_path: Path) -> None:
    result = batch(
        run,
        {"seed": 1, "out": "a.png"},
        "",
        {"command": "grid", "shapes": 2, "appearances": 1, "out": "b/"},
        {"azimuth": [0, 90], "frames": 2, "size": [8, 6], "show": ["rgb", "depth"], "out": "c.gif"},
    )
    assert [(job["line"], job["out"], job["status"], job["frames"]) for job in told(result)] == [
        (1, "a.png", "done", 1), (3, "b/", "done", 2), (4, "c.gif", "done", 2),
    ]  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} >= {"a.png", "b", "c.gif"}


def test_a_job_is_its_command(run: Run, tmp_path: Path) -> None:
    """The very bytes."""
    batch(run, {"seed": 1, "azimuth": "0:90", "frames": 3, "metadata": False, "out": "a.mp4"})
    small = ("--size", "8", "--samples", "8", "--seed", "1", "--azimuth", "0:90", "--frames", "3")
    run("render", *CARS, *small, "--no-metadata", "--out", "b.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_what_every_command_takes_holds_for_its_line_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool | None] = []
    load = ModelChoice.load

    def watched(choice: ModelChoice) -> Generator:
        seen.append(console.common().offline)
        return load(choice)

    monkeypatch.setattr(ModelChoice, "load", watched)
    batch(run, {"offline": False, "out": "a.png"}, {"out": "b.png"})
    assert seen[0] is False
    assert seen[1] is not False


def test_the_batch_outranks_the_environment_in_every_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool | None] = []
    load = ModelChoice.load

    def watched(choice: ModelChoice) -> Generator:
        seen.append(console.common().offline)
        return load(choice)

    monkeypatch.setattr(ModelChoice, "load", watched)
    monkeypatch.setenv("GRAF_OFFLINE", "1")
    batch(run, {"out": "a.png"}, {"out": "b.png"}, words=("--online",))
    assert seen == [False, False]


def test_a_recipe_is_drawn(run: Run, tmp_path: Path) -> None:
    line = run("render", *CARS, "--size", "8", "--seed", "4", "--dry-run").stdout
    run("batch", "-", *CARS, input=json.dumps({**json.loads(line), "out": "a.png"}))
    run("render", *CARS, "--size", "8", "--seed", "4", "--out", "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_line_may_name_a_model_of_its_own(run: Run, tmp_path: Path) -> None:
    batch(run, {"model": "toy-cars", "out": "a.png"}, {"out": "b.png"})
    models = [
        json.loads(run("info", "--json", name).stdout)["recipe"]["model"]["name"]
        for name in ("a.png", "b.png")
    ]
    assert models == ["toy-cars:128", "cars"]


def test_a_job_that_fails_stops_no_other(run: Run) -> None:
    bad: list[Any] = [
        "not json",
        "[]",
        {"seed": 1},
        {"out": "-"},
        {"out": "a.foo"},
        {"command": "convert", "out": "a.png"},
        {"colour": "red", "out": "b.png"},
        {"latent": "-", "out": "c.png"},
        {"seed": {}, "out": "d.png"},
        {"frames": 2, "out": "e.png"},
        {"plan": {}, "out": "f.png"},
    ]
    result = batch(run, *bad, {"out": "good.png"}, {"out": "good.png"}, code=1)
    statuses = [job["status"] for job in told(result)]
    assert statuses == ["failed"] * len(bad) + ["done", "failed"]
    said = [job.get("error") for job in told(result)]
    assert said[0] == "Line 1 is not JSON: JSON is malformed: invalid character (byte 4)."
    assert said[3] == "Line 4: a batch writes files; name one as `out`."
    assert said[6] == "`render` has no option `colour`; see its --help."
    assert said[-1] == "good.png is another job's `out` too; name another."
    assert all(text and "\n" not in text for text in (*said[:-2], said[-1]))
    assert result.stderr.endswith("Error: 12 jobs failed.\n")


def test_fail_fast_ends_with_the_first(run: Run) -> None:
    result = batch(run, {"out": "a.foo"}, {"out": "b.png"}, words=("--fail-fast",), code=1)
    assert [job["out"] for job in told(result)] == ["a.foo"]


def test_models_are_loaded_once_and_shapes_looked_into_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads, jobs = [], []
    load, draw = checkpoint.open_checkpoint, local.LocalEngine.draw

    def loaded(*asked: Any) -> Any:
        loads.append(asked)
        return load(*asked)

    monkeypatch.setattr("graf_cli.model.generator.open_checkpoint", loaded)

    def drawn(self: local.LocalEngine, work: Any) -> Any:
        jobs.append((id(self), id(work.generator)))
        return draw(self, work)

    monkeypatch.setattr(local.LocalEngine, "draw", drawn)
    batch(run, {"azimuth": 1, "out": "a.png"}, {"azimuth": 2, "out": "b.png"})
    assert len(loads) == 1
    assert len(jobs) == 2
    assert len(set(jobs)) == 1


def test_a_second_run_keeps_everything(run: Run) -> None:
    jobs = ({"out": "a.png"}, {"command": "sample", "n": 2, "out": "b/"})
    assert [job["status"] for job in told(batch(run, *jobs))] == ["done", "done"]
    again = told(batch(run, *jobs, words=("--resume",)))
    assert [(job["status"], job["kept"]) for job in again] == [("kept", 1), ("kept", 2)]
    other = batch(run, {"seed": 1, "out": "a.png"}, words=("--resume",), code=1)
    assert "a.png is of another recipe" in told(other)[0]["error"]


def test_shards_share_the_lines_by_what_they_cost(run: Run) -> None:
    jobs = [{"out": f"{k}.png"} for k in range(8)]
    jobs += [{"command": "sample", "n": 8, "out": "many/"}, {"out": "x.foo"}]  # type: ignore[dict-item]
    seen = []
    for shard, code in (("1/2", 0), ("2/2", 1)):
        result = batch(run, *jobs, words=("--shard", shard), code=code)
        seen.append([job["out"] for job in told(result)])
    assert seen == [[f"{k}.png" for k in range(8)], ["many/", "x.foo"]]


def test_lines_are_run_as_they_come(graf: Server, tmp_path: Path) -> None:
    """A batch may be fed by a program that waits for its answers."""
    pipe, out = tmp_path / "jobs", tmp_path / "status"
    os.mkfifo(pipe)
    running = graf.start("batch", pipe, *CARS, cwd=tmp_path, stdout=out)
    with pipe.open("w") as feed:
        for k in range(2):
            feed.write(json.dumps({**SMALL, "out": f"{k}.png"}) + "\n")
            feed.flush()
            while not (out.exists() and len(out.read_text().splitlines()) == k + 1):
                assert not running.ended
    assert running.wait()[0] == 0


def test_shares_do_not_depend_on_what_a_machine_has(run: Run) -> None:
    """A recipe of a model that is not here costs what it costs where it is."""
    here = json.loads(run("render", *CARS, "--size", "8", "--dry-run").stdout)
    lines = [{**here, "out": f"{k}.png"} for k in range(4)]
    lines[3]["model"] = {**here["model"], "sha256": "0" * 64}
    text = "\n".join(map(json.dumps, lines))
    for shard, numbers in (("1/2", [1, 2]), ("2/2", [3, 4])):
        result = run("batch", "-", *CARS, "--shard", shard, input=text, code=int(shard == "2/2"))
        assert [job["line"] for job in told(result)] == numbers


def test_whatever_befalls_a_job_the_others_are_run(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Sick(Renderer):
        def render(
            self,
            shot: Shot,
            series: Series | None = None,
            *,
            surface: bool = True,
            masks: bool = False,
        ) -> Frame:
            if shot.camera.width == 6:
                raise MemoryError("not enough")
            return super().render(shot, series)

    monkeypatch.setattr(making, "Renderer", Sick)
    jobs: list[dict[str, Any]] = [
        {"out": "a\0.gif"},
        {"size": 6, "out": "b.png"},
        {"out": "c.png"},
        {"out": "./c.png"},
    ]
    lines = "\n".join(json.dumps({**SMALL, **job}) for job in jobs)
    result = CliRunner().invoke(cli, ["batch", "-", *CARS], input=lines)
    assert result.exit_code == 1
    assert [job["status"] for job in told(result)] == ["failed", "failed", "done", "failed"]
    assert [job.get("error", "") for job in told(result)] == [
        "Line 1: `out` is not a name of a file; give another.",
        "MemoryError: not enough",
        "",
        "./c.png is another job's `out` too; name another.",
    ]
    assert "MemoryError: not enough" in result.stderr


def test_flags_by_either_name(run: Run, tmp_path: Path) -> None:
    flags: list[dict[str, Any]] = [
        {"metadata": False},
        {"no_metadata": True},
        {"no-metadata": True},
    ]
    batch(run, *({**flag, "out": f"{k}.png"} for k, flag in enumerate(flags)))
    assert len({(tmp_path / f"{k}.png").read_bytes() for k in range(3)}) == 1
    result = batch(run, {"exact": "yes", "out": "a.png"}, code=1)
    assert told(result)[0]["error"] == "`exact` cannot be 'yes'; it is true or false."


def test_lists_and_text_are_read_alike(run: Run, tmp_path: Path) -> None:
    alike: list[tuple[dict[str, Any], ...]] = [
        ({"azimuth": [0, 90], "frames": 2}, {"azimuth": "0:90", "frames": "2"},
         {"azimuth": ["0", "90"], "frames": 2}),
        ({"seed": [1, 2], "size": [8, 6], "frames": 2}, {"seed": "1:2", "size": "8x6", "frames": 2},
         {"seed": ["1", "2"], "size": ["8", "6"], "frames": 2}),
    ]  # fmt: skip
    for k, jobs in enumerate(alike):
        batch(run, *({**job, "out": f"{k}{i}.gif"} for i, job in enumerate(jobs)))
        assert len({(tmp_path / f"{k}{i}.gif").read_bytes() for i in range(3)}) == 1


def test_a_line_overrides_the_batch(run: Run) -> None:
    jobs = ({"out": "a.png"}, {"out": "b.png", "resume": False})
    batch(run, *jobs)
    again = told(batch(run, *jobs, words=("--resume",)))
    assert [job["status"] for job in again] == ["kept", "done"]


def test_a_mistyped_option_is_told_with_the_nearest(run: Run) -> None:
    jobs: list[dict[str, Any]] = [{"azimut": 3}, {"depth-rnge": "1:2"}, {"frames": 0}]
    lines = [{**job, "out": f"{k}.png"} for k, job in enumerate(jobs)]
    said = [job["error"] for job in told(batch(run, *lines, code=1))]
    assert said[0] == "`render` has no option `azimut`; do you mean `azimuth`?"
    assert said[1] == "`render` has no option `depth-rnge`; do you mean `depth_range`?"
    assert "0 is not in the range" in said[2]


def test_a_dry_run_is_told_that_it_is_none(run: Run) -> None:
    [job] = told(batch(run, {"dry_run": True, "out": "a.png"}, code=1))
    assert job["error"] == "A line of a batch is no dry run; leave out `dry_run`."


def test_a_line_makes_no_context(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither to be costed, nor to be run, nor as a recipe: each command has one for all."""
    made = []
    make = click.Context.__init__

    def counted(self: click.Context, *arguments: Any, **settings: Any) -> None:
        made.append(self)
        make(self, *arguments, **settings)

    recipe = json.loads(run("render", *CARS, "--size", "8", "--dry-run").stdout)
    monkeypatch.setattr(click.Context, "__init__", counted)
    counts = []
    for each in (1, 25):
        lines = [{**SMALL, "size": 4, "out": f"{k}.png"} for k in range(each)]
        lines += [{**recipe, "out": f"recipe{k}.png"} for k in range(each)]
        made.clear()
        text = "\n".join(map(json.dumps, lines))
        assert len(told(run("batch", "-", *CARS, "--shard", "1/1", input=text))) == 2 * each
        counts.append(len(made))
    assert counts == [4, 4]  # of `graf`, `batch`, `render` and `replay`


def test_a_mark_of_unicode_is_no_part_of_the_first_line(run: Run) -> None:
    assert told(batch(run, "\ufeff" + json.dumps({**SMALL, "out": "a.png"})))[0]["line"] == 1


def test_jobs_are_run_though_nobody_reads_of_them(graf: Server, tmp_path: Path) -> None:
    lines = [json.dumps({**SMALL, "seed": k, "out": f"{k}.png"}) for k in range(5)]
    (tmp_path / "jobs.jsonl").write_text("\n".join(lines))
    os.mkfifo(tmp_path / "pipe")
    running = graf.start("batch", "jobs.jsonl", *CARS, cwd=tmp_path, stdout=tmp_path / "pipe")
    (tmp_path / "pipe").open("rb").close()
    assert running.wait() == (0, "")
    assert len([*tmp_path.glob("*.png")]) == 5
