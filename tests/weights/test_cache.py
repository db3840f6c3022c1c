import hashlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import DownloadError
from graf_cli.weights.cache import Entry, Origin, cache_dir, digest_of, problem_of
from tests.server import checkpoint, random_bytes

REFERENCE = Path(__file__).parents[1] / "reference"


def test_the_platform_chooses_the_cache_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAF_CACHE", raising=False)
    assert cache_dir().is_absolute()
    assert "graf" in cache_dir().parts
    monkeypatch.setenv("GRAF_CACHE", "")
    assert "graf" in cache_dir().parts


def test_graf_cache_moves_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GRAF_CACHE", "~/weights")
    assert cache_dir() == tmp_path / "weights"
    monkeypatch.setenv("GRAF_CACHE", "weights")
    assert cache_dir() == Path.cwd() / "weights"


def test_an_unknown_home_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAF_CACHE", "~no-such-user-here/weights")
    with pytest.raises(DownloadError, match="GRAF_CACHE is '~no-such-user-here/weights'"):
        cache_dir()


@pytest.mark.parametrize("name", ["carla_256.pt", "cars/carla_256.pt", "my model (2).pt", "é.pt"])
def test_plain_names_are_placed(name: str) -> None:
    assert Entry.at(Path("/cache"), name).path == Path("/cache") / name


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../a.pt", "a/../b.pt", "/etc/passwd", "a/b/c.pt", "a/", "/a"),
        *("a\\b", "C:a", "a\0b", "a\nb", "\x1b[2J", ".hidden", "a*"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(DownloadError, match="cannot stand in the cache"):
        Entry.at(Path("/cache"), name)


@given(st.text(alphabet=st.sampled_from("ab./\\:~-\0\n "), max_size=12))
def test_no_name_leaves_the_cache(name: str) -> None:
    try:
        path = Entry.at(Path("/cache"), name).path
    except DownloadError:
        return
    assert path.resolve().is_relative_to("/cache")
    assert path.resolve() != Path("/cache")


@pytest.mark.parametrize("case", sorted(REFERENCE.glob("*.pt")), ids=lambda p: p.stem)
def test_measured_checkpoints_pass(case: Path) -> None:
    assert problem_of(case) is None


def test_safetensors_pass(tmp_path: Path) -> None:
    header = b'{"__metadata__":{}}'
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    assert problem_of(path) is None
    path.write_bytes(path.read_bytes()[:-1])
    assert problem_of(path) == "a safetensors file that is cut short"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"\n \n", "blank"),
        (b"<!DOCTYPE html><title>Sign in</title>", "an HTML page"),
        (b"\xef\xbb\xbf\r\n <HTML lang=en>", "an HTML page"),
        (b'<?xml version="1.0"?><html xmlns="x">', "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML page"),
        (checkpoint(5000)[:-30], "a zip archive that is cut short"),
        (b'{"message": "not found"}', "no checkpoint (neither zip, pickle nor safetensors)"),
        (b"\x80", "no checkpoint (neither zip, pickle nor safetensors)"),
        (b"\xff" * 8 + b"{", "no checkpoint (neither zip, pickle nor safetensors)"),
    ],
)
def test_other_content_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    assert problem_of(path) == problem


def settled(tmp_path: Path, data: bytes) -> Entry:
    entry = Entry.at(tmp_path, "a.pt")
    entry.part.write_bytes(data)
    entry.accept("https://models.example/a.pt", None, lambda _: None)
    return entry


def test_a_pin_is_what_sha256sum_checks(tmp_path: Path) -> None:
    entry = settled(tmp_path, checkpoint(1000))
    assert entry.pin.read_text() == f"{digest_of(entry.path)}  a.pt\n"
    assert entry.pinned() == hashlib.sha256(checkpoint(1000)).hexdigest()
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", entry.pin], cwd=tmp_path, check=True)


@pytest.mark.parametrize("line", ["{}", "{} *a.pt\n", "{}  a.pt\r\n"])
def test_pins_of_other_tools_are_read(tmp_path: Path, line: str) -> None:
    entry = Entry.at(tmp_path, "a.pt")
    entry.pin.write_text(line.format("AB" * 32))
    assert entry.pinned() == "ab" * 32


@pytest.mark.parametrize("line", [b"", b"ab" * 31, b"ab" * 33, b"\xff\xfe", b"a.pt: OK"])
def test_a_damaged_pin_is_an_error(tmp_path: Path, line: bytes) -> None:
    entry = settled(tmp_path, checkpoint(1000))
    entry.pin.write_bytes(line)
    with pytest.raises(DownloadError, match=r"a\.pt\.sha256 does not begin with a SHA-256"):
        entry.verify(None, pytest.fail)


def test_a_manifest_digest_overrules_the_pin(tmp_path: Path) -> None:
    entry = settled(tmp_path, checkpoint(1000))
    digest = digest_of(entry.path)
    entry.pin.write_text("0" * 64 + "  a.pt\n")
    entry.verify(digest, pytest.fail)
    with pytest.raises(DownloadError, match=f"SHA-256 {digest} where the manifest promises 1111"):
        entry.verify("1" * 64, pytest.fail)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"url": 3}', b"\xff"])
def test_a_part_of_unreadable_origin_has_none(tmp_path: Path, content: bytes) -> None:
    entry = Entry.at(tmp_path, "a.pt")
    origin = Origin("https://models.example/a.pt", '"1"', None, 7)
    entry.begin_part(origin)
    assert entry.origin() == origin
    tmp_path.joinpath("a.pt.part.json").write_bytes(content)
    assert entry.origin() is None


def test_beginning_a_part_forgets_the_earlier_one(tmp_path: Path) -> None:
    entry = Entry.at(tmp_path, "a.pt")
    entry.part.write_bytes(random_bytes(10))
    entry.begin_part(Origin("https://models.example/a.pt", None, None, None))
    assert entry.part_size() == 0
    assert not entry.part.exists()
