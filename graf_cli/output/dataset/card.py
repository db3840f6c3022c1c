"""The card of a data set: what it is, that it is synthetic, and what made it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from graf_cli.model.spec import features_of
from graf_cli.output.dataset.layout import Layout
from graf_cli.output.provenance.stamp import SOURCE_TYPE
from graf_cli.recipe import TRANSPARENT, Recipe, View, features_for
from graf_cli.scene.features import told as names_told
from graf_cli.scene.spec import ModelSpec

MARK = "<!-- made by graf dataset -->"

_CAMERAS = {
    "model": "drawn at random, uniformly over the part of the sphere that is told below",
    "orbit": "on an orbit, at even steps",
    "cap": "on a cap of the sphere, spread evenly (a Fibonacci lattice), the same for every object",
    "poses": "at poses from a file, the same for every object",
}

_FOLDER = """\
- `SPLIT/OBJECT/transforms.json`: cameras and what they mean, as nerfstudio reads them
- `SPLIT/OBJECT/images/VIEW.png`: {image}
- `SPLIT/OBJECT/depth/VIEW.png`: depth
- `SPLIT/OBJECT/opacity/VIEW.png`: opacity"""
_FOLDER_PLACED = """
- `SPLIT/OBJECT/objects.json`: where each object of the scene is, in the world and in each view
- `SPLIT/OBJECT/masks/VIEW.png`: number and 1 of the object that each pixel shows, 0 for none"""
_FOLDER_COCO = """
- `annotations/instances_SPLIT.json`: boxes and masks of what is seen, as COCO has them"""
_LABELS = """\
- `SPLIT/dataset.json`: of each image its camera, 25 numbers, as EG3D is trained on: camera to world
  row by row (y up; x right, y down, z forward), then the intrinsics, in sides of the picture
- `SPLIT/OBJECT/transforms.json`: the same cameras and what they mean, as nerfstudio reads them
- `SPLIT/OBJECT/images/VIEW.png`: {image}"""
_FOLDER_CODES = "\n- `SPLIT/OBJECT/latent.npz`: the object's codes, {codes}"

_TARS = """\
- `SPLIT-NUMBER.tar`, each at most {size} MB, for webdataset; of the view `OBJECT_VIEW` there are
  - `.png`: {image}
  - `.depth.png`: depth
  - `.opacity.png`: opacity
  - `.json`: its camera, and what it means"""
_TARS_PLACED = """
  - `.objects.json`: where each object of the scene is, in the world and in the picture
  - `.mask.png`: number and 1 of the object that each pixel shows, 0 for none"""
_TARS_CODES = "\n  - `.latent.npy`: the object's codes one after the other, {codes}"

_CARD = """\
---
pretty_name: {name}
tags:
- synthetic
- graf
---
{mark}

# {title}

**These pictures are synthetic.** No camera took them and no such object exists: a generative
radiance field made them, the model `{model}`, run by `graf {version}`
(IPTC digital source type [`trainedAlgorithmicMedia`]({source_type})).

## What is in it

{contents}
- `objects.jsonl`: split and seed of each object, one a line

{splits}

Whole objects belong to a split, {size} pixels, {background}.

## Cameras

Each object is seen {views}, by cameras {cameras}.

{view}

A camera's axes follow OpenGL (x right, y up, looking along −z); `transform_matrix` is camera to
world, the world's z axis points up, and {origin}. Pixel (i, j) has its centre
at (i + 0.5, j + 0.5){principal}.

Depth is measured along the optical axis, in steps of {unit:g} world units
(`depth_unit_scale_factor`); 0 says that less than half of the light is stopped there. World units
are the model's own, and no metres. Opacity runs from 0, clear, to 255, opaque.

## What made it

{made}
"""

_AGAIN = """\
`recipe.json` tells it exactly, and every picture carries its own: `graf info` prints it, and
`graf replay` draws it again with the same model.
"""


def card(layout: Layout, recipe: Recipe, spec: ModelSpec, *, told: bool) -> bytes:
    """The card, in Markdown, the same for the same recipe; `told` when that stands beside it."""
    plan = layout.plan
    see_through = recipe.background == TRANSPARENT
    folder, blocks = plan.tar_size is None, features_for(recipe, spec).blocks
    several = features_of(spec).repeated is not None
    contents = (_LABELS if plan.labels else _FOLDER if folder else _TARS).format(
        image="the picture, RGBA" if see_through else "the picture", size=plan.tar_size
    )
    if blocks:
        codes = names_told(block.name for block in blocks)
        contents += (_FOLDER_CODES if folder else _TARS_CODES).format(codes=codes)
    if several:
        contents += _FOLDER_PLACED if folder else _TARS_PLACED
    if plan.annotations is not None:
        contents += _FOLDER_COCO
    title = f"{plan.objects:,} objects of {recipe.model.name}, {plan.views:,} views each"
    text = _CARD.format(
        name=json.dumps(title),
        title=title,
        mark=MARK,
        views="once" if plan.views == 1 else f"{plan.views:,} times",
        origin="the middle of the scene is the origin"
        if several
        else "the object sits at the origin",
        model=recipe.model.name,
        version=recipe.graf,
        source_type=SOURCE_TYPE,
        contents=contents,
        splits=_splits(layout),
        size=f"{recipe.width} × {recipe.height}",
        background="on nothing" if see_through else f"on {recipe.background}",
        cameras=_CAMERAS[plan.cameras],
        view=_view(plan.view),
        principal=_principal(plan.view, spec),
        unit=plan.depth_unit,
        made="\n".join(f"- {key}: {value}" for key, value in _made(recipe, spec)),
    )
    return (f"{text}\n{_AGAIN}" if told else text).encode()


def _splits(layout: Layout) -> str:
    counts = Counter(layout.splits)
    rows = [
        f"| {split.name} | {counts[split.name]:,} | {counts[split.name] * layout.plan.views:,} |"
        for split in layout.plan.splits
    ]
    return "\n".join(("| split | objects | views |", "| --- | --- | --- |", *rows))


def _principal(view: View, spec: ModelSpec) -> str:
    """Where the optical axis is, unless files of poses say it."""
    if view.intrinsics:
        return ""
    shift = " + 0.5" if spec.camera.pixels == "integer" else ""
    return f", so that `cx` = W / 2{shift} and `cy` = H / 2{shift}"


def _view(view: View) -> str:
    fov = f"- field of view: {view.fov[0]:g}° across the width"
    if view.intrinsics:
        fov = "- intrinsics: from the file of poses"
    if view.poses:
        return fov
    azimuth, elevation, radius = (
        " to ".join(f"{value:g}" for value in values)
        for values in (view.azimuth, view.elevation, view.radius)
    )
    lines = (f"azimuth: {azimuth}°", f"elevation: {elevation}°", f"radius: {radius} world units")
    return "\n".join((*(f"- {line}" for line in lines), fov))


def _made(recipe: Recipe, spec: ModelSpec) -> Iterator[tuple[str, object]]:
    yield "program", f"graf {recipe.graf}"
    yield "model", f"`{recipe.model.name}`, SHA-256 {recipe.model.sha256 or 'not known'}"
    about = spec.about
    told = (
        ("what it shows", about.title),
        ("where it comes from", about.source),
        ("licence of the model", about.licence),
        ("note", about.note),
    )
    yield from ((key, " ".join(text.split())) for key, text in told if text)
    if about.citation:
        yield "to cite", " ".join(about.citation.split())
