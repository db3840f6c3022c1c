"""What belongs where in a data set: splits, and the names of objects, views and files."""

from __future__ import annotations

import hashlib
import math
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from graf_cli.recipe import Dataset

CARD = "README.md"
OBJECTS = "objects.jsonl"
TRANSFORMS = "transforms.json"
LATENT = "latent.npz"
IMAGES, DEPTH, OPACITY = "images", "depth", "opacity"
KEPT = ".graf-pictures"  # of tars that are not whole yet


@dataclass(frozen=True)
class Layout:
    """The order of a data set.

    Attributes
    ----------
    plan : Dataset
    """

    plan: Dataset

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """The split of each object."""
        counts = divide(self.plan.objects, [split.share for split in self.plan.splits])
        names = [
            split.name
            for split, count in zip(self.plan.splits, counts, strict=True)
            for _ in range(count)
        ]
        order = sorted(range(self.plan.objects), key=self._lot)
        return tuple(name for _, name in sorted(zip(order, names, strict=True)))

    def _lot(self, item: int) -> bytes:
        """Shuffles objects; a digest, since it is the same in every version of every library."""
        return hashlib.sha256(f"{self.plan.seed}:{item}".encode()).digest()

    def place(self, k: int) -> tuple[int, int]:
        """Object and view of picture `k`."""
        return divmod(k, self.plan.views)

    def pictures(self, item: int) -> range:
        """Those of one object."""
        return range(item * self.plan.views, (item + 1) * self.plan.views)

    def item(self, item: int) -> str:
        """What an object is called."""
        return f"{item:06d}"

    def view(self, view: int) -> str:
        """What a view is called; names sort as their numbers do."""
        return f"{view:0{max(4, len(str(self.plan.views - 1)))}d}"

    def folder(self, item: int) -> Path:
        """Where an object is, below the data set's folder."""
        return Path(self.splits[item], self.item(item))


def divide(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers as near to the shares as can be, by largest remainder; they make `total`."""
    exact = [total * share / sum(shares) for share in shares]
    counts = [math.floor(value) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda at: counts[at] - exact[at])
    for at in by_remainder[: total - sum(counts)]:
        counts[at] += 1
    return counts


def erase(folder: Path, plan: Dataset) -> None:
    """Take a data set away, by the names that it gives its files; what else is there stays."""
    for name in (CARD, OBJECTS):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / KEPT, ignore_errors=True)
    for split in plan.splits:
        for path in folder.glob(f"{split.name}-*.tar"):
            if re.fullmatch(rf"{split.name}-\d{{6}}\.tar", path.name):
                path.unlink(missing_ok=True)
        for path in (folder / split.name).glob("*"):
            if re.fullmatch(r"\d{6}", path.name):
                _erase_object(path)
        _remove_empty(folder / split.name)


def _erase_object(folder: Path) -> None:
    for kind in (IMAGES, DEPTH, OPACITY):
        for path in (folder / kind).glob("*.png"):
            if path.stem.isdecimal():
                path.unlink(missing_ok=True)
        _remove_empty(folder / kind)
    for name in (TRANSFORMS, LATENT):
        (folder / name).unlink(missing_ok=True)
    _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
