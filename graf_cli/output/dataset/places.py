"""What all data sets share: their places, their card, and a sink that knows when they are whole."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from graf_cli.errors import OutputError
from graf_cli.model.families import placed_of
from graf_cli.model.spec import features_of
from graf_cli.output.dataset import documents
from graf_cli.output.dataset.card import MARK, card
from graf_cli.output.dataset.layout import CARD, OBJECTS, Layout, erase
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.output.store.atomic import beside
from graf_cli.output.store.sequence import Places, SequenceSink
from graf_cli.recipe import Dataset, Recipe
from graf_cli.rendering.renderer import Shot
from graf_cli.scene.codes import Subject
from graf_cli.scene.features import Features
from graf_cli.scene.placed import OrientedBox
from graf_cli.scene.spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class DatasetPlaces(Places):
    """Where the pictures of a data set go.

    Attributes
    ----------
    shots : sequence of Shot
        Of the whole recipe: its cameras and objects are told of, beside the pictures.
    spec : ModelSpec
        Of the model, for the card.
    """

    shots: Sequence[Shot]
    spec: ModelSpec

    @cached_property
    def layout(self) -> Layout:
        """The order of the data set."""
        assert isinstance(self.recipe.plan, Dataset)
        return Layout(self.recipe.plan)

    @property
    def features(self) -> Features:
        """What the model offers."""
        return features_of(self.spec)

    @property
    def of_several(self) -> bool:
        """Whether scenes have several objects, each in a box of its own and with a mask."""
        return self.features.repeated is not None

    def placed(self, subject: Subject) -> tuple[OrientedBox, ...]:
        """The objects of a scene in their boxes."""
        return placed_of(self.spec.family, self.spec.settings, subject)

    @abstractmethod
    def homes(self) -> Sequence[Sequence[str]]:
        """In which folder or tars each object is."""

    def check(self) -> None:
        """Refuse what cannot be laid out, before anything is written.

        Raises
        ------
        UsageError
        """
        return

    def gather(self) -> None:
        """Finish what other processes have left to be finished."""
        return

    def finish(self) -> None:
        """Say what the data set is, when all of its pictures are there.

        Raises
        ------
        OutputError
        """
        self.write(self.folder / OBJECTS, documents.objects(self.layout, self.homes()))
        self.write(self.folder / CARD, card(self.layout, self.recipe, self.spec, told=self.stamped))

    def clear(self, there: Recipe | None) -> None:
        """Take an earlier data set away."""
        if there is not None and isinstance(there.plan, Dataset):
            erase(self.folder, there.plan)
        super().clear(there)

    def stamp(self, recipe: Recipe) -> Stamp | None:
        """What the pictures of a recipe say of themselves."""
        return Stamp(recipe) if self.stamped else None

    def write(self, path: Path, data: bytes) -> None:
        """Publish a file; what a killed process leaves of it lies where it is swept away."""
        with beside(path, within=self.folder) as temporary:
            temporary.write_bytes(data)


class DatasetSink(SequenceSink):
    """The pictures of a data set; the card comes when the last one of them has come."""

    to: DatasetPlaces

    def opened(self) -> Self:
        """See `SequenceSink.opened`; a card of somebody else's is kept."""
        _keep_foreign_card(self.to.folder)
        return super().opened()

    def commit(self) -> None:
        """Finish the data set, if all of it is there."""
        self._forget_recipe()
        self.to.gather()
        self.waiting = len(self.recipe) - len(self.to.present())
        if not self.waiting:
            self.to.finish()
            self.paths = [self.folder]


def _keep_foreign_card(folder: Path) -> None:
    path = folder / CARD
    if path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise OutputError(
            f"{path} is not a card that graf wrote and would be lost; name another ⟨out⟩."
        )
