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
    from graf_cli.weights.download import Source


@click.command(short_help="Fetch models into the cache.")
@click.argument("names", nargs=-1, type=MODEL, metavar="[NAME[:SIZE]]...")
@click.option("--all", "everything", is_flag=True, help="All that a program can fetch.")
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON objects.")
@common_options
def download(names: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Fetch models into the cache, resuming what was interrupted, and print where they are.

    The name `inception` means the weights that `graf score fid` and `kid` measure with, which --all
    leaves out.

    \b
    graf download cars:128 faces
    graf download --all
    graf download inception
    """
    if everything == bool(names):
        raise click.UsageError("Name the models to fetch, or give --all.")
    from graf_cli.model.manifest import load_manifest

    common = click.get_current_context().ensure_object(Common)
    for name, source in _chosen(load_manifest(common.manifest), names):
        path = fetched(name, source)
        if as_json:
            console.print_json({"model": name, "path": str(path)})
        else:
            click.echo(path)


def _chosen(manifest: Manifest, names: tuple[str, ...]) -> list[tuple[str, Source]]:
    """What to fetch, and what to call it."""
    if names:
        return [_named(manifest, name) for name in names]
    by_hand = [spec.name for spec in manifest if _by_hand(spec)]
    if by_hand:
        console.notify(
            f"Left out, since a person has to get them: {', '.join(by_hand)}; "
            "`graf models show NAME` says where."
        )
    return [_weights(spec) for spec in manifest if not _by_hand(spec)]


def _named(manifest: Manifest, name: str) -> tuple[str, Source]:
    """A model of the manifest, which comes first, or the network that scores are made with."""
    from graf_cli.scoring import standard

    if name == standard.NAME and name not in manifest:
        return name, standard.WEIGHTS
    return _weights(manifest.resolve(name))


def _weights(spec: ModelSpec) -> tuple[str, Source]:
    assert spec.weights is not None
    return spec.name, spec.weights


def _by_hand(spec: ModelSpec) -> bool:
    return spec.weights is not None and bool(spec.weights.by_hand)


def fetched(name: str, source: Source) -> Path:
    """The path of a file in the cache, its transfer shown under a name."""
    from graf_cli.weights.download import fetch

    offline = console.common().offline
    with console.transfer(name) as progress:
        return fetch(source, offline=offline, progress=progress, notify=console.notify)
