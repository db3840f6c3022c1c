"""Distances are the published formulas, and zero where nothing differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from graf_cli.errors import UsageError
from graf_cli.scoring.distances import fid, frechet, kernel_distance, kid

Rows = NDArray[np.float64]


def drawn(n: int, d: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Rows:
    return np.random.default_rng(seed).normal(shift, scale, (n, d)) @ np.diag(
        np.linspace(0.5, 2, d)
    )


def naive_frechet(x: Rows, y: Rows) -> float:
    """By a root of the product of both covariances, which is not symmetric."""
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    values = np.linalg.eigvals(a @ b)
    root = np.sqrt(np.clip(values.real, 0, None)).sum()
    return float(np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b) - 2 * root)


def naive_kernel_distance(x: Rows, y: Rows) -> float:
    """Pair by pair."""

    def k(a: Any, b: Any) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    n, m = len(x), len(y)
    within = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    other = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within + other - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize(("n", "m"), [(40, 30), (5, 40), (6, 4)])
def test_both_are_their_formulas(n: int, m: int) -> None:
    """With more pictures than features, and with fewer."""
    x, y = drawn(n, 8, 0), drawn(m, 8, 1, 0.5, 1.5)
    assert frechet(x, y) == pytest.approx(naive_frechet(x, y), abs=1e-6)
    assert kernel_distance(x, y) == pytest.approx(naive_kernel_distance(x, y))


def test_a_known_distance() -> None:
    """Of two normal distributions along axes: the shift, and the difference of their widths."""
    x = np.random.default_rng(0).normal(size=(100, 3))
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet(x, x + np.array([3.0, 0, 4.0])) == pytest.approx(25)
    spread = np.var(x, axis=0, ddof=1).sum()
    assert frechet(x, 2 * (x - x.mean(0)) + x.mean(0)) == pytest.approx(spread)


def test_kid_does_not_grow_with_few_pictures_and_fid_does() -> None:
    """Both are 0 of one distribution but for chance; FID is biased upwards."""
    x, y = drawn(60, 8, 0), drawn(60, 8, 1)
    assert frechet(x[:20], y[:20]) > frechet(x, y) > 0
    trials = [kernel_distance(drawn(20, 8, 2 * k), drawn(20, 8, 2 * k + 1)) for k in range(200)]
    assert abs(np.mean(trials)) < 3 * np.std(trials) / np.sqrt(len(trials))


def test_intervals_hold_what_more_pictures_come_to() -> None:
    x, y = drawn(400, 4, 0), drawn(300, 4, 1, 0.5)
    found = kid(x, y)
    assert found.interval is not None
    assert found.interval[0] <= found.value <= found.interval[1]
    assert (found.real, found.generated) == (400, 300)
    again = fid(x, y)
    assert again == fid(x, y)
    assert again.interval is not None
    # The standard error of halves, held against sets that are drawn anew.
    anew = [frechet(drawn(400, 4, 10 + k), drawn(300, 4, 50 + k, 0.5)) for k in range(30)]
    error = (again.interval[1] - again.interval[0]) / 2 / 1.96
    assert 0.5 < error / np.std(anew) < 2


def test_one_subset_of_all_pictures_has_no_interval() -> None:
    x, y = drawn(20, 4, 0), drawn(20, 4, 1)
    assert kid(x, y).value == kernel_distance(x, y)
    assert kid(x, y).interval is None


def test_one_picture_has_no_distance() -> None:
    for measure in (fid, kid):
        with pytest.raises(UsageError, match="takes 2 of each"):
            measure(drawn(1, 4, 0), drawn(9, 4, 0))
