"""`graf info`: what a file says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli.options import common_options

if TYPE_CHECKING:
    from graf_cli.recipe import Axis, Export, Recipe, SubjectPath


@click.command(short_help="What a file says of itself.")
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As one JSON object, with the whole recipe.")
@common_options
def info(file: Path, as_json: bool) -> None:
    """Print what FILE says of itself: whether it is generated, by which model, showing what.

    Of a folder, also how many of its pictures are finished, stale (files of another recipe, which
    --resume makes again) and missing.

    \b
    graf info spin.mp4
    graf info --json samples/0003.png
    graf info samples
    """
    from graf_cli.cli.console import print_json
    from graf_cli.output.provenance import reading

    found = reading.read(file)
    recipe = found.recipe(str(file))
    facts = {"file": str(file), "format": found.kind, "generated": found.generated}
    state = _state(file, recipe) if file.is_dir() else {}
    if as_json:
        print_json({**facts, **state, "recipe": recipe.to_plain()})
        return
    if state:
        state["stale"] = len(state["stale"])
    facts |= {**_facts(recipe), **state}
    width = max(12, *(len(key) + 2 for key in facts))
    for key, value in facts.items():
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
        click.echo(f"{key:<{width}}{text}")


def _state(folder: Path, recipe: Recipe) -> dict[str, Any]:
    """How many pictures are finished and missing; and the stale ones, with the reason of each."""
    from graf_cli.output.survey import survey

    found = survey(folder, recipe)
    stale = [{"picture": k, "reason": why} for k, why in sorted(found.stale.items())]
    missing = found.missing(len(recipe))
    return {"finished": len(found.finished), "stale": stale, "missing": missing}


def _facts(recipe: Recipe) -> dict[str, Any]:
    from graf_cli.recipe import Dataset, Grid, Samples, Sweep

    plan = recipe.plan
    facts: dict[str, Any] = {
        "program": f"graf {recipe.graf}",
        "model": recipe.model.name,
        "sha256": recipe.model.sha256 or "not known",
        **(_shown(recipe) if recipe.export is None else _taken(recipe, recipe.export)),
    }
    match plan:
        case Sweep():
            facts |= {} if recipe.export else _view(plan.view)
            facts |= _subject(plan.subject)
        case Samples():
            facts |= {"seed": plan.seed, **plan.controls}
        case Grid():
            facts |= _view(plan.view)
            facts |= {"rows": _axis(plan.rows), "columns": _axis(plan.columns)}
            facts |= _subject(plan.subject)
        case Dataset():
            facts |= {"objects": plan.objects, "views": plan.views, "seed": plan.seed}
            facts |= plan.controls
            facts |= {"cameras": plan.cameras, **_view(plan.view)}
            facts["splits"] = ", ".join(f"{s.name} {s.share:g}" for s in plan.splits)
            packed = "folder with labels" if plan.labels else "folder"
            facts["packed"] = packed if plan.tar_size is None else f"tars of {plan.tar_size} MB"
    if recipe.jitter is not None:
        facts["jitter"] = recipe.jitter
    return facts if recipe.frame is None else {**facts, "frame": recipe.frame}


def _shown(recipe: Recipe) -> dict[str, Any]:
    """What pictures show."""
    return {
        "pictures": len(recipe),
        "size": f"{recipe.width} × {recipe.height}",
        "samples": recipe.samples,
        "background": recipe.background,
        "shows": ", ".join(recipe.show),
        **({} if recipe.marched is None else {"marched": _marched(recipe.marched)}),
    }


def _marched(side: int) -> str:
    return f"all but rgb at {side} × {side}, each pixel enlarged"


def _taken(recipe: Recipe, export: Export) -> dict[str, Any]:
    """What is taken out of objects; options at their defaults are left out."""
    said = {"export": export.kind, "objects": len(recipe), "resolution": export.resolution}
    chosen = {"level": export.level, "faces": export.faces, "smooth": export.smooth or None}
    degree = {"sh": export.sh} if export.kind == "splats" else {}
    given = {key: value for key, value in chosen.items() if value is not None}
    return {**said, "samples": recipe.samples, **given, **degree}


def _subject(subject: SubjectPath) -> dict[str, Any]:
    """Seeds of each code, or what rows there are; controls; truncation where there is some."""
    facts: dict[str, Any] = {name: _path(seeds) for name, seeds in subject.seeds.items()}
    if subject.rows is not None:
        rows, space = subject.rows.values, subject.rows.space
        told = f"{len(rows)} of {len(rows[0])} numbers"
        facts["codes"] = told if space == "z" else f"{told} in {space}"
    facts |= {name: _path(values) for name, values in subject.controls.items()}
    return facts if subject.truncation == 1 else {**facts, "truncation": f"{subject.truncation:g}"}


def _axis(axis: Axis) -> str:
    """What changes along it, and its values."""
    from graf_cli.recipe import SeedAxis

    if isinstance(axis, SeedAxis):
        return f"{', '.join(axis.blocks)}: {', '.join(map(str, axis.seeds))}"
    [name] = axis.changes
    return f"{name}: {', '.join(f'{value:g}' for value in axis.values)}"


def _view(view: Any) -> dict[str, Any]:
    lens: dict[str, Any] = {"fov": _path(view.fov)}
    if view.intrinsics:
        lens = {"intrinsics": len(view.intrinsics)}
    if view.poses:
        return {"poses": len(view.poses), **lens}
    return {key: _path(getattr(view, key)) for key in ("azimuth", "elevation", "radius")} | lens


def _path(values: tuple[float, ...]) -> str:
    return " → ".join(str(value) if isinstance(value, int) else f"{value:g}" for value in values)
