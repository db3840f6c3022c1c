"""From an address to a verified file in the cache.

`fetch` is the whole of it: look in the cache, take the lock, transfer into a part that survives
interruptions, look at what came, hash it, pin the digest, and only then give the file its name.
The names within the cache are `graf_cli.weights.cache`'s affair, and which addresses are allowed is
`graf_cli.weights.address`'s.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from graf_cli.errors import DownloadError
from graf_cli.weights.address import check_address, is_loopback, is_path
from graf_cli.weights.cache import Entry, Origin, cache_dir, digest_of, is_file, writing

if TYPE_CHECKING:
    from requests import Response, Session

__all__ = ["Patience", "Source", "cache_dir", "cached", "check_address", "fetch"]

CHUNK = 1 << 20  # bytes
LIMIT = 4 << 30  # bytes; ten times the largest checkpoint of the paper
REDIRECTS = 10
LONGEST_PAUSE = 60.0  # seconds

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_TRANSIENT = frozenset({408, 425, 429})  # beside the 5xx
_ANSWERS_TO_A_RANGE = frozenset({206, 416})
_STATUSES = frozenset(HTTPStatus)


@dataclass(frozen=True)
class Source:
    """Where a checkpoint comes from and what it is called here."""

    url: str  # https://…, http:// to this machine only, file:///… or an absolute path
    filename: str  # in the cache; may name one folder: "cars/carla_256.pt"
    sha256: str | None = None  # 64 lower-case hex digits; authoritative when given
    by_hand: str = ""  # what a person gets and where, if no program can; `url` is then empty


@dataclass(frozen=True)
class Patience:
    """How long a download keeps trying."""

    attempts: int = 5  # in a row that gain less than CHUNK
    connect: float = 10.0  # seconds until a server takes the call
    read: float = 30.0  # seconds of silence
    wait: Callable[[float], None] = time.sleep

    def pause(self, failures: int, asked: float | None) -> float:
        """Choose the seconds to wait: what the server asked for, else exponential with jitter."""
        from random import SystemRandom  # noqa: PLC0415 - leaves the seeded generator alone

        if asked is not None:
            return min(asked, LONGEST_PAUSE)
        longest = min(0.5 * 2 ** (failures - 1), LONGEST_PAUSE)
        return SystemRandom().uniform(longest / 2, longest)


PATIENCE = Patience()


class _TransientError(Exception):
    """An attempt failed in a way that another one may cure."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class _Job:
    source: Source
    entry: Entry
    patience: Patience
    progress: Callable[[int, int | None], None]
    notify: Callable[[str], None]


def cached(source: Source, *, cache: Path | None = None) -> Path | None:
    """Tell where the file is, if it is there already.

    Neither hashes nor writes nor opens a socket. A local source is its own place; one that a
    person fetches has none.

    Parameters
    ----------
    source
        The file looked for.
    cache
        Folder of downloads; `cache_dir()` by default.

    Raises
    ------
    DownloadError
        The source's address or name is not allowed.
    """
    if source.by_hand:
        return None
    local = _local_path(source)
    path = local or Entry.at(cache or cache_dir(), source.filename).path
    return path if is_file(path) else None


def fetch(
    source: Source,
    *,
    cache: Path | None = None,
    offline: bool | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    notify: Callable[[str], None] | None = None,
    patience: Patience | None = None,
) -> Path:
    """Give the path of a verified file, downloading it when it is not there.

    A local source is used where it is. A downloaded file is verified every time, against
    `source.sha256` or else against the digest that its first download pinned.

    Parameters
    ----------
    source
        The file wanted.
    cache
        Folder of downloads; `cache_dir()` by default.
    offline
        Open no socket; `GRAF_OFFLINE` by default.
    progress
        Called with the bytes so far and the total, if it is known. The count goes down when a
        part cannot be continued.
    notify
        Called with a sentence when a digest is pinned, another process waited for, or an attempt
        repeated.
    patience
        Time-outs and repetitions; `PATIENCE` by default.

    Raises
    ------
    DownloadError
        The file cannot be had, or is not what it should be; nothing wrong stays under its name.
    """
    if source.by_hand:
        raise DownloadError(
            f"`{source.filename}` is not for programs to fetch: get {source.by_hand} yourself "
            "and give that file as ⟨checkpoint⟩."
        )
    local = _local_path(source)
    if local is not None:
        return _verified_local(local, source.sha256)
    entry = Entry.at(cache or cache_dir(), source.filename)
    say = notify or (lambda _: None)
    if entry.is_present():
        entry.verify(source.sha256, say)
        return entry.path
    if _is_offline() if offline is None else offline:
        raise DownloadError(
            f"{source.filename} is not in the cache ({entry.path}) and working offline forbids "
            f"to download it: go online once, or put the file there."
        )
    with entry.locked(say):
        if entry.is_present():
            entry.verify(source.sha256, say)
        else:
            _download(_Job(source, entry, patience or PATIENCE, progress or (lambda *_: None), say))
    return entry.path


def _download(job: _Job) -> None:
    try:
        _transfer(job)
        job.entry.accept(job.source.url, job.source.sha256, job.notify)
    finally:
        job.entry.drop_empty_part()


def _is_offline() -> bool:
    return os.environ.get("GRAF_OFFLINE", "").strip().lower() in _TRUE


def _local_path(source: Source) -> Path | None:
    try:
        check_address(source.url)
    except ValueError as error:
        raise DownloadError(str(error)) from None
    if is_path(source.url):
        return Path(source.url)
    if not source.url.lower().startswith("file:"):
        return None
    from urllib.request import url2pathname  # noqa: PLC0415 - slow, and seldom needed

    return Path(url2pathname(urlsplit(source.url).path))


def _verified_local(path: Path, sha256: str | None) -> Path:
    if not is_file(path):
        raise DownloadError(f"There is no file {path}: check the path in the manifest.")
    if sha256 is not None and (digest := digest_of(path)) != sha256:
        raise DownloadError(
            f"{path} has SHA-256 {digest} where the manifest promises {sha256}: "
            "put the right file there or correct the manifest."
        )
    return path


def _transfer(job: _Job) -> None:
    """Fill the part, attempt after attempt."""
    failures, furthest = 0, job.entry.part_size()
    while True:
        try:
            return _attempt(job)
        except _TransientError as error:
            size = job.entry.part_size()
            failures = 1 if size >= furthest + CHUNK else failures + 1
            furthest = max(size, furthest)
            reason = f"{error} at byte {size:,}" if size else f"{error}"
            if failures >= job.patience.attempts:
                goes_on = ", it goes on where it stopped" if size else ""
                raise DownloadError(
                    f"{job.source.url} could not be downloaded: {reason}, {failures} times in a "
                    f"row; try again later{goes_on}."
                ) from error
            pause = job.patience.pause(failures, error.retry_after)
            job.notify(f"{job.source.filename}: {reason}; trying again in {pause:.1f} s.")
            job.patience.wait(pause)


def _attempt(job: _Job) -> None:
    import requests  # noqa: PLC0415 - a seventh of a second that only a download should pay
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    have, origin = job.entry.part_size(), job.entry.origin()
    if not have or origin is None or origin.url != job.source.url:
        have, origin = 0, None
    elif have == origin.total:
        return
    try:
        with requests.Session() as session, _ask(job, session, have, origin) as response:
            start, total = _agree(job, response, have, origin)
            _receive(job, response, start, total)
    except (requests.RequestException, HTTPError) as error:
        raise _translated(error, job.source.url) from error


def _ask(job: _Job, session: Session, have: int, origin: Origin | None) -> Response:
    """Send the request, to as many addresses as it is passed on to, each of them checked."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "graf"}
    if origin is not None:
        headers["Range"] = f"bytes={have}-"
        validator = origin.etag or origin.modified
        # A weak tag may not be asked for; `_continues` compares it with the answer's.
        if validator and not validator.startswith("W/"):
            headers["If-Range"] = validator
    url = job.source.url
    for _ in range(REDIRECTS + 1):
        response = _send(session, url, headers, job.patience)
        if not response.is_redirect:
            return response
        response.close()
        url = _next_address(url, response.headers["Location"])
    raise DownloadError(
        f"{job.source.url} redirects more than {REDIRECTS} times: check the address."
    )


def _send(session: Session, url: str, headers: Mapping[str, str], patience: Patience) -> Response:
    from requests import Request  # noqa: PLC0415 - see `_attempt`

    # A proxy cannot reach this machine's loopback address, whatever the environment says.
    session.trust_env = not is_loopback(urlsplit(url).hostname or "")
    request = session.prepare_request(Request("GET", url, headers=headers))
    settings = session.merge_environment_settings(url, {}, True, True, None)
    # session.send() would read the bodies of redirects, of any length, even without following.
    return session.get_adapter(url).send(
        request,
        stream=True,
        timeout=(patience.connect, patience.read),
        verify=settings["verify"] or True,
        proxies=settings["proxies"],
    )


def _next_address(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        check_address(target)
    except ValueError as error:
        raise DownloadError(f"{url} redirects to a forbidden address: {error}") from None
    old, new = urlsplit(url).scheme, urlsplit(target).scheme
    if new not in {"https", old}:
        raise DownloadError(
            f"{url} redirects to {target!r}, from {old} down to {new or 'a path'}: "
            "check the address."
        )
    return target


def _agree(
    job: _Job, response: Response, have: int, origin: Origin | None
) -> tuple[int, int | None]:
    """Settle with the server at which byte the body begins and how many the file has."""
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise DownloadError(
            f"{job.source.url} sends the file encoded as {encoding!r}, unasked: use another server."
        )
    if response.status_code == HTTPStatus.OK:
        total = _announced(response.headers.get("Content-Length"))
        _refuse_giant(job, total or 0)
        etag, modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
        job.entry.begin_part(Origin(job.source.url, etag, modified, total))
        return 0, total
    if origin is None or response.status_code not in _ANSWERS_TO_A_RANGE:
        raise _refusal(response, job.source.url)
    continues, total = _continues(response, have, origin)
    if not continues:
        job.entry.drop_part()
        raise _TransientError("the file has changed on the server")
    _refuse_giant(job, total or 0)
    return have, total


def _announced(length: str | None) -> int | None:
    return int(length) if length and re.fullmatch(r"[0-9]{1,18}", length) else None


def _continues(response: Response, have: int, origin: Origin) -> tuple[bool, int | None]:
    """Tell whether the answer carries on the part of `have` bytes, and the file's size."""
    described = response.headers.get("Content-Range", "")
    span = re.fullmatch(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)", described)
    if span is None:
        return False, None
    first, total = _announced(span[1]), _announced(span[2])
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        fits = first == have and (total is None or total > have)
    else:  # 416: nothing lies beyond what we have
        fits = total == have
    pairs = (
        (total, origin.total),
        (response.headers.get("ETag"), origin.etag),
        (response.headers.get("Last-Modified"), origin.modified),
    )
    same = all(now == then for now, then in pairs if now is not None and then is not None)
    return fits and same, origin.total if total is None else total


def _refuse_giant(job: _Job, size: int) -> None:
    if size > LIMIT:
        job.entry.drop_part()
        raise DownloadError(
            f"{job.source.url} gives a file of {size:,} bytes or more where no checkpoint "
            f"has over {LIMIT:,}: nothing was kept, check the address."
        )


def _refusal(response: Response, url: str) -> Exception:
    status = response.status_code
    phrase = HTTPStatus(status).phrase if status in _STATUSES else "(no known status)"
    if status >= 500 or status in _TRANSIENT:
        asked = response.headers.get("Retry-After")
        return _TransientError(f"the server answered {status} {phrase}", _announced(asked))
    return DownloadError(f"{url} answered {status} {phrase}: check the address in the manifest.")


def _receive(job: _Job, response: Response, done: int, total: int | None) -> None:
    """Append the body to the part, and see it on the disk."""
    # One recv() a time: a dropped connection loses nothing. urllib3 before 2.1 only knows read().
    read = getattr(response.raw, "read1", response.raw.read)
    with writing(job.entry.part):
        part = job.entry.part.open("ab", buffering=0)
    with part:
        job.progress(done, total)
        while chunk := read(CHUNK if total is None else min(CHUNK, total - done)):
            _write(part, chunk, job.entry.part)
            done += len(chunk)
            job.progress(done, total)
            if done > LIMIT:
                break
        with writing(job.entry.part):
            os.fsync(part.fileno())
    _refuse_giant(job, done)
    if total is not None and done < total:
        raise _TransientError(f"the body ended before its {total:,} bytes")


def _write(part: FileIO, chunk: bytes, path: Path) -> None:
    # Unbuffered, so that a full disk is met here and not once more on closing.
    rest = memoryview(chunk)
    with writing(path):
        while rest:
            rest = rest[part.write(rest) :]


def _translated(error: Exception, url: str) -> Exception:
    """Sort what requests and urllib3 raise into what another attempt may cure and what not."""
    from ssl import SSLCertVerificationError  # noqa: PLC0415 - requests has loaded it

    deepest: BaseException = error
    while inner := deepest.__cause__ or deepest.__context__:
        deepest = inner
    if isinstance(deepest, SSLCertVerificationError):
        return DownloadError(f"{url} has a certificate that cannot be trusted: check the address.")
    if isinstance(error, ValueError):  # how requests marks an address or a header it cannot use
        return DownloadError(f"{url} cannot be downloaded ({error}): check the address.")
    if isinstance(deepest, TimeoutError):
        return _TransientError("the server did not answer in time")
    if isinstance(deepest, OSError):
        return _TransientError(f"the connection failed ({deepest.strerror or deepest})")
    return _TransientError("the connection was dropped")
