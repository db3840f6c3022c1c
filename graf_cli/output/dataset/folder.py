"""A data set as a folder: one folder an object, which nerfstudio opens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graf_cli.output.dataset import coco, documents
from graf_cli.output.dataset.layout import (
    ANNOTATIONS,
    DEPTH,
    IMAGES,
    LABELS,
    LATENT,
    MASKS,
    OPACITY,
    PLACED,
    TRANSFORMS,
    instances,
)
from graf_cli.output.dataset.pictures import codes_archive, labels, picture_files
from graf_cli.output.dataset.places import DatasetPlaces
from graf_cli.output.encode.stills import decode_grey, encode
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
        alone = self.layout.plan.labels
        with explained(home):
            for kind in self._kinds:
                make_folder(home / kind)
        self._tell_of(item, home, anew=view == 0)
        recipe = self.recipe.only(k)
        image, depth, opacity = picture_files(frame, recipe, self.stamp(recipe))
        if not alone:
            self.write(self._file(k, DEPTH), depth)
            self.write(self._file(k, OPACITY), opacity)
            if self.of_several:
                self.write(self._file(k, MASKS), encode(labels(frame), "png", self.stamp(recipe)))
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
        for kind in self._kinds:
            self._file(k, kind).unlink(missing_ok=True)

    def homes(self) -> Sequence[Sequence[str]]:
        """The folder of each object."""
        return [[self.layout.folder(item).as_posix()] for item in range(self.layout.plan.objects)]

    def finish(self) -> None:
        """As of every data set; before it, what is told of all views, where it is asked for."""
        if self.layout.plan.annotations == "coco":
            with explained(self.folder):
                make_folder(self.folder / ANNOTATIONS)
            for split in self.layout.plan.splits:
                path = self.folder / ANNOTATIONS / instances(split.name)
                self.write(path, coco.document(self.layout, self.recipe, split.name, self._labels))
        if self.layout.plan.labels:
            for name in {*self.layout.splits}:
                path = self.folder / name / LABELS
                self.write(path, documents.labels(self.layout, self.shots, name))
        super().finish()

    @property
    def _kinds(self) -> tuple[str, ...]:
        """Folders of a scene, that of the images first, as they are taken away."""
        if self.layout.plan.labels:
            return (IMAGES,)
        return (IMAGES, DEPTH, OPACITY, MASKS) if self.of_several else (IMAGES, DEPTH, OPACITY)

    def _labels(self, k: int) -> NDArray[np.uint8]:
        path = self._file(k, MASKS)
        with explained(path):
            return decode_grey(path)

    def _file(self, k: int, kind: str) -> Path:
        item, view = self.layout.place(k)
        return self.folder / self.layout.folder(item) / kind / f"{self.layout.view(view)}.png"

    def _tell_of(self, item: int, home: Path, *, anew: bool) -> None:
        """Whoever comes first; whoever else comes writes the same."""
        subject = self.shots[self.layout.pictures(item)[0]].subject
        if subject.codes and (anew or not (home / LATENT).exists()):
            self.write(home / LATENT, codes_archive(subject, self.features))
        if anew or not (home / TRANSFORMS).exists():
            told = documents.transforms(self.layout, self.shots, item, several=self.of_several)
            self.write(home / TRANSFORMS, told)
        if self.of_several and (anew or not (home / PLACED).exists()):
            placed = self.placed(subject)
            told = documents.placed_objects(self.layout, self.shots, item, placed)
            self.write(home / PLACED, told)
