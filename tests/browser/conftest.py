"""One Chromium for the tests of a module; they skip where there is none, unless one is required."""

from __future__ import annotations

import base64
import io
import os
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from graf_cli.arrays import Array

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

REQUIRED = bool(os.environ.get("GRAF_REQUIRE_BROWSER"))  # as in CI: none is a failure, no skip
playwright: Any = None
if REQUIRED or find_spec("playwright") is not None:
    playwright = import_module("playwright.sync_api")

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--force-color-profile=srgb", "--no-sandbox",
)  # fmt: skip
# Read before the suite hides the user's settings.
CHROMIUM = os.environ.get("GRAF_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)

Open = Callable[..., "Page"]


# Of a module, since its event loop would stand in the way of tests that have one of their own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless, drawing in software."""
    if CHROMIUM is None:
        assert not REQUIRED, "no Chromium: install one, or name it in GRAF_CHROMIUM"
        pytest.skip("no Chromium; install one, or name it in GRAF_CHROMIUM")
    if playwright is None:
        pytest.skip("no playwright; it is among what the tests need")
    with playwright.sync_playwright() as run:
        started = run.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        yield started
        started.close()


@pytest.fixture
def show(browser: Browser) -> Iterator[Open]:
    """Opens a page's file; any request but for the file itself fails the test, and so do errors."""
    contexts: list[BrowserContext] = []
    strange: list[str] = []

    def opened(path: Path, script: str = "", *, ready: bool = True, **settings: Any) -> Page:
        settings = {"viewport": {"width": 320, "height": 320}, **settings}
        context = browser.new_context(**settings)
        contexts.append(context)

        def meet(route: Route) -> None:
            if route.request.url != path.as_uri():
                strange.append(route.request.url)
                route.abort()
            else:
                route.continue_()

        context.route("**/*", meet)
        page = context.new_page()
        page.on("pageerror", lambda error: strange.append(str(error)))
        page.on("console", lambda line: strange.append(line.text) if line.type == "error" else None)
        if script:
            page.add_init_script(script)
        page.goto(path.as_uri())
        if ready:
            page.evaluate("graf.ready")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert strange == []


def pixels(page: Page, **view: object) -> Array:
    """What the page says that it shows, shape = (H, W, 4), in [0, 1]."""
    return decoded(page.evaluate("view => graf.pixels(view)", view))


def decoded(url: str) -> Array:
    """A PNG data URL, likewise."""
    head, _, data = url.partition(",")
    assert head == "data:image/png;base64"
    return read_png(base64.b64decode(data))


def read_png(data: bytes) -> Array:
    """Shape = (H, W, 4), in [0, 1]."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"), dtype=np.float64) / 255


def decibels(a: Array, b: Array) -> float:
    """Peak signal to noise of colours in [0, 1]."""
    return float(-10 * np.log10(np.mean((a - b) ** 2) + 1e-10))
