"""The cache: where a downloaded file lives, the digest pinned beside it, and the lock around it.

One file of the cache is an `Entry`, with its neighbours in one folder::

    carla_256.pt             the file, complete and hashed: it gets this name last
    carla_256.pt.sha256      its pinned digest, a line that `sha256sum --check` reads
    carla_256.pt.part        what an interrupted download has so far
    carla_256.pt.part.json   what it was begun from (`Origin`): nothing else is glued to it
    carla_256.pt.lock        held while downloading

The pin is written before the file gets its name. A process killed in between leaves a pin and a
complete part, which the next download finishes; a file without a pin was put there by hand.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from graf_cli.errors import DownloadError

_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_NOT_A_FOLDER = frozenset({errno.ENOTDIR, errno.EEXIST})
PICKLE = re.compile(rb"\x80[\x02-\x05]")  # how one begins that `torch.save` wrote
_NAME = re.compile(r'[^\x00-\x1f\x7f<>:"/\\|?*]+')
# What PyTorch's hub calls its files: NAME-DIGITS.pt, the digits being those a SHA-256 begins with.
_DIGITS = re.compile(r"-([0-9a-f]{8,64})\.[A-Za-z0-9.]+")
_SAFETENSORS_HEADER_LIMIT = 100_000_000  # bytes; the format's own bound


def cache_dir() -> Path:
    """Give the folder that downloads are kept in.

    Returns
    -------
    Path
        `GRAF_CACHE` if it is set, else the platform's cache folder for this user; absolute.

    Raises
    ------
    DownloadError
        `GRAF_CACHE` begins with a `~name` that has no home folder.
    """
    chosen = os.environ.get("GRAF_CACHE")
    if chosen:
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError:
            raise DownloadError(
                f"GRAF_CACHE is {chosen!r}, whose home folder is unknown: give a full path."
            ) from None
    from platformdirs import user_cache_path  # noqa: PLC0415 - costs a tenth of `graf --help`

    return user_cache_path("graf", appauthor=False).absolute()


@dataclass(frozen=True)
class Origin:
    """What the server said of the file that a part was begun from."""

    url: str
    etag: str | None
    modified: str | None  # Last-Modified, as sent
    total: int | None  # bytes of the complete file


@dataclass(frozen=True)
class Entry:
    """One file of the cache and its neighbours; see the module's docstring."""

    path: Path

    @classmethod
    def at(cls, cache: Path, filename: str) -> Entry:
        """Place `filename` in `cache`.

        Parameters
        ----------
        cache
            Folder; need not exist.
        filename
            A name, or `folder/name`.

        Raises
        ------
        DownloadError
            The name could lead out of the cache, or is none that every platform can write.
        """
        names = filename.split("/")
        if len(names) > 2 or any(n.startswith(".") or not _NAME.fullmatch(n) for n in names):
            raise DownloadError(
                f"The file name {filename!r} cannot stand in the cache: "
                "give a plain name, or one folder and a name."
            )
        return cls(cache.joinpath(*names))

    @property
    def pin(self) -> Path:
        """The file that holds the pinned digest."""
        return self._beside(".sha256")

    @property
    def part(self) -> Path:
        """The file that an unfinished download is written to."""
        return self._beside(".part")

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)

    def is_present(self) -> bool:
        """Tell whether the file is there; does not read it."""
        return is_file(self.path)

    def pinned(self) -> str | None:
        """Read the pinned digest: 64 lower-case hex digits, or None without a pin.

        Raises
        ------
        DownloadError
            The pin cannot be read, or is not a line of `sha256sum`.
        """
        if not is_file(self.pin):
            return None
        with reading(self.pin):
            line = self.pin.read_bytes()[:4096]
        digest = re.match(rb"([0-9a-fA-F]{64})(?:\s|$)", line)
        if digest is None:
            raise DownloadError(
                f"{self.pin} does not begin with a SHA-256: delete it to pin the file anew."
            )
        return digest[1].decode().lower()

    def verify(self, sha256: str | None, notify: Callable[[str], None]) -> None:
        """Hold the file against `sha256`, or else its pin; pin a file that has neither.

        Raises
        ------
        DownloadError
            The file has another digest, or cannot be a checkpoint.
        """
        expected = sha256 or self.pinned()
        if expected is None:
            self._adopt(notify)
        elif (digest := digest_of(self.path)) != expected:
            promise = "the manifest promises" if sha256 else f"{self.pin.name} pins"
            raise DownloadError(
                f"{self.path} has SHA-256 {digest} where {promise} {expected}: "
                "delete the file and download it again."
            )

    def _adopt(self, notify: Callable[[str], None]) -> None:
        # A download is pinned before it gets its name, so this file was put here by hand.
        if (problem := problem_of(self.path)) is not None:
            raise DownloadError(f"{self.path} is {problem}: delete it and download it again.")
        try:
            self._write_pin(digest_of(self.path), notify)
        except DownloadError as error:
            notify(f"{self.path.name} is used without a pinned digest. {error}")

    def accept(self, url: str, sha256: str | None, notify: Callable[[str], None]) -> None:
        """Turn the complete part into the file, pinned; drop a part that is not what it should be.

        Raises
        ------
        DownloadError
            The part cannot be a checkpoint, has another digest than `sha256` or the pin, or the
            cache cannot be written.
        """
        pinned = self.pinned()
        if (problem := problem_of(self.part)) is not None:
            self.drop_part()
            raise DownloadError(
                f"{url} gave a file that is {problem}: nothing was kept, check the address."
            )
        digest = digest_of(self.part)
        if digest != (sha256 or pinned or digest):
            self.drop_part()
            raise DownloadError(self._mismatch(url, digest, sha256, pinned))
        if digest != pinned:
            self._write_pin(digest, notify if sha256 is None else _say_nothing)
        with writing(self.path):
            self.part.replace(self.path)
            _sync_folder(self.path.parent)

    def _mismatch(self, url: str, digest: str, sha256: str | None, pinned: str | None) -> str:
        given = f"{url} gave a file of SHA-256 {digest}, of which nothing was kept,"
        if sha256 is not None:
            return (
                f"{given} where the manifest promises {sha256}: check the address and the digest."
            )
        return (
            f"{given} where an earlier download pinned {pinned}: "
            f"if the file was meant to change, delete {self.pin} and download again."
        )

    def _write_pin(self, digest: str, notify: Callable[[str], None]) -> None:
        _write_whole(self.pin, f"{digest}  {self.path.name}\n".encode())
        beginning = told_by_name(self.path.name, digest)
        notify(f"Pinned the SHA-256 of {self.path.name}, {digest}, in {self.pin}{beginning}.")

    def part_size(self) -> int:
        """Count the bytes of the part; 0 without one."""
        try:
            return self.part.stat().st_size
        except OSError:
            return 0

    def origin(self) -> Origin | None:
        """Tell what the part was begun from; None when that is not known."""
        import msgspec  # noqa: PLC0415 - only a download needs it

        from graf_cli.decoding import decode  # noqa: PLC0415 - likewise

        try:
            return decode(self._beside(".part.json").read_bytes(), Origin)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def begin_part(self, origin: Origin) -> None:
        """Forget an earlier part and note what the next one comes from."""
        import msgspec  # noqa: PLC0415 - only a download needs it

        self.drop_part()
        _write_whole(self._beside(".part.json"), msgspec.json.encode(origin))

    def drop_part(self) -> None:
        """Delete the part. Its origin goes first: a part of unknown origin is never continued."""
        with writing(self.part):
            self._beside(".part.json").unlink(missing_ok=True)
            self.part.unlink(missing_ok=True)

    def drop_empty_part(self) -> None:
        """Delete a part that there is nothing to continue of; never raises."""
        if self.part_size() == 0:
            with suppress(DownloadError):
                self.drop_part()

    @contextmanager
    def locked(self, notify: Callable[[str], None]) -> Iterator[None]:
        """Hold the entry against every other process; make its folder first.

        Raises
        ------
        DownloadError
            The cache cannot be written.
        """
        from filelock import FileLock, Timeout  # noqa: PLC0415 - only a download needs it

        lock = FileLock(self._beside(".lock"))
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(Timeout):
                lock.acquire(blocking=False)
        if not lock.is_locked:
            notify(f"Another process is downloading {self.path.name}: waiting for it.")
            with writing(self.path):
                lock.acquire()
        try:
            yield
        finally:
            lock.release()


def told_by_name(name: str, digest: str) -> str:
    """Tell whether a digest begins with the digits in a file's name, where it has some.

    Returns
    -------
    str
        The end of a sentence about the digest; empty for a name without digits.
    """
    found = _DIGITS.search(name)
    if found is None:
        return ""
    if digest.startswith(found[1]):
        return f"; it begins with the digits in the name, {found[1]}"
    return (
        f"; it does not begin with the digits in the name, {found[1]}, as the file's makers may "
        "have meant it to, so hold it against another copy if you have one"
    )


def is_file(path: Path) -> bool:
    """Tell whether `path` is a file that can be seen; never raises."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def digest_of(path: Path) -> str:
    """Compute a file's SHA-256: 64 lower-case hex digits.

    Raises
    ------
    DownloadError
        The file cannot be read.
    """
    import hashlib  # noqa: PLC0415 - loads OpenSSL, which listing the models never needs

    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def problem_of(path: Path) -> str | None:
    """Tell why a file cannot be a checkpoint, from its first and last bytes.

    A checkpoint is a zip, a pickle stream (torch before 1.6) or safetensors.

    Returns
    -------
    str or None
        The end of a sentence that begins with "the file is", or None for a likely checkpoint.

    Raises
    ------
    DownloadError
        The file cannot be read.
    """
    with reading(path), path.open("rb") as file:
        head = file.read(1024)
        size = os.fstat(file.fileno()).st_size
    if head.startswith(b"PK\x03\x04"):
        return None if _has_zip_directory(path) else "a zip archive that is cut short"
    if PICKLE.match(head):
        return None
    header = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and header <= _SAFETENSORS_HEADER_LIMIT:
        return None if size >= 8 + header else "a safetensors file that is cut short"
    return _kind_of(head)


def _has_zip_directory(path: Path) -> bool:
    # The directory ends the archive: a server that announces too few bytes is caught by that alone.
    import zipfile  # noqa: PLC0415 - only a new file is looked into

    with reading(path):
        return zipfile.is_zipfile(path)


def _kind_of(head: bytes) -> str:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not text:
        return "empty" if not head else "blank"
    if re.match(rb"<!doctype html|<html|<head|<body|<!--", text) or b"<html" in text:
        return "an HTML page"
    if text.startswith(b"<?xml"):
        return "an XML page"
    return "no checkpoint (neither zip, pickle nor safetensors)"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an `OSError` of reading `path` into a sentence.

    Raises
    ------
    DownloadError
        Instead of the `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise DownloadError(
            f"{path} cannot be read ({error.strerror or error}): check that file."
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` of writing `path` in the cache into a sentence.

    Raises
    ------
    DownloadError
        Instead of the `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise DownloadError(_why_not_written(path, error)) from error


def _why_not_written(path: Path, error: OSError) -> str:
    if error.errno in _FULL_DISK:
        return (
            f"The disk is full: {path} cannot be written; make room and run the command again, "
            "it goes on where it stopped."
        )
    elsewhere = "set GRAF_CACHE to a folder that can be written."
    if error.errno in _READ_ONLY:
        return f"The cache {path.parent} is read-only or not yours to write: {elsewhere}"
    if error.errno in _NOT_A_FOLDER:
        return f"The cache {path.parent} is not a folder, a file is in its way: {elsewhere}"
    return f"{path} cannot be written ({error.strerror or error}): {elsewhere}"


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    with writing(path):
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _say_nothing(_: str) -> None:
    pass


def _sync_folder(folder: Path) -> None:
    # A rename survives a power cut once its folder is on disk; not every platform can do that.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
