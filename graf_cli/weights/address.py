"""Which addresses a model may come from."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit


def check_address(url: str) -> None:
    """Refuse an address that a model must not come from.

    Allowed are `https://`, plain `http://` to this machine (`localhost`, 127.0.0.0/8, ::1),
    `file:///…` and absolute paths.

    Raises
    ------
    ValueError
        The message names the address and its problem.
    """
    problem = None if is_path(url) else _problem_with(url)
    if problem is not None:
        raise ValueError(f"The address {url!r} {problem}.")


def is_path(url: str) -> bool:
    """Whether an address is an absolute path on this machine."""
    return "\0" not in url and Path(url).is_absolute()


def _problem_with(url: str) -> str | None:
    if "\0" in url or "%00" in url:
        return "holds a null character"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return f"cannot be read ({error})"
    if parts.scheme in {"https", "http"}:
        return _problem_with_host(url, parts)
    if parts.scheme == "file":
        named = parts.netloc not in {"", "localhost"} or not parts.path.startswith("/")
        return "names a host: write file:///, with three slashes" if named else None
    return "is neither https://, file:/// nor an absolute path"


def _problem_with_host(url: str, parts: SplitResult) -> str | None:
    # urlsplit() drops tabs and line ends that other readers of the same address may keep.
    if re.search(r"[\x00-\x20\x7f\\]", url):
        return "holds a space, a backslash or a control character: percent-encode it"
    if "@" in parts.netloc:
        return "holds credentials: leave them out"
    if not parts.hostname:
        return "names no host"
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return "uses plain http, allowed to this machine only: use https"
    return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
