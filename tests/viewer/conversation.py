"""Words with a server over real sockets, as the tests of this folder have them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, ClientWSTimeout, WSMsgType

from graf_cli.viewer.desk import Desk
from graf_cli.viewer.guard import guard
from graf_cli.viewer.models import Choice
from graf_cli.viewer.server import Place, Server, place
from tests.conftest import REFERENCE

TOKEN = "0123456789abcdefghijkl"
Talk = Callable[["Client"], Coroutine[Any, Any, None]]


class Client:
    """Whoever speaks to the server."""

    def __init__(self, session: ClientSession, at: Place) -> None:
        self.session, self.at = session, at
        self.root = at.address(TOKEN)

    async def status(self, path: str = "", **settings: Any) -> int:
        """Of a GET, or of another method."""
        method = settings.pop("method", "GET")
        async with self.session.request(method, self.root + path, **settings) as answer:
            assert str(Path.cwd()) not in await answer.text(errors="replace")
            return answer.status


class Page:
    """A page's socket."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, **request: Any) -> None:
        await self.socket.send_json(request)

    async def hear(self, what: str, kind: str | None = None) -> dict[str, Any]:
        """The next answer of a kind; a problem that was not asked for fails."""
        while True:
            message = await self.socket.receive(timeout=60)
            if message.type is WSMsgType.BINARY:
                length = int.from_bytes(message.data[:4], "little")
                answer = json.loads(message.data[4 : 4 + length])
                answer["data"] = message.data[4 + length :]
            else:
                assert message.type is WSMsgType.TEXT, message
                assert str(REFERENCE) not in message.data
                answer = json.loads(message.data)
            assert isinstance(answer, dict)
            assert what == "problem" or answer["is"] != "problem", answer
            if answer["is"] == what and (kind is None or answer["kind"] == kind):
                return answer


async def opened(client: Client, patience: float = 10.0) -> Page:
    """A page of the server, which says goodbye for so many seconds."""
    socket = await client.session.ws_connect(
        f"{client.root}live", max_msg_size=1 << 26, timeout=ClientWSTimeout(ws_close=patience)
    )
    return Page(socket)


def converse(
    choice: Choice, words: Talk, host: str = "127.0.0.1", held: threading.Event | None = None
) -> None:
    """Serve while somebody talks; what pages share is not there before `held` is set."""
    at, desk = place(host, 0), Desk(choice)

    def opening() -> Desk:
        assert held is None or held.wait(60)
        return desk

    async def both() -> None:
        made = Server(opening, guard(host, at.port, TOKEN))
        ready = asyncio.Event()
        serve = asyncio.create_task(made.run(at, ready.set))
        await asyncio.wait_for(ready.wait(), 20)
        async with ClientSession() as session:
            await words(Client(session, at))
        assert not serve.done(), serve
        serve.cancel()
        await asyncio.wait([serve])

    try:
        asyncio.run(both())
    finally:
        desk.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "graf-renderer"]
