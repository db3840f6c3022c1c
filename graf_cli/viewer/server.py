"""The server of `graf view`: a page, a socket each, and files that are dropped onto it.

Nothing here reads or names a path of the machine: the page's own files are a fixed table, and what
pages had made is served by the names that they gave it. The page is served while PyTorch is still
imported, beside it: by then the browser has it, too.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from graf_cli.errors import OutputError
from graf_cli.stopping import Terminated
from graf_cli.viewer.guard import Guard

if TYPE_CHECKING:
    from graf_cli.viewer.desk import Desk

ASSETS = Path(__file__).parents[1] / "assets"
PAGES = 16  # open at once
CONNECTIONS = 64  # of all pages, and of whoever else knocks
LETTERS = 1 << 20  # bytes of a request: a film of 64 keyframes of rows of codes
MOST_BROUGHT = 32 << 20  # bytes of a file that is dropped onto a page
HEARTBEAT = 20.0  # seconds, after twice which a page that says nothing has gone
GOODBYE = 2.0  # seconds that a page has to close when the program ends
SLOWEST = 30.0  # seconds that a body may take
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
# Nothing is loaded from elsewhere, nothing inline is run but the page's first script, which is
# there before any other file, and no other page frames this one.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PORTS = range(8423, 8443)  # tried in this order where none is named

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = logging.getLogger("graf")


@dataclass(frozen=True)
class Place:
    """Where the server listens.

    Attributes
    ----------
    socket : socket
    host : str
    port : int
    """

    socket: socket.socket
    host: str
    port: int

    def address(self, token: str) -> str:
        """Of the page, on this machine."""
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        name = f"[{here}]" if ":" in here else here
        return f"http://{name}:{self.port}/{token}/"


def place(host: str, port: int | None) -> Place:
    """A place to listen at: the port that is asked for, else the first of `PORTS` that is free.

    Raises
    ------
    OutputError
        When none is.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    failed: OSError | None = None
    for one in PORTS if port is None else (port,):
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, one))
            listening.listen(32)  # from now on it is nobody else's
        except OSError as error:
            listening.close()
            failed = error
            continue
        return Place(listening, host, listening.getsockname()[1])
    assert failed is not None
    raise OutputError(
        f"No page can be served at {host}, port {PORTS[0] if port is None else port}: "
        f"{failed.strerror or failed}; name another ⟨port⟩."
    )


class Server:
    """The page and its sockets.

    Parameters
    ----------
    opening : callable
        Makes the `Desk`, on a thread of its own; requests wait for it.
    guard : Guard
    """

    def __init__(self, opening: Callable[[], Desk], guard: Guard) -> None:
        self.opening, self.guard = opening, guard
        self._desk: asyncio.Future[Desk] | None = None  # begun by `run`
        self._sockets: set[web.WebSocketResponse] = set()
        self._names = itertools.count(1)
        self._brought = asyncio.Semaphore(2)  # bodies in memory at once
        self._assets = _assets()
        self._policy = _policy(self._assets["view/view.html"])

    def _open(self) -> Desk:
        """All on one thread: of two that import the same modules one may see half of them."""
        from graf_cli.viewer import session  # noqa: F401, PLC0415 - it imports PyTorch

        return self.opening()

    async def desk(self) -> Desk:
        """What all pages share, when it is there."""
        assert self._desk is not None
        return await asyncio.shield(self._desk)

    def _there(self) -> Desk | None:
        """The desk, if it is open already and its opening did not fail."""
        opened = self._desk
        if opened is None or not opened.done() or opened.cancelled() or opened.exception():
            return None
        return opened.result()

    def app(self) -> web.Application:
        """What answers requests."""
        made = web.Application(middlewares=[self._guarded], client_max_size=MOST_BROUGHT)
        root = "/{token}"
        made.router.add_get(root, self._slash)
        made.router.add_get(f"{root}/", self._page)
        made.router.add_get(f"{root}/live", self._live)
        made.router.add_post(f"{root}/bring", self._bring)
        made.router.add_get(f"{root}/files/{{name}}", self._file)
        made.router.add_get(f"{root}/{{path:[a-z]+/[a-z-]+\\.[a-z]+}}", self._asset)
        made.on_shutdown.append(self._shut)
        return made

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whoever is not meant learns nothing, not even whether the token is right."""
        if not self.guard.is_meant(request.headers):
            return _refused(403, "This server answers its own page alone.")
        if not self.guard.knows(request.match_info.get("token", "")):
            return _refused(404, "There is nothing here. Open the address that graf view printed.")
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            return _refused(error.status, error.reason)
        if not answer.prepared:
            for name, value in HEADERS.items():
                answer.headers.setdefault(name, value)
        return answer

    async def _slash(self, _: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound

    async def _page(self, _: web.Request) -> web.StreamResponse:
        page = self._given("view/view.html")
        page.headers["Content-Security-Policy"] = self._policy
        return page

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        return self._given(request.match_info["path"])

    def _given(self, name: str) -> web.Response:
        if name not in self._assets:
            raise web.HTTPNotFound
        kind = TYPES[Path(name).suffix]
        return web.Response(body=self._assets[name], content_type=kind, charset="utf-8")

    async def _live(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= PAGES:
            return _refused(503, f"{PAGES} pages are open, and no more can be; close one.")
        page = web.WebSocketResponse(
            timeout=GOODBYE, heartbeat=HEARTBEAT, max_msg_size=LETTERS, compress=False
        )
        if not page.can_prepare(request):  # a page that asks why it has no socket
            return web.Response(status=204)
        self._sockets.add(page)
        try:
            await page.prepare(request)
            desk = await self.desk()
            from graf_cli.viewer.session import Session  # noqa: PLC0415 - it imports PyTorch

            await Session(page, desk, f"page {next(self._names)}").run()
        finally:
            self._sockets.discard(page)
        return page

    async def _bring(self, request: web.Request) -> web.StreamResponse:
        """A file that was dropped onto a page: what it holds."""
        if (request.content_length or 0) > MOST_BROUGHT:
            return _refused(413, f"A file has at most {MOST_BROUGHT >> 20} MB here.")
        name = request.query.get("name", "")[-100:] or "file"
        model = request.query.get("model", "")[:200]
        desk = await self.desk()
        from graf_cli.viewer.session import sentence  # noqa: PLC0415 - likewise

        async with self._brought:
            async with asyncio.timeout(SLOWEST):
                data = await request.read()
            try:
                told = await self._on_renderer(desk, lambda: _held(desk, data, name, model))
            except Exception as error:
                return web.json_response({"problem": sentence(error)}, status=422)
        return web.Response(body=msgspec.json.encode(told), content_type="application/json")

    async def _on_renderer(self, desk: Desk, run: Callable[[], Any]) -> Any:
        """What is done on the renderer's thread, when it is its turn."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any, error: Exception | None) -> None:
            if not done.done():
                done.set_exception(error) if error else done.set_result(result)

        def work() -> None:
            result = run()
            loop.call_soon_threadsafe(settle, result, None)

        name = f"bring {next(self._names)}"

        def failed(error: Exception) -> None:
            loop.call_soon_threadsafe(settle, None, error)

        desk.turns.put(name, "bring", work, failed, 0)
        try:
            return await done
        finally:
            desk.turns.drop(name)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """A file that a page had made."""
        name = request.match_info["name"]
        path, desk = Path(name), self._there()
        if desk is None or name not in desk.files or not path.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(path, headers=HEADERS)

    async def _shut(self, _: web.Application) -> None:
        goodbye = (page.close(code=1001, message=b"the program ends") for page in self._sockets)
        await asyncio.gather(*goodbye, return_exceptions=True)

    # running

    async def run(self, at: Place, ready: Callable[[], None]) -> int:
        """Serve until SIGINT or SIGTERM, which is returned.

        Parameters
        ----------
        at : Place
        ready : callable
            Called when the page can be opened.
        """
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def end(number: int) -> None:
            if not ended.done():
                ended.set_result(number)

        loop = asyncio.get_running_loop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(one, end, one)
        runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            self._desk = asyncio.ensure_future(asyncio.to_thread(self._open))
            listening = await loop.create_server(_bounded(runner), sock=at.socket, backlog=32)
            ready()
            try:
                await asyncio.wait((ended, self._desk), return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    desk = self._desk.result()
                    desk.turns.put("start", "warm", desk.warm, _unheard)
                number = await ended
            finally:
                listening.close()
        finally:
            at.socket.close()
            await runner.cleanup()
            if (opened := self._there()) is not None:
                opened.close()
            for one in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(one)
        return number


def _held(desk: Desk, data: bytes, name: str, model: str) -> dict[str, Any]:
    """What a file holds, as a page is told."""
    held, brought = desk.bring(data, name, model or desk.choice.first)
    return {
        "facts": desk.facts(held), "look": brought.state, "film": brought.film,
        "looks": brought.states, "recipe": brought.model is not None,
    }  # fmt: skip


def _unheard(error: Exception) -> None:
    """Nobody asked yet; the page that does is told."""
    log.debug("The first model is not ready.", exc_info=error)


def _bounded(runner: web.AppRunner) -> Callable[[], asyncio.Protocol]:
    """What answers a connection; those above the bound are closed at once."""
    server = runner.server
    assert server is not None

    def answer() -> asyncio.Protocol:
        return server() if len(server.connections) < CONNECTIONS else _Closed()

    return answer


class _Closed(asyncio.Protocol):
    """A connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        transport.close()


def _assets() -> dict[str, bytes]:
    """The page's files, by name; nothing else of the disk is ever served."""
    folders = [ASSETS / "view", *([ASSETS / "page"] if (ASSETS / "page").is_dir() else [])]
    return {
        f"{folder.name}/{path.name}": path.read_bytes()
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.suffix in TYPES
    }


def _policy(page: bytes) -> str:
    """`POLICY` with the one script that stands in the page itself."""
    script = page.partition(b"<script>")[2].partition(b"</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()
    return POLICY.replace("script-src 'self'", f"script-src 'self' 'sha256-{digest}'")


def _refused(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={**HEADERS, "Connection": "close"})


def serve(opening: Callable[[], Desk], guard: Guard, at: Place, ready: Callable[[], None]) -> None:
    """Serve until it is told to end.

    Raises
    ------
    KeyboardInterrupt, Terminated
        When everything has ended in order.
    """
    number = asyncio.run(_served(opening, guard, at, ready))
    if number == signal.SIGTERM:
        raise Terminated
    raise KeyboardInterrupt


async def _served(
    opening: Callable[[], Desk], guard: Guard, at: Place, ready: Callable[[], None]
) -> int:
    return await Server(opening, guard).run(at, ready)
