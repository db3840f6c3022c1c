"""A picture as the bytes of a PNG, for notebooks, which show one before any file is written.

Files are written by `graf_cli.output.encode`, with a codec and with what they say of themselves;
this one says nothing, and needs none.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray


def png(rgb: NDArray[np.float32]) -> bytes:
    """Colours in [0, 1], shape = (H, W, 3), in 8 bits (PNG specification, W3C, section 5)."""
    height, width, _ = rgb.shape
    pixels = np.round(np.clip(rgb, 0, 1) * 255).astype(np.uint8).reshape(height, -1)
    rows = np.zeros((height, 1 + pixels.shape[1]), dtype=np.uint8)  # each begins with its filter, 0
    rows[:, 1:] = pixels
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits, colours, not interlaced
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)
