"""What strangers' files say of themselves is data: bounded, checked, refused in a sentence."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from graf_cli.errors import RecipeError
from graf_cli.output.provenance import reading
from graf_cli.output.provenance.stamp import FORMER_NAMESPACE, NAMESPACE, SOURCE_TYPE, Stamp
from graf_cli.output.table import FORMATS
from tests.output.frames import recipe_of, written

STAMPED = [name for name, form in FORMATS.items() if form.metadata]


@pytest.mark.parametrize("name", STAMPED)
@pytest.mark.parametrize("frames", [1, 3])
def test_the_recipe_comes_back(tmp_path: Path, name: str, frames: int) -> None:
    if name == "exr":
        pytest.importorskip("OpenEXR")
    if FORMATS[name].holds == "one":
        frames = 1
    recipe = recipe_of(frames, size=(34, 18))
    [path] = written(tmp_path / f"a.{name}", recipe)
    found = reading.read(path.rename(tmp_path / "no-suffix"))
    assert found.recipe("it") == recipe
    assert found.generated


def test_each_picture_of_a_sequence_is_itself(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).normal(size=(3, 6)).tolist()
    recipe = recipe_of(3, latents=codes, azimuth=None)
    paths = written(f"{tmp_path}/seq/", recipe)
    for k, path in enumerate(paths):
        assert reading.read(path).recipe("it") == recipe.only(k)
    whole = reading.read(tmp_path / "seq")
    assert whole.recipe("it") == recipe
    assert whole.generated


def test_names_with_every_character(tmp_path: Path) -> None:
    """What XML, JSON and ffmpeg's metadata would each take for their own."""
    recipe = recipe_of(2)
    awkward = "a\"<&>;=#\\'é日 ]]>$(x)`"
    document = json.loads(recipe.to_json())
    document["model"]["name"] = awkward
    from graf_cli.recipe import from_json

    named = from_json(json.dumps(document))
    for name in ("png", "jpg", "webp", "mp4", "webm", "gif", "apng", "npz", "tar"):
        one = named if FORMATS[name].holds == "many" else named.only(0)
        [path] = written(tmp_path / f"a.{name}", one)
        assert reading.read(path).recipe("it") == one


def png(path: Path, **words: str) -> Path:
    info = PngInfo()
    for key, text in words.items():
        info.add_text(key.replace("_", "."), text)
    Image.new("RGB", (2, 2)).save(path, pnginfo=info)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "{" * 100_000,
        '{"a":' * 100_000,
        "[" * 1_000_000,
        '{"graf": "1"}',
        '{"graf": 1e999}',
        "\udcff" * 3,
    ],
)
def test_what_is_no_recipe(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"{" + text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RecipeError) as told:
        reading.read(path).recipe("it")
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 500


def test_a_picture_without_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="carries no recipe"):
        reading.read(png(tmp_path / "a.png")).recipe("a.png")


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 600, b"#EXTM3U\nhttp://127.0.0.1/x.ts\n", b"%PDF"]
)
def test_other_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(RecipeError, match="no format"):
        reading.read(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.png", tmp_path):
        with pytest.raises(RecipeError, match="cannot be read"):
            reading.read(path)


def test_a_picture_that_was_cut_is_damaged(tmp_path: Path) -> None:
    """Whatever its decoder calls that."""
    whole = png(tmp_path / "a.png").read_bytes()
    for data in (whole[: len(whole) // 2], whole[:20] + b"????" + whole[24:]):
        (tmp_path / "b.png").write_bytes(data)
        with pytest.raises(RecipeError, match=r"b\.png is damaged; name a file that graf wrote\."):
            reading.read(tmp_path / "b.png").recipe("b.png")


@given(st.binary(max_size=64))
def test_damaged_files(tmp_path_factory: pytest.TempPathFactory, tail: bytes) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    heads = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"PK\x03\x04")
    for k, head in enumerate(heads):
        path = folder / str(k)
        path.write_bytes(head + tail)
        with pytest.raises(RecipeError):
            reading.read(path).recipe("it")


@pytest.mark.parametrize("head", [b"\0\0\0\x18ftypisom", b"\x1a\x45\xdf\xa3", b"\x76\x2f\x31\x01"])
def test_damaged_videos(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(head + b"http://127.0.0.1:9/x" * 9)
    with pytest.raises(RecipeError):
        reading.read(path).recipe("it")


def test_a_text_that_unpacks_beyond_measure(tmp_path: Path) -> None:
    body = b"graf.recipe\0\1\0\0\0" + zlib.compress(b" " * (8 << 20))
    path = png(tmp_path / "a.png")
    data = path.read_bytes()
    chunk = b"iTXt" + body
    whole = struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(data[:33] + whole + data[33:])
    with pytest.raises(RecipeError):
        reading.read(path).recipe("it")


def test_an_array_that_is_an_object(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], dtype=object), allow_pickle=True)
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("graf.recipe.npy", buffer.getvalue())
    with pytest.raises(RecipeError):
        reading.read(path).recipe("it")


@pytest.mark.parametrize("name", ["../recipe.json", "/recipe.json", "other"])
def test_archives_whose_names_climb(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = 2
        archive.addfile(info, io.BytesIO(b"{}"))
        link = tarfile.TarInfo("recipe.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(RecipeError, match="carries no recipe"):
        reading.read(path).recipe("it")


def test_a_gif_comment_of_someone_else(tmp_path: Path) -> None:
    Image.new("P", (2, 2)).save(tmp_path / "a.gif", comment=b"made by hand \xff")
    found = reading.read(tmp_path / "a.gif")
    assert not found.generated
    with pytest.raises(RecipeError, match="carries no recipe"):
        found.recipe("it")


def test_the_source_type_alone_is_told(tmp_path: Path) -> None:
    assert reading.read(png(tmp_path / "a.png", DigitalSourceType=SOURCE_TYPE)).generated


@pytest.mark.parametrize("namespace", [NAMESPACE, FORMER_NAMESPACE])
@pytest.mark.parametrize("prefix", ["graf", "ns1"])
def test_properties_are_known_by_their_namespace(
    tmp_path: Path, namespace: str, prefix: str
) -> None:
    """That of today, that of older files, and whatever an editor calls them."""
    recipe = recipe_of()
    packet = Stamp(recipe).xmp().replace(NAMESPACE, namespace)
    packet = packet.replace("xmlns:graf=", f"xmlns:{prefix}=").replace(
        "graf:recipe", f"{prefix}:recipe"
    )
    Image.new("RGB", (2, 2)).save(tmp_path / "a.jpg", xmp=packet.encode())
    assert reading.read(tmp_path / "a.jpg").recipe("it") == recipe


def test_our_namespace_is_no_address() -> None:
    assert NAMESPACE.startswith("urn:")
    assert "http" not in NAMESPACE
