"""What a family offers, as data: asked once, before any tensor is made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

Part = Literal["geometry", "colour", "both", "background"]
Kind = Literal["rgb", "rgba", "depth", "depth16", "disparity", "opacity", "normal", "raw", "alpha"]
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
    strict : bool
        Whether a value outside of the range is refused rather than warned of.
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
    strict: bool = False
    seed: bool = False


class Features(Struct, frozen=True):
    """What exists; `graf models show` prints it, and options that a family lacks are refused.

    Attributes
    ----------
    blocks : tuple of Block
    spaces : tuple of str
        In which rows of numbers may be given.
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
    sizes : tuple of int or None
        Pixels along a side, where a 2-D stage fixes them; None is any size.
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
    """

    blocks: tuple[Block, ...] = ()
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
    sizes: tuple[int, ...] | None = None
    surface: int | None = None
    samples: int = 64
    further: int = 0
    fast: bool = False
    cameras: Literal["sphere", "front"] = "sphere"
    llff: Literal["as stored", "recentred", "spherified"] = "as stored"
    jitter: bool = False
    spiral: tuple[float, float, float, float] | None = None

    @property
    def length(self) -> int:
        """Numbers of all blocks together."""
        return sum(block.length for block in self.blocks)

    def block(self, name: str) -> Block | None:
        """The block of a name, if there is one."""
        return next((block for block in self.blocks if block.name == name), None)

    def control(self, name: str) -> Control | None:
        """The control that a name means, if there is one: ``object.1.y`` is ``object.*.y``."""
        found = (control for control in self.controls if _matches(control.name, name))
        return next(found, None)

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


def _matches(pattern: str, name: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch("(0|[1-9][0-9]{0,5})".join(parts), name, re.ASCII) is not None


def told(names: Iterable[str]) -> str:
    """Names as a sentence has them: "`a`, `b` and `c`"; none are "none"."""
    *most, last = [f"`{name}`" for name in names] or ["none"]
    return f"{', '.join(most)} and {last}" if most else last
