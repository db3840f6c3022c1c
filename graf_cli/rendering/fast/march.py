"""Rays walk front to back through what may hold something, and stop where nothing more shows.

A round takes the next few occupied samples of every ray that is still alive. Densities are made
of all of them; colours only of those whose weight shows; a ray ends when what is behind it can no
longer be seen. `graf_cli.rendering.integrator` is the naive twin.

What a ray sees does not depend on who steps with it, nor on how many samples it takes at once: its
samples are summed one after the other, and one without density multiplies by 1 and adds 0. So a
picture is the same to the last bit whatever a process has rendered before.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.rendering.fast.audit import Audit
from graf_cli.rendering.fast.grid import DENSE, OccupancyGrid
from graf_cli.rendering.integrator import EPSILON, INFINITE, Seen, activated
from graf_cli.rendering.threads import check_cancelled, each
from graf_cli.scene.camera import Rays
from graf_cli.scene.kernels import ROWS
from graf_cli.scene.volume import FastVolume, Quadrature

CLEAR = 1e-4  # transmittance below which a ray ends: all that is behind adds up to no more
CLEAR_DENSITY = 1e-12  # the same for weights that a floor of 1e-5 is added to without a trace
UNSEEN = 4e-4  # weights whose colours are left out may add up to this along one ray
FULL = 4  # part of a chunk from which a round is worth its fixed cost
MOST_AT_ONCE = 16  # samples of a ray in one round


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
    """One folded volume, ready to be marched through.

    Parameters
    ----------
    volume : FastVolume
    quadrature : Quadrature
    grid : OccupancyGrid or None
        None evaluates every sample that a ray comes to.
    workers : int
        Threads that share the rays.
    """

    def __init__(
        self,
        volume: FastVolume,
        quadrature: Quadrature,
        grid: OccupancyGrid | None,
        workers: int = 1,
    ) -> None:
        self.volume, self.quadrature, self.grid = volume, quadrature, grid
        self.workers = workers

    def march(
        self, rays: Rays, z: Tensor, *, chunk: int, count: Count, audit: Audit | None = None
    ) -> Seen:
        """Radiance, opacity and depth of rays with samples at depths `z`, shape = (n, samples).

        Raises
        ------
        GridBrokenError
            When the audit finds the grid wrong.
        """
        block = _Block(self, rays, z, count, audit)
        block.run(chunk)
        if self.quadrature.last_back:
            block.fill_behind(chunk)
        return Seen(block.seen[:, :-2], block.seen[:, -2], block.seen[:, -1])

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
        self.clear = torch.ones_like(rays.near[:, 0], dtype=_wide(z))
        self.channels = marcher.volume.channels
        self.seen = z.new_zeros((len(z), self.channels + 2))  # radiance, opacity, depth
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
        filled = int(occupied.sum())
        if filled > DENSE * z.numel():
            return everything  # what little could be left out is not worth a doubt
        if audit is not None:
            densities = grid.audit(origins, directions, z, audit.count, audit.seed)
            audit.judge(densities, z.numel() - filled, id(grid))
        if self.marcher.quadrature.activation != "relu":
            occupied[:, -1] = True  # the last interval is infinite, and no density is nothing
        return occupied

    def run(self, chunk: int) -> None:
        live = (self.walk.start < self.walk.end).nonzero()[:, 0]
        self._face(live)
        # Neighbours see much the same, so that parts of every n-th ray take the same time.
        workers = self.marcher.workers if len(live) > self.marcher.workers else 1
        parts = [live[first::workers].contiguous() for first in range(workers)]
        for made in each(lambda part: self._follow(part, chunk), parts, workers):
            self.count.add(made)

    def _follow(self, live: Tensor, chunk: int) -> Count:
        """Some rays to their ends."""
        count, at, end = Count(), self.walk.start[live], self.walk.end[live]
        while len(live):
            check_cancelled()
            step = min(max(chunk // FULL // len(live), 1), MOST_AT_ONCE)
            rays = max(chunk // step, 1)
            for first in range(0, len(live), rays):
                some = slice(first, first + rays)
                count.add(self._advance(live[some], at[some], step))
            at = at + step
            going = ((at < end) & (self.clear[live] > self.end)).nonzero()[:, 0]
            live, at, end = live[going], at[going], end[going]
        return count

    def _face(self, ray: Tensor) -> None:
        """Make what directions add to colours, once for each ray that may see something."""
        if self.channels:
            self.row[ray] = torch.arange(len(ray), device=ray.device, dtype=ray.dtype)
            views = self.rays.views
            unit = self.rays.directions / self.length if views is None else views
            self.facing = self.marcher.volume.per_ray(unit[ray])

    def _advance(self, ray: Tensor, at: Tensor, step: int) -> Count:
        """The next `step` occupied samples of some rays."""
        sample, taken = self._next(ray, at, step)
        features, density = self._look(ray, sample, taken)
        weight = self._weigh(ray, density, self.interval[sample])
        if self.kept is not None:
            self.kept[_of(sample, taken)] = _of(weight, taken)
            return Count(evaluated=len(features))
        part = weight.new_zeros((*weight.shape, self.channels + 2))
        part[..., -2] = weight
        part[..., -1] = weight * self.z[sample]
        visible = (weight.flatten() > UNSEEN / self.samples).nonzero()[:, 0]
        if self.channels and len(visible):
            # Gathered in as many rows as the matrix kernels like, which saves a copy of them all.
            full = functional.pad(visible, (0, -len(visible) % ROWS))
            row = full if taken is None else torch.searchsorted(taken, full)
            of = ray[full.div(step, rounding_mode="floor")]
            colour = self._paint(of, features[row])[: len(visible)]
            flat = part.view(-1, self.channels + 2)
            flat[visible, : self.channels] = weight.flatten()[visible, None] * colour
        seen = self.seen[ray]
        for column in part.unbind(dim=1):
            seen += column
        self.seen[ray] = seen
        return Count(evaluated=len(features), coloured=len(visible))

    def _next(self, ray: Tensor, at: Tensor, step: int) -> tuple[Tensor, Tensor | None]:
        """Samples, shape = (n, step), and which of them, flattened, there are; None is all."""
        if step == 1:
            return self.walk.sample[at][:, None], None
        item = at[:, None] + torch.arange(step, device=at.device, dtype=at.dtype)
        inside = item < self.walk.end[ray, None]
        sample = self.walk.sample[item.clamp_(max=len(self.walk.sample) - 1)]
        return sample, inside.flatten().nonzero()[:, 0]

    def _weigh(self, ray: Tensor, density: Tensor, interval: Tensor) -> Tensor:
        """Weights, shape = (n, step), of the samples that some rays come to next."""
        alpha = 1 - torch.exp(-activated(density, self.marcher.quadrature) * interval)
        passed = 1 - alpha + EPSILON
        clear, weight = self.clear[ray], torch.empty_like(alpha)
        for column in range(alpha.shape[1]):
            # Nothing behind the end of a ray, so that it does not matter with whom it steps.
            open_ = torch.where(clear > self.end, clear, 0).to(alpha.dtype)
            weight[:, column] = alpha[:, column] * open_
            clear = clear * passed[:, column]
        self.clear[ray] = clear
        return weight

    def _look(self, ray: Tensor, sample: Tensor, taken: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features of the samples taken, and densities of all, nothing where none was taken."""
        if taken is not None:
            ray = ray[taken.div(sample.shape[1], rounding_mode="floor")]
        depth = self.z[_of(sample, taken), None]
        points = self.rays.origins[ray] + self.rays.directions[ray] * depth
        features, found = self.marcher.volume.density(points)
        if taken is None:
            return features, found.view(sample.shape)
        density = torch.zeros(sample.numel(), device=depth.device, dtype=depth.dtype)
        density[taken] = found
        return features, density.view(sample.shape)

    def _paint(self, ray: Tensor, features: Tensor) -> Tensor:
        """Radiance, shape = (n, channels)."""
        facing = None if self.facing is None else self.facing[self.row[ray]]
        return self.marcher.volume.radiance(features, facing)

    def fill_behind(self, chunk: int) -> None:
        """Give the last sample of every ray the weight that is missing to 1."""
        ray = (1 - self.seen[:, -2] > UNSEEN).nonzero()[:, 0]
        self._face(ray)
        for some in torch.split(ray, chunk):
            last = some * self.samples + self.samples - 1
            features, _ = self._look(some, last[:, None], None)
            missing = 1 - self.seen[some, -2, None]
            self.seen[some, : self.channels] += missing * self._paint(some, features)


def _of(values: Tensor, taken: Tensor | None) -> Tensor:
    """Those of some values, flattened, that were taken; None is all."""
    return values.flatten() if taken is None else values.flatten()[taken]


def _wide(like: Tensor) -> torch.dtype:
    """In which the plain marcher multiplies transmittances up, where there is such a type."""
    return torch.float64 if like.device.type == "cpu" else like.dtype
