"""A colour map for depths: from far and dark violet over red to near and light yellow.

It is our own: a helix in the OKLab space (B. Ottosson, 2020), whose distances are close to those
that people see. Lightness rises evenly while the hue turns evenly at a constant chroma that keeps
within sRGB, so that equal differences of depth look equally different, in grey as well.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

STEPS = 1024
LIGHTNESS = (0.24, 0.96)  # of the far and the near end
HUE = (285.0, 465.0)  # degrees, over red
CHROMA = 0.14  # at the middle; it falls off to both ends, where sRGB narrows

Values = NDArray[np.float32]


def coloured(values: Values, scale: float = 1.0) -> Values:
    """Colours of numbers.

    Parameters
    ----------
    values : ndarray, shape = (H, W)
        0 is the far end, `scale` the near one; what lies beyond takes the end's colour.
    scale : float

    Returns
    -------
    ndarray, shape = (H, W, 3)
        sRGB in [0, 1].
    """
    index = np.clip(np.nan_to_num(values / scale) * (STEPS - 1) + 0.5, 0, STEPS - 1).astype(np.intp)
    return np.asarray(table()[index])


@cache
def table() -> Values:
    """The colours in order, shape = (1024, 3), sRGB in [0, 1]."""
    linear = np.clip(_linear_rgb(helix()), 0, 1)
    curved = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(curved, dtype=np.float32)


def helix() -> NDArray[np.float64]:
    """The same colours in OKLab, shape = (1024, 3)."""
    t = np.linspace(0, 1, STEPS)
    hue = np.radians(HUE[0] + (HUE[1] - HUE[0]) * t)
    chroma = CHROMA * (1 - (2 * t - 1) ** 4 * 0.45)
    lightness = LIGHTNESS[0] + (LIGHTNESS[1] - LIGHTNESS[0]) * t
    return np.stack((lightness, chroma * np.cos(hue), chroma * np.sin(hue)), axis=-1)


def _linear_rgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """OKLab to linear sRGB, by the two matrices that define it."""
    to_cones = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return np.asarray((lab @ to_cones.T) ** 3 @ to_rgb.T)
