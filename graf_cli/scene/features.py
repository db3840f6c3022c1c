"""What a family offers, as data: asked once, before any tensor is made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Part = Literal["geometry", "colour", "both", "background"]
Kind = Literal["rgb", "rgba", "depth", "depth16", "disparity", "opacity", "normal", "raw", "alpha"]
EACH = "*"  # in a name, stands for a number from 0 on
TURN = "turn"  # the control that `--azimuth` sets, where it turns the objects
MARCHED: frozenset[Kind] = frozenset(
    {"rgb", "rgba", "depth", "depth16", "disparity", "opacity", "normal"}
)  # what every volume can show


class Block(Struct, frozen=True):
    """One named code.

    Attributes
    ----------
    name : str
        As `--code NAME=SEEDS` takes it.
    length : int
        Numbers.
    prior : str
        ``gauss`` is N(0, 1) per entry, ``uniform`` U(−1, 1), ``legacy`` N(0, 1) as NumPy's
        ``RandomState(seed)`` draws it, in float64.
    part : str
        What it moves: ``geometry`` never a colour alone, ``colour`` never the density.
    """

    name: str
    length: int
    prior: Literal["gauss", "uniform", "legacy"] = "gauss"
    part: Part = "both"


class Control(Struct, frozen=True):
    """A number that only this family has, and that can be swept.

    Attributes
    ----------
    name : str
        As `--control NAME=SWEEP` takes it; ``object.*.y`` stands for ``object.0.y``,
        ``object.1.y`` and so on.
    low, high : float
        Range that the model was trained in, both ends included.
    default : float
    unit : str
        Degrees, world units, or empty for a bare number.
    about : str
        What it does, a few words.
    differs : bool
        Whether the default is another one for each number in the name's place, or like no value,
        so that whatever is said counts.
    strict : bool
        Whether a value outside of the range is refused rather than warned of.
    whole : bool
        Whether it takes whole numbers alone; a sweep stays at each equally long.
    drawn : bool
        Whether random scenes have it at random, uniform in the range.
    chances : tuple of (value, probability)
        In place of uniform, where it is drawn.
    instead : str
        The control that leaves it undrawn where it is set, which moves the same.
    seed : bool
        Whether it is a seed, so that `--code NAME=SEED` says it as well; between two whole numbers
        lies what is between the codes of both.
    """

    name: str
    low: float
    high: float
    default: float
    unit: str = ""
    about: str = ""
    differs: bool = False
    strict: bool = False
    whole: bool = False
    drawn: bool = False
    chances: tuple[tuple[float, float], ...] = ()
    instead: str = ""
    seed: bool = False

    def at(self, u: float) -> float:
        """The value of a number that is uniform in [0, 1)."""
        for value, chance in self.chances:
            if u < chance:
                return value
            u -= chance
        if self.chances:
            return self.chances[-1][0]
        return self.low + (self.high - self.low) * u


class Repeated(Struct, frozen=True):
    """What a scene has as often as a control says.

    Attributes
    ----------
    control : str
        How many there are.
    blocks : tuple of Block
        Of each, with `*` for its number, from 0 on.
    usual : int
        How many `Features.blocks` has.
    most : int
        That a scene can have.
    """

    control: str
    blocks: tuple[Block, ...]
    usual: int
    most: int

    def of(self, number: int) -> tuple[Block, ...]:
        """Those of one of them."""
        return tuple(
            replace(block, name=block.name.replace(EACH, str(number))) for block in self.blocks
        )


class Features(Struct, frozen=True):
    """What exists; `graf models show` prints it, and options that a family lacks are refused.

    Attributes
    ----------
    blocks : tuple of Block
    spaces : tuple of str
        In which rows of numbers may be given.
    repeated : Repeated or None
        What there can be more or fewer of; see `counting`.
    added : int
        Blocks, the last ones, that go beyond the usual number of these.
    row_shapes : dict of tuple of int
        Of one row, by space other than z, as far as they are known without the network.
    truncation : str
        ``scale`` multiplies codes, ``mean`` draws them towards an average, ``none``.
    truncation_default : float
    controls : tuple of Control
    conditioned_on_camera : bool
        Whether the codes' meaning moves with a camera.
    following : str or None
        The control that says whether that is the picture's camera; at 0 it is one that stays.
    azimuth : str
        What `--azimuth` turns: the ``camera``, or the ``objects`` before it.
    shows : frozenset of str
        What a picture can show.
    background : str
        ``colour`` is the user's; ``generated`` comes from the network.
    behind : str or None
        The control that leaves a generated background out at 0, so that the user's shows.
    sizes : tuple of int or None
        Pixels along a side, where a 2-D stage fixes them; None is any size.
    raster : int or None
        Rays along a side of the map that a 2-D stage paints, where it could be another number.
    surface : int or None
        Pixels along a side of depth, opacity, normals and raw colours, each of which is enlarged to
        several where a 2-D stage makes a larger picture; None is as many as the picture has.
    samples, further : int
        Along a ray by default: of the first pass, and of a second one.
    fast : bool
        Whether there is a fast path.
    cameras : str
        Where they stand: on a ``sphere`` around the origin, by azimuth, elevation and radius, or
        in ``front`` of a scene, where only poses say where; the average one is then at the origin
        and looks along −z.
    llff : str
        Frame that the cameras of an LLFF file are taken into: ``as stored``, ``recentred`` or
        ``spherified``; see `graf_cli.scene.llff`.
    jitter : bool
        Whether pictures can be drawn with random numbers, as the authors' program does.
    spiral : tuple of 4 floats, or None
        Radii and focus of a path in front of the scene; see `graf_cli.scene.llff.Swing`.
    backdrop : str or None
        The control that, at 1, has the model colour what rays miss, in place of the user's colour.
    """

    blocks: tuple[Block, ...] = ()
    repeated: Repeated | None = None
    added: int = 0
    spaces: tuple[str, ...] = ("z",)
    row_shapes: dict[str, tuple[int, ...]] = {}
    truncation: Literal["none", "scale", "mean"] = "none"
    truncation_default: float = 1.0
    controls: tuple[Control, ...] = ()
    conditioned_on_camera: bool = False
    following: str | None = None
    azimuth: Literal["camera", "objects"] = "camera"
    shows: frozenset[Kind] = MARCHED
    background: Literal["colour", "generated"] = "colour"
    behind: str | None = None
    sizes: tuple[int, ...] | None = None
    raster: int | None = None
    surface: int | None = None
    samples: int = 64
    further: int = 0
    fast: bool = False
    cameras: Literal["sphere", "front"] = "sphere"
    llff: Literal["as stored", "recentred", "spherified"] = "as stored"
    jitter: bool = False
    spiral: tuple[float, float, float, float] | None = None
    backdrop: str | None = None

    @property
    def length(self) -> int:
        """Numbers of all blocks together."""
        return sum(block.length for block in self.blocks)

    def block(self, name: str) -> Block | None:
        """The block of a name, if there is one."""
        return next((block for block in self.blocks if block.name == name), None)

    def control(self, name: str) -> Control | None:
        """The control that a name means, if there is one: ``object.1.y`` is ``object.*.y``."""
        found = (control for control in self.controls if _match(control.name, name))
        return next(found, None)

    def count(self, controls: Mapping[str, Sequence[float]]) -> int | None:
        """How many there are at most of what is `repeated`, by what controls are set to."""
        if self.repeated is None:
            return None
        asked = controls.get(self.repeated.control) or (self.repeated.usual,)
        return max(0, min(math.ceil(max(asked)), self.repeated.most))

    def counting(self, controls: Mapping[str, Sequence[float]]) -> Features:
        """With codes for as many as controls ask for; those beyond the usual number come last.

        So what a seed draws for the others does not depend on how many there are.
        """
        count = self.count(controls)
        if self.repeated is None or count is None or count <= self.repeated.usual:
            return self
        further = tuple(
            block
            for number in range(self.repeated.usual, count)
            for block in self.repeated.of(number)
        )
        return replace(self, blocks=(*self.blocks, *further), added=len(further))

    def number(self, name: str) -> int | None:
        """Which of what is `repeated` a code or a control belongs to."""
        own = () if self.repeated is None else self.repeated.blocks
        for pattern in (*(block.name for block in own), *(one.name for one in self.controls)):
            if EACH in pattern and (found := _match(pattern, name)):
                return int(found[1])
        return None

    def is_seed(self, name: str) -> bool:
        """Whether a name is that of a control which is a seed."""
        control = self.control(name)
        return control is not None and control.seed

    def row_length(self, space: str) -> int | None:
        """Numbers of one row in a space; None where only the network knows."""
        if space == "z":
            return self.length
        shape = self.row_shapes.get(space)
        return None if shape is None else math.prod(shape)


def _match(pattern: str, name: str) -> re.Match[str] | None:
    parts = (re.escape(part) for part in pattern.split(EACH))
    return re.fullmatch("(0|[1-9][0-9]{0,5})".join(parts), name, re.ASCII)


def told(names: Iterable[str]) -> str:
    """Names as a sentence has them: "`a`, `b` and `c`"; none are "none"."""
    *most, last = [f"`{name}`" for name in names] or ["none"]
    return f"{', '.join(most)} and {last}" if most else last
