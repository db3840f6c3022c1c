"""What a page asks for, and what it is told on the way."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType

from graf_cli.errors import GrafError
from graf_cli.viewer.desk import Desk
from graf_cli.viewer.models import YOURS, Choice
from graf_cli.viewer.state import Film, convert
from tests.cli.test_download import DIGEST, WEIGHTS, manifest_for
from tests.conftest import REFERENCE
from tests.server import Body, Status, serve
from tests.viewer.conversation import Client, Page, converse, opened

CARS = Choice(checkpoint=REFERENCE / "cars.pt", config=REFERENCE / "cars.json", device="cpu")
TINY = {"size": [8, 8]}
FILM = {
    "keys": [{"at": 0, "look": {"azimuth": 0}}, {"at": 1, "look": {"azimuth": 90}}],
    "frames": 4, "size": [8, 8],
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one that the server runs in."""
    monkeypatch.setenv("GRAF_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GRAF_OFFLINE", raising=False)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def test_a_model_is_fetched_while_the_page_goes_on(tmp_path: Path) -> None:
    """With its progress; a link fetches nothing."""
    with serve({"/cars.pt": Body(WEIGHTS, hold_after=len(WEIGHTS) // 2)}) as server:
        manifest = manifest_for(tmp_path, server.url("/cars.pt"), DIGEST)

        async def words(client: Client) -> None:
            page = await opened(client)
            await page.ask(do="hello", id=1)
            assert (await page.hear("model"))["facts"]["name"] == YOURS
            await page.ask(do="hello", id=2, model="own")
            assert "not on this machine" in (await page.hear("problem"))["text"]
            await page.ask(do="model", id=3, model="own")
            told = await page.hear("fetched")
            assert (told["id"], told["total"]) == (3, len(WEIGHTS))
            await page.ask(do="look", id=4, look=TINY, moving=True)
            assert (await page.hear("picture", "preview"))["id"] == 4
            server.release()
            while told["is"] == "fetched":
                done, told = told["done"], await _either(page, "fetched", "model")
            assert done <= len(WEIGHTS)
            assert told["facts"]["name"] == "own:24"
            await page.ask(do="models", id=5)
            here = {one["name"]: one["here"] for one in (await page.hear("models"))["models"]}
            assert here["own:24"]
            assert not here["cars:256"]
            await page.ask(do="hello", id=6, model="own")
            assert (await page.hear("model"))["facts"]["name"] == "own:24"

        converse(replace(CARS, manifest=manifest), words)


def test_a_model_that_cannot_be_fetched_leaves_the_one_before(tmp_path: Path) -> None:
    with serve({"/cars.pt": Status(404)}) as server:
        manifest = manifest_for(tmp_path, server.url("/cars.pt"))

        async def words(client: Client) -> None:
            page = await opened(client)
            await page.ask(do="model", id=1, model="own")
            assert "404" in (await page.hear("problem"))["text"]
            await page.ask(do="line", id=2, look=TINY)
            assert "--checkpoint cars.pt" in (await page.hear("line"))["line"]

        converse(replace(CARS, manifest=manifest), words)


async def _either(page: Page, *kinds: str) -> dict[str, Any]:
    """The next answer of one of several kinds."""
    while True:
        message = await page.socket.receive(timeout=60)
        if message.type is not WSMsgType.TEXT:
            continue
        told = json.loads(message.data)
        if told["is"] in kinds:
            return dict(told)


def test_a_film_that_was_stopped_is_gone_on_with(folder: Path) -> None:
    many = 30

    async def words(client: Client) -> None:
        page = await opened(client)
        long = {**FILM, "frames": many}
        await page.ask(do="render", id=1, film=long, name="frames/", resume=True)
        while not (await page.hear("job")).get("done"):
            pass
        await page.ask(do="stop", id=2)
        while not (await page.hear("job")).get("stopped"):
            pass
        kept = [*folder.rglob("*.png")]
        assert 0 < len(kept) < many
        before = {one: one.stat().st_mtime_ns for one in kept}
        await page.ask(do="render", id=3, film=long, name="frames/", resume=True)
        told = await page.hear("job")
        while "file" not in told:
            told = await page.hear("job")
        assert len([*folder.rglob("*.png")]) == many
        assert {one: one.stat().st_mtime_ns for one in kept} == before, "made once"

    converse(CARS, words)


def test_who_is_told_of_the_end_of_a_film_may_ask_for_the_next_at_once(folder: Path) -> None:
    desk, ended = Desk(CARS), threading.Event()
    film = convert({**FILM, "frames": 1}, Film, "The film")

    def shoot(name: str) -> None:
        desk.shoot(
            "page", YOURS, film, (8, 8), name, resume=False, clobber=False,
            tell=lambda **told: then(name) if "file" in told else None, fail=failed.append,
        )  # fmt: skip

    def then(name: str) -> None:
        try:
            if name == "a.png":
                shoot("b.png")
            else:
                ended.set()
        except GrafError as error:
            failed.append(error)
            ended.set()

    failed: list[BaseException] = []
    shoot("a.png")
    assert ended.wait(60)
    desk.close()
    assert failed == []
    assert (folder / "b.png").is_file()


def test_a_film_goes_there_and_back(folder: Path) -> None:
    async def words(client: Client) -> None:
        page = await opened(client)
        film = {**FILM, "boomerang": True}
        await page.ask(do="film", id=1, film=film, name="a.gif")
        assert " --boomerang " in (await page.hear("film"))["line"]
        seen = []
        for frame in range(4):
            await page.ask(do="scrub", id=2, film=film, window=[8, 8], frame=frame)
            told = await page.hear("picture", "preview")
            seen.append((told["look"]["azimuth"], told["data"]))
        assert [azimuth for azimuth, _ in seen] == [0, 45, 90, 45]
        assert seen[1][1] == seen[3][1]

    converse(CARS, words)


def test_what_moves_gives_the_exact_picture_up() -> None:
    """Even where the page turns a volume, and asks for nothing."""

    async def words(client: Client) -> None:
        page = await opened(client)
        await page.ask(do="look", id=1, look={"size": [360, 360]})
        await page.hear("line")
        await page.ask(do="move", id=2)
        await page.ask(do="thumbs", id=3, looks=[TINY], window=[8, 8])
        kinds = [(await page.hear("picture"))["kind"]]
        while kinds[-1] != "preview":
            kinds.append((await page.hear("picture"))["kind"])
        assert "exact" not in kinds, "it would have come before"

    converse(CARS, words)


def test_each_line_that_is_asked_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it waits, and whatever else tells of one meanwhile: a button waits for it."""
    held, line = threading.Event(), Desk.line

    def slow(*words: Any) -> Any:
        assert held.wait(60)
        return line(*words)

    monkeypatch.setattr(Desk, "line", slow)

    async def words(client: Client) -> None:
        page = await opened(client)
        for number, does in enumerate(("line", "line", "film", "film", "look", "line")):
            await page.ask(do=does, id=number, look=TINY, film=FILM)
        await page.ask(do="nothing")
        await page.hear("problem")  # the others have been taken
        held.set()
        told: set[int] = set()
        while not told >= {0, 1, 2, 3, 5}:
            told.add((await _either(page, "line", "film"))["id"])

    converse(CARS, words)
