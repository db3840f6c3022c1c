"""`graf models`: what there is, and all about one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli.console import Common, print_json
from graf_cli.cli.options import common_options
from graf_cli.cli.types import MODEL
from graf_cli.errors import GrafError

if TYPE_CHECKING:
    from graf_cli.scene.features import Features


UNPUBLISHED = "never published; pinned by the first download"


@click.group(short_help="What models there are, and all about one.", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a model.")
@common_options
@click.pass_context
def models(ctx: click.Context, as_json: bool) -> None:
    """List the models: name, sizes, whether they are on this machine, what they show.

    \b
    graf models
    graf models show cars
    """
    if ctx.invoked_subcommand is not None:
        return
    rows = list(_rows())
    if as_json:
        for row in rows:
            print_json(row)
    else:
        _print_table(rows)


@models.command(short_help="All about one model.")
@click.argument("name", type=MODEL)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@common_options
def show(name: str, as_json: bool) -> None:
    """Print all about one model: training ranges, network, source, licence, citation."""
    facts = _facts(name)
    if as_json:
        print_json(facts)
        return
    lines = {key: text for name, value in facts.items() for key, text in _lines(name, value)}
    width = max(map(len, lines)) + 2
    for key, text in lines.items():
        click.echo(f"{key:<{width}}{text}")


def _lines(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """A fact as keys and words; what a family offers is several."""
    if name == "features":
        for key, item in value.items():
            yield from _offers(key, item)
        return
    yield (
        name.replace("_", " "),
        "yes" if value is True else "no" if value is False else _text(value),
    )


def _offers(name: str, value: Any) -> Iterator[tuple[str, str]]:
    match name:
        case "blocks":
            for block in value:
                told = f"{block['length']} numbers, {block['prior']}, moves {block['part']}"
                yield f"code {block['name']}", told
            if not value:
                yield "codes", "none: one scene"
        case "controls":
            for control in value:
                unit = f" {control['unit']}" if control["unit"] else ""
                told = f"{control['low']:g} to {control['high']:g}{unit}"
                if not control["differs"]:
                    told += f", {control['default']:g} if not said"
                random = "drawn by sample and dataset" if control["drawn"] else ""
                about = "; ".join(filter(None, (told, control["about"], random)))
                yield f"control {control['name']}", about
        case _:
            text = (
                "any"
                if value is None
                else "yes"
                if value is True
                else "no"
                if value is False
                else _text(value)
            )
            yield name.replace("_", " "), text


def _manifest() -> Any:
    from graf_cli.model.manifest import load_manifest

    return load_manifest(click.get_current_context().ensure_object(Common).manifest)


def _rows() -> Iterator[dict[str, Any]]:
    for name, entry in _manifest().models.items():
        here = [size for size in entry.sizes if _path(entry.spec(name, size).weights)]
        yield {
            "name": name,
            "aliases": list(entry.aliases),
            "sizes": entry.sizes,
            "default_size": entry.default_size,
            "cached": here,
            "title": entry.title,
        }


def _path(source: Any) -> str | None:
    from graf_cli.weights.download import cached

    try:
        path = cached(source)
    except GrafError:  # a cache that cannot be read holds nothing
        return None
    return str(path) if path else None


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = [("NAME", "SIZES", "ON THIS MACHINE", "SHOWS")]
    table += [
        (row["name"], _list(row["sizes"]), _list(row["cached"]) or "no", row["title"])
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _list(values: Sequence[object]) -> str:
    return " ".join(map(str, values))


def _text(value: Any) -> str:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(x, float) for x in value):
        return f"{value[0]:g} to {value[1]:g}"
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_text(item)}" for key, item in value.items())
    return _list(value) if isinstance(value, list) else str(value)


def _facts(name: str) -> dict[str, Any]:
    import msgspec

    from graf_cli.model.spec import features_of

    manifest = _manifest()
    spec = manifest.resolve(name)
    _, entry = manifest.find(name.partition(":")[0])
    camera = spec.camera
    return {
        "name": spec.name,
        "shows": spec.about.title,
        "note": spec.about.note,
        "aliases": list(entry.aliases),
        "sizes": entry.sizes,
        "azimuth_degrees": list(camera.azimuth),
        "elevation_degrees": list(camera.elevation),
        "radius": list(camera.radius),
        "fov_degrees": camera.fov,
        "near": camera.near,
        "far": camera.far,
        "orthographic": camera.orthographic,
        "background": spec.background,
        "family": spec.family,
        **msgspec.to_builtins(spec.settings),
        "features": _features(features_of(spec)),
        "address": spec.weights.url or f"get {spec.weights.by_hand} yourself, for --checkpoint",
        "sha256": spec.weights.sha256
        or ("never published" if spec.weights.by_hand else UNPUBLISHED),
        "cached": _path(spec.weights) or "no",
        "source": spec.about.source,
        "licence": spec.about.licence,
        "citation": spec.about.citation,
    }


def _features(features: Features) -> dict[str, Any]:
    """What a model of its family can be asked, by words of the command line."""
    import msgspec

    return {
        "blocks": msgspec.to_builtins(features.blocks),
        "spaces": list(features.spaces) if features.blocks else [],
        "truncation": features.truncation,
        "usual_truncation": features.truncation_default,
        "controls": msgspec.to_builtins(features.controls),
        "can_show": sorted(features.shows),
        "background_from": "the user" if features.background == "colour" else "the network",
        "fixed_sizes": None if features.sizes is None else list(features.sizes),
        **({"surface_pixels": features.surface} if features.surface is not None else {}),
        "azimuth_turns": f"the {features.azimuth}",
        "ray_samples": features.samples + features.further,
        "jitter": features.jitter,
        "fast_path": features.fast,
    }
