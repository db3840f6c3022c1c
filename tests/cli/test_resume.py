"""Jobs that are killed, stopped or divided give the very files of a job that never was."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from graf_cli.cli.main import INTERRUPTED, TERMINATED
from tests.cli.conftest import CARS, Run
from tests.cli.process import Server
from tests.disks import Tree, tree

SMALL = (*CARS, "--size", "8", "--samples", "8")
SWEEP = ("render", *SMALL, "--azimuth", "0:90", "--frames", "3")
DATASET = ("dataset", *SMALL, "--n", "2", "--views", "2", "--out", "ds/")
JOBS: dict[str, tuple[str, ...]] = {
    "sequence": (*SWEEP, "--out", "seq/"),
    "without metadata": (*SWEEP, "--no-metadata", "--out", "seq/"),
    "sample": ("sample", *SMALL, "--n", "3", "--out", "samples/"),
    "grid": ("grid", *SMALL, "--shapes", "2", "--appearances", "2", "--out", "cells/%d.jpg"),
    "sheet": ("grid", *SMALL, "--shapes", "2", "--appearances", "2", "--out", "sheet.png"),
    "depth sheet": ("sample", *SMALL, "--n", "3", "--show", "depth16", "--out", "sheet.png"),
    "mp4": (*SWEEP, "--out", "spin.mp4"),
    "gif": (*SWEEP, "--out", "spin.gif", "--background", "transparent"),
    "webp": (*SWEEP, "--out", "spin.webp"),
    "npz": (*SWEEP, "--out", "spin.npz", "--show", "rgb,normal"),
    "tar": (*SWEEP, "--out", "spin.tar"),
    "picture": ("render", *SMALL, "--out", "one.png"),
    "batch": ("batch", "jobs.jsonl", *CARS),
    "dataset": (*DATASET, "--cameras", "orbit", "--split", "a=0.5,b=0.5"),
    "webdataset": (*DATASET, "--format", "webdataset", "--tar-size", "1", "--no-metadata"),
}
STEP = 17  # every so many touches of the disk, a job is killed


def place(folder: Path) -> Path:
    """A new folder, with a batch in it."""
    folder.mkdir()
    small = {"size": 8, "samples": 8}
    lines = [
        {**small, "azimuth": [0, 90], "frames": 2, "out": "b.apng"},
        {**small, "command": "sample", "n": 2, "out": "b/"},
        {**small, "seed": 3, "out": "b.png"},
    ]
    (folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def completed(graf: Server, folder: Path, *words: str) -> Tree:
    code, said = graf.start(*words, cwd=folder).wait()
    assert code == 0, said
    return tree(folder)


@pytest.mark.parametrize("name", JOBS)
def test_killed_wherever_it_touches_the_disk(graf: Server, tmp_path: Path, name: str) -> None:
    words = (*JOBS[name], "--resume")
    whole = completed(graf, place(tmp_path / "whole"), *words)
    assert completed(graf, tmp_path / "whole", *words) == whole  # a second run changes nothing
    kills = 0
    for touch in count(list(JOBS).index(name) % STEP, STEP):
        folder = place(tmp_path / str(touch))
        code, said = graf.start(*words, cwd=folder, dies=touch).wait()
        if code == 0:
            break
        assert code == -signal.SIGKILL, said
        assert completed(graf, folder, *words) == whole
        shutil.rmtree(folder)
        kills += 1
    assert kills >= 1


@pytest.mark.parametrize("name", ["sequence", "mp4", "npz"])
def test_killed_again_and_again(graf: Server, tmp_path: Path, name: str) -> None:
    words = (*JOBS[name], "--resume")
    whole = completed(graf, place(tmp_path / "whole"), *words)
    folder = place(tmp_path / "killed")
    for touch in (9, 14, 19, 24, 29):
        code, said = graf.start(*words, cwd=folder, dies=touch).wait()
        assert code in (0, -signal.SIGKILL), said
    assert completed(graf, folder, *words) == whole


def test_what_is_finished_is_not_made_again(graf: Server, tmp_path: Path) -> None:
    folder = place(tmp_path / "a")
    completed(graf, folder, *JOBS["sequence"])
    kept = folder / "seq" / "0000.png"
    before = kept.stat().st_ino
    (folder / "seq" / "0001.png").unlink()
    completed(graf, folder, *JOBS["sequence"], "--resume")
    assert kept.stat().st_ino == before
    assert (folder / "seq" / "0001.png").exists()
    completed(graf, folder, *JOBS["sequence"])
    assert kept.stat().st_ino != before


# another recipe


def test_a_folder_of_another_recipe_is_refused_and_the_difference_named(run: Run) -> None:
    run(*JOBS["sequence"])
    result = run(*JOBS["sequence"], "--azimuth", "0:80", "--resume", code=1)
    assert result.stderr == (
        "Error: seq is of another recipe: `plan.view.azimuth` is [0.0,90.0] there and [0.0,80.0] "
        "here; name another --out, or leave --resume (and --shard) out to replace what is there.\n"
    )
    run(*JOBS["sequence"], "--azimuth", "0:80")
    run(*JOBS["sequence"], "--azimuth", "0:80", "--resume")


@pytest.mark.parametrize("name", ["mp4", "tar", "sheet"])
def test_a_file_of_another_recipe_is_refused(run: Run, name: str) -> None:
    run(*JOBS[name])
    result = run(*JOBS[name], "--samples", "9", "--resume", code=1)
    assert "`samples` is 8 there and 9 here" in result.stderr


def test_frames_of_another_recipe_are_refused(graf: Server, tmp_path: Path) -> None:
    words = (*JOBS["mp4"], "--resume")
    for touch in range(30, 90, 10):  # the first of these touches after which a frame is kept
        folder = tmp_path / str(touch)
        folder.mkdir()
        code, _ = graf.start(*words, cwd=folder, dies=touch).wait()
        assert code == -signal.SIGKILL
        assert [path.name for path in folder.iterdir()] == [".spin.mp4.frames"]
        if list(folder.glob("*/*.png")):
            break
    code, said = graf.start(*words, "--samples", "9", cwd=folder).wait()
    assert code == 1
    assert "`samples` is 8 there and 9 here" in said


def test_old_pictures_are_never_taken_for_new_ones(graf: Server, tmp_path: Path) -> None:
    """Another recipe's, in a folder that a killed job had begun to replace."""
    new = (*JOBS["sequence"], "--azimuth", "0:80")
    whole = completed(graf, place(tmp_path / "whole"), *new)
    for touch in range(4, 24, 4):
        folder = place(tmp_path / str(touch))
        completed(graf, folder, *JOBS["sequence"])
        graf.start(*new, cwd=folder, dies=touch).wait()
        code, said = graf.start(*new, "--resume", cwd=folder).wait()
        if code:  # killed before it had begun
            assert "is of another recipe" in said
            code, said = graf.start(*new, cwd=folder).wait()
        assert code == 0, said
        assert tree(folder) == whole


def test_metadata_must_be_as_it_was(run: Run) -> None:
    run(*JOBS["sequence"], "--resume")
    result = run(*JOBS["sequence"], "--no-metadata", "--resume", code=1)
    assert "was begun with --metadata" in result.stderr


@pytest.mark.parametrize(
    "words", [("--out", "-"), ("--out", "a.y4m"), ("--out", "a.mp4", "--no-metadata")]
)
def test_what_cannot_be_resumed_is_said(run: Run, words: Sequence[str]) -> None:
    result = run(*SWEEP, *words, "--resume", code=2)
    assert "--resume" in result.stderr or "cannot be resumed" in result.stderr


# signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("out", ["seq/", "spin.mp4"])
def test_a_signal_lets_the_picture_in_hand_be_finished(
    graf: Server, tmp_path: Path, number: signal.Signals, out: str
) -> None:
    endless = (*CARS, "--exact", "--samples", "2", "--size", "24", "--frames", "100000")
    words = ("render", *endless, "--azimuth", "0:90", "--out", out, "--resume")
    running = graf.start(*words, cwd=tmp_path)
    while not any(tmp_path.glob("*/*3.png")) and not any(tmp_path.glob(".*/*3.png")):
        assert not running.ended
    running.send(number)
    code, said = running.wait()
    assert code == {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}[number]
    assert "give the command again with --resume" in said
    [folder] = tmp_path.iterdir()
    names = sorted(path.name for path in folder.iterdir())
    pictures = [name for name in names if name.endswith(".png")]
    assert len(pictures) >= 4
    assert [int(name[:-4]) for name in pictures] == [*range(len(pictures))]
    assert set(names) == {*pictures, "recipe.json"}


# two at once


def test_two_of_one_recipe_do_no_harm(graf: Server, tmp_path: Path) -> None:
    for name in ("sequence", "mp4", "sample", "dataset", "webdataset"):
        words = (*JOBS[name], "--resume")
        whole = completed(graf, place(tmp_path / f"{name}-whole"), *words)
        folder = place(tmp_path / name)
        both = [graf.start(*words, cwd=folder) for _ in range(3)]
        assert [running.wait()[0] for running in both] == [0, 0, 0]
        assert tree(folder) == whole


def test_another_recipe_waits_its_turn(graf: Server, tmp_path: Path) -> None:
    endless = ("render", *CARS, "--exact", "--samples", "2", "--size", "24", "--frames", "100000")
    words = (*endless, "--azimuth", "0:90", "--out", "seq/")
    running = graf.start(*words, cwd=tmp_path)
    while not (tmp_path / "seq" / "0002.png").exists():
        assert not running.ended
    code, said = graf.start(*JOBS["sequence"], cwd=tmp_path).wait()
    assert code == 1
    assert "is being written by another graf with another recipe" in said
    running.send(signal.SIGTERM)
    assert running.wait()[0] == TERMINATED
    completed(graf, tmp_path, *JOBS["sequence"])


# shards


@pytest.mark.parametrize("name", [name for name in JOBS if name != "picture"])
def test_shards_together_are_the_whole(graf: Server, tmp_path: Path, name: str) -> None:
    """In any order, one of them killed on the way, and twice done does no harm."""
    whole = completed(graf, place(tmp_path / "whole"), *JOBS[name], "--resume")
    folder = place(tmp_path / "parts")
    graf.start(*JOBS[name], "--shard", "2/3", cwd=folder, dies=20).wait()
    for shard in ("3/3", "2/3", "1/3", "3/3"):
        found = completed(graf, folder, *JOBS[name], "--shard", shard)
    assert found == whole


def test_more_shards_than_pictures(graf: Server, tmp_path: Path) -> None:
    for name in ("picture", "mp4"):
        whole = completed(graf, place(tmp_path / f"{name}-whole"), *JOBS[name])
        folder = place(tmp_path / name)
        for index in range(1, 6):
            found = completed(graf, folder, *JOBS[name], "--shard", f"{index}/5")
        assert found == whole


def test_a_shard_tells_what_it_waits_for(run: Run) -> None:
    result = run(*JOBS["mp4"], "--shard", "1/3", "--json")
    assert json.loads(result.stdout) | {"seconds": 0, "difference": 0.0} == {
        "path": None, "frames": 1, "kept": 0, "waiting": 2, "seconds": 0, "method": "folded",
        "precision": "float32", "difference": 0.0, "promise_kept": True,
    }  # fmt: skip
    assert "spin.mp4 is made by the shard that finishes last" in result.stderr


def test_shard_auto_asks_the_scheduler(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "1")
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_SIZE", "3")
    assert run(*JOBS["sequence"], "--shard", "auto").stdout == "seq/0001.png\n"
    result = run(*JOBS["sequence"], "--shard", "4/3", code=2)
    assert "--shard 4/3 is not a part of a job" in result.stderr


@pytest.mark.parametrize("name", ["sequence", "mp4", "dataset", "picture"])
@pytest.mark.parametrize("shard", ["0/3", "4/3", "x"])
def test_a_wrong_shard_touches_nothing(run: Run, tmp_path: Path, name: str, shard: str) -> None:
    result = run(*JOBS[name], "--shard", shard, code=2)
    assert f"--shard {shard} is not a part of a job" in result.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


# disks


@pytest.mark.parametrize("name", ["sequence", "mp4"])
def test_a_full_disk_ends_in_a_sentence_and_the_job_goes_on(
    graf: Server, tmp_path: Path, small_disk: Path, name: str
) -> None:
    words = (*JOBS[name], "--resume")
    whole = completed(graf, place(tmp_path / "whole"), *words)
    (small_disk / "ballast").write_bytes(bytes(50 << 10))
    code, said = graf.start(*words, cwd=small_disk).wait()
    assert code == 1
    assert "No space left on device" in said
    assert "give the command again with --resume" in said
    os.truncate(small_disk / "ballast", 0)
    completed(graf, small_disk, *words)
    (small_disk / "ballast").unlink()
    del whole["jobs.jsonl"]
    assert tree(small_disk) == whole
