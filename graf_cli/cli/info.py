"""`graf info`: what a file says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli.options import common_options

if TYPE_CHECKING:
    from graf_cli.recipe import Recipe


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
    import msgspec

    from graf_cli.cli.console import print_json
    from graf_cli.output.provenance import reading

    found = reading.read(file)
    recipe = found.recipe(str(file))
    facts = {"file": str(file), "format": found.kind, "generated": found.generated}
    state = _state(file, recipe) if file.is_dir() else {}
    if as_json:
        print_json({**facts, **state, "recipe": msgspec.to_builtins(recipe)})
        return
    if state:
        state["stale"] = len(state["stale"])
    for key, value in {**facts, **_facts(recipe), **state}.items():
        text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
        click.echo(f"{key:<12}{text}")


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
        "pictures": len(recipe),
        "size": f"{recipe.width} × {recipe.height}",
        "samples": recipe.samples,
        "background": recipe.background,
        "shows": ", ".join(recipe.show),
    }
    match plan:
        case Sweep():
            facts |= _view(plan.view)
            facts["shape"] = _path(plan.object.shape)
            facts["appearance"] = _path(plan.object.appearance)
            if plan.object.codes:
                facts["codes"] = f"{len(plan.object.codes)} of {len(plan.object.codes[0])} numbers"
        case Samples():
            facts["seed"] = plan.seed
        case Grid():
            facts |= _view(plan.view)
            facts["shapes"], facts["appearances"] = len(plan.shapes), len(plan.appearances)
        case Dataset():
            facts |= {"objects": plan.objects, "views": plan.views, "seed": plan.seed}
            facts |= {"cameras": plan.cameras, **_view(plan.view)}
            facts["splits"] = ", ".join(f"{s.name} {s.share:g}" for s in plan.splits)
            facts["packed"] = "folder" if plan.tar_size is None else f"tars of {plan.tar_size} MB"
    return facts if recipe.frame is None else {**facts, "frame": recipe.frame}


def _view(view: Any) -> dict[str, Any]:
    lens: dict[str, Any] = {"fov": _path(view.fov)}
    if view.intrinsics:
        lens = {"intrinsics": len(view.intrinsics)}
    if view.poses:
        return {"poses": len(view.poses), **lens}
    return {key: _path(getattr(view, key)) for key in ("azimuth", "elevation", "radius")} | lens


def _path(values: tuple[float, ...]) -> str:
    return " → ".join(f"{value:g}" for value in values)
