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

from graf_cli.rendering.fast.audit import LEAST, Audit, Looked
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
OUTSIDE = 4  # samples audited among those that cells leave out for each of those left out here
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


@dataclass(frozen=True, eq=False)
class FirstPass:
    """What a first pass found at samples of n rays, NaN where it did not look.

    Attributes
    ----------
    density : Tensor, shape = (n, samples)
        Raw.
    radiance : Tensor, shape = (n, samples, channels)
    """

    density: Tensor
    radiance: Tensor

    @classmethod
    def nothing(cls, z: Tensor, channels: int) -> FirstPass:
        """Of samples at depths `z`, shape = (n, samples)."""
        return cls(torch.full_like(z, torch.nan), z.new_full((*z.shape, channels), torch.nan))

    def among(self, further: int, order: Tensor) -> FirstPass:
        """The same when `further` samples have been added, and all were sorted by `order`."""
        more = FirstPass.nothing(order.new_empty((len(order), further), dtype=self.density.dtype),
                             self.radiance.shape[-1])  # fmt: skip
        density = torch.cat((self.density, more.density), dim=-1).gather(-1, order)
        radiance = torch.cat((self.radiance, more.radiance), dim=1)
        index = order[..., None].expand(*order.shape, radiance.shape[-1])
        return FirstPass(density, radiance.gather(1, index))


def walk(occupied: Tensor) -> Walk:
    """Lists of occupied samples of a mask, shape = (n, samples)."""
    end = occupied.sum(dim=-1, dtype=torch.int32).cumsum(dim=-1, dtype=torch.int64)
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
        self,
        rays: Rays,
        z: Tensor,
        *,
        chunk: int,
        count: Count,
        audit: Audit | None = None,
        known: FirstPass | None = None,
    ) -> Seen:
        """Radiance, opacity and depth of rays with samples at depths `z`, shape = (n, samples).

        What is `known` of a sample is not evaluated again.

        Raises
        ------
        GridBrokenError
            When the audit finds the grid wrong.
        """
        block = _Block(self, rays, z, count, audit)
        block.known = known
        block.run(chunk)
        if self.quadrature.last_back:
            block.fill_behind(chunk)
        return Seen(block.seen[:, :-2], block.seen[:, -2], block.seen[:, -1])

    def weights(
        self, rays: Rays, z: Tensor, *, chunk: int, count: Count, audit: Audit | None = None
    ) -> Tensor:
        """Weights alone, shape = (n, samples). Raises as `march`."""
        return self.first_pass(rays, z, chunk=chunk, count=count, audit=audit)[0]

    def first_pass(
        self, rays: Rays, z: Tensor, *, chunk: int, count: Count, audit: Audit | None = None
    ) -> tuple[Tensor, FirstPass | None]:
        """Weights, shape = (n, samples), and what a second pass keeps. Raises as `march`."""
        block = _Block(self, rays, z, count, audit)
        block.end = CLEAR_DENSITY
        block.weights = torch.zeros(z.numel(), device=z.device, dtype=z.dtype)
        if self.quadrature.reused:
            block.found = FirstPass.nothing(z, self.volume.channels)
        block.run(chunk)
        return block.weights.view(z.shape), block.found


@dataclass(frozen=True, eq=False)
class _Evaluated:
    """Samples that some rays come to next, and what was found at some of them.

    Attributes
    ----------
    ray : Tensor, shape = (n,)
    sample : Tensor, shape = (n, step)
    asked : Tensor, shape = (k,), or None
        Which of the samples, flattened, were evaluated, ascending; None is all.
    features : Tensor, shape = (k, width)
    """

    ray: Tensor
    sample: Tensor
    asked: Tensor | None
    features: Tensor


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
        self.weights: Tensor | None = None  # weights, where these are wanted
        self.found: FirstPass | None = None  # likewise what a second pass keeps
        self.known: FirstPass | None = None  # of a first pass
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
        filled = int(torch.count_nonzero(occupied))  # a sum would copy them all
        if filled > DENSE * z.numel():
            return everything  # what little could be left out is not worth a doubt
        if audit is not None:
            audit.judge(grid.audit(origins, directions, z, audit.count, audit.seed), id(grid))
        self._leave_out(grid, z, occupied, audit)
        if self.marcher.quadrature.activation != "relu":
            occupied[:, -1] = True  # the last interval is infinite, and no density is nothing
        return occupied

    def _leave_out(
        self, grid: OccupancyGrid, z: Tensor, occupied: Tensor, audit: Audit | None
    ) -> None:
        """Of the occupied samples those that lie well outside of what their cells may hold."""
        samples = grid.outside(self.rays, z, occupied)
        if samples is None:
            return
        if audit is not None:
            count = max(audit.count // OUTSIDE, LEAST)
            seen = grid.audit_outside(self.rays, z, samples, count, audit.seed)
            audit.judge([Looked(seen, len(samples))], -id(grid))  # a kind of their own
        occupied[samples.ray, samples.sample] = False

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
        asked, had = self._divided(sample, taken)
        features, density = self._evaluate(ray, sample, asked)
        if self.known is not None:
            density.view(-1)[had] = self.known.density.flatten()[sample.flatten()[had]]
        evaluated = _Evaluated(ray, sample, asked, features)
        weight, before_end = self._weigh(ray, density, self.interval[sample])
        if self.weights is not None:
            self.weights[_of(sample, taken)] = _of(weight, taken)
            coloured = self._remember(evaluated, density, weight, before_end)
            return Count(evaluated=len(features), coloured=coloured)
        part = weight.new_zeros((*weight.shape, self.channels + 2))
        part[..., -2] = weight
        part[..., -1] = weight * self.z[sample]
        visible = (weight.flatten() > UNSEEN / self.samples).nonzero()[:, 0]
        late = 0
        if self.channels and len(visible):
            visible, colour, late = self._colours(evaluated, visible)
            flat = part.view(-1, self.channels + 2)
            flat[visible, : self.channels] = weight.flatten()[visible, None] * colour
        seen = self.seen[ray]
        for column in part.unbind(dim=1):
            seen += column
        self.seen[ray] = seen
        return Count(evaluated=len(features) + late, coloured=len(visible))

    def _divided(self, sample: Tensor, taken: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Which of the samples taken have to be evaluated, and which are known, both flattened."""
        if self.known is None:
            return taken, None
        unknown = self.known.density.flatten()[sample.flatten()].isnan()
        if taken is None:
            return unknown.nonzero()[:, 0], (~unknown).nonzero()[:, 0]
        return taken[unknown[taken]], taken[~unknown[taken]]

    def _colours(self, evaluated: _Evaluated, visible: Tensor) -> tuple[Tensor, Tensor, int]:
        """Visible samples, their radiance, and how many had to be evaluated again for it."""
        if self.known is None or evaluated.asked is None:
            return visible, self._colour(evaluated, visible), 0
        before = self.known.radiance.flatten(0, 1)[evaluated.sample.flatten()[visible]]
        new = before[:, 0].isnan()
        old, visible = visible[~new], visible[new]
        here = torch.isin(visible, evaluated.asked)
        late, visible = visible[~here], visible[here]
        colours = [before[~new], self._colour(evaluated, visible)]
        if len(late):  # seen by this pass, and too little by the first one to be coloured there
            features, _ = self._evaluate(evaluated.ray, evaluated.sample, late)
            again = _Evaluated(evaluated.ray, evaluated.sample, late, features)
            colours.append(self._colour(again, late))
        return torch.cat((old, visible, late)), torch.cat(colours), len(late)

    def _colour(self, evaluated: _Evaluated, visible: Tensor) -> Tensor:
        """Radiance, shape = (n, channels), of some of the samples evaluated."""
        if not len(visible):
            return self.z.new_zeros((0, self.channels))
        # Gathered in as many rows as the matrix kernels like, which saves a copy of them all.
        full = functional.pad(visible, (0, -len(visible) % ROWS))
        of = evaluated.ray[full.div(evaluated.sample.shape[1], rounding_mode="floor")]
        row = full
        if evaluated.asked is not None:
            row = torch.searchsorted(evaluated.asked, full).clamp_(max=len(evaluated.asked) - 1)
        return self._paint(of, evaluated.features.index_select(0, row))[: len(visible)]

    def _remember(
        self, evaluated: _Evaluated, density: Tensor, weight: Tensor, before_end: Tensor
    ) -> int:
        """Keep what a second pass need not evaluate again; how many colours were made for that.

        Whether what lies behind a ray's end was evaluated depends on the rays beside it, so that
        it does not count as known.
        """
        if self.found is None:
            return 0
        at = before_end.flatten().nonzero()[:, 0]
        if evaluated.asked is not None:
            at = evaluated.asked[before_end.flatten()[evaluated.asked]]
        sample = evaluated.sample.flatten()
        self.found.density.view(-1)[sample[at]] = density.flatten()[at]
        # Twice as many samples share a ray there.
        visible = at[weight.flatten()[at] > UNSEEN / (2 * self.samples)]
        self.found.radiance.view(-1, self.channels)[sample[visible]] = self._colour(
            evaluated, visible
        )
        return len(visible)

    def _next(self, ray: Tensor, at: Tensor, step: int) -> tuple[Tensor, Tensor | None]:
        """Samples, shape = (n, step), and which of them, flattened, there are; None is all."""
        if step == 1:
            return self.walk.sample[at][:, None], None
        item = at[:, None] + torch.arange(step, device=at.device, dtype=at.dtype)
        inside = item < self.walk.end[ray, None]
        sample = self.walk.sample[item.clamp_(max=len(self.walk.sample) - 1)]
        return sample, inside.flatten().nonzero()[:, 0]

    def _weigh(self, ray: Tensor, density: Tensor, interval: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the samples that some rays come to next, and which come before their ends.

        Both have shape = (n, step).
        """
        alpha = 1 - torch.exp(-activated(density, self.marcher.quadrature) * interval)
        passed = 1 - alpha + EPSILON
        clear, weight = self.clear[ray], torch.empty_like(alpha)
        before_end = torch.empty_like(alpha, dtype=torch.bool)
        for column in range(alpha.shape[1]):
            # Nothing behind the end of a ray, so that it does not matter with whom it steps.
            before_end[:, column] = clear > self.end
            open_ = torch.where(before_end[:, column], clear, 0).to(alpha.dtype)
            weight[:, column] = alpha[:, column] * open_
            clear = clear * passed[:, column]
        self.clear[ray] = clear
        return weight, before_end

    def _evaluate(self, ray: Tensor, sample: Tensor, taken: Tensor | None) -> tuple[Tensor, Tensor]:
        """Features of the samples taken, and densities of all, nothing where none was taken."""
        if taken is not None:
            ray = ray[taken.div(sample.shape[1], rounding_mode="floor")]
        if taken is not None and not len(taken):
            return self.z.new_zeros((0, 1)), self.z.new_zeros(sample.shape)
        depth = self.z[_of(sample, taken), None]
        origins, directions = (  # copies rows, where an index takes number by number
            of.index_select(0, ray) for of in (self.rays.origins, self.rays.directions)
        )
        points = origins + directions * depth
        features, found = self.marcher.volume.density(points)
        if taken is None:
            return features, found.view(sample.shape)
        density = torch.zeros(sample.numel(), device=depth.device, dtype=depth.dtype)
        density[taken] = found
        return features, density.view(sample.shape)

    def _paint(self, ray: Tensor, features: Tensor) -> Tensor:
        """Radiance, shape = (n, channels)."""
        facing = None if self.facing is None else self.facing.index_select(0, self.row[ray])
        return self.marcher.volume.radiance(features, facing)

    def fill_behind(self, chunk: int) -> None:
        """Give the last sample of every ray the weight that is missing to 1."""
        ray = (1 - self.seen[:, -2] > UNSEEN).nonzero()[:, 0]
        self._face(ray)
        for some in torch.split(ray, chunk):
            last = some * self.samples + self.samples - 1
            features, _ = self._evaluate(some, last[:, None], None)
            missing = 1 - self.seen[some, -2, None]
            self.seen[some, : self.channels] += missing * self._paint(some, features)


def _of(values: Tensor, taken: Tensor | None) -> Tensor:
    """Those of some values, flattened, that were taken; None is all."""
    return values.flatten() if taken is None else values.flatten()[taken]


def _wide(like: Tensor) -> torch.dtype:
    """In which the plain marcher multiplies transmittances up, where there is such a type."""
    return torch.float64 if like.device.type in {"cpu", "cuda"} else like.dtype
