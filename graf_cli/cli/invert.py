"""`graf invert`: the codes and the camera whose picture is closest to a photograph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli import console
from graf_cli.cli.choices import ModelChoice, ViewChoice, by_name
from graf_cli.cli.options import FILE, camera_options, common_options, model_options
from graf_cli.cli.types import COLOUR, CONTROL, SIZE

if TYPE_CHECKING:
    from graf_cli.inversion.answer import Found
    from graf_cli.inversion.photograph import Photograph
    from graf_cli.inversion.run import Report
    from graf_cli.model.generator import Generator

DEFAULT_OUT = "found.json"


@click.command(short_help="The codes and the camera closest to a photograph.")
@click.argument("photographs", nargs=-1, required=True, type=FILE)
@model_options
@click.option(
    "--mask",
    "masks",
    type=FILE,
    multiple=True,
    help="White where the object is; one a photograph, in their order. Transparency counts too.",
)
@camera_options
@click.option(
    "--poses", type=FILE, help="Cameras, one a photograph, as `graf render --poses` takes them."
)
@click.option("--size", type=SIZE, help="N or WxH, to compare at.  [default: the model's]")
@click.option("--samples", type=click.IntRange(1, 4096), help="Samples along a ray.")
@click.option("--background", type=COLOUR, help="Of the photographs.  [default: the model's]")
@click.option(
    "--objects", type=click.IntRange(0, 64),
    help="How many there are, where a model shows several.  [default: as in training]",
)  # fmt: skip
@click.option(
    "--control", "controls", type=CONTROL, multiple=True, metavar="NAME=VALUE",
    help="What this family alone has; see `graf models show`. May be repeated.",
)  # fmt: skip
@click.option(
    "--prior", type=click.FloatRange(0, 1e6), default=3e-3, show_default=True,
    help="Weight of the codes' prior: more is nearer to the average object.",
)  # fmt: skip
@click.option(
    "--space", metavar="NAME",
    help="In which codes are looked for: z, w, w+, film.  [default: what z is mapped to, else z]",
)  # fmt: skip
@click.option(
    "--perceptual", type=FILE,
    help="TorchScript network whose distance counts as well, such as StyleGAN's vgg16.pt.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True,
              help="Of the starts.")  # fmt: skip
@click.option("--starts", type=click.IntRange(1, 4096),
              help="Codes that are tried, each from all sides.  [default: 6; 7 where cameras are "
                   "given]")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, min_open=True),
              help="Time to take.  [default: what it takes]")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on with what was begun, and keep what is there.")
@click.option("--clobber/--no-clobber", default=True, show_default=True,
              help="Whether a file that is already there is replaced.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=DEFAULT_OUT,
              show_default=True, help="The recipe to write.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON object.")
@common_options
def invert(
    *,
    photographs: tuple[Path, ...],
    source: ModelChoice,
    masks: tuple[Path, ...],
    view: ViewChoice,
    poses: Path | None,
    size: tuple[int, int] | None,
    samples: int | None,
    background: str | None,
    objects: int | None,
    controls: tuple[tuple[str, tuple[float, ...]], ...],
    prior: float,
    space: str | None,
    perceptual: Path | None,
    seed: int,
    starts: int | None,
    seconds: float | None,
    resume: bool,
    clobber: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Find the object and the camera whose picture is closest to PHOTOGRAPHS of one object.

    What is known of the cameras is given (--azimuth, --elevation, --radius, one or A:B:C one a
    photograph, or --poses), the rest is looked for. The recipe has one frame a photograph, and
    shows the object from all sides.

    \b
    graf invert photo.png --out found.json
    graf invert a.png b.png --azimuth 30:120 --elevation 20 --out found.json
    graf render --recipe found.json --azimuth 0:360 --out spin.mp4
    """
    from graf_cli.inversion.asking import inverted, photographs_of, plan_of, problem_of
    from graf_cli.inversion.run import progress_of
    from graf_cli.output.store.atomic import placed, refuse_present
    from graf_cli.stopping import after_the_picture_in_hand

    progress = progress_of(out)
    if resume and out.exists() and not progress.exists():
        console.notify(f"{out} is finished and kept.")
        click.echo(out)
        return
    if not (clobber or resume):
        refuse_present(out)
    given = photographs_of([*photographs], [*masks] or None)
    generator = source.load()
    said: dict[str, Any] = {
        **view.asked(), "size": size, "samples": samples, "background": background,
        "objects": objects, "controls": by_name("controls", controls),
    }  # fmt: skip
    if poses is not None:
        said |= _cameras(poses, generator, given, said)
    problem = problem_of(generator, given, said, prior, space=space, perceptual=perceptual)
    with after_the_picture_in_hand(
        lambda: console.notify("Writing the best so far; once more ends at once.")
    ) as ending:
        found = inverted(
            problem, plan=plan_of(problem, starts), seed=seed, seconds=seconds, path=progress,
            resume=resume, tell=_Lines().tell, ending=lambda: ending.asked,
        )  # fmt: skip
        with placed(out) as temporary:
            temporary.write_text(found.recipe.to_json() + "\n", encoding="utf-8")
        _report(found, out, as_json=as_json)
        ending.check()


def _cameras(
    poses: Path, generator: Generator, given: tuple[Photograph, ...], said: dict[str, Any]
) -> dict[str, Any]:
    """What a file of cameras says, in pixels of the size that pictures are compared at."""
    from graf_cli.cli.inputs import cameras_from
    from graf_cli.inversion.photograph import common_size

    spec = generator.spec
    size = said["size"] or common_size(given, max(spec.size, spec.height or 0))
    cameras = cameras_from(poses, size, spec, said["fov"])
    return {
        "poses": cameras.rows, "intrinsics": cameras.intrinsics or None, "size": size,
        "fov": cameras.fov if said["fov"] is None else said["fov"],
    }  # fmt: skip


class _Lines:
    """A line on standard error for each candidate of each stage."""

    def __init__(self) -> None:
        self._last: Report | None = None

    def tell(self, report: Report) -> None:
        """Tell of the one before when another one begins, and of every step with -v."""
        import logging

        last = self._last
        if last is None or (last.stage, last.candidate) != (report.stage, report.candidate):
            console.notify(_line(report))
        logging.getLogger(console.LOGGER).debug(_line(report))
        self._last = report


def _line(of: Report) -> str:
    what = "start" if of.stage == 0 else "candidate"
    told = f"{of.seconds:6.1f} s  stage {of.stage + 1} of {of.stages}, {of.size} pixels, "
    told += f"{what} {of.candidate} of {of.candidates}: loss {of.loss:.5f}"
    return told if of.psnr is None else f"{told}, {of.psnr:.1f} dB"


def _report(found: Found, out: Path, *, as_json: bool) -> None:
    if as_json:
        console.print_json({"path": str(out), **found.as_json()})
        return
    each = ", ".join(f"{value:.1f}" for value in found.psnr)
    console.notify(f"PSNR to the photograph: {each} dB, after {found.seconds:.0f} s.")
    if not found.finished:
        console.notify("There was more to do; give the command again with --resume to go on.")
    click.echo(out)
