"""What `--out` and `--format` mean, and what a format is asked to carry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from graf_cli.errors import UsageError
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.output.table import (
    ALPHA_CODECS,
    ANIMATED,
    CRF_CODECS,
    EXPORTS,
    FORMATS,
    ExportFormat,
    Format,
    suffixes,
)
from graf_cli.recipe import TRANSPARENT, Recipe
from graf_cli.surfaces.options import Extracted

JPEG_XMP_LIMIT = 65_000  # bytes that one segment of a JPEG file takes, less its head
STDOUT = "-"
NUMBERED = re.compile(r"%0?\d*d")
DEFAULT_NAME = "%04d"


def has_alpha(recipe: Recipe) -> bool:
    """Whether the pixels have a fourth channel."""
    see_through = recipe.background == TRANSPARENT and any(k != "opacity" for k in recipe.show)
    return "rgba" in recipe.show or (see_through and recipe.show != ("depth16",))


def size_of(recipe: Recipe) -> tuple[int, int]:
    """Width and height of one picture, all that is shown side by side."""
    return recipe.width * len(recipe.show), recipe.height


@dataclass(frozen=True)
class Encoding:
    """How pictures are packed; what they show is the Recipe's affair.

    Attributes
    ----------
    codec : str or None
    crf : int or None
        Quality of a video, 0 the best.
    loop : int or None
        How often an animation plays; 0 for ever.
    """

    codec: str | None = None
    crf: int | None = None
    loop: int | None = None


@dataclass(frozen=True)
class Target:
    """Where results go.

    Attributes
    ----------
    path : Path or None
        The file; for a sequence, its folder; None is standard output.
    format : Format
    pattern : str or None
        File names of a sequence, such as ``%04d.png``.
    """

    path: Path | None
    format: Format
    pattern: str | None = None

    def __str__(self) -> str:
        """As the user wrote it, nearly."""
        return STDOUT if self.path is None else str(self.path)


def target_of(out: str, form: str | None = None, *, folders: bool = False) -> Target:
    """Understand `--out` and `--format`.

    The suffix decides unless the format is named; a folder, or a ``%04d``, is a sequence; ``-``
    is standard output, as PNG unless the format is named.

    Parameters
    ----------
    out : str
    form : str, optional
    folders : bool
        Whether a name without a suffix is a folder, unless the format is named: for jobs that
        make folders when nothing is said.

    Raises
    ------
    UsageError
        When no format has that suffix, or the format does not suit.
    """
    path = Path(out)
    if out == STDOUT:
        return Target(None, FORMATS[form or "png"])
    if NUMBERED.search(path.name):
        return Target(path.parent, _numbered(out, form), path.name)
    bare = folders and form is None and not path.suffix
    if bare or out.endswith(("/", "\\")) or path.is_dir():
        known = _single(out, FORMATS[form or "png"])
        return Target(path, known, DEFAULT_NAME + known.suffix)
    return Target(path, FORMATS[form] if form else _format(out))


def _format(out: str) -> Format:
    suffix = Path(out).suffix.lower()
    if suffix[1:] not in FORMATS:
        known = " ".join(form.suffix for form in FORMATS.values())
        what = f"the suffix `{suffix}`" if suffix else "no suffix"
        if suffix[1:] in EXPORTS:
            what += ", which is of shapes, not of pictures (`graf export` makes them)"
        raise UsageError(f"⟨out⟩ {out} has {what}; use one of {known}, or a folder as `NAME/`.")
    return FORMATS[suffix[1:]]


def export_target(
    out: str, form: str | None = None, kind: Extracted | None = None, *, folders: bool = False
) -> tuple[Target, Extracted]:
    """Understand `--out`, `--format` and `--as` of an export.

    Parameters
    ----------
    out : str
    form : str, optional
    kind : str, optional
        What is taken out; what the format holds first unless it is said.
    folders : bool
        As for `target_of`.

    Raises
    ------
    UsageError
        When no format has that suffix, or it does not hold that kind.
    """
    path = Path(out)
    sequence = bool(NUMBERED.search(path.name))
    bare = folders and form is None and not path.suffix and not sequence
    folder = bare or out.endswith(("/", "\\")) or (path.is_dir() and not sequence)
    if form is not None:
        known = _named_export(form)
    elif folder or out == STDOUT:
        known = next(row for row in EXPORTS.values() if (kind or "mesh") in row.kinds)
    else:
        known = _export_format(out)
    kind = _kind(out, known, kind)
    if out == STDOUT:
        return Target(None, known), kind
    if sequence:
        _check_numbers(out)
        return Target(path.parent, known, path.name), kind
    if folder:
        return Target(path, known, DEFAULT_NAME + known.suffix), kind
    return Target(path, known), kind


def _named_export(form: str) -> ExportFormat:
    if form not in EXPORTS:
        raise UsageError(f"⟨format⟩ {form} holds no shape; use one of {' '.join(EXPORTS)}.")
    return EXPORTS[form]


def _export_format(out: str) -> ExportFormat:
    name = Path(out).name.lower()
    found = [row for row in EXPORTS.values() if name.endswith(row.suffix)]
    if not found:
        suffix = Path(out).suffix
        known = " ".join(row.suffix for row in EXPORTS.values())
        what = f"the suffix `{suffix}`" if suffix else "no suffix"
        raise UsageError(f"⟨out⟩ {out} has {what}; use one of {known}, or a folder as `NAME/`.")
    return max(found, key=lambda row: len(row.suffix))


def _kind(out: str, known: ExportFormat, kind: Extracted | None) -> Extracted:
    if kind is not None and kind not in known.kinds:
        others = [row.suffix for row in EXPORTS.values() if kind in row.kinds]
        raise UsageError(
            f"⟨out⟩ {out}: {known.suffix} holds {' or '.join(known.kinds)} and not {kind}; use "
            f"{' or '.join(others)}."
        )
    return kind or known.kinds[0]


def _check_numbers(out: str) -> None:
    if len(NUMBERED.findall(Path(out).name)) != 1 or "%" in NUMBERED.sub("", Path(out).name):
        raise UsageError(f"⟨out⟩ {out} numbers its files wrongly; write NAME/%04d.png.")


def _numbered(out: str, form: str | None) -> Format:
    _check_numbers(out)
    return _single(out, FORMATS[form] if form else _format(out))


def _single(out: str, known: Format) -> Format:
    if known.holds != "one":
        raise UsageError(f"⟨out⟩ {out} numbers files that are no pictures; write NAME/%04d.png.")
    return known


def check(target: Target, recipe: Recipe, encoding: Encoding, *, sheet: bool) -> None:
    """Refuse, before anything is rendered, what a format cannot carry.

    Raises
    ------
    UsageError
    """
    known, out = target.format, f"⟨out⟩ {target}"
    single = known.holds == "one" and target.pattern is None
    if recipe.export is not None:
        if single and len(recipe) > 1:
            raise UsageError(
                f"{out} holds one object, but {len(recipe)} are asked for; "
                "name a folder as `NAME/`."
            )
        return
    together = sheet and not known.numbers
    if single and len(recipe) > 1 and not (together or _holds_many(target)):
        raise UsageError(
            f"{out} holds one picture, but {len(recipe)} are asked for; "
            "write a video (.mp4, .webm, .gif), a folder as `NAME/`, or .npz."
        )
    if "depth16" in recipe.show and not (known.deep or known.numbers):
        those = suffixes(lambda known: known.deep or known.numbers)
        raise UsageError(f"{out} cannot hold 16-bit depth; use {those}.")
    if has_alpha(recipe) and not known.alpha:
        raise UsageError(
            f"{out} cannot be transparent; use {suffixes(lambda known: known.alpha)}, "
            "or a ⟨background⟩ colour."
        )
    _check_encoding(known, out, encoding, transparent=has_alpha(recipe))


def check_stamp(target: Target, recipe: Recipe) -> None:
    """Refuse a recipe that does not fit into the format's metadata.

    Raises
    ------
    UsageError
    """
    first = recipe.only(0) if target.pattern else recipe
    jpeg = target.format.name in ("jpg", "jpeg")
    if jpeg and len(Stamp(first).xmp().encode()) > JPEG_XMP_LIMIT:
        raise UsageError(
            f"⟨out⟩ {target}: the recipe is too long for JPEG; use .png or ⟨no metadata⟩."
        )


def _holds_many(target: Target) -> bool:
    return target.format.name in ANIMATED or (target.path is None and target.format.streams)


def _check_encoding(known: Format, out: str, encoding: Encoding, *, transparent: bool) -> None:
    if encoding.codec is not None and encoding.codec not in known.codecs:
        has = ", ".join(known.codecs) or "none to choose"
        raise UsageError(f"{out} has no ⟨codec⟩ {encoding.codec}; it has {has}.")
    codec = encoding.codec or next(iter(known.codecs), None)
    if transparent and codec is not None and codec not in ALPHA_CODECS:
        raise UsageError(f"{out} cannot be transparent with ⟨codec⟩ {codec}; leave it out.")
    if encoding.crf is not None and codec not in CRF_CODECS:
        raise UsageError(f"{out} has no quality to set with ⟨crf⟩; leave it out.")
    if encoding.loop is not None and not known.loops:
        those = suffixes(lambda known: known.loops)
        raise UsageError(f"{out} does not say how often it plays; ⟨loop⟩ is for {those}.")
