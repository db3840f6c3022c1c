"""`graf convert`: a training checkpoint becomes a small file that describes itself."""

from __future__ import annotations

from pathlib import Path

import click

from graf_cli.cli.console import common, print_json
from graf_cli.cli.options import FILE, common_options
from graf_cli.cli.types import MODEL


@click.command(short_help="A training checkpoint becomes one small file.")
@click.argument("file", type=FILE)
@click.option("--config", type=FILE, help="The config.yaml or config.txt of its training.")
@click.option(
    "--family", help="Kind of generator, where the file is not to be asked; see `graf models`."
)
@click.option(
    "--like", type=MODEL, help="A model of `graf models` made alike, for a file of numbers alone."
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="NAME.safetensors")
@click.option("--half", is_flag=True, help="Store numbers in half precision.")
@click.option(
    "--clobber/--no-clobber",
    default=True,
    show_default=True,
    help="Whether a file that is already there is replaced.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON object.")
@common_options
def convert(  # noqa: PLR0917 - click calls it by name
    file: Path,
    config: Path | None,
    family: str | None,
    like: str | None,
    out: Path,
    half: bool,
    clobber: bool,
    as_json: bool,
) -> None:
    """Keep the generator of FILE and its specification in a file that --checkpoint takes alone.

    \b
    graf convert chkpts/model_best.pt --config config.yaml --out model.safetensors
    """
    if out.suffix.lower() != ".safetensors":
        raise click.BadParameter(f"`{out}` must end in .safetensors.", param_hint="--out")
    import torch

    from graf_cli.model.checkpoint import open_checkpoint, write_checkpoint
    from graf_cli.model.generator import digest
    from graf_cli.model.manifest import load_manifest
    from graf_cli.output.store.atomic import placed

    alike = None if like is None else load_manifest(common().manifest).resolve(like)
    spec, networks = open_checkpoint(file, config, family, alike)
    with placed(out, clobber=clobber) as temporary:
        write_checkpoint(temporary, spec, networks, torch.float16 if half else torch.float32)
    if as_json:
        print_json({"path": str(out), "bytes": out.stat().st_size, "sha256": digest(out)})
    else:
        click.echo(out)
