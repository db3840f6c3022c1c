"""The promise, and how a job proves that it keeps it.

The promise: no colour and no opacity differs from the plain marcher's by more than `PROMISE`.
Sampling a field cannot prove a picture right everywhere, so the proof is statistical. Some rays
of every picture are marched both ways, more of a series' first one: a third of them anywhere, a
third along the outlines, a third just outside, where a thin part that the grid missed would be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.rendering.fast.objects import NO_GRID, Tightness
from graf_cli.syntax import Precision

PROMISE = 1e-3
PROBES_FIRST, PROBES = 128, 8  # rays of a series' first picture, and of each later one
PROBED = 8  # of a small picture one ray in so many, a larger share than of any larger one
AUDIT_FIRST, AUDIT = 2048, 512  # samples called empty whose density is looked at, likewise
# The worst of all pixels was 3.5 times the worst of those looked at (NeRFs in float16 on an H100).
ROUNDED = 8
OFTEN = 0.01  # share of these that are not empty from which no grid will do
EDGE = 0.02  # difference of opacity between neighbours that makes an outline
NOTHING = 1e-3  # opacity up to which a pixel shows background

Used = Literal["float32", "tf32", "bfloat16", "float16"]
Path = Literal["fast", "folded", "plain"]

DTYPES: dict[Used, torch.dtype] = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True)
class Outcome:
    """What a job did, and what its proof measured.

    Attributes
    ----------
    path : str
        ``fast`` with a grid, ``folded`` without, ``plain`` the plain marcher; of the last picture.
    precision : str
        Of the matrix products.
    resolution : int
        Cells along a side of the grid; 0 without one.
    probed : int
        Rays marched both ways.
    difference : float
        Largest one of a colour or an opacity, over the pictures that were kept.
    evaluated, coloured, possible : int
        Samples whose density and whose colour was evaluated, of how many there are; of kept
        pictures.
    cells : int
        Evaluations that the grids took.
    promise : float
        What the difference is held to: more where a 2-D stage paints at reduced precision.
    """

    path: Path = "plain"
    precision: Used = "float32"
    resolution: int = 0
    probed: int = 0
    difference: float = 0.0
    evaluated: int = 0
    coloured: int = 0
    possible: int = 0
    cells: int = 0
    promise: float = PROMISE

    def proved(self, probed: int, difference: float) -> Outcome:
        """With what the proof measured."""
        return replace(self, probed=probed, difference=difference)


def merged(a: Outcome, b: Outcome) -> Outcome:
    """The outcome of two parts of a job; the last picture is that of `b`, if it has any."""
    last = b if b.possible else a
    return replace(
        last,
        probed=a.probed + b.probed,
        difference=max(a.difference, b.difference),
        evaluated=a.evaluated + b.evaluated,
        coloured=a.coloured + b.coloured,
        possible=a.possible + b.possible,
        cells=a.cells + b.cells,
        promise=max(a.promise, b.promise),
    )


@dataclass(frozen=True)
class Proof:
    """How hard a picture is looked at.

    Attributes
    ----------
    probes : int
        Rays marched both ways.
    audited : int
        Samples called empty whose density is looked at.
    expect : bool
        See `Audit`.
    """

    probes: int
    audited: int
    expect: bool


THOROUGH = Proof(PROBES_FIRST, AUDIT_FIRST, expect=True)
LIGHT = Proof(PROBES, AUDIT, expect=False)
PROVEN = Proof(0, 0, expect=False)  # before

# What is far from everything in cells of 32³ need not be asked for in 64³: two thirds of them. A
# thin thing far from all others is what that could miss, so that the next rung does without.
LADDER = (Tightness(cells=64, margin=2.0, above=1), Tightness(cells=96, margin=4.0), NO_GRID)


def precisions(asked: Precision, device: torch.device) -> list[Used]:
    """Those to try one after the other.

    Where nothing is asked for, reduced precision is tried on CUDA and given up when it does not
    keep the promise. A precision asked for by name is used.
    """
    if asked != "auto":
        return [asked]
    return ["float16", "tf32", "float32"] if device.type == "cuda" else ["float32"]


def allowed(precision: Used, *, by_name: bool) -> float:
    """What the rays that are looked at may differ by, for the promise to hold on all.

    Rounding errs everywhere, so that of many pixels the worst is worse than of those looked at.
    A precision asked for by name is held to the promise by its grid alone.
    """
    rounded = precision != "float32" and not by_name
    return PROMISE / ROUNDED if rounded else PROMISE


def after_broken_grid(rung: int, share: float) -> int:
    """The next rung of the ladder when `share` of the samples called empty are not."""
    return rung + 1 if share < OFTEN else len(LADDER) - 1


@contextmanager
def matrix_products(precision: Used) -> Iterator[None]:
    """Let CUDA's float32 products run as TF32 meanwhile, when that is what `precision` says."""
    if precision != "tf32":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def probes(opacity: Tensor, count: int, seed: int) -> Tensor:
    """Pixels to march both ways.

    Parameters
    ----------
    opacity : Tensor, shape = (H, W)
        As the fast path saw it.
    count : int
    seed : int
        The same pixels for the same picture and seed.

    Returns
    -------
    Tensor of int64, shape = (min(count, H·W),)
        Numbered row by row, on the CPU.
    """
    opacity = opacity.to(device="cpu")
    source = torch.Generator(device="cpu").manual_seed(seed)
    anywhere = torch.ones_like(opacity, dtype=torch.bool)
    strata = [_outline(opacity), _outside(opacity)]
    drawn = [_draw(stratum, count // 3, source) for stratum in strata]
    rest = count - sum(len(some) for some in drawn)
    return torch.cat((*drawn, _draw(anywhere, rest, source)))


def _outline(opacity: Tensor) -> Tensor:
    around = opacity[None, None]
    high = functional.max_pool2d(around, 3, stride=1, padding=1)
    low = -functional.max_pool2d(-around, 3, stride=1, padding=1)
    return (high - low)[0, 0] > EDGE


def _outside(opacity: Tensor) -> Tensor:
    """Background within a few pixels of something."""
    reach = max(2, max(opacity.shape) // 32)
    wide = functional.max_pool2d(opacity[None], (1, 2 * reach + 1), stride=1, padding=(0, reach))
    near = functional.max_pool2d(wide, (2 * reach + 1, 1), stride=1, padding=(reach, 0))
    return (near[0] > NOTHING) & (opacity <= NOTHING)


def _draw(stratum: Tensor, count: int, source: torch.Generator) -> Tensor:
    pixels = stratum.flatten().nonzero()[:, 0]
    if len(pixels) <= count:
        return pixels
    order = torch.randint(len(pixels), (count,), generator=source, device="cpu", dtype=torch.int64)
    return pixels[order]


def difference(seen: Tensor, truth: Tensor, background: tuple[float, float, float]) -> float:
    """Largest one of a colour or an opacity; infinite where either is not a number.

    Features, which a 2-D stage follows, count by the largest of them where that is more than 1.

    Parameters
    ----------
    seen, truth : Tensor, shape = (n, channels + 2)
        Radiance on black, opacity, depth.
    background : tuple of 3 floats
    """
    apart = seen[:, :-1] - truth[:, :-1]
    if apart.shape[1] != 4:
        scale = truth[:, :-2].abs().max().clamp(min=1)
        apart = torch.cat((apart[:, :-1] / scale, apart[:, -1:]), dim=-1)
        return float(apart.abs().nan_to_num(nan=torch.inf).max())
    behind = torch.tensor(background, device="cpu", dtype=seen.dtype).to(device=seen.device)
    shown = apart[:, :3] - apart[:, 3:] * behind
    worst = torch.cat((apart, shown), dim=-1).abs().nan_to_num(nan=torch.inf).max()
    return float(worst)
