"""Files as somebody might have changed them."""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Callable

from tests.weights.pickled import Called, Named, code

CALL = code(Called(Named("posix", "system"), ("touch pwned",))) + b"0"
EXEC = code(Called(Named("builtins", "exec"), ("open('pwned', 'w')",))) + b"0"


def parts(data: bytes) -> dict[str, bytes]:
    """What an archive holds, by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(records: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, data in records.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def changed(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A `torch.save` archive with another pickle."""
    records = parts(data)
    [name] = [name for name in records if name.endswith("data.pkl")]
    return packed(records | {name: change(records[name])})


def boundaries(pickle: bytes) -> list[int]:
    """Places between two instructions."""
    return [place for _, _, place in pickletools.genops(pickle) if place]
