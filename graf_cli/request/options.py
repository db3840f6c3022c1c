"""What people may say, by name; missing values come from the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from graf_cli.recipe import Ease, Kind, NormalFrame
from graf_cli.syntax import AxisValues

CameraChoice = Literal["model", "orbit", "cap", "poses"]


class PictureOptions(TypedDict, total=False):
    """What every command takes; missing values come from the model."""

    size: int | tuple[int, int] | None  # pixels, or (width, height)
    samples: int | None  # along a ray
    background: str | None  # "white", "black", "#rrggbb", "transparent", or "model"
    truncation: float | None
    show: Sequence[Kind] | None  # one or several, side by side
    depth_range: tuple[float, float] | None  # ends of the scale of depths, world units
    normals: NormalFrame | None  # whose axes normals are told in
    controls: Mapping[str, float | Sequence[float]] | None  # by name; those of the family
    jitter: int | None  # seed of the random numbers of the authors' program; None draws none


class CameraOptions(PictureOptions, total=False):
    """Where a picture is taken from: a number, or keyframes to sweep along."""

    azimuth: float | Sequence[float] | None  # degrees
    elevation: float | Sequence[float] | None  # degrees above the horizon
    radius: float | Sequence[float] | None  # world units
    fov: float | Sequence[float] | None  # degrees across the width
    poses: Sequence[Sequence[float]] | None  # n rows of a 3 × 4 camera-to-world matrix
    intrinsics: Sequence[Sequence[float]] | None  # fx, fy, cx, cy in pixels, 1 row or one a pose


class SweepOptions(CameraOptions, total=False):
    """What `render` takes."""

    seed: int | Sequence[int] | None  # of all blocks; keyframes to sweep along
    codes: Mapping[str, int | Sequence[int]] | None  # seeds by block
    shape: int | Sequence[int] | None  # of the block of that name, as in `codes`
    appearance: int | Sequence[int] | None
    latents: Sequence[Sequence[float]] | None  # n rows of a code, in place of seeds
    space: str | None  # what these are: z, or another space of the family
    frames: int | None
    fps: float | None
    ease: Ease | None
    boomerang: bool | None


class SampleOptions(PictureOptions, total=False):
    """What `sample` takes."""


class GridOptions(CameraOptions, total=False):
    """What `grid` takes; an axis is a name and its values."""

    rows: Mapping[str, Sequence[float] | AxisValues | str] | None
    columns: Mapping[str, Sequence[float] | AxisValues | str] | None
    seed: int | None  # of the blocks that no axis sets
    codes: Mapping[str, int | Sequence[int]] | None  # likewise, by block


class DatasetOptions(CameraOptions, total=False):
    """What `dataset` takes."""

    cameras: CameraChoice | None
    split: Sequence[tuple[str, float]] | None  # names and shares
    tar_size: int | None  # MB of a tar at most; None is a folder
