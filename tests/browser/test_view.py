"""`graf view` in a real browser, by mouse and keys."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import torch
from click.testing import CliRunner

from graf_cli.cli.main import cli
from graf_cli.model.checkpoint import write_checkpoint
from tests.conftest import random_weights, small_spec

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request, Route

TOKEN = "0123456789abcdefghijkl"
MODEL = "small.safetensors"  # of a few hundred random weights, whose pictures take no time
PATIENCE = 60_000  # milliseconds until a test gives up on a page

# As `python -m graf_cli`, with volumes that are baked in no time: noise has haze everywhere.
PROGRAM = """
from graf_cli.viewer import session
session.COARSE, session.finer = 8, lambda seconds: 12
from graf_cli.cli.main import run
run()
"""
# One that opens nothing before somebody writes to the pipe, and whose first answer is a mistake.
HELD = """
from pathlib import Path
from graf_cli.viewer.server import Server

open_as_ever = Server._open

def opened(self):
    Path("gate").read_bytes()
    from graf_cli.viewer.desk import Desk

    fetch = Desk.fetch

    def fails_once(*_):
        Desk.fetch = fetch
        raise RuntimeError("this once")

    Desk.fetch = fails_once
    return open_as_ever(self)

Server._open = opened
""" + PROGRAM  # fmt: skip
FAMILIES = Path(__file__).parents[1] / "families"
DROP = """([name, text]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], name));
  for (const type of ["dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true }));
}"""


class Running:
    """A `graf view` in a process of its own.

    Parameters
    ----------
    folder : Path
        In which it runs.
    checkpoint : Path, optional
        Of another model than the small one.
    program : str
        What runs.
    """

    def __init__(
        self, folder: Path, checkpoint: Path | None = None, program: str = PROGRAM
    ) -> None:
        self.folder, self.port, self.program = folder, 0, program
        self.model = checkpoint or folder / MODEL
        if checkpoint is None:
            spec = small_spec()
            write_checkpoint(self.model, spec, random_weights(spec).networks, torch.float32)
        self.start()

    def start(self) -> None:
        """Begin, or again at the same port after an end."""
        command = [
            sys.executable, "-c", self.program, "view", "--no-browser", "--port", str(self.port),
            "--token", TOKEN, "--checkpoint", str(self.model),
        ]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment, start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address, self.process.communicate()[1]
        self.port = int(self.address.split(":")[2].split("/")[0])

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Its exit code, and what it said."""
        self.process.send_signal(number)
        rest, said = self.process.communicate(timeout=60)
        assert rest == "", "the address is the one line on standard output"
        return self.process.returncode, said


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for the tests that leave it as it is."""
    running = Running(tmp_path_factory.mktemp("view"))
    yield running
    code, said = running.end(signal.SIGINT)
    assert code == 130, said
    assert "Traceback" not in said


@pytest.fixture
def page(server: Running, browser: Browser) -> Iterator[Page]:
    """A page of it, at the exact picture of its first view."""
    with opened(server, browser) as shown:
        yield shown


@contextmanager
def opened(server: Running, browser: Browser, but: str = "strange") -> Iterator[Page]:
    """A page of a server, at the exact picture; strange requests and errors fail, `but` for one."""
    context = browser.new_context(viewport={"width": 500, "height": 260}, accept_downloads=True)
    shown = context.new_page()
    strange: list[str] = []
    shown.on("pageerror", lambda error: strange.append(str(error)))
    shown.on("console", lambda line: strange.append(line.text) if line.type == "error" else None)
    own = (server.address, "blob:", "data:")

    def meet(asked: Request) -> None:
        strange.extend(() if asked.url.startswith(own) else (asked.url,))

    shown.on("request", meet)
    shown.set_default_timeout(PATIENCE)
    shown.goto(server.address)
    exact(shown)
    yield shown
    context.close()
    assert [one for one in strange if but not in one] == []


def exact(page: Page) -> None:
    """Wait until what is seen is the exact picture of what is asked for."""
    until(page, "graf.page.exact")


def until(page: Page, said: str) -> None:
    """Wait for what a page says; the page's policy lets nobody evaluate a string in it."""
    page.evaluate(
        "new Promise((done) => { const look = () => "
        f"{{ if ({said}) done(); else requestAnimationFrame(look); }}; look(); }})"
    )


def look(page: Page) -> dict[str, Any]:
    told = page.evaluate("graf.page.look")
    assert isinstance(told, dict)
    return told


def saved(page: Page, button: str) -> bytes:
    """What a button has the browser keep."""
    with page.expect_download() as download:
        page.click(button)
    return Path(download.value.path()).read_bytes()


def line(page: Page) -> str:
    """The command line that the page copies; files of the tests lie elsewhere than it says."""
    said = page.evaluate(
        "graf.page.link.once({do: 'line', look: graf.page.look, window: graf.page.screen.size,"
        " name: 'line.png'}).then((answer) => answer.line)"
    )
    return str(said)


def drawn(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a line for a shell where the model lies."""
    monkeypatch.chdir(folder)
    before, pipe, after = line.rpartition(" | ")
    text = shlex.split(before)[2] if pipe else None
    result = CliRunner().invoke(cli, shlex.split(after)[1:], input=text)
    assert result.exit_code == 0, result.output


def test_the_exact_picture_is_that_of_the_copied_line(
    page: Page, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a turn by mouse and keys, to the last byte; so is that of the recipe."""
    before = look(page)
    page.mouse.move(80, 120)
    page.mouse.down()
    page.mouse.move(120, 110, steps=4)
    page.mouse.up()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("+")
    after = look(page)
    assert after["azimuth"] != before["azimuth"]
    assert after["elevation"] != before["elevation"]
    assert after["fov"] < before["fov"]
    exact(page)
    assert page.inner_text("#badge").startswith("Exact")
    picture = saved(page, "#save")
    drawn(line(page), server.folder, monkeypatch)
    assert (server.folder / "line.png").read_bytes() == picture
    (server.folder / "recipe.json").write_bytes(saved(page, "#recipe"))
    again = f"graf render --checkpoint {MODEL} --recipe recipe.json --out again.png"
    drawn(again, server.folder, monkeypatch)
    assert (server.folder / "again.png").read_bytes() == picture
    page.press("#picture", "Home")
    assert look(page)["azimuth"] == before["azimuth"]


def test_objects_are_thrown_mixed_kept_and_undone(
    page: Page, server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.click("#tab-explore")
    page.fill("#seed", "7")
    page.press("#seed", "Enter")
    assert look(page)["codes"]["shape"]["seeds"] == [7]
    page.press("#picture", "d")
    thrown = look(page)["codes"]["shape"]["seeds"]
    assert thrown != [7]
    exact(page)
    page.click("[aria-label='Mix shape with one more seed']")
    page.focus("[data-block=shape] input[type=range]")
    for _ in range(3):
        page.keyboard.press("PageUp")
    mix = look(page)["codes"]["shape"]
    assert len(mix["seeds"]) == 2
    assert 0 < mix["at"][0] < 1
    exact(page)
    drawn(line(page), server.folder, monkeypatch)
    assert (server.folder / "line.png").read_bytes() == saved(page, "#save")
    until(page, "document.querySelectorAll('#history button').length >= 2")
    page.click("#favour")
    page.wait_for_selector("#favourites button")
    while page.is_enabled("#undo"):
        page.click("#undo")
    assert look(page)["codes"]["shape"]["seeds"] == [0]
    page.keyboard.press("Control+Shift+z")
    page.click("#favourites button")
    assert look(page)["codes"]["shape"] == mix
    page.hover("#favourites button")
    page.click("[aria-label='Remove favourite 1']")
    assert page.locator("#favourites button").count() == 0
    page.click("#around")
    page.click("#neighbours button:enabled[title='Walk there']")
    until(page, "graf.page.look.rows")
    exact(page)


def test_other_kinds_backgrounds_and_sizes_and_their_link(page: Page, browser: Browser) -> None:
    page.click("[data-kind=depth]")
    page.keyboard.press("ArrowRight")
    assert look(page)["show"] == ["normal"]
    page.select_option("#background", "transparent")
    assert "--background transparent" in line(page)
    page.select_option("#size", "256x256")
    assert look(page)["size"] == [256, 256]
    page.select_option("#size", "")
    assert "size" not in look(page)
    page.fill("[aria-label=Azimuth]", "12.5")
    page.keyboard.press("Tab")
    exact(page)
    other = browser.new_page()
    other.goto(page.url)
    until(other, "graf.page.look")
    assert look(other) == look(page)
    other.close()


def directed(page: Page) -> None:
    """Two keyframes, played, scrubbed there and back, and one of them set anew."""
    page.click("#tab-direct")
    assert page.is_disabled("#play")
    page.press("#picture", "k")
    page.press("#picture", "ArrowLeft")
    page.press("#picture", "k")
    ends = page.evaluate("graf.page.panels.direct.film.keys.map((key) => key.look.azimuth)")
    page.click("#play")
    until(page, "Number(document.getElementById('scrub').value) > 1")
    assert page.inner_text("#badge") == "Preview"
    page.click("#play")
    exact(page)
    assert min(ends) <= look(page)["azimuth"] <= max(ends)
    page.check("#boomerang")
    page.focus("#scrub")
    page.keyboard.press("Home")
    until(page, f"graf.page.look.azimuth === {ends[0]}")
    middle = int(page.input_value("#frames")) // 2
    page.fill("#scrub", str(middle))
    until(page, f"graf.page.look.azimuth === {ends[1]}")
    exact(page)
    page.click("#marks button >> nth=0")
    assert look(page)["azimuth"] == ends[0]
    page.press("#marks button >> nth=0", "Delete")
    assert page.locator("#marks button").count() == 1
    page.press("#picture", "k")
    assert page.locator("#marks button").count() == 2


def test_a_film_is_directed_played_scrubbed_and_rendered(page: Page, server: Running) -> None:
    directed(page)
    page.fill("#film-size", "wide")
    page.click("#render")
    assert page.inner_text("#job") == "", "the browser tells how a size is written"
    page.fill("#film-size", "16 × 16")
    page.press("#film-size", "Tab")
    assert page.input_value("#film-size") == "16x16"
    page.fill("#frames", "4000")
    page.fill("#film-name", "long/")
    page.click("#render")
    until(page, "document.getElementById('done').value > 0")
    page.click("#stop")
    until(page, "document.getElementById('job').textContent === 'Stopped.'")
    page.fill("#frames", "3")
    page.fill("#film-name", "spin.gif")
    page.press("#film-name", "Tab")
    page.focus("#scrub")
    page.keyboard.press("End")
    page.click("#render")
    page.wait_for_selector("#job a")
    assert (server.folder / "spin.gif").read_bytes()[:4] == b"GIF8"
    with page.context.expect_page() as shown:
        page.click("#job a")
    assert shown.value.url == f"{server.address}files/spin.gif"
    shown.value.close()
    path = json.loads(saved(page, "#cameras"))
    assert len(path["camera_path"]) == 3
    page.set_input_files("#opened", {
        "name": "camera_path.json", "mimeType": "application/json",
        "buffer": json.dumps(path).encode(),
    })  # fmt: skip
    page.wait_for_selector("#forget:visible")
    page.set_input_files("#opened", server.folder / "spin.gif")
    until(page, "!graf.page.panels.direct.film.poses")


def test_a_file_is_dropped_onto_the_page(server: Running, browser: Browser) -> None:
    with opened(server, browser, but="422") as page:
        recipe = json.loads(saved(page, "#recipe"))
        recipe["plan"]["view"]["azimuth"] = [91]
        page.evaluate(DROP, ["car.recipe.json", json.dumps(recipe)])
        until(page, "graf.page.look.azimuth === 91")
        page.evaluate(DROP, ["note.txt", "nothing of graf's"])
        until(page, "document.getElementById('notice').classList.contains('wrong')")
        assert page.inner_text("#notice-text").endswith(".")
        page.click("#notice-close")
        assert page.is_hidden("#notice")
        assert look(page)["azimuth"] == 91


def test_a_family_without_a_volume_is_streamed(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EG3D: small frames while it moves, sliders of its own, raw colours, and the very picture."""
    model = FAMILIES / "eg3d" / "cases" / "ffhq64.pkl"
    server = Running(tmp_path, model)
    with opened(server, browser) as page:
        before = page.evaluate("graf.page.screen.drawn")
        page.press("#picture", "ArrowLeft")
        until(page, f"graf.page.screen.drawn > {before}")
        assert page.is_hidden("#live")
        page.click("#tab-explore")
        page.fill("[data-control=conditioning-azimuth] input[type=number]", "12")
        page.keyboard.press("Tab")
        assert look(page)["controls"] == {"conditioning-azimuth": 12}
        page.click("#tab-look")
        page.click("[data-kind=raw]")
        exact(page)
        assert page.inner_text("#badge").startswith("Exact · 64 × 64")
        picture = saved(page, "#save")
        told = line(page).replace(model.name, str(model))
        drawn(told, tmp_path, monkeypatch)
        assert (tmp_path / "line.png").read_bytes() == picture
    assert server.end(signal.SIGTERM)[0] == 143


def test_a_page_begins_whatever_fails_at_the_start(browser: Browser, tmp_path: Path) -> None:
    """Files that do not come, a program that ends before it has opened, one that fails once."""
    os.mkfifo(tmp_path / "gate")
    server = Running(tmp_path, program=HELD)
    context = browser.new_context(viewport={"width": 500, "height": 260})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    failing = ["view/view.css", "view/parts.js"]

    def route(asked: Route) -> None:
        if any(asked.request.url.endswith(one) for one in failing):
            asked.abort("connectionreset")
        else:
            asked.continue_()

    page.route("**/*", route)
    page.goto(server.address)
    page.wait_for_selector("#ended:visible")
    assert page.inner_text("#ended") == "A part of this page did not come; it is looked for again."
    failing.clear()
    page.wait_for_selector("#badge:has-text('Loading the model…')")
    assert page.is_hidden("#ended")
    server.process.kill()
    server.process.communicate()
    page.wait_for_selector("#ended:has-text('The program has ended.')")
    server.start()
    page.wait_for_selector("#ended", state="hidden")
    page.wait_for_selector("#badge:has-text('Loading the model…')")
    assert not page.evaluate("graf.page.facts")
    (tmp_path / "gate").write_bytes(b"go on")
    exact(page)
    assert page.is_hidden("#notice")
    context.close()
    assert server.end(signal.SIGINT)[0] == 130


def test_without_a_model_any_can_be_chosen(browser: Browser, tmp_path: Path) -> None:
    """A list that showed its first model would not tell of that one when it is chosen."""
    model = tmp_path / "damaged.safetensors"
    model.write_bytes(b"hello")
    server = Running(tmp_path, model)
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(server.address)
    page.wait_for_selector("#notice:has-text('damaged.safetensors')")
    assert page.inner_text("#badge") == "No model"
    until(page, "document.getElementById('model').options.length > 1")
    assert page.input_value("#model") == ""
    page.evaluate("graf.page.choose('none:1')")
    until(page, "document.getElementById('notice-text').textContent.includes('none')")
    assert page.input_value("#model") == ""
    page.evaluate("graf.page.fetched({ done: 1.2e6, total: 4e6 })")
    assert page.inner_text("#badge") == "Downloading, 1.2 MB of 4.0"
    assert page.is_visible("#fetching")
    page.close()
    assert server.end(signal.SIGINT)[0] == 130


def test_a_page_is_told_why_it_has_no_socket(server: Running, browser: Browser) -> None:
    """As the seventeenth: a socket that is refused says nothing of it."""
    with opened(server, browser, but="503") as page:
        refuse = {"status": 503, "body": "16 pages are open, and no more can be; close one."}
        page.route("**/live", lambda route: route.fulfill(**refuse))
        page.evaluate("graf.page.link.open = () => {}; graf.page.link.socket.close()")
        page.wait_for_selector("#ended:has-text('16 pages are open')")


def test_a_phone_has_all_buttons_in_sight(server: Running, browser: Browser) -> None:
    """In one row below the line, or two of two where not even that fits."""
    for width, rows in ((390, 1), (340, 2)):
        page = browser.new_page(viewport={"width": width, "height": 700})
        page.goto(server.address)
        tops = page.evaluate(
            "[...document.querySelectorAll('footer button')].map((one) => one.offsetTop)"
        )
        assert [tops.count(top) for top in sorted(set(tops))] == [4 // rows] * rows
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.close()


def test_a_link_that_cannot_be_shown_opens_with_the_first_view(
    server: Running, browser: Browser
) -> None:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{server.address}#" + quote(json.dumps({"look": {"azimut": 3}})))
    exact(page)
    assert "azimut" in page.inner_text("#notice-text")
    assert "azimut" not in look(page)
    page.close()


def test_a_program_that_was_killed_is_found_again(server: Running, browser: Browser) -> None:
    with opened(server, browser, but="ERR_CONNECTION") as page:
        page.fill("[aria-label=Azimuth]", "77")
        page.press("[aria-label=Azimuth]", "Enter")
        exact(page)
        server.process.kill()
        server.process.communicate()
        page.wait_for_selector("#ended:visible")
        again = f"graf view --checkpoint {MODEL} --port {server.port} --token {TOKEN} and"
        assert again in page.inner_text("#ended")
        server.start()
        page.wait_for_selector("#ended", state="hidden")
        exact(page)
        assert look(page)["azimuth"] == 77
