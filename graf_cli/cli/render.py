"""`graf render`: one picture, or a video as soon as something sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli import console
from graf_cli.cli.choices import (
    EngineChoice,
    ModelChoice,
    MotionChoice,
    ObjectChoice,
    OutputChoice,
    PictureChoice,
    ViewChoice,
    from_command_line,
)
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
    from graf_cli.opening import Opened
    from graf_cli.output.formats import Target
    from graf_cli.recipe import Recipe

INPUT = click.Path(exists=True, path_type=Path, allow_dash=True)


@click.command(short_help="One picture, or a video as soon as something sweeps.")
@model_options
@object_options
@camera_options
@click.option(
    "--poses",
    type=INPUT,
    help="Cameras from a .npy or .npz (n × 3 × 4, n × 4 × 4, LLFF's n × 17), a transforms.json or "
    "a camera_path.json; - is stdin.",
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
def render(
    *,
    source: ModelChoice,
    thing: ObjectChoice,
    view: ViewChoice,
    poses: Path | None,
    path: str | None,
    save_cameras: Path | None,
    motion: MotionChoice,
    picture: PictureChoice,
    recipe: Path | None,
    engine: EngineChoice,
    output: OutputChoice,
    out: str | None,
) -> None:
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
    from graf_cli.cli import inputs, job
    from graf_cli.jobs import Job, default_target
    from graf_cli.output.cameras import check_cameras
    from graf_cli.output.formats import target_of
    from graf_cli.request import spiral_of

    inputs.only_one_stdin(latent=thing.latent, poses=poses, recipe=recipe)
    if save_cameras:
        check_cameras(save_cameras, latent=thing.latent, poses=poses, recipe=recipe)
    target = target_of(out, output.form) if out else None
    base = job.read_recipe(None if recipe == inputs.STDIN else recipe) if recipe else None
    opened = job.open_model(source, output, base)
    asked: dict[str, Any] = {
        **picture.asked(),
        **motion.asked(),
        **_asked(opened, thing, view, poses, (picture.size, motion.fps)),
    }
    if path:
        if poses:
            raise click.UsageError("--poses and --path both say where the cameras are; give one.")
        asked["poses"] = spiral_of(opened.spec, motion.frames)
    made = _recipe(opened, base, asked)
    target = target or default_target(made.model.name, made, output.form)
    also = _saving(save_cameras, made, opened, target, output) if save_cameras else None
    asked_job = Job(opened, made, target, engine.options(), output.options(), also=also)
    job.run(asked_job, engine, output)


def _asked(
    opened: Opened,
    thing: ObjectChoice,
    view: ViewChoice,
    poses: Path | None,
    given: tuple[tuple[int, int] | None, float | None],
) -> dict[str, Any]:
    """Which object, seen from where; files are read now."""
    from graf_cli.cli.inputs import cameras_from
    from graf_cli.model.spec import features_of

    asked: dict[str, Any] = {**thing.asked(features_of(opened.spec)), **view.asked()}
    size, fps = given
    if poses:
        cameras = cameras_from(poses, size, opened.spec, view.fov)
        asked["poses"] = cameras.rows
        asked["fov"] = cameras.fov if view.fov is None else view.fov
        asked["intrinsics"] = cameras.intrinsics or None
        asked["size"] = cameras.size
        if fps is None and cameras.fps is not None:
            asked["fps"] = cameras.fps
    return asked


def _saving(
    path: Path, recipe: Recipe, opened: Opened, target: Target, output: OutputChoice
) -> Callable[[], Path]:
    """What writes the cameras; whether it can is found now."""
    from graf_cli.output.cameras import cameras_of, is_there, save_cameras
    from graf_cli.shots import Shots

    data = cameras_of(path, recipe, Shots(recipe, opened.spec), target)
    is_there(path, data, clobber=output.clobber)
    return partial(save_cameras, path, data, clobber=output.clobber)


def _recipe(opened: Opened, base: Recipe | None, asked: Mapping[str, Any]) -> Recipe:
    from graf_cli.request import override, sweep

    if base is None:
        return sweep(opened.ref, opened.spec, **asked)
    if opened.ref != base.model:
        console.warn(f"The recipe is of {base.model.name}; this draws it with {opened.ref.name}.")
    return override(base, opened.ref, opened.spec, **_on_the_command_line(asked))


def _on_the_command_line(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Less what comes from GRAF_RENDER_… variables, which set defaults and not this job."""
    given = {**asked}
    for key in asked:
        sources = {
            "latents": ("latent",),
            "fov": ("fov", "poses"),
            "size": ("size", "poses"),
            "intrinsics": ("poses",),
            "poses": ("poses", "path"),
            "fps": ("fps", "poses"),
        }.get(key, (key,))
        if not any(map(from_command_line, sources)):
            given.pop(key)
    return given
