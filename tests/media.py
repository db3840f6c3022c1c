"""Reading pictures and videos back with other programs than those that wrote them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def image(path: Path) -> np.ndarray:
    """Every channel of a still picture, shape = (H, W) or (H, W, channels)."""
    with Image.open(path) as picture:
        return np.asarray(picture)


def stream(path: Path) -> str:
    """What ffmpeg says of the first video stream."""
    said = subprocess.run([FFMPEG, "-hide_banner", "-i", path], capture_output=True, check=False)
    return next(line for line in said.stderr.decode().splitlines() if "Video:" in line)


def video(path: Path) -> np.ndarray:
    """The frames of a video as ffmpeg decodes them, shape = (n, H, W, 3), [0, 255]."""
    match = re.search(r" (\d+)x(\d+)[, ]", stream(path))
    assert match
    words = [FFMPEG, "-v", "error", "-i", path, "-fps_mode", "passthrough"]
    raw = subprocess.run(
        [*words, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, int(match[2]), int(match[1]), 3)
