"""`graf download`: weights into the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from graf_cli.cli import console
from graf_cli.cli.console import Common
from graf_cli.cli.options import common_options
from graf_cli.cli.types import MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from graf_cli.model.manifest import Manifest
    from graf_cli.scene.spec import ModelSpec


@click.command(short_help="Fetch models into the cache.")
@click.argument("names", nargs=-1, type=MODEL, metavar="[NAME[:SIZE]]...")
@click.option("--all", "everything", is_flag=True, help="All that a program can fetch.")
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON objects.")
@common_options
def download(names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Fetch models into the cache, resuming what was interrupted, and print where they are.

    \b
    graf download cars:128 faces
    graf download --all
    """
    if everything == bool(names):
        raise click.UsageError("Name the models to fetch, or give --all.")
    from graf_cli.model.manifest import load_manifest

    common = click.get_current_context().ensure_object(Common)
    for spec in _chosen(load_manifest(common.manifest), names):
        path = _fetch(spec, common)
        if as_json:
            console.print_json({"model": spec.name, "path": str(path)})
        else:
            click.echo(path)


def _chosen(manifest: Manifest, names: tuple[str, ...]) -> list[ModelSpec]:
    if names:
        return [manifest.resolve(name) for name in names]
    by_hand = [spec.name for spec in manifest if _by_hand(spec)]
    if by_hand:
        console.notify(
            f"Left out, since a person has to get them: {', '.join(by_hand)}; "
            "`graf models show NAME` says where."
        )
    return [spec for spec in manifest if not _by_hand(spec)]


def _by_hand(spec: ModelSpec) -> bool:
    return spec.weights is not None and bool(spec.weights.by_hand)


def _fetch(spec: ModelSpec, common: Common) -> Path:
    from graf_cli.weights.download import fetch

    assert spec.weights is not None
    with console.transfer(spec.name) as progress:
        return fetch(spec.weights, offline=common.offline, progress=progress, notify=console.notify)
