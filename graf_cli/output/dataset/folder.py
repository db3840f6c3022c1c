"""A data set as a folder: one folder an object, which nerfstudio opens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from graf_cli.output.dataset import documents
from graf_cli.output.dataset.layout import DEPTH, IMAGES, LATENT, OPACITY, TRANSFORMS
from graf_cli.output.dataset.pictures import codes_archive, picture_files
from graf_cli.output.dataset.places import DatasetPlaces
from graf_cli.output.store.atomic import explained, make_folder
from graf_cli.rendering.renderer import Frame


@dataclass(frozen=True, kw_only=True)
class FolderPlaces(DatasetPlaces):
    """``train/000000/images/0000.png``, and beside them depth, opacity, cameras and codes."""

    def name(self, k: int) -> Path:
        """The image, which comes last of its view."""
        return self._file(k, IMAGES)

    def __call__(self, k: int, frame: Frame) -> None:
        """Publish view `k`, with what is to know of its object."""
        item, view = self.layout.place(k)
        home = self.folder / self.layout.folder(item)
        with explained(home):
            for kind in (IMAGES, DEPTH, OPACITY):
                make_folder(home / kind)
        self._tell_of(item, home, anew=view == 0)
        recipe = self.recipe.only(k)
        image, depth, opacity = picture_files(frame, recipe, self.stamp(recipe))
        self.write(self._file(k, DEPTH), depth)
        self.write(self._file(k, OPACITY), opacity)
        self.write(self._file(k, IMAGES), image)

    def present(self) -> set[int]:
        """The views whose images are there."""
        found: set[int] = set()
        views = [f"{self.layout.view(view)}.png" for view in range(self.layout.plan.views)]
        for item in range(self.layout.plan.objects):
            images = self.folder / self.layout.folder(item) / IMAGES
            with explained(images), suppress(FileNotFoundError, NotADirectoryError):
                names = {entry.name for entry in os.scandir(images)}
                pictures = zip(self.layout.pictures(item), views, strict=True)
                found.update(k for k, name in pictures if name in names)
        return found

    def remove(self, k: int) -> None:
        """Take a view away, the image first."""
        for kind in (IMAGES, DEPTH, OPACITY):
            self._file(k, kind).unlink(missing_ok=True)

    def homes(self) -> Sequence[Sequence[str]]:
        """The folder of each object."""
        return [[self.layout.folder(item).as_posix()] for item in range(self.layout.plan.objects)]

    def _file(self, k: int, kind: str) -> Path:
        item, view = self.layout.place(k)
        return self.folder / self.layout.folder(item) / kind / f"{self.layout.view(view)}.png"

    def _tell_of(self, item: int, home: Path, *, anew: bool) -> None:
        """Whoever comes first; whoever else comes writes the same."""
        subject = self.shots[self.layout.pictures(item)[0]].subject
        if subject.codes and (anew or not (home / LATENT).exists()):
            self.write(home / LATENT, codes_archive(subject, self.features))
        if anew or not (home / TRANSFORMS).exists():
            self.write(home / TRANSFORMS, documents.transforms(self.layout, self.shots, item))
