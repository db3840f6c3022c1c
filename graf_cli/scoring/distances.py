"""How far two sets of pictures are apart, by the features that a network makes of them.

Letters: ``X`` features of real pictures, shape = (n, d), ``Y`` those of generated ones, (m, d).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from graf_cli.errors import UsageError

Features = NDArray[np.float64]
Which = Literal["fid", "kid"]

SUBSET = 1000  # pictures of each of KID's subsets, as its authors have it
SUBSETS = 100  # likewise
RESAMPLES = 20  # of the generated pictures, for FID's interval; each takes a decomposition
CONFIDENCE = (2.5, 97.5)  # percentiles that an interval of 95 % lies between
FEWEST = 2  # pictures that have a covariance


@dataclass(frozen=True)
class Distance:
    """One number, and how far it is to be trusted.

    Attributes
    ----------
    value : float
    interval : tuple of 2 floats, or None
        In which it lies with a confidence of 95 %; None where there are too few pictures. That of
        FID tells how much the choice of pictures moves it, not its bias, which is of order 1 / n.
    real, generated : int
        Pictures.
    """

    value: float
    interval: tuple[float, float] | None
    real: int
    generated: int


def frechet(x: Features, y: Features) -> float:
    """Fréchet distance of two normal distributions (Heusel et al., NeurIPS 2017, equation 6).

    ``|μ_X − μ_Y|² + tr(Σ_X + Σ_Y − 2 (Σ_X Σ_Y)^½)``. The eigenvalues of ``Σ_X Σ_Y`` are the
    squares of the singular values of ``A Bᵀ``, where ``Σ_X = Aᵀ A`` and ``Σ_Y = Bᵀ B``: so the
    trace of the root is the sum of these, which needs no root of a matrix that is not symmetric.
    """
    a, b = (_deviations(features) for features in (x, y))
    shift = x.mean(axis=0) - y.mean(axis=0)
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(shift @ shift + np.square(a).sum() + np.square(b).sum() - 2 * root)


def _deviations(features: Features) -> Features:
    """``A`` of ``Σ = Aᵀ A``, the unbiased covariance, shape = (min(n, d), d)."""
    centred = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    if len(centred) <= centred.shape[1]:
        return np.asarray(centred)
    return np.asarray(np.linalg.qr(centred, mode="r"))


def kernel_distance(x: Features, y: Features) -> float:
    """Unbiased squared maximum mean discrepancy (Gretton et al., JMLR 2012, lemma 6).

    Of the kernel ``(a · b / d + 1)³`` (Bińkowski et al., ICLR 2018, section 3.1). It may be a
    little below 0.
    """
    n, m = len(x), len(y)
    within = (_kernel(x, x).sum() - _diagonal(x).sum()) / (n * (n - 1))
    within += (_kernel(y, y).sum() - _diagonal(y).sum()) / (m * (m - 1))
    return float(within - 2 * _kernel(x, y).mean())


def _kernel(x: Features, y: Features) -> Features:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def _diagonal(x: Features) -> Features:
    return np.asarray((np.square(x).sum(axis=1) / x.shape[1] + 1) ** 3)


def fid(x: Features, y: Features, seed: int = 0) -> Distance:
    """Fréchet inception distance, and how much it moves when the pictures are drawn anew.

    Raises
    ------
    UsageError
        When there are fewer than two pictures of either.
    """
    _check(x, y)
    value, source = frechet(x, y), np.random.default_rng(seed)
    moved = []
    for _ in range(RESAMPLES):
        # Halves without repetition: pictures that come twice would make a covariance smaller.
        some, others = (_half(source, features) for features in (x, y))
        if min(len(some), len(others)) >= FEWEST:
            moved.append(frechet(some, others))
    # Halves spread about as the whole would over new pictures: the delete-d jackknife of Shao and
    # Wu (1989), for d = n / 2.
    spread = float(np.std(moved)) if len(moved) > 1 else None
    interval = None if spread is None else (value - 1.96 * spread, value + 1.96 * spread)
    return Distance(value, interval, len(x), len(y))


def _half(source: np.random.Generator, features: Features) -> Features:
    order = source.permutation(len(features))[: len(features) // 2]
    return np.asarray(features[order])


def kid(x: Features, y: Features, seed: int = 0) -> Distance:
    """Kernel inception distance: the mean over subsets, and what their mean is known to.

    Raises
    ------
    UsageError
        As `fid`.
    """
    _check(x, y)
    source = np.random.default_rng(seed)
    size = min(SUBSET, len(x), len(y))
    if size == len(x) == len(y):  # there is one subset, all of them
        return Distance(kernel_distance(x, y), None, len(x), len(y))
    found = [
        kernel_distance(_some(source, x, size), _some(source, y, size)) for _ in range(SUBSETS)
    ]
    low, high = np.percentile(_means(source, np.array(found)), CONFIDENCE)
    return Distance(float(np.mean(found)), (float(low), float(high)), len(x), len(y))


def _some(source: np.random.Generator, features: Features, size: int) -> Features:
    return np.asarray(features[source.choice(len(features), size, replace=False)])


def _means(source: np.random.Generator, found: Features) -> Features:
    draws = source.integers(len(found), size=(SUBSET, len(found)))
    return np.asarray(found[draws].mean(axis=1))


def _check(x: Features, y: Features) -> None:
    if min(len(x), len(y)) < FEWEST:
        raise UsageError(
            f"There are {len(x)} real pictures and {len(y)} generated ones; "
            f"a distance takes {FEWEST} of each, and means something from some thousands on."
        )
