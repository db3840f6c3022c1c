"""How soon `graf view` shows what a person waits for, with the toy cars.

``python -m benchmarks.view [--objects 3] [--turns 5]``

A server in a process of its own and headless Chromium, which draws with SwiftShader on the same
processor; the stage is 800 × 600 pixels. Seconds are from what a person does until it is on the
screen:

* *usable*: from the start of the command until its page shows an object, less what `import torch`
  alone takes;
* *new shape*: from a click on the dice until the new object is seen, and until its volumes, the
  coarse one and the finer one, can be turned;
* *exact*: from the last movement until the exact picture of 256² pixels, with the pause by which
  the page knows that nothing moves;
* *turning*: the turntable's frames a second, and its share of the window's pixels along a side;
* *input*: milliseconds from a key to the frame that shows it, of the volume and of small frames.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.page import COUNT, FLAGS, SETTLE

STAGE = (800, 600)
KEYS = 20  # of each kind of input
PATIENCE = 60_000  # milliseconds
LONGEST = 20_000  # milliseconds: a machine that bakes slowly is spared a finer volume

# What a page says, watched once a frame; the time is that of the frame after, when it is seen.
UNTIL = """(said) => {{
  const [what, end] = [{said}, performance.now() + {longest}];
  return new Promise((done) => {{
    const look = () => what() ? requestAnimationFrame(() => done(performance.now()))
      : performance.now() > end ? done(Infinity) : requestAnimationFrame(look);
    look();
  }});
}}"""
KEY = """async (said) => {{
  const {{ page }} = graf;
  const canvas = document.getElementById("picture");
  await new Promise((done) => setTimeout(done, 5 + 40 * Math.random()));
  const before = {before};
  const start = performance.now();
  canvas.dispatchEvent(new KeyboardEvent("keydown", {{ key: "ArrowLeft", bubbles: true }}));
  while ({before} === before) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}}"""
TURNING = f"""async () => {{
  const {{ screen, panels }} = graf.page;
  panels.look.turntable(true);
  await new Promise((done) => setTimeout(done, {SETTLE}));
  const [start, from] = [performance.now(), screen.frames];
  await new Promise((done) => setTimeout(done, {COUNT}));
  const each = (1000 * (screen.frames - from)) / (performance.now() - start);
  panels.look.turntable(false);
  return [each, screen.share];
}}"""


def until(page: Page, said: str) -> float:
    """Seconds of the page's clock at which something became so; infinite where it does not."""
    script = UNTIL.format(said=f"() => {said}", longest=LONGEST)
    return float(page.evaluate(script)) / 1000


def clicked(page: Page, button: str) -> float:
    """Seconds of the page's clock at which a button was clicked."""
    return float(
        page.evaluate(
            f"() => {{ const at = performance.now(); document.getElementById('{button}').click();"
            " return at; }"
        )
    ) / 1000  # fmt: skip


def importing() -> float:
    """Seconds of a process that imports torch."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        taken.append(time.perf_counter() - start)
    return min(taken)


@contextmanager
def opened(browser: Browser) -> Iterator[tuple[Page, float, float]]:
    """A page of a new server; when it printed its address, and when it showed an object."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "graf_cli", "view", "--no-browser", "--port", "0"],
            cwd=folder, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        printed = time.perf_counter() - start
        page = browser.new_page(viewport={"width": 1140, "height": 700})
        page.set_default_timeout(PATIENCE)
        try:
            page.goto(address)
            until(page, "graf.page.screen.shown")
            shown = time.perf_counter() - start
            width, height = page.evaluate("graf.page.screen.size")
            page.set_viewport_size(
                {"width": 1140 + STAGE[0] - width, "height": 700 + STAGE[1] - height}
            )
            yield page, printed, shown
        finally:
            page.close()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def dice(page: Page) -> dict[str, float]:
    """A new object."""
    until(page, "graf.page.exact")
    drawn, volumes = page.evaluate("[graf.page.screen.drawn, graf.page.volumes || 0]")
    start = clicked(page, "dice")
    seen = until(page, f"graf.page.screen.drawn > {drawn}")
    coarse = until(page, f"graf.page.volumes > {volumes}")
    fine = until(page, f"graf.page.volumes > {volumes + 1}")
    return {"seen": seen - start, "coarse": coarse - start, "fine": fine - start}


def resting(page: Page, keys: int) -> float:
    """Seconds from the last movement to the exact picture."""
    start = 0.0
    for _ in range(keys):
        start = float(page.evaluate(
            "() => { document.getElementById('picture').dispatchEvent(new KeyboardEvent('keydown',"
            " { key: 'ArrowLeft', bubbles: true })); return performance.now(); }"
        )) / 1000  # fmt: skip
    return until(page, "graf.page.exact") - start


def inputs(page: Page, before: str) -> list[float]:
    """Milliseconds from keys to what shows them."""
    return [float(page.evaluate(KEY.format(before=before))) for _ in range(KEYS)]


def told(name: str, values: list[float], unit: str) -> None:
    """A line of the table: the median, and the worst."""
    print(f"{name:<28}{statistics.median(values):8.2f}{max(values):8.2f} {unit}", flush=True)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=int, default=3)
    parser.add_argument("--turns", type=int, default=5)
    given = parser.parse_args()
    chromium = os.environ.get("GRAF_CHROMIUM") or shutil.which("chromium")
    torch = importing()
    with sync_playwright() as run:
        browser = run.chromium.launch(executable_path=chromium, args=[*FLAGS])
        print(f"{'':<28}{'median':>8}{'worst':>8}", flush=True)
        with opened(browser) as (page, printed, shown):
            told("import torch", [torch], "s")
            told("address printed", [printed - torch], "s after torch")
            told("usable", [shown - torch], "s after torch")
            page.select_option("#size", "256x256")
            rows = [dice(page) for _ in range(given.objects)]
            for name in rows[0]:
                told(f"new shape, {name}", [row[name] for row in rows], "s after the dice")
            told("exact, 256²", [resting(page, 3) for _ in range(given.turns)], "s after resting")
            page.select_option("#size", "")
            each, share = page.evaluate(TURNING)
            told("turning", [each], "frames a second")
            told("turning", [share], "of the pixels along a side")
            told("input, volume", inputs(page, "graf.page.screen.frames"), "ms")
            page.click("[data-kind=depth]")
            inputs(page, "graf.page.screen.drawn")  # until they are as large as is quick
            told("input, small frames", inputs(page, "graf.page.screen.drawn"), "ms")
        browser.close()


if __name__ == "__main__":
    main()
