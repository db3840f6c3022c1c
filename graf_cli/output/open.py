"""Where frames go: a picture, a sheet, a numbered sequence, a video, arrays, standard output."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, suppress
from functools import partial
from importlib import import_module
from pathlib import Path

from graf_cli.errors import OutputError, UsageError
from graf_cli.output.encode.stills import write_still
from graf_cli.output.encode.writer import Destination, Make, write_all
from graf_cli.output.formats import Encoding, Target, check, check_stamp
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.output.store.atomic import Place, explained
from graf_cli.output.store.file import FileSink
from graf_cli.output.store.sequence import Numbered, Save, SequenceSink
from graf_cli.output.store.sink import Sink
from graf_cli.output.store.stdout import standard_output
from graf_cli.output.table import ExportFormat, Format
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import Frame

STDOUT_NAME = Path("Standard output")


class StreamSink(Sink):
    """Standard output: at once where the format streams, else from a file when it is finished."""

    def __init__(self, recipe: Recipe, stamp: Stamp | None, make: Make, *, at_once: bool) -> None:
        super().__init__()
        self.stdout = standard_output()
        with ExitStack() as undo:
            # Seen by `discard_all` as every other temporary folder is.
            self.place = Place(Path(tempfile.gettempdir()) / "graf-stdout")
            undo.callback(self.place.discard)
            stream = self.stdout if at_once else None
            to = Destination(recipe, stamp, self.place.file, str(STDOUT_NAME), stream)
            self.at_once = at_once
            self.writer = make(to)
            undo.pop_all()

    def put(self, k: int, frame: Frame) -> None:  # noqa: ARG002 - they come in order
        """Take the next frame."""
        with explained(STDOUT_NAME):
            self.writer.write(frame)

    def commit(self) -> None:
        """Send what is left."""
        with explained(STDOUT_NAME):
            self.writer.close()
            if not self.at_once:
                with self.place.file.open("rb") as finished:
                    while part := finished.read(1 << 20):
                        write_all(self.stdout, part)

    def interrupt(self) -> None:
        """Stop the writer, also while it waits for its reader."""
        self.stdout.stop()
        with suppress(OSError):
            self.writer.abort()

    def abort(self) -> None:
        """Remove what was needed on the way."""
        self.interrupt()
        self.place.discard()
        with suppress(OSError):
            self.stdout.close()


def open_sink(
    target: Target,
    recipe: Recipe,
    *,
    columns: int | None = None,
    clobber: bool = True,
    metadata: bool = True,
    encoding: Encoding | None = None,
    resume: bool = False,
    about: tuple[str, ...] = (),
) -> Sink:
    """The sink that a target asks for, ready: a place that cannot be written is found now.

    Parameters
    ----------
    target : Target
    recipe : Recipe
        What will be drawn; it travels inside the files unless `metadata` is off.
    columns : int, optional
        Of a contact sheet; a picture of several frames without it is an error.
    clobber : bool
        Whether files that are there are replaced.
    encoding : Encoding, optional
    resume : bool
        Keep what is finished, and what will be, whatever happens to the process.
    about : tuple of str
        Names of files that will tell of a sequence's pictures.

    Raises
    ------
    UsageError
        When the format cannot hold what is asked for.
    OutputError
        When the place cannot be written, is another recipe's, or the encoder cannot start.
    """
    encoding = encoding or Encoding()
    if columns is not None and columns < 1:
        raise UsageError(f"⟨columns⟩ {columns} makes no sheet; give 1 or more.")
    check(target, recipe, encoding, sheet=columns is not None)
    if metadata:
        check_stamp(target, recipe)
    if target.pattern is not None:
        to = _places(target, recipe, about, clobber=clobber, metadata=metadata)
        return SequenceSink(to, resume=resume)
    stamp = Stamp(recipe) if metadata and target.format.metadata else None
    make = _maker(target, recipe, columns, encoding)
    if resume:
        return _resumed(target, recipe, stamp, make)
    if target.path is None:
        return StreamSink(recipe, stamp, make, at_once=target.format.streams)
    return FileSink(target.path, recipe, stamp, make, clobber=clobber)


def _places(
    target: Target, recipe: Recipe, about: tuple[str, ...], *, clobber: bool, metadata: bool
) -> Numbered:
    assert target.path is not None
    assert target.pattern is not None
    return Numbered(
        folder=target.path,
        recipe=recipe,
        stamped=metadata,
        clobber=clobber,
        pattern=target.pattern,
        save=_save(target.format),
        about=about,
    )


def _save(known: Format) -> Save:
    """What writes one file of a sequence."""
    if isinstance(known, ExportFormat):
        from graf_cli.output.encode.shapes.writer import write_shape  # noqa: PLC0415 - few need it

        return partial(write_shape, encoder=known.encoder)
    if known.name == "exr":
        from graf_cli.output.encode import exr  # noqa: PLC0415 - an optional dependency

        exr.require()
    return partial(write_still, name=known.name)


def _resumed(target: Target, recipe: Recipe, stamp: Stamp | None, make: Make) -> Sink:
    """A file that keeps its frames until it is whole; a single picture has none to keep."""
    from graf_cli.output.store.resumable import FinishedSink, Product, ResumableSink, SingleSink  # noqa: PLC0415

    if target.path is None:
        raise UsageError("⟨out⟩ - cannot be resumed or divided; name a file or a folder.")
    if stamp is None:
        instead = "leave ⟨no metadata⟩ out" if target.format.metadata else "use another format"
        raise UsageError(
            f"⟨out⟩ {target} carries no recipe, by which ⟨resume⟩ and ⟨shard⟩ know what is "
            f"finished; {instead}."
        )
    product = Product(target.path, recipe, stamp, make)
    if product.finished():
        return FinishedSink(product)
    try:
        return SingleSink(product) if len(recipe) == 1 else ResumableSink(product)
    except OutputError:
        if not product.finished():  # by another process, which has removed the frames' folder
            raise
        return FinishedSink(product)


def _maker(target: Target, recipe: Recipe, columns: int | None, encoding: Encoding) -> Make:
    """How to make the writer of a format, whose module is imported only now."""
    if isinstance(target.format, ExportFormat):
        from graf_cli.output.encode.shapes import writer  # noqa: PLC0415 - few need it

        return writer.maker(target.format)
    module = import_module(f"graf_cli.output.encode.{target.format.encoder}")
    several = len(recipe) > 1 and columns is None
    make: Make = module.maker(target.format.name, encoding, several=several, columns=columns)
    return make
