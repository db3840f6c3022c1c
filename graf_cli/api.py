"""The library: what `import graf_cli as graf` offers.

A recipe says what pictures show: `sweep`, `sample`, `grid` and `dataset` make one. `draw` gives
its frames, `write` puts them into files, with the recipe inside, and `replay` makes a file again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from graf_cli.engine.contract import Engine, Progress
from graf_cli.engine.local import LocalEngine
from graf_cli.errors import UsageError
from graf_cli.inversion.answer import Found
from graf_cli.inversion.asking import (
    PRIOR,
    VIEW,
    inverted,
    photographs_of,
    plan_of,
    problem_of,
)
from graf_cli.inversion.run import Report
from graf_cli.jobs import (
    Events,
    OutputOptions,
    Result,
    drawn_as,
    job_of,
    options_of,
    replay_name,
    target_for,
    work_of,
)
from graf_cli.model.generator import Generator
from graf_cli.opening import Opened, load, load_for, outline, reference
from graf_cli.output.formats import Encoding, export_target
from graf_cli.output.provenance import reading
from graf_cli.recipe import Recipe, check_model
from graf_cli.rendering.renderer import Frame, RenderOptions
from graf_cli.request import dataset as dataset_recipe
from graf_cli.request import grid as grid_recipe
from graf_cli.request import sample as sample_recipe
from graf_cli.request import sweep as sweep_recipe
from graf_cli.request.export import export as export_recipe
from graf_cli.request.options import check_names
from graf_cli.sharding import Shard, parse_shard
from graf_cli.surfaces.options import Extracted

__all__ = [
    "dataset", "draw", "drawn_as", "export", "frames", "grid", "invert", "load", "load_for",
    "options_of", "outline", "reference", "render", "replay", "sample", "sweep", "write",
]  # fmt: skip


def sweep(generator: Generator, **view: Any) -> Recipe:
    """The recipe of a picture, or of a video as soon as something sweeps.

    Parameters
    ----------
    generator : Generator
    **view
        What `render` takes; a pair or more numbers are keyframes to sweep along. `frames` says
        how many pictures, `fps` how many of them a second, ``ease="smooth"`` starts and ends
        slowly, ``boomerang=True`` comes back.

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or two do not fit together.

    Examples
    --------
    >>> import graf_cli as graf
    >>> recipe = graf.sweep(graf.load("toy-cars"), azimuth=(0, 360), frames=48)
    >>> len(recipe)
    48
    """
    return sweep_recipe(reference(generator), generator.spec, **view)


def sample(generator: Generator, n: int = 16, seed: int = 0, **picture: Any) -> Recipe:
    """The recipe of `n` random objects seen by random cameras.

    Parameters
    ----------
    generator : Generator
    n : int
        Picture `k` is the same whatever `n` is.
    seed : int
        Fixes all of it.
    **picture
        `size`, `samples`, `background`, `truncation`, `show`, `depth_range`, `normals`.

    Raises
    ------
    UsageError
        When an option's value cannot be meant.

    Examples
    --------
    >>> import graf_cli as graf
    >>> recipe = graf.sample(graf.load("toy-cars"), 4, size=16, samples=16)
    >>> graf.write(recipe, "sheet.png").path
    PosixPath('sheet.png')
    """
    return sample_recipe(reference(generator), generator.spec, n, seed, **picture)


def grid(
    generator: Generator,
    shapes: int | Sequence[int] = 5,
    appearances: int | Sequence[int] = 5,
    seed: int = 0,
    **view: Any,
) -> Recipe:
    """The recipe of every shape in every appearance: rows share a shape, columns an appearance.

    Parameters
    ----------
    generator : Generator
    shapes, appearances : int or sequence of int
        How many, seeded from `seed` on; or their seeds.
    seed : int
        Of the first row and column, where numbers are given.
    **view
        What `sample` takes, and `azimuth`, `elevation`, `radius`, `fov`: one number each.

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or something sweeps.

    Examples
    --------
    >>> import graf_cli as graf
    >>> len(graf.grid(graf.load("toy-cars"), shapes=2, appearances=[7, 9, 11]))
    6
    """
    rows, columns = (
        range(seed, seed + seeds) if isinstance(seeds, int) else seeds
        for seeds in (shapes, appearances)
    )
    return grid_recipe(reference(generator), generator.spec, rows, columns, **view)


def dataset(
    generator: Generator,
    n: int = 16,
    views: int | None = None,
    seed: int = 0,
    **options: Any,
) -> Recipe:
    """The recipe of a posed data set: `n` random objects, each seen by several known cameras.

    Parameters
    ----------
    generator : Generator
    n : int
    views : int, optional
        Of each object; 24, or as many as there are `poses`.
    seed : int
        Fixes all of it; an object is the same whatever `n` is.
    **options
        `size`, `samples`, `background`, `truncation`; `cameras`: ``"model"``, ``"orbit"``,
        ``"cap"`` or ``"poses"``; `azimuth`, `elevation`, `radius`, `fov`, `poses`, `intrinsics`;
        `split`, pairs of names and shares; `tar_size`, MB of a tar at most, in place of a folder
        an object; `labels`, images alone, with a dataset.json of their cameras.

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or the model's rays are parallel.

    Examples
    --------
    >>> import graf_cli as graf
    >>> recipe = graf.dataset(graf.load("toy-cars"), 2, 3, size=16, samples=16)
    >>> graf.write(recipe, "cars/").pictures
    6
    """
    return dataset_recipe(reference(generator), generator.spec, n, views, seed, **options)


def draw(
    generator: Generator,
    recipe: Recipe,
    options: RenderOptions | None = None,
    *,
    pictures: Sequence[int] | None = None,
    engine: Engine | None = None,
) -> Progress[Frame]:
    """The frames of a recipe, one at a time as they are asked for.

    A recipe says itself whether it is drawn exactly and in which precision; see `drawn_as`.

    Parameters
    ----------
    generator : Generator
    recipe : Recipe
    options : RenderOptions, optional
        How, not what; `exact` and `precision` are asked for here or by the recipe.
    pictures : sequence of int, optional
        Only these of the recipe's, in this order; each is the same, to the last bit, as among all.
    engine : Engine, optional
        Where they are drawn; this machine by default.

    Returns
    -------
    iterator of Frame
        Its `outcome` tells how far the fast path is from the plain one.

    Raises
    ------
    RecipeError
        When the recipe is not of this model.
    DeviceError
        When the device's memory does not hold even the smallest chunk.
    """
    check_model(recipe, reference(generator))
    if recipe.export is not None:
        raise UsageError("The recipe is of shapes, not of pictures; use `write` or `export`.")
    every = range(len(recipe)) if pictures is None else pictures
    work = work_of(generator, recipe, every, options or RenderOptions())
    return (engine or LocalEngine()).draw(work)


def frames(
    generator: Generator,
    *,
    options: RenderOptions | None = None,
    **view: Any,
) -> Iterator[Frame]:
    """The frames of a sweep: ``graf.frames(generator, azimuth=(0, 360), frames=120)``.

    Takes what `render` takes; a pair or more numbers are keyframes to sweep along.

    Raises
    ------
    UsageError
        When an option's value cannot be meant.
    """
    return draw(generator, sweep(generator, **view), options)


def render(
    generator: Generator,
    *,
    options: RenderOptions | None = None,
    **view: Any,
) -> Frame:
    """One picture.

    Parameters
    ----------
    generator : Generator
    options : RenderOptions, optional
        How, not what: chunk, exactness.
    **view
        `seed`, or `shape` and `appearance` apart: which object; `truncation`; `latents`, rows of
        codes, instead. `azimuth`, `elevation` (degrees above the horizon), `fov` (degrees),
        `radius` (world units), or `poses`, rows of a 3 × 4 camera-to-world matrix. `size`
        (pixels, or width and height), `samples` along a ray, `background`. What is missing comes
        from the model: the middle of its training range, its size and background. With
        ``show=["normal"]`` the frame has its `normal` as well.

    Returns
    -------
    Frame

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or the view is more than one picture.
    """
    recipe = sweep(generator, **view)
    if len(recipe) != 1:
        raise UsageError(f"This is {len(recipe)} pictures; use `frames` for a sweep.")
    return next(draw(generator, recipe, options))


def export(
    generator: Generator,
    out: str | Path,
    *,
    kind: Extracted | None = None,
    n: int | None = None,
    options: RenderOptions | None = None,
    engine: Engine | None = None,
    format: str | None = None,  # noqa: A002 - the command line's word
    clobber: bool = True,
    metadata: bool = True,
    resume: bool = False,
    shard: str | Shard | None = None,
    events: Events | None = None,
    **asked: Any,
) -> Result:
    """Take the shape of an object away, into a file that other programs open.

    Parameters
    ----------
    generator : Generator
    out : path
        A file, whose suffix decides what is written: ``.glb``, ``.ply``, ``.obj`` and ``.stl`` a
        mesh, ``.splat.ply`` Gaussian splats, ``.npz`` a grid of densities; or a folder, ``NAME/``.
    kind : str, optional
        ``mesh``, ``splats``, ``points`` or ``grid``, where the suffix leaves a choice.
    n : int, optional
        So many random objects, those of `sample`, into a folder.
    options, engine, format, clobber, metadata, resume, shard, events
        As for `write`.
    **asked
        Which object, as for `render`: `seed`, `codes`, `latents`, `controls`, `truncation`, a pair
        or more of them with `frames` for objects between. `resolution` (cells along the longest
        side, 128), `level` (density of the surface), `faces` and `smooth` of a
        mesh, `sh` of splats.

    Returns
    -------
    Result

    Raises
    ------
    UsageError
        When an option's value cannot be meant, or the format does not hold that kind.
    SurfaceError
        When the object has no surface.
    OutputError
        When the place cannot be written, or holds another recipe's shapes.

    Examples
    --------
    >>> import graf_cli as graf
    >>> graf.export(graf.load("toy-cars"), "car.npz", seed=3, resolution=16).path
    PosixPath('car.npz')
    """
    target, kind = export_target(str(out), format, kind, folders=n is not None)
    recipe = export_recipe(reference(generator), generator.spec, kind, n=n, **asked)
    output = OutputOptions(
        clobber=clobber,
        metadata=metadata,
        resume=resume,
        shard=parse_shard(shard) if isinstance(shard, str) else shard,
    )
    job = job_of(Opened.of(generator), recipe, target, options, output)
    opened = LocalEngine if engine is None else lambda: nullcontext(engine)
    return job.run(engine=opened, events=events)


def write(
    recipe: Recipe,
    out: str | Path,
    *,
    generator: Generator | None = None,
    options: RenderOptions | None = None,
    engine: Engine | None = None,
    format: str | None = None,  # noqa: A002 - the command line's word
    codec: str | None = None,
    crf: int | None = None,
    loop: int | None = None,
    clobber: bool = True,
    metadata: bool = True,
    resume: bool = False,
    shard: str | Shard | None = None,
    events: Events | None = None,
) -> Result:
    """Draw a recipe into files: the very bytes that the command line writes.

    Parameters
    ----------
    recipe : Recipe
        Of `sweep`, `sample`, `grid` or `dataset`, or read from a file.
    out : path
        A file, whose suffix decides what is written; a folder as ``NAME/`` or files as
        ``NAME/%04d.png``; ``-`` is standard output.
    generator : Generator, optional
        The recipe's model; by default the one on this machine that the recipe names, on the best
        device. Nothing is fetched.
    options : RenderOptions, optional
        How pictures are drawn, not what they show.
    engine : Engine, optional
        Where; this machine by default. It is left open.
    format : str, optional
        What `out` holds, whatever its suffix.
    codec : str, optional
        Of a video: ``h264``, ``h265``, ``av1``, ``vp9``, ``prores``.
    crf : int, optional
        Quality of a video, 0 the best.
    loop : int, optional
        How often an animation plays, 0 for ever.
    clobber : bool
        Whether files that are there are replaced.
    metadata : bool
        Whether files say how they were made, and that they are generated.
    resume : bool
        Keep what is finished of this very recipe, also of this run if it is interrupted.
    shard : str or Shard, optional
        Make only part ``I/N`` of the pictures, or the one of the job array that this runs in
        (``auto``); implies `resume`.
    events : Events, optional
        Is told what happens on the way.

    Returns
    -------
    Result
        Paths, how many pictures were kept, and how far they are from the exact integrator.

    Raises
    ------
    UsageError
        When the format cannot hold what is asked for.
    RecipeError
        When the recipe's model is not here, or is another one than `generator`.
    OutputError
        When the place cannot be written, or holds another recipe's pictures.

    Examples
    --------
    >>> import graf_cli as graf
    >>> generator = graf.load("toy-cars")
    >>> recipe = graf.sweep(generator, azimuth=(0, 360), frames=2, size=16, samples=16)
    >>> result = graf.write(recipe, "spin.mp4", generator=generator)
    >>> result.path, result.pictures
    (PosixPath('spin.mp4'), 2)
    >>> graf.write(recipe, "spin.mp4", generator=generator, resume=True).kept
    2
    """
    generator = load_for(recipe) if generator is None else generator
    check_model(recipe, reference(generator))
    output = OutputOptions(
        clobber=clobber,
        metadata=metadata,
        resume=resume,
        shard=parse_shard(shard) if isinstance(shard, str) else shard,
        encoding=Encoding(codec=codec, crf=crf, loop=loop),
    )
    target = target_for(recipe, out, format)
    job = job_of(Opened.of(generator), recipe, target, options, output)
    opened = LocalEngine if engine is None else lambda: nullcontext(engine)
    return job.run(engine=opened, events=events)


def replay(
    path: str | Path,
    out: str | Path | None = None,
    *,
    generator: Generator | None = None,
    options: RenderOptions | None = None,
    engine: Engine | None = None,
    events: Events | None = None,
) -> Result:
    """Draw again what a file says that it shows.

    Parameters
    ----------
    path : path
        Anything that graf wrote, or a folder of it.
    out : path, optional
        By default ``NAME-replay`` in the current folder, with the suffix of `path`.
    generator, options, engine, events
        As for `write`, which takes the file's `recipe` where more is to be said.

    Raises
    ------
    RecipeError
        When the file carries no recipe, or its model is not here.
    UsageError, OutputError
        As `write`.

    Examples
    --------
    >>> import graf_cli as graf
    >>> recipe = graf.sweep(graf.load("toy-cars"), seed=4, size=16, samples=16)
    >>> graf.write(recipe, "four.png").path
    PosixPath('four.png')
    >>> graf.replay("four.png").path
    PosixPath('four-replay.png')
    """
    path = Path(path)
    recipe = reading.read(path).recipe(str(path))
    return write(
        recipe,
        replay_name(path, recipe) if out is None else out,
        generator=generator,
        options=options,
        engine=engine,
        events=events,
    )


def invert(
    generator: Generator,
    image: Any,
    *,
    mask: Any = None,
    prior: float = PRIOR,
    space: str | None = None,
    perceptual: str | Path | None = None,
    seed: int = 0,
    starts: int | None = None,
    seconds: float | None = None,
    callback: Callable[[Report], bool | None] | None = None,
    **view: Any,
) -> Found:
    """The codes and the camera whose picture is closest to a photograph.

    Parameters
    ----------
    generator : Generator
    image : path, ndarray, or a list of them
        A photograph, or several of one object. Arrays are of shape (H, W, 3), or (H, W, 4) with
        transparency, in [0, 1] or of 8 bits.
    mask : path, ndarray, or a list of them, optional
        Shape (H, W), 1 where the object is; one a photograph.
    prior : float
        Weight of the codes' prior.
    space : str, optional
        In which codes are looked for, of those of the model: by default the first that its
        mapping network leads to (``w``, ``film``), else ``z``.
    perceptual : path, optional
        Of a TorchScript network whose squared distance of features counts beside colours.
    seed : int
        Of the starts. Without `seconds` the answer is the same every time.
    starts : int, optional
        How many codes are tried.
    seconds : float, optional
        After which the best so far is returned.
    callback : callable, optional
        Is told a `Report` after every step, and ends the search by returning True.
    **view
        What is known: `azimuth`, `elevation`, `radius`, one number or one a photograph, or
        `poses`, with `intrinsics`; `fov`, `size`, `samples`, `background`, `objects`,
        `controls`.

    Returns
    -------
    Found
        Its `recipe` has one frame a photograph, and `psnr` one number each.

    Raises
    ------
    UsageError, CheckpointError
        When a photograph or the network cannot be read, the model cannot be inverted, or an
        option cannot be meant.

    Examples
    --------
    >>> import graf_cli as graf
    >>> generator = graf.load("toy-cars")
    >>> photo = graf.render(generator, seed=3, azimuth=30, size=16, samples=16).rgb.clip(0, 1)
    >>> told = {"azimuth": 30, "elevation": 40, "size": 16, "samples": 16}
    >>> found = graf.invert(generator, photo, seconds=1, **told)
    >>> graf.write(found.recipe, "found.png", generator=generator).path
    PosixPath('found.png')
    """
    check_names(view, VIEW)
    problem = problem_of(
        generator, photographs_of(image, mask), view, prior, space=space,
        perceptual=None if perceptual is None else Path(perceptual),
    )  # fmt: skip
    ended = False

    def tell(report: Report) -> None:
        nonlocal ended
        ended = bool(callback is not None and callback(report)) or ended

    return inverted(
        problem, plan=plan_of(problem, starts), seed=seed, seconds=seconds, tell=tell,
        ending=lambda: ended,
    )  # fmt: skip
