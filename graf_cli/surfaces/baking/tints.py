"""Colours that move with the viewing direction, in few numbers a point.

Every point v of an object has a colour ``c(v, d) ≈ m(v) + Σ_k a_k(v) B_k(d)``: a mean, and r
coefficients of r maps over directions that all points share (r ≤ `RANK`). The maps are found by a
singular value decomposition of the colours of some points, the coefficients by least squares in
which a direction counts as much as the point is seen from there.

Directions d point from the camera. Maps are octahedral: the sphere is projected onto the
octahedron |x| + |y| + |z| = 1, whose lower half is folded out around the upper one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.arrays import Array
from graf_cli.rendering.threads import each, workers
from graf_cli.scene.volume import SeenAround
from graf_cli.surfaces.baking.lattice import Lattice
from graf_cli.surfaces.field import Field

RANK = 3  # with more, nothing is gained that eight bits could hold
# Texels along a side of a map: 6 degrees. Light is sent along every second of them each way; with
# half as many, what shows through a gap only is left without a colour, which a coarse volume, that
# is seen for a moment, takes for its speed.
SIDE, COARSE_SIDE = 32, 16
COARSE = 64  # points along a volume's longest side
LEARNT = 700  # points that the maps are found from
DIRECTIONS = 10  # drawn for every point, from which its colour is asked for
ENOUGH = 20_000  # points that maps are made better by
ROUNDS = 4  # of least squares, by turns of coefficients and maps
ROWS = 1 << 14  # colours at once: products of enough points, in few megabytes a core
CHUNK = 1 << 14  # points whose coefficients are solved for at once
RIDGE = 1e-2  # of a direction's weight, by which what was hardly seen keeps to the mean
RIDGE_TOGETHER = 1e-1  # likewise, where the points around tell of coefficients, too
SHOWS = 0.5 / 255  # root mean square of what a map adds, below which it is left out


@dataclass(frozen=True, eq=False)
class Tints:
    """Colours of k points.

    Attributes
    ----------
    mean : ndarray, shape = (k, 3)
    coefficients : ndarray, shape = (k, r)
    maps : ndarray, shape = (r, side, side, 3)
        Rows follow the octahedron's y.
    """

    mean: Array
    coefficients: Array
    maps: Array


def side_of(n: int) -> int:
    """Texels along a side of the maps of a volume of n points along its longest side."""
    return SIDE if n > COARSE else COARSE_SIDE


def octahedral(side: int, device: torch.device) -> Tensor:
    """Unit directions of the texels of a map, row by row, shape = (side², 3)."""
    along = (torch.arange(side, device=device, dtype=torch.float32) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(along, along, indexing="ij")
    z = 1 - x.abs() - y.abs()
    # Below the horizon the corners are folded over the edges of the upper half.
    fx = torch.where(z < 0, (1 - y.abs()) * torch.where(x < 0, -1.0, 1.0), x)
    fy = torch.where(z < 0, (1 - x.abs()) * torch.where(y < 0, -1.0, 1.0), y)
    return functional.normalize(torch.stack((fx, fy, z), dim=-1).reshape(-1, 3), dim=-1)


@dataclass(frozen=True, eq=False)
class Painter:
    """Asks a field for colours, on all cores.

    Attributes
    ----------
    field : Field
    lattice : Lattice
    facing : Tensor or None
        What each direction of a map adds to colours.
    """

    field: Field
    lattice: Lattice
    facing: Tensor | None

    def __call__(self, index: Tensor, texel: Tensor, tell: Callable[[float], None]) -> Tensor:
        """Of points of the lattice, shape = (n,), in directions, shape = (n, m): (n, m, 3)."""
        found = torch.empty((*texel.shape, 3), device=texel.device, dtype=torch.float32)
        size = max(ROWS // texel.shape[1], 1)
        starts = range(0, len(index), size)

        def paint(start: int) -> None:
            some = slice(start, start + size)
            found[some] = self._colours(index[some], texel[some])

        threads = workers(self.field.device) if self.field.scout.tile is None else 1
        together = 64
        for first in range(0, len(starts), together):
            each(paint, starts[first : first + together], threads)
            tell(min(first + together, len(starts)) / len(starts))
        return found

    def _colours(self, index: Tensor, texel: Tensor) -> Tensor:
        volume = self.field.scout
        features, _ = volume.density(self.lattice.points(index))
        per_ray = None if self.facing is None else self.facing[texel]
        if isinstance(volume, SeenAround):
            return volume.around(features, per_ray)[..., :3].expand(*texel.shape, 3)
        rows = features.repeat_interleave(texel.shape[1], dim=0)
        flat = None if per_ray is None else per_ray.flatten(0, 1)
        return volume.radiance(rows, flat)[:, :3].view(*texel.shape, 3)


def tints_of(
    field: Field, lattice: Lattice, index: Tensor, seen: Tensor, *, asked: Tensor, side: int,
    tell: Callable[[float], None],
) -> Tints:  # fmt: skip
    """Colours of points of a lattice.

    Parameters
    ----------
    field : Field
    lattice : Lattice
    index : Tensor, shape = (k,)
        Which points.
    seen : Tensor, shape = (k, m)
        How much of each is seen along each direction that is asked for.
    asked : Tensor, shape = (m,)
        Which those are, of the texels of a map of half the side.
    side : int
        Texels along a side of the maps.
    tell : callable
        Told how much is done, in [0, 1].
    """
    device, source = field.device, torch.Generator(device="cpu").manual_seed(0)
    directions = octahedral(side, device)
    paint = Painter(field, lattice, field.scout.per_ray(directions))
    order = torch.randperm(len(index), generator=source, device="cpu", dtype=torch.int64)
    some = order[:LEARNT].to(device=device)
    place = torch.full((side**2 // 4,), -1, device=device, dtype=torch.int64)
    place[asked] = torch.arange(len(asked), device=device, dtype=torch.int64)
    every = torch.arange(side**2, device=device, dtype=torch.int64)
    column = place[_coarser(every, side)]
    known = every[column >= 0]
    learnt = paint(index[some], known.expand(len(some), -1), lambda done: tell(0.3 * done))
    few = _first_maps(learnt, seen[some][:, column[known]])
    maps = few.new_zeros((len(few), side**2, 3))
    # Where no camera looks, a map goes on as it was at the last direction that one looks along.
    maps[:] = few[:, (directions @ directions[known].T).argmax(dim=1)]
    drawn, weight = _drawn_directions(seen, source, DIRECTIONS if len(maps) else 1)
    texel = _finer(asked[drawn], source, side)
    found = paint(index, texel, lambda done: tell(0.3 + 0.6 * done))
    mean, coefficients, maps = _fitted(
        found, texel, weight, maps, lambda values: _summed(values, lattice, index)
    )
    return Tints(
        mean.cpu().numpy(), coefficients.cpu().numpy(), maps.view(-1, side, side, 3).cpu().numpy()
    )


def _coarser(texel: Tensor, side: int) -> Tensor:
    """The texel of a map of half the side in which one lies."""
    row, column = texel.div(side, rounding_mode="floor"), texel % side
    return row.div(2, rounding_mode="floor") * (side // 2) + column.div(2, rounding_mode="floor")


def _finer(coarse: Tensor, source: torch.Generator, side: int) -> Tensor:
    """For each texel of a map of half the side, one of the four in it."""
    within = torch.randint(4, coarse.shape, generator=source, dtype=torch.int64, device="cpu")
    within, half = within.to(device=coarse.device), side // 2
    row = coarse.div(half, rounding_mode="floor") * 2 + within.div(2, rounding_mode="floor")
    return row * side + coarse % half * 2 + within % 2


def _drawn_directions(seen: Tensor, source: torch.Generator, number: int) -> tuple[Tensor, Tensor]:
    """Directions for every point, without repetition, likelier where more of it is seen.

    Returns
    -------
    drawn : Tensor, shape = (count, number)
        Columns of `seen`.
    weight : Tensor, likewise
    """
    uniform = torch.rand(seen.shape, generator=source, dtype=torch.float32, device="cpu")
    # The largest of these keys are a draw in proportion to what is seen (Efraimidis and Spirakis).
    keys = uniform.to(device=seen.device).log() / seen.clamp(min=1e-6)
    drawn = keys.topk(min(number, seen.shape[1]), dim=1).indices
    # So those drawn count alike, but those of points that are seen from fewer directions.
    weight = seen.gather(1, drawn) / seen.mean(dim=1, keepdim=True).clamp(min=1e-6)
    return drawn, weight.clamp(max=1)


def _first_maps(colours: Tensor, weight: Tensor) -> Tensor:
    """Maps, shape = (r, m, 3), from all m directions of some points, shape = (n, m, 3).

    What is not seen is filled with what the maps of the round before say.
    """
    weight = weight[..., None]
    mean = (colours * weight).sum(dim=1, keepdim=True) / weight.sum(dim=1, keepdim=True).clamp(
        min=1e-6
    )
    rest = colours - mean
    if float((rest.square() * weight).sum() / weight.sum().clamp(min=1e-6) / 3) ** 0.5 < SHOWS:
        return rest.new_zeros((0, rest.shape[1], 3))
    # The sphere counts where the object is seen from, all of it a little.
    share = weight.mean(dim=0).sqrt().clamp(min=0.05)
    filled = rest * weight
    basis = rest.new_zeros((3 * rest.shape[1], RANK))
    for _ in range(ROUNDS):
        flat = (filled * share).flatten(1)
        basis = _principal(flat, RANK)
        low = ((flat @ basis) @ basis.T).view(rest.shape) / share
        filled = torch.where(weight > 0.5, rest, low)
    return basis.T.reshape(-1, rest.shape[1], 3) / share


def _principal(rows: Tensor, rank: int) -> Tensor:
    """The first right singular vectors, shape = (m, min(rank, n)), of rows, shape = (n, m)."""
    # Of the two squares of a matrix, whose eigenvectors tell each other, the smaller.
    squares, vectors = torch.linalg.eigh(rows @ rows.T)
    squares, vectors = squares[-rank:].flip(0), vectors[:, -rank:].flip(1)
    found: Tensor = rows.T @ vectors / squares.clamp(min=1e-12).sqrt()
    return found


def _summed(values: Tensor, lattice: Lattice, index: Tensor) -> Tensor:
    """Sums of values, shape = (k, n), of points of a lattice and those of the 26 around each."""
    volume = torch.zeros(lattice.shape, device=values.device, dtype=values.dtype)
    found = torch.empty_like(values)
    for k in range(values.shape[1]):  # one by one, for the sake of memory
        volume.view(-1)[index] = values[:, k]
        means = functional.avg_pool3d(volume[None, None], 3, 1, 1)
        found[:, k] = 27 * means.view(-1)[index]
    return found


def _fitted(
    colours: Tensor, texel: Tensor, weight: Tensor, maps: Tensor,
    summed: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Mean, coefficients and maps, by turns, that are nearest to some colours of every point.

    How colours move with the view changes slowly from point to point; so the coefficients are
    those of a point and its neighbours, which `summed` sums values over, and the mean is its own.
    """
    count, _, _ = colours.shape
    if not len(maps):
        total = weight.sum(dim=1, keepdim=True).clamp(min=1e-6)
        mean = (colours * weight[..., None]).sum(dim=1) / total
        return mean, colours.new_zeros((count, 0)), maps
    # Maps have few numbers, which some of the points tell as well as all of them.
    some = slice(None, None, max(count // ENOUGH, 1))
    few = colours[some], texel[some], weight[some]
    for _ in range(ROUNDS - 1):
        mean, coefficients = _solved(*few, maps)
        maps = _better_maps(few[0] - mean[:, None], *few[1:], coefficients, maps)
    return *_solved(colours, texel, weight, maps, summed), maps


def _solved(
    colours: Tensor, texel: Tensor, weight: Tensor, maps: Tensor,
    summed: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Mean, shape = (n, 3), and coefficients, shape = (n, r), of every point."""
    r, asked = len(maps), []
    for c, t, w in zip(*(torch.split(x, CHUNK) for x in (colours, texel, weight)), strict=True):
        b = maps[:, t]  # (r, n, directions, 3)
        total = w.sum(dim=1)[:, None].clamp(min=1e-6)
        c_mean = (c * w[..., None]).sum(dim=1) / total
        b_mean = (b * w[..., None]).sum(dim=2) / total
        # Centred, the mean and the coefficients do not ask for each other.
        rest, basis = c - c_mean[:, None], b - b_mean[:, :, None]
        normal = torch.einsum("inlc,jnlc,nl->nij", basis, basis, w)
        right = torch.einsum("inlc,nlc,nl->ni", basis, rest, w)
        asked.append((torch.cat((normal.flatten(1), right), dim=1), c_mean, b_mean))
    equations = torch.cat([part[0] for part in asked])
    scale = equations[:, : r * r : r + 1].mean()
    if summed is not None:
        equations = summed(equations)
    ridge = (RIDGE if summed is None else RIDGE_TOGETHER) * scale
    eye = torch.eye(r, device=maps.device, dtype=maps.dtype)
    normal, right = equations[:, : r * r].view(-1, r, r), equations[:, r * r :]
    coefficients = torch.linalg.solve(normal + ridge * eye, right[..., None])[..., 0]
    c_mean = torch.cat([part[1] for part in asked])
    b_mean = torch.cat([part[2] for part in asked], dim=1)
    return c_mean - torch.einsum("nr,rnc->nc", coefficients, b_mean), coefficients


def _better_maps(
    rest: Tensor, texel: Tensor, weight: Tensor, coefficients: Tensor, maps: Tensor
) -> Tensor:
    """Maps, shape = (r, texels, 3), that are nearest to what the means leave."""
    r, texels, _ = maps.shape
    flat, w = texel.flatten(), weight.flatten()[:, None]
    a = coefficients.repeat_interleave(texel.shape[1], dim=0)
    normal = rest.new_zeros((texels, r * r))
    normal.index_add_(0, flat, (a[:, :, None] * a[:, None] * w[..., None]).flatten(1))
    right = rest.new_zeros((texels, r * 3))
    right.index_add_(0, flat, (a[:, :, None] * rest.reshape(-1, 1, 3) * w[..., None]).flatten(1))
    normal = normal.view(texels, r, r)
    scale = normal.diagonal(dim1=1, dim2=2).mean()
    eye = torch.eye(r, device=rest.device, dtype=rest.dtype)
    # Texels that hardly any direction met keep what they are.
    right = right.view(texels, r, 3) + RIDGE * scale * maps.permute(1, 0, 2)
    solved: Tensor = torch.linalg.solve(normal + RIDGE * scale * eye, right)
    return solved.permute(1, 0, 2)
