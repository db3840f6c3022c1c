"""Some of what a grid calls empty is looked at, wherever it is used.

A ray of a picture that is marched both ways tests all of its samples, but they lie on one line;
the same effort spent on single samples all over the picture finds what is small far sooner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 8  # samples of a block that are looked at
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
class Looked:
    """Some samples of one kind that were called empty and looked at.

    Attributes
    ----------
    densities : Tensor
    of : int
        How many such samples there are.
    """

    densities: Tensor
    of: int


class Audit:
    """Looks at some of what is called empty, over one picture.

    Parameters
    ----------
    total : int
        Samples that are looked at in the whole picture.
    blocks : int
        In which it is marched.
    seed : int
        Of which samples.
    expect : bool
        Judge also the highest density to be expected among all the samples called empty, from
        how the highest ones of those audited are spread.
    """

    def __init__(self, total: int, blocks: int, seed: int, *, expect: bool) -> None:
        self.total, self.expect = total, expect
        self.count = max(total // blocks, LEAST)  # of one block
        self._first, self._block = seed, 0
        self._seen: dict[tuple[int, int], Sequence[Looked]] = {}

    @property
    def seed(self) -> int:
        """Of the samples of this block."""
        return self._first + self._block

    def begin(self, block: int) -> None:
        """What follows is of the block of rays of that number."""
        self._block = block

    def judge(self, kinds: Sequence[Looked], grid: int = 0) -> None:
        """Raise GridBrokenError unless the densities audited are those of emptiness.

        Parameters
        ----------
        kinds : sequence of Looked
            Those of the block, in the same order for every block.
        grid : int
            By which grid, of those of the picture.
        """
        wrong = int(torch.cat([kind.densities > 0 for kind in kinds]).sum())
        if wrong:
            share = wrong / max(self.total, sum(len(kind.densities) for kind in kinds))
            raise GridBrokenError(f"{wrong} samples called empty are not", share)
        self._seen[self._block, grid] = kinds

    def finish(self) -> None:
        """Raise GridBrokenError if higher densities are to be expected than were met."""
        if not self.expect:
            return
        for grid in {grid for _, grid in self._seen}:
            blocks = [kinds for (_, of), kinds in self._seen.items() if of == grid]
            for kind in zip(*blocks, strict=True):
                met = torch.cat([part.densities for part in kind])
                if len(met) and expected_highest(met, sum(part.of for part in kind)) > 0:
                    raise GridBrokenError("samples called empty come close to what is not", 0.0)


def expected_highest(values: Tensor, of: int) -> float:
    """Highest of `of` values, of which some are given, if their upper tail is exponential.

    The mean excess of the highest few over the lowest of them is the tail's scale; of k times as
    many values the highest is expected to be higher by that times log k.
    """
    tail = values.topk(min(max(TAIL, len(values) // 50), len(values))).values
    scale = tail.mean() - tail[-1]
    return float(tail[0] + scale * math.log(max(of / len(values), 1)))
