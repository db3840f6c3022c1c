"""The table of file formats: what each can carry; a row here and a module of `encode` is a format.

It imports nothing, so that help and completion can list formats at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from graf_cli.surfaces.options import Extracted

Holds = Literal["one", "many"]


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes
    ----------
    name : str
        As `--format` takes it; the suffix without its dot.
    holds : str
        One picture a file, or any number.
    alpha : bool
        Whether transparency survives, be it one bit as in GIF.
    deep : bool
        Whether it takes 16-bit depth.
    numbers : bool
        Whether it keeps floats, whatever `--show` says.
    metadata : bool
        Whether the Recipe travels inside.
    streams : bool
        Whether it goes out while frames are made; the others are sent when they are finished.
    loops : bool
        Whether it says how often to play.
    codecs : tuple of str
        That `--codec` takes; the first by default.
    encoder : str
        Module of `graf_cli.output.encode` whose `maker` makes its writer.
    """

    name: str
    holds: Holds
    alpha: bool = False
    deep: bool = False
    numbers: bool = False
    metadata: bool = True
    streams: bool = False
    loops: bool = False
    codecs: tuple[str, ...] = ()
    encoder: str = "sheet"

    @property
    def suffix(self) -> str:
        """With its dot."""
        return f".{self.name}"


FORMATS = {
    known.name: known
    for known in (
        Format("png", "one", alpha=True, deep=True, streams=True),
        Format("jpg", "one", streams=True),
        Format("jpeg", "one", streams=True),
        Format("webp", "one", alpha=True, loops=True, encoder="animation"),
        Format("exr", "one", alpha=True, numbers=True, encoder="exr"),
        Format("mp4", "many", streams=True, codecs=("h264", "h265", "av1"), encoder="video"),
        Format("webm", "many", alpha=True, streams=True, codecs=("vp9", "av1"), encoder="video"),
        Format("mov", "many", alpha=True, codecs=("prores", "h264", "h265"), encoder="video"),
        Format("gif", "many", alpha=True, loops=True, encoder="animation"),
        Format("apng", "many", alpha=True, loops=True, encoder="animation"),
        Format("npz", "many", alpha=True, numbers=True, encoder="arrays"),
        Format("tar", "many", alpha=True, deep=True, streams=True, encoder="streams"),
        Format("y4m", "many", metadata=False, streams=True, encoder="streams"),
        Format(
            "raw", "many", alpha=True, deep=True, metadata=False, streams=True, encoder="streams"
        ),
    )
}


@dataclass(frozen=True)
class ExportFormat(Format):
    """One file format of `graf export`; its `encoder` has a `write(path, made, stamp)`.

    Attributes
    ----------
    kinds : tuple of str
        What it holds: the first, unless another one is asked for.
    """

    kinds: tuple[Extracted, ...] = ()


EXPORTS = {
    known.name: known
    for known in (
        ExportFormat("glb", "one", encoder="shapes.glb", kinds=("mesh",)),
        ExportFormat("splat.ply", "one", encoder="shapes.splats", kinds=("splats",)),
        ExportFormat("ply", "one", encoder="shapes.ply", kinds=("mesh", "points", "splats")),
        ExportFormat("obj", "one", encoder="shapes.obj", kinds=("mesh",)),
        ExportFormat("stl", "one", encoder="shapes.stl", kinds=("mesh",)),
        ExportFormat("npz", "one", encoder="shapes.grid", kinds=("grid",)),
        ExportFormat("html", "one", encoder="shapes.page", kinds=("page",)),
    )
}  # the first of a kind is the one that folders get

CRF_CODECS = {"h264", "h265", "av1", "vp9"}
ALPHA_CODECS = {"vp9", "prores"}
ANIMATED = {"webp"}  # of one picture, or of many in one file
ALIASES = {"jpeg"}  # other names of a format that is there


def suffixes(holds: Callable[[Format], bool]) -> str:
    """Those of the formats that something holds of, as sentences list them."""
    names = [
        known.suffix for known in FORMATS.values() if holds(known) and known.name not in ALIASES
    ]
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]
