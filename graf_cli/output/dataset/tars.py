"""A data set as tars of bounded size, which webdataset reads.

Which views a tar holds follows from what their files are at most, so that it is known before any
is made. Until a tar is whole its views are kept in a hidden folder, each as the piece of the
archive that it will be.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tarfile import BLOCKSIZE
from typing import TypeVar

import numpy as np
from msgspec.structs import replace

from graf_cli.errors import UsageError
from graf_cli.output.dataset import documents
from graf_cli.output.dataset.layout import KEPT
from graf_cli.output.dataset.pictures import codes_array, labels, picture_files
from graf_cli.output.dataset.places import DatasetPlaces
from graf_cli.output.encode.stills import encode
from graf_cli.output.encode.streams import RECORD, member
from graf_cli.output.formats import has_alpha
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.output.store.atomic import beside, explained, make_folder, unless
from graf_cli.output.store.folder_lock import one_at_a_time
from graf_cli.recipe import Recipe, features_for, v1, values_of
from graf_cli.rendering.renderer import Frame, Shot

T = TypeVar("T")
MB = 1_000_000
PIECE = "%07d.tar"
NUMBERS = 26  # of the JSON of a view, which differ in length
LONGEST = 25  # characters of a number
OF_OBJECT = 64 * (LONGEST + 2) + 400  # of the JSON of an object: 63 numbers and their names


@dataclass(frozen=True)
class Tar:
    """One archive.

    Attributes
    ----------
    path : Path
    pictures : tuple of int
        In their order.
    """

    path: Path
    pictures: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class TarPlaces(DatasetPlaces):
    """``train-000000.tar`` and on, with the members ``000000_0000.png`` and what belongs to it."""

    @cached_property
    def tars(self) -> tuple[Tar, ...]:
        """All of them, split after split."""
        room = self._room()
        return tuple(
            Tar(self.folder / f"{split.name}-{number:06d}.tar", pictures)
            for split in self.layout.plan.splits
            for number, pictures in enumerate(self._packed(split.name, room))
        )

    @cached_property
    def home(self) -> dict[int, Tar]:
        """Where each picture belongs."""
        return {k: tar for tar in self.tars for k in tar.pictures}

    def check(self) -> None:
        """Refuse tars without room for one view."""
        if self._room() < 1:
            raise UsageError(
                f"⟨tar_size⟩ {self.layout.plan.tar_size} has no room for one view; give more MB."
            )

    def name(self, k: int) -> Path:
        """The tar, or until it is there what is kept for it."""
        tar = self.home[k].path
        return tar if tar.exists() else self._piece(k)

    def __call__(self, k: int, frame: Frame) -> None:
        """Keep view `k`, and make its tar when it is the last one."""
        tar = self.home[k]
        with unless(tar.path.exists):
            with explained(self._kept):
                make_folder(self._kept)
            self.write(self._piece(k), self._members(k, frame))
            self._assemble(tar)

    def present(self) -> set[int]:
        """The views of whole tars, and those that are kept."""
        found: set[int] = set()
        # These first: what goes into its tar while we look is found there.
        with explained(self._kept), suppress(FileNotFoundError):
            names = {entry.name for entry in os.scandir(self._kept)}
            found.update(k for k in range(len(self.recipe)) if PIECE % k in names)
        return found | {k for tar in self.tars if tar.path.exists() for k in tar.pictures}

    def remove(self, k: int) -> None:
        """Take a view away, and the tar that it is in."""
        self.home[k].path.unlink(missing_ok=True)
        self._piece(k).unlink(missing_ok=True)

    def gather(self) -> None:
        """Make the tars whose makers died just before, or wait for those who make them now."""
        for tar in self.tars:
            with unless(tar.path.exists):
                if not tar.path.exists():
                    self._assemble(tar)

    def finish(self) -> None:
        """Keep nothing any longer; the last pieces may have come after tars were gathered."""
        self.gather()
        shutil.rmtree(self._kept, ignore_errors=True)
        super().finish()

    def homes(self) -> Sequence[Sequence[str]]:
        """The tars of each object."""
        items = range(self.layout.plan.objects)
        return [
            list(dict.fromkeys(self.home[k].path.name for k in self.layout.pictures(item)))
            for item in items
        ]

    @property
    def _kept(self) -> Path:
        return self.folder / KEPT

    def _piece(self, k: int) -> Path:
        return self._kept / (PIECE % k)

    def _room(self) -> int:
        """How many views fit into a tar in any case."""
        assert self.layout.plan.tar_size is not None
        return (self.layout.plan.tar_size * MB - 2 * RECORD) // self.most()

    def _packed(self, split: str, room: int) -> list[tuple[int, ...]]:
        """The pictures of a split, at most `room` a tar; objects that fit stay whole."""
        views = self.layout.plan.views
        items = [item for item, name in enumerate(self.layout.splits) if name == split]
        if room < views:
            parts = (_parts(self.layout.pictures(item), room) for item in items)
            return [tuple(part) for object_ in parts for part in object_]
        return [
            tuple(k for item in together for k in self.layout.pictures(item))
            for together in _parts(items, room // views)
        ]

    def _members(self, k: int, frame: Frame) -> bytes:
        recipe = self.recipe.only(k)
        image, depth, opacity = picture_files(frame, recipe, self.stamp(recipe))
        mask = encode(labels(frame), "png", self.stamp(recipe)) if self.of_several else b""
        files = {
            "png": image,
            "depth.png": depth,
            "opacity.png": opacity,
            **({"mask.png": mask} if mask else {}),
            "json": documents.sample(
                self.layout, self.recipe, k, frame.shot, several=self.of_several
            ),
        }
        if frame.shot.subject.codes:
            files["latent.npy"] = codes_array(frame.shot.subject, self.features)
        if self.of_several:
            placed = self.placed(frame.shot.subject)
            files["objects.json"] = documents.placed_in_view(self.layout, k, frame.shot, placed)
        item, view = self.layout.place(k)
        key = f"{self.layout.item(item)}_{self.layout.view(view)}"
        parts = (member(f"{key}.{kind}", data) for kind, data in files.items())
        return b"".join(b"".join(part) for part in parts)

    def most(self) -> int:
        """Bytes of one view in an archive, at most, as whoever began the data set counted them.

        Another version goes on with it, whose name is longer by a few characters: they fit into
        the 48 bytes that `_packed_most` leaves each picture, and those of `NUMBERS`. Recipes are
        counted as 0.1.0 told them, at greater length than today.
        """
        plan, last = self.layout.plan, len(self.recipe) - 1
        recipe = replace(self.recipe, graf=self.begun or self.recipe.graf)
        ends = range(last - plan.views + 1, last + 1) if plan.view.poses else (last,)
        longest = max((recipe.only(k) for k in ends), key=lambda one: len(_told(one)))
        stamp = Stamp(longest, v1.text_of(longest)) if self.stamped else None
        blank = np.zeros((1, 1), dtype=np.uint8)
        channels = 4 if has_alpha(self.recipe) else 3
        shot = self.shots[last]
        files = [
            len(encode(blank, "png", stamp)) + _packed_most(self.recipe, deep)
            for deep in (channels, 2, 1, *([1] if self.of_several else []))
        ]
        files.append(
            len(documents.sample(self.layout, self.recipe, last, shot, several=self.of_several))
            + NUMBERS * LONGEST
        )
        if shot.subject.codes:
            files.append(len(codes_array(shot.subject, self.features)))
        if self.of_several:
            files.append(self._most_placed(shot))
        return sum(2 * BLOCKSIZE + size for size in files)

    def _most_placed(self, shot: Shot) -> int:
        """Bytes of what is told of objects at most, whose numbers and count differ."""
        features = features_for(self.recipe, self.spec)
        count = features.count(values_of(self.recipe.plan)) or 0
        names = sum(len(control.name) + LONGEST for control in features.controls if control.drawn)
        empty = len(documents.placed_in_view(self.layout, len(self.recipe) - 1, shot, ()))
        return empty + count * (OF_OBJECT + names)

    def _assemble(self, tar: Tar) -> None:
        """Make a tar, if all of it is kept; one process at a time, the second finds it made."""
        if not self._complete(tar):
            return
        with one_at_a_time(self._kept):
            if self._complete(tar):
                self._make(tar)

    def _complete(self, tar: Tar) -> bool:
        """The last one is looked for first, since most often it is missing."""
        return all(self._piece(k).exists() for k in reversed(tar.pictures))

    def _make(self, tar: Tar) -> None:
        assert self.layout.plan.tar_size is not None
        with beside(tar.path, within=self.folder) as temporary, temporary.open("wb") as whole:
            for k in tar.pictures:
                with self._piece(k).open("rb") as piece:
                    shutil.copyfileobj(piece, whole)
            whole.write(bytes(2 * BLOCKSIZE))
            whole.write(bytes(-whole.tell() % RECORD))
            assert whole.tell() <= self.layout.plan.tar_size * MB, "the bound of a view is one"
        for k in tar.pictures:
            self._piece(k).unlink(missing_ok=True)


def _parts(items: Sequence[T], most: int) -> list[Sequence[T]]:
    return [items[start : start + most] for start in range(0, len(items), most)]


def _told(recipe: Recipe) -> str:
    """As 0.1.0 would have told it, if it could."""
    return v1.text_of(recipe) or recipe.to_json()


def _packed_most(recipe: Recipe, deep: int) -> int:
    """Of a picture's rows, `deep` bytes a pixel, deflated and with PNG's heads of their parts."""
    raw = (recipe.width * deep + 1) * recipe.height
    return raw + raw // 8 + 24 * (raw // 8192 + 2)
