"""What workers put in place of pictures; it imports nothing that only a test may."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graf_cli.errors import OutputError
from graf_cli.rendering.renderer import Frame


def same(a: Frame, b: Frame) -> bool:
    """To the last bit."""
    return all(np.array_equal(getattr(a, key), getattr(b, key)) for key in ("rgb", "depth"))


@dataclass(frozen=True)
class Files:
    """Puts each picture into a file, and writes down who did.

    Attributes
    ----------
    to : Path
    held_from : int
        The first picture that is not put before the file ``go`` is there.
    full_at : int
        The picture that there is no room for.
    dies_at : int
        The picture that the first worker to put it dies of.
    """

    to: Path
    held_from: int = sys.maxsize
    full_at: int = -1
    dies_at: int = -1

    def __call__(self, k: int, frame: Frame) -> None:
        with (self.to / "begun").open("a") as lines:
            lines.write(f"{k} {os.getpid()}\n")
        while k >= self.held_from and not (self.to / "go").exists():
            time.sleep(0.01)
        if k == self.full_at:
            raise OutputError(f"There is no room for picture {k}.")
        if k == self.dies_at and not (self.to / "died").exists():
            (self.to / "died").touch()
            os._exit(1)
        temporary = self.to / f"{k}.{os.getpid()}.part"
        with temporary.open("wb") as stream:
            np.savez(stream, rgb=frame.rgb, depth=frame.depth)
        temporary.rename(self.to / f"{k}.npz")
        with (self.to / "record").open("a") as lines:
            lines.write(f"{k} {os.getpid()}\n")

    def puts(self) -> Counter[int]:
        """How often each picture was put."""
        return Counter(k for k, _ in self._lines("record"))

    def processes(self) -> set[int]:
        """Who began to put any."""
        return {pid for _, pid in self._lines("begun")}

    def holders(self) -> dict[int, int]:
        """Who is held up, and by which picture."""
        return {pid: k for k, pid in self._lines("begun") if k >= self.held_from}

    def go_on(self) -> None:
        """Hold up nobody any longer."""
        (self.to / "go").touch()

    def _lines(self, name: str) -> list[tuple[int, int]]:
        path = self.to / name
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(k), int(pid)) for k, pid in map(str.split, lines)]

    def holds(self, frames: Sequence[Frame]) -> bool:
        """Whether each of the pictures is there, to the last bit."""

        def held(k: int, frame: Frame) -> bool:
            with np.load(self.to / f"{k}.npz") as file:
                return np.array_equal(file["rgb"], frame.rgb)

        return all(held(k, frame) for k, frame in enumerate(frames))


@dataclass(frozen=True)
class Shared(Files):
    """The same, into a folder that workers may see too."""

    @property
    def folder(self) -> Path:
        """Where they can look whether they do."""
        return self.to
