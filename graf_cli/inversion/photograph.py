"""Photographs, as an inversion is held against them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional

from graf_cli.errors import UsageError

MAX_PIXELS = 1 << 26  # of a photograph, as many as a recipe's picture has
ALIKE = 0.01  # relative difference of two aspect ratios that a rounded size makes


@dataclass(frozen=True, eq=False)
class Photograph:
    """One view of the object that is looked for.

    Attributes
    ----------
    rgb : Tensor, shape = (H, W, 3)
        In [0, 1], float32 on the CPU; not multiplied by the mask.
    mask : Tensor, shape = (H, W), or None
        1 where the object is, 0 where something else is; None counts every pixel.
    """

    rgb: Tensor
    mask: Tensor | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def resized(self, width: int, height: int) -> Photograph:
        """Each new pixel the mean of what it covers; of a larger size, interpolated.

        Colours are averaged by what the mask keeps of them, so that none of what lies beside the
        object gets into it.
        """
        if (width, height) == self.size:
            return self
        if self.mask is None:
            return Photograph(_resized(self.rgb, width, height))
        both = torch.cat((self.rgb * self.mask[..., None], self.mask[..., None]), dim=-1)
        small = _resized(both, width, height)
        mask = small[..., 3]
        # Where nothing is kept the colour counts for nothing.
        return Photograph(small[..., :3] / mask.clamp(min=1e-6)[..., None], mask)


def _resized(planes: Tensor, width: int, height: int) -> Tensor:
    """Shape (H, W, n) to (height, width, n)."""
    image, size = planes.permute(2, 0, 1)[None], (height, width)
    if height <= planes.shape[0] and width <= planes.shape[1]:
        made = functional.interpolate(image, size, mode="area")
    else:
        made = functional.interpolate(image, size, mode="bilinear", align_corners=False)
    return made[0].permute(1, 2, 0).contiguous()


def photograph_of(image: Any, mask: Any = None) -> Photograph:
    """A photograph from a file or from numbers.

    Parameters
    ----------
    image : path, ndarray or Tensor
        An array of shape (H, W, 3) or (H, W, 4), in [0, 1] or of 8 bits; a fourth channel is how
        much of the object a pixel shows, and so is the transparency of a file.
    mask : path, ndarray or Tensor, optional
        Shape (H, W); of a file, white where the object is.

    Raises
    ------
    UsageError
        When it is no picture, or the mask has another size.
    """
    planes, name = _planes(image, "image")
    if planes.shape[2] not in (3, 4):
        raise UsageError(
            f"{name} has {planes.shape[2]} channels; a photograph is of shape H × W × 3 or × 4."
        )
    alpha = planes[..., 3] if planes.shape[2] == 4 and float(planes[..., 3].min()) < 1 else None
    if mask is not None:
        kept, mask_name = _planes(mask, "mask")
        if kept.shape[:2] != planes.shape[:2]:
            raise UsageError(
                f"{mask_name} is of {kept.shape[1]}x{kept.shape[0]} and its photograph of "
                f"{planes.shape[1]}x{planes.shape[0]} pixels; ⟨mask⟩ takes one of the same size."
            )
        shown = kept[..., :3].mean(dim=-1)
        alpha = shown if alpha is None else alpha * shown
    if alpha is not None and float(alpha.max()) == 0:
        raise UsageError(f"{name} shows nothing: its mask is empty; leave it out or mend it.")
    return Photograph(planes[..., :3].contiguous(), alpha)


def _planes(image: Any, what: str) -> tuple[Tensor, str]:
    """Shape (H, W, n), float32 in [0, 1], and what to call it."""
    if isinstance(image, str | Path):
        return _read(Path(image)), str(image)
    numbers = np.asarray(image.detach().cpu() if isinstance(image, Tensor) else image)
    scale = 255.0 if numbers.dtype == np.uint8 else 1.0
    if numbers.ndim == 2:
        numbers = numbers[..., None]
    if numbers.ndim != 3 or not numbers.size:
        raise UsageError(f"⟨{what}⟩ of shape {numbers.shape} is not a picture; give H × W × 3.")
    planes = torch.tensor(numbers, device="cpu", dtype=torch.float32) / scale
    if not bool(((planes >= 0) & (planes <= 1)).all()):
        raise UsageError(f"⟨{what}⟩ holds numbers outside of [0, 1]; divide it by its white.")
    return planes, f"⟨{what}⟩"


def _read(path: Path) -> Tensor:
    try:
        with Image.open(path) as file:
            if file.width * file.height > MAX_PIXELS:
                raise UsageError(f"{path} has more than {MAX_PIXELS >> 20} megapixels; scale it.")
            turned = ImageOps.exif_transpose(file)  # as it is meant to be seen
            kinds = "RGBA" if turned.has_transparency_data else "RGB"
            numbers = np.asarray(turned.convert(kinds))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise UsageError(f"{path} cannot be read as a picture: {error}.") from error
    except Image.DecompressionBombError as error:
        raise UsageError(
            f"{path} has more than {MAX_PIXELS >> 20} megapixels; scale it."
        ) from error
    return torch.tensor(numbers, device="cpu", dtype=torch.float32) / 255


def common_size(photographs: tuple[Photograph, ...], longest: int) -> tuple[int, int]:
    """Width and height that several photographs are compared at, the longer side given.

    Raises
    ------
    UsageError
        When their proportions differ.
    """
    width, height = photographs[0].size
    for other in photographs[1:]:
        w, h = other.size
        if abs(w * height - h * width) > ALIKE * w * height:
            raise UsageError(
                f"The photographs are of {width}x{height} and {w}x{h} pixels, which are other "
                "proportions; crop them alike."
            )
    scale = longest / max(width, height)
    return max(round(width * scale), 1), max(round(height * scale), 1)
