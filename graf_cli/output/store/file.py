"""One file, made as its frames come."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Self

from graf_cli.output.encode.writer import Destination, Make, Writer
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.output.store.atomic import Place, explained
from graf_cli.output.store.sink import Sink
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Frame


class FileSink(Sink):
    """One file, made in a place of its own and then renamed."""

    def __init__(
        self,
        path: Path,
        recipe: Recipe,
        stamp: Stamp | None,
        make: Make,
        *,
        clobber: bool,
        within: Path | None = None,
    ) -> None:
        super().__init__()
        self.path = path
        self.count = 0
        self.place = Place(path, clobber=clobber, within=within)
        self._make = partial(make, Destination(recipe, stamp, self.place.file, str(path)))
        self.writer: Writer | None = None

    def opened(self) -> Self:
        """With its temporary folder and its writer."""
        with ExitStack() as undo:
            self.place.opened()
            undo.callback(self.place.discard)
            with explained(self.path):
                self.writer = self._make().opened()
            undo.pop_all()
        return self

    def put(self, k: int, frame: Frame) -> None:  # noqa: ARG002 - they come in order
        """Take the next frame."""
        self.count += 1
        assert self.writer is not None
        with explained(self.path):
            self.writer.write(frame)

    def commit(self) -> None:
        """Publish the file; there is none when its frame is another shard's."""
        if not self.count:
            return
        assert self.writer is not None
        with explained(self.path):
            self.writer.close()
        self.place.publish()
        self.paths.append(self.path)

    def interrupt(self) -> None:
        """Stop the writer."""
        if self.writer is not None:
            with suppress(OSError):
                self.writer.abort()

    def abort(self) -> None:
        """Leave nothing half-written."""
        self.interrupt()
        self.place.discard()
