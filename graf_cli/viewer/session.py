"""One page's conversation with the program, over a WebSocket.

A page sends JSON with what to `do`; answers are JSON with what they are (`is`), and pictures:
four bytes that say how long a JSON header is, the header, and the picture. Requests carry a
number, `id`, which the answers to them repeat.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from graf_cli.decoding import decode
from graf_cli.errors import GrafError, UsageError
from graf_cli.viewer.desk import Desk
from graf_cli.viewer.pictures import COARSE, Picture, finer
from graf_cli.viewer.state import Film, ViewState, convert
from graf_cli.viewer.turns import SHORT

QUEUED = 256  # answers that wait for a page to take them; one that does not is given up
SIDE = 8192  # pixels of a window
EXACT = ("exact", "large")  # what is given up when something moves
# Of one model, and not of another.
OF_A_MODEL = (*EXACT, "preview", "ready", "coarse", "fine", "line", "thumbs around")
WAITING = 16  # things of one kind that a page waits for at most
THUMBS = 32  # small pictures of one request
FIELDS = {"out": "file", "no clobber": "the viewer"}  # of arguments that a page has no field for
PATHS = re.compile(
    r"(?<![\w.~-])(?<!:/)(?:[A-Za-z]:)?(?:[/\\][^\s/\\:;,'\"`]+)*[/\\](?=[^\s/\\:;,'\"`])"
)

log = logging.getLogger("graf")


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request of a page; which fields mean something, `do` says."""

    do: str
    id: int = 0
    model: str | None = None
    state: Any = msgspec.field(default=None, name="look")
    states: tuple[Any, ...] = msgspec.field(default=(), name="looks")
    film: Any = None
    window: tuple[int, int] = (256, 256)
    moving: bool = False
    frame: int = 0
    name: str = ""
    resume: bool = False
    clobber: bool = False


def without_paths(text: str) -> str:
    """A sentence in which files are called by their names alone."""
    return PATHS.sub("", text)


def spell(field: str) -> str:
    """An argument of the library, as a page calls it."""
    return FIELDS.get(field, field.replace("_", " "))


def sentence(error: BaseException) -> str:
    """What a page is told of an error."""
    if isinstance(error, GrafError):
        return without_paths(error.told(spell))
    if isinstance(error, OSError):
        return f"A file failed: {error.strerror or 'it cannot be used'}."
    log.error("A bug in graf: %s", error, exc_info=error)
    return "This is a bug in graf; the terminal tells more."


class Session:
    """One page.

    Parameters
    ----------
    socket : WebSocketResponse
    desk : Desk
    name : str
        Whose time its pictures take.
    """

    def __init__(self, socket: web.WebSocketResponse, desk: Desk, name: str) -> None:
        self.socket, self.desk, self.name = socket, desk, name
        self.model = desk.choice.first
        self._chosen = 0  # number of the last request for a model
        self._loop = asyncio.get_running_loop()
        self._answers: asyncio.Queue[bytes | str] = asyncio.Queue(QUEUED)
        self._does: dict[str, Callable[[Ask], None]] = {
            "hello": self._hello,
            "model": self._open,
            "models": self._models,
            "look": self._draw,
            "line": self._line,
            "bake": self._bake,
            "thumbs": self._thumbs,
            "film": self._film,
            "scrub": self._scrub,
            "cameras": self._cameras,
            "render": self._render,
            "stop": self._stop,
            "move": self._move,
            "rest": self._rest,
        }

    async def run(self) -> None:
        """Until the page goes."""
        sender = asyncio.create_task(self._send())
        try:
            async for message in self.socket:
                if message.type is not WSMsgType.TEXT:
                    break
                self._take(message.data)
        finally:
            sender.cancel()
            self.desk.leave(self.name)

    async def _send(self) -> None:
        while True:
            answer = await self._answers.get()
            if isinstance(answer, str):
                await self.socket.send_str(answer)
            else:
                await self.socket.send_bytes(answer)

    def _take(self, text: str) -> None:
        number = 0
        try:
            ask = convert_ask(text)
            number = ask.id
            does = self._does.get(ask.do)
            if does is None:
                self._fail(number, UsageError(f"There is nothing called `{ask.do[:40]}` to do."))
            else:
                does(ask)
        except Exception as error:
            self._fail(number, error)

    # answers, from any thread

    def tell(self, **answer: Any) -> None:
        """Send an answer."""
        self._put(msgspec.json.encode(answer).decode())

    def _put(self, answer: bytes | str) -> None:
        self._loop.call_soon_threadsafe(self._enqueue, answer)

    def _enqueue(self, answer: bytes | str) -> None:
        try:
            self._answers.put_nowait(answer)
        except asyncio.QueueFull:
            closing = self.socket.close(code=1008, message=b"too slow")
            self._closing = asyncio.ensure_future(closing)

    def picture(self, header: dict[str, Any], data: bytes) -> None:
        """Send a picture."""
        told = msgspec.json.encode(header)
        self._put(len(told).to_bytes(4, "little") + told + data)

    def _fail(self, number: int, error: BaseException) -> None:
        told = {"bug": True} if not isinstance(error, GrafError | OSError) else {}
        self.tell(**{"is": "problem", "id": number, "text": sentence(error), **told})

    def _later(
        self, kind: str, number: int, run: Callable[[], None], level: int = 1, owner: str = ""
    ) -> None:
        """Have something done on the renderer's thread."""
        self.desk.turns.put(
            owner or self.name, kind, run, lambda error: self._fail(number, error), level
        )

    # what a page asks

    def _hello(self, ask: Ask) -> None:
        """The first words: the model to begin with, and what the command line named."""
        if ask.model is not None:  # that of a link, or that a page had before
            self.desk.models.check_here(ask.model)
        name = ask.model or self.desk.choice.first

        def told() -> None:
            begun = self.desk.begin()
            if ask.model is None:
                self._tell_model(ask.id, begun.model, look=begun.state, film=begun.film)
            else:
                self._tell_model(ask.id, name)

        self._fetch(ask.id, name, told)

    def _open(self, ask: Ask) -> None:
        """Another model; until it is there, the page goes on with the one before."""
        name = ask.model or self.model
        self._fetch(ask.id, name, lambda: self._tell_model(ask.id, name))

    def _fetch(self, number: int, name: str, told: Callable[[], None]) -> None:
        """What has to be fetched is, beside the renderer, which others need; then it is told of.

        A model that was chosen later takes its place.
        """
        self._chosen = number

        def progress(done: int, total: int | None) -> None:
            if self._chosen == number:
                self.tell(**{"is": "fetched", "id": number, "done": done, "total": total})

        def opened() -> None:
            if self._chosen == number:
                told()

        def work() -> None:
            try:
                self.desk.fetch(name, progress)
            except Exception as error:
                self._fail(number, error)
            else:
                self._later("model", number, opened, 0)

        threading.Thread(target=work, name="graf-fetch", daemon=True).start()

    def _tell_model(self, number: int, name: str, **more: Any) -> None:
        held = self.desk.models.open(name)
        self.desk.turns.drop(self.name, *OF_A_MODEL)
        self.model = held.name
        self.tell(**{"is": "model", "id": number, "facts": self.desk.facts(held), **more})

    def _models(self, ask: Ask) -> None:
        models, started = [*self.desk.models.listed()], self.desk.choice.command_line
        self.tell(**{"is": "models", "id": ask.id, "models": models, "started": started})

    def _draw(self, ask: Ask) -> None:
        """A small picture at once; at rest the exact one, and smaller ones on the way to it."""
        state, window = self._state_of(ask), _window(ask)
        self.desk.turns.drop(self.name, *EXACT)

        def small() -> None:
            start = time.perf_counter()
            picture = self.desk.preview(self.model, state, window)
            self._send_picture(ask.id, picture, start)

        def exact() -> None:
            start = time.perf_counter()
            for picture in self.desk.stepwise(self.model, state, window):
                self._send_picture(ask.id, picture, start)
            if self.desk.is_large(self.model, state, window):
                self._later("large", ask.id, last, 4)
            else:
                last()

        def last() -> None:
            start = time.perf_counter()
            self._send_picture(ask.id, self.desk.exactly(self.model, state, window), start)

        if ask.moving:
            self._later("preview", ask.id, small, 0)
            return
        self._later("line", ask.id, lambda: self._tell_line(ask, state, window), 0)
        # A third of a second, once an object; the next small frames would take it several times.
        self._later("ready", ask.id, lambda: self.desk.ready(self.model, state, window), SHORT)
        self._later("exact", ask.id, exact, 2)

    def _send_picture(self, number: int, picture: Picture, start: float, **more: Any) -> None:
        header = {
            "is": "picture", "id": number, "kind": picture.kind,
            "width": picture.width, "height": picture.height,
            "seconds": round(time.perf_counter() - start, 4), **more,
        }  # fmt: skip
        if picture.outcome is not None:
            header |= {"difference": picture.outcome.difference, "path": picture.outcome.path}
        self.picture(header, picture.data)

    def _bake(self, ask: Ask) -> None:
        """The object as a volume, which the page turns by itself: a coarse one, then a fine one."""
        state = self._state_of(ask)

        def bake(resolution: int) -> None:
            volume = self.desk.volume(self.model, state, resolution)
            self.picture({"is": "volume", "id": ask.id, "about": volume.about}, volume.data)

        def coarse() -> None:
            start = time.perf_counter()
            bake(COARSE)
            resolution = finer(time.perf_counter() - start)
            if resolution is not None:
                self._later("fine", ask.id, lambda: bake(resolution), 3)

        self.desk.turns.drop(self.name, "fine")
        self._later("coarse", ask.id, coarse, SHORT)

    def _line(self, ask: Ask) -> None:
        state, window = self._state_of(ask), _window(ask)
        self._later(_own("line", ask), ask.id, lambda: self._tell_line(ask, state, window), 0)

    def _tell_line(self, ask: Ask, state: ViewState, window: tuple[int, int]) -> None:
        line, recipe = self.desk.line(self.model, state, window, ask.name or "picture.png")
        self.tell(**{"is": "line", "id": ask.id, "line": line, "recipe": recipe.to_plain()})

    def _thumbs(self, ask: Ask) -> None:
        """Small pictures of several view states, one after the other."""
        if len(ask.states) > THUMBS:
            raise UsageError(f"{len(ask.states)} small pictures are too many; ask for {THUMBS}.")
        states = [convert(plain, ViewState, "A view state") for plain in ask.states]
        window = _window(ask)

        def run() -> None:
            for k, state in enumerate(states):
                start = time.perf_counter()
                picture = self.desk.preview(self.model, state, window, most=window[0] * window[1])
                self._send_picture(ask.id, picture, start, of=k)

        self._later(f"thumbs {ask.name[:20]}", ask.id, run, 2)

    def _film(self, ask: Ask) -> None:
        """The command line of a film, and its recipe."""
        film, window = self._film_of(ask), _window(ask)

        def run() -> None:
            line, recipe = self.desk.film_line(self.model, film, window, ask.name or "film.mp4")
            self.tell(**{"is": "film", "id": ask.id, "line": line, "recipe": recipe.to_plain()})

        self._later(_own("film line", ask), ask.id, run, 1)

    def _scrub(self, ask: Ask) -> None:
        film, window = self._film_of(ask), _window(ask)
        self.desk.turns.drop(self.name, *EXACT)

        def run() -> None:
            start = time.perf_counter()
            picture, state = self.desk.film_preview(self.model, film, ask.frame, window)
            self._send_picture(ask.id, picture, start, look=state)

        self._later("preview", ask.id, run, 0)

    def _cameras(self, ask: Ask) -> None:
        """A film's cameras, as nerfstudio's viewer saves them."""
        film, window = self._film_of(ask), _window(ask)

        def run() -> None:
            text = self.desk.cameras(self.model, film, window)
            self.tell(**{"is": "cameras", "id": ask.id, "text": text})

        self._later(_own("cameras", ask), ask.id, run, 1)

    def _render(self, ask: Ask) -> None:
        """A film, or one picture, into a file of the folder that the server runs in."""
        film = self._film_of(ask)
        window = _window(ask)

        def run() -> None:
            self.desk.shoot(
                self.name, self.model, film, window, ask.name,
                resume=ask.resume, clobber=ask.clobber,
                tell=lambda **told: self.tell(**{"is": "job", "id": ask.id, **told}),
                fail=lambda error: self._fail(ask.id, error),
            )  # fmt: skip

        self._later("shoot", ask.id, run, 1)

    def _stop(self, ask: Ask) -> None:  # noqa: ARG002 - a page has one job
        self.desk.stop(self.name)

    def _move(self, ask: Ask) -> None:  # noqa: ARG002 - the page turns a volume by itself
        """The exact picture is of what was seen before."""
        self.desk.turns.drop(self.name, *EXACT)

    def _rest(self, ask: Ask) -> None:  # noqa: ARG002 - nothing is wanted any more
        self.desk.turns.drop(self.name)

    def _state_of(self, ask: Ask) -> ViewState:
        return convert(ask.state, ViewState, "The view state")

    def _film_of(self, ask: Ask) -> Film:
        return convert(ask.film, Film, "The film")


def convert_ask(text: str) -> Ask:
    """Read a request.

    Raises
    ------
    UsageError
    """
    try:
        return decode(text, Ask)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UsageError(f"The page's request cannot be used: {error}.") from error


def _own(kind: str, ask: Ask) -> str:
    """The kind of a task that a newer one leaves in its place: a person waits for each of them."""
    return f"{kind} {ask.id % WAITING}"


def _window(ask: Ask) -> tuple[int, int]:
    if not all(1 <= side <= SIDE for side in ask.window):
        raise UsageError(f"A window is from 1 to {SIDE} pixels along a side.")
    return ask.window
