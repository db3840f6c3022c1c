"""Real spherical harmonics to degree 3, in the order and with the signs of 3DGS files.

They are orthonormal on the sphere: ``∫ Y_j Y_k dω`` is 1 for j = k and else 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

C0 = 0.28209479177387814  # √(1/4π)
C1 = 0.4886025119029199  # √(3/4π)
C2 = (1.0925484305920792, 0.31539156525252005, 0.5462742152960396)  # √(15/4π), √(5/16π), √(15/16π)
C3 = (
    0.5900435899266435,  # √(35/32π)
    2.890611442640554,  # √(105/4π)
    0.4570457994644658,  # √(21/32π)
    0.3731763325901154,  # √(7/16π)
    1.445305721320277,  # √(105/16π)
)


def count_of(degree: int) -> int:
    """Functions up to a degree."""
    return (degree + 1) ** 2


def basis(directions: Doubles, degree: int) -> Doubles:
    """Values in unit directions, shape = (n, 3), of all functions: (n, (degree + 1)²)."""
    x, y, z = directions.T
    found = [np.full_like(x, C0)]
    if degree >= 1:
        found += [-C1 * y, C1 * z, -C1 * x]
    if degree >= 2:
        a, b, c = C2
        found += [
            a * x * y, -a * y * z, b * (3 * z * z - 1), -a * x * z, c * (x * x - y * y),
        ]  # fmt: skip
    if degree >= 3:
        a, b, c, d, e = C3
        found += [
            -a * y * (3 * x * x - y * y), b * x * y * z, -c * y * (5 * z * z - 1),
            d * z * (5 * z * z - 3), -c * x * (5 * z * z - 1), e * z * (x * x - y * y),
            -a * x * (x * x - 3 * y * y),
        ]  # fmt: skip
    return np.stack(found, axis=1)
