"""One running ffmpeg, and what it says when it fails."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

import imageio_ffmpeg

from graf_cli.errors import OutputError
from graf_cli.output.encode.writer import write_all

QUIET = ("-hide_banner", "-loglevel", "error", "-nostdin", "-y")


class Ffmpeg:
    """Takes pictures on its standard input, once it has `started`.

    Parameters
    ----------
    arguments : sequence of str
        That read from ``pipe:0``.
    name : str
        Of the output, for messages.
    stdout : int, optional
        File descriptor of its standard output.
    """

    def __init__(self, arguments: Sequence[str], name: str, stdout: int | None = None) -> None:
        self.name = name
        self.aborted = False
        self._arguments, self._stdout = arguments, stdout

    def started(self) -> Self:
        """The same, running.

        Raises
        ------
        OutputError
            When it cannot start.
        """
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as ffmpeg runs
        try:
            # A session of its own, so that ^C reaches graf alone and ffmpeg ends in order.
            self._process = subprocess.Popen(
                (executable(), *QUIET, *self._arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL if self._stdout is None else self._stdout,
                stderr=self._errors,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise _cannot_start(error) from error
        assert self._process.stdin is not None
        self._input = self._process.stdin
        return self

    def write(self, data: memoryview) -> None:
        """Hand over the next picture.

        Raises
        ------
        OutputError
            When ffmpeg ended, with what it said.
        BrokenPipeError
            When whoever reads its output has gone.
        """
        try:
            write_all(self._input, data)
        except (OSError, ValueError) as error:  # ValueError: closed by `abort`
            raise self._failure() from error

    def close(self) -> None:
        """Wait until everything is written. Raises as `write`."""
        with suppress(OSError):
            self._input.close()
        if self._process.wait() != 0:
            raise self._failure()
        self._errors.close()

    def abort(self) -> None:
        """End ffmpeg, whatever it was doing."""
        if self.aborted:
            return
        self.aborted = True
        self._process.kill()
        self._process.wait()
        with suppress(OSError):
            self._input.close()
        self._errors.close()

    def _failure(self) -> OSError | OutputError:
        code = self._process.wait()
        if self.aborted:
            return OutputError(f"{self.name} was given up.")
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace")
        if "Broken pipe" in said:
            return BrokenPipeError()
        if code < 0 and not said.strip():
            said = f"ffmpeg was ended by signal {-code}"
        return failed(self.name, said)


def run(arguments: Sequence[str], name: str) -> None:
    """Run ffmpeg to its end.

    Raises
    ------
    OutputError
        With what it said.
    """
    done = capture(arguments)
    if done.returncode != 0:
        raise failed(name, done.stderr.decode(errors="replace"))


def capture(arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg to its end; what it wrote, said and returned.

    Raises
    ------
    OutputError
        When it cannot start.
    """
    try:
        return subprocess.run(
            (executable(), *QUIET, *arguments),
            capture_output=True,
            check=False,
            start_new_session=True,
        )
    except OSError as error:
        raise _cannot_start(error) from error


def executable() -> str:
    """Where ffmpeg is.

    Raises
    ------
    OutputError
        When there is none.
    """
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise OutputError(
            "No ffmpeg was found; reinstall imageio-ffmpeg, which brings one."
        ) from error


def failed(name: str, said: str) -> OutputError:
    """What ffmpeg said, as one sentence."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    full = any("No space left" in line for line in lines)
    reason = "No space left on device" if full else (lines[0] if lines else "ffmpeg ended early")
    return OutputError(
        f"{name} cannot be encoded: {reason.rstrip('.')}; free the place or name another ⟨out⟩."
    )


def _cannot_start(error: OSError) -> OutputError:
    return OutputError(f"ffmpeg cannot start: {error}; reinstall imageio-ffmpeg.")
