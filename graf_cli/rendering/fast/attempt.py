"""One attempt at a picture by the fast path, and what its proof measured."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from graf_cli.rendering.fast.audit import Audit
from graf_cli.rendering.fast.march import Count
from graf_cli.rendering.fast.objects import Objects, Opened, PictureSetup
from graf_cli.rendering.fast.proof import (
    DTYPES,
    LADDER,
    PROBED,
    PROBES,
    Outcome,
    Proof,
    Used,
    allowed,
    difference,
    matrix_products,
    precisions,
    probes,
)
from graf_cli.rendering.integrator import Seen
from graf_cli.rendering.shot import Series, Shot
from graf_cli.rendering.tracer import Tracer, columns
from graf_cli.scene.camera import Rays
from graf_cli.syntax import Precision


@dataclass(frozen=True)
class Fallback:
    """How carefully a picture is made.

    Attributes
    ----------
    rung : int
        Of the ladder; behind its end is the plain marcher.
    precision : int
        Of those to try, which one.
    """

    rung: int = 0
    precision: int = 0


@dataclass(frozen=True, eq=False)
class Attempt:
    """A picture, what it took, and how it differs from the truth.

    Attributes
    ----------
    picture : Tensor, shape = (H·W, channels + 2)
    outcome : Outcome
    difference : float
        Largest one of the picture from the exact integrator's.
    grid_difference : float
        The same had it been made in float32, which tells whether the grid can be trusted.
    """

    picture: Tensor
    outcome: Outcome
    difference: float
    grid_difference: float


class Attempts:
    """Makes attempts at the pictures of one job.

    Parameters
    ----------
    tracer : Tracer
    objects : Objects
    asked : str
        The precision that was asked for.
    endless : bool
        See `PictureSetup`.
    """

    def __init__(
        self, tracer: Tracer, objects: Objects, asked: Precision, *, endless: bool = False
    ) -> None:
        self.endless = endless
        self.tracer, self.objects = tracer, objects
        self.precisions = precisions(asked, tracer.generator.device)
        self.by_name = asked not in ("auto", "float32")

    def allowed(self, fallback: Fallback) -> float:
        """What the rays that a picture's proof looks at may differ by."""
        return allowed(self.precisions[fallback.precision], by_name=self.by_name)

    def make(self, shot: Shot, series: Series, fallback: Fallback, proof: Proof) -> Attempt:
        """One picture, held against the plain marcher.

        Raises
        ------
        GridBrokenError
            When the audit finds the grid wrong.
        """
        precision = self.precisions[fallback.precision]
        setup = self._setup(shot, series, fallback, precision)
        with matrix_products(precision):
            picture, outcome = self._picture(shot, setup, precision, proof)
        if not proof.probes:
            return Attempt(picture, outcome, 0.0, 0.0)
        return self._measured(shot, picture, outcome, self._setup(shot, series, fallback), proof)

    def prepare(self, shot: Shot, series: Series) -> None:
        """Look into all of space beforehand, as pictures of a series will that turn around it."""
        opened = self._open(self._setup(shot, series, Fallback(), self.precisions[0]))
        for marcher in opened.marchers:
            if marcher.grid is not None:
                marcher.grid.complete()

    def _setup(
        self, shot: Shot, series: Series, fallback: Fallback, precision: Used = "float32"
    ) -> PictureSetup:
        return PictureSetup(
            self.tracer.scene(shot),
            shot.camera,
            series.first.camera,
            series.pictures,
            LADDER[fallback.rung],
            DTYPES[precision],
            self.endless,
        )

    def _open(self, setup: PictureSetup) -> Opened:
        return self.tracer.within_memory(lambda chunk: self.objects.open(setup, chunk))

    def _picture(
        self, shot: Shot, setup: PictureSetup, precision: Used, proof: Proof
    ) -> tuple[Tensor, Outcome]:
        opened, audit, count = self._open(setup), self._audit(shot, proof), Count()
        starts = iter(self.tracer.blocks(shot, self.tracer.fast_block_points))

        def march_some(through: Rays, _: Tensor) -> Seen:
            if audit is not None:
                audit.begin(next(starts))
            seen, made = self.tracer.within_memory(lambda at: opened.march(through, at, audit))
            count.add(made)
            return seen

        channels = opened.marchers[-1].volume.channels
        picture = self.tracer.fill(shot, march_some, self.tracer.fast_block_points, channels)
        if audit is not None:
            audit.finish()
        return picture, Outcome(
            path="fast" if opened.resolution else "folded",
            precision=precision,
            resolution=opened.resolution,
            evaluated=count.evaluated,
            coloured=count.coloured,
            possible=count.possible,
            cells=opened.cells,
        )

    def _audit(self, shot: Shot, proof: Proof) -> Audit | None:
        if not proof.audited:
            return None
        blocks = len(self.tracer.blocks(shot, self.tracer.fast_block_points))
        return Audit(proof.audited, blocks, shot.seed, expect=proof.expect)

    def _measured(
        self, shot: Shot, picture: Tensor, outcome: Outcome, exactly: PictureSetup, proof: Proof
    ) -> Attempt:
        opacity = picture[:, -2].view(shot.camera.height, shot.camera.width)
        count = min(proof.probes, max(PROBES, len(picture) // PROBED))
        pixels = probes(opacity, count, shot.seed)
        here = pixels.to(device=picture.device)
        through = self.tracer.rays(shot, here)
        truth = columns(self.tracer.march(shot, through, here))
        seen = picture[here]
        measured = grid_difference = difference(seen, truth, shot.background)
        if self.by_name:
            # A precision asked for by name may err; the grid may not.
            exact = columns(self._rays(exactly, through))
            grid_difference = difference(exact, truth, shot.background)
        made = outcome.proved(len(pixels), measured)
        return Attempt(picture, made, measured, grid_difference)

    def _rays(self, setup: PictureSetup, through: Rays) -> Seen:
        opened = self._open(setup)
        return self.tracer.within_memory(lambda chunk: opened.march(through, chunk))[0]
