"""Every format and what it carries, read back by another program; `docs/formats.md` says it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graf_cli.errors import OutputError, UsageError
from graf_cli.output.encode.pixels import pixels
from graf_cli.output.formats import Encoding, target_of
from graf_cli.output.open import open_sink
from graf_cli.output.provenance.stamp import SOURCE_TYPE
from graf_cli.output.table import FORMATS
from graf_cli.recipe import from_json
from tests import media
from tests.media import FFMPEG
from tests.output.frames import frame_of, normal_of, recipe_of, written

STREAMABLE = [name for name, form in FORMATS.items() if form.streams]
ALPHA = [name for name, form in FORMATS.items() if form.alpha and name != "raw"]
STAMPED = [name for name, form in FORMATS.items() if form.metadata]
LOSSY = {"jpg", "jpeg", "webp", "mp4", "webm", "mov", "gif", "y4m"}
TABLE = Path(__file__).parents[2] / "docs" / "formats.md"


@pytest.fixture(autouse=True)
def _openexr(request: pytest.FixtureRequest) -> None:
    """Tests of `.exr` need the extra."""
    if "exr" in request.node.name:
        pytest.importorskip("OpenEXR", reason="the extra `exr` is not installed")


def shot(name: str) -> int:
    """How many frames to write into a format."""
    return 1 if FORMATS[name].holds == "one" else 3


def wide(name: str) -> tuple[int, int]:
    """Half the resolution of colour shows in a tiny picture; the others do with little."""
    return (64, 48) if name in ("mov", "webm", "mp4", "webp") else (10, 6)


# reading back, by programs that are not ours


def rgba(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The frames that ffmpeg sees, shape = (n, H, W, 4)."""
    decoder = ["-c:v", "libvpx-vp9"] if path.suffix == ".webm" else []
    words = [FFMPEG, "-v", "error", *decoder, "-i", path, "-fps_mode", "passthrough"]
    raw = subprocess.run(
        [*words, "-f", "rawvideo", "-pix_fmt", "rgba", "-"], capture_output=True, check=True
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0], 4)


def pillow(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        frames = []
        for k in range(getattr(image, "n_frames", 1)):
            image.seek(k)
            frames.append(np.asarray(image.convert("RGBA")))
    return np.stack(frames)


def exr(path: Path) -> dict[str, np.ndarray]:
    import OpenEXR

    channels = OpenEXR.File(str(path), separate_channels=True).channels()
    return {name: channel.pixels for name, channel in channels.items()}


def as_bytes(values: np.ndarray) -> np.ndarray:
    return np.asarray(255 * np.clip(values, 0, 1) + 0.5, dtype=np.uint8)


def from_exr(path: Path) -> np.ndarray:
    found = exr(path)
    alpha = found.get("A", np.ones_like(found["R"]))
    straight = [found[c] / np.maximum(alpha, 1e-3) for c in "RGB"]
    return as_bytes(np.stack([*straight, alpha], -1))[None]


def from_npz(path: Path) -> np.ndarray:
    with np.load(path) as file:
        rgb, alpha = file["rgb"], file["opacity"][..., None]
    straight = rgb / np.maximum(alpha, 1e-3) if rgb[0, 0, -1].max() == 0 else rgb
    return as_bytes(np.concatenate((straight, alpha), -1))


def from_tar(path: Path) -> np.ndarray:
    with tarfile.open(path) as archive:
        members = [m for m in archive.getmembers() if m.name.endswith(".png")]
        assert [m.name for m in members] == [f"{k:04d}.png" for k in range(len(members))]
        files = [archive.extractfile(member) for member in members]
        return np.stack([np.asarray(Image.open(f).convert("RGBA")) for f in files if f])


def read_back(path: Path, size: tuple[int, int]) -> np.ndarray:
    readers: dict[str, Callable[[Path], np.ndarray]] = {
        ".exr": from_exr, ".npz": from_npz, ".tar": from_tar,
        ".png": pillow, ".jpg": pillow, ".jpeg": pillow, ".webp": pillow, ".gif": pillow,
        ".apng": pillow,
    }  # fmt: skip
    if path.suffix == ".raw":
        return np.fromfile(path, np.uint8).reshape(-1, size[1], size[0], 3)
    if path.suffix in readers:
        return readers[path.suffix](path)
    return rgba(path, size)


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_come_back(tmp_path: Path, name: str) -> None:
    recipe = recipe_of(shot(name), size=wide(name))
    [path] = written(tmp_path / f"a.{name}", recipe, opaque=True)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    found = read_back(path, wide(name))
    assert len(found) == shot(name)
    for k, picture in enumerate(found):
        expected = pixels(frame_of(recipe, k, opaque=True), recipe)
        error = np.abs(picture[..., :3].astype(int) - expected)
        assert error.mean() <= (4 if name in LOSSY else 0.5)
        assert name in LOSSY or error.max() <= 1


@pytest.mark.parametrize("name", ALPHA)
def test_transparency_comes_back(tmp_path: Path, name: str) -> None:
    recipe = recipe_of(shot(name), size=wide(name), background="transparent")
    [path] = written(tmp_path / f"a.{name}", recipe)
    found = read_back(path, wide(name))[0]
    alpha = found[..., 3].astype(int)
    expected = pixels(frame_of(recipe), recipe)
    if name == "gif":
        assert set(np.unique(alpha)) == {0, 255}
        expected[..., 3] = np.where(expected[..., 3] >= 128, 255, 0)
    assert np.abs(alpha - expected[..., 3]).mean() <= (6 if name in LOSSY else 0.5)
    solid = expected[..., 3] == 255
    error = np.abs(found[solid].astype(int) - expected[solid])[..., :3]
    assert error.mean() <= (6 if name in LOSSY else 0.5)


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - set(ALPHA) - {"raw"}))
def test_no_transparency_is_said_before_rendering(tmp_path: Path, name: str) -> None:
    for asked in ({"background": "transparent"}, {"show": ("rgba",)}):
        with pytest.raises(UsageError, match="cannot be transparent"):
            open_sink(target_of(str(tmp_path / f"a.{name}")), recipe_of(shot(name), **asked))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(set(ALPHA) - {"gif"}))
def test_on_white_transparent_is_the_white_render(tmp_path: Path, name: str) -> None:
    clear = recipe_of(shot(name), size=wide(name), show=("rgba",))
    [path] = written(tmp_path / f"a.{name}", clear)
    found = read_back(path, wide(name))[0].astype(float)
    alpha = found[..., 3:] / 255
    on_white = found[..., :3] * alpha + 255 * (1 - alpha)
    if name == "npz":  # whose numbers stand on the background
        on_white = found[..., :3]
    white = 255 * frame_of(recipe_of(size=wide(name))).rgb
    error = np.abs(on_white - white)
    assert error.mean() <= 5 if name in LOSSY else error.max() <= 1.001


# metadata


def words_in(path: Path) -> str:
    """All that another program finds written in a file."""
    match path.suffix:
        case ".exr":
            import OpenEXR

            return str(OpenEXR.File(str(path), header_only=True).header())
        case ".npz":
            with np.load(path) as file:
                return " ".join(str(file[key]) for key in file.files if file[key].dtype.kind == "U")
        case ".tar":
            with tarfile.open(path) as archive:
                first, second = (archive.extractfile(m) for m in archive.getmembers()[:2])
                assert first is not None
                assert second is not None
                return first.read().decode() + str(Image.open(second).info)
        case ".mp4" | ".webm" | ".mov":
            done = subprocess.run(
                [FFMPEG, "-v", "error", "-i", path, "-f", "ffmetadata", "-"],
                capture_output=True, check=True,
            )  # fmt: skip
            return done.stdout.decode().replace("\\", "")
        case ".jpg" | ".jpeg" | ".webp":
            with Image.open(path) as image:
                return str(image.info["xmp"].decode()).replace("&quot;", '"')
        case _:
            with Image.open(path) as image:
                words = {**image.info, "comment": image.info.get("comment", b"").decode()}
                return " ".join(map(str, words.values()))


@pytest.mark.parametrize("name", STAMPED)
def test_files_say_how_they_were_made(tmp_path: Path, name: str) -> None:
    recipe = recipe_of(shot(name), size=wide(name))
    [path] = written(tmp_path / f"a.{name}", recipe)
    words = words_in(path)
    assert SOURCE_TYPE in words
    assert "small:8" in words
    start = words.index('{"graf":')
    text, _ = json.JSONDecoder().raw_decode(words[start:])
    assert from_json(json.dumps(text)) == recipe


@pytest.mark.parametrize("name", STAMPED)
def test_no_metadata_leaves_it_out(tmp_path: Path, name: str) -> None:
    [path] = written(tmp_path / f"a.{name}", recipe_of(shot(name), size=wide(name)), metadata=False)
    data = path.read_bytes()
    for word in (b"trainedAlgorithmicMedia", b"small:8", b"settings"):
        assert word not in data


def test_a_long_recipe_fits_into_a_video(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).normal(size=(20_000, 6)).tolist()
    short = recipe_of(2, latents=codes[:2], azimuth=None)
    whole = recipe_of(20_000, latents=codes, azimuth=None)
    assert len(whole.to_json()) > 1 << 20
    with open_sink(target_of(str(tmp_path / "a.mp4")), whole) as sink:
        sink.write(frame_of(short))
    assert whole.to_json() in words_in(tmp_path / "a.mp4")


def test_a_recipe_too_long_for_jpeg(tmp_path: Path) -> None:
    recipe = recipe_of(1, shape=list(range(4000)), appearance=list(range(10**18, 10**18 + 4000)))
    with pytest.raises(UsageError, match="too long for JPEG"):
        open_sink(target_of(str(tmp_path / "a.jpg")), recipe)
    open_sink(target_of(str(tmp_path / "a.jpg")), recipe, metadata=False).abort()


# numbers


def test_arrays_keep_floats_and_units(tmp_path: Path) -> None:
    recipe = recipe_of(2, show=("rgb", "normal"))
    [path] = written(tmp_path / "a.npz", recipe)
    with np.load(path) as file:
        first = frame_of(recipe, 0)
        for name in ("rgb", "depth", "disparity", "opacity", "normal"):
            assert file[name].dtype == np.float32
        assert np.array_equal(file["depth"][0], first.depth)
        assert np.allclose(file["normal"][0], normal_of(first) @ first.shot.camera.pose[:, :3])
        units = json.loads(str(file["graf.units"]))
    assert "world units" in units["depth"]
    assert "camera" in units["normal"]


def test_exr_keeps_floats_and_units(tmp_path: Path) -> None:
    recipe = recipe_of(1, background="transparent", show=("normal",), normals="world")
    [path] = written(tmp_path / "a.exr", recipe)
    found, frame = exr(path), frame_of(recipe)
    assert np.array_equal(found["Z"], frame.depth)
    assert np.array_equal(found["A"], frame.opacity)
    assert np.allclose(np.stack([found[c] for c in "RGB"], -1), frame.rgb, atol=1e-6)
    assert np.array_equal(found["N.y"], normal_of(frame)[..., 1])
    assert "world units" in words_in(path)


@pytest.mark.parametrize("name", ["png", "tar"])
def test_depth_in_16_bits_with_its_scale(tmp_path: Path, name: str) -> None:
    recipe = recipe_of(1, show=("depth16",))
    [path] = written(tmp_path / f"a.{name}", recipe)
    if name == "tar":
        with tarfile.open(path) as archive:
            archive.extract("0000.png", tmp_path, filter="data")
        path = tmp_path / "0000.png"
    with Image.open(path) as image:
        values, words = np.asarray(image), json.loads(image.info["graf.depth"])
    frame = frame_of(recipe)
    seen = frame.opacity > 1e-3
    assert values.dtype == np.uint16
    assert (values[~seen] == words["nothing"]).all()
    depth = words["offset"] + words["scale"] * values[seen].astype(float)
    assert np.abs(depth - (frame.depth / np.maximum(frame.opacity, 1e-9))[seen]).max() < 1e-3


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"png", "tar", "raw", "npz", "exr"}))
def test_16_bits_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="16-bit"):
        open_sink(target_of(str(tmp_path / f"a.{name}")), recipe_of(shot(name), show=("depth16",)))


def test_a_missing_library_is_found_before_rendering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    for out in (tmp_path / "a.exr", f"{tmp_path}/%04d.exr"):
        with pytest.raises(OutputError, match="install graf"):
            open_sink(target_of(str(out)), recipe_of())
    assert list(tmp_path.iterdir()) == []


# encodings


@pytest.mark.parametrize(
    ("name", "codec", "said"),
    [
        ("mp4", "h265", "hevc"),
        ("mp4", "av1", "av1"),
        ("webm", "av1", "av1"),
        ("mov", "prores", "prores (4444)"),
        ("mov", "h264", "h264"),
    ],
)
def test_codecs(tmp_path: Path, name: str, codec: str, said: str) -> None:
    [path] = written(tmp_path / f"a.{name}", recipe_of(2, size=(34, 18)), Encoding(codec=codec))
    assert said in media.stream(path)


def test_quality_is_size(tmp_path: Path) -> None:
    recipe = recipe_of(2, size=(64, 64))
    sizes = []
    for crf in (5, 40):
        [path] = written(tmp_path / f"{crf}.mp4", recipe, Encoding(crf=crf), metadata=False)
        sizes.append(path.stat().st_size)
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize("name", ["gif", "apng", "webp"])
@pytest.mark.parametrize("loop", [0, 1, 3])
def test_loops(tmp_path: Path, name: str, loop: int) -> None:
    [path] = written(tmp_path / f"a.{name}", recipe_of(3, fps=10), Encoding(loop=loop))
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 3
        found = image.info.get("loop", 1)
        image.load()
        duration = image.info["duration"]
    # GIF counts what follows the first time; Pillow passes its number on.
    assert found == (loop - 1 if name == "gif" and loop > 1 else loop)
    assert duration == pytest.approx(100)


@pytest.mark.parametrize(
    ("name", "encoding", "says"),
    [
        ("mp4", Encoding(codec="vp9"), "h264"),
        ("png", Encoding(codec="h264"), "none"),
        ("gif", Encoding(crf=20), "`crf`"),
        ("mov", Encoding(crf=20), "`crf`"),
        ("mp4", Encoding(loop=2), "`loop`"),
    ],
)
def test_options_that_a_format_has_not(
    tmp_path: Path, name: str, encoding: Encoding, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        written(tmp_path / f"a.{name}", recipe_of(shot(name)), encoding)


def test_transparent_video_in_a_codec_without(tmp_path: Path) -> None:
    recipe = recipe_of(2, background="transparent")
    with pytest.raises(UsageError, match="`codec` h264"):
        written(tmp_path / "a.mov", recipe, Encoding(codec="h264"))


# the same frames, the same bytes


@pytest.mark.parametrize("name", ["png", "npz", "tar", "apng", "gif", "webp", "raw", "y4m"])
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, name: str) -> None:
    recipe = recipe_of(shot(name))
    [first] = written(tmp_path / f"a.{name}", recipe)
    [second] = written(tmp_path / f"b.{name}", recipe)
    assert first.read_bytes() == second.read_bytes()


def test_zip_members_are_plain(tmp_path: Path) -> None:
    [path] = written(tmp_path / "a.npz", recipe_of(2))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert all(m.compress_type == zipfile.ZIP_STORED for m in archive.infolist())


# the table in the docs


def test_the_table_says_what_the_formats_do() -> None:
    rows = re.findall(r"^\| `\.(\w+)` \|(.*)\|$", TABLE.read_text(), re.MULTILINE)
    cells = {name: [cell.strip() for cell in row.split("|")] for name, row in rows}
    assert cells.keys() == FORMATS.keys() - {"jpeg"}
    for name, (holds, alpha, numbers, metadata, stream, *_) in cells.items():
        form = FORMATS[name]
        assert holds.startswith("many") == (form.holds == "many" or name == "webp"), name
        assert (alpha != "–") == form.alpha, name
        assert (numbers != "–") == (form.numbers or form.deep), name
        assert (metadata != "–") == form.metadata, name
        assert (stream == "at once") == form.streams, name


@pytest.mark.parametrize(
    ("name", "codec"),
    [("mp4", "h264"), ("mp4", "h265"), ("mp4", "av1"), ("webm", "vp9"), ("webm", "av1"),
     ("mov", "prores")],
)  # fmt: skip
def test_videos_say_their_colours_in_full(tmp_path: Path, name: str, codec: str) -> None:
    """Matrix, primaries and transfer: ffmpeg writes one word when all three are the same."""
    path = tmp_path / f"a.{name}"
    written(path, recipe_of(3, size=(64, 48)), encoding=Encoding(codec=codec))
    assert re.search(r"\(tv, bt709[,)]", media.stream(path))


def test_a_sheet_without_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`columns` 0 makes no sheet"):
        open_sink(target_of(str(tmp_path / "a.png")), recipe_of(2), columns=0)
