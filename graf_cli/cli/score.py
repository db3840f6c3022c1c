"""`graf score`: how good a generator is, in numbers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graf_cli.cli import console
from graf_cli.cli.choices import EngineChoice, ModelChoice, PictureChoice
from graf_cli.cli.download import fetched
from graf_cli.cli.options import (
    FILE,
    common_options,
    engine_options,
    look_options,
    model_options,
)

if TYPE_CHECKING:
    from graf_cli.scoring.consistency import Consistency
    from graf_cli.scoring.distances import Distance, Which

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
CHANNELS = frozenset({"show", "depth_range", "normals"})  # of which a score has its own


@click.group(short_help="How good a generator is, in numbers.")
@common_options
def score() -> None:
    """Measure a generator.

    \b
    graf score consistency --model cars --n 64
    graf score fid --model cars --real photographs/ --n 5000
    """


@score.command(short_help="How 3-D a generator is: its views held against each other.")
@model_options
@click.option("--n", type=click.IntRange(1, 100_000), default=16, show_default=True,
              help="How many objects.")  # fmt: skip
@click.option("--views", type=click.IntRange(3, 1000), default=8, show_default=True,
              help="Of each object, spread evenly over the cameras of training.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True,
              help="Of the objects; each is the same whatever --n is.")  # fmt: skip
@look_options
@engine_options
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              default="consistency.json", show_default=True,
              help="The numbers; beside it the sheet of the worst, NAME.png.")  # fmt: skip
@click.option("--clobber/--no-clobber", default=True, show_default=True,
              help="Whether files that are already there are replaced.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Keep the objects that are measured.")
@click.option("--shard", metavar="I/N|auto",
              help="Measure only the I-th of N parts; the last to finish writes the files. "
                   "Implies --resume.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as a JSON object.")
@common_options
def consistency(
    *,
    source: ModelChoice,
    n: int,
    views: int,
    seed: int,
    picture: PictureChoice,
    engine: EngineChoice,
    out: Path,
    clobber: bool,
    resume: bool,
    shard: str | None,
    as_json: bool,
) -> None:
    """Carry the surface of each view into its neighbours, and compare colours where both see it.

    PSNR tells how alike the same points look from two sides (highlights that follow the eye
    count as differences); `contradicting` the share of points that the other view looks through.

    \b
    graf score consistency --model cars --n 64 --views 12 --out cars.json
    graf score consistency --n 1000 --shard 3/8
    """
    from graf_cli.output.store.atomic import refuse_present
    from graf_cli.scoring.consistency import Scoring, views_of
    from graf_cli.sharding import parse_shard

    if not clobber:
        refuse_present(out)
    part = None if shard is None else parse_shard(shard)
    generator = source.load()
    recipe = views_of(generator, n, views, seed, **_picture_options(picture))
    scoring = Scoring(generator, recipe, engine.options())
    folder = out.with_name(f".{out.name}.objects")
    if folder.exists() and not resume and part is None:
        shutil.rmtree(folder)
    scores = scoring.run(
        folder, shard=part, resume=resume,
        progress=lambda numbers, total: console.progress(numbers, total, "object"),
    )  # fmt: skip
    if scores is None:
        console.notify(f"Other shards have objects to measure; the last one writes {out}.")
        return
    from graf_cli.scoring.consistency import summed

    found = summed(generator.spec.name, scores)
    _write(found, scoring.sheet(scores), out)
    shutil.rmtree(folder, ignore_errors=True)
    _tell(found, out, as_json=as_json)


def _write(found: Consistency, sheet: bytes, out: Path) -> None:
    import msgspec

    from graf_cli.output.store.atomic import placed

    with placed(out.with_suffix(".png")) as temporary:
        temporary.write_bytes(sheet)
    with placed(out) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(found.as_json())) + b"\n")


def _tell(found: Consistency, out: Path, *, as_json: bool) -> None:
    if as_json:
        console.print_json(found.as_json())
        return
    decibels = "nothing to compare" if found.psnr is None else f"{found.psnr:.2f} dB"
    if found.interval is not None:
        low, high = found.interval
        decibels += f" ({low:.2f} to {high:.2f} with 95 % confidence)"
    console.notify(f"Colours of the same points: {decibels}.")
    console.notify(f"Points that another view looks through: {100 * found.contradicting:.2f} %.")
    click.echo(out)


def _distance_options(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        model_options,
        click.option("--real", type=FOLDER, required=True,
                     help="Folder of real pictures; those below it count as well."),
        click.option("--inception", type=FILE, envvar="GRAF_INCEPTION",
                     help="Weights of Inception, or a TorchScript network that makes features, "
                          "such as StyleGAN's inception-2015-12-05.pt.  [default: what "
                          "`graf download inception` fetches]"),
        click.option("--generated", type=FOLDER,
                     help="Folder of pictures that `graf sample` drew, in place of a model."),
        click.option("--n", type=click.IntRange(2, 1_000_000),
                     help="Pictures to generate.  [default: as many as real ones]"),
        click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True,
                     help="Of the pictures, as of `graf sample`."),
        look_options,
        engine_options,
        click.option("--json", "as_json", is_flag=True, help="Print a JSON object."),
        common_options,
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@score.command(short_help="Fréchet inception distance to a folder of real pictures.")
@_distance_options
def fid(**asked: Any) -> None:
    """Print the Fréchet inception distance of random pictures to those of a folder.

    Generated pictures are those of `graf sample --n N --seed SEED`, real ones are cut and scaled
    to their size. The number falls with the number of pictures: compare equal ones alone, and
    some thousands.

    \b
    graf score fid --model cars --real photographs/ --n 5000
    """
    _measure("fid", **asked)


@score.command(short_help="Kernel inception distance to a folder of real pictures.")
@_distance_options
def kid(**asked: Any) -> None:
    """Print the kernel inception distance of random pictures to those of a folder.

    It is the mean over 100 subsets of 1,000 pictures, and does not fall with their number. See
    `graf score fid`.

    \b
    graf score kid --model cars --real photographs/ --n 5000
    """
    _measure("kid", **asked)


def _measure(
    which: Which,
    *,
    source: ModelChoice,
    real: Path,
    inception: Path | None,
    generated: Path | None,
    n: int | None,
    seed: int,
    picture: PictureChoice,
    engine: EngineChoice,
    as_json: bool,
) -> None:
    from graf_cli.model.device import pick_device
    from graf_cli.scoring import distances, standard
    from graf_cli.scoring.inception import Inception
    from graf_cli.scoring.sets import common_size, drawn, pictures_of, read_pictures, samples_of

    there = pictures_of(real)
    if generated is None:
        generator = source.load()
        of, device, name = len(there) if n is None else n, generator.device, generator.spec.name
        recipe = samples_of(generator, of, seed, **_picture_options(picture))
        size, made = (recipe.width, recipe.height), drawn(generator, recipe, engine.options())
    else:
        paths = pictures_of(generated)[:n]
        of, device, name = len(paths), pick_device(source.device), str(generated)
        size = common_size(paths)
        made = read_pictures(paths, size)
    network = Inception(inception or fetched(standard.NAME, standard.WEIGHTS), device)
    x = network.features(console.progress(read_pictures(there, size), len(there), "real"))
    y = network.features(console.progress(made, of, "generated"))
    found = distances.fid(x, y) if which == "fid" else distances.kid(x, y)
    _tell_distance(which, name, found, as_json=as_json)


@score.command(short_help="What COLMAP reconstructs from its views, with our poses.")
@model_options
@click.option("--views", type=click.IntRange(3, 2000), default=64, show_default=True,
              help="Of the object, spread evenly over the cameras of training.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True,
              help="Of the object, as the first of `graf score consistency`.")  # fmt: skip
@look_options
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@common_options
def colmap(
    *,
    source: ModelChoice,
    views: int,
    seed: int,
    picture: PictureChoice,
    engine: EngineChoice,
    as_json: bool,
) -> None:
    """Render views of one object, and have COLMAP triangulate what it finds in them.

    COLMAP is told where the cameras stood, and finds and matches features itself. Where poses and
    lens are right and the object is one, points reproject within a pixel and lie on the model's
    surface. Needs the extra `graf[colmap]`. Unless --samples says otherwise, a step along a ray
    covers two pixels at most.

    \b
    graf score colmap --model cars --views 400 --size 256
    """
    from graf_cli.scoring.colmap import pycolmap, reconstructed, views_for
    from graf_cli.scoring.consistency import Scoring

    pycolmap()  # before anything is rendered
    generator = source.load()
    recipe = views_for(generator, views, seed, **_picture_options(picture))
    frames = Scoring(generator, recipe, engine.options()).frames(0)
    found = reconstructed(generator.spec.name, frames)
    if as_json:
        console.print_json(found.as_json())
        return
    console.notify(
        f"{found.features:,} features in {found.views} views; {found.points:,} points, seen in "
        f"{found.seen} views."
    )
    if found.off is not None and found.off_most is not None:
        console.notify(
            f"A point is seen in {found.track:.1f} views; it lies {found.off:.4g} from the surface "
            f"(95 % within {found.off_most:.4g}; a step between samples is {found.step:.4g}, a "
            f"pixel {found.pixel:.4g})."
        )
    if not found.points:
        console.notify(
            f"Neighbouring views are {found.apart:.0f}° apart, across which COLMAP recognised "
            "nothing; give more --views, and a larger --size."
        )
    click.echo("none" if found.reprojection is None else f"{found.reprojection:.3f}")


def _picture_options(picture: PictureChoice) -> dict[str, Any]:
    """What pictures to measure may be asked: not which channels they show."""
    return {key: value for key, value in picture.asked().items() if key not in CHANNELS}


def _tell_distance(which: Which, name: str, found: Distance, *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        console.print_json({"score": which, "model": name, **asdict(found)})
        return
    within = ""
    if found.interval is not None:
        low, high = found.interval
        within = f" ({low:.6g} to {high:.6g} with 95 % confidence)"
    console.notify(f"{found.generated:,} generated pictures, {found.real:,} real ones{within}.")
    click.echo(f"{found.value:.6g}")
