"""Files of pickled objects, whatever holds them: plain pickles, streams and archives.

`torch.save` wrote streams before version 1.6 and archives since; a plain pickle of modules holds
one stream for each tensor. All of them become the same records, and nothing in them is run.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from graf_cli.errors import CheckpointError
from graf_cli.weights.objects import Cursor, Limit, Machine, Names
from graf_cli.weights.records import ItemType, Source, Span, Storage, UnsafeFileError

ZIP_START = b"PK\x03\x04"
MAGIC = 0x1950A86A20F9469CFC6C  # a stream's first pickle
STREAM_START = b"\x80\x02\x8a\x0a" + MAGIC.to_bytes(10, "little") + b"."
STREAM_PROTOCOL = 1001  # its second
MAX_RECORDS = 1 << 14  # of an archive; one for each storage and a few more
MAX_PICKLE = 1 << 24  # bytes of an archive's pickle; the largest measured has 9,000
LOCAL_HEADER = 30  # bytes in front of a record's name


def read_objects(path: Path, stream: BinaryIO, names: Names) -> object:
    """Read pickled objects as data.

    Parameters
    ----------
    path : Path
        For messages.
    stream : BinaryIO
        Seekable. Tensors are read from it later, so it has to stay open until they are.
    names : Names
        What the file may name beside tensors.

    Returns
    -------
    object
        Dictionaries, lists, tuples, strings and numbers, `Record` and `StoredTensor`.

    Raises
    ------
    CheckpointError
        When the file is not a pickle of objects, names what is not in `names`, does what no
        checkpoint needs to, or announces other sizes than it has.
    """
    try:
        source = Source(stream)
        start = source.read(Span(0, min(len(STREAM_START), source.size)))
        if start.startswith(ZIP_START):
            return _read_archive(source, names)
        if start == STREAM_START:
            return _Stream(source, Span(0, source.size), names.table, Limit()).read()
        return _read_plain(source, names)
    except UnsafeFileError as error:
        raise CheckpointError(
            f"{path} cannot be read: it {error}; give the file that the model's authors published."
        ) from error
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(
            f"{path} cannot be read: {reason}; name a checkpoint file."
        ) from error
    except Exception as error:  # a damaged file may raise nearly anything
        raise CheckpointError(
            f"{path} is not a checkpoint or a damaged one; download it again."
        ) from error


def _read_plain(source: Source, names: Names) -> object:
    limit = Limit()

    def nested(span: Span) -> Storage:
        found = _Stream(source, span, Names().table, limit).read()
        if not isinstance(found, Storage):
            raise UnsafeFileError("holds a storage that is none")
        return found

    cursor = Cursor(source, 0, source.size)
    found = Machine(names.table, _no_reference, nested, limit).run(cursor)
    if cursor.at != source.size:
        raise UnsafeFileError("goes on behind its end")
    return found


def _no_reference(_: tuple[object, ...]) -> object:
    raise UnsafeFileError("refers to what is not in it")


class _Storages:
    """Storages by the keys of persistent ids."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: dict[str, Storage] = {}

    def refer(self, key: tuple[object, ...]) -> object:
        """The record of a persistent id."""
        match key:
            case ("module", known, str(), str()):
                # Before version 1.6 a class came with its source text, which is dropped here.
                return known
            # A sixth item, where there is one, could make a storage part of another.
            case ("storage", ItemType() as item, str(name), str(), int(count), *rest) if (
                count >= 0 and rest in ([], [None])
            ):
                return self._storage(name, item, count)
        raise UnsafeFileError("describes a storage in a way of its own")

    def _storage(self, name: str, item: ItemType, count: int) -> Storage:
        storage = self.found.setdefault(name, Storage(self.source, item, count))
        if storage.item != item or storage.count != count:
            raise UnsafeFileError("announces two sizes for one storage")
        return storage


class _Stream:
    """A whole stream of `torch.save` before version 1.6, at some place of a file."""

    def __init__(self, source: Source, span: Span, table: Mapping[str, object], limit: Limit):
        self.cursor = Cursor(source, span.start, span.start + span.length)
        self.table, self.limit = table, limit
        self.storages = _Storages(source)

    def read(self) -> object:
        """The object, after every size was held against the bytes that are there."""
        if self._pickle() != MAGIC or self._pickle() != STREAM_PROTOCOL:
            raise UnsafeFileError("holds a storage that is none")
        match self._pickle():
            case {"protocol_version": 1001, "little_endian": True}:
                pass
            case _:
                raise UnsafeFileError("was written by a machine of another kind")
        found = self._pickle()
        self._place(self._pickle())
        return found

    def _pickle(self) -> object:
        machine = Machine(self.table, self.storages.refer, None, self.limit)
        return machine.run(self.cursor)

    def _place(self, keys: object) -> None:
        """Behind the pickles, for each key: how many numbers, and the numbers."""
        storages = self.storages.found
        if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
            raise UnsafeFileError("lists other storages than it has")
        for key in keys:
            storage = storages[key]
            if self.cursor.unsigned(8) != storage.count:
                raise UnsafeFileError("announces two sizes for one storage")
            storage.start = self.cursor.skip(storage.length).start
        if self.cursor.at != self.cursor.end:
            raise UnsafeFileError("goes on behind its end")


def _read_archive(source: Source, names: Names) -> object:
    with zipfile.ZipFile(source.stream) as archive:
        records = _records(archive.infolist())
    pickles = [name for name in records if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise UnsafeFileError("is an archive but not one of `torch.save`")
    root = pickles[0].removesuffix("data.pkl")
    order = records.get(f"{root}byteorder")
    if order is not None and source.read(_contents(source, order)) != b"little":
        raise UnsafeFileError("was written by a machine of another kind")
    span = _contents(source, records[pickles[0]])
    if span.length > MAX_PICKLE:
        raise UnsafeFileError("describes more than a checkpoint has")
    storages = _Storages(source)
    cursor = Cursor(source, span.start, span.start + span.length)
    found = Machine(names.table, storages.refer, None, Limit()).run(cursor)
    for key, storage in storages.found.items():
        record = records.get(f"{root}data/{key}")
        if record is None or record.file_size != storage.length:
            raise UnsafeFileError("announces other sizes than it has")
        storage.start = _contents(source, record).start
    return found


def _records(listed: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """By name, which has to mean one record even to a reader that ignores case."""
    if len(listed) > MAX_RECORDS:
        raise UnsafeFileError("describes more than a checkpoint has")
    if any(record.compress_type != zipfile.ZIP_STORED for record in listed):
        raise UnsafeFileError("is a compressed archive, which no checkpoint is")
    folded = {record.filename.casefold() for record in listed}
    if len(folded) < len(listed) or any(r.filename != r.orig_filename for r in listed):
        raise UnsafeFileError("has two records of one name")
    if any(record.compress_size != record.file_size for record in listed):
        raise UnsafeFileError("announces other sizes than it has")
    return {record.filename: record for record in listed}


def _contents(source: Source, record: zipfile.ZipInfo) -> Span:
    """Where a record's bytes are, by the header in front of them."""
    header = source.read(Span(record.header_offset, LOCAL_HEADER))
    if not header.startswith(ZIP_START):
        raise UnsafeFileError("has a record that is not where it should be")
    names = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    span = Span(record.header_offset + LOCAL_HEADER + names, record.file_size)
    if span.start + span.length > source.size:
        raise UnsafeFileError("ends before what it announces")
    return span
