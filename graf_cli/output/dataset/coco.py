"""The masks of a data set as one file of annotations, in the form of COCO's instances."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from graf_cli.output.dataset.layout import IMAGES, Layout
from graf_cli.recipe import Recipe

Labels = NDArray[np.uint8]

CATEGORY = 1  # the only one: a generator of scenes does not say what its objects are


def document(layout: Layout, recipe: Recipe, split: str, labels: Callable[[int], Labels]) -> bytes:
    """All views of a split and the objects that are seen in them.

    Parameters
    ----------
    layout : Layout
    recipe : Recipe
        Of the whole data set.
    split : str
    labels : callable
        Of picture `k`, shape = (H, W); see `graf_cli.output.dataset.pictures.labels`.

    Returns
    -------
    bytes
        JSON. Boxes are of what is seen: left, top, width and height in pixels; masks are run
        lengths down the columns, that of what is no mask first.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for k in _views(layout, split):
        item, view = layout.place(k)
        images.append(
            {
                "id": k,
                "file_name": f"{layout.folder(item).as_posix()}/{IMAGES}/{layout.view(view)}.png",
                "width": recipe.width,
                "height": recipe.height,
                "scene": item,
                "view": view,
            }
        )
        for found in _seen(labels(k)):
            number = len(annotations) + 1  # some readers take 0 for none
            annotations.append({"id": number, "image_id": k, "category_id": CATEGORY, **found})
    about = {
        "description": f"Synthetic scenes of {recipe.model.name}, split {split}",
        "version": f"graf {recipe.graf}",
    }
    category = {"id": CATEGORY, "name": "object", "supercategory": recipe.model.name}
    whole = {"info": about, "licenses": [], "categories": [category]}
    return msgspec.json.encode({**whole, "images": images, "annotations": annotations})


def _views(layout: Layout, split: str) -> Iterator[int]:
    for item, name in enumerate(layout.splits):
        if name == split:
            yield from layout.pictures(item)


def _seen(labels: Labels) -> Iterator[dict[str, Any]]:
    """Box, area and mask of each object that is seen, by number."""
    for label in np.unique(labels[labels > 0]).tolist():
        mask = labels == label
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        left, top = int(columns[0]), int(rows[0])
        yield {
            "number": label - 1,
            "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
            "area": int(mask.sum()),
            "iscrowd": 0,
            "segmentation": {"size": [*mask.shape], "counts": run_lengths(mask)},
        }


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Of a mask down its columns, one after the other; the first run is of False, or 0.

    >>> run_lengths(np.array([[True, False], [True, True]]))
    [0, 2, 1, 1]
    """
    flat = np.concatenate(([False], mask.T.ravel(), [not mask.T.ravel()[-1]]))
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    found: list[int] = np.diff(np.concatenate(([0], ends))).tolist()
    return found
