"""A baked volume becomes few bytes, which `assets/page/volume.js` reads.

Planes one after another, gzip'ed together. First what kind each point is, as the difference from
the point before along y, modulo 3. Then density, three planes of colour and one a coefficient, of
the points that have colours: differences, modulo 256, from the mean of those of their neighbours
x − 1, y − 1, z − 1 that have colours too, rounded down. Then the maps, little-endian float32.
"""

from __future__ import annotations

import gzip

import numpy as np
from numpy.typing import NDArray

from graf_cli.surfaces.baking.baked import Baked, Bytes

EMPTY, SHOWN, SOLID = range(3)


def packed(baked: Baked) -> bytes:
    """The planes of a volume."""
    kind = np.where(baked.shown, SHOWN, np.where(baked.density == 255, SOLID, EMPTY))
    flat = kind.reshape(-1).astype(np.int16)
    before = np.zeros_like(flat)
    width = kind.shape[2]
    before[width:] = flat[:-width]
    planes = [((flat - before) % 3).astype(np.uint8)]
    colours = [*baked.mean.T, *baked.coefficients.T]
    planes.append(_differences(baked.density, baked.shown))
    for values in colours:
        volume = np.zeros(kind.shape, dtype=np.uint8)
        volume[baked.shown] = values
        planes.append(_differences(volume, baked.shown))
    data = b"".join(plane.tobytes() for plane in planes)
    return gzip.compress(data + baked.maps.astype("<f4").tobytes(), 9, mtime=0)


def _differences(values: Bytes, shown: NDArray[np.bool_]) -> Bytes:
    """Of points with colours from what their neighbours before them say, in the array's order."""
    total = np.zeros(values.shape, dtype=np.int32)
    found = np.zeros(values.shape, dtype=np.int32)
    for axis in range(3):
        here = tuple(slice(1, None) if k == axis else slice(None) for k in range(3))
        there = tuple(slice(None, -1) if k == axis else slice(None) for k in range(3))
        total[here] += np.where(shown[there], values[there], 0)
        found[here] += shown[there]
    guess = total // np.maximum(found, 1)
    return ((values - guess) % 256).astype(np.uint8)[shown]
