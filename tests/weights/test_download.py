from __future__ import annotations

import errno
import gc
import hashlib
import io
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import DownloadError
from graf_cli.weights import download
from graf_cli.weights.download import Patience, Source, cached, check_address, fetch
from tests.disks import mounted
from tests.server import Body, Raw, Redirect, Request, Server, Status, checkpoint, serve

ROOT = Path(__file__).parents[2]
DATA = checkpoint(300_000)
OTHER = checkpoint(300_000, seed=1)
NAME = "cars/a.pt"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GRAF_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("GRAF_CACHE", str(tmp_path / "cache"))


class Client:
    """Fetches, and keeps what `fetch` said, how long it would have waited, and how far it got."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.waits: list[float] = []
        self.steps: list[tuple[int, int | None]] = []

    def __call__(
        self, url: str, sha256: str | None = None, *, read: float = 20.0, name: str = NAME
    ) -> Path:
        return fetch(
            Source(url, name, sha256),
            progress=lambda done, total: self.steps.append((done, total)),
            notify=self.said.append,
            patience=Patience(read=read, wait=self.waits.append),
        )


@pytest.fixture
def get() -> Client:
    return Client()


def cached_files() -> set[str]:
    folder = download.cache_dir() / "cars"
    return {path.name for path in folder.iterdir()} - {"a.pt.lock"} if folder.exists() else set()


def hex_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


COMPLETE = {"a.pt", "a.pt.sha256"}
INTERRUPTED = {"a.pt.part", "a.pt.part.json"}


# The plain case


def test_the_first_download_is_pinned_and_says_so(get: Client) -> None:
    with serve({"/a.pt": Body(DATA)}) as server:
        path = get(server.url("/a.pt"))
    assert path == download.cache_dir() / NAME
    assert path.read_bytes() == DATA
    assert cached_files() == COMPLETE
    assert get.said == [f"Pinned the SHA-256 of a.pt, {hex_of(DATA)}, in {path}.sha256."]
    assert get.steps[0] == (0, len(DATA))
    assert get.steps[-1] == (len(DATA), len(DATA))
    assert get.waits == []


def test_the_digits_in_a_name_are_held_against_what_is_pinned(get: Client) -> None:
    right = f"a-{hex_of(DATA)[:8]}.pt"
    for name, words in ((right, "it begins with the digits"), ("b-01234567.pt", "does not begin")):
        with serve({f"/{name}": Body(DATA)}) as server:
            get(server.url(f"/{name}"), name=name)
        assert words in get.said[-1]
        assert name in get.said[-1]


def test_later_uses_ask_nobody(get: Client) -> None:
    with serve({"/a.pt": Body(DATA)}) as server:
        assert get(server.url("/a.pt")) == get(server.url("/a.pt"))
        assert len(server.requests) == 1
        assert server.requests[0].headers["accept-encoding"] == "identity"
    assert len(get.said) == 1


def test_cached_tells_without_network_or_writing(get: Client) -> None:
    with serve({"/a.pt": Body(DATA)}) as server:
        source = Source(server.url("/a.pt"), NAME, None)
        assert cached(source) is None
        assert not download.cache_dir().exists()
        assert get(source.url) == cached(source) == cached(source, cache=download.cache_dir())
        assert cached(source, cache=download.cache_dir() / "elsewhere") is None


@pytest.mark.parametrize("body", [Body(DATA, sized=False), Body(DATA, chunked=True)])
def test_a_size_need_not_be_announced(get: Client, body: Body) -> None:
    with serve({"/a.pt": body}) as server:
        assert get(server.url("/a.pt")).read_bytes() == DATA
    assert get.steps[-1] == (len(DATA), None)


def test_names_from_the_server_are_ignored(get: Client, tmp_path: Path) -> None:
    hostile = {"Content-Disposition": 'attachment; filename="../../evil.pt"'}
    with serve({"/..%2Fevil.pt": Body(DATA, headers=hostile)}) as server:
        get(server.url("/..%2Fevil.pt"))
    assert not list(tmp_path.rglob("*evil*"))


def test_a_hostile_name_is_refused_before_anything_else(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot stand in the cache"):
        fetch(Source("https://models.example/a.pt", "../a.pt", None))
    assert not list(tmp_path.iterdir())


# Digests


def test_a_changed_file_is_refused_and_named(get: Client) -> None:
    with serve({"/a.pt": Body(DATA)}) as server:
        path = get(server.url("/a.pt"))
        path.write_bytes(OTHER)
        with pytest.raises(DownloadError) as failure:
            get(server.url("/a.pt"))
    assert str(failure.value) == (
        f"{path} has SHA-256 {hex_of(OTHER)} where a.pt.sha256 pins {hex_of(DATA)}: "
        "delete the file and download it again."
    )


def test_doing_what_that_says_repairs_it(get: Client) -> None:
    with serve({"/a.pt": Body(DATA)}) as server:
        get(server.url("/a.pt")).unlink()
        assert get(server.url("/a.pt")).read_bytes() == DATA
    assert len(get.said) == 1


def test_a_pin_outlives_its_file(get: Client) -> None:
    with serve({"/a.pt": [Body(DATA), Body(OTHER)]}) as server:
        get(server.url("/a.pt")).unlink()
        with pytest.raises(DownloadError, match=f"an earlier download pinned {hex_of(DATA)}"):
            get(server.url("/a.pt"))
    assert cached_files() == {"a.pt.sha256"}


def test_a_digest_in_the_manifest_decides(get: Client) -> None:
    with serve({"/a.pt": Body(DATA)}) as server:
        with pytest.raises(DownloadError, match=f"{hex_of(DATA)}.* promises {hex_of(OTHER)}"):
            get(server.url("/a.pt"), hex_of(OTHER))
        assert cached_files() == set()
        get(server.url("/a.pt"), hex_of(DATA))
    assert cached_files() == COMPLETE
    assert get.said == []


def test_a_digest_in_the_manifest_replaces_a_pin_left_behind(get: Client) -> None:
    with serve({"/a.pt": [Body(DATA), Body(OTHER)]}) as server:
        get(server.url("/a.pt")).unlink()
        get(server.url("/a.pt"), hex_of(OTHER))
        assert get(server.url("/a.pt")).read_bytes() == OTHER


def test_a_file_without_a_pin_is_looked_at_and_pinned(get: Client) -> None:
    path = download.cache_dir() / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<html>")
    with pytest.raises(DownloadError, match=r"a\.pt is an HTML page: delete it"):
        get("https://models.example/a.pt")
    path.write_bytes(DATA)
    assert get("https://models.example/a.pt") == path
    assert cached_files() == COMPLETE
    assert get.said == [f"Pinned the SHA-256 of a.pt, {hex_of(DATA)}, in {path}.sha256."]


def test_killed_between_pin_and_name_the_next_run_finishes(
    get: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if target.name == "a.pt":
            raise KeyboardInterrupt
        return replace(self, target)

    with serve({"/a.pt": Body(DATA)}) as server:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Path, "replace", killed)
            get(server.url("/a.pt"))
        assert cached_files() == INTERRUPTED | {"a.pt.sha256"}
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert len(server.requests) == 1
    assert cached_files() == COMPLETE


# Interruptions


@pytest.mark.parametrize("reset", [False, True])
def test_a_dropped_connection_is_resumed(get: Client, reset: bool) -> None:
    with serve({"/a.pt": [Body(DATA, drop_after=100_000, reset=reset), Body(DATA)]}) as server:
        assert get(server.url("/a.pt")).read_bytes() == DATA
        first, second = server.gets("/a.pt")
    assert first.range is None
    # A reset may overtake bytes on their way.
    assert second.range == "bytes=100000-" or reset
    assert second.headers["if-range"] == Body(DATA).tag
    assert len(get.waits) == 1
    assert "trying again in" in get.said[0]


def test_a_chunked_body_cut_short_is_resumed(get: Client) -> None:
    with serve({"/a.pt": [Body(DATA, chunked=True, drop_after=100_000), Body(DATA)]}) as server:
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert server.requests[1].range == "bytes=100000-"


def test_silence_is_a_dropped_connection(get: Client) -> None:
    with serve({"/a.pt": [Body(DATA, hold_after=100_000), Body(DATA)]}) as server:
        assert get(server.url("/a.pt"), read=0.2).read_bytes() == DATA
        assert server.requests[1].range == "bytes=100000-"
    assert "did not answer in time at byte 100,000" in get.said[0]


@pytest.mark.parametrize("code", [500, 502, 503, 429, 408])
def test_passing_troubles_are_waited_out(get: Client, code: int) -> None:
    with serve({"/a.pt": [Status(code), Status(code), Body(DATA)]}) as server:
        assert get(server.url("/a.pt")).read_bytes() == DATA
    assert len(get.waits) == 2
    assert f"the server answered {code}" in get.said[0]


def test_pauses_grow_and_are_jittered(get: Client) -> None:
    with (
        serve({"/a.pt": Status(500)}) as server,
        pytest.raises(DownloadError, match="500 Internal Server Error, 5 times in a row"),
    ):
        get(server.url("/a.pt"))
    assert all(0.25 * 2**i <= w <= 0.5 * 2**i for i, w in enumerate(get.waits))
    assert len(get.waits) == 4
    assert len(server.requests) == 5
    assert cached_files() == set()


@pytest.mark.parametrize(("asked", "waited"), [("7", 7), ("86400", 60), ("0", 0)])
def test_a_server_may_ask_for_its_pause(get: Client, asked: str, waited: float) -> None:
    busy = Status(503, {"Retry-After": asked})
    with serve({"/a.pt": [busy, Body(DATA)]}) as server:
        get(server.url("/a.pt"))
    assert get.waits == [waited]


def test_progress_renews_patience(get: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "CHUNK", 10_000)
    with serve({"/a.pt": [*[Body(DATA, drop_after=20_000)] * 12, Body(DATA)]}) as server:
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert len(server.requests) == 13


def test_starting_over_again_and_again_ends(get: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "CHUNK", 10_000)
    with serve({"/a.pt": Body(DATA, ranges=False, drop_after=50_000)}) as server:
        with pytest.raises(DownloadError, match="it goes on where it stopped"):
            get(server.url("/a.pt"))
        assert len(server.requests) == 5
    assert cached_files() == INTERRUPTED


def test_nobody_there_is_a_sentence(get: Client) -> None:
    with serve({}) as server:
        url = server.url("/a.pt")
    with pytest.raises(DownloadError, match=r"could not be downloaded: .*[Rr]efused"):
        get(url)
    assert cached_files() == set()


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x16\x03\x01 not http\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(200)) + b"\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 999 \x1b[2J\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_garbage_is_a_sentence(get: Client, garbage: bytes) -> None:
    with serve({"/a.pt": Raw(garbage)}) as server, pytest.raises(DownloadError) as failure:
        get(server.url("/a.pt"))
    assert str(failure.value).isprintable()
    assert cached_files() == set()


def test_contradictory_sizes_are_a_sentence(get: Client) -> None:
    twice = Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello")
    with serve({"/a.pt": twice}) as server, warnings.catch_warnings():
        # urllib3 leaves the socket of such an answer to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(DownloadError, match=r"cannot be downloaded .*unmatching"):
            get(server.url("/a.pt"))
        gc.collect()


# A part and its server


def test_a_server_that_ignores_ranges_sends_it_all(get: Client) -> None:
    with serve({"/a.pt": [Body(DATA, drop_after=9), Body(DATA, ranges=False)]}) as server:
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert server.requests[1].range == "bytes=9-"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Body(DATA), Body(OTHER)),  # If-Range, by a strong tag
        (Body(DATA, etag='W/"1"'), Body(OTHER, etag='W/"2"')),  # weak tags, compared here
        (Body(DATA, etag=None, modified="then"), Body(OTHER, etag=None, modified="now")),
        (Body(DATA, etag=None), Body(checkpoint(200_000), etag=None)),  # by size alone
        (Body(DATA, etag=None), Body(checkpoint(50_000), etag=None)),  # 416: shorter than the part
    ],
    ids=["etag", "weak", "modified", "size", "shorter"],
)
def test_a_changed_file_is_never_glued_to_an_old_part(
    get: Client, before: Body, after: Body
) -> None:
    cut = Body(before.data, before.etag, before.modified, drop_after=100_000)
    with serve({"/a.pt": [cut, after]}) as server:
        assert get(server.url("/a.pt")).read_bytes() == after.data
        assert server.requests[1].range == "bytes=100000-"


def test_a_range_that_begins_elsewhere_is_not_glued(get: Client) -> None:
    wrong = Raw(
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n"
        b"Content-Range: bytes 5-9/%d\r\n\r\nhello" % len(DATA)
    )
    with serve({"/a.pt": [Body(DATA, drop_after=100_000), wrong, Body(DATA)]}) as server:
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert server.requests[2].range is None


def test_a_complete_part_of_unknown_size_is_settled_by_416(get: Client) -> None:
    cut = Body(DATA, chunked=True, drop_after=len(DATA))
    with serve({"/a.pt": [cut, Body(DATA)]}) as server:
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert server.requests[1].range == f"bytes={len(DATA)}-"
        assert len(server.requests) == 2


def test_a_part_of_another_address_is_not_continued(get: Client) -> None:
    cut = Body(OTHER, drop_after=100_000, etag=None, ranges=False)
    with serve({"/old.pt": cut, "/a.pt": Body(DATA)}) as server:
        with pytest.raises(DownloadError, match=r"old\.pt could not be downloaded"):
            get(server.url("/old.pt"))
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert server.gets("/a.pt")[0].range is None


def test_a_refusal_keeps_the_part(get: Client) -> None:
    with serve({"/a.pt": [Body(DATA, drop_after=100_000), Status(403), Body(DATA)]}) as server:
        with pytest.raises(DownloadError, match="403 Forbidden"):
            get(server.url("/a.pt"))
        assert cached_files() == INTERRUPTED
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert server.requests[2].range == "bytes=100000-"


# Lies


def test_a_body_shorter_than_announced_is_never_kept(get: Client) -> None:
    with serve({"/a.pt": Body(DATA, length=len(DATA) + 1000)}) as server:
        with pytest.raises(DownloadError, match="could not be downloaded"):
            get(server.url("/a.pt"))
        assert 1 < len(server.requests) < 10
    assert not cached_files() & COMPLETE


@pytest.mark.parametrize("body", [Body(DATA, length=100_000), Body(DATA[:100_000], sized=False)])
def test_an_archive_without_its_end_is_never_kept(get: Client, body: Body) -> None:
    with (
        serve({"/a.pt": body}) as server,
        pytest.raises(DownloadError, match="zip archive that is cut short: nothing was kept"),
    ):
        get(server.url("/a.pt"))
    assert cached_files() == set()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_giant_is_refused(get: Client, monkeypatch: pytest.MonkeyPatch, chunked: bool) -> None:
    monkeypatch.setattr(download, "LIMIT", 200_000)
    with (
        serve({"/a.pt": Body(DATA, chunked=chunked)}) as server,
        pytest.raises(DownloadError, match="no checkpoint has over 200,000"),
    ):
        get(server.url("/a.pt"))
    assert cached_files() == set()


def test_an_announced_giant_is_not_read(get: Client) -> None:
    with serve({"/a.pt": Body(DATA, length=5 << 30)}) as server, pytest.raises(DownloadError):
        get(server.url("/a.pt"))
    assert get.steps == []


def test_compression_is_refused(get: Client) -> None:
    with (
        serve({"/a.pt": Body(DATA, headers={"Content-Encoding": "gzip"})}) as server,
        pytest.raises(DownloadError, match="encoded as 'gzip'"),
    ):
        get(server.url("/a.pt"))


@pytest.mark.parametrize(
    ("data", "problem"),
    [(b"<!doctype html><p>Sign in", "an HTML page"), (b"", "empty"), (b"hello", "no checkpoint")],
)
def test_another_kind_of_file_is_named(get: Client, data: bytes, problem: str) -> None:
    with serve({"/a.pt": Body(data)}) as server, pytest.raises(DownloadError, match=problem):
        get(server.url("/a.pt"))
    assert cached_files() == set()
    assert get.waits == []


@pytest.mark.parametrize("code", [404, 403, 401, 410, 204, 206, 304, 416])
def test_a_refusal_is_final(get: Client, code: int) -> None:
    with (
        serve({"/a.pt": Status(code)}) as server,
        pytest.raises(DownloadError, match=rf"/a\.pt answered {code} [A-Z].*: check the address"),
    ):
        get(server.url("/a.pt"))
    assert get.waits == []
    assert cached_files() == set()


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "https://models.example/a.pt?x=1",
        "HTTPS://models.example:8443/a.pt",
        "http://127.0.0.1:8000/a.pt",
        "http://127.8.9.1/a.pt",
        "http://localhost/a.pt",
        "http://[::1]:80/a.pt",
        "file:///models/a.pt",
        "file://localhost/models/a.pt",
        "/models/my model.pt",
    ],
)
def test_allowed_addresses(url: str) -> None:
    check_address(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://models.example/a.pt", "plain http"),
        ("http://127.0.0.1.models.example/a.pt", "plain http"),
        ("http://localhost.models.example/a.pt", "plain http"),
        ("http://2130706433/a.pt", "plain http"),
        ("http://0.0.0.0/a.pt", "plain http"),
        ("http://169.254.169.254/latest", "plain http"),
        ("http://models.example#@127.0.0.1/a.pt", "plain http"),
        ("http://127.0.0.1@models.example/a.pt", "credentials"),
        ("https://me:secret@models.example/a.pt", "credentials"),
        ("http://models.example\\@127.0.0.1/a.pt", "backslash"),
        ("https://models.example/my model.pt", "space"),
        ("https://models.example/a.pt\r\nHost: x", "control character"),
        ("https:///a.pt", "names no host"),
        ("https://models.example:99999/a.pt", "cannot be read"),
        ("https://[::1/a.pt", "cannot be read"),
        ("ftp://models.example/a.pt", "neither https"),
        ("s3://bucket/a.pt", "neither https"),
        ("models/a.pt", "neither https"),
        ("", "neither https"),
        ("file://host/a.pt", "names a host"),
        ("file:a.pt", "names a host"),
        ("file:///a%00.pt", "null"),
        ("/a\0.pt", "null"),
    ],
)
def test_refused_addresses(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as failure:
        check_address(url)
    assert str(failure.value).isprintable()
    with pytest.raises(DownloadError, match=problem):
        fetch(Source(url, NAME, None))


@given(st.text(alphabet=st.sampled_from("htps:/@\\#?127.0[]%x \tlocas"), max_size=24))
def test_plain_http_reaches_this_machine_only(rest: str) -> None:
    from requests import Request as Asked
    from urllib3.util import parse_url

    url = f"http://{rest}"
    try:
        check_address(url)
        reached = parse_url(str(Asked("GET", url).prepare().url)).host
    except ValueError:  # refused by us, or by requests
        return
    assert reached is not None
    assert reached == "localhost" or reached.startswith(("127.", "[::1"))


def test_redirects_on_this_machine_are_followed(get: Client) -> None:
    answers = {"/a.pt": Redirect("b/c.pt", 301), "/b/c.pt": Redirect("/d.pt", 307)}
    with serve({**answers, "/d.pt": Body(DATA)}) as server:
        assert get(server.url("/a.pt")).read_bytes() == DATA


def test_a_resumed_download_asks_the_first_address_again(get: Client) -> None:
    files = [Body(DATA, drop_after=100_000), Body(DATA)]
    with serve({"/a.pt": Redirect("/b.pt"), "/b.pt": files}) as server:
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert [r.range for r in server.gets("/b.pt")] == [None, "bytes=100000-"]


@pytest.mark.parametrize(
    "target",
    [
        "http://models.example/a.pt",
        "//models.example/a.pt",
        "http://me:secret@127.0.0.1/a.pt",
        "ftp://127.0.0.1/a.pt",
        "file:///etc/passwd",
        "http://models.example\\@127.0.0.1/",
    ],
)
def test_redirects_elsewhere_are_refused(get: Client, target: str) -> None:
    with serve({"/a.pt": Redirect(target)}) as server, pytest.raises(DownloadError) as failure:
        get(server.url("/a.pt"))
    assert "redirects to" in str(failure.value)
    assert cached_files() == set()
    assert get.waits == []


def test_a_redirect_never_steps_down_from_https() -> None:
    step = download._next_address
    assert step("https://a.example/x", "/y") == "https://a.example/y"
    assert step("http://127.0.0.1/x", "https://a.example/y") == "https://a.example/y"
    with pytest.raises(DownloadError, match="from https down to http:"):
        step("https://a.example/x", "http://127.0.0.1/y")


def test_the_body_of_a_redirect_is_not_read(get: Client) -> None:
    endless = Raw(b"HTTP/1.1 302 Found\r\nLocation: /b.pt\r\nContent-Length: 99999999999\r\n\r\n")
    with serve({"/a.pt": endless, "/b.pt": Body(DATA)}) as server:
        get(server.url("/a.pt"))
    assert get.waits == []


def test_a_circle_of_redirects_ends(get: Client) -> None:
    with serve({"/a.pt": Redirect("/b.pt"), "/b.pt": Redirect("/a.pt")}) as server:
        with pytest.raises(DownloadError, match="redirects more than 10 times"):
            get(server.url("/a.pt"))
        assert len(server.requests) == 11


def test_loopback_is_never_proxied(get: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({}) as proxy, serve({"/a.pt": Body(DATA)}) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert proxy.requests == []


def test_other_hosts_are_reached_through_the_proxy(
    get: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve({}) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url())
        with pytest.raises(DownloadError, match=r"models\.example/a\.pt could not be downloaded"):
            get("https://models.example/a.pt")
        assert (proxy.requests[0].method, proxy.requests[0].path) == (
            "CONNECT",
            "models.example:443",
        )


def test_an_untrusted_certificate_is_final(get: Client, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run(["openssl", *new.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with serve({"/a.pt": Body(DATA)}) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with pytest.raises(DownloadError, match="certificate that cannot be trusted"):
            get(server.url("/a.pt").replace("http:", "https:"))
    assert get.waits == []


# Local files


@pytest.mark.parametrize("as_url", [False, True])
def test_local_files_are_used_where_they_are(get: Client, tmp_path: Path, as_url: bool) -> None:
    path = tmp_path / "my model #1.pt"
    url = path.as_uri() if as_url else str(path)
    assert cached(Source(url, NAME, None)) is None
    with pytest.raises(DownloadError, match="There is no file"):
        get(url)
    path.write_bytes(DATA)
    assert get(url) == get(url, hex_of(DATA)) == cached(Source(url, NAME, None)) == path
    with pytest.raises(DownloadError, match=f"{hex_of(DATA)} where the manifest promises 0000"):
        get(url, "0" * 64)
    assert list(tmp_path.iterdir()) == [path]
    assert get.said == []


# Offline


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", refuse)
        patch.setattr(socket, "create_connection", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


@pytest.mark.parametrize("value", ["1", "true", "YES", " on "])
def test_offline_opens_no_socket(
    no_sockets: None, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    source = Source("https://models.example/a.pt", NAME, None)
    with pytest.raises(DownloadError, match=r"cars/a\.pt is not in the cache .* offline"):
        fetch(source, offline=True)
    monkeypatch.setenv("GRAF_OFFLINE", value)
    with pytest.raises(DownloadError, match="offline"):
        fetch(source)
    with pytest.raises(AssertionError, match="a socket was opened"):
        fetch(source, offline=False)


@pytest.mark.parametrize("value", ["", "0", "false", "no", "off"])
def test_online_by_any_other_value(
    get: Client, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("GRAF_OFFLINE", value)
    with serve({"/a.pt": Body(DATA)}) as server:
        get(server.url("/a.pt"))


def test_offline_uses_what_is_there(get: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({"/a.pt": Body(DATA)}) as server:
        path = get(server.url("/a.pt"))
    source = Source(server.url("/a.pt"), NAME, None)
    assert fetch(source, offline=True) == path
    path.write_bytes(OTHER)
    with pytest.raises(DownloadError, match="delete the file"):
        fetch(source, offline=True)


# Disks


def test_a_full_disk_keeps_the_part(get: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if self.tell() >= 100_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data[: 100_000 - self.tell()])

    plain = Path.open

    def open_full(self: Path, mode: str = "r", **options: Any) -> Any:
        return Full(self, "ab") if mode == "ab" else plain(self, mode, **options)

    with serve({"/a.pt": Body(DATA)}) as server:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", open_full)
            with pytest.raises(DownloadError, match=r"The disk is full: .*/a\.pt\.part"):
                get(server.url("/a.pt"))
        assert cached_files() == INTERRUPTED
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert server.requests[1].range == "bytes=100000-"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "128k") as disk:
        yield disk


def test_a_disk_that_is_really_full(
    get: Client, monkeypatch: pytest.MonkeyPatch, small_disk: Path
) -> None:
    monkeypatch.setenv("GRAF_CACHE", str(small_disk))
    with serve({"/a.pt": Body(DATA)}) as server:
        with pytest.raises(DownloadError, match="The disk is full"):
            get(server.url("/a.pt"))
        assert cached_files() == INTERRUPTED
        resize = ["mount", "-o", "remount,size=1m", str(small_disk)]
        subprocess.run(resize, check=True)
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert server.requests[1].range is not None


def test_a_disk_that_is_really_read_only(
    get: Client, monkeypatch: pytest.MonkeyPatch, small_disk: Path
) -> None:
    monkeypatch.setenv("GRAF_CACHE", str(small_disk))
    small = checkpoint(10_000)
    with serve({"/a.pt": Body(small), "/b.pt": Body(small)}) as server:
        path = get(server.url("/a.pt"))
        for name in ("a.pt.lock",):
            path.with_name(name).unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        assert get(server.url("/a.pt")) == path
        with pytest.raises(DownloadError, match=r"is read-only .* set GRAF_CACHE"):
            fetch(Source(server.url("/b.pt"), "cars/b.pt", None))
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        path.with_name("a.pt.sha256").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        assert get(server.url("/a.pt")) == path
    assert "is used without a pinned digest" in get.said[-1]


def test_a_read_only_cache_is_a_sentence(get: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with serve({"/a.pt": Body(DATA)}) as server:
        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(
            DownloadError, match="is read-only or not yours to write: set GRAF_CACHE"
        ):
            get(server.url("/a.pt"))
        assert server.requests == []


def test_a_complete_cache_is_not_written(get: Client) -> None:
    with serve({"/a.pt": Body(DATA)}) as server:
        path = get(server.url("/a.pt"))
        path.with_name("a.pt.lock").unlink()
        before = path.parent.stat().st_mtime_ns
        get(server.url("/a.pt"))
    assert path.parent.stat().st_mtime_ns == before


@pytest.mark.parametrize("in_the_way", ["cache", "cache/cars"])
def test_a_cache_that_is_a_file_is_a_sentence(get: Client, tmp_path: Path, in_the_way: str) -> None:
    (tmp_path / in_the_way).parent.mkdir(exist_ok=True)
    (tmp_path / in_the_way).write_text("")
    with serve({"/a.pt": Body(DATA)}) as server:
        with pytest.raises(DownloadError, match="is not a folder, a file is in its way"):
            get(server.url("/a.pt"))
        assert cached(Source(server.url("/a.pt"), NAME, None)) is None


def test_a_folder_under_the_file_name_is_a_sentence(get: Client) -> None:
    (download.cache_dir() / NAME).mkdir(parents=True)
    with (
        serve({"/a.pt": Body(DATA)}) as server,
        pytest.raises(DownloadError, match="cannot be writ"),
    ):
        get(server.url("/a.pt"))


# Processes


def test_ctrl_c_keeps_the_part(get: Client) -> None:
    def interrupt(done: int, _: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with serve({"/a.pt": [Body(DATA, hold_after=100_000), Body(DATA)]}) as server:
        with pytest.raises(KeyboardInterrupt):
            fetch(Source(server.url("/a.pt"), NAME, None), progress=interrupt)
        assert cached_files() == INTERRUPTED
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert (server.requests[1].range or "").startswith("bytes=")
    assert cached_files() == COMPLETE


TALKING = """
import sys
import warnings
from graf_cli.weights.download import Source, fetch
say = lambda *words: print(*words, flush=True)
say(fetch(Source(sys.argv[1], "cars/a.pt", None), progress=say, notify=say))
"""


def start(server: Server) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TALKING, server.url("/a.pt")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def lines_until(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> str:
    assert process.stdout is not None
    return next(line for line in process.stdout if wanted(line))


def test_killed_in_the_middle_the_next_run_resumes(get: Client) -> None:
    with serve({"/a.pt": [Body(DATA, hold_after=100_000), Body(DATA)]}) as server:
        with start(server) as process:
            lines_until(process, lambda line: line.startswith("100000 "))
            process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        assert cached_files() == INTERRUPTED
        assert get(server.url("/a.pt")).read_bytes() == DATA
        assert server.requests[1].range == "bytes=100000-"
    assert cached_files() == COMPLETE


def test_ten_processes_make_one_transfer() -> None:
    with serve({"/a.pt": Body(DATA, hold_after=100_000)}) as server:
        processes = [start(server) for _ in range(10)]
        first = [lines_until(process, lambda _: True) for process in processes]
        server.release()
        outputs = [process.communicate()[0] for process in processes]
        assert len(server.requests) == 1
    path = download.cache_dir() / NAME
    assert sum("waiting for it" in line for line in first) == 9
    assert all(output.splitlines()[-1] == str(path) for output in outputs)
    assert all(process.returncode == 0 for process in processes)
    assert path.read_bytes() == DATA
    assert cached_files() == COMPLETE


def test_nothing_heavy_is_loaded_before_a_download() -> None:
    code = (
        "import sys; from graf_cli.weights.download import Source, cached; "
        "cached(Source('https://models.example/a.pt', 'a.pt', None)); "
        "print({'requests', 'urllib3', 'filelock', 'torch', 'ssl'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


# The server of these tests


def test_the_server_records_and_scripts() -> None:
    with serve({"/a": [Status(500), Body(b"abc")]}) as server:
        import requests

        with requests.Session() as session:
            session.trust_env = False
            answers = [session.get(server.url("/a?x")) for _ in range(3)]
            assert session.head(server.url("/a")).headers["Content-Length"] == "3"
            assert session.get(server.url("/a"), headers={"Range": "bytes=1-"}).content == b"bc"
            assert session.get(server.url("/nowhere")).status_code == 404
        assert [a.status_code for a in answers] == [500, 200, 200]
        assert server.requests[0] == Request("GET", "/a?x", server.requests[0].headers)
        assert server.gets("/a")[0].range == "bytes=1-"
