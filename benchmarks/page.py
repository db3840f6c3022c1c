"""How near a page is to the exact pictures of its object, and how fast it turns in software.

``python -m benchmarks.page [--resolution 128,192] [--objects 3] [--cache FOLDER]``

The toy cars and the views of `benchmarks.export`, in headless Chromium with SwiftShader, which
draws on the processor. Bytes are those of the whole file; *ready* is from opening it until the object is
on the screen; *turning* is the turntable's frames a second in a window of 800 × 600.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

import graf_cli as graf
from benchmarks.export import SEEDS, SIZE, VIEWS, pictures, psnr
from graf_cli.model.generator import Generator

FLAGS = (
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--force-color-profile=srgb", "--no-sandbox",
)  # fmt: skip
SETTLE, COUNT = 1500, 3000  # milliseconds until the turntable is steady, and that it is watched
TURNING = f"""async () => {{
  document.getElementById("turn").click();
  await new Promise((done) => setTimeout(done, {SETTLE}));
  let frames = 0;
  const start = performance.now();
  await new Promise((done) => {{
    const count = () => (frames++, performance.now() - start > {COUNT})
      ? done() : requestAnimationFrame(count);
    requestAnimationFrame(count);
  }});
  return (1000 * frames) / (performance.now() - start);
}}"""


def measured(
    browser: Browser, generator: Generator, seed: int, resolution: int, cache: Path | None
) -> dict[str, float]:
    """One page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        start = time.perf_counter()
        graf.export(generator, path, seed=seed, resolution=resolution)
        baked = time.perf_counter() - start
        page = browser.new_page(viewport={"width": 800, "height": 600})
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.evaluate("graf.ready")
        ready = time.perf_counter() - start
        found = []
        exact = pictures(generator, seed, SIZE, cache)
        for (azimuth, elevation), (_, rgb, _) in zip(VIEWS, exact, strict=True):
            view = {"azimuth": azimuth, "elevation": elevation, "width": SIZE}
            url = page.evaluate("view => graf.pixels(view)", {**view, "background": "#ffffff"})
            seen = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
            found.append(psnr(np.asarray(seen) / 255, rgb))
        turning = page.evaluate(TURNING)
        page.close()
        return {
            "MB": path.stat().st_size / 1e6, "dB": float(np.mean(found)),
            "bake s": baked, "ready s": ready, "turning /s": turning,
        }  # fmt: skip


def main() -> None:
    """Print a row an object and resolution."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--resolution", default="128,192")
    parser.add_argument("--objects", type=int, default=len(SEEDS))
    parser.add_argument("--cache", type=Path, help="folder of exact pictures, kept")
    given = parser.parse_args()
    if given.cache is not None:
        given.cache.mkdir(parents=True, exist_ok=True)
    generator = graf.load("toy-cars")
    chromium = os.environ.get("GRAF_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as run:
        browser = run.chromium.launch(executable_path=chromium, args=[*FLAGS])
        for resolution in map(int, given.resolution.split(",")):
            rows = []
            for seed in SEEDS[: given.objects]:
                rows.append(measured(browser, generator, seed, resolution, given.cache))
                told = ", ".join(f"{name} {value:.2f}" for name, value in rows[-1].items())
                print(f"{resolution}³, seed {seed}: {told}", flush=True)
            mean = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
            told = ", ".join(f"{name} {value:.2f}" for name, value in mean.items())
            print(f"{resolution}³, mean: {told}", flush=True)


if __name__ == "__main__":
    main()
