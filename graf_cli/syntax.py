"""What people write for sweeps, seeds, sizes and colours becomes numbers.

The same words serve the command line, the library and batch files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from graf_cli.errors import UsageError

DEFAULT_MODEL = "toy-cars"  # what no name means
MAX_SEED = 2**63 - 1
MAX_SIZE = 16384  # pixels along a side
SLACK = 1e-6  # by which shares may miss 1
ALIKE = 0.75  # of 1: a letter or two of a word are wrong, and not another word meant
SWITCHES = {"off": "0", "on": "1"}
COLOURS = {"white": "#ffffff", "black": "#000000"}

KINDS = ("rgb", "rgba", "depth", "depth16", "disparity", "opacity", "normal", "raw", "alpha")
SIDE_BY_SIDE = ("rgb", "depth", "normal")

Precision = Literal["auto", "float32", "bfloat16", "float16"]  # of matrix products
Rgb = tuple[float, float, float]
T = TypeVar("T")


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that one mistyped most likely means, if any is like it."""
    import difflib  # noqa: PLC0415 - a mistake alone needs it

    near = difflib.get_close_matches(name, known, n=1, cutoff=ALIKE)
    return near[0] if near else None


def parse_sweep(text: str) -> tuple[float, ...]:
    """``30`` is constant, ``0:360`` a sweep, ``0:40:10`` keyframes at equal distances.

    Raises
    ------
    UsageError
    """
    try:
        values = tuple(float(part) for part in text.split(":"))
    except ValueError:
        values = ()
    if not values or not all(math.isfinite(value) for value in values):
        raise UsageError(
            f"`{text}` is not a sweep; write a number, `from:to`, or keyframes `a:b:c`."
        )
    return values


def parse_control(text: str) -> tuple[float, ...]:
    """A sweep of numbers, of which ``off`` is 0 and ``on`` is 1.

    Raises
    ------
    UsageError
    """
    numbers = (SWITCHES.get(part.strip().lower(), part) for part in text.split(":"))
    return parse_sweep(":".join(numbers))


def parse_seeds(text: str) -> tuple[int, ...]:
    """``3`` is one seed, ``3:7`` a way from one object to another, ``3:7:1`` keyframes.

    Raises
    ------
    UsageError
    """
    parts = text.split(":")
    if not all(re.fullmatch("[0-9]{1,40}", part) for part in parts):
        raise UsageError(f"`{text}` is not a seed; write a whole number, `from:to`, or `a:b:c`.")
    return check_seeds([int(part) for part in parts])


def parse_named(text: str, parse: Callable[[str], T]) -> tuple[str, T]:
    """``NAME=VALUE``, whose value another parser reads.

    Raises
    ------
    UsageError
    """
    name, equals, value = text.partition("=")
    if not name.strip() or not equals:
        raise UsageError(f"`{text}` names nothing; write NAME=VALUE, such as `shape=3`.")
    return name.strip(), parse(value.strip())


@dataclass(frozen=True)
class AxisValues:
    """The values along an axis of a grid, as they were written.

    Attributes
    ----------
    items : tuple of str
        Numbers; of a list all values, else keyframes.
    spread : bool
        Whether they are keyframes, ``from:to``.
    count : int or None
        Of the values between keyframes, where it is said.
    """

    items: tuple[str, ...]
    spread: bool
    count: int | None = None


def parse_values(text: str) -> AxisValues:
    """``3,5,8`` is a list; ``0:4`` goes from one to the other; ``-30:30/7`` in 7 values.

    Raises
    ------
    UsageError
    """
    values, slash, count = text.partition("/")
    if "," in values or ":" not in values:
        items = tuple(word.strip() for word in values.split(","))
        if all(items) and not slash:
            return AxisValues(items, spread=False)
    else:
        items = tuple(word.strip() for word in values.split(":"))
        if all(items) and (not slash or re.fullmatch("[0-9]{1,6}", count.strip())):
            return AxisValues(items, spread=True, count=int(count) if slash else None)
    raise UsageError(f"`{text}` are not values; write `a,b,c`, `from:to`, or `from:to/COUNT`.")


def check_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Seeds that the random generator takes: 0 to 2^63 − 1.

    Raises
    ------
    UsageError
    """
    for seed in seeds:
        if not 0 <= seed <= MAX_SEED:
            raise UsageError(f"The seed {seed} is out of range; use 0 to {MAX_SEED}.")
    return tuple(seeds)


def parse_size(text: str) -> tuple[int, int]:
    """``256`` is square, ``640x480`` width by height; pixels.

    Raises
    ------
    UsageError
    """
    match = re.fullmatch(r"(\d{1,40})(?:[x×](\d{1,40}))?", text.strip().lower(), re.ASCII)
    if not match:
        raise UsageError(f"`{text}` is not a size; write pixels as `256` or `640x480`.")
    width = int(match[1])
    return check_size((width, int(match[2] or width)))


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """A width and a height between 1 and 16384 pixels.

    Raises
    ------
    UsageError
    """
    if not all(1 <= side <= MAX_SIZE for side in size):
        raise UsageError(
            f"The size {size[0]}x{size[1]} is out of range; use 1 to {MAX_SIZE} pixels a side."
        )
    return size


def parse_colour(text: str) -> str:
    """``white``, ``black`` or ``#rrggbb`` as ``#rrggbb`` in lower case.

    Raises
    ------
    UsageError
    """
    name = text.strip().lower()
    colour = COLOURS.get(name, name)
    if not re.fullmatch("#[0-9a-f]{6}", colour):
        raise UsageError(
            f"`{text}` is not a colour; write white, black, #rrggbb, transparent or model."
        )
    return colour


def parse_show(text: str) -> tuple[str, ...]:
    """``depth`` is one kind of picture, ``rgb,depth`` two side by side.

    Raises
    ------
    UsageError
    """
    kinds: list[str] = []
    for word in re.split("[,+]", text.strip().lower()):
        kinds.extend(SIDE_BY_SIDE if word.strip() == "side-by-side" else (word.strip(),))
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"There is nothing called `{kind}` to show; use {', '.join(KINDS)}.")
    if len(kinds) > 8:
        raise UsageError(f"{len(kinds)} kinds of picture are too many to show; use up to 8.")
    return tuple(kinds)


def parse_depths(text: str) -> tuple[float, float]:
    """``7.5:12.5`` is a range of depths, the near end first; world units.

    Raises
    ------
    UsageError
    """
    try:
        near, far = parse_sweep(text)
    except (UsageError, ValueError):
        near = far = 0.0
    if not 0 <= near < far:
        raise UsageError(
            f"`{text}` is not a range of depths; write `near:far`, such as `7.5:12.5`."
        )
    return near, far


def parse_split(text: str) -> tuple[tuple[str, float], ...]:
    """``train=0.9,val=0.1`` as names and shares, which make 1 together.

    Raises
    ------
    UsageError
    """
    pairs = [part.strip().partition("=") for part in text.split(",")]
    try:
        splits = tuple((name.strip(), float(share)) for name, _, share in pairs)
    except ValueError:
        splits = ()
    if not splits:
        raise UsageError(f"`{text}` is not a split; write names and shares as `train=0.9,val=0.1`.")
    return check_split(splits)


def check_split(splits: Sequence[tuple[str, float]]) -> tuple[tuple[str, float], ...]:
    """Names that can be those of folders, and shares that make 1 together.

    Raises
    ------
    UsageError
    """
    for name, share in splits:
        if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]{0,31}", name):
            raise UsageError(f"`{name}` cannot be the name of a split; use letters and digits.")
        if not 0 < share <= 1:
            raise UsageError(f"The split `{name}` has the share {share:g}; use 0 to 1.")
    if abs(sum(share for _, share in splits) - 1) > SLACK:
        raise UsageError("The shares of a split do not make 1 together; write `train=0.9,val=0.1`.")
    if len({name.lower() for name, _ in splits}) < len(splits):
        raise UsageError("Two splits have one name; use a name for each.")
    return tuple(splits)


def rgb_of(colour: str) -> Rgb:
    """Red, green and blue of ``#rrggbb``, in [0, 1]."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue
