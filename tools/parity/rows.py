"""What a comparison says."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from graf_cli.arrays import Array
from graf_cli.scene.camera import Rays
from graf_cli.scene.volume import Draws

CPU = torch.device("cpu")


class Row(NamedTuple):
    """How far one output of one case is off.

    Attributes
    ----------
    case, output : str
    largest, mean : float
        Absolute differences over all numbers of the output.
    bound, mean_bound : float
        What they may be.
    """

    case: str
    output: str
    largest: float
    mean: float
    bound: float
    mean_bound: float = math.inf

    def widened(self, times: float) -> Row:
        """With bounds so many times as wide."""
        return self._replace(bound=times * self.bound, mean_bound=times * self.mean_bound)

    @property
    def good(self) -> bool:
        """Whether both are within their bounds; NaN is not."""
        return self.largest <= self.bound and self.mean <= self.mean_bound


def compare(  # noqa: PLR0917 - a row, as it is printed
    case: str,
    output: str,
    ours: ArrayLike,
    theirs: ArrayLike,
    bound: float,
    mean_bound: float = math.inf,
) -> Row:
    """A row of two arrays of one shape; NaN counts as equal where both have it.

    Raises
    ------
    ValueError
        When the shapes differ, so that nothing is broadcast unseen.
    """
    a, b = _numbers(ours), _numbers(theirs)
    if a.shape != b.shape:
        raise ValueError(f"{case}: {output} has shape {a.shape} instead of {b.shape}")
    off = np.atleast_1d(np.abs(a - b))
    off[np.atleast_1d(np.isnan(a) & np.isnan(b))] = 0
    largest, mean = (float(off.max()), float(off.mean())) if off.size else (0.0, 0.0)
    return Row(case, output, largest, mean, bound, mean_bound)


def shares(
    case: str, output: str, ours: ArrayLike, theirs: ArrayLike, *, most: float | None = None
) -> list[Row]:
    """A row of pictures: their largest difference or, of two passes, a quantile of it.

    Where a second pass takes its samples is decided by comparing sums, so that rounding can move
    one of them across an edge; `most` is the share of numbers that has to be within 1e-3 then.
    """
    row = compare(case, output, ours, theirs, 2e-4, 1e-5)
    if most is None:
        return [row]
    off = np.abs(_numbers(ours) - _numbers(theirs))
    told = f"{output} ({100 * most:g} %)"
    return [Row(case, told, float(np.quantile(off, most)), row.mean, 1e-3, 1e-4)]


def _numbers(values: ArrayLike) -> Array:
    """In double precision; tensors of inference know no copies of NumPy's kind."""
    plain = values.cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    return plain.astype(np.float64)


def placed(rays: Rays, device: torch.device) -> Rays:
    """Rays, which cameras make on the CPU, on a device."""
    views = None if rays.views is None else rays.views.to(device=device)
    origins, directions, near, far = (
        part.to(device=device) for part in (rays.origins, rays.directions, rays.near, rays.far)
    )
    return Rays(origins, directions, near, far, views)


def drawn_on(draws: Draws, device: torch.device) -> Draws:
    """Random numbers, which are the CPU's by definition, on a device."""
    quantiles = None if draws.quantiles is None else draws.quantiles.to(device=device)
    noise = tuple(one.to(device=device) for one in draws.noise)
    return Draws(draws.jitter.to(device=device), quantiles, noise)
