"""`graf convert`: a training checkpoint becomes a small file that describes itself."""

from __future__ import annotations

from pathlib import Path

import click

from graf_cli.cli.options import FILE, common_options


@click.command(short_help="A training checkpoint becomes one small file.")
@click.argument("file", type=FILE)
@click.option("--config", type=FILE, help="The config.yaml of its training.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="NAME.safetensors")
@click.option("--half", is_flag=True, help="Store numbers in half precision.")
@click.option(
    "--clobber/--no-clobber",
    default=True,
    show_default=True,
    help="Whether a file that is already there is replaced.",
)
@common_options
def convert(file: Path, config: Path | None, out: Path, half: bool, clobber: bool) -> None:
    """Keep the averaged generator of FILE and its specification, which --checkpoint takes alone.

    \b
    graf convert chkpts/model_best.pt --config config.yaml --out model.safetensors
    """
    if out.suffix.lower() != ".safetensors":
        raise click.BadParameter(f"`{out}` must end in .safetensors.", param_hint="--out")
    import torch

    from graf_cli.model.checkpoint import write_weights
    from graf_cli.model.generator import open_checkpoint
    from graf_cli.output.place import placed

    spec, weights = open_checkpoint(file, config)
    with placed(out, clobber=clobber) as temporary:
        write_weights(temporary, spec, weights, torch.float16 if half else torch.float32)
    click.echo(out)
