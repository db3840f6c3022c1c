"""What a page shows, as it tells it: plain data, read as strictly as a recipe.

A `ViewState` is one picture, a `Film` is keyframes of view states on a timeline; the page's
messages call a view state `look`. Neither knows a model; `graf_cli.viewer.recipes` makes
recipes of them.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from graf_cli.decoding import convert as converted
from graf_cli.errors import UsageError
from graf_cli.recipe import Ease, Kind, NormalFrame, Pinhole, Row, Rows
from graf_cli.recipe.v2 import MAX_PIXELS, Depth, Finite, Name, Samples_, Seed, Side, Truncation
from graf_cli.syntax import Precision

MOST_KEYS = 64  # of a film; as many as a person can tell apart on a timeline
MOST_FRAMES = 4096  # of a film: each may become a keyframe of a recipe, which has no more

Share = Annotated[float, Meta(ge=0, le=1)]
Pose = Annotated[Row, Meta(min_length=12, max_length=12)]
T = TypeVar("T")


class _Told(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown keys are errors: what is half understood shows something else."""


class Mix(_Told, frozen=True, kw_only=True):
    """One block's code, somewhere between the codes of up to four seeds.

    Attributes
    ----------
    seeds : tuple of int
    at : tuple of 2 floats
        How far along: between the first two, and towards the third and fourth.
    """

    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1, max_length=4)]
    at: tuple[Share, Share] = (0.0, 0.0)

    @property
    def seed(self) -> int | None:
        """The one seed that it comes to; None where it lies between several."""
        x, y = self.at
        match self.seeds:
            case [only]:
                return only
            case [a, b] if x in (0, 1):
                return b if x else a
            case [a, b, c] if y == 1 or (y == 0 and x in (0, 1)):
                return c if y else (b if x else a)
            case [a, b, c, d] if x in (0, 1) and y in (0, 1):
                return (d if x else c) if y else (b if x else a)
            case _:
                return None


class ViewState(_Told, frozen=True, kw_only=True):
    """One picture; what is None is the model's own.

    Attributes
    ----------
    codes : dict of Mix
        By block; a block that is not named has the seed 0.
    rows : Rows or None
        One row of numbers in place of all codes.
    towards : (int, float) or None
        A seed, and how far all codes are moved towards its own.
    controls : dict of float
    truncation : float or None
    azimuth, elevation, radius : float or None
        Degrees, world units.
    fov : float or None
        Degrees: across the width of a picture whose `size` is fixed, else across the largest
        square in the middle of the window, so that a wider one shows more.
    pose : tuple of 12 floats or None
        A camera in place of azimuth, elevation and radius.
    lens : tuple of 4 floats or None
        Its intrinsics, in pixels of `size`.
    size : tuple of 2 ints or None
        None is that of the window.
    show, background, samples, depth_range, normals, jitter, exact, precision
        As in a `Recipe`.
    """

    codes: dict[Name, Mix] = {}
    rows: Rows | None = None
    towards: tuple[Seed, Share] | None = None
    controls: dict[Name, Finite] = {}
    truncation: Truncation | None = None
    azimuth: Finite | None = None
    elevation: Finite | None = None
    radius: Finite | None = None
    fov: Finite | None = None
    pose: Pose | None = None
    lens: Pinhole | None = None
    size: tuple[Side, Side] | None = None
    show: Annotated[tuple[Kind, ...], Meta(min_length=1, max_length=8)] = ("rgb",)
    background: Annotated[str, Meta(max_length=20)] = "model"
    samples: Samples_ | None = None
    depth_range: tuple[Depth, Depth] | None = None
    normals: NormalFrame = "camera"
    jitter: Seed | None = None
    exact: bool = False
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if self.rows is not None and (self.codes or len(self.rows.values) != 1):
            raise ValueError("`rows` is one row, in place of `codes`")
        if self.towards is not None and self.rows is not None and self.rows.space != "z":
            raise ValueError("`towards` moves codes in z")
        if self.lens is not None and self.size is None:
            raise ValueError("`lens` is in pixels of a `size`")


class Key(_Told, frozen=True, kw_only=True):
    """A keyframe.

    Attributes
    ----------
    at : float
        When, as a share of the film.
    state : ViewState
        Its codes, controls, truncation and view count.
    ease : str
        Of the way to the next keyframe.
    """

    at: Share
    state: ViewState = msgspec.field(name="look")
    ease: Ease = "linear"


class Film(_Told, frozen=True, kw_only=True):
    """A way through view states.

    Attributes
    ----------
    keys : tuple of Key
        In order of time.
    frames : int
    fps : float
    poses : tuple of tuples of 12 floats
        Cameras of a file, one a frame, in place of those of the keys.
    lenses : tuple of tuples of 4 floats
        Their intrinsics, one or one a pose, in pixels of `size`.
    size : tuple of 2 ints or None
        Of the frames; None is that of the window.
    boomerang : bool
        There and back: the middle frame is at the last key, and the last one stops short of the
        first, as in a recipe.
    """

    keys: Annotated[tuple[Key, ...], Meta(min_length=1, max_length=MOST_KEYS)]
    frames: Annotated[int, Meta(ge=1, le=MOST_FRAMES)] = 120
    fps: Annotated[float, Meta(gt=0, le=1000)] = 30.0
    poses: Annotated[tuple[Pose, ...], Meta(max_length=MOST_FRAMES)] = ()
    lenses: Annotated[tuple[Pinhole, ...], Meta(max_length=MOST_FRAMES)] = ()
    size: tuple[Side, Side] | None = None
    boomerang: bool = False

    def __post_init__(self) -> None:
        times = [key.at for key in self.keys]
        if sorted(times) != times:
            raise ValueError("`keys` are in order of time")
        if len({key.state.rows is None for key in self.keys}) > 1:
            raise ValueError("`keys` have either all `codes`, or all `rows`")
        if self.poses and len(self.poses) != self.frames:
            raise ValueError(f"`poses` has {len(self.poses)} rows for {self.frames} frames")
        if self.poses and self.boomerang:
            raise ValueError("`boomerang` turns keyframes back, not `poses`")
        if len(self.lenses) not in {0, 1, len(self.poses)}:
            raise ValueError(f"`lenses` has {len(self.lenses)} rows for {len(self.poses)} poses")


def time_of(film: Film, k: int) -> float:
    """When frame `k` is, as a share of the way along the keyframes."""
    if film.boomerang:
        return 2 * min(k, film.frames - k) / film.frames
    return k / (film.frames - 1) if film.frames > 1 else 0.0


def convert(plain: object, kind: type[T], what: str) -> T:
    """Read what a page told.

    Raises
    ------
    UsageError
        Naming the key and the problem.
    """
    try:
        return converted(plain, kind)
    except (msgspec.ValidationError, ValueError) as error:
        problem = str(error).replace(" - at `$.", " at `").replace(" - at `$`", "").rstrip(".")
        raise UsageError(f"{what} cannot be used: {problem}.") from error


def fitting(size: tuple[int, int], most: int = MAX_PIXELS) -> tuple[int, int]:
    """A size of the same proportions, with at most so many pixels."""
    width, height = size
    times = min(1.0, (most / (width * height)) ** 0.5)
    return max(int(width * times), 1), max(int(height * times), 1)
