"""`graf dataset`: many objects, each seen by several known cameras."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from graf_cli.cli.choices import (
    EngineChoice,
    ModelChoice,
    OutputChoice,
    PictureChoice,
)
from graf_cli.cli.options import (
    FILE,
    common_options,
    engine_options,
    look_options,
    model_options,
    run_options,
)
from graf_cli.cli.types import SPLIT, SWEEP
from graf_cli.errors import UsageError

if TYPE_CHECKING:
    from graf_cli.scene.spec import ModelSpec

DEFAULT_TAR_SIZE = 256  # MB


@click.command(short_help="A posed data set of many objects.")
@model_options
@click.option(
    "--n",
    type=click.IntRange(1, 1_000_000),
    default=16,
    show_default=True,
    help="How many objects.",
)
@click.option(
    "--views",
    type=click.IntRange(1, 1_000_000),
    help="Of each object.  [default: 24, or the rows of --poses]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Fixes all of it; an object is the same whatever --n is.",
)
@click.option(
    "--cameras",
    type=click.Choice(["model", "orbit", "cap", "poses"]),
    help="At random as the model was trained, on an orbit, spread evenly over a cap of "
    "the sphere, or from --poses.  [default: model]",
)
@click.option(
    "--azimuth",
    type=SWEEP,
    help="Degrees; a range, or the keyframes of an orbit.  [default: the training range]",
)
@click.option(
    "--elevation",
    type=SWEEP,
    help="Degrees above the horizon.  [default: likewise; of an orbit its middle]",
)
@click.option(
    "--radius",
    type=SWEEP,
    help="Distance from the origin.  [default: likewise; of an orbit and a cap its middle]",
)
@click.option("--fov", type=SWEEP, help="Degrees across the width.  [default: the model's]")
@click.option(
    "--poses",
    type=FILE,
    help="Cameras from a .npy, .npz, transforms.json or camera_path.json, for every object.",
)
@click.option(
    "--split",
    type=SPLIT,
    metavar="NAME=SHARE,...",
    help="Whole objects are divided as `train=0.9,val=0.1`.  [default: train=1]",
)
@look_options
@engine_options
@run_options
@click.option(
    "--format",
    "packing",
    type=click.Choice(["folder", "webdataset"]),
    default="folder",
    show_default=True,
    help="A folder an object, as nerfstudio opens it, or tars.",
)
@click.option(
    "--tar-size",
    type=click.IntRange(1, 1 << 20),
    metavar="MB",
    help=f"What a tar has at most.  [default: {DEFAULT_TAR_SIZE}]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="dataset/",
    show_default=True,
    help="A folder.",
)
@common_options
def dataset(
    *,
    source: ModelChoice,
    n: int,
    views: int | None,
    seed: int,
    picture: PictureChoice,
    engine: EngineChoice,
    output: OutputChoice,
    out: Path,
    packing: str,
    tar_size: int | None,
    **asked: object,
) -> None:
    """A posed data set: images, metric depth, opacity, codes and cameras of random objects.

    It opens in nerfstudio (transforms.json of each object), or in webdataset. README.md in it says
    what made it, and that it is synthetic.

    \b
    graf dataset --n 100 --views 24 --split train=0.9,val=0.1
    graf dataset --n 1000 --cameras cap --background transparent --format webdataset
    """
    from graf_cli.cli import job
    from graf_cli.output.formats import target_of
    from graf_cli.request import dataset as dataset_recipe

    if str(out) == "-" or out.suffix in (".tar", ".mp4", ".zip"):
        raise UsageError(f"--out {out}: a data set is a folder; name one.")
    if tar_size is not None and packing == "folder":
        raise UsageError("--tar-size goes with --format webdataset.")
    if packing == "webdataset":
        asked["tar_size"] = DEFAULT_TAR_SIZE if tar_size is None else tar_size
    opened = job.open_model(source, output)
    wishes = {**picture.asked(), **_with_poses(asked, picture.size, opened.spec)}
    recipe = dataset_recipe(opened.ref, opened.spec, n, views, seed, **wishes)
    job.draw(opened, recipe, target_of(f"{out}/"), engine, output)


def _with_poses(
    asked: dict[str, object], size: tuple[int, int] | None, spec: ModelSpec
) -> dict[str, object]:
    """The cameras of the file; it may say their lenses and the size as well."""
    from graf_cli.cli.inputs import cameras_from

    path, fov = asked["poses"], cast("tuple[float, ...] | None", asked["fov"])
    if not isinstance(path, Path):
        return asked
    cameras = cameras_from(path, size, spec, fov)
    lenses = {"fov": fov or cameras.fov, "intrinsics": cameras.intrinsics}
    return {**asked, "poses": cameras.rows, **lenses, "size": cameras.size}
