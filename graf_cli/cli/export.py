"""`graf export`: the shape of an object, for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli.choices import ExportChoice, ObjectChoice
from graf_cli.cli.drawing import Drawing, Request
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
    from graf_cli.jobs import Job
    from graf_cli.surfaces.options import Extracted


@dataclass(frozen=True, kw_only=True)
class ExportRequest(Request):
    """What `graf export` is asked."""

    thing: ObjectChoice
    n: int | None
    kind: Extracted | None
    taken: ExportChoice
    out: str | None

    def job(self) -> Job:
        """A file of a shape, or a folder of them."""
        from graf_cli.model.spec import features_of
        from graf_cli.output.formats import export_target
        from graf_cli.request.export import export

        opened = self.open()
        several, form = self.n is not None, self.output.form
        name = opened.spec.name.partition(":")[0]
        default = f"{name}/" if several else f"{name}.{form or 'glb'}"
        target, kind = export_target(self.out or default, form, self.kind, folders=several)
        asked = {**self.thing.asked(features_of(opened.spec)), **self.taken.asked()}
        recipe = export(opened.ref, opened.spec, kind, n=self.n, **asked)
        return self.job_of(opened, recipe, target)


@click.command(cls=Drawing, short_help="The shape of an object: a mesh, splats, points, densities.")
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
def export(**options: Any) -> ExportRequest:
    """The shape of an object, in a file that other programs open.

    The suffix of --out decides what is written: .glb .ply .obj .stl a mesh, .splat.ply Gaussian
    splats, .npz a grid of densities; NAME/ or NAME/%04d.glb a file an object.

    \b
    graf export --seed 3 --out car.glb
    graf export --n 64 --out cars/
    """
    return ExportRequest(**options)
