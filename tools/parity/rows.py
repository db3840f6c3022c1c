"""What a comparison says."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


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
    a, b = (np.asarray(one).astype(np.float64) for one in (ours, theirs))
    if a.shape != b.shape:
        raise ValueError(f"{case}: {output} has shape {a.shape} instead of {b.shape}")
    off = np.atleast_1d(np.abs(a - b))
    off[np.atleast_1d(np.isnan(a) & np.isnan(b))] = 0
    largest, mean = (float(off.max()), float(off.mean())) if off.size else (0.0, 0.0)
    return Row(case, output, largest, mean, bound, mean_bound)


def shares(case: str, output: str, ours: ArrayLike, theirs: ArrayLike, *, two: bool) -> list[Row]:
    """A row of pictures: their largest difference or, of two passes, the 99.9th percentile.

    Where a second pass takes its samples is decided by comparing sums, so that rounding can move
    one of them across an edge.
    """
    row = compare(case, output, ours, theirs, 2e-4, 1e-5)
    if not two:
        return [row]
    a, b = (np.asarray(one).astype(np.float64) for one in (ours, theirs))
    most = float(np.quantile(np.abs(a - b), 0.999))
    return [Row(case, f"{output} (99.9 %)", most, row.mean, 1e-3, 1e-4)]
