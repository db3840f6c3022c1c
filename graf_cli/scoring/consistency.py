"""How 3-D a generator is: its views of one object, held against each other.

Every object is seen by cameras spread evenly over those of training, and each view is compared
with the ones beside it, both ways. Objects are measured one after the other, and what is known of
each is kept in a file of its own until all are done, so that jobs are cut into shards and resumed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from graf_cli.decoding import decode
from graf_cli.engine.local import LocalEngine
from graf_cli.errors import OutputError, UsageError
from graf_cli.jobs import work_of
from graf_cli.model.generator import Generator
from graf_cli.opening import reference
from graf_cli.output.encode.stills import encode
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.output.store.atomic import placed
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Frame, RenderOptions
from graf_cli.request import dataset
from graf_cli.scoring.agreement import Agreement, Carried, compare
from graf_cli.sharding import Shard

NEIGHBOURS = 2  # views beside each that it is compared with
RESAMPLES = 1000  # of the objects, for the confidence interval (Efron's bootstrap)
CONFIDENCE = (2.5, 97.5)  # percentiles that an interval of 95 % lies between
WORST = 8  # objects of the sheet, at most
AMPLIFIED = 4.0  # by which differences are shown larger


class ObjectScore(Struct, frozen=True, forbid_unknown_fields=True):
    """What one object came to.

    Attributes
    ----------
    number : int
    compared, contradicted, hidden : int
        See `Agreement`.
    squares : float
    worst : tuple of two int
        The views that agree least, of those that share enough.
    """

    number: int
    compared: int
    contradicted: int
    hidden: int
    squares: float
    worst: tuple[int, int]

    @property
    def agreement(self) -> Agreement:
        """The same, to be summed."""
        return Agreement(self.compared, self.contradicted, self.hidden, self.squares)


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    """An object's file: of which job it is, and the score."""

    asked: str
    score: ObjectScore


@dataclass(frozen=True)
class Consistency:
    """What a generator came to.

    Attributes
    ----------
    model : str
    psnr : float or None
        Of colours of the same points in neighbouring views, dB.
    interval : tuple of 2 floats, or None
        In which it lies with a confidence of 95 %, by resampling the objects.
    contradicting : float
        Share of the points of one view that another one looks through.
    objects : tuple of ObjectScore
    """

    model: str
    psnr: float | None
    interval: tuple[float, float] | None
    contradicting: float
    objects: tuple[ObjectScore, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        rows = []
        for one in self.objects:
            told = msgspec.to_builtins(one)
            rows.append(
                {**told, "psnr": one.agreement.psnr, "contradicting": one.agreement.contradicting}
            )
        return {
            "score": "consistency",
            "model": self.model,
            "psnr": self.psnr,
            "interval": self.interval,
            "contradicting": self.contradicting,
            "compared": sum(one.compared for one in self.objects),
            "objects": rows,
        }


def views_of(generator: Generator, n: int, views: int, seed: int, **asked: Any) -> Recipe:
    """The pictures that are compared: `n` objects, each from `views` sides.

    Takes what a data set's pictures take: `size`, `samples`, `truncation`, `background`,
    `controls`.

    Raises
    ------
    UsageError
    """
    if generator.features.azimuth == "objects":
        raise UsageError(
            f"`{generator.spec.name}` turns its objects before a camera that stays, so that its "
            "views have no common world; score another model."
        )
    if views < NEIGHBOURS + 1:
        raise UsageError(f"⟨views⟩ {views} have no neighbours; give {NEIGHBOURS + 1} or more.")
    return dataset(reference(generator), generator.spec, n, views, seed, cameras="cap", **asked)


class Scoring:
    """Measures the objects of a recipe.

    Parameters
    ----------
    generator : Generator
    recipe : Recipe
        Of `views_of`.
    options : RenderOptions, optional
        How pictures are drawn.
    """

    def __init__(
        self, generator: Generator, recipe: Recipe, options: RenderOptions | None = None
    ) -> None:
        self.generator, self.recipe = generator, recipe
        self.options = options or RenderOptions()
        plan = recipe.plan
        self.objects, self.views = plan.objects, plan.views  # type: ignore[union-attr]

    @property
    def asked(self) -> str:
        """Digest of what is measured, hexadecimal."""
        told = self.recipe.to_plain()
        del told["graf"]  # the version is no part of it
        return hashlib.blake2b(msgspec.json.encode(told, order="sorted")).hexdigest()

    def frames(self, number: int) -> list[Frame]:
        """All views of one object."""
        first = number * self.views
        work = work_of(self.generator, self.recipe, range(first, first + self.views), self.options)
        with LocalEngine() as engine, engine.draw(work) as drawing:
            return [*drawing]

    def score(self, number: int) -> ObjectScore:
        """Of one object."""
        return _scored(number, self.frames(number))

    def run(
        self,
        folder: Path,
        *,
        shard: Shard | None = None,
        resume: bool = False,
        progress: Callable[[Iterator[int], int], Iterator[int]] | None = None,
    ) -> list[ObjectScore] | None:
        """Measure what is missing of a shard; all scores once every object's is there, else None.

        Parameters
        ----------
        folder : Path
            Of the objects' files.
        shard : Shard, optional
        resume : bool
            Whether what is there is kept; a shard always does so.
        progress : callable, optional
            Passes the numbers on, which are as many as it is told.

        Raises
        ------
        OutputError
            When the folder holds scores of something else, or cannot be written.
        """
        mine = shard or Shard()
        numbers = [k for k in range(self.objects) if k % mine.count == mine.index - 1]
        keeps = resume or shard is not None
        if keeps:
            numbers = [k for k in numbers if self._read(folder, k) is None]
        through = progress or (lambda some, _: some)
        for number in through(iter(numbers), len(numbers)):
            part = _Part(self.asked, self.score(number))
            with placed(folder / _name(number)) as temporary:
                temporary.write_bytes(msgspec.json.encode(part))
        found = [self._read(folder, number) for number in range(self.objects)]
        scores = [one for one in found if one is not None]
        return scores if len(scores) == self.objects else None

    def _read(self, folder: Path, number: int) -> ObjectScore | None:
        path = folder / _name(number)
        if not path.exists():
            return None
        try:
            part = decode(path.read_bytes(), _Part)
        except (OSError, msgspec.MsgspecError) as error:
            raise OutputError(f"{path} is not a score: {error}; remove it.") from error
        if part.asked != self.asked:
            raise OutputError(
                f"{path} is the score of other pictures (another model, size or seed); leave out "
                "⟨resume⟩ and ⟨shard⟩ to begin anew, or name another ⟨out⟩."
            )
        return part.score

    def sheet(self, scores: list[ObjectScore]) -> bytes:
        """The worst objects as a PNG, one a row.

        From left to right: a view; what its worst neighbour shows of the same points; the
        difference, four times as large; in red what that one looks through.
        """
        worst = sorted(scores, key=_badness, reverse=True)[:WORST]
        rows = []
        for one in worst:
            frames = self.frames(one.number)
            first, second = (frames[view] for view in one.worst)
            rows.append(_row(first, compare(first, second)))
        sheet = np.concatenate(rows, axis=0)
        shown = np.round(sheet.clip(0, 1) * 255).astype(np.uint8)
        return encode(shown, "png", Stamp(self.recipe))


def _name(number: int) -> str:
    return f"{number:06d}.json"


def _scored(number: int, frames: list[Frame]) -> ObjectScore:
    total, worst, lowest = Agreement(), (0, 1), -1.0
    for first, second in pairs(frames):
        found = compare(frames[first], frames[second]).agreement
        total = total + found
        badness = _bad(found)
        if badness > lowest:
            worst, lowest = (first, second), badness
    return ObjectScore(
        number, total.compared, total.contradicted, total.hidden, total.squares, worst
    )


def pairs(frames: list[Frame]) -> list[tuple[int, int]]:
    """Each view with those that look from nearest to it."""
    eyes = np.stack([frame.shot.camera.eye for frame in frames])
    eyes = eyes / np.linalg.norm(eyes, axis=1, keepdims=True)
    near = eyes @ eyes.T
    np.fill_diagonal(near, -np.inf)
    order = np.argsort(-near, axis=1, kind="stable")[:, :NEIGHBOURS]
    return [(k, int(other)) for k, others in enumerate(order) for other in others]


def _bad(found: Agreement) -> float:
    """Larger is worse: mean square difference, and a whole one for each contradiction."""
    judged = found.compared + found.contradicted
    return (found.squares + found.contradicted) / judged if judged else 0.0


def _badness(score: ObjectScore) -> float:
    return _bad(score.agreement)


def _row(frame: Frame, carried: Carried) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Three pictures side by side, shape = (H, 3 W, 3)."""
    seen = frame.rgb.astype(np.float64)
    compared = carried.compared[..., None]
    apart = np.abs(seen - carried.rgb) * AMPLIFIED
    difference = np.where(compared, apart, 1.0)
    difference[carried.contradicted] = (1.0, 0.0, 0.0)
    return np.concatenate((seen, np.where(compared, carried.rgb, 1.0), difference), axis=1)


def summed(model: str, scores: list[ObjectScore], seed: int = 0) -> Consistency:
    """The generator's numbers, from its objects'."""
    total = Agreement()
    for one in scores:
        total = total + one.agreement
    return Consistency(
        model, total.psnr, _interval(scores, seed), total.contradicting, tuple(scores)
    )


def _interval(scores: list[ObjectScore], seed: int) -> tuple[float, float] | None:
    """Percentiles of the PSNR over objects drawn with replacement; None of less than two."""
    numbers = np.array([(one.squares, one.compared) for one in scores], dtype=np.float64)
    if len(scores) < 2 or not numbers[:, 1].sum() or not numbers[:, 0].sum():
        return None
    draws = np.random.default_rng(seed).integers(len(scores), size=(RESAMPLES, len(scores)))
    squares, compared = numbers[draws].sum(axis=1).T
    good = (squares > 0) & (compared > 0)
    found = -10 * np.log10(squares[good] / compared[good])
    low, high = np.percentile(found, CONFIDENCE)
    return (float(low), float(high)) if math.isfinite(low) else None
