"""Who may speak to the server: pages of its own address, who know its token.

A page of another site can send requests to this machine, too, and a name of another site can be
made to mean this machine. So each request names the server's own host (`Host`), comes from a page
of its own (`Origin`, where a browser says it), and knows the token, which is a part of the path.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from graf_cli.errors import UsageError

TOKEN_BYTES = 16  # as many as no one guesses
SHORTEST = 16  # letters of a token that a person chose, for a server that others can reach
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True)
class Guard:
    """What a request has to know.

    Attributes
    ----------
    token : str
    hosts : frozenset of str
        As `Host` has them, with the port.
    numbers : bool
        Whether any address in numbers is this server's, too: such a one is no name of another
        site's.
    """

    token: str
    hosts: frozenset[str]
    numbers: bool = False

    def is_meant(self, headers: Mapping[str, str]) -> bool:
        """Whether a request is for this server, and from no other site's page."""
        host, origin = headers.get("Host", "").lower(), headers.get("Origin")
        ours = host in self.hosts or (self.numbers and _in_numbers(host))
        return ours and origin in (None, f"http://{host}")

    def knows(self, token: str) -> bool:
        """Whether it is the token; how long that takes does not tell how much of it is right."""
        return hmac.compare_digest(token.encode(), self.token.encode())


def guard(host: str, port: int, token: str | None) -> Guard:
    """The guard of a server at an address.

    Raises
    ------
    UsageError
        When the address can be reached by others, or the token is too easy to guess.
    """
    here = is_loopback(host)
    if not here and token is None:
        raise UsageError(
            f"⟨host⟩ {host} can be reached by others; give a ⟨token⟩ of {SHORTEST} letters or "
            "more, which is a part of the page's address."
        )
    if token is not None and (len(token) < SHORTEST or not LETTERS.issuperset(token)):
        raise UsageError(
            f"⟨token⟩ takes {SHORTEST} or more of the letters A-Z a-z 0-9 - _, drawn at random."
        )
    names = {f"[{host}]" if ":" in host else host.lower(), *LOOPBACK}
    ports = {f"{name}:{port}" for name in names} | (names if port == 80 else set())
    everywhere = host in ("0.0.0.0", "::")  # noqa: S104 - which needs a token
    return Guard(token or secrets.token_urlsafe(TOKEN_BYTES), frozenset(ports), everywhere)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _in_numbers(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
