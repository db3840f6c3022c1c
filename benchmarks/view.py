"""How soon `graf view` answers: run as ``python -m benchmarks.view``, where there is a Chromium.

A page of toy cars at 800 × 600 (so much stage), in a headless Chromium that draws in software:

* usable: from the start of the program to the first picture, and of that the import of PyTorch;
* dice: from the click to the new object's first picture, and to its coarse volume;
* exact: from resting to the exact picture, 256²;
* turning: frames a second of the volume;
* input: from a key to a small frame that the program sends, of a depth picture.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

FLAGS = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox")
PANEL = 340  # pixels beside the stage
BARS = 98  # above and below it
TIMES = 5


def until(page: Page, said: str) -> float:
    """Seconds until the page says so."""
    start = time.perf_counter()
    page.evaluate(
        "new Promise((done) => { const look = () => "
        f"{{ if ({said}) done(); else setTimeout(look, 2); }}; look(); }})"
    )
    return time.perf_counter() - start


def measured(page: Page) -> dict[str, float]:
    """Medians of what a person waits for."""
    found: dict[str, list[float]] = {"dice": [], "volume": [], "exact": [], "input": []}
    page.evaluate("graf.page.change({ size: [256, 256] })")
    until(page, "graf.page.exact")
    for _ in range(TIMES):
        page.evaluate("void (window.before = graf.page.drawn, graf.page.volumes = 0)")
        page.press("#picture", "d")
        found["dice"].append(until(page, "graf.page.drawn > before"))
        found["volume"].append(found["dice"][-1] + until(page, "graf.page.volumes > 0"))
        until(page, "graf.page.exact")
        page.press("#picture", "ArrowRight")
        found["exact"].append(until(page, "graf.page.exact"))
    page.evaluate("graf.page.change({ size: null })")
    page.click("#turntable")
    before = page.evaluate("graf.page.screen.frames")
    start = time.perf_counter()
    page.wait_for_timeout(4000)
    frames = page.evaluate("graf.page.screen.frames") - before
    turning = frames / (time.perf_counter() - start)
    page.click("#turntable")
    page.click("[data-kind=depth]")
    for _ in range(TIMES):
        page.evaluate("void (graf.page.latency = 0)")
        page.press("#picture", "ArrowRight")
        until(page, "graf.page.latency > 0")
        found["input"].append(page.evaluate("graf.page.latency") / 1000)
    return {**{name: median(values) for name, values in found.items()}, "turning": turning}


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default=os.environ.get("GRAF_CHROMIUM", "chromium"))
    chromium = shutil.which(parser.parse_args().chromium)
    if chromium is None:
        sys.exit("There is no Chromium; name one with --chromium.")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - once there is a browser

    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    torch = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as run:
        browser = run.chromium.launch(executable_path=chromium, args=[*FLAGS])
        page = browser.new_page(viewport={"width": 800 + PANEL, "height": 600 + BARS})
        start = time.perf_counter()
        words = [sys.executable, "-m", "graf_cli", "view", "--no-browser", "--port", "0"]
        with subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            page.goto(program.stdout.readline().strip())
            until(page, "window.graf && graf.page.drawn > 0")
            usable = time.perf_counter() - start
            found = {"torch": torch, "usable": usable, **measured(page)}
            program.send_signal(signal.SIGINT)
        browser.close()
    print(json.dumps({name: round(value, 3) for name, value in found.items()}))


if __name__ == "__main__":
    main()
