"""`graf dataset`: many objects, each seen by several known cameras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli.choices import PictureChoice, ViewChoice
from graf_cli.cli.drawing import Drawing, Request
from graf_cli.cli.options import (
    FILE,
    common_options,
    engine_options,
    look_options,
    model_options,
    rig_options,
    run_options,
)
from graf_cli.cli.types import SPLIT
from graf_cli.errors import UsageError

if TYPE_CHECKING:
    from graf_cli.jobs import Job
    from graf_cli.scene.spec import ModelSpec

DEFAULT_TAR_SIZE = 256  # MB


@dataclass(frozen=True, kw_only=True)
class DatasetRequest(Request):
    """What `graf dataset` is asked."""

    n: int
    views: int | None
    seed: int
    cameras: str | None
    view: ViewChoice
    poses: Path | None
    split: tuple[tuple[str, float], ...] | None
    annotations: str | None
    picture: PictureChoice
    packing: str
    tar_size: int | None
    out: Path

    def job(self) -> Job:
        """A folder of many objects and their cameras."""
        from graf_cli.output.formats import target_of
        from graf_cli.request import dataset

        if str(self.out) == "-" or self.out.suffix in (".tar", ".mp4", ".zip"):
            raise UsageError(f"--out {self.out}: a data set is a folder; name one.")
        asked = {
            **self.picture.asked(),
            **self.view.asked(),
            "cameras": self.cameras,
            "split": self.split,
            "annotations": self.annotations,
            **self._packed(),
        }
        opened = self.open()
        if self.poses is not None:
            asked |= self._cameras(self.poses, opened.spec)
        recipe = dataset(opened.ref, opened.spec, self.n, self.views, self.seed, **asked)
        return self.job_of(opened, recipe, target_of(f"{self.out}/"))

    def _packed(self) -> dict[str, Any]:
        """How objects are laid out in files."""
        if self.packing == "webdataset":
            return {"tar_size": DEFAULT_TAR_SIZE if self.tar_size is None else self.tar_size}
        if self.tar_size is not None:
            raise UsageError("--tar-size goes with --format webdataset.")
        return {"labels": True} if self.packing == "labels" else {}

    def _cameras(self, poses: Path, spec: ModelSpec) -> dict[str, Any]:
        """The cameras of the file; it may say their lenses and the size as well."""
        from graf_cli.cli.inputs import cameras_from

        fov = self.view.fov
        cameras = cameras_from(poses, self.picture.size, spec, fov)
        return {
            "poses": cameras.rows,
            "fov": fov or cameras.fov,
            "intrinsics": cameras.intrinsics,
            "size": cameras.size,
        }


@click.command(cls=Drawing, short_help="A posed data set of many objects.")
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
@rig_options
@click.option(
    "--poses",
    type=FILE,
    help="Cameras from a file, as `graf render --poses` takes them, for every object.",
)
@click.option(
    "--split",
    type=SPLIT,
    metavar="NAME=SHARE,...",
    help="Whole objects are divided as `train=0.9,val=0.1`.  [default: train=1]",
)
@click.option(
    "--annotations",
    type=click.Choice(["coco"]),
    help="Boxes and masks of all objects in one file as well, for scenes of several.",
)
@look_options
@engine_options
@run_options
@click.option(
    "--format",
    "packing",
    type=click.Choice(["folder", "webdataset", "labels"]),
    default="folder",
    show_default=True,
    help="A folder an object, as nerfstudio opens it, tars, or images alone with a dataset.json "
    "of 25 numbers each, as EG3D is trained on.",
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
def dataset(**options: Any) -> DatasetRequest:
    """A posed data set: images, metric depth, opacity, codes and cameras of random objects.

    It opens in nerfstudio (transforms.json of each object), or in webdataset. README.md in it says
    what made it, and that it is synthetic.

    \b
    graf dataset --n 100 --views 24 --split train=0.9,val=0.1
    graf dataset --n 1000 --cameras cap --background transparent --format webdataset
    """
    return DatasetRequest(**options)
