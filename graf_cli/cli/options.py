"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from graf_cli.cli import console
from graf_cli.cli.choices import (
    EngineChoice,
    ExportChoice,
    ModelChoice,
    MotionChoice,
    ObjectChoice,
    OutputChoice,
    PictureChoice,
    ViewChoice,
)
from graf_cli.cli.console import Common
from graf_cli.cli.types import CODE, COLOUR, CONTROL, DEPTHS, MODEL, SEEDS, SHOW, SIZE, SWEEP
from graf_cli.engine.table import ENGINES
from graf_cli.output.table import ALIASES, EXPORTS, FORMATS
from graf_cli.surfaces.options import LEAST, MOST

F = TypeVar("F", bound=Callable[..., Any])
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
FORMAT_NAMES = tuple(name for name in FORMATS if name not in ALIASES)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a common option where both the group and the command put theirs."""
    common = ctx.ensure_object(Common)
    match param.name:
        case "verbose" if value:
            common.verbosity = 1
        case "quiet" if value:
            common.verbosity = -1
        case "debug" if value:
            common.debug = True
        case "offline" if value is not None:
            common.offline = value
        case "manifest" if value is not None:
            common.manifest = value
    console.set_verbosity(common.verbosity)


def _options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def apply(command: F) -> F:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


def _common(*names: str, **settings: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_remember, **settings)


def _group(name: str, kind: type[Any], *decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Options that reach the command as one argument `name`, an instance of `kind`."""
    keys = [field.name for field in fields(kind)]

    def apply(command: F) -> F:
        @wraps(command)
        def gathered(*args: Any, **values: Any) -> Any:
            choice = kind(**{key: values.pop(key) for key in keys if key in values})
            return command(*args, **values, **{name: choice})

        return _options(*decorators)(cast(F, gathered))

    return apply


common_options = _options(
    _common("--manifest", type=FILE, envvar="GRAF_MANIFEST",
            help="Models of your own, added to the built-in ones."),
    _common("--offline/--online", default=None, envvar="GRAF_OFFLINE",
            help="Open no socket.  [default: online]"),
    _common("-v", "--verbose", is_flag=True, help="Say more of what happens."),
    _common("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    _common("--debug", is_flag=True, help="Show a traceback with every error."),
)  # fmt: skip

model_options = _group(
    "source", ModelChoice,
    click.option("--model", type=MODEL, envvar="GRAF_MODEL",
                 help="NAME or NAME:SIZE; see `graf models`.  [default: toy-cars]"),
    click.option("--checkpoint", type=FILE,
                 help="A checkpoint of your own instead: GRAF's model_best.pt or a NeRF's "
                      "200000.tar with its --config, or a file of `graf convert`."),
    click.option("--config", type=FILE,
                 help="The config.yaml or config.txt of that training."),
    click.option("--family",
                 help="Kind of generator of --checkpoint.  [default: what the file says]"),
    click.option("--like", type=MODEL,
                 help="A model of `graf models` that --checkpoint's is made as, where that file "
                      "has numbers alone."),
    click.option("--device", default="auto", envvar="GRAF_DEVICE", show_default=True,
                 help="auto, cpu, cuda, cuda:N or mps."),
)  # fmt: skip

_SETTINGS = (
    click.option("--truncation", type=click.FloatRange(0, 100),
                 help="Below 1 nearer to the average object: scales codes, or draws them to the "
                      "mean.  [default: the model's]"),
    click.option("--control", "controls", type=CONTROL, multiple=True, metavar="NAME=SWEEP",
                 help="What this family alone has; see `graf models show`. May be repeated."),
)  # fmt: skip

_LOOK = (
    click.option("--size", type=SIZE, help="N or WxH, in pixels.  [default: the model's]"),
    click.option("--raster", type=SIZE, metavar="SIZE",
                 help="Of the map that a 2-D network paints, N or WxH, where that can have "
                      "another size.  [default: the model's]"),
    click.option("--objects", type=SWEEP, metavar="N",
                 help="How many objects there are, where a model shows several; more than it was "
                      "trained on, too.  [default: as in training]"),
    click.option("--samples", type=click.IntRange(1, 4096),
                 help="Samples along a ray.  [default: the model's]"),
    click.option("--background", type=COLOUR,
                 help="white, black, #rrggbb, transparent, or model.  [default: model]"),
    *_SETTINGS,
    click.option("--jitter", type=click.IntRange(0, 2**63 - 1), metavar="SEED",
                 help="Draw the authors' random samples.  [default: none, so that pictures "
                      "repeat]"),
)  # fmt: skip
look_options = _group("picture", PictureChoice, *_LOOK)

picture_options = _group(
    "picture", PictureChoice, *_LOOK,
    click.option("--show", type=SHOW, metavar="KIND[,KIND...]",
                 help="rgb, rgba, depth, depth16, disparity, opacity, normal, raw, alpha; several "
                      "stand side by side, as do rgb,depth,normal for side-by-side.  "
                      "[default: rgb]"),
    click.option("--depth-range", type=DEPTHS, metavar="NEAR:FAR",
                 help="Ends of the scale of depths.  [default: the model's near and far]"),
    click.option("--normals", type=click.Choice(["camera", "world"]),
                 help="Whose axes normals are shown in.  [default: camera]"),
)  # fmt: skip

_FOV = click.option("--fov", type=SWEEP, help="Degrees across the width.  [default: the model's]")

camera_options = _group(
    "view", ViewChoice,
    click.option("--azimuth", type=SWEEP,
                 help="Degrees, of the camera or, where `graf models show` says so, of the "
                      "objects.  [default: middle of the training range]"),
    click.option("--elevation", type=SWEEP,
                 help="Degrees above the horizon.  [default: likewise]"),
    click.option("--radius", type=SWEEP, help="Distance from the origin.  [default: likewise]"),
    _FOV,
)  # fmt: skip

rig_options = _group(
    "view", ViewChoice,
    click.option("--azimuth", type=SWEEP,
                 help="Degrees; a range, or the keyframes of an orbit.  [default: the training "
                      "range]"),
    click.option("--elevation", type=SWEEP,
                 help="Degrees above the horizon.  [default: likewise; of an orbit its middle]"),
    click.option("--radius", type=SWEEP,
                 help="Distance from the origin.  [default: likewise; of an orbit and a cap its "
                      "middle]"),
    _FOV,
)  # fmt: skip

code_option = click.option(
    "--code", "codes", type=CODE, multiple=True, metavar="NAME=SEEDS",
    help="Seed of one code alone; see `graf models show`. May be repeated.  [default: --seed]",
)  # fmt: skip

object_options = _group(
    "thing", ObjectChoice,
    click.option("--seed", type=SEEDS, help="Of all codes.  [default: 0]"),
    code_option,
    click.option("--shape", type=SEEDS, help="Short for --code shape=SEEDS."),
    click.option("--appearance", type=SEEDS, help="Short for --code appearance=SEEDS."),
    click.option("--latent", type=click.Path(exists=True, path_type=Path, allow_dash=True),
                 help="Codes from a .npz (an array a code) or .npy (n × numbers); - is stdin."),
    click.option("--space", help="What these are: z, or w, w+, film where the model has them.  "
                                 "[default: z]"),
)  # fmt: skip

motion_options = _group(
    "motion", MotionChoice,
    click.option("--frames", type=click.IntRange(1, 1_000_000),
                 help="How many.  [default: 120 when something sweeps, else 1]"),
    click.option("--fps", type=click.FloatRange(0, 1000, min_open=True),
                 help="Frames a second.  [default: 30]"),
    click.option("--ease", type=click.Choice(["linear", "smooth"]),
                 help="Whether a sweep starts and ends slowly.  [default: linear]"),
    click.option("--boomerang/--no-boomerang", default=None,
                 help="Sweep there and back within the frames."),
)  # fmt: skip

engine_options = _group(
    "engine", EngineChoice,
    click.option("--exact", is_flag=True, help="Use the plain marcher, sample by sample."),
    click.option("--chunk", type=click.IntRange(64, 1 << 24),
                 help="Points that go through the network at once.  [default: what suits]"),
    click.option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True,
                 help="Of the matrix products; auto is the fastest that keeps the promised error."),
    click.option("--engine", type=click.Choice([*ENGINES]), default="local",
                 show_default=True, help="Where pictures are drawn: here, or on a Ray cluster."),
    click.option("--address", help="Of a Ray cluster.  [default: start one on this machine]"),
    click.option("--workers", type=click.IntRange(1, 100_000),
                 help="Ray actors.  [default: one a GPU, else one a core]"),
)  # fmt: skip

_RUN = (
    click.option("--clobber/--no-clobber", default=True, show_default=True,
                 help="Whether files that are already there are replaced."),
    click.option("--metadata/--no-metadata", default=True, show_default=True,
                 help="Whether files say how they were made, and that they are generated."),
    click.option("--json", "as_json", is_flag=True, help="Print results as JSON objects."),
    click.option("--dry-run", is_flag=True,
                 help="Print the recipe and what it would cost, and do nothing else."),
    click.option("--resume", is_flag=True,
                 help="Keep what is finished of this very recipe, also of this run if it is "
                      "interrupted, and make the rest."),
    click.option("--shard", metavar="I/N|auto",
                 help="Make only the I-th of N parts; auto asks the job array that this runs in. "
                      "Implies --resume."),
)  # fmt: skip
run_options = _group("output", OutputChoice, *_RUN)

export_options = _group(
    "taken", ExportChoice,
    *_SETTINGS,
    click.option("--samples", type=click.IntRange(2, 4096),
                 help="Samples along a ray, whose distance says where the surface is.  "
                      "[default: the model's]"),
    click.option("--frames", type=click.IntRange(1, 1_000_000),
                 help="Objects along a sweep of codes or controls.  [default: 120 when something "
                      "sweeps, else 1]"),
    click.option("--ease", type=click.Choice(["linear", "smooth"]),
                 help="Whether a sweep starts and ends slowly.  [default: linear]"),
    click.option("--resolution", type=click.IntRange(LEAST, MOST),
                 help="Cells along the longest side of the box around the object.  "
                      "[default: 128; 96 of splats]"),
    click.option("--level", type=click.FloatRange(0, min_open=True),
                 help="Density of the surface, per world unit.  [default: that whose silhouettes "
                      "are those of pictures; of a grid ln 2 / step]"),
    click.option("--faces", type=click.IntRange(4), help="Of a mesh, at most.  [default: all]"),
    click.option("--smooth", type=click.IntRange(0, 100),
                 help="Rounds of smoothing of a mesh.  [default: 0]"),
    click.option("--sh", type=click.IntRange(0, 3),
                 help="Degree of the spherical harmonics of splats, by which their colour depends "
                      "on the view.  [default: 0]"),
)  # fmt: skip

shape_output_options = _group(
    "output", OutputChoice,
    click.option("--format", "form", type=click.Choice([*EXPORTS]), metavar="NAME",
                 help="What --out holds, whatever its suffix: " + " ".join(EXPORTS) + "."),
    *_RUN,
)  # fmt: skip

output_options = _group(
    "output", OutputChoice,
    click.option("--format", "form", type=click.Choice(FORMAT_NAMES), metavar="NAME",
                 help="What --out holds, whatever its suffix; with --out - what is sent: "
                      + " ".join(FORMAT_NAMES) + "."),
    click.option("--codec", type=click.Choice(["h264", "h265", "av1", "vp9", "prores"]),
                 help="Of a video.  [default: h264 for .mp4, vp9 for .webm, prores for .mov]"),
    click.option("--crf", type=click.IntRange(0, 63),
                 help="Quality of a video, 0 the best.  [default: what looks lossless]"),
    click.option("--loop", type=click.IntRange(0, 65535),
                 help="How often .gif, .apng and .webp play, 0 for ever.  [default: 0]"),
    *_RUN,
)  # fmt: skip
