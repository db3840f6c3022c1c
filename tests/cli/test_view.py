"""`graf view` before its page is served; the page itself is tested in `tests/browser`."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--host", "0.0.0.0"), "give a --token of 16 letters or more"),
        (("--token", "short"), "--token takes 16 or more of the letters"),
        (("--model", "zeppelins"), "zeppelins"),
        (("car.png", "--model", "cars"), "PICTURE names its own model; leave --model out."),
    ],
)
def test_what_cannot_be_served_is_a_sentence(
    run: Run, tmp_path: Path, words: tuple[str, ...], error: str
) -> None:
    (tmp_path / "car.png").write_bytes(b"")
    assert error in run("view", *words, code=2).stderr


def test_a_port_of_another_program_is_told(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = run("view", "--port", port, "--no-browser", code=1)
    assert f"No page can be served at 127.0.0.1, port {port}" in result.stderr
    assert "another --port" in result.stderr
    assert result.stdout == ""


def test_a_page_is_served_where_nobody_reads_its_address() -> None:
    """Standard output was closed, as some that start programs do."""
    script = """
from graf_cli.viewer import server

def served(opening, door, at, ready):
    ready()
    raise KeyboardInterrupt

server.serve = served
from graf_cli.cli.main import run
run()
"""
    words = [sys.executable, "-c", script, "view", "--port", "0", "--no-browser"]
    result = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *words], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr.strip()) == (130, "", "Interrupted.")
