"""Some of what a grid calls empty is looked at, wherever it is used.

A ray of a picture that is marched both ways tests all of its samples, but they lie on one line;
the same effort spent on single samples all over the picture finds what is small far sooner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

TAIL = 8  # values that tell how a distribution ends


class GridBrokenError(Exception):
    """The grid calls samples empty that are not, or can be expected to.

    Attributes
    ----------
    share : float
        Of the samples audited that are not empty.
    """

    def __init__(self, message: str, share: float) -> None:
        super().__init__(message)
        self.share = share


@dataclass(frozen=True, eq=False)
class Audit:
    """How many of the samples called empty are looked at, of each block of rays, and how hard.

    Attributes
    ----------
    count : int
    seed : int
        Of which samples.
    expect : bool
        Judge also the highest density to be expected among all the samples called empty, from
        how the highest ones of those audited are spread.
    """

    count: int
    seed: int
    expect: bool

    def judge(self, densities: Sequence[Tensor], occupied: Tensor) -> None:
        """Raise GridBrokenError unless the densities audited are those of emptiness."""
        audited = sum(len(kind) for kind in densities)
        wrong = sum(int((kind > 0).sum()) for kind in densities)
        if wrong:
            share = wrong / audited
            raise GridBrokenError(f"{share:.2%} of the samples called empty are not", share)
        empty = int((~occupied).sum())
        if self.expect and any(expected_highest(kind, empty) > 0 for kind in densities):
            raise GridBrokenError("samples called empty come too close to what is not", 0.0)


def expected_highest(values: Tensor, of: int) -> float:
    """Highest of `of` values, of which some are given, if their upper tail is exponential.

    The mean excess of the highest few over the lowest of them is the tail's scale; of k times as
    many values the highest is expected to be higher by that times log k.
    """
    tail = values.topk(min(max(TAIL, len(values) // 50), len(values))).values
    scale = tail.mean() - tail[-1]
    return float(tail[0] + scale * math.log(max(of / len(values), 1)))
