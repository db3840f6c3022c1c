"""`graf sample`: random objects seen by random cameras."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from graf_cli.cli.options import (
    ModelChoice,
    common_options,
    engine_options,
    model_options,
    output_options,
    picture_options,
)

if TYPE_CHECKING:
    from graf_cli.model.spec import ModelSpec
    from graf_cli.output.formats import Target
    from graf_cli.recipe import Recipe

RECORDS = "samples.jsonl"


@click.command(short_help="Random objects seen by random cameras.")
@model_options
@click.option(
    "--n", type=click.IntRange(1, 1_000_000), default=16, show_default=True, help="How many."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Fixes all of it; picture k is the same whatever --n is.",
)
@picture_options
@engine_options
@output_options
@click.option(
    "--out",
    default="samples/",
    show_default=True,
    help="A folder of numbered pictures and samples.jsonl, or a file, such as one "
    "contact sheet as .png.",
)
@common_options
def sample(  # noqa: PLR0917
    model: str, checkpoint: Path | None, config: Path | None, device: str,
    n: int, seed: int,
    size: tuple[int, int] | None, samples: int | None, background: str, truncation: float,
    exact: bool, chunk: int | None,
    clobber: bool, metadata: bool, out: str,
) -> None:  # fmt: skip
    """Random objects seen by random cameras, from the model's own distribution.

    \b
    graf sample --n 64
    graf sample --n 64 --out sheet.png
    """
    from graf_cli import api
    from graf_cli.cli import job
    from graf_cli.output.formats import target_of
    from graf_cli.output.sinks import open_sink
    from graf_cli.recipe import sample as sample_recipe
    from graf_cli.render.renderer import RenderOptions

    target = target_of(out)
    generator = ModelChoice(model, checkpoint, config, device).load()
    recipe = sample_recipe(
        api.reference(generator), generator.spec, n, seed,
        size=size, samples=samples, background=background, truncation=truncation,
    )  # fmt: skip
    columns = math.ceil(math.sqrt(n))
    paths = job.run(
        generator,
        recipe,
        lambda: open_sink(target, recipe, columns=columns, clobber=clobber, metadata=metadata),
        RenderOptions(exact=exact, chunk=chunk),
    )
    if target.pattern is not None:
        paths.append(_write_records(target, recipe, generator.spec, paths))
    job.print_paths(paths)


def _write_records(target: Target, recipe: Recipe, spec: ModelSpec, paths: list[Path]) -> Path:
    """One line a picture: what `render` needs to show it again."""
    import msgspec

    from graf_cli.output.place import placed
    from graf_cli.recipe import Samples
    from graf_cli.shots import sample_draw

    assert isinstance(recipe.plan, Samples)
    records = target.path / RECORDS
    with placed(records) as temporary, temporary.open("wb") as stream:
        for k, path in enumerate(paths):
            drawn = sample_draw(recipe.plan, spec.camera, k)
            record = {"file": path.name, **msgspec.to_builtins(drawn)}
            stream.write(msgspec.json.encode(record) + b"\n")
    return records
