"""What people may say, by name, as typed requests; missing values come from the model.

A field that nothing was said of is `msgspec.UNSET`, so that 0 and nothing at all are values, which
are obeyed or refused. Keyword arguments and text as on the command line are read alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import msgspec
from msgspec import UNSET, Struct, UnsetType

from graf_cli.decoding import convert
from graf_cli.errors import UsageError
from graf_cli.recipe import Ease, Kind, NormalFrame
from graf_cli.syntax import (
    AxisValues,
    nearest,
    parse_depths,
    parse_seeds,
    parse_show,
    parse_size,
    parse_split,
    parse_sweep,
)

CameraChoice = Literal["model", "orbit", "cap", "poses"]
Values = float | tuple[float, ...]  # a number, or keyframes to sweep along
Seeds = int | tuple[int, ...]
Rows = tuple[tuple[float, ...], ...]

# How text is read, where a field takes more than text.
PARSERS: dict[str, Callable[[str], object]] = {
    "azimuth": parse_sweep,
    "elevation": parse_sweep,
    "radius": parse_sweep,
    "fov": parse_sweep,
    "seed": parse_seeds,
    "shape": parse_seeds,
    "appearance": parse_seeds,
    "size": parse_size,
    "objects": parse_sweep,
    "raster": parse_size,
    "show": parse_show,
    "depth_range": parse_depths,
    "split": parse_split,
}


class Options(Struct, frozen=True, kw_only=True):
    """What was said; each kind of request has its fields."""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Read a request; None is the same as nothing said.

        Parameters
        ----------
        said : mapping
            By the names of the fields: numbers, sequences, arrays of NumPy, or text as on the
            command line, such as ``"0:360"``.

        Raises
        ------
        UsageError
            Naming a field that there is none of, with the one most like it, or that cannot have
            such a value.
        """
        check_names(said, cls.__struct_fields__)
        given = {key: _read(key, value) for key, value in said.items() if value is not None}
        try:
            if "latents" in given:
                given["latents"] = _rows(given["latents"])
            return convert(given, cls)
        except msgspec.ValidationError as error:
            problem, _, where = str(error).partition(" - at `$.")
            field = where.rstrip("`").partition("[")[0] or "latents"
            raise UsageError(f"⟨{field}⟩ cannot be {given[field]!r:.60}: {problem}.") from error

    def said(self) -> dict[str, Any]:
        """The fields of which something was said."""
        fields = ((key, getattr(self, key)) for key in self.__struct_fields__)
        return {key: value for key, value in fields if value is not UNSET}

    def get(self, name: str) -> Any:
        """The value of a field, or None when nothing was said of it."""
        value = getattr(self, name, UNSET)
        return None if value is UNSET else value


def check_names(said: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse names that nothing is called, with the one most like it.

    Raises
    ------
    UsageError
    """
    for name in said:
        if name not in known:
            near = nearest(name, known)
            instead = f"do you mean ⟨{near}⟩?" if near else f"there is {', '.join(known)}."
            raise UsageError(f"There is no argument `{name}`; {instead}")


def _read(name: str, value: object) -> object:
    if isinstance(value, str):
        return PARSERS[name](value) if name in PARSERS else value
    return _plain(value)


def _plain(value: Any) -> object:
    """Arrays and sequences of any kind as tuples or lists of plain numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, list | tuple) and set(map(type, value)) <= {int, float}:
        return value  # long rows of codes, which are plain already
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(map(_plain, value))
    if isinstance(value, Mapping):
        return {key: _named(item) for key, item in value.items()}
    return value


def _rows(value: Any) -> object:
    """Vectors, or tables of numbers, which a type of msgspec cannot both be."""
    first = value[0] if isinstance(value, Sequence) and value else ()
    deep = isinstance(first, Sequence) and bool(first) and isinstance(first[0], Sequence)
    return convert(value, tuple[Rows, ...]) if deep else convert(value, Rows)


def _named(value: object) -> object:
    """One of several values by name: text of theirs is read where it is known what it is."""
    return value if isinstance(value, str | AxisValues) else _plain(value)


class PictureOptions(Options, frozen=True, kw_only=True):
    """What every command takes."""

    size: int | tuple[int, int] | UnsetType = UNSET  # pixels, or (width, height)
    samples: int | UnsetType = UNSET  # along a ray
    background: str | UnsetType = UNSET  # white, black, #rrggbb, transparent, or model
    truncation: float | UnsetType = UNSET
    show: tuple[Kind, ...] | UnsetType = UNSET  # one or several, side by side
    depth_range: tuple[float, float] | UnsetType = UNSET  # ends of the scale of depths, world units
    normals: NormalFrame | UnsetType = UNSET  # whose axes normals are told in
    controls: dict[str, Values] | UnsetType = UNSET  # by name; those of the family
    objects: Values | UnsetType = UNSET  # how many there are, where a scene has several
    raster: int | tuple[int, int] | UnsetType = UNSET  # rays of the map that is painted
    jitter: int | UnsetType = UNSET  # seed of the random numbers of the authors' program


class CameraOptions(PictureOptions, frozen=True, kw_only=True):
    """Where a picture is taken from: a number, or keyframes to sweep along."""

    azimuth: Values | UnsetType = UNSET  # degrees
    elevation: Values | UnsetType = UNSET  # degrees above the horizon
    radius: Values | UnsetType = UNSET  # world units
    fov: Values | UnsetType = UNSET  # degrees across the width
    poses: Rows | UnsetType = UNSET  # n rows of a 3 × 4 camera-to-world matrix
    intrinsics: Rows | UnsetType = UNSET  # fx, fy, cx, cy in pixels, 1 row or one a pose


class ObjectOptions(CameraOptions, frozen=True, kw_only=True):
    """Which object, and where it is seen from."""

    seed: Seeds | UnsetType = UNSET  # of all blocks; keyframes to sweep along
    codes: dict[str, Seeds] | UnsetType = UNSET  # seeds by block
    shape: Seeds | UnsetType = UNSET  # of the block of that name, as in `codes`
    appearance: Seeds | UnsetType = UNSET
    latents: tuple[Any, ...] | UnsetType = UNSET  # n rows, each a vector or a table of numbers
    space: str | UnsetType = UNSET  # what these are: z, or another space of the family


class SweepOptions(ObjectOptions, frozen=True, kw_only=True):
    """What `render` takes."""

    frames: int | UnsetType = UNSET
    fps: float | UnsetType = UNSET
    ease: Ease | UnsetType = UNSET
    boomerang: bool | UnsetType = UNSET


class ExportOptions(Options, frozen=True, kw_only=True):
    """What `export` takes."""

    seed: Seeds | UnsetType = UNSET  # which object: see `ObjectOptions`
    codes: dict[str, Seeds] | UnsetType = UNSET
    shape: Seeds | UnsetType = UNSET
    appearance: Seeds | UnsetType = UNSET
    latents: tuple[Any, ...] | UnsetType = UNSET
    space: str | UnsetType = UNSET
    truncation: float | UnsetType = UNSET
    controls: dict[str, Values] | UnsetType = UNSET
    samples: int | UnsetType = UNSET  # along a ray: says how fine the field is read
    frames: int | UnsetType = UNSET  # objects along a sweep
    ease: Ease | UnsetType = UNSET
    resolution: int | UnsetType = UNSET  # cells along the longest side
    level: float | UnsetType = UNSET  # density of the surface, per world unit
    faces: int | UnsetType = UNSET  # of a mesh, at most
    smooth: int | UnsetType = UNSET  # rounds
    sh: int | UnsetType = UNSET  # degree of the spherical harmonics of splats


class SampleOptions(PictureOptions, frozen=True, kw_only=True):
    """What `sample` takes."""


class GridOptions(CameraOptions, frozen=True, kw_only=True):
    """What `grid` takes; an axis is a name and its values."""

    rows: dict[str, Any] | UnsetType = UNSET  # numbers, or text as on the command line
    columns: dict[str, Any] | UnsetType = UNSET
    seed: int | UnsetType = UNSET  # of the blocks that no axis sets
    codes: dict[str, Seeds] | UnsetType = UNSET  # likewise, by block


class DatasetOptions(CameraOptions, frozen=True, kw_only=True):
    """What `dataset` takes."""

    cameras: CameraChoice | UnsetType = UNSET
    split: tuple[tuple[str, float], ...] | UnsetType = UNSET  # names and shares
    annotations: Literal["coco"] | UnsetType = UNSET  # a file of boxes and masks as well
    tar_size: int | UnsetType = UNSET  # MB of a tar at most; when unset, a folder
    labels: bool | UnsetType = UNSET  # images alone, with a dataset.json of labels
