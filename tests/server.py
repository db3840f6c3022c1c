"""A hostile HTTP server on the loopback address, for whatever downloads.

    with serve({"/a.pt": Body(data), "/b.pt": [Status(500), Body(data)]}) as server:
        fetch(server.url("/a.pt"))
        assert [r.range for r in server.gets("/a.pt")] == [None]

A path has one answer, or a list that is used up one by one, the last repeating. `server.answers`
may be changed while the server runs. Every request is kept in `server.requests`.
"""

import io
import re
import socket
import socketserver
import struct
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

AUTO = "auto"


@dataclass(frozen=True)
class Body:
    """A file, well behaved unless told otherwise."""

    data: bytes
    etag: str | None = AUTO  # a digest of the data by default
    modified: str | None = None  # Last-Modified
    ranges: bool = True  # False answers 200 and everything to a Range request
    length: int | None = None  # what Content-Length claims, where that is a lie
    sized: bool = True  # False leaves Content-Length out: closing the connection ends the body
    chunked: bool = False  # Transfer-Encoding: chunked, cut short without its last chunk
    drop_after: int | None = None  # closes the connection after so many bytes of this answer
    reset: bool = False  # a drop is a TCP reset, not an orderly end
    hold_after: int | None = None  # falls silent after so many bytes, see Server.release
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag(self) -> str | None:
        return f'"{sha256(self.data).hexdigest()[:16]}"' if self.etag == AUTO else self.etag


@dataclass(frozen=True)
class Status:
    """A bare status, such as 500 or 416."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes = b""


@dataclass(frozen=True)
class Redirect:
    """The way to another address, of this server (`/b.pt`) or any."""

    to: str
    code: int = 302


@dataclass(frozen=True)
class Raw:
    """Bytes sent as they are, HTTP or not, before the connection is closed."""

    data: bytes


Answer = Body | Status | Redirect | Raw


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    method: str
    path: str  # as sent: a proxy gets whole addresses
    headers: Mapping[str, str]  # names in lower case

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


class Server(socketserver.ThreadingTCPServer):
    """Answers by script and remembers what it was asked; made by `serve`."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, answers: Mapping[str, Answer | Sequence[Answer]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = dict(answers)
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.released = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def gets(self, path: str) -> list[Request]:
        """The GET requests for one path, in order."""
        return [r for r in self.requests if r.method == "GET" and r.path == path]

    def release(self) -> None:
        """Let held bodies go on to their end."""
        self.released.set()

    def answer_to(self, request: Request) -> Answer:
        path = urlsplit(request.path).path
        with self.lock:
            earlier = sum(urlsplit(r.path).path == path for r in self.requests)
            self.requests.append(request)
        script = self.answers.get(path, Status(404))
        if isinstance(script, Sequence):
            return script[min(earlier, len(script) - 1)]
        return script

    def handle_error(self, *_: object) -> None:
        """Clients that hang up are what this server is for."""


@contextmanager
def serve(answers: Mapping[str, Answer | Sequence[Answer]]) -> Iterator[Server]:
    """Run a server in a thread for the length of a `with`."""
    with Server(answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.release()
            server.shutdown()
            thread.join()


def checkpoint(size: int, seed: int = 0) -> bytes:
    """Bytes that look like a checkpoint: a zip archive of about `size` random bytes."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(
                zipfile.ZipInfo("archive/data.pkl"), random_bytes(max(size - 144, 0), seed)
            )
        return file.getvalue()


def random_bytes(size: int, seed: int = 0) -> bytes:
    blocks = (sha256(f"{seed} {i}".encode()).digest() for i in range(size // 32 + 1))
    return b"".join(blocks)[:size]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_CONNECT(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers)
        match self.server.answer_to(request):
            case Body() as body:
                self._send_body(body, request)
            case Status(code, extra, data):
                self._send_head(code, {"Content-Length": str(len(data)), **extra})
                self.wfile.write(data)
            case Redirect(to, code):
                self._send_head(code, {"Content-Length": "0", "Location": to})
            case Raw(data):
                self.wfile.write(data)
                self.close_connection = True

    def _send_head(self, code: int, headers: Mapping[str, str]) -> None:
        self.send_response_only(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, body: Body, request: Request) -> None:
        headers = dict(body.headers)
        if body.tag is not None:
            headers["ETag"] = body.tag
        if body.modified is not None:
            headers["Last-Modified"] = body.modified
        first = _first_byte(body, request)
        if first is not None and first >= len(body.data):
            headers |= {"Content-Range": f"bytes */{len(body.data)}", "Content-Length": "0"}
            self._send_head(416, headers)
            return
        data = body.data[first or 0 :]
        if body.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif body.sized:
            headers["Content-Length"] = str(len(data) if body.length is None else body.length)
        if first is not None:
            headers["Content-Range"] = f"bytes {first}-{len(body.data) - 1}/{len(body.data)}"
        self._send_head(200 if first is None else 206, headers)
        if self.command != "HEAD":
            self._send_data(body, data)

    def _send_data(self, body: Body, data: bytes) -> None:
        whole = body.drop_after is None and body.length is None
        self.close_connection = not whole or not (body.sized or body.chunked)
        data = data[: body.drop_after]
        if body.hold_after is not None and body.hold_after < len(data):
            self._write(body, data[: body.hold_after])
            self._hold()
            data = data[body.hold_after :]
        self._write(body, data)
        if body.chunked and whole:
            self.wfile.write(b"0\r\n\r\n")
        if body.reset and not whole:
            # Lingering for no time at all makes the close a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _write(self, body: Body, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if body.chunked else data)

    def _hold(self) -> None:
        # A client that goes away is seen in its half of the connection: no clock is needed.
        self.connection.settimeout(0.01)
        while not self.server.released.is_set():
            with suppress(TimeoutError):
                if not self.connection.recv(1):
                    raise ConnectionAbortedError
        self.connection.settimeout(None)


def _first_byte(body: Body, request: Request) -> int | None:
    asked = re.fullmatch(r"bytes=(\d+)-", request.range or "")
    condition = request.headers.get("if-range")
    if not body.ranges or asked is None or condition not in {None, body.tag, body.modified}:
        return None
    return int(asked[1])
