"""Numbered pictures in a folder, each published as it is made, beside the recipe of them all."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graf_cli.errors import OutputError, RecipeError
from graf_cli.output.provenance.stamp import RECIPE_FILE, RECORDS, Stamp
from graf_cli.output.store.atomic import beside, explained, refuse_present
from graf_cli.output.store.folder_lock import locked, one_begins
from graf_cli.output.store.sink import Sink
from graf_cli.recipe import Recipe, differences, from_json, same

# A shard goes on with what is there, too.
INSTEAD = "name another ⟨out⟩, or leave ⟨resume⟩ (and ⟨shard⟩) out to replace what is there."
Save = Callable[[Path, Any, Recipe, Stamp | None], None]  # a frame, or a shape

log = logging.getLogger("graf")


@dataclass(frozen=True)
class Survey:
    """Which pictures of a recipe are there.

    Attributes
    ----------
    finished : set of int
    stale : dict
        Why those whose files are there do not count, by number.
    """

    finished: set[int]
    stale: Mapping[int, str]

    def missing(self, pictures: int) -> int:
        """How many of so many have no file at all."""
        return pictures - len(self.finished) - len(self.stale)


@dataclass(frozen=True, kw_only=True)
class Places(ABC):
    """Where each picture of a recipe goes, and how it gets there, from whatever process.

    Can be pickled; the folder is there and locked when it is used.

    Attributes
    ----------
    folder : Path
        Of all of them.
    recipe : Recipe
    stamped : bool
        Whether pictures carry their recipe.
    clobber : bool
        Whether files that are there are replaced.
    begun : str or None
        Version of the program that began the folder; None is the recipe's own. Where files go by
        the length of recipes, they go where that version would put them.
    """

    folder: Path
    recipe: Recipe
    stamped: bool
    clobber: bool = True
    begun: str | None = None

    @abstractmethod
    def name(self, k: int) -> Path:
        """The file that tells by being there that picture `k` is finished."""

    @abstractmethod
    def __call__(self, k: int, frame: Any) -> None:
        """Publish picture `k`, a frame or a shape, the file that tells last.

        Raises
        ------
        OutputError
        """

    @abstractmethod
    def present(self) -> set[int]:
        """The pictures that are finished.

        Raises
        ------
        OutputError
        """

    def survey(self) -> Survey:
        """The pictures that are finished, and those that only seem to be.

        Raises
        ------
        OutputError
        """
        return Survey(self.present(), {})

    def remove(self, k: int) -> None:
        """Take picture `k` away, the file that tells first."""
        self.name(k).unlink(missing_ok=True)

    def clear(self, there: Recipe | None) -> None:  # noqa: ARG002 - for those with more to clear
        """Take the pictures away that are in the way, of another recipe if it is known."""
        for k in self.present():
            self.remove(k)


@dataclass(frozen=True, kw_only=True)
class Numbered(Places):
    """Files in one folder.

    Attributes
    ----------
    pattern : str
        Of file names, such as ``%04d.png``.
    save : callable
        Writes one picture; can be pickled.
    about : tuple of str
        Names of files that tell of the pictures, and go with them.
    """

    pattern: str
    save: Save
    about: tuple[str, ...] = ()

    def name(self, k: int) -> Path:
        """The file of picture `k`."""
        return self.folder / (self.pattern % k)

    def present(self) -> set[int]:
        """The pictures whose files are there, and not an earlier recipe's of the same name.

        Those of this recipe came after it. What is older, such as in a folder that was copied, has
        to carry it, where pictures do.
        """
        return self.survey().finished

    def survey(self) -> Survey:
        """As `present`, and why the other files that are there do not count."""
        named = self._named()
        stale: dict[int, str] = {}
        if self.stamped:
            with explained(self.folder), suppress(FileNotFoundError):
                begun = (self.folder / RECIPE_FILE).stat().st_mtime_ns
                older = (k for k, time in named.items() if time < begun)
                stale = {k: why for k in older if (why := self._not_its_own(k))}
        return Survey(named.keys() - stale.keys(), stale)

    def _named(self) -> dict[int, int]:
        """The pictures whose names are there, and when their files were written."""
        names = ((k, self.pattern % k) for k in range(len(self.recipe)))
        with explained(self.folder):
            found = {entry.name: entry for entry in os.scandir(self.folder)}
            return {k: found[name].stat().st_mtime_ns for k, name in names if name in found}

    def _not_its_own(self, k: int) -> str:
        """Why a picture that is older than the folder's recipe is not of it; "" when it is."""
        from graf_cli.output.provenance import reading  # noqa: PLC0415 - only for what is in doubt

        name, wanted = self.name(k), self.recipe.only(k)
        older = f"{name.name} is older than {RECIPE_FILE}"
        try:
            there = reading.read(name).recipe(str(name))
        except RecipeError:
            return f"{older} and carries no recipe that can be read"
        return (
            "" if same(there, wanted) else f"{older} and of another: {differences(there, wanted)}"
        )

    def clear(self, there: Recipe | None) -> None:
        """Take what tells of the pictures away with them."""
        theirs, told = (0, ()) if there is None else (len(there), (RECORDS,))
        for k in (*self._named(), *range(len(self.recipe), theirs)):
            self.remove(k)
        for name in (*self.about, *told):
            (self.folder / name).unlink(missing_ok=True)

    def __call__(self, k: int, frame: Any) -> None:
        """Publish picture `k`."""
        recipe = self.recipe.only(k)
        with beside(self.name(k), clobber=self.clobber) as temporary:
            self.save(temporary, frame, recipe, Stamp(recipe) if self.stamped else None)


class SequenceSink(Sink):
    """The pictures of a recipe in a folder, in any order, made by any number of processes.

    Parameters
    ----------
    to : Places
    resume : bool
        Keep what is finished of the same recipe, and refuse a folder of another one.

    Raises
    ------
    OutputError
        When the folder cannot be written, is another recipe's, or somebody is writing another
        one's pictures into it.
    """

    keeps = True

    def __init__(self, to: Places, *, resume: bool = False) -> None:
        super().__init__()
        self.to, self.folder, self.recipe = to, to.folder, to.recipe
        self._finished: set[int] = set()
        self._survey = Survey(set(), {})
        if not to.clobber and not resume:
            for path in (self.folder / RECIPE_FILE, *map(to.name, range(len(self.recipe)))):
                refuse_present(path)
        # From now on what is there is of this recipe, whoever put it.
        self.to = replace(to, clobber=True)
        self._forgets = not (resume or to.stamped)
        with one_begins(self.folder):
            self._lock_held = locked(self.folder)
            try:
                self._begin(resume=resume)
            except BaseException:
                self._lock_held.release()
                raise

    def missing(self, pictures: Sequence[int]) -> list[int]:
        """Those of the pictures that are not finished yet."""
        self.pictures = pictures
        if log.isEnabledFor(logging.INFO):
            for k in pictures:
                log.info("%s: picture %d is %s.", self.folder, k, self._fate(k))
        return [k for k in pictures if k not in self._finished]

    def _fate(self, k: int) -> str:
        if k in self._finished:
            return "finished, and kept"
        if k in self._survey.stale:
            return f"stale, and made again: {self._survey.stale[k]}"
        return "missing, and made"

    def put(self, k: int, frame: Any) -> None:
        """Publish picture `k`."""
        self.to(k, frame)
        self._finished.add(k)

    @property
    def putter(self) -> Places:
        """What publishes a picture from any process that sees the folder."""
        return self.to

    def put_elsewhere(self, k: int) -> None:
        """Picture `k` has been published by the `putter`."""
        self._finished.add(k)

    def commit(self) -> None:
        """Tell which files there are."""
        self._forget_recipe()
        self.paths = [self.to.name(k) for k in self.pictures or sorted(self._finished)]

    def abort(self) -> None:
        """Let others have the folder."""
        self._lock_held.release()

    def _forget_recipe(self) -> None:
        """It is needed while the job runs, even where the pictures shall not tell of it."""
        if self._forgets:
            (self.folder / RECIPE_FILE).unlink(missing_ok=True)

    def _begin(self, *, resume: bool) -> None:
        there = recipe_in(self.folder, strictly=resume)
        if resume and there is None and self.to.present():
            raise OutputError(
                f"{self.folder} has such pictures and no {RECIPE_FILE} to know them by; {INSTEAD}"
            )
        if resume and there is not None:
            if not same(there, self.recipe):
                raise another_recipe(self.folder, there, self.recipe)
            goes_on = "keeps what is finished and makes the rest"
            tell_version(self.folder, there, self.recipe, goes_on)
            self.to = replace(self.to, begun=there.graf)
            self._check_stamps()
            self._survey = self.to.survey()
            self._finished = set(self._survey.finished)
        elif there != self.recipe or not self._stamps_agree():  # a new job is of its own version
            self._take_over(there)

    def _take_over(self, there: Recipe | None) -> None:
        """Make the folder this recipe's: at no moment do old pictures stand beside it."""
        if not self._lock_held.alone():
            raise OutputError(
                f"{self.folder} is being written by another graf with another recipe; "
                "wait for it, or name another ⟨out⟩."
            )
        recipe = self.folder / RECIPE_FILE
        with explained(recipe):
            self.to.clear(there)
        with beside(recipe) as temporary:
            temporary.write_text(self.recipe.to_json() + "\n", encoding="utf-8")
        self._lock_held.share()

    def _stamps_agree(self) -> bool:
        """Whether what is there carries its recipe just as what will be added."""
        from graf_cli.output.provenance.reading import carries_recipe  # noqa: PLC0415 - only then

        first = next(iter(sorted(self.to.present())), None)
        if first is None:
            return True
        path = self.to.name(first)
        carries = carries_recipe(path)
        if not path.exists():  # it has gone into its tar meanwhile
            carries = carries_recipe(self.to.name(first))
        return carries == self.to.stamped

    def _check_stamps(self) -> None:
        if not self._stamps_agree():
            word = "⟨no metadata⟩" if self.to.stamped else "⟨metadata⟩"
            raise OutputError(
                f"{self.folder} was begun with {word}; give it again, or name another ⟨out⟩."
            )


def recipe_in(folder: Path, *, strictly: bool) -> Recipe | None:
    """The recipe of what lies in a folder; None when there is none.

    Parameters
    ----------
    strictly : bool
        Whether one that cannot be read is an error, rather than none.

    Raises
    ------
    OutputError
    """
    path = folder / RECIPE_FILE
    try:
        return from_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, RecipeError) as error:
        if not strictly:
            return None
        raise OutputError(
            f"{path} cannot be read, so that nobody knows what is finished: {error} "
            f"Mend it, or {INSTEAD}"
        ) from error


def tell_version(path: Path, there: Recipe, here: Recipe, keeps: str) -> None:
    """Say that another version of the program made what is there, if it did, and what is kept."""
    if there.graf != here.graf:
        log.warning(f"{path} is of graf {there.graf}; this is graf {here.graf}, which {keeps}.")


def another_recipe(path: Path, there: Recipe, wanted: Recipe) -> OutputError:
    """The refusal to go on with what another recipe has begun."""
    return OutputError(f"{path} is of another recipe: {differences(there, wanted)}; {INSTEAD}")
