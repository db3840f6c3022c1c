"""What specifications of all families share: bounds of numbers, and where cameras stood.

They are msgspec Structs, frozen like every noun, because they are read from files that other
people write: msgspec checks types, bounds and unknown keys, and names the key.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from graf_cli.weights.download import Source

Degrees = float
Positive = Annotated[float, Meta(gt=0, le=1e6)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Turns = Annotated[float, Meta(ge=-1, le=1)]
PixelCentres = Literal["integer", "centre", "corner"]
Count = Annotated[int, Meta(ge=1, le=4096)]
CountOrNone = Annotated[int, Meta(ge=0, le=4096)]
Width = Annotated[int, Meta(ge=2, le=4096)]  # of a layer; the view branch is half as wide
Depth = Annotated[int, Meta(ge=1, le=64)]
Octaves = Annotated[int, Meta(ge=0, le=32)]
Distance = Annotated[float, Meta(ge=0, le=1e6)]
FieldOfView = Annotated[Degrees, Meta(gt=0, lt=180)]
SAME_RADIUS = 1e-5  # relative; what rounding of a pose may take a camera off its radius

MAX_SIZE = 16384  # pixels along one side
Pixels = Annotated[int, Meta(ge=1, le=MAX_SIZE)]


def check_range(key: str, value: float | tuple[float, float]) -> None:
    """Refuse what bounds alone let through: NaN, and a range the wrong way round.

    Raises
    ------
    ValueError
        Naming the key.
    """
    low, high = value if isinstance(value, tuple) else (value, value)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"`{key}` must be finite")
    if low > high:
        raise ValueError(f"`{key}` must not have its lower bound above its upper one")


class CameraSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the training cameras were: on a sphere around the origin, z up, looking at it."""

    near: Distance  # depth of the first sample, world units
    far: Positive  # depth of the last one
    radius: tuple[Positive, Positive]  # distance from the origin; lower and upper bound
    fov: FieldOfView  # across the image's width
    u: tuple[Turns, Turns] = (0.0, 1.0)  # azimuth / 360°, at most a whole turn
    v: tuple[Unit, Unit] = (0.0, 1.0)  # (1 - cos polar) / 2
    orthographic: bool = False
    pixels: PixelCentres = "integer"  # where the ray of a pixel goes; see `Camera`
    depths: Literal["axis", "ray"] = "axis"  # near and far are depths along either
    pivot: tuple[float, float, float] = (0.0, 0.0, 0.0)  # what the cameras look at
    # How far a camera may stand off the radius, relative to it, before near and far move along;
    # by default what rounding of a pose may take it off.
    steady: Distance = SAME_RADIUS

    def __post_init__(self) -> None:
        for key in ("near", "far", "radius", "fov", "u", "v"):
            check_range(key, getattr(self, key))
        if self.u[1] - self.u[0] > 1:
            raise ValueError("`u` spans more than a whole turn")
        if not all(map(math.isfinite, self.pivot)):
            raise ValueError("`pivot` must be finite")
        if not self.near < self.far:
            raise ValueError("`near` must be smaller than `far`")

    @property
    def radius_varies(self) -> bool:
        """Whether near and far move with each ray's origin (REFERENCE: a radius range)."""
        return self.radius[0] != self.radius[1]

    @property
    def azimuth(self) -> tuple[Degrees, Degrees]:
        """Training range of the azimuth, in degrees."""
        return 360 * self.u[0], 360 * self.u[1]

    @property
    def elevation(self) -> tuple[Degrees, Degrees]:
        """Training range of the elevation above the horizon, lowest first, in degrees."""
        low, high = (90 - math.degrees(math.acos(1 - 2 * v)) for v in reversed(self.v))
        return low, high


class About(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What people should know of a model before they use or cite it."""

    title: str = ""  # what it shows, a few words
    source: str = ""  # where it comes from
    licence: str = ""
    citation: str = ""
    note: str = ""


class ModelSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that is needed to rebuild one model; the weights themselves come from `weights`."""

    name: str
    size: Pixels  # pixels along a side of its training images
    height: Pixels | None = None  # of these images, where they are not square
    camera: CameraSpec
    background: Literal["white", "black"] = "white"
    family: str = "graf"  # what the files of versions without families mean
    settings: Any  # what the family alone has to know: its `Spec`
    about: About = About()
    weights: Source | None = None


_WORDS = {
    " - at `": " at `",
    "Object contains unknown field": "Unknown key",
    "Object missing required field": "Missing key",
}


def explain(error: Exception, inside: str = "") -> str:
    """What is wrong and at which key: "Expected … at `models.cars.camera.fov`", no full stop.

    Parameters
    ----------
    error : Exception
        Of msgspec, which calls the root of what it reads `$`.
    inside : str
        The root's own key, where what was read is a part of something.
    """
    text = str(error).rstrip(".")
    for theirs, ours in _WORDS.items():
        text = text.replace(theirs, ours)
    if inside and "`$" not in text:  # at the root itself, which msgspec leaves unsaid
        return f"{text} at `{inside}`"
    root = f"`{inside}." if inside else "`"
    return text.replace("`$.", root).replace("`$[", f"`{inside}[").replace("`$`", f"`{inside}`")
