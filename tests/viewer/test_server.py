"""The server as hostile neighbours and two pages see it, over real sockets."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import WSServerHandshakeError

import graf_cli.api as graf
from graf_cli.errors import DownloadError, GrafError, OutputError
from graf_cli.recipe import from_json
from graf_cli.viewer import server as serving
from graf_cli.viewer.desk import Desk
from graf_cli.viewer.models import YOURS, Choice
from graf_cli.viewer.server import MOST_BROUGHT, PAGES, Place, place
from tests.conftest import REFERENCE
from tests.viewer.conversation import TOKEN, Client, Talk, converse, opened

CARS = Choice(checkpoint=REFERENCE / "cars.pt", config=REFERENCE / "cars.json", device="cpu")


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Talk], None]:
    """Serve the cars in an empty folder while somebody talks."""
    monkeypatch.chdir(tmp_path)
    return lambda words: converse(CARS, words)


def test_strangers_are_refused(talk: Callable[[Talk], None]) -> None:
    async def words(client: Client) -> None:
        bare = f"http://127.0.0.1:{client.at.port}"
        assert await client.status() == 200
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            for path in ("", "view/view.js", "live", "bring", "nothing"):
                assert await client.status(path, headers=headers) == 403
        for token in ("", "x/", f"{TOKEN[:-1]}/", f"{TOKEN}x/"):
            for path in ("", "live", "view/view.js"):
                async with client.session.get(f"{bare}/{token}{path}") as answer:
                    assert answer.status == 404
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
            with pytest.raises(WSServerHandshakeError, match="403"):
                await client.session.ws_connect(f"{client.root}live", headers=headers)
        for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "POST"):
            assert await client.status(method=method) in (404, 405)

    talk(words)


def test_others_come_by_number_and_with_the_token() -> None:
    async def words(client: Client) -> None:
        assert client.root.startswith("http://127.0.0.1:"), "what this machine's browser opens"
        assert await client.status() == 200
        number = f"10.1.2.3:{client.at.port}"
        assert await client.status(headers={"Host": number, "Origin": f"http://{number}"}) == 200
        for headers in (
            {"Host": f"rebound.example:{client.at.port}"},
            {"Host": number, "Origin": "http://10.1.2.4"},
        ):
            assert await client.status(headers=headers) == 403

    converse(CARS, words, host="0.0.0.0")


def test_pages_are_served_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While PyTorch is imported: files at once, and what waits is answered when it can be."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.mp4").write_bytes(b"nobody asked for it")
    held = threading.Event()

    async def words(client: Client) -> None:
        brought = asyncio.create_task(client.status("bring", method="POST", data=b"{}"))
        page, gone = await opened(client), await opened(client, patience=0.1)
        await page.ask(do="hello", id=1)
        await page.ask(do="models", id=2)
        await gone.ask(do="hello", id=1)
        await gone.socket.close()
        for path, status in (("", 200), ("view/view.js", 200), ("live", 204), ("nothing", 404),
                             ("files/film.mp4", 404)):  # fmt: skip
            assert await client.status(path) == status, path
        assert not brought.done()
        held.set()
        assert (await page.hear("model"))["facts"]["name"] == YOURS
        assert await brought == 422

    converse(CARS, words, held=held)


def test_a_mistake_that_is_grafs_own_is_told_apart(
    talk: Callable[[Talk], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page asks for its model once more then; what is the person's, it does not."""
    failing = iter((RuntimeError("no"), DownloadError("no")))

    def fetch(*_: object) -> None:
        for error in failing:
            raise error

    monkeypatch.setattr(Desk, "fetch", fetch)

    async def words(client: Client) -> None:
        page = await opened(client)
        for bug in (True, False):
            await page.ask(do="hello", id=1)
            assert (await page.hear("problem")).get("bug", False) is bug
        await page.ask(do="hello", id=1)
        await page.hear("model")

    talk(words)


def test_nothing_of_the_disk_is_served(talk: Callable[[Talk], None], tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"secret")

    async def words(client: Client) -> None:
        assert await client.status("view/view.js") == 200
        assert await client.status("page/renderer.js") == 200
        for path in (
            "view/../../version.py", "..%2f..%2fetc/passwd", "view/%2e%2e/page.html", "view",
            "files/secret.mp4", "files/..%2fsecret.mp4", "view/view.py", "//etc/passwd",
            "view/none.js", "toy-cars.safetensors", "view/" + "a" * 4000 + ".js",
        ):  # fmt: skip
            assert await _raw(client.at, f"GET /{TOKEN}/{path} HTTP/1.1") in (400, 404), path
        async with client.session.get(client.root) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["Referrer-Policy"] == "no-referrer"

    talk(words)


async def _raw(at: Place, first: str, *headers: str) -> int:
    """The status of a request that no client would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", at.port)
    lines = (first, f"Host: 127.0.0.1:{at.port}", "Connection: close", *headers)
    writer.write("\r\n".join((*lines, "", "")).encode())
    status = (await asyncio.wait_for(reader.readline(), 20)).split()
    writer.close()
    return int(status[1])


def test_huge_bodies_and_headers_are_refused(talk: Callable[[Talk], None]) -> None:
    async def words(client: Client) -> None:
        length = f"Content-Length: {MOST_BROUGHT + 1}"
        assert await _raw(client.at, f"POST /{TOKEN}/bring HTTP/1.1", length) == 413
        assert await _raw(client.at, f"GET /{TOKEN}/ HTTP/1.1", f"X: {'x' * 100_000}") == 400

        async def endless() -> Any:
            for _ in range(MOST_BROUGHT // (1 << 20) + 2):
                yield b"x" * (1 << 20)

        assert await client.status("bring", method="POST", data=endless()) == 413
        page = await opened(client)
        with pytest.raises((ConnectionError, AssertionError)):
            await page.ask(do="look", look={"show": ["x" * (2 << 20)]})
            await page.hear("nothing")
        assert await client.status() == 200

    talk(words)


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many sockets of this process as the tests want, where the machine lets it."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_a_thousand_sockets_take_no_more_than_their_share(talk: Callable[[Talk], None]) -> None:
    async def words(client: Client) -> None:
        pages = [await opened(client) for _ in range(PAGES)]
        with pytest.raises(WSServerHandshakeError, match="503"):
            await opened(client)
        async with client.session.get(f"{client.root}live") as why:  # which a socket does not say
            assert "16 pages are open" in await why.text()
        idle = [await asyncio.open_connection("127.0.0.1", client.at.port) for _ in range(1000)]
        for _, writer in idle:
            writer.close()
        await pages[0].socket.close()
        for _ in range(200):  # until the server has seen that it is gone
            try:
                await opened(client)
            except (WSServerHandshakeError, ConnectionError, OSError):
                await asyncio.sleep(0.02)
            else:
                break
        else:
            pytest.fail("the server lets nobody in any more")

    talk(words)


def test_a_page_meets_the_model_and_sees_the_very_picture(
    talk: Callable[[Talk], None], tmp_path: Path
) -> None:
    look = {"codes": {"shape": {"seeds": [3]}}, "azimuth": 33.5, "size": [24, 16]}

    async def words(client: Client) -> None:
        page = await opened(client)
        await page.ask(do="hello", id=1)
        facts = (await page.hear("model"))["facts"]
        assert facts["name"] == YOURS
        assert {block["name"] for block in facts["blocks"]} == {"shape", "appearance"}
        await page.ask(do="look", id=2, look=look, window=[200, 100], moving=True)
        small = await page.hear("picture", "preview")
        assert len(small["data"]) == small["width"] * small["height"] * 4
        await page.ask(do="look", id=3, look=look, window=[200, 100], name="car.png")
        line = await page.hear("line")
        exact = await page.hear("picture", "exact")
        assert line["line"].startswith("graf render --checkpoint cars.pt --config cars.json")
        (tmp_path / "page.png").write_bytes(exact["data"])
        recipe = from_json(json.dumps(line["recipe"]))
        generator = graf.load(checkpoint=CARS.checkpoint, config=CARS.config, device="cpu")
        graf.write(recipe, "line.png", generator=generator)
        assert (tmp_path / "line.png").read_bytes() == exact["data"]

    talk(words)


def test_what_is_wrong_is_one_sentence_and_the_page_goes_on(talk: Callable[[Talk], None]) -> None:
    async def words(client: Client) -> None:
        page = await opened(client)
        for request in (
            {"do": "fly"}, {"do": "look"}, {"do": "look", "look": {"azimut": 1}}, {"nothing": 1},
            {"do": "look", "look": {}, "window": [0, 0]}, {"do": "model", "model": "zeppelins"},
            {"do": "thumbs", "looks": [{}] * 40}, {"do": "film", "film": {"keys": []}},
            {"do": "look", "look": {"controls": {"wings": 1}}, "moving": True},
            {"do": "render", "film": {"keys": [{"at": 0, "look": {}}]}, "name": "../x.mp4"},
            {"do": "render", "film": {"keys": [{"at": 0, "look": {}}]}, "name": "x.exe"},
        ):  # fmt: skip
            await page.socket.send_json(request)
            problem = await page.hear("problem")
            assert problem["text"].endswith((".", "?")), problem
            assert "bug" not in problem["text"]
        await page.socket.send_str("{" * 100_000)
        await page.hear("problem")
        await page.ask(do="hello", id=9)
        assert (await page.hear("model"))["id"] == 9

    talk(words)


FILM = {
    "keys": [{"at": 0, "look": {"azimuth": 0}}, {"at": 1, "look": {"azimuth": 90}}],
    "frames": 3, "size": [16, 16],
}  # fmt: skip


def test_a_film_is_a_job_like_any_other(talk: Callable[[Talk], None], tmp_path: Path) -> None:
    async def words(client: Client) -> None:
        page = await opened(client)
        await page.ask(do="render", id=1, film=FILM, name="film.gif")
        done = await page.hear("job")
        while "file" not in done:
            done = await page.hear("job")
        assert done["file"] == "film.gif"
        assert done["total"] == 3
        async with client.session.get(f"{client.root}files/film.gif") as answer:
            assert (await answer.read()) == (tmp_path / "film.gif").read_bytes()
        await page.ask(do="film", id=2, film=FILM, name="film.gif")
        recipe = from_json(json.dumps((await page.hear("film"))["recipe"]))
        generator = graf.load(checkpoint=CARS.checkpoint, config=CARS.config, device="cpu")
        graf.write(recipe, "line.gif", generator=generator)
        assert (tmp_path / "line.gif").read_bytes() == (tmp_path / "film.gif").read_bytes()
        await page.ask(do="render", id=3, film=FILM, name="film.gif")
        told = (await page.hear("problem"))["text"]
        assert told == "film.gif is already there and the viewer keeps it; name another file."
        await page.ask(do="cameras", id=4, film=FILM)
        path = json.loads((await page.hear("cameras"))["text"])
        assert len(path["camera_path"]) == 3

    talk(words)
    assert {one.name for one in tmp_path.iterdir()} == {"film.gif", "line.gif"}


def test_a_film_that_is_stopped_leaves_nothing(
    talk: Callable[[Talk], None], tmp_path: Path
) -> None:
    async def words(client: Client) -> None:
        page = await opened(client)
        await page.ask(do="render", id=1, film={**FILM, "frames": 4000}, name="long/")
        while not (await page.hear("job")).get("done"):
            pass
        await page.ask(do="stop", id=2)
        while not (await page.hear("job")).get("stopped"):
            pass

    talk(words)
    assert not [one for one in tmp_path.rglob("*") if "tmp" in one.name]


def test_files_are_brought(talk: Callable[[Talk], None], tmp_path: Path) -> None:
    generator = graf.load(checkpoint=CARS.checkpoint, config=CARS.config, device="cpu")
    recipe = graf.sweep(generator, seed=5, azimuth=70, size=8)
    graf.write(recipe, "car.png", generator=generator)
    spin = graf.sweep(generator, seed=5, azimuth=(0, 360), frames=4, size=8)
    graf.write(spin, "spin.gif", generator=generator)
    length = generator.features.length
    arrays = {"codes.npy": np.ones((3, length)), "poses.npy": np.eye(4)[None, :3].repeat(2, 0)}
    for name, array in arrays.items():
        np.save(tmp_path / name, array)
    np.savez(tmp_path / "codes.npz", z=arrays["codes.npy"])
    np.savez(tmp_path / "poses.npz", poses=arrays["poses.npy"])
    placed = [[*map(float, row)] for row in (*np.eye(4)[:2], [0, 0, 1, 10], [0, 0, 0, 1])]
    frames = [{"file_path": f"{k}.png", "transform_matrix": placed} for k in range(2)]
    transforms = {"camera_angle_x": 0.5, "w": 16, "h": 8, "frames": frames}
    (tmp_path / "transforms.json").write_text(json.dumps(transforms))

    async def words(client: Client) -> None:
        async def bring(name: str, data: bytes | None = None) -> dict[str, Any]:
            body = (tmp_path / name).read_bytes() if data is None else data
            query = {"name": name, "model": YOURS}
            async with client.session.post(f"{client.root}bring", data=body, params=query) as told:
                answer = await told.json()
                assert isinstance(answer, dict)
                assert (told.status == 200) == ("problem" not in answer)
                return answer

        car = await bring("car.png")
        assert car["look"]["azimuth"] == 70
        assert car["look"]["codes"]["shape"]["seeds"] == [5]
        assert (await bring("recipe.json", recipe.to_json().encode()))["look"] == car["look"]
        assert [key["look"]["azimuth"] for key in (await bring("spin.gif"))["film"]["keys"]] == [
            0,
            360,
        ]
        assert len((await bring("codes.npy"))["looks"]) == 3
        assert len((await bring("codes.npz"))["looks"]) == 3
        for name in ("poses.npy", "poses.npz", "transforms.json"):
            assert len((await bring(name))["film"]["poses"]) == 2, name
        assert (await bring("transforms.json"))["film"]["size"] == [16, 8]
        for name, data in (
            ("car.png", b"\x89PNG\r\n\x1a\nbroken"), ("x.npy", b"x"), ("x", b""), ("x.json", b"{}"),
            ("../../x.png", b"{"),
        ):  # fmt: skip
            problem = (await bring(name, data))["problem"]
            assert "/" not in problem, problem

    talk(words)


def test_videos_and_shapes_are_brought(talk: Callable[[Talk], None]) -> None:
    """Whatever `graf info` reads a recipe of opens at its view."""
    generator = graf.load(checkpoint=CARS.checkpoint, config=CARS.config, device="cpu")
    spin = graf.sweep(generator, seed=5, azimuth=(0, 90), frames=2, size=8)
    films, shapes = ("spin.mp4", "spin.webm"), ("car.npz", "car.ply", "car.glb", "car.html")
    for name in films:
        graf.write(spin, name, generator=generator)
    for name in shapes:
        graf.export(generator, name, seed=5, resolution=8)

    async def words(client: Client) -> None:
        async def bring(name: str, data: bytes) -> dict[str, Any]:
            query = {"name": name, "model": YOURS}
            async with client.session.post(f"{client.root}bring", data=data, params=query) as told:
                return dict(await told.json())

        for name in (*films, *shapes):
            told = await bring(name, Path(name).read_bytes())
            assert "problem" not in told, told
            assert told["look"]["codes"]["shape"]["seeds"] == [5], name
            keys = [key["look"]["azimuth"] for key in (told["film"] or {"keys": []})["keys"]]
            assert keys == ([0, 90] if name in films else []), name
            damaged = await bring(name, Path(name).read_bytes()[:300])
            assert damaged["problem"].endswith("."), name

    talk(words)


def test_two_pages_share_one_renderer(talk: Callable[[Talk], None]) -> None:
    async def words(client: Client) -> None:
        first, second = await opened(client), await opened(client)
        look = {"size": [32, 32]}
        await first.ask(do="look", id=1, look=look)
        await second.ask(do="look", id=1, look=look, moving=True)
        await asyncio.gather(first.hear("picture", "exact"), second.hear("picture", "preview"))

    talk(words)


def test_a_picture_names_its_model_and_view(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    generator = graf.load(checkpoint=CARS.checkpoint, config=CARS.config, device="cpu")
    graf.write(graf.sweep(generator, seed=5, azimuth=70, size=8), "car.png", generator=generator)
    desk = Desk(CARS, tmp_path / "car.png")
    try:
        begun = desk.begin()
        assert begun.model == YOURS
        assert begun.state is not None
        assert begun.state.azimuth == 70
    finally:
        desk.close()
    (tmp_path / "other.png").write_bytes(b"no picture")
    desk = Desk(CARS, tmp_path / "other.png")
    try:
        with pytest.raises(GrafError):
            desk.begin()
    finally:
        desk.close()


def test_a_port_that_is_taken_is_left_to_others() -> None:
    first = place("127.0.0.1", None)
    with first.socket, place("127.0.0.1", None).socket as second:
        assert second.getsockname()[1] != first.port
        with pytest.raises(OutputError, match="`port`"):
            place("127.0.0.1", first.port)


def test_the_page_is_small() -> None:
    assert sum(map(len, serving._assets().values())) < 200_000
    assert io.BytesIO(serving._assets()["view/view.html"]).read(15) == b"<!doctype html>"
