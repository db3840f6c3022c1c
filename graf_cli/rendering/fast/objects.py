"""Everything folded and every grid of one generator, kept for as long as it may be used again."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from graf_cli.model.field import RadianceField
from graf_cli.model.generator import Generator
from graf_cli.model.latent import Latent
from graf_cli.rendering.crew import workers
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
from graf_cli.scene.camera import Camera, Rays, rays_through

KEPT = 4  # shapes and appearances whose folded fields are kept
GRID_BYTES = 256 << 20  # of grids that are kept beside those in use
WORTH_A_GRID = 1 << 13  # samples of a picture below which a grid costs more than it saves
WORTH_ALL_CELLS = 1 << 17  # the same for half as many cells along a side
WORTH_DIVIDING = (1 << 21, 1 << 23)  # samples of a series from which a further level is worth it
SLACK = 1.01  # of a grid's size over what the first camera needs


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
    """One of the networks under one shape code, at each precision of the matrix products."""

    def __init__(self, field: RadianceField, shape: Tensor) -> None:
        self.field, self.shape = field, shape
        self.densities: dict[torch.dtype, FoldedDensity] = {}

    def density(self, dtype: torch.dtype) -> FoldedDensity:
        """At one precision."""
        if dtype not in self.densities:
            self.densities[dtype] = FoldedDensity(self.field, self.shape, dtype)
        return self.densities[dtype]

    def grid(self, lattice: Lattice, chunk: int) -> OccupancyGrid:
        """A new one, looked into with `chunk` points at a time."""
        exact = self.density(torch.float32)
        scout = self.density(scouting_dtype(exact.device))
        threads = workers(exact.device) if scout.tile is exact.tile is None else 1
        return OccupancyGrid(
            lattice, scout.at, exact.at, exact.device, chunk=chunk, workers=threads
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
    first : Camera
        Of the first picture of the series, which decides how large grids are.
    pictures : int
        Of the series, which decide how fine grids are.
    tightness : Tightness
    dtype : torch.dtype
        Of the matrix products.
    """

    latent: Latent
    camera: Camera
    samples: int
    first: Camera
    pictures: int
    tightness: Tightness
    dtype: torch.dtype


class Objects:
    """Folded fields and grids of the objects rendered last.

    Sharing them between jobs changes no bit: what is kept is the same whoever asked for it first.

    Parameters
    ----------
    generator : Generator
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        self._passes: OrderedDict[tuple[bytes, bool], Pass] = OrderedDict()
        self._colours: OrderedDict[ColourKey, FoldedColour] = OrderedDict()
        self._grids: OrderedDict[GridKey, OccupancyGrid] = OrderedDict()

    def open(self, job: Job, chunk: int) -> Opened:
        """The object of a picture, ready to be marched through."""
        importance = self.generator.spec.network.importance
        if not importance:
            last = self._last(job, job.samples, chunk, fine=False)
            return Opened([last], job.samples, importance)
        exact = UnfoldedDensity(self._field(fine=False), job.latent.shape)
        first = Marcher(exact, None, self._grid(job, job.samples, chunk, fine=False))
        last = self._last(job, job.samples + importance, chunk, fine=True)
        return Opened([first, last], job.samples, importance)

    def _last(self, job: Job, along: int, chunk: int, *, fine: bool) -> Marcher:
        """Through what is seen."""
        density = self._pass(job, fine=fine).density(job.dtype)
        grid = self._grid(job, along, chunk, fine=fine)
        # Without oneDNN's products a thread cannot be kept to one core.
        threads = workers(density.device) if density.tile is None else 1
        return Marcher(density, self._colour(job, fine=fine), grid, threads)

    def _grid(self, job: Job, along: int, chunk: int, *, fine: bool) -> OccupancyGrid | None:
        """The grid of one pass, unless the picture is too small to be worth one."""
        samples = along * job.camera.width * job.camera.height
        if not job.tightness.cells or samples < WORTH_A_GRID:
            return None
        lattice = lattice_for(job, samples, self.generator.device)
        own = fine and self.generator.fine is not None
        key = (key_of(job.latent.shape), own, lattice)
        if key not in self._grids:
            self._make_room()
            self._grids[key] = self._pass(job, fine=fine).grid(lattice, chunk)
        self._grids.move_to_end(key)
        return self._grids[key]

    def _make_room(self) -> None:
        """Forget the grids that were used longest ago."""
        while sum(grid.bytes for grid in self._grids.values()) > GRID_BYTES:
            self._grids.popitem(last=False)

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


GridKey = tuple[bytes, bool, Lattice]
ColourKey = tuple[bytes, bool, torch.dtype]
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


def lattice_for(job: Job, samples: int, device: torch.device) -> Lattice:
    """The grid that a picture of so many samples gets; it depends on the picture's series alone."""
    small, margin = samples < WORTH_ALL_CELLS, job.tightness.margin
    return Lattice(
        half=_half(_reach(job.first, device), _reach(job.camera, device)),
        cells=job.tightness.cells // 2 if small else job.tightness.cells,
        levels=bisect_right(WORTH_DIVIDING, job.pictures * samples) + 1,
        margin=margin,
        doubt=2 * margin,
    )


def _half(first: float, reach: float) -> float:
    """Half a grid's size: that of the series' first picture, or so many times twice or half it.

    The steps keep the grids of a camera that moves away few.
    """
    half = SLACK * first
    while half < reach:
        half *= 2
    while half / 2 >= reach > 0:
        half /= 2
    return half


def _reach(camera: Camera, device: torch.device) -> float:
    """Distance from the origin of the farthest sample through the picture's corners."""
    width, pixels = camera.width, camera.width * camera.height
    corners = (0, width - 1, pixels - width, pixels - 1)
    pixel = torch.tensor(corners, device="cpu", dtype=torch.int64).to(device=device)
    through = rays_through(camera, pixel, dtype=torch.float32)
    ends = [through.origins + through.directions * depth for depth in (through.near, through.far)]
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
        for one in self.marchers:
            if one.grid is not None:
                one.grid.chunk = chunk
        count = Count()
        z = depths(through.near, through.far, self.samples)
        if self.importance:
            weight = self.marchers[0].weights(through, z, chunk=chunk, count=count, audit=audit)
            further = resample(z, weight, self.importance)
            z = torch.cat((z, further), dim=-1).sort(dim=-1).values
        return self.marchers[-1].march(through, z, chunk=chunk, count=count, audit=audit), count
