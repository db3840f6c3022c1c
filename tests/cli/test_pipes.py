"""Standard output carries media alone, standard input what is asked for; ends come in order."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graf_cli.cli.main import INTERRUPTED, TERMINATED
from tests.cli.conftest import CARS, Run
from tests.cli.process import Server
from tests.conftest import read_case
from tests.media import FFMPEG

SMALL = (*CARS, "--size", "8", "--samples", "8")
SWEEP = ("--azimuth", "0:90", "--frames", "3")
ENDLESS = (
    *CARS, "--exact", "--samples", "2", "--azimuth", "0:90", "--frames", "1000000",
)  # fmt: skip


@pytest.fixture
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FIFO, outside the folder that is looked into."""
    path = tmp_path_factory.mktemp("pipe") / "out"
    os.mkfifo(path)
    return path


def decoded(data: bytes, *words: str) -> np.ndarray:
    raw = subprocess.run(
        [FFMPEG, "-v", "error", *words, "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        input=data, capture_output=True, check=True,
    ).stdout  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, 8, 8, 3)


def test_media_alone(graf: Server, pipe: Path, tmp_path: Path) -> None:
    data = {}
    for name in ("y4m", "raw", "mp4", "webm", "tar", "gif", "webp", "npz", "png"):
        words = ("render", *SMALL, *SWEEP, "--out", "-", "--format", name)
        running = graf.start(*words, cwd=tmp_path, stdout=pipe)
        data[name] = pipe.read_bytes()
        assert running.wait() == (0, ""), name
    assert list(tmp_path.iterdir()) == []
    assert data["y4m"].startswith(b"YUV4MPEG2 W8 H8 F30:1 ")
    raw = np.frombuffer(data["raw"], np.uint8).reshape(3, 8, 8, 3)
    assert np.abs(decoded(data["y4m"]).astype(int) - raw).max() <= 4
    assert len(decoded(data["mp4"])) == len(decoded(data["webm"])) == 3
    with tarfile.open(fileobj=io.BytesIO(data["tar"]), mode="r|") as archive:
        assert archive.getnames() == ["recipe.json", "0000.png", "0001.png", "0002.png"]
    with np.load(io.BytesIO(data["npz"])) as file:
        assert file["rgb"].shape == (3, 8, 8, 3)
    for name in ("gif", "webp"):
        with Image.open(io.BytesIO(data[name])) as image:
            assert getattr(image, "n_frames", 1) == 3
    assert np.array_equal(decoded(data["png"], "-f", "png_pipe"), raw)


def test_a_picture_into_a_pipe(graf: Server, pipe: Path, tmp_path: Path) -> None:
    """PNG unless it is said otherwise."""
    running = graf.start("render", *SMALL, "--out", "-", cwd=tmp_path, stdout=pipe)
    with Image.open(io.BytesIO(pipe.read_bytes())) as image:
        assert (image.format, image.size) == ("PNG", (8, 8))
    assert running.wait() == (0, "")


@pytest.mark.parametrize("name", ["png", "raw", "tar", "mp4"])
def test_a_reader_that_closes_early(graf: Server, pipe: Path, tmp_path: Path, name: str) -> None:
    words = ("render", *ENDLESS, "--size", 8, "--out", "-", "--format", name)
    running = graf.start(*words, cwd=tmp_path, stdout=pipe)
    with pipe.open("rb") as reader:
        assert reader.read(5)
    assert running.wait() == (0, "")


def test_a_disk_that_is_full(graf: Server, tmp_path: Path) -> None:
    """Standard output may be a file as well."""
    words = ("render", *SMALL, "--out", "-", "--format", "raw")
    code, said = graf.start(*words, cwd=tmp_path, stdout="/dev/full").wait()
    assert code == 1
    assert said == (
        "Error: Standard output cannot be written: No space left on device; "
        "free the place or name another --out.\n"
    )


@pytest.mark.parametrize("out", ["spin.mp4", "spin.gif", "spin.webp", "seq/", "spin.npz"])
def test_sigterm_ends_in_order(graf: Server, tmp_path: Path, out: str) -> None:
    running = graf.start("render", *ENDLESS, "--size", 24, "--out", out, cwd=tmp_path)
    while not any(tmp_path.glob("seq/000[0-9].png" if out == "seq/" else ".spin-*/*")):
        assert not running.ended
    running.send(signal.SIGTERM)
    code, said = running.wait()
    assert code == TERMINATED
    assert said.endswith("Terminated.\n")
    assert ("again with --resume" in said) == (out == "seq/")
    assert not list(tmp_path.rglob(".*"))
    if out != "seq/":
        assert list(tmp_path.iterdir()) == []
    for path in tmp_path.rglob("*.png"):
        with Image.open(path) as image:
            image.load()


@pytest.mark.parametrize("out", ["spin.mp4", "spin.gif", "spin.npz"])
def test_a_second_interrupt(graf: Server, tmp_path: Path, out: str) -> None:
    running = graf.start("render", *ENDLESS, "--size", 24, "--out", out, cwd=tmp_path)
    while not any(tmp_path.glob(".spin-*/*")):
        assert not running.ended
    running.send(signal.SIGINT)
    running.send(signal.SIGINT)
    code, said = running.wait()
    assert code == INTERRUPTED
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_at_any_moment(graf: Server, tmp_path: Path, number: signal.Signals) -> None:
    """However far it has come: a tidy end, or the finished file."""
    for spins in (0, 3_000, 9_000, 18_000, 36_000):
        words = ("render", *SMALL, *SWEEP, "--out", "spin.gif")
        running = graf.start(*words, cwd=tmp_path)
        for _ in range(spins):
            if running.ended:
                break
        running.send(number)
        code, said = running.wait()
        assert code in (0, INTERRUPTED, TERMINATED, 98, -number), said
        assert "Traceback" not in said
        left = [path.name for path in tmp_path.iterdir()]
        assert left in ([], ["spin.gif"])
        if left:
            with Image.open(tmp_path / "spin.gif") as image:
                image.load()
            (tmp_path / "spin.gif").unlink()


def test_an_interrupt_while_nobody_reads(graf: Server, pipe: Path, tmp_path: Path) -> None:
    """The writer is stuck in a full pipe; ^C ends the program all the same."""
    words = ("render", *ENDLESS, "--size", 256, "--out", "-", "--format", "raw")
    running = graf.start(*words, cwd=tmp_path, stdout=pipe)
    with pipe.open("rb") as reader:
        assert reader.read(5)
        running.send(signal.SIGINT)
        assert running.wait()[0] == INTERRUPTED


def test_latents_and_poses_from_a_pipe(run: Run, tmp_path: Path) -> None:
    case = read_case("cars")
    z, poses = io.BytesIO(), io.BytesIO()
    np.save(z, case.z)
    np.savez(poses, poses=case.poses)
    np.save(tmp_path / "z.npy", case.z)
    run("render", *SMALL, "--latent", "-", "--out", "a.npz", input=z.getvalue())
    run("render", *SMALL, "--latent", "z.npy", "--out", "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    run("render", *SMALL, "--poses", "-", "--out", "c.npz", input=poses.getvalue())
    document = '{"frames": [{"transform_matrix": [[1,0,0,0],[0,1,0,0],[0,0,1,10],[0,0,0,1]]}]}'
    run("render", *SMALL, "--poses", "-", "--out", "d.png", input=document)


@pytest.mark.parametrize("option", ["--latent", "--poses"])
def test_a_pipe_that_holds_something_else(run: Run, option: str) -> None:
    error = run("render", *SMALL, option, "-", code=2, input=b"words").stderr
    assert "Standard input" in error
    assert "/tmp" not in error


def test_what_a_pipe_s_file_lacks_is_told_as_an_option(run: Run) -> None:
    pose = "[[1,0,0,0],[0,1,0,0],[0,0,1,10],[0,0,0,1]]"
    frames = ", ".join(
        f'{{"transform_matrix": {pose}, "w": {w}, "h": {w}, "fl_x": 9}}' for w in (8, 16)
    )
    words = (*CARS, "--samples", "8", "--poses", "-")
    error = run("render", *words, code=2, input=f'{{"frames": [{frames}]}}').stderr
    assert "Standard input holds pictures of different sizes" in error
    assert "give --size." in error
