"""Posed data sets: pictures, depth, opacity and codes of many objects, with their cameras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from graf_cli.output.dataset.folder import FolderPlaces
from graf_cli.output.dataset.places import DatasetPlaces, DatasetSink
from graf_cli.output.dataset.tars import TarPlaces
from graf_cli.recipe import Dataset, Recipe
from graf_cli.rendering.renderer import Shot
from graf_cli.scene.spec import ModelSpec


def open_dataset(
    folder: Path,
    recipe: Recipe,
    shots: Sequence[Shot],
    spec: ModelSpec,
    *,
    clobber: bool = True,
    metadata: bool = True,
    resume: bool = False,
) -> DatasetSink:
    """The sink of a data set, ready: a place that cannot be written is found now.

    Parameters
    ----------
    folder : Path
    recipe : Recipe
        Of a data set; it says itself whether that is a folder or tars.
    shots : sequence of Shot
        All of the recipe's.
    spec : ModelSpec
        Of the model.
    clobber : bool
        Whether files that are there are replaced.
    metadata : bool
        Whether pictures carry their recipe.
    resume : bool
        Keep what is finished of the same recipe, and refuse a folder of another one.

    Raises
    ------
    UsageError
        When a tar has no room for one view.
    OutputError
        When the place cannot be written, or is another recipe's.
    """
    assert isinstance(recipe.plan, Dataset)
    kind: type[DatasetPlaces] = FolderPlaces if recipe.plan.tar_size is None else TarPlaces
    to = kind(
        folder=folder, recipe=recipe, stamped=metadata, clobber=clobber, shots=shots, spec=spec
    )
    to.check()
    return DatasetSink(to, resume=resume).opened()
