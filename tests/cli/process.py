"""`graf` in processes of its own, which start at once: forks of one that has imported it all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 120  # seconds until a test gives up on a process that hangs

_SERVE = """
import json, os, signal, sys
import graf_cli.api, graf_cli.cli.job, graf_cli.cli.render, graf_cli.cli.replay
import graf_cli.output.encode.animation, graf_cli.output.encode.arrays
import graf_cli.output.encode.streams, graf_cli.output.encode.video
import graf_cli.families.graf.family, graf_cli.scene.poses, graf_cli.output.store.resumable
import graf_cli.cli.sample, graf_cli.cli.grid, graf_cli.cli.batch, graf_cli.engine.local
from graf_cli.cli.main import cli

# What changes a disk, or is about to.
TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "subprocess.Popen"}

def die_at(left):  # by SIGKILL, in place of touching the disk for the nth time
    def hook(event, arguments):
        nonlocal left
        if event in TOUCHES and not str(arguments[0]).startswith(("/proc", "/dev", sys.prefix)):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

def child(job):
    code = 99
    try:  # all of it: a signal may come before graf begins
        os.chdir(job["folder"])
        if job["dies"] is not None:
            die_at(job["dies"])
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        signal.alarm(job["patience"])
        cli.main(job["words"], prog_name="graf")
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = 98
    sys.stderr.flush()
    os._exit(code)

print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    if "wait" in job:
        _, status = os.waitpid(job["wait"], 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    pid = os.fork()
    if pid == 0:
        child(job)
    print(pid, flush=True)
"""


@dataclass(frozen=True)
class Running:
    """One `graf`; its standard output goes where it was told, its standard error to a file."""

    pid: int
    server: Server
    stderr: Path

    @property
    def ended(self) -> bool:
        """Whether it has; a zombie until somebody waits."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def wait(self) -> tuple[int, str]:
        """Its exit code and what it said."""
        code = int(self.server.ask(wait=self.pid))
        return code, self.stderr.read_text() if self.stderr.exists() else ""


class Server:
    """The process that forks."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.count = 0

    def ask(self, **job: object) -> str:
        """One question, one answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def start(
        self,
        *words: object,
        cwd: Path,
        stdout: Path | str = os.devnull,
        dies: int | None = None,
    ) -> Running:
        """Start `graf`; `stdout` may be a FIFO, which somebody has to open for reading.

        With `dies` it is killed in place of touching the disk for the nth time.
        """
        self.count += 1
        stderr = self.folder / f"stderr-{self.count}"
        pid = self.ask(
            words=[*map(str, words)], folder=str(cwd), stdout=str(stdout), stderr=str(stderr),
            patience=PATIENCE, dies=dies,
        )  # fmt: skip
        return Running(int(pid), self, stderr)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server, ready."""
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Server(process, folder)
