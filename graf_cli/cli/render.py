"""`graf render`: one picture, or a video as soon as something sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli import console
from graf_cli.cli.choices import (
    MotionChoice,
    ObjectChoice,
    PictureChoice,
    ViewChoice,
)
from graf_cli.cli.drawing import Drawing, Request
from graf_cli.cli.options import (
    camera_options,
    common_options,
    engine_options,
    model_options,
    motion_options,
    object_options,
    output_options,
    picture_options,
)

if TYPE_CHECKING:
    from graf_cli.jobs import Job
    from graf_cli.opening import Opened
    from graf_cli.output.formats import Target
    from graf_cli.recipe import Recipe

INPUT = click.Path(exists=True, path_type=Path, allow_dash=True)

# Which options give an argument of the library, where that is not the one of its name.
SAID_BY = {
    "latents": ("latent",),
    "fov": ("fov", "poses"),
    "size": ("size", "poses"),
    "intrinsics": ("poses",),
    "poses": ("poses", "path"),
    "fps": ("fps", "poses"),
}


@dataclass(frozen=True, kw_only=True)
class RenderRequest(Request):
    """What `graf render` is asked."""

    thing: ObjectChoice
    view: ViewChoice
    motion: MotionChoice
    picture: PictureChoice
    poses: Path | None
    path: str | None
    save_cameras: Path | None
    recipe: Path | None
    out: str | None

    def job(self) -> Job:
        """A picture or a video, of what is asked or of a recipe that it overrides."""
        from graf_cli.cli import inputs, job
        from graf_cli.jobs import Job, default_target
        from graf_cli.output.cameras import check_cameras
        from graf_cli.output.formats import target_of

        files = {"latent": self.thing.latent, "poses": self.poses, "recipe": self.recipe}
        inputs.only_one_stdin(**files)
        if self.save_cameras:
            check_cameras(self.save_cameras, **files)
        form = self.output.form
        target = target_of(self.out, form) if self.out else None
        base = job.read_recipe(self.recipe) if self.recipe else None
        opened = self.open(base)
        recipe = self._recipe(opened, base)
        target = target or default_target(recipe.model.name, recipe, form)
        also = self._saving(recipe, opened, target)
        return Job(opened, recipe, target, self.engine.options(), self.output.options(), also=also)

    def _recipe(self, opened: Opened, base: Recipe | None) -> Recipe:
        from graf_cli.request import override, sweep

        asked = self._asked(opened)
        if base is None:
            return sweep(opened.ref, opened.spec, **asked)
        if opened.ref != base.model:
            name = opened.ref.name
            console.warn(f"The recipe is of {base.model.name}; this draws it with {name}.")
        return override(base, opened.ref, opened.spec, **self._said(asked))

    def _asked(self, opened: Opened) -> dict[str, Any]:
        """Which object, seen from where; files are read now."""
        from graf_cli.request import PictureOptions, features_for, spiral_of

        picture = self.picture.asked()
        features = features_for(opened.spec, PictureOptions.of(picture))
        asked: dict[str, Any] = {
            **picture,
            **self.motion.asked(),
            **self.thing.asked(features),
            **self.view.asked(),
        }
        if self.poses:
            asked |= self._cameras(self.poses, opened)
        if self.path:
            if self.poses:
                raise click.UsageError(
                    "--poses and --path both say where the cameras are; give one."
                )
            asked["poses"] = spiral_of(opened.spec, self.motion.frames)
        return asked

    def _cameras(self, poses: Path, opened: Opened) -> dict[str, Any]:
        """The cameras of the file; it may say their lenses, the size and the speed as well."""
        from graf_cli.cli.inputs import cameras_from

        cameras = cameras_from(poses, self.picture.size, opened.spec, self.view.fov)
        fov, fps = self.view.fov, self.motion.fps
        return {
            "poses": cameras.rows,
            "fov": cameras.fov if fov is None else fov,
            "intrinsics": cameras.intrinsics or None,
            "size": cameras.size,
            "fps": cameras.fps if fps is None else fps,
        }

    def _said(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Less what comes from GRAF_RENDER_… variables, which set defaults and not this job."""
        return {
            key: value
            for key, value in asked.items()
            if not self.said.isdisjoint(SAID_BY.get(key, (key,)))
        }

    def _saving(self, recipe: Recipe, opened: Opened, target: Target) -> Callable[[], Path] | None:
        """What writes the cameras, where that is asked; whether it can is found now."""
        from graf_cli.output.cameras import cameras_of, is_there, save_cameras
        from graf_cli.shots import Shots

        if self.save_cameras is None:
            return None
        clobber = self.output.clobber
        data = cameras_of(self.save_cameras, recipe, Shots(recipe, opened.spec), target)
        is_there(self.save_cameras, data, clobber=clobber)
        return partial(save_cameras, self.save_cameras, data, clobber=clobber)


@click.command(cls=Drawing, short_help="One picture, or a video as soon as something sweeps.")
@model_options
@object_options
@camera_options
@click.option(
    "--poses",
    type=INPUT,
    help="Cameras from a .npy or .npz (n × 3 × 4, n × 4 × 4, LLFF's n × 17, labels of 25), a "
    "transforms.json, camera_path.json or dataset.json; - is stdin.",
)
@click.option(
    "--path",
    type=click.Choice(["spiral"]),
    help="Cameras of a path that the model has: a spiral in front of a forward-facing scene.",
)
@click.option(
    "--save-cameras",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.json",
    help="Write the cameras as well, as camera_path.json where the name ends so, else as "
    "transforms.json; also with --dry-run.",
)
@motion_options
@picture_options
@click.option(
    "--recipe",
    type=INPUT,
    help="Start from the recipe in a .json, or in anything that graf wrote; - is stdin. "
    "What else is given here overrides it.",
)
@engine_options
@output_options
@click.option(
    "--out",
    help="What to write, - for standard output; the suffix decides.  "
    "[default: MODEL.png or MODEL.mp4]",
)
@common_options
def render(**options: Any) -> RenderRequest:
    """One picture, or a video as soon as something sweeps.

    A sweep is `from:to`, or keyframes `a:b:c`; several may sweep at once. Whole turns never
    repeat their first frame. The suffix of --out decides what is written: .png .jpg .webp .exr
    a picture, .mp4 .webm .mov .gif .apng .webp a video, NAME/ or NAME/%04d.png a sequence, .npz
    the numbers, - the format that --format names, on standard output.

    \b
    graf render --seed 3 --azimuth 30 --out car.png
    graf render --azimuth 0:360 --elevation 5:40:5 --out spin.mp4
    graf render --shape 1 --appearance 1:2:1 --frames 60 --out paint.gif
    graf render --code shape=1:2 --truncation 0.7 --out near.mp4
    graf render --azimuth 0:360 --out - --format y4m | ffmpeg -i - spin.mkv
    """
    return RenderRequest(**options)
