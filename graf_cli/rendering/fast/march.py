"""Rays walk front to back through what may hold something, and stop where nothing more shows.

A round takes the next few occupied samples of every ray that is still alive. Densities are made
of all of them; colours only of those whose weight shows; a ray ends when what is behind it can no
longer be seen. `graf_cli.rendering.march` is the naive twin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from graf_cli.rendering.camera import Rays
from graf_cli.rendering.fast.audit import Audit
from graf_cli.rendering.fast.grid import DENSE, OccupancyGrid
from graf_cli.rendering.march import EPSILON, INFINITE, Composite

CLEAR = 1e-4  # transmittance below which a ray ends: all that is behind adds up to no more
CLEAR_DENSITY = 1e-12  # the same for weights that a floor of 1e-5 is added to without a trace
UNSEEN = 4e-4  # weights whose colours are left out may add up to this along one ray
FULL = 4  # part of a chunk from which a round is worth its fixed cost
MOST_AT_ONCE = 16  # samples of a ray in one round


class Trunk(Protocol):
    """A density that keeps what its colour is made from; see `FoldedDensity`."""

    def features(self, points: Tensor, /) -> Tensor:
        """Of points, shape (n, 3) to (n, width)."""

    def density(self, features: Tensor, /) -> Tensor:
        """Raw, shape (n, width) to (n,)."""


class Branch(Protocol):
    """A colour; see `FoldedColour`."""

    def per_ray(self, directions: Tensor, /) -> Tensor | None:
        """What unit directions, shape (n, 3), add to their samples."""

    def __call__(self, features: Tensor, per_ray: Tensor | None, /) -> Tensor:
        """Raw, shape (n, 3)."""


@dataclass
class Count:
    """Work done: samples whose density was evaluated, of how many there are."""

    evaluated: int = 0
    coloured: int = 0
    possible: int = 0

    def add(self, other: Count) -> None:
        """Count another's work too."""
        self.evaluated += other.evaluated
        self.coloured += other.coloured
        self.possible += other.possible


@dataclass(frozen=True, eq=False)
class Walk:
    """The occupied samples of n rays, one list after another.

    Attributes
    ----------
    sample : Tensor, shape = (k,)
        Index into the flattened (n, samples) of each occupied sample, ray by ray.
    start, end : Tensor, shape = (n,)
        Where each ray's list begins and ends.
    """

    sample: Tensor
    start: Tensor
    end: Tensor


def walk(occupied: Tensor) -> Walk:
    """Lists of occupied samples of a mask, shape = (n, samples)."""
    end = occupied.sum(dim=-1).cumsum(dim=-1)
    start = torch.cat((torch.zeros_like(end[:1]), end[:-1]))
    return Walk(occupied.flatten().nonzero()[:, 0], start, end)


def intervals(z: Tensor, length: Tensor) -> Tensor:
    """Lengths of the intervals that the samples stand for, the last infinite, shape as `z`."""
    last = torch.full_like(z[:, :1], INFINITE)
    return torch.cat((z[:, 1:] - z[:, :-1], last), dim=-1) * length


class Marcher:
    """One conditioned field, ready to be marched through.

    Parameters
    ----------
    density : Trunk
    colour : Branch or None
        None makes weights only.
    grid : OccupancyGrid or None
        None evaluates every sample that a ray comes to.
    """

    def __init__(
        self,
        density: Trunk,
        colour: Branch | None,
        grid: OccupancyGrid | None,
    ) -> None:
        self.density, self.colour, self.grid = density, colour, grid

    def march(
        self, rays: Rays, z: Tensor, *, chunk: int, count: Count, audit: Audit | None = None
    ) -> Composite:
        """Colour, opacity and depth of rays with samples at depths `z`, shape = (n, samples).

        Raises
        ------
        GridBrokenError
            When the audit finds the grid wrong.
        """
        block = _Block(self, rays, z, count, audit)
        block.run(chunk)
        return Composite(block.rgb, block.opacity, block.depth)

    def weights(
        self, rays: Rays, z: Tensor, *, chunk: int, count: Count, audit: Audit | None = None
    ) -> Tensor:
        """Weights alone, shape = (n, samples). Raises as `march`."""
        block = _Block(self, rays, z, count, audit)
        block.end = CLEAR_DENSITY
        block.kept = torch.zeros(z.numel(), device=z.device, dtype=z.dtype)
        block.run(chunk)
        return block.kept.view(z.shape)


class _Block:
    """Rays on their way, with what they have seen so far."""

    def __init__(
        self, marcher: Marcher, rays: Rays, z: Tensor, count: Count, audit: Audit | None
    ) -> None:
        self.marcher, self.rays, self.count = marcher, rays, count
        self.length = rays.directions.norm(dim=-1, keepdim=True)
        self.z, self.samples = z.flatten(), z.shape[1]
        self.interval = intervals(z, self.length).flatten()
        self.clear = torch.ones_like(rays.near[:, 0])
        self.opacity = torch.zeros_like(self.clear)
        self.depth = torch.zeros_like(self.clear)
        self.rgb = torch.zeros_like(rays.origins)
        self.end = CLEAR  # transmittance below which a ray ends
        self.kept: Tensor | None = None  # weights, where these are wanted
        self.walk = walk(self._occupied(z, audit))
        self.row = torch.zeros_like(self.walk.start)  # of each ray in `facing`
        self.facing: Tensor | None = None
        count.possible += z.numel()

    def _occupied(self, z: Tensor, audit: Audit | None) -> Tensor:
        grid, origins, directions = self.marcher.grid, self.rays.origins, self.rays.directions
        everything = torch.ones_like(z, dtype=torch.bool)
        if grid is None:
            return everything
        occupied = grid.occupied(origins, directions, z)
        if float(occupied.float().mean()) > DENSE:
            return everything  # what little could be left out is not worth a doubt
        if audit is not None:
            audit.judge(grid.audit(origins, directions, z, audit.count, audit.source), occupied)
        return occupied

    def run(self, chunk: int) -> None:
        at, end = self.walk.start.clone(), self.walk.end
        live = (at < end).nonzero()[:, 0]
        self._face(live)
        while len(live):
            step = min(max(chunk // FULL // len(live), 1), MOST_AT_ONCE)
            rays = max(chunk // step, 1)
            for first in range(0, len(live), rays):
                some = live[first : first + rays]
                self._advance(some, at[some], step)
            at += step
            live = live[(at[live] < end[live]) & (self.clear[live] > self.end)]

    def _face(self, ray: Tensor) -> None:
        """Make what directions add to colours, once for each ray that may see something."""
        if self.marcher.colour is not None:
            self.row[ray] = torch.arange(len(ray), device=ray.device, dtype=ray.dtype)
            self.facing = self.marcher.colour.per_ray(self.rays.directions[ray] / self.length[ray])

    def _advance(self, ray: Tensor, at: Tensor, step: int) -> None:
        """The next `step` occupied samples of some rays."""
        ahead = torch.arange(step, device=at.device, dtype=at.dtype)
        item = at[:, None] + ahead
        inside = item < self.walk.end[ray, None]
        sample = self.walk.sample[item.clamp_(max=len(self.walk.sample) - 1)]
        taken = inside.flatten().nonzero()[:, 0]
        features, density = self._look(ray[taken.div(step, rounding_mode="floor")], sample, taken)
        alpha = 1 - torch.exp(-density.relu() * self.interval[sample])
        clear = torch.cat((self.clear[ray, None], 1 - alpha + EPSILON), dim=-1).cumprod(dim=-1)
        # Nothing behind the end of a ray, so that a picture does not depend on who steps with whom.
        weight = torch.where(clear[:, :-1] > self.end, alpha * clear[:, :-1], 0)
        self.clear[ray] = clear[:, -1]
        if self.kept is not None:
            self.kept.index_add_(0, sample.flatten(), weight.flatten())
            return
        self.opacity[ray] += weight.sum(dim=-1)
        self.depth[ray] += (weight * self.z[sample]).sum(dim=-1)
        shown = weight.flatten()[taken]
        seen = (shown > UNSEEN / self.samples).nonzero()[:, 0]
        if self.marcher.colour is not None and len(seen):
            of = ray[taken[seen].div(step, rounding_mode="floor")]
            kept = features if len(seen) == len(features) else features[seen]
            self._add_colour(self.marcher.colour, of, kept, shown[seen])

    def _look(self, ray: Tensor, sample: Tensor, taken: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the samples taken, and densities of all, nothing where none was taken."""
        depth = self.z[sample.flatten()[taken], None]
        points = self.rays.origins[ray] + self.rays.directions[ray] * depth
        features = self.marcher.density.features(points)
        density = torch.zeros(sample.numel(), device=depth.device, dtype=depth.dtype)
        density[taken] = self.marcher.density.density(features)
        self.count.evaluated += len(points)
        return features, density.view(sample.shape)

    def _add_colour(self, colour: Branch, ray: Tensor, features: Tensor, weight: Tensor) -> None:
        facing = None if self.facing is None else self.facing[self.row[ray]]
        raw = colour(features, facing)
        self.rgb.index_add_(0, ray, weight[:, None] * raw.sigmoid())
        self.count.coloured += len(ray)
