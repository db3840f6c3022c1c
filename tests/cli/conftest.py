"""The real command line, in this process or in one of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from graf_cli.cli.main import cli
from tests.cli.process import Server, serving
from tests.conftest import REFERENCE

Run = Callable[..., Result]
CARS = (
    "--checkpoint", str(REFERENCE / "cars.pt"), "--config", str(REFERENCE / "cars.json"),
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `graf` with these words in an empty directory, with an empty cache, offline."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GRAF_OFFLINE", "1")

    def invoke(*words: object, code: int = 0, **settings: object) -> Result:
        result = CliRunner().invoke(cli, [str(word) for word in words], **settings)  # type: ignore[arg-type]
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.stderr
        return result

    return invoke


@pytest.fixture(scope="session")
def graf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Starts `graf` in processes of its own."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


def spawn(*words: object, cwd: Path) -> subprocess.Popen[str]:
    """`graf` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "graf_cli", *map(str, words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
