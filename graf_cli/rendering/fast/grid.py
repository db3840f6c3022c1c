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
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Density = Callable[[Tensor], Tensor]  # points, shape = (m, 3), to raw density, shape = (m,)

# States of a cell: empty with all around it, empty by a closer look, empty but too close to call
# for a ray's last sample, perhaps not empty, filled with all around it.
UNKNOWN, FAR, EMPTY, DOUBTFUL, OCCUPIED, SOLID = range(6)
CHUNK = 1 << 12  # points that go through a density at once
DRAWS = 16  # samples drawn for each that is audited, to find those of every kind
MUCH = 64  # times as many cells in a lattice as in a list make sorting the list cheaper
DENSE = 0.5  # share of space that may hold something from which a grid does not pay
SCOUTS = 4  # cells along each axis that tell how much of space may hold something


@dataclass(frozen=True)
class Lattice:
    """A cube around the origin, divided into cells, and how far their centres are trusted.

    Attributes
    ----------
    half : float
        Half the cube's side, world units.
    cells : int
        Along a side, at the coarsest level; each further level halves the cells.
    levels : int
    margin : float
        Raw densities are sampled at the centres of a cell and its 26 neighbours. The cell is
        empty when the highest of them stays below zero by more than `margin` times their spread.
    doubt : float
        The same for the last sample of a ray, whose interval is infinite: there the smallest
        positive density is opaque, so that a wider margin is kept.
    """

    half: float
    cells: int
    levels: int
    margin: float
    doubt: float

    @property
    def resolution(self) -> int:
        """Cells along a side at the finest level."""
        return self.cells << (self.levels - 1)


class Level:
    """Raw densities at the centres of a cubic lattice, evaluated when first asked for.

    The lattice has a margin of `margin` cells on each side, so that every cell inside has all
    its neighbours.
    """

    def __init__(self, side: int, size: float, margin: int, device: torch.device) -> None:
        self.side, self.size, self.margin = side + 2 * margin, size, margin
        self.device = device
        self.known = torch.zeros(self.side**3, device=device, dtype=torch.bool)
        self.value = torch.zeros(self.side**3, device=device, dtype=torch.float32)
        step = torch.arange(-1, 2, device=device, dtype=torch.int64)
        corner = (step[:, None, None] * self.side + step[:, None]) * self.side + step
        self.around = corner.flatten()

    def ensure(self, cells: Tensor, density: Density) -> int:
        """Evaluate those of the cells that are not known yet; how many those were."""
        new = self.distinct(cells[~self.known[cells]])
        self.value[new] = density(self.centres(new))
        self.known[new] = True
        return len(new)

    def distinct(self, cells: Tensor) -> Tensor:
        """The cells in ascending order, each once."""
        if len(cells) * MUCH < len(self.known):
            order = cells.to(torch.int64).sort().values
            first = torch.ones_like(order, dtype=torch.bool)
            first[1:] = order[1:] != order[:-1]
            return order[first]
        wanted = torch.zeros_like(self.known)
        wanted[cells] = True
        return wanted.nonzero()[:, 0]

    def index(self, cells: Tensor) -> Tensor:
        """Counted along each axis, shape = (n, 3)."""
        z = cells % self.side
        y = cells.div(self.side, rounding_mode="floor") % self.side
        x = cells.div(self.side**2, rounding_mode="floor")
        return torch.stack((x, y, z), dim=-1)

    def centres(self, cells: Tensor) -> Tensor:
        """World points, shape = (n, 3)."""
        return (self.index(cells).to(torch.float32) + (0.5 - self.side / 2)) * self.size

    def neighbours(self, cells: Tensor) -> Tensor:
        """The cells and the 26 around each, shape = (n, 27); the cells must be inside."""
        return cells[:, None] + self.around


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
    """

    def __init__(
        self,
        lattice: Lattice,
        density: Density,
        exact: Density,
        device: torch.device,
        chunk: int = CHUNK,
    ) -> None:
        self.lattice, self.device, self.chunk = lattice, device, chunk
        self._density, self._exact = density, exact
        self.evaluated = 0  # cells
        self.levels = [self._level(0)]
        if lattice.levels > 1:
            self._divide()
        edge = self.levels[-1].margin
        inside = slice(edge, -edge)
        state = torch.full((self.levels[-1].side,) * 3, OCCUPIED, device=device, dtype=torch.uint8)
        state[inside, inside, inside] = UNKNOWN  # beyond, every sample is evaluated
        self.state = state.flatten()

    @property
    def bytes(self) -> int:
        """Held in memory."""
        return len(self.state) + sum(5 * len(level.known) for level in self.levels)

    def _level(self, depth: int) -> Level:
        size = 2 * self.lattice.half / self.lattice.cells
        return Level(self.lattice.cells << depth, size / (1 << depth), 1 << depth, self.device)

    def _divide(self) -> None:
        """Make further levels, unless so much may hold something that they would not pay."""
        if self._crowded():
            self.lattice = dataclasses.replace(self.lattice, levels=1)
            return
        self.levels += [self._level(depth) for depth in range(1, self.lattice.levels)]

    def _crowded(self) -> bool:
        """Whether dividing would not pay, from coarse cells spread over the cube."""
        level, cells = self.levels[0], self.lattice.cells
        step = torch.arange(SCOUTS, device=self.device, dtype=torch.int64)
        along = (step * 2 + 1) * cells // (2 * SCOUTS) + level.margin
        scouts = (along[:, None, None] * level.side + along[:, None]) * level.side + along
        around = level.neighbours(scouts.flatten())
        self.evaluated += level.ensure(around, self._scout)
        state = self._graded(level.value[around], FAR)
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
        cells = self._cells(origins, directions, z)
        state = self.state[cells]
        unknown = cells[state == UNKNOWN]
        if len(unknown):
            self._look_into(self.levels[-1].distinct(unknown))
            state = self.state[cells]
        occupied = state >= OCCUPIED
        occupied[:, -1] |= state[:, -1] == DOUBTFUL
        return occupied

    def audit(
        self, origins: Tensor, directions: Tensor, z: Tensor, count: int, seed: int
    ) -> list[Tensor]:
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
        list of Tensor
            Up to a quarter of `count` at the end of their rays, up to half near the object, up to
            a quarter anywhere; kinds that there are none of are left out.
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
        kinds = [
            (skipped & last).nonzero()[: count // 4, 0],
            (skipped & (state > FAR)).nonzero()[: count // 2, 0],
            (skipped & ~last).nonzero()[: count // 4, 0],
        ]
        chosen = torch.cat(kinds)
        points = origins[ray[chosen]] + directions[ray[chosen]] * depth[chosen]
        made = self._some_at_a_time(self._exact, points)
        parts = torch.split(made, [len(kind) for kind in kinds])
        return [part for part in parts if len(part)]

    def _scout(self, points: Tensor) -> Tensor:
        return self._some_at_a_time(self._density, points)

    def _some_at_a_time(self, density: Density, points: Tensor) -> Tensor:
        if not len(points):
            return points.new_zeros(0)
        return torch.cat([density(part) for part in torch.split(points, self.chunk)])

    def _cells(self, origins: Tensor, directions: Tensor, z: Tensor) -> Tensor:
        """The finest cell of each sample, shape = (n, samples)."""
        side, size = self.levels[-1].side, self.levels[-1].size
        cells = torch.zeros(z.shape, device=z.device, dtype=torch.int32)
        for axis in range(3):
            start = origins[:, axis, None] / size + side / 2
            at = torch.addcmul(start, directions[:, axis, None] / size, z)
            cells = cells.mul_(side).add_(at.clamp_(0, side - 1).to(torch.int32))
        return cells

    def _look_into(self, cells: Tensor) -> None:
        """Descend from the coarsest level, leaving behind what is empty."""
        state = torch.full_like(cells, SOLID, dtype=torch.uint8)
        for depth, level in enumerate(self.levels):
            found = self._states(level, cells, depth, FAR if depth == 0 else EMPTY)
            state = torch.minimum(state, found)
            self.state[cells] = state
            near = (found > EMPTY) & (found < SOLID)
            cells, state = cells[near], state[near]
            if not len(cells):
                return

    def _states(self, level: Level, cells: Tensor, depth: int, empty: int) -> Tensor:
        """What one level knows of finest cells."""
        finest = self.levels[-1]
        x, y, z = (finest.index(cells) >> (self.lattice.levels - 1 - depth)).unbind(-1)
        holding = (x * level.side + y) * level.side + z
        parents = level.distinct(holding)
        around = level.neighbours(parents)
        self.evaluated += level.ensure(around, self._scout)
        state = torch.empty_like(level.known, dtype=torch.uint8)
        state[parents] = self._graded(level.value[around], empty)
        return state[holding]

    def _graded(self, values: Tensor, empty: int) -> Tensor:
        """States, shape = (n,), of the densities of cells and their neighbours, (n, 27)."""
        highest = values.amax(dim=-1)
        lowest = values.amin(dim=-1)
        spread = highest - lowest
        state = torch.full_like(highest, OCCUPIED, dtype=torch.uint8)  # what is no number, too
        state[highest + self.lattice.margin * spread < 0] = DOUBTFUL
        state[highest + self.lattice.doubt * spread < 0] = empty
        state[lowest > 0] = SOLID
        return state
