"""What a file says of itself: the Recipe comes back out of everything that carries one.

Files come from strangers. The kind is told by the first bytes, sizes are bounded before anything
is read, and no name or address inside a file is ever followed.
"""

from __future__ import annotations

import html
import io
import re
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from xml.sax.saxutils import unescape

import msgspec
import numpy as np
from PIL import Image

from graf_cli.decoding import decode
from graf_cli.errors import RecipeError
from graf_cli.output.provenance.stamp import (
    FORMER_NAMESPACE,
    NAMESPACE,
    RECIPE_FILE,
    RECIPE_KEY,
    SOURCE_TYPE,
    SOURCE_TYPE_KEY,
    STL_HEAD,
)
from graf_cli.recipe import MAX_BYTES, Recipe, from_json

MAX_TEXT = MAX_BYTES  # of all the words in one file
ESCAPED = 6  # bytes of a page that stand for one of a text, as do those of &quot;
GLB_JSON = 0x4E4F534A  # the kind of the first part of a glTF file

Entries = Mapping[str, str]


@dataclass(frozen=True)
class Found:
    """What a file says of itself.

    Attributes
    ----------
    kind : str
        Format, as told by the first bytes.
    entries : mapping
        Names and words.
    """

    kind: str
    entries: Entries

    @property
    def generated(self) -> bool:
        """Whether it says that a trained model made it."""
        return self.entries.get(SOURCE_TYPE_KEY) == SOURCE_TYPE

    def recipe(self, name: str) -> Recipe:
        """The Recipe of a file called `name`.

        Raises
        ------
        RecipeError
            When there is none, or none that can be used.
        """
        text = self.entries.get(RECIPE_KEY)
        if text is None:
            raise RecipeError(f"{name} carries no recipe; name a file that graf wrote.")
        return from_json(text, name)


def read(path: Path) -> Found:
    """Read what a file, or the folder of a sequence, says of itself.

    Raises
    ------
    RecipeError
        When it cannot be read, or is of no format that carries words.
    """
    folder = path.is_dir()
    if folder:
        path = path / RECIPE_FILE
    try:
        with path.open("rb") as stream:
            kind = _kind(path, stream.read(512))
            stream.seek(0)
            entries = _READERS[kind](path, stream)
    except RecipeError:
        raise
    except Exception as error:  # decoders raise nearly anything on a damaged file, OSError, too
        if isinstance(error, OSError) and error.errno is not None:
            raise RecipeError(f"{path} cannot be read: {error.strerror or error}.") from error
        raise RecipeError(f"{path} is damaged; name a file that graf wrote.") from error
    if folder:  # a recipe alone is nothing generated; the pictures beside it are
        entries = {**entries, SOURCE_TYPE_KEY: SOURCE_TYPE}
    return Found(kind, entries)


def carries_recipe(path: Path) -> bool:
    """Whether a file carries a recipe; one that cannot be read carries none."""
    try:
        return RECIPE_KEY in read(path).entries
    except RecipeError:
        return False


def _kind(path: Path, head: bytes) -> str:
    for kind, magic in _MAGIC.items():
        if re.match(magic, head, re.DOTALL):
            return kind
    raise RecipeError(f"{path} is of no format that carries a recipe; name a file that graf wrote.")


_MAGIC = {
    "glb": rb"glTF\x02\x00\x00\x00",
    "ply": rb"ply\r?\n",
    "stl": re.escape(STL_HEAD),
    "obj": rb"# Software graf",
    "png": rb"\x89PNG\r\n\x1a\n",
    "jpeg": rb"\xff\xd8\xff",
    "webp": rb"RIFF....WEBP",
    "gif": rb"GIF8[79]a",
    "mp4": rb"....ftyp",
    "webm": rb"\x1a\x45\xdf\xa3",
    "npz": rb"PK\x03\x04",
    "exr": rb"\x76\x2f\x31\x01",
    "tar": rb".{257}ustar",
    "html": rb"<!doctype html>",
    "json": rb"\s*\{",
}


def _bounded(stream: BinaryIO) -> bytes:
    data = stream.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise RecipeError("The recipe is larger than a recipe can be.")
    return data


def _json(path: Path, stream: BinaryIO) -> Entries:  # noqa: ARG001
    return {RECIPE_KEY: _bounded(stream).decode()}


def _picture(path: Path, stream: BinaryIO) -> Entries:  # noqa: ARG001
    """Pillow's account, without decoding a pixel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(stream, formats=("PNG", "JPEG", "WEBP", "GIF")) as image:
            info = dict(image.info)
    if "comment" in info and isinstance(info["comment"], bytes) and image.format == "GIF":
        return _from_comment(info["comment"])
    found = {str(key): str(text) for key, text in info.items() if isinstance(text, str)}
    if RECIPE_KEY not in found and isinstance(info.get("xmp"), bytes):
        return _from_xmp(info["xmp"].decode())
    return found


def _from_comment(comment: bytes) -> Entries:
    try:
        document = decode(comment, dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError):
        return {"comment": comment.decode(errors="replace")}
    return {
        key: bytes(raw).decode() if key == RECIPE_KEY else str(msgspec.json.decode(raw))
        for key, raw in document.items()
    }


def _from_xmp(xmp: str) -> Entries:
    """By pattern, since graf wrote it; an XML parser would believe more than is wanted."""
    ours = "|".join(map(re.escape, (NAMESPACE, FORMER_NAMESPACE)))
    prefix = re.search(rf"xmlns:([\w.-]+)=[\"'](?:{ours})[\"']", xmp)  # editors may rename it
    names = {
        f"{re.escape(prefix[1]) if prefix else 'graf'}:recipe": RECIPE_KEY,
        "Iptc4xmpExt:DigitalSourceType": SOURCE_TYPE_KEY,
        "xmp:CreatorTool": "Software",
        "dc:source": "Source",
    }
    found = {}
    for element, key in names.items():
        match = re.search(f"<{element}>([^<]*)</{element}>", xmp)
        if match:
            found[key] = unescape(match[1])
    return found


def _video(path: Path, stream: BinaryIO) -> Entries:
    """Ask ffmpeg about the container alone: it opens this one file, as no other format."""
    from graf_cli.output.encode import ffmpeg  # noqa: PLC0415 - for videos only

    demuxer = "matroska" if stream.read(4) == b"\x1a\x45\xdf\xa3" else "mov"
    arguments = ("-protocol_whitelist", "file", "-f", demuxer, "-i", f"file:{path.resolve()}")
    done = ffmpeg.capture((*arguments, "-map_metadata", "0", "-f", "ffmetadata", "pipe:1"))
    if done.returncode != 0:
        raise RecipeError(f"{path} is not a video that can be read.")
    return _from_ffmetadata(done.stdout[: MAX_TEXT * 2].decode())


def _from_ffmetadata(text: str) -> Entries:
    """Lines of ``key=value``; a backslash makes the next character stand for itself."""
    found: dict[str, str] = {}
    for line in re.split(r"(?<!\\)\n", text):
        key, equals, value = line.partition("=")
        if equals and not line.startswith((";", "#", "[")):
            name = re.sub(r"\\(.)", r"\1", key, flags=re.DOTALL)
            found.setdefault(_NAMES.get(name.lower(), name), _plain(value))
    return found


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


_NAMES = {key.lower(): key for key in (RECIPE_KEY, SOURCE_TYPE_KEY, "Software", "Source")}


def _arrays(path: Path, stream: BinaryIO) -> Entries:  # noqa: ARG001
    found = {}
    with zipfile.ZipFile(stream) as archive:
        for key in (RECIPE_KEY, SOURCE_TYPE_KEY):
            if f"{key}.npy" in archive.namelist():
                with archive.open(f"{key}.npy") as member:
                    data = member.read(4 * MAX_TEXT)
                found[key] = str(np.load(io.BytesIO(data), allow_pickle=False))
    return found


def _exr(path: Path, stream: BinaryIO) -> Entries:  # noqa: ARG001
    from graf_cli.output.encode.exr import require  # noqa: PLC0415 - an optional dependency

    header = require().File(str(path), header_only=True).header()
    return {key: text for key, text in header.items() if isinstance(text, str)}


def _tar(path: Path, stream: BinaryIO) -> Entries:
    """The recipe comes first, and the picture behind it says the rest; of a data set it is all."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        first = archive.next()
        recipe = _member(archive, first, RECIPE_FILE)
        picture = _member(archive, archive.next() if recipe else first, r"\d+(_\d+)?\.png")
    entries = dict(_picture(path, io.BytesIO(picture))) if picture else {}
    return {**entries, RECIPE_KEY: recipe.decode()} if recipe else entries


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo | None, pattern: str) -> bytes:
    """What a member holds, if it is the one that is due."""
    if member is None or not re.fullmatch(pattern, member.name) or not member.isreg():
        return b""
    content = archive.extractfile(member)
    assert content is not None
    return _bounded(cast("BinaryIO", content))


def _page(path: Path, stream: BinaryIO) -> Entries:  # noqa: ARG001
    """The meta elements, which come before the style; by pattern, since graf wrote them."""
    head, _, _ = stream.read(ESCAPED * MAX_TEXT).partition(b"<style>")
    found = re.findall(r'<meta name="([^"]*)" content="([^"]*)">', head.decode())
    return {html.unescape(name): html.unescape(text) for name, text in found}


def _glb(path: Path, stream: BinaryIO) -> Entries:  # noqa: ARG001
    """What stands under the asset in the JSON of a glTF file."""
    length, kind = struct.unpack("<12xII", stream.read(20))
    if kind != GLB_JSON or length > MAX_TEXT * 2:
        raise RecipeError("The JSON of a glTF file is missing, or larger than it can be.")
    document = decode(stream.read(length), _Gltf)
    return document.asset.extras


class _Asset(msgspec.Struct):
    extras: dict[str, str] = {}


class _Gltf(msgspec.Struct):
    asset: _Asset


def _ply(path: Path, stream: BinaryIO) -> Entries:  # noqa: ARG001
    """Comments of the header."""
    return _comments(stream, b"comment ", b"end_header")


def _obj(path: Path, stream: BinaryIO) -> Entries:  # noqa: ARG001
    """Comments before the first object."""
    return _comments(stream, b"# ", b"o ")


def _comments(stream: BinaryIO, word: bytes, end: bytes) -> Entries:
    found: dict[str, str] = {}
    length = 0
    while (line := stream.readline(MAX_TEXT)) and not line.startswith(end):
        length += len(line)
        if length > MAX_TEXT:
            raise RecipeError("The recipe is larger than a recipe can be.")
        if line.startswith(word):
            key, _, text = line.removeprefix(word).rstrip(b"\r\n").decode().partition(" ")
            found.setdefault(key, text)
    return found


def _stl(path: Path, stream: BinaryIO) -> Entries:  # noqa: ARG001
    """What stands in the attributes of the triangles; see `graf_cli.output.encode.shapes.stl`."""
    stream.seek(84)

    def attributes(count: int) -> bytes:
        rows = np.frombuffer(stream.read(50 * count), dtype="V48,<u2")
        return rows["f1"].tobytes()

    length = int.from_bytes(attributes(2), "little")
    if not 0 < length <= MAX_TEXT:
        return {}
    unpack = zlib.decompressobj()
    text = unpack.decompress(attributes(-(-length // 2))[:length], MAX_TEXT + 1)
    if len(text) > MAX_TEXT:
        raise RecipeError("The recipe is larger than a recipe can be.")
    return _from_comment(text)


_READERS: dict[str, Callable[[Path, BinaryIO], Entries]] = {
    "png": _picture,
    "jpeg": _picture,
    "webp": _picture,
    "gif": _picture,
    "mp4": _video,
    "webm": _video,
    "npz": _arrays,
    "exr": _exr,
    "tar": _tar,
    "html": _page,
    "glb": _glb,
    "ply": _ply,
    "obj": _obj,
    "stl": _stl,
    "json": _json,
}
