"""Options that commands share, and what they make of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from graf_cli.cli import console
from graf_cli.cli.console import Common
from graf_cli.cli.types import COLOUR, MODEL, SIZE, SWEEP

if TYPE_CHECKING:
    from graf_cli.model.generator import Generator

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_MODEL = "toy-cars"
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a common option where both the group and the command put theirs."""
    common = ctx.ensure_object(Common)
    match param.name:
        case "verbose" if value:
            common.verbosity = 1
        case "quiet" if value:
            common.verbosity = -1
        case "debug" if value:
            common.debug = True
        case "offline" if value is not None:
            common.offline = value
        case "manifest" if value is not None:
            common.manifest = value
    console.set_verbosity(common.verbosity)


def _options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    def apply(command: F) -> F:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return apply


def _common(*names: str, **settings: Any) -> Callable[[F], F]:
    return click.option(*names, expose_value=False, callback=_remember, **settings)


common_options = _options(
    _common("--manifest", type=FILE, envvar="GRAF_MANIFEST",
            help="Models of your own, added to the built-in ones."),
    _common("--offline/--online", default=None, envvar="GRAF_OFFLINE",
            help="Open no socket.  [default: online]"),
    _common("-v", "--verbose", is_flag=True, help="Say more of what happens."),
    _common("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    _common("--debug", is_flag=True, help="Show a traceback with every error."),
)  # fmt: skip

model_options = _options(
    click.option("--model", type=MODEL, default=DEFAULT_MODEL, envvar="GRAF_MODEL",
                 show_default=True, help="NAME or NAME:SIZE; see `graf models`."),
    click.option("--checkpoint", type=FILE,
                 help="A checkpoint of your own instead: GRAF's model_best.pt with its --config, "
                      "or a file of `graf convert`."),
    click.option("--config", type=FILE, help="The config.yaml of that training."),
    click.option("--device", default="auto", envvar="GRAF_DEVICE", show_default=True,
                 help="auto, cpu, cuda, cuda:N or mps."),
)  # fmt: skip

picture_options = _options(
    click.option("--size", type=SIZE, help="N or WxH, in pixels.  [default: the model's]"),
    click.option("--samples", type=click.IntRange(1, 4096),
                 help="Samples along a ray.  [default: the model's]"),
    click.option("--background", type=COLOUR, default="model", show_default=True,
                 help="white, black, #rrggbb, or the model's own."),
    click.option("--truncation", type=click.FloatRange(0, 100), default=1.0, show_default=True,
                 help="Scales the codes: below 1 nearer to the average object."),
)  # fmt: skip

camera_options = _options(
    click.option("--azimuth", type=SWEEP, help="Degrees.  [default: middle of the training range]"),
    click.option("--elevation", type=SWEEP,
                 help="Degrees above the horizon.  [default: likewise]"),
    click.option("--radius", type=SWEEP, help="Distance from the origin.  [default: likewise]"),
    click.option("--fov", type=SWEEP, help="Degrees across the width.  [default: the model's]"),
)  # fmt: skip

engine_options = _options(
    click.option("--exact", is_flag=True, help="Use the plain marcher, sample by sample."),
    click.option("--chunk", type=click.IntRange(64, 1 << 24),
                 help="Points that go through the network at once.  [default: what suits]"),
)  # fmt: skip

output_options = _options(
    click.option("--clobber/--no-clobber", default=True, show_default=True,
                 help="Whether files that are already there are replaced."),
    click.option("--metadata/--no-metadata", default=True, show_default=True,
                 help="Whether files say how they were made, and that they are generated."),
)  # fmt: skip


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and where it runs."""

    model: str
    checkpoint: Path | None
    config: Path | None
    device: str

    def load(self) -> Generator:
        """The generator, fetched if need be.

        Raises
        ------
        GrafError
        """
        from graf_cli import api

        common = click.get_current_context().ensure_object(Common)
        with console.transfer(self.model) as progress:
            return api.load(
                self.model,
                checkpoint=self.checkpoint,
                config=self.config,
                device=self.device,
                manifest=common.manifest,
                offline=common.offline,
                progress=progress,
                notify=console.notify,
            )
