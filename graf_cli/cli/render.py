"""`graf render`: one picture, or a video as soon as something sweeps."""

from __future__ import annotations

from pathlib import Path

import click

from graf_cli.cli.options import (
    FILE,
    ModelChoice,
    camera_options,
    common_options,
    engine_options,
    model_options,
    output_options,
    picture_options,
)
from graf_cli.cli.types import SEEDS


@click.command(short_help="One picture, or a video as soon as something sweeps.")
@model_options
@click.option("--seed", type=SEEDS, default="0", show_default=True, help="Of shape and appearance.")
@click.option("--shape", type=SEEDS, help="Seed of the shape alone.  [default: --seed]")
@click.option("--appearance", type=SEEDS, help="Seed of the appearance alone.  [default: --seed]")
@click.option(
    "--latent", type=FILE, help="Codes from a .npz (shape, appearance) or .npy (n × dim)."
)
@camera_options
@click.option(
    "--poses",
    type=FILE,
    help="Cameras from a .npy, a .npz (n × 3 × 4 or 4 × 4), or a transforms.json.",
)
@click.option(
    "--frames",
    type=click.IntRange(1, 1_000_000),
    help="How many.  [default: 120 when something sweeps, else 1]",
)
@click.option(
    "--fps",
    type=click.FloatRange(0, 1000, min_open=True),
    default=30.0,
    show_default=True,
    help="Frames a second.",
)
@picture_options
@engine_options
@output_options
@click.option("--out", help="What to write; the suffix decides.  [default: MODEL.png or MODEL.mp4]")
@common_options
def render(  # noqa: PLR0917
    model: str, checkpoint: Path | None, config: Path | None, device: str,
    seed: tuple[int, ...], shape: tuple[int, ...] | None, appearance: tuple[int, ...] | None,
    latent: Path | None,
    azimuth: tuple[float, ...] | None, elevation: tuple[float, ...] | None,
    radius: tuple[float, ...] | None, fov: tuple[float, ...] | None, poses: Path | None,
    frames: int | None, fps: float,
    size: tuple[int, int] | None, samples: int | None, background: str, truncation: float,
    exact: bool, chunk: int | None,
    clobber: bool, metadata: bool, out: str | None,
) -> None:  # fmt: skip
    """One picture, or a video as soon as something sweeps.

    A sweep is `from:to`, or keyframes `a:b:c`; several may sweep at once. Whole turns never
    repeat their first frame. The suffix of --out decides what is written: .png .jpg .webp a
    picture, .mp4 .webm .gif a video, NAME/ or NAME/%04d.png a sequence, .npz the numbers.

    \b
    graf render --seed 3 --azimuth 30 --out car.png
    graf render --azimuth 0:360 --elevation 5:40:5 --out spin.mp4
    graf render --shape 1 --appearance 1:2:1 --frames 60 --out paint.gif
    """
    from graf_cli import api
    from graf_cli.cli import job
    from graf_cli.model.latent import read_latents
    from graf_cli.output.formats import target_of
    from graf_cli.output.sinks import open_sink
    from graf_cli.recipe import sweep
    from graf_cli.render.poses import Poses, read_poses
    from graf_cli.render.renderer import RenderOptions

    target = target_of(out) if out else None
    cameras = read_poses(poses) if poses else Poses(rows=())
    generator = ModelChoice(model, checkpoint, config, device).load()
    recipe = sweep(
        api.reference(generator), generator.spec,
        seed=seed, shape=shape, appearance=appearance, truncation=truncation,
        latents=read_latents(latent, generator.spec.latent).tolist() if latent else None,
        azimuth=azimuth, elevation=elevation, radius=radius, fov=fov or cameras.fov,
        poses=cameras.rows, frames=frames, fps=fps,
        size=size or cameras.size, samples=samples, background=background,
    )  # fmt: skip
    target = target or target_of(_default_name(generator.spec.name, len(recipe)))
    paths = job.run(
        generator,
        recipe,
        lambda: open_sink(target, recipe, clobber=clobber, metadata=metadata),
        RenderOptions(exact=exact, chunk=chunk),
    )
    job.print_paths(paths)


def _default_name(model: str, frames: int) -> str:
    return f"{model.partition(':')[0]}{'.mp4' if frames > 1 else '.png'}"
