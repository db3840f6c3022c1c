"""Pages in a browser: pixels held against the exact integrator, and everything a hand can do."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

import graf_cli as graf
from graf_cli.cli.main import cli
from graf_cli.output.encode.shapes.page import write
from graf_cli.output.provenance import reading
from graf_cli.output.provenance.stamp import Stamp
from graf_cli.scene.spec import CameraSpec
from graf_cli.scene.volume import Quadrature
from graf_cli.surfaces.extract import extract
from graf_cli.surfaces.options import Export
from graf_cli.surfaces.shapes import Page
from tests.browser.conftest import Open, decibels, decoded, pixels, read_png
from tests.conftest import small_generator
from tests.surfaces.scenes import CAMERA, Objects, ball, glass, haze, plate, shiny, soft

if TYPE_CHECKING:
    from playwright.sync_api import Page as BrowserPage

SIZE = 48


def page_of(objects: Objects, path: Path, resolution: int = 32) -> Path:
    made = extract(
        objects, objects.shot(), objects.camera, Export(kind="page", resolution=resolution)
    )
    assert isinstance(made, Page)
    write(path, made, None)
    return path


def changed(spec: CameraSpec, **settings: Any) -> CameraSpec:
    return CameraSpec(**{**{key: getattr(spec, key) for key in spec.__struct_fields__}, **settings})


FIELDS = {
    "ball": (Objects(ball), 50),
    "shiny": (Objects(shiny), 26),
    "haze": (Objects(haze), 42),
    "glass": (Objects(glass), 46),
    "plate": (Objects(plate), 36),
    "softplus": (Objects(soft, Quadrature(48, activation="softplus", last="nothing")), 44),
    "two passes": (Objects(ball, Quadrature(32, further=64)), 46),
    "back": (Objects(haze, Quadrature(48, last_back=True), changed(CAMERA, u=(0.0, 0.1))), 33),
    "centres": (Objects(ball, camera=changed(CAMERA, pixels="centre", depths="ray")), 36),
    "parallel": (Objects(ball, camera=changed(CAMERA, orthographic=True)), 36),
    "ranges": (Objects(ball, camera=changed(CAMERA, radius=(3.5, 4.5))), 36),
    "pivot": (Objects(ball, camera=changed(CAMERA, pivot=(0.3, 0.0, 0.2))), 36),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_page_shows_what_the_exact_integrator_sees(show: Open, tmp_path: Path, name: str) -> None:
    objects, least = FIELDS[name]
    page = show(page_of(objects, tmp_path / "a.html"))
    radius = objects.camera.radius[1]
    for azimuth, elevation in ((20.0, 10.0), (30.0, 45.0)):
        view = {"azimuth": azimuth, "elevation": elevation, "radius": radius}
        seen = pixels(page, **view, width=SIZE, background="#ffffff")
        exact = objects.exact(objects.view(azimuth, elevation, SIZE))
        assert decibels(seen[..., :3], exact) > least


def test_the_lens_and_the_distance_are_those_of_the_command_line(
    show: Open, tmp_path: Path
) -> None:
    objects = Objects(ball)
    page = show(page_of(objects, tmp_path / "a.html"))
    for view in ({"radius": 5.0}, {"radius": 3.0, "fov": 60.0}, {"fov": 20.0}):
        seen = pixels(page, azimuth=30, elevation=20, width=SIZE, background="#ffffff", **view)
        exact = objects.exact(objects.view(30, 20, SIZE, **view))
        assert decibels(seen[..., :3], exact) > 34


def test_views_that_the_page_does_not_hold_are_refused(show: Open, tmp_path: Path) -> None:
    page = show(page_of(Objects(ball), tmp_path / "a.html", 16))
    told = "view => { try { graf.pixels(view); } catch (error) { return String(error); } }"
    assert "RangeError" in page.evaluate(told, {"elevation": -80})
    assert "RangeError" in page.evaluate(told, {"tilt": 3})
    assert "RangeError" in page.evaluate(told, {"azimuth": "north"})


def test_a_transparent_background_leaves_colours_as_they_are(show: Open, tmp_path: Path) -> None:
    page = show(page_of(Objects(glass), tmp_path / "a.html", 32))
    view = {"azimuth": 30, "elevation": 20, "width": SIZE}
    clear = pixels(page, **view, background="transparent")
    white = pixels(page, **view, background="#ffffff")
    alpha = clear[..., 3:]
    assert alpha.min() == 0
    assert alpha.max() > 0.99
    assert np.abs(clear[..., :3] * alpha + 1 - alpha - white[..., :3]).max() < 0.02


# what a hand can do


@pytest.fixture(scope="session")
def car(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a toy car, as the command line makes it."""
    path = tmp_path_factory.mktemp("car") / "car.html"
    words = ["export", "--seed", "3", "--resolution", "40", "--out", str(path)]
    done = CliRunner().invoke(cli, words, env={"GRAF_OFFLINE": "1"})
    assert done.exit_code == 0, done.output
    return path


def until(page: BrowserPage, condition: str) -> None:
    """Wait, a frame at a time; Playwright's own waiting would have the page evaluate text."""
    page.evaluate(
        f"new Promise(done => (function look() {{ if ({condition}) done(); "
        "else requestAnimationFrame(look); })())"
    )


def view_of(page: BrowserPage) -> dict[str, float]:
    """The view that the page's command line says, once it rests."""
    until(page, "graf.page.sharp && !graf.page.queued")
    words = shlex.split(page.evaluate("graf.page.command()"))
    return {
        key: float(words[words.index(f"--{key}") + 1])
        for key in ("azimuth", "elevation", "radius", "fov")
    }


def test_the_mouse_turns_and_the_wheel_zooms(show: Open, car: Path) -> None:
    page = show(car)
    before = view_of(page)
    page.mouse.move(150, 100)
    page.mouse.down()
    page.mouse.move(100, 120, steps=3)
    page.mouse.up()
    turned = view_of(page)
    assert turned["azimuth"] == pytest.approx(before["azimuth"] + 20, abs=0.01)
    assert turned["elevation"] == pytest.approx(before["elevation"] + 8, abs=0.01)
    page.mouse.wheel(0, -200)
    zoomed = view_of(page)
    assert zoomed["fov"] < turned["fov"]
    assert zoomed["radius"] == turned["radius"]
    page.keyboard.down("Shift")
    page.mouse.wheel(0, 200)
    page.keyboard.up("Shift")
    assert view_of(page)["radius"] > zoomed["radius"]
    page.mouse.move(150, 100)
    page.mouse.down()
    page.mouse.move(150, -200, steps=2)
    page.mouse.up()
    # No farther than the model's cameras, and a little.
    assert view_of(page)["elevation"] == pytest.approx(-5, abs=0.2)
    page.dblclick("#view")
    assert view_of(page) == before


def test_keys_do_all_of_it(show: Open, car: Path) -> None:
    page = show(car)
    before = view_of(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "view"
    for key, name, change in (
        ("ArrowRight", "azimuth", 5), ("Shift+ArrowLeft", "azimuth", -1),
        ("ArrowUp", "elevation", 5), ("ArrowDown", "elevation", -5),
    ):  # fmt: skip
        last = view_of(page)
        page.keyboard.press(key)
        assert view_of(page)[name] == pytest.approx(last[name] + change, abs=0.01)
    last = view_of(page)
    page.keyboard.press("+")
    assert view_of(page)["fov"] < last["fov"]
    page.keyboard.press("[")
    assert view_of(page)["radius"] > last["radius"]
    page.keyboard.press("Space")
    assert page.get_attribute("#turn", "aria-pressed") == "true"
    until(page, f"graf.page.orbit.view.azimuth !== {view_of_now(page)}")
    page.keyboard.press("Space")
    assert page.get_attribute("#turn", "aria-pressed") == "false"
    page.keyboard.press("Home")
    assert view_of(page) == before
    reached = []
    for _ in range(7):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached == ["turn", "reset", "background", "full", "save", "command", "copy"]
    assert page.inner_text("#status").startswith("Azimuth")


def view_of_now(page: BrowserPage) -> float:
    return float(page.evaluate("graf.page.orbit.view.azimuth"))


def test_fingers_turn_and_pinch(show: Open, car: Path) -> None:
    page = show(car, has_touch=True)
    before = view_of(page)
    touch = page.context.new_cdp_session(page)

    def fingers(kind: str, *points: tuple[int, int]) -> None:
        where = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": where})

    fingers("touchStart", (150, 100))
    fingers("touchMove", (140, 100))
    fingers("touchMove", (100, 100))
    fingers("touchEnd")
    turned = view_of(page)
    assert turned["azimuth"] > before["azimuth"] + 10
    fingers("touchStart", (140, 100), (180, 100))
    fingers("touchMove", (110, 100), (210, 100))
    fingers("touchEnd")
    assert view_of(page)["fov"] < 0.7 * turned["fov"]


def test_the_copied_line_renders_that_very_view(
    show: Open, car: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = show(
        car,
        viewport={"width": 100, "height": 240},
        permissions=["clipboard-read", "clipboard-write"],
    )
    page.focus("#view")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    view = view_of(page)
    page.focus("#view")
    page.keyboard.press("c")
    until(page, "document.getElementById('status').textContent.startsWith('Copied')")
    line = page.evaluate("navigator.clipboard.readText()")
    assert line == page.input_value("#command")
    words = shlex.split(line)
    assert words[:2] == ["graf", "render"]
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, words[1:], env={"GRAF_OFFLINE": "1"})
    assert done.exit_code == 0, done.output
    exact = read_png((tmp_path / "view.png").read_bytes())
    with page.expect_download() as saved:
        page.focus("#view")
        page.keyboard.press("s")
    seen = read_png(Path(saved.value.path()).read_bytes())
    assert seen.shape == exact.shape
    assert saved.value.suggested_filename == "view.png"
    assert decibels(seen, exact) > 26
    shown = decoded(page.evaluate("""() => new Promise(done => requestAnimationFrame(() => {
        graf.page.draw(false); done(graf.page.canvas.toDataURL("image/png")); }))"""))  # fmt: skip
    assert decibels(shown, seen) > 45
    assert view["azimuth"] == pytest.approx(float(words[words.index("--azimuth") + 1]))


def test_backgrounds(show: Open, car: Path) -> None:
    page = show(car)
    assert page.input_value("#background") == "#ffffff"
    page.select_option("#background", "#000000")
    assert pixels(page, width=16)[0, 0].tolist() == [0, 0, 0, 1]
    page.select_option("#background", "own")
    page.fill("#colour", "#336699")
    assert np.allclose(pixels(page, width=16)[0, 0, :3] * 255, (0x33, 0x66, 0x99))
    assert "--background '#336699'" in page.evaluate("graf.page.command()")
    page.select_option("#background", "transparent")
    assert pixels(page, width=16)[0, 0, 3] == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_small_windows_and_both_schemes(show: Open, car: Path, scheme: str) -> None:
    page = show(car, color_scheme=scheme, viewport={"width": 360, "height": 560})
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360
    ink, paper = page.evaluate(
        "['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name])"
    )
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (light[0] < light[1]) == (scheme == "light")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("HTMLCanvasElement.prototype.getContext = () => null", "needs WebGL2"),
        ("delete window.DecompressionStream", "needs DecompressionStream"),
    ],
)
def test_what_a_browser_lacks_is_said_in_a_sentence(
    show: Open, car: Path, script: str, told: str
) -> None:
    page = show(car, script, ready=False)
    page.wait_for_selector("#problem:not([hidden])")
    assert told in page.inner_text("#problem")
    assert page.evaluate("graf.ready.then(() => 'ready', () => 'failed')") == "failed"


def test_the_page_tells_what_it_is(show: Open, car: Path) -> None:
    page = show(car)
    assert page.title() == "toy-cars:128, seed 3"
    metas = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('meta[name]')]"
        ".map(meta => [meta.name, meta.content]))"
    )
    assert metas["DigitalSourceType"].endswith("trainedAlgorithmicMedia")
    assert json.loads(metas["graf.recipe"])["export"]["kind"] == "page"
    box = page.locator("#view")
    assert "toy-cars" in str(box.get_attribute("aria-label"))
    assert page.locator(f"#{box.get_attribute('aria-describedby')}").count() == 1


HOSTILE = (
    "\"></script><script>hacked = 1</script><img src=x onerror='hacked = 1'>&quot;--><!--{{volume}}"
)


def test_a_hostile_name_is_text_and_nothing_more(show: Open, tmp_path: Path) -> None:
    recipe = graf.sweep(small_generator(), seed=1, size=8)
    recipe = replace(recipe, model=replace(recipe.model, name=HOSTILE))
    objects = Objects(ball)
    made = extract(objects, objects.shot(), objects.camera, Export(kind="page", resolution=16))
    assert isinstance(made, Page)
    write(tmp_path / "a.html", made, Stamp(recipe))
    page = show(tmp_path / "a.html")
    assert page.title() == f"{HOSTILE}, seed 1"
    assert page.evaluate("typeof hacked") == "undefined"
    assert page.locator("img").count() == 0
    assert shlex.split(page.input_value("#command"))[2:4] == ["--checkpoint", "CHECKPOINT"]
    assert reading.read(tmp_path / "a.html").recipe("a.html") == recipe


def test_nothing_can_be_fetched_even_by_a_script(show: Open, tmp_path: Path) -> None:
    page = show(page_of(Objects(ball), tmp_path / "a.html", 16))
    policy = page.get_attribute("meta[http-equiv]", "content")
    assert str(policy).startswith("default-src 'none'; script-src 'sha256-")
    text = (tmp_path / "a.html").read_text()
    assert not re.findall(
        r"""(?:src|href)\s*=\s*["']|url\(|https?://""", text.partition("<style>")[2]
    )
