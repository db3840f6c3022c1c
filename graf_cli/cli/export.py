"""`graf export`: the shape of an object, for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from graf_cli.cli.choices import (
    EngineChoice,
    ExportChoice,
    ModelChoice,
    ObjectChoice,
    OutputChoice,
)
from graf_cli.cli.options import (
    common_options,
    engine_options,
    export_options,
    model_options,
    object_options,
    shape_output_options,
)
from graf_cli.surfaces.options import KINDS

if TYPE_CHECKING:
    from graf_cli.surfaces.options import Extracted


@click.command(short_help="The shape of an object: a mesh, splats, points, densities.")
@model_options
@object_options
@click.option("--n", type=click.IntRange(1, 1_000_000),
              help="So many random objects, those of `graf sample`, into a folder.")  # fmt: skip
@click.option("--as", "kind", type=click.Choice(KINDS),
              help="What is taken out, where the suffix leaves a choice.  [default: what it holds "
                   "first]")  # fmt: skip
@export_options
@engine_options
@shape_output_options
@click.option("--out", help="What to write, - for standard output; the suffix decides.  "
                            "[default: MODEL.glb, or MODEL/ with --n]")  # fmt: skip
@common_options
def export(
    *,
    source: ModelChoice,
    thing: ObjectChoice,
    n: int | None,
    kind: Extracted | None,
    taken: ExportChoice,
    engine: EngineChoice,
    output: OutputChoice,
    out: str | None,
) -> None:
    """The shape of an object, in a file that other programs open.

    The suffix of --out decides what is written: .glb .ply .obj .stl a mesh, .splat.ply Gaussian
    splats, .npz a grid of densities; NAME/ or NAME/%04d.glb a file an object.

    \b
    graf export --seed 3 --out car.glb
    graf export --n 64 --out cars/
    """
    from graf_cli.cli import job
    from graf_cli.model.spec import features_of
    from graf_cli.output.formats import export_target
    from graf_cli.request.export import export as export_recipe

    opened = job.open_model(source, output)
    several = n is not None
    form = f".{output.form}" if output.form else ".glb"
    name = opened.spec.name.partition(":")[0]
    target, kind = export_target(
        out or (f"{name}/" if several else name + form), output.form, kind, folders=several
    )
    asked = {**thing.asked(features_of(opened.spec)), **taken.asked()}
    recipe = export_recipe(opened.ref, opened.spec, kind, n=n, **asked)
    job.draw(opened, recipe, target, engine, output)
