"""Everything folded and every grid of one job, kept for as long as it may be used again."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from graf_cli.model.field import RadianceField
from graf_cli.model.generator import Generator
from graf_cli.model.latent import Latent
from graf_cli.rendering.camera import Camera, Rays, rays
from graf_cli.rendering.fast.audit import Audit
from graf_cli.rendering.fast.fold import (
    FoldedColour,
    FoldedDensity,
    UnfoldedDensity,
    scouting_dtype,
)
from graf_cli.rendering.fast.grid import Lattice, OccupancyGrid
from graf_cli.rendering.fast.march import Count, Marcher
from graf_cli.rendering.march import Composite, depths, resample

KEPT = 4  # shapes whose grids are kept
WORTH_A_GRID = 1 << 13  # samples of a picture below which a grid costs more than it saves
WORTH_ALL_CELLS = 1 << 17  # the same for half as many cells along a side
WORTH_DIVIDING = (1 << 21, 1 << 23)  # samples of a shape from which a further level is worth it
SLACK = 1.01  # of a grid's size over what the first camera needs
LOOSE = 2.0  # how many times larger than a camera needs a grid may be


@dataclass(frozen=True)
class Tightness:
    """How closely space is looked into before it is called empty.

    Attributes
    ----------
    cells : int
        Of the grid along a side, at its coarsest level; 0 is no grid at all.
    margin : float
        See `Lattice`; twice that for a ray's last sample.
    """

    cells: int
    margin: float


NO_GRID = Tightness(cells=0, margin=0.0)


class Pass:
    """One of the networks under one shape code: its densities and its grid."""

    def __init__(self, field: RadianceField, shape: Tensor) -> None:
        self.field, self.shape = field, shape
        self.densities: dict[torch.dtype, FoldedDensity] = {}
        self.grid: OccupancyGrid | None = None
        self.tightness = NO_GRID
        self.pictures = 0  # rendered of this shape

    def density(self, dtype: torch.dtype) -> FoldedDensity:
        """At one precision of the matrix products."""
        if dtype not in self.densities:
            self.densities[dtype] = FoldedDensity(self.field, self.shape, dtype)
        return self.densities[dtype]

    def grid_for(
        self, tightness: Tightness, reach: float, samples: int, chunk: int
    ) -> OccupancyGrid | None:
        """A grid that holds everything up to `reach` from the origin; the present one if it does.

        Parameters
        ----------
        tightness : Tightness
        reach : float
            World units.
        samples : int
            Of the picture that asks, to weigh the grid's cost against.
        chunk : int
            Points that go through the network at once.
        """
        if not tightness.cells or samples < WORTH_A_GRID:
            return None
        present = self.grid if tightness == self.tightness else None
        if present is None or not reach <= present.lattice.half <= LOOSE * reach:
            self.grid = self._new_grid(tightness, reach, samples, chunk)
        elif present.lattice.levels < self._levels(samples):
            self.grid = present.divided(self._levels(samples))
        self.tightness = tightness
        self.pictures += 1
        return self.grid

    def _levels(self, samples: int) -> int:
        """The more often a shape is looked at, the finer a grid it is worth."""
        return bisect_right(WORTH_DIVIDING, (1 + self.pictures) * samples) + 1

    def _new_grid(
        self, tightness: Tightness, reach: float, samples: int, chunk: int
    ) -> OccupancyGrid:
        cells = tightness.cells if samples >= WORTH_ALL_CELLS else tightness.cells // 2
        levels, margin = self._levels(samples), tightness.margin
        exact = self.density(torch.float32)
        scout = self.density(scouting_dtype(exact.device))
        return OccupancyGrid(
            Lattice(SLACK * reach, cells, levels, margin, 2 * margin),
            partial(scout.at, chunk=chunk),
            partial(exact.at, chunk=chunk),
            exact.device,
        )


@dataclass(frozen=True, eq=False)
class Job:
    """What rendering one picture needs to know.

    Attributes
    ----------
    latent : Latent
    camera : Camera
    samples : int
        Along each ray.
    tightness : Tightness
    dtype : torch.dtype
        Of the matrix products.
    """

    latent: Latent
    camera: Camera
    samples: int
    tightness: Tightness
    dtype: torch.dtype


class Objects:
    """Folded fields and grids of the objects rendered last.

    Parameters
    ----------
    generator : Generator
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self._passes: OrderedDict[tuple[bytes, bool], Pass] = OrderedDict()
        self._colours: OrderedDict[tuple[bytes, bool, torch.dtype], FoldedColour] = OrderedDict()

    def open(self, job: Job, chunk: int) -> Opened:
        """The object of a picture, ready to be marched through."""
        network = self.generator.spec.network
        reach = _reach(job.camera, self.generator.device)
        passes = [False, True] if network.importance else [False]
        marchers = []
        for last in passes:
            along = job.samples + (network.importance if last else 0)
            one = self._pass(job, fine=last)
            samples = along * job.camera.width * job.camera.height
            grid = one.grid_for(job.tightness, reach, samples, chunk)
            if last is passes[-1]:
                density = one.density(job.dtype)
                marchers.append(Marcher(density, self._colour(job, fine=last), grid))
            else:
                exact = UnfoldedDensity(self._field(fine=False), job.latent.shape)
                marchers.append(Marcher(exact, None, grid))
        return Opened(marchers, job.samples, network.importance)

    def _field(self, *, fine: bool) -> RadianceField:
        second = self.generator.fine
        return second if fine and second is not None else self.generator.coarse

    def _pass(self, job: Job, *, fine: bool) -> Pass:
        key = (key_of(job.latent.shape), fine and self.generator.fine is not None)
        if key not in self._passes:
            remember(self._passes, key, Pass(self._field(fine=fine), job.latent.shape))
        self._passes.move_to_end(key)
        return self._passes[key]

    def _colour(self, job: Job, *, fine: bool) -> FoldedColour:
        key = (key_of(job.latent.appearance), fine, job.dtype)
        if key not in self._colours:
            made = FoldedColour(self._field(fine=fine), job.latent, job.dtype)
            remember(self._colours, key, made)
        return self._colours[key]


K = TypeVar("K")
V = TypeVar("V")


def remember(kept: OrderedDict[K, V], key: K, value: V) -> None:
    """Keep a value, and forget the oldest when there are more than `KEPT`."""
    kept[key] = value
    while len(kept) > KEPT:
        kept.popitem(last=False)


def key_of(code: Tensor) -> bytes:
    """A code to look things up by."""
    return code.to(device="cpu", dtype=torch.float32).numpy().tobytes()


def _reach(camera: Camera, device: torch.device) -> float:
    """Distance from the origin of the farthest sample through the picture's corners."""
    width, pixels = camera.width, camera.width * camera.height
    corners = [
        rays(camera, device=device, dtype=torch.float32, start=at, stop=at + 1)
        for at in (0, width - 1, pixels - width, pixels - 1)
    ]
    ends = [
        corner.origins + corner.directions * depth
        for corner in corners
        for depth in (corner.near, corner.far)
    ]
    return float(torch.cat(ends).norm(dim=-1).max())


class Opened:
    """An object that rays can be marched through: by one network, or by one after the other.

    Parameters
    ----------
    marchers : list of Marcher
        One a pass; the last one has the colours.
    samples, importance : int
        Along each ray, of the first pass and further ones of the second.
    """

    def __init__(self, marchers: list[Marcher], samples: int, importance: int) -> None:
        self.marchers, self.samples, self.importance = marchers, samples, importance
        self._cells_before = self._cells()
        self.new = self._cells_before == 0  # nothing is known yet of this shape

    @property
    def resolution(self) -> int:
        """Cells along a side of the last pass's grid; 0 without one."""
        grid = self.marchers[-1].grid
        return grid.lattice.resolution if grid is not None else 0

    @property
    def cells(self) -> int:
        """Evaluations that the grids took since this was opened."""
        return self._cells() - self._cells_before

    def _cells(self) -> int:
        grids = {id(one.grid): one.grid for one in self.marchers if one.grid is not None}
        return sum(grid.evaluated for grid in grids.values())

    def march(
        self, through: Rays, chunk: int, audit: Audit | None = None
    ) -> tuple[Composite, Count]:
        """What rays see, and what it took.

        Raises
        ------
        GridBrokenError
            When the audit finds a grid wrong.
        """
        count = Count()
        z = depths(through.near, through.far, self.samples)
        if self.importance:
            weight = self.marchers[0].weights(through, z, chunk=chunk, count=count, audit=audit)
            further = resample(z, weight, self.importance)
            z = torch.cat((z, further), dim=-1).sort(dim=-1).values
        return self.marchers[-1].march(through, z, chunk=chunk, count=count, audit=audit), count
