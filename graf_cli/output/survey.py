"""How far a folder has come: which pictures of its recipe are finished, stale and missing.

By what lies there alone, without the model: the folder of a sequence, of samples, of a data set as
files or as tars, and the hidden one of the frames of a file that is not whole yet.
"""

from __future__ import annotations

import re
import tarfile
from collections import defaultdict
from functools import partial
from pathlib import Path

from graf_cli.errors import OutputError
from graf_cli.output.dataset.layout import IMAGES, KEPT, Layout
from graf_cli.output.encode.stills import write_still
from graf_cli.output.provenance.reading import carries_recipe
from graf_cli.output.store.atomic import explained
from graf_cli.output.store.sequence import Numbered, Survey
from graf_cli.output.table import EXPORTS, FORMATS
from graf_cli.recipe import Dataset, Recipe

_NUMBERED = re.compile(r"(.*?)(\d+)\.([\w.]+)", re.DOTALL)
_IMAGE = re.compile(r"(\d+)_(\d+)\.png")


def survey(folder: Path, recipe: Recipe) -> Survey:
    """Look at the folder of a recipe.

    Raises
    ------
    OutputError
        When it cannot be read.
    """
    with explained(folder):
        if not isinstance(recipe.plan, Dataset):
            return _of_pictures(folder, recipe)
        if recipe.plan.tar_size is None:
            found = _in_folders(folder, Layout(recipe.plan))
        else:
            found = _in_tars(folder, Layout(recipe.plan))
        return Survey(found & set(range(len(recipe))), {})


def _of_pictures(folder: Path, recipe: Recipe) -> Survey:
    """By the pattern of names that most numbers of the recipe follow."""
    numbers: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    known = FORMATS if recipe.export is None else EXPORTS
    for path in sorted(folder.iterdir()):
        match = _NUMBERED.fullmatch(path.name)
        if match and match[3] in known and int(match[2]) < len(recipe):
            numbers[match[1], match[3]][int(match[2])] = match[2]
    if not numbers:
        return Survey(set(), {})
    (before, suffix), digits = max(numbers.items(), key=lambda item: len(item[1]))
    plain = before.replace("%", "%%")
    pattern = f"{plain}%0{min(map(len, digits.values()))}d.{suffix}"
    stamped = any(carries_recipe(folder / (pattern % k)) for k in digits)
    save = partial(write_still, name=suffix)
    return Numbered(
        folder=folder, recipe=recipe, stamped=stamped, pattern=pattern, save=save
    ).survey()


def _in_folders(folder: Path, layout: Layout) -> set[int]:
    views = {f"{layout.view(view)}.png": view for view in range(layout.plan.views)}
    found = set()
    for item in range(layout.plan.objects):
        images = folder / layout.folder(item) / IMAGES
        names = {path.name for path in images.iterdir()} if images.is_dir() else set()
        found |= {layout.pictures(item)[views[name]] for name in names & views.keys()}
    return found


def _in_tars(folder: Path, layout: Layout) -> set[int]:
    """Whole tars are asked for their members; which belong into one, only the model tells."""
    pieces = (folder / KEPT).glob("*.tar")
    found = {int(path.stem) for path in pieces if path.stem.isdecimal()}
    for split in layout.plan.splits:
        for path in sorted(folder.glob(f"{split.name}-*.tar")):
            try:
                with tarfile.open(path, mode="r:") as archive:
                    names = archive.getnames()
            except tarfile.TarError as error:
                raise OutputError(
                    f"{path} is damaged; remove it and give the command again."
                ) from error
            for match in filter(None, map(_IMAGE.fullmatch, names)):
                item, view = int(match[1]), int(match[2])
                if item < layout.plan.objects and view < layout.plan.views:
                    found.add(layout.pictures(item)[view])
    return found
