"""Standard output carries media alone, standard input what is asked for; ends come in order."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graf_cli.cli.main import TERMINATED
from tests.cli.conftest import CARS, Run, spawn
from tests.conftest import read_case
from tests.media import FFMPEG

SMALL = (*CARS, "--size", "8", "--samples", "8")
SWEEP = ("--azimuth", "0:90", "--frames", "3")
LONG = ("--exact", "--size", "48", "--azimuth", "0:360", "--frames", "100000")


def piped(folder: Path, *words: object) -> bytes:
    """What a process of its own writes to a pipe; it says nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "graf_cli", *map(str, words)],
        cwd=folder, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stderr == b""
    assert [path.name for path in folder.iterdir()] == []
    return done.stdout


def decoded(data: bytes, *words: str) -> np.ndarray:
    raw = subprocess.run(
        [FFMPEG, "-v", "error", *words, "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        input=data, capture_output=True, check=True,
    ).stdout  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, 8, 8, 3)


def test_media_alone(tmp_path: Path) -> None:
    """One process a format costs seconds, so they share two."""
    code = (
        "import sys, subprocess\n"
        "from graf_cli.cli.main import cli\n"
        "for name in ('y4m', 'raw', 'mp4', 'tar', 'gif', 'npz', 'png'):\n"
        "    read, write = __import__('os').pipe()\n"
        "    sys.stdout = open(f'{name}.out', 'w')\n"
        "    try:\n"
        "        cli.main([*sys.argv[1:], '--out', '-', '--format', name])\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0, name\n"
    )
    words = ["render", *SMALL, *SWEEP]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, check=True
    )
    assert done.stderr == b""
    data = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    assert data["y4m"].startswith(b"YUV4MPEG2 W8 H8 F30:1 ")
    raw = np.frombuffer(data["raw"], np.uint8).reshape(3, 8, 8, 3)
    assert np.abs(decoded(data["y4m"]).astype(int) - raw).max() <= 4
    assert len(decoded(data["mp4"])) == 3
    with tarfile.open(fileobj=io.BytesIO(data["tar"]), mode="r|") as archive:
        assert archive.getnames() == ["recipe.json", "0000.png", "0001.png", "0002.png"]
    with np.load(io.BytesIO(data["npz"])) as file:
        assert file["rgb"].shape == (3, 8, 8, 3)
    assert data["gif"].startswith(b"GIF89a")
    assert np.array_equal(decoded(data["png"], "-f", "png_pipe"), raw)


def test_a_picture_into_a_pipe(tmp_path: Path) -> None:
    data = piped(tmp_path, "render", *SMALL, "--out", "-")
    assert Image.open(io.BytesIO(data)).size == (8, 8)


@pytest.mark.parametrize("name", ["raw", "mp4"])
def test_a_reader_that_closes_early(tmp_path: Path, name: str) -> None:
    words = ("--exact", "--size", "8", "--samples", "2", "--azimuth", "0:90", "--frames", "100000")
    process = subprocess.Popen(
        [sys.executable, "-m", "graf_cli", "render", *CARS, *words, "--out", "-", "--format", name],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(5)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 0
    process.stderr.close()


@pytest.mark.parametrize("out", ["spin.mp4", "spin.gif", "seq/", "spin.npz"])
def test_sigterm_ends_in_order(tmp_path: Path, out: str) -> None:
    process = spawn("render", *CARS, *LONG, "--out", out, cwd=tmp_path)
    while not any(tmp_path.glob("seq/000[0-9].png" if out == "seq/" else ".spin-*/*")):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == TERMINATED
    assert (stdout, stderr) == ("", "Terminated.\n")
    assert not list(tmp_path.rglob(".*"))
    if out == "seq/":
        for path in (tmp_path / "seq").glob("*.png"):
            Image.open(path).load()
    else:
        assert list(tmp_path.iterdir()) == []


def test_a_second_interrupt(tmp_path: Path) -> None:
    process = spawn("render", *CARS, *LONG, "--out", "spin.mp4", cwd=tmp_path)
    while not any(tmp_path.glob(".spin-*/*")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_nobody_reads(tmp_path: Path) -> None:
    """The writer is stuck in a full pipe; ^C ends the program all the same."""
    words = ("--samples", "2", "--size", "256", "--azimuth", "0:90", "--frames", "1000", "--exact")
    line = ("render", *CARS, *words, "--out", "-", "--format", "raw")
    process = subprocess.Popen(
        [sys.executable, "-m", "graf_cli", *line],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.read(5)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    process.communicate()


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


def test_formats_of_many_need_a_name_for_many(tmp_path: Path) -> None:
    """`--out -` alone is a picture; several of them follow each other."""
    data = piped(tmp_path, "render", *SMALL, *SWEEP, "--out", "-")
    assert data.count(b"\x89PNG") == 3
