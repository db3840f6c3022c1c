"""One file of many frames that survives its process: the frames are kept until it is whole.

They lie losslessly in a hidden folder beside the file, put there by one process or by the shards
of a job. Whoever finds all of them there makes the file, and the folder goes.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import imageio.v3 as iio
import numpy as np

from graf_cli.errors import OutputError, RecipeError
from graf_cli.output.encode.arrays import ArrayWriter, numbers_of
from graf_cli.output.encode.pixels import shown
from graf_cli.output.encode.writer import Destination, Make, PixelWriter, Writer
from graf_cli.output.provenance import reading
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.output.store.atomic import NEW, PART, Place, explained, sweep, unless
from graf_cli.output.store.file import FileSink
from graf_cli.output.store.folder_lock import FolderLock, locked, one_at_a_time, one_begins, vacate
from graf_cli.output.store.sequence import (
    INSTEAD,
    Numbered,
    Places,
    SequenceSink,
    another_recipe,
    recipe_in,
    tell_version,
)
from graf_cli.output.store.sink import Sink
from graf_cli.recipe import Recipe, same
from graf_cli.rendering.renderer import Frame

log = logging.getLogger("graf")

PNG: Any = {"extension": ".png", "plugin": "pillow"}  # whatever a name ends in meanwhile
QUICK = 1  # zlib's level: the frames do not stay for long


@dataclass(frozen=True)
class Product:
    """The file that is to be made of the frames.

    Attributes
    ----------
    path : Path
    recipe : Recipe
    stamp : Stamp or None
    make : callable
        Opens its writer.
    """

    path: Path
    recipe: Recipe
    stamp: Stamp | None
    make: Make

    @property
    def parts(self) -> Path:
        """Where its frames are kept."""
        return self.path.with_name(f".{self.path.name}.frames")

    def finished(self) -> bool:
        """Whether the file is there, made by this recipe.

        Raises
        ------
        OutputError
            When it is there, made by another one.
        """
        return self.there() is not None

    def there(self) -> Recipe | None:
        """The recipe of the file that is there, the same but for the version that wrote it.

        Raises
        ------
        OutputError
            When it is another one.
        """
        with explained(self.path):
            if not self.path.exists():
                return None
        try:
            there = reading.read(self.path).recipe(str(self.path))
        except RecipeError as error:
            raise OutputError(
                f"{self.path} is there and carries no recipe to know it by; {INSTEAD}"
            ) from error
        if not same(there, self.recipe):
            raise another_recipe(self.path, there, self.recipe)
        return there

    def vacate(self) -> None:
        """Remove what was kept once the file is there; whoever leaves last does."""
        with suppress(OutputError):
            if self.finished():
                vacate(self.parts)

    def begin(self, *, clobber: bool, within: Path | None = None) -> tuple[Place, Writer]:
        """Open the place and the writer of the file."""
        place = Place(self.path, clobber=clobber, within=within).opened()
        try:
            with explained(self.path):
                to = Destination(self.recipe, self.stamp, place.file, str(self.path))
                return place, self.make(to).opened()
        except BaseException:
            place.discard()
            raise


class FinishedSink(Sink):
    """A file that is there already; what may be left of its frames goes."""

    keeps = True

    def __init__(self, product: Product) -> None:
        super().__init__()
        self.product = product

    def opened(self) -> Self:
        """With what was left of the frames removed."""
        product = self.product
        self.paths = [product.path]
        there = product.there()
        if there is not None:
            tell_version(product.path, there, product.recipe, "keeps it")
        product.vacate()
        return self

    def missing(self, pictures: Sequence[int]) -> list[int]:
        """Nothing is left to do."""
        if log.isEnabledFor(logging.INFO):
            for k in pictures:
                log.info("%s: picture %d is finished, and kept.", self.paths[0], k)
        return []

    def put(self, k: int, frame: Frame) -> None:  # noqa: ARG002
        """Nothing is left to take."""
        raise AssertionError(f"picture {k} of a finished file")


class SingleSink(FileSink):
    """A file of one picture: there is nothing to keep, but nothing is left of dead jobs either."""

    keeps = True

    def __init__(self, product: Product) -> None:
        self.product = product
        self._lock_held: FolderLock | None = None
        path, recipe, stamp, make = product.path, product.recipe, product.stamp, product.make
        super().__init__(path, recipe, stamp, make, clobber=True, within=product.parts)

    def opened(self) -> Self:
        """With what dead jobs left removed, and a share in the folder it is made in."""
        parts = self.product.parts
        with one_begins(parts):
            self._lock_held = locked(parts)
            if self._lock_held.alone():
                sweep(parts, NEW, PART)
            self._lock_held.release()
            self._lock_held = locked(parts)
        try:
            self._check_parts()
            return super().opened()
        except BaseException:
            self._leave()
            raise

    def put(self, k: int, frame: Frame) -> None:
        """Take the picture."""
        with unless(self.product.finished):
            super().put(k, frame)

    def commit(self) -> None:
        """Publish it, unless another process has."""
        with unless(self.product.finished), one_at_a_time(self.product.parts):
            if not self.product.finished():
                super().commit()
        if self.product.finished():
            self.paths = [self.product.path]

    def abort(self) -> None:
        """Leave nothing half-written."""
        super().abort()
        self._leave()

    def _check_parts(self) -> None:
        there = recipe_in(self.product.parts, strictly=False)
        if there is not None:
            raise another_recipe(self.product.parts, there, self.product.recipe)

    def _leave(self) -> None:
        if self._lock_held is not None:
            self._lock_held.release()
        with suppress(OSError):  # somebody else's work is in there
            self.product.parts.rmdir()


class ResumableSink(Sink):
    """Frames on their way into one file; see the module.

    Parameters
    ----------
    product : Product
        Not finished yet.

    Raises
    ------
    OutputError
        When the place cannot be written, or the frames there are of another recipe.
    """

    keeps = True

    def __init__(self, product: Product) -> None:
        super().__init__()
        self.product = product
        suffix, save = (".npz", save_numbers) if self._numbers else (".png", save_pixels)
        self._frames = SequenceSink(
            Numbered(
                folder=product.parts,
                recipe=product.recipe,
                stamped=False,
                pattern=f"%07d{suffix}",
                save=save,
            ),
            resume=True,
        )

    def opened(self) -> Self:
        """With its frames' folder locked; an encoder that cannot start is found now."""
        self._frames.opened()
        product = self.product
        try:
            self._probe()
        except BaseException:
            self._frames.abort()
            with suppress(OutputError):
                if not self._frames.to.present():
                    vacate(product.parts)
            raise
        return self

    def missing(self, pictures: Sequence[int]) -> list[int]:
        """Those of the pictures that are not kept yet; none when the file is there meanwhile."""
        self.pictures = pictures
        return [] if self.product.finished() else self._frames.missing(pictures)

    def put(self, k: int, frame: Frame) -> None:
        """Keep picture `k`, unless another process has finished the file meanwhile."""
        with unless(self.product.finished):
            self._frames.put(k, frame)

    @property
    def putter(self) -> Places:
        """What keeps a picture from any process that sees the folder."""
        return self._frames.putter

    def put_elsewhere(self, k: int) -> None:
        """Picture `k` has been kept by the `putter`."""
        self._frames.put_elsewhere(k)

    def commit(self) -> None:
        """Make the file, if all of its frames are there."""
        with unless(self.product.finished):
            self.waiting = len(self.product.recipe) - len(self._frames.to.present())
            if not self.waiting:
                self._assemble()
        if not self.waiting or self.product.finished():
            self.waiting = 0
            self.paths.append(self.product.path)

    def abort(self) -> None:
        """Let others have the frames, unless nobody needs them any longer."""
        self._frames.abort()
        self.product.vacate()

    @property
    def _numbers(self) -> bool:
        return self.product.make is ArrayWriter

    def _probe(self) -> None:
        """A place that cannot be written, or an encoder that cannot start, is found now."""
        place, writer = self.product.begin(clobber=True, within=self.product.parts)
        writer.abort()
        place.discard()

    def _assemble(self) -> None:
        """One process at a time: the second one finds the file made."""
        with one_at_a_time(self.product.parts):
            if not self.product.finished():
                self._make()

    def _make(self) -> None:
        parts = self.product.parts
        place, writer = self.product.begin(clobber=True, within=parts)
        try:
            with explained(self.product.path):
                for k in range(len(self.product.recipe)):
                    feed(writer, self._frames.to.name(k))
                writer.close()
            place.publish()
        finally:
            writer.abort()
            place.discard()


def save_pixels(path: Path, frame: Frame, recipe: Recipe, stamp: Stamp | None) -> None:  # noqa: ARG001
    """What is shown of a frame, as a plain PNG."""
    iio.imwrite(path, shown(frame, recipe), **PNG, compress_level=QUICK)


def save_numbers(path: Path, frame: Frame, recipe: Recipe, stamp: Stamp | None) -> None:  # noqa: ARG001
    """The numbers of a frame."""
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **numbers_of(frame, recipe))


def feed(writer: Writer, path: Path) -> None:
    """Hand a kept frame to the writer of the file.

    Raises
    ------
    OutputError
        When it cannot be read.
    """
    if isinstance(writer, ArrayWriter):
        with _read(path), np.load(path, allow_pickle=False) as file:
            numbers = {name: file[name] for name in file.files}
        writer.add(numbers)
        return
    assert isinstance(writer, PixelWriter)
    with _read(path):
        image = iio.imread(path, **PNG)
    writer.show(image)


@contextmanager
def _read(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise OutputError(
            f"The frame kept in {path} is damaged; remove it and give the command again."
        ) from error
