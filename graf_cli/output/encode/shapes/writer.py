"""What all files of shapes share: each holds one, and is written when it comes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from graf_cli.output.encode.writer import Destination, Make, Writer
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.output.table import ExportFormat
from graf_cli.recipe import Recipe
from graf_cli.surfaces.shapes import Shape


def write_shape(
    path: Path,
    made: Shape,
    recipe: Recipe,  # noqa: ARG001 - as all that sequences save; the stamp has it
    stamp: Stamp | None,
    encoder: str,
) -> None:
    """One shape as a file of its own, by a module of this room."""
    import_module(f"graf_cli.output.encode.{encoder}").write(path, made, stamp)


class ShapeWriter(Writer):
    """The one shape of a file."""

    def __init__(self, to: Destination, encoder: str) -> None:
        self.to, self.encoder = to, encoder

    def write(self, frame: Shape) -> None:
        """Write the shape."""
        write_shape(self.to.file, frame, self.to.recipe, self.to.stamp, self.encoder)

    def close(self) -> None:
        """Nothing is left to do."""


def maker(known: ExportFormat) -> Make:
    """How to make the writer of a format."""
    return lambda to: ShapeWriter(to, known.encoder)
