"""The group and its boundary: help, exit codes, quick start, interruption."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from graf_cli.cli import main
from graf_cli.cli.main import BUG, COMMANDS, INTERRUPTED, cli
from graf_cli.errors import GrafError, UsageError
from tests.cli.conftest import CARS, Run, spawn

HEAVY = ("torch", "numpy", "PIL", "imageio", "requests", "tqdm", "yaml", "safetensors")
COMPILERS = ("sympy", "torch._dynamo", "torch._inductor", "torch.fx.experimental.symbolic_shapes")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    assert f"Usage: cli {command}" in run(command, "--help").stdout


def test_help_lists_every_command(run: Run) -> None:
    help_text = run("--help").stdout
    assert all(f"\n  {command} " in help_text for command in COMMANDS)


def test_version(run: Run) -> None:
    assert run("--version").stdout.startswith("graf, version ")


def imported(words: Sequence[object], names: Sequence[str], folder: Path) -> str:
    """Which of the modules a command imports."""
    code = (
        "import sys\n"
        "from graf_cli.cli.main import cli\n"
        "try:\n"
        f"    cli.main({[*map(str, words)]!r})\n"
        "finally:\n"
        f"    print([name for name in {names!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder
    )
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("words", [["--help"], ["models"], ["models", "show", "cars"]])
def test_quick_commands_import_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    assert imported(words, HEAVY, tmp_path) == "[]"


def test_a_picture_does_without_the_compilers_of_torch(tmp_path: Path) -> None:
    """They take longer to import than a small picture to draw."""
    words = ("render", *CARS, "--size", "8", "--samples", "8", "--show", "normal")
    assert imported(words, COMPILERS, tmp_path) == "[]"


@pytest.mark.parametrize("own", [{}, {"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "active"}])
def test_threads_that_wait_leave_their_cores_to_others(
    run: Run, monkeypatch: pytest.MonkeyPatch, own: dict[str, str]
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    run("models")
    policy = {name: os.environ.get(name) for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    assert {name: value for name, value in policy.items() if value} == (
        own or {"GOMP_SPINCOUNT": "1000"}
    )


@pytest.mark.parametrize("words", [["models"], ["render", *CARS, "--size", "8", "--out", "-"]])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_standard_output_on_a_full_disk(words: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "graf_cli", *words],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert re.match(r"Error: Standard output .*No space left on device; .*\.$", done.stderr)


def test_no_arguments_is_a_wrong_command_line(run: Run) -> None:
    assert "Usage:" in run(code=2).stderr


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["render", "--nonsense"],
        ["render", "--azimuth", "east"],
        ["render", "--size", "0"],
        ["render", "--seed", "-1"],
        ["render", "--background", "mauve"],
        ["render", "--model", "nonsense"],
        ["render", "--model", "cars:65"],
        ["render", "--out", "picture.xyz"],
        ["render", "--checkpoint", "missing.pt"],
        ["download"],
        ["download", "--all", "cars"],
        ["models", "show", "nonsense"],
    ],
)
def test_wrong_command_lines_exit_2_with_a_sentence(run: Run, words: list[str]) -> None:
    result = run(*words, code=2)
    assert "Error: " in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GrafError("no"), 1),
        (UsageError("no"), 2),
        (KeyboardInterrupt(), INTERRUPTED),
        (click.Abort(), INTERRUPTED),
        (RuntimeError("oops"), BUG),
    ],
)
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int) -> None:
    @click.command()
    def broken() -> None:
        raise error

    monkeypatch.setattr(main.Graf, "get_command", lambda *_: broken)
    result = CliRunner().invoke(cli, ["render"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert ("Traceback" in result.stderr) == (code == BUG)


def test_debug_shows_where_an_error_came_from(run: Run) -> None:
    result = CliRunner().invoke(cli, ["--debug", "models", "show", "nonsense"])
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert "There is no model `nonsense`" in result.stderr


def test_common_options_go_before_and_after_the_command(run: Run, tmp_path: Path) -> None:
    manifest = tmp_path / "own.toml"
    manifest.write_text("schema = 1\n")
    run("--manifest", manifest, "models")
    run("models", "--manifest", manifest)
    run("--manifest", tmp_path / "missing.toml", "models", code=2)


def test_interrupt_leaves_no_file_and_no_traceback(tmp_path: Path) -> None:
    process = spawn(
        "render", *CARS, "--exact", "--size", 64, "--azimuth", "0:360", "--frames", 100_000,
        "--out", "spin.mp4", "-v", cwd=tmp_path,
    )  # fmt: skip
    while not any(tmp_path.glob(".spin-*")):  # the job has begun
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert "Traceback" not in stderr
    assert stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_closes_early_ends_it_quietly(tmp_path: Path) -> None:
    process = spawn("models", "--json", cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.wait(timeout=60)
    process.stderr.close()
