"""Where the object of one shape code may be.

Density depends on the point and the shape code alone, so one grid serves every camera and every
appearance. It is lazy: a cell is looked into when a ray first passes through it, so that a single
picture pays for what its camera sees and a turntable for what its cameras see together. It is
made coarse to fine: only cells near something are divided. What becomes of a cell depends on the
cell alone, never on what was asked before.

Sampling cannot prove that a cell is empty. `graf_cli.rendering.fast.proof` measures what came of
it.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.rendering.fast.audit import Looked
from graf_cli.rendering.fast.level import Density, Level, distinct
from graf_cli.rendering.fast.outside import FINE, Outside, drawn, outside, points
from graf_cli.rendering.threads import each
from graf_cli.scene.camera import Rays

# States of a cell: empty with all around it, empty by a closer look, empty but too close to call
# for a ray's last sample, perhaps not empty, filled with all around it.
UNKNOWN, FAR, EMPTY, DOUBTFUL, OCCUPIED, SOLID = range(6)
CHUNK = 1 << 12  # points that go through a density at once
DRAWS = 16  # samples drawn for each that is audited, to find those of every kind
SLAB = 1 << 17  # cells that are looked into at once
DENSE = 0.5  # share of space that may hold something from which a grid does not pay
WORTH_BOUNDS = 3  # levels of a lattice from which to know its coarsest one whole pays
TINY = 1e-12  # of a direction's component, to divide by
LITTLE = 0.01  # of a cell, so that rounding takes nothing away
SCOUTS = 4  # cells along each axis that tell how much of space may hold something


@dataclass(frozen=True)
class Lattice:
    """A cube around the origin, divided into cells, and how far their centres are trusted.

    Attributes
    ----------
    half : float
        Half the cube's side, world units.
    cells : int
        Along a side, at the first level; each further level halves the cells.
    levels : int
    margin : float
        Raw densities are sampled at the centres of a cell and its 26 neighbours. The cell is
        empty when the highest of them stays below zero by more than `margin` times their spread.
    doubt : float
        The same for the last sample of a ray, whose interval is infinite: there the smallest
        positive density is opaque, so that a wider margin is kept.
    above : int
        Levels above the first one, each of cells twice as large: they tell what is far from
        everything, at an eighth of the cells. A crowded space does without.
    """

    half: float
    cells: int
    levels: int
    margin: float
    doubt: float
    above: int = 0

    @property
    def coarsest(self) -> int:
        """Cells along a side at the coarsest level."""
        return self.cells >> self.above

    @property
    def resolution(self) -> int:
        """Cells along a side at the finest level."""
        return self.cells << (self.levels - 1)


@dataclass(frozen=True, eq=False)
class _States:
    """States of the cells of some samples, and where, flattened, which cells are not known yet."""

    state: Tensor
    at: Tensor
    unknown: Tensor


class OccupancyGrid:
    """The states of the cells of a lattice, of one density.

    Parameters
    ----------
    lattice : Lattice
    density, exact : callable
        Of the field of one shape: good enough to look for emptiness with, and to judge with.
    device : torch.device
    chunk : int
        Points that they are given at once; it may be changed at any time.
    workers : int
        Threads that share them.
    """

    def __init__(
        self,
        lattice: Lattice,
        density: Density,
        exact: Density,
        device: torch.device,
        *,
        chunk: int = CHUNK,
        workers: int = 1,
    ) -> None:
        self.lattice, self.device = lattice, device
        self.chunk, self.workers = chunk, workers
        self._density, self._exact = density, exact
        self.evaluated = 0  # cells
        self.levels = [self._level(0)]
        self.bounds: Tensor | None = None  # corners, shape = (2, 3), of all that may hold something
        if lattice.levels + lattice.above > 1:
            self._divide()
        edge = self.levels[-1].margin
        inside = slice(edge, -edge)
        state = torch.full((self.levels[-1].side,) * 3, OCCUPIED, device=device, dtype=torch.uint8)
        state[inside, inside, inside] = UNKNOWN  # beyond, every sample is evaluated
        self.state = state.flatten()

    @property
    def bytes(self) -> int:
        """Held in memory."""
        return len(self.state) + sum(level.bytes for level in self.levels)

    def _level(self, depth: int) -> Level:
        cells = self.lattice.coarsest << depth
        return Level(cells, 2 * self.lattice.half / cells, 1 << depth, self.device)

    def _divide(self) -> None:
        """Make further levels, unless so much may hold something that they would not pay."""
        if self.lattice.above and self._crowded():
            self.lattice = dataclasses.replace(self.lattice, above=0)
            self.levels = [self._level(0)]
        if self.lattice.levels > 1 and self._crowded():
            self.lattice = dataclasses.replace(self.lattice, levels=1)
        levels = self.lattice.levels + self.lattice.above
        self.levels += [self._level(depth) for depth in range(1, levels)]
        if self.lattice.levels >= WORTH_BOUNDS:
            self.bounds = self._bounds()

    def _bounds(self) -> Tensor:
        """Of the coarsest cells that are not far from everything, and a little more."""
        level = self.levels[0]
        self.evaluated += level.complete(self._scout)
        highest, lowest = level.extremes()
        near = (self._graded(highest, lowest, FAR) > FAR).nonzero()
        if not len(near):
            return torch.full(
                (2, 3), 4 * self.lattice.half, device=self.device, dtype=torch.float32
            )
        first, beyond = near.amin(dim=0) + 1 - LITTLE, near.amax(dim=0) + 2 + LITTLE
        return (torch.stack((first, beyond)) - level.side / 2) * level.size

    def _crowded(self) -> bool:
        """Whether dividing would not pay, from coarse cells spread over the cube."""
        level, cells = self.levels[0], self.lattice.coarsest
        step = torch.arange(SCOUTS, device=self.device, dtype=torch.int64)
        along = (step * 2 + 1) * cells // (2 * SCOUTS) + level.margin
        scouts = (along[:, None, None] * level.side + along[:, None]) * level.side + along
        around = level.neighbours(scouts.flatten())
        self.evaluated += level.ensure(around, self._scout)
        state = self._judged(level, around, FAR)
        return float(((state > EMPTY) & (state < SOLID)).float().mean()) > DENSE

    def occupied(self, origins: Tensor, directions: Tensor, z: Tensor) -> Tensor:
        """Which samples may have a density.

        Parameters
        ----------
        origins, directions : Tensor, shape = (n, 3)
        z : Tensor, shape = (n, samples)

        Returns
        -------
        Tensor of bool, shape = (n, samples)
        """
        passing = self._passing(origins, directions, z)
        if passing is None:
            return self._looked_up(origins, directions, z, ends=True)
        occupied = torch.zeros_like(z, dtype=torch.bool)
        rays, first, beyond = passing
        if len(rays):
            occupied[rays, first:beyond] = self._looked_up(
                origins[rays],
                directions[rays],
                z[:, first:beyond].index_select(0, rays),
                ends=beyond == z.shape[1],
            )
        return occupied

    def _passing(
        self, origins: Tensor, directions: Tensor, z: Tensor
    ) -> tuple[Tensor, int, int] | None:
        """Rays that pass through the bounds, and the first and last of their samples there.

        None is all of them: without bounds, or where something leaves the lattice.
        """
        if self.bounds is None or not self._holds(origins, directions, z):
            return None
        along = directions.where(directions.abs() > TINY, TINY)
        sides = (self.bounds[:, None] - origins) / along
        enter, leave = sides.amin(dim=0).amax(dim=-1), sides.amax(dim=0).amin(dim=-1)
        hit = (enter <= leave) & (leave >= z[:, 0]) & (enter <= z[:, -1])
        rays = hit.nonzero()[:, 0]
        z, enter, leave = z[rays].contiguous(), enter[rays, None], leave[rays, None]
        samples = z.shape[1]
        first = torch.searchsorted(z, enter).amin() if len(rays) else samples
        beyond = torch.searchsorted(z, leave, right=True).amax() if len(rays) else 0
        return rays, int(first), int(beyond)

    def _holds(self, origins: Tensor, directions: Tensor, z: Tensor) -> bool:
        """Whether all samples lie within the lattice, as they do when their rays' ends do."""
        ends = torch.cat([origins + directions * z[:, at, None] for at in (0, -1)])
        return bool(ends.abs().amax() <= self.lattice.half)

    def complete(self) -> None:
        """Look into every cell that was not yet, so that no later picture waits for any."""
        self._evaluate_cells((self.state == UNKNOWN).nonzero()[:, 0])

    def _looked_up(self, origins: Tensor, directions: Tensor, z: Tensor, *, ends: bool) -> Tensor:
        """As `occupied`; whether the last samples are the `ends` of their rays."""
        size = -(-len(z) // self.workers)
        parts = [slice(at, at + size) for at in range(0, len(z), size)]
        looked = each(
            lambda some: self._states_at(origins[some], directions[some], z[some]),
            parts,
            self.workers,
        )
        self._evaluate_cells(distinct(torch.cat([one.unknown for one in looked])))
        return torch.cat(each(lambda one: self._filled(one, ends=ends), looked, self.workers))

    def _states_at(self, origins: Tensor, directions: Tensor, z: Tensor) -> _States:
        cells = self._cells(origins, directions, z)
        state = self.state.index_select(0, cells.flatten()).view(cells.shape)
        at = (state == UNKNOWN).flatten().nonzero()[:, 0]
        return _States(state, at, cells.flatten()[at])

    def _filled(self, looked: _States, *, ends: bool) -> Tensor:
        state = looked.state
        state.view(-1)[looked.at] = self.state[looked.unknown]
        occupied = state >= OCCUPIED
        if ends:
            occupied[:, -1] |= state[:, -1] == DOUBTFUL
        return occupied

    def audit(
        self, origins: Tensor, directions: Tensor, z: Tensor, count: int, seed: int
    ) -> list[Looked]:
        """Raw densities of some of the samples that `occupied` says are empty, by kind.

        Parameters
        ----------
        origins, directions, z
            As for `occupied`, which must have been asked before.
        count : int
            How many at most.
        seed : int
            Of which they are.

        Returns
        -------
        list of Looked
            Up to a quarter of `count` at the end of their rays, up to half near the object, up to
            a quarter anywhere. How many are near is told by their share of the samples drawn.
        """
        rays, samples = z.shape
        source = torch.Generator(device="cpu").manual_seed(seed)
        draws = torch.randint(
            rays * samples, (DRAWS * count,), generator=source, device="cpu", dtype=torch.int64
        )
        draws = draws.to(device=z.device)
        ray = draws.div(samples, rounding_mode="floor")
        at = draws % samples
        at[: 4 * count] = samples - 1
        depth = z[ray, at][:, None]
        state = self.state[self._cells(origins[ray], directions[ray], depth)][:, 0]
        last = at == samples - 1
        skipped = (state < DOUBTFUL) | ((state == DOUBTFUL) & ~last)
        near = skipped & (state > FAR)
        kinds = [
            (skipped & last).nonzero()[: count // 4, 0],
            near.nonzero()[: count // 2, 0],
            (skipped & ~last).nonzero()[: count // 4, 0],
        ]
        share = float(near[4 * count :].to(torch.float32).mean())
        there = (rays, math.ceil(share * rays * samples), rays * samples)
        chosen = torch.cat(kinds)
        points = origins[ray[chosen]] + directions[ray[chosen]] * depth[chosen]
        made = self._some_at_a_time(self._exact, points)
        parts = torch.split(made, [len(kind) for kind in kinds])
        return [Looked(part, of) for part, of in zip(parts, there, strict=True)]

    def outside(self, rays: Rays, z: Tensor, occupied: Tensor) -> Outside | None:
        """Occupied samples, as `occupied` told, that are well outside; None where none are asked.

        What is found of a sample depends on the sample and on the densities around it alone.
        """
        if self.lattice.resolution < FINE:
            return None
        return outside(self.levels[-1], rays, z, occupied.nonzero(), self.lattice.margin)

    def audit_outside(
        self, rays: Rays, z: Tensor, samples: Outside, count: int, seed: int
    ) -> Tensor:
        """Densities of up to `count` of such samples, over how far below zero they were told.

        They are -1 where interpolation is right, and positive where the density is. Interpolated
        densities end at a threshold, and would tell nothing of a tail.
        """
        some = drawn(samples, count, seed)
        depth = z[some.ray, some.sample]
        found = self._some_at_a_time(self._exact, points(rays, depth, some.ray))
        return found / -some.density

    def _scout(self, points: Tensor) -> Tensor:
        return self._some_at_a_time(self._density, points)

    def _some_at_a_time(self, density: Density, points: Tensor) -> Tensor:
        if not len(points):
            return points.new_zeros(0)
        return torch.cat(each(density, torch.split(points, self.chunk), self.workers))

    def _cells(self, origins: Tensor, directions: Tensor, z: Tensor) -> Tensor:
        """The finest cell of each sample, shape = (n, samples)."""
        side, size = self.levels[-1].side, self.levels[-1].size
        cells: Tensor | None = None
        for axis in range(3):
            start = origins[:, axis, None] / size + side / 2
            at = torch.addcmul(start, directions[:, axis, None] / size, z)
            along = at.clamp_(0, side - 1).to(torch.int32)
            cells = along if cells is None else along.add_(cells, alpha=side)
        assert cells is not None
        return cells

    def _evaluate_cells(self, cells: Tensor) -> None:
        """Descend from the coarsest level, leaving behind what is empty."""
        for some in torch.split(cells, SLAB) if len(cells) else ():
            try:
                self._descend(some)
            except BaseException:
                self.state[some] = UNKNOWN  # half looked into, as a picture that was given up left
                raise

    def _descend(self, some: Tensor) -> None:
        here, state = some, torch.full_like(some, SOLID, dtype=torch.uint8)
        for depth, level in enumerate(self.levels):
            far = depth <= self.lattice.above
            found = self._states(level, here, depth, FAR if far else EMPTY)
            state = torch.minimum(state, found)
            self.state[here] = state
            near = (found > EMPTY) & (found < SOLID)
            here, state = here[near], state[near]
            if not len(here):
                break

    def _states(self, level: Level, cells: Tensor, depth: int, empty: int) -> Tensor:
        """What one level knows of finest cells."""
        finest = self.levels[-1]
        x, y, z = (finest.index(cells) >> (len(self.levels) - 1 - depth)).unbind(-1)
        holding = (x * level.side + y) * level.side + z
        parents = distinct(holding)
        around = level.neighbours(parents)
        self.evaluated += level.ensure(around, self._scout)
        return self._judged(level, around, empty)[torch.searchsorted(parents, holding)]

    def _judged(self, level: Level, around: Tensor, empty: int) -> Tensor:
        """States, shape = (n,), of cells whose neighbours, shape = (n, 27), are known."""
        values = level.value[around]
        highest, lowest = values.amax(dim=-1), values.amin(dim=-1)
        return self._graded(highest.to(torch.float32), lowest.to(torch.float32), empty)

    def _graded(self, highest: Tensor, lowest: Tensor, empty: int) -> Tensor:
        """States of cells from the highest and lowest density there and around, likewise."""
        spread = highest - lowest
        state = torch.full_like(highest, OCCUPIED, dtype=torch.uint8)  # what is not a number, too
        state[highest + self.lattice.margin * spread < 0] = DOUBTFUL
        state[highest + self.lattice.doubt * spread < 0] = empty
        state[lowest > 0] = SOLID
        return state
