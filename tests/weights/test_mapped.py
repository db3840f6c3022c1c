"""Files that are read where they lie."""

from __future__ import annotations

import gc
import io
import sys
from pathlib import Path

import pytest

from graf_cli.weights.mapped import Mapped


def test_it_reads_as_a_file_does(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    mapped = Mapped(path)
    with path.open("rb") as plain:
        for offset, whence, count in ((0, 0, 7), (3, 1, 5), (-10, 2, 50), (200, 0, 1), (90, 0, -1)):
            assert mapped.seek(offset, whence) == plain.seek(offset, whence)
            assert mapped.read(count) == plain.read(count)
            assert mapped.tell() == plain.tell()
    with pytest.raises(ValueError, match="in front"):
        mapped.seek(-1)


def test_it_outlives_the_file_and_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"numbers")
    mapped = Mapped(path)
    assert mapped.read(3) == b"num"
    del mapped
    gc.collect()  # nothing is told of a file that was not closed
    path.unlink()


def test_an_empty_file_has_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    assert not Mapped(path).read()
    assert Mapped(path).seek(0, io.SEEK_END) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of a process")
def test_what_was_read_does_not_count_as_memory(tmp_path: Path) -> None:
    def mapped_pages() -> int:
        [line] = [
            line
            for line in Path("/proc/self/status").read_text().splitlines()
            if line.startswith("RssFile")
        ]
        return int(line.split()[1]) << 10

    path = tmp_path / "a"
    path.write_bytes(bytes(1 << 24))
    mapped, before = Mapped(path), mapped_pages()
    buffer = bytearray(1 << 20)
    while mapped.readinto(buffer):
        pass
    assert mapped_pages() - before < 1 << 22
