"""`graf grid`: rows share a shape, columns an appearance."""

from __future__ import annotations

from pathlib import Path

import click

from graf_cli.cli.options import (
    ModelChoice,
    camera_options,
    common_options,
    engine_options,
    model_options,
    output_options,
    picture_options,
)

COUNT = click.IntRange(1, 256)


@click.command(short_help="Rows share a shape, columns an appearance.")
@model_options
@click.option("--shapes", type=COUNT, default=5, show_default=True, help="Rows.")
@click.option("--appearances", type=COUNT, default=5, show_default=True, help="Columns.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**62),
    default=0,
    show_default=True,
    help="Of the first row and column; the others follow.",
)
@camera_options
@picture_options
@engine_options
@output_options
@click.option("--out", default="grid.png", show_default=True, help="What to write.")
@common_options
def grid(  # noqa: PLR0917
    model: str, checkpoint: Path | None, config: Path | None, device: str,
    shapes: int, appearances: int, seed: int,
    azimuth: tuple[float, ...] | None, elevation: tuple[float, ...] | None,
    radius: tuple[float, ...] | None, fov: tuple[float, ...] | None,
    size: tuple[int, int] | None, samples: int | None, background: str, truncation: float,
    exact: bool, chunk: int | None,
    clobber: bool, metadata: bool, out: str,
) -> None:  # fmt: skip
    """Every shape in every appearance: rows share a shape, columns an appearance.

    \b
    graf grid --shapes 5 --appearances 5 --azimuth 30 --out grid.png
    """
    from graf_cli import api
    from graf_cli.cli import job
    from graf_cli.output.formats import target_of
    from graf_cli.output.sinks import open_sink
    from graf_cli.recipe import grid as grid_recipe
    from graf_cli.render.renderer import RenderOptions

    target = target_of(out)
    generator = ModelChoice(model, checkpoint, config, device).load()
    recipe = grid_recipe(
        api.reference(generator), generator.spec,
        shapes=range(seed, seed + shapes), appearances=range(seed, seed + appearances),
        azimuth=azimuth, elevation=elevation, radius=radius, fov=fov,
        size=size, samples=samples, background=background, truncation=truncation,
    )  # fmt: skip
    paths = job.run(
        generator,
        recipe,
        lambda: open_sink(target, recipe, columns=appearances, clobber=clobber, metadata=metadata),
        RenderOptions(exact=exact, chunk=chunk),
    )
    job.print_paths(paths)
