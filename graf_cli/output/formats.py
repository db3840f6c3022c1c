"""What each suffix means, in one table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graf_cli.errors import UsageError

Kind = Literal["picture", "video", "arrays"]


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes
    ----------
    suffix : str
    kind : str
        A picture holds one frame, a video any number, arrays keep the numbers.
    """

    suffix: str
    kind: Kind


FORMATS = {
    known.suffix: known
    for known in (
        Format(".png", "picture"),
        Format(".jpg", "picture"),
        Format(".jpeg", "picture"),
        Format(".webp", "picture"),
        Format(".mp4", "video"),
        Format(".webm", "video"),
        Format(".gif", "video"),
        Format(".npz", "arrays"),
    )
}
NUMBERED = re.compile(r"%0?\d*d")
DEFAULT_NUMBERED = "%04d.png"


@dataclass(frozen=True)
class Target:
    """Where results go.

    Attributes
    ----------
    path : Path
        The file; for a sequence, its folder.
    format : Format
    pattern : str or None
        File names of a sequence, such as ``%04d.png``.
    """

    path: Path
    format: Format
    pattern: str | None = None


def target_of(out: str) -> Target:
    """Understand `--out`: the suffix decides; a folder, or a ``%04d``, is a sequence.

    Raises
    ------
    UsageError
        When no format has that suffix.
    """
    path = Path(out)
    if NUMBERED.search(path.name):
        return Target(path.parent, _picture_format(out), path.name)
    if out.endswith(("/", "\\")) or path.is_dir():
        return Target(path, FORMATS[".png"], DEFAULT_NUMBERED)
    return Target(path, _format(out))


def _format(out: str) -> Format:
    suffix = Path(out).suffix.lower()
    if suffix not in FORMATS:
        known = " ".join(FORMATS)
        what = f"the suffix `{suffix}`" if suffix else "no suffix"
        raise UsageError(f"--out {out} has {what}; use one of {known}, or a folder as `NAME/`.")
    return FORMATS[suffix]


def _picture_format(out: str) -> Format:
    if len(NUMBERED.findall(Path(out).name)) != 1 or "%" in NUMBERED.sub("", Path(out).name):
        raise UsageError(f"--out {out} numbers its files wrongly; write NAME/%04d.png.")
    known = _format(out)
    if known.kind != "picture":
        raise UsageError(f"--out {out} numbers files that are no pictures; write NAME/%04d.png.")
    return known
