"""Every family on a real CUDA device: the CPU's pictures, by every way; skipped without one.

Bounds are of float32: sums of two devices run in other orders, and sines and exponentials may
differ in the last bit. Where a second pass takes its samples is decided by comparing such sums,
so that single pixels may jump there; of these nearly all have to be alike.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import graf_cli as library
from graf_cli.measure import turntable_shot
from graf_cli.model.generator import Generator, load_checkpoint
from graf_cli.rendering.integrator import integrate
from graf_cli.rendering.renderer import Frame, Renderer, RenderOptions, Series, Shot
from graf_cli.rendering.tracer import GPU_CHUNK
from graf_cli.scene.camera import rays
from tests.cli.conftest import Run, run
from tests.conftest import CPU, REFERENCE
from tests.devices.pretended_gpu import MOST_WAITS, shots

__all__ = ["run"]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

FAMILIES = Path(__file__).parents[1] / "families"
CUDA = torch.device("cuda")
EXACTLY, MEAN = 2e-4, 1e-5  # a colour or an opacity of one pass, as `tools.parity` has it of GRAF
NEARLY, SHARE, MEAN_NEARLY = 1e-3, 0.99, 1e-4  # the same of two passes
BESIDE = 2.0  # times the promise: a proof looks at some rays, this test at all


@dataclass(frozen=True)
class Model:
    """A small measured checkpoint.

    Attributes
    ----------
    name : str
    checkpoint : Path
    config : Path or None
    passes : int
    size : int or None
        Of pictures; None is the model's own, the only one of some.
    """

    name: str
    checkpoint: Path
    config: Path | None
    passes: int = 1
    size: int | None = 24

    @property
    def words(self) -> tuple[object, ...]:
        """On a command line."""
        config = () if self.config is None else ("--config", self.config)
        return ("--checkpoint", self.checkpoint, *config)

    def on(self, device: torch.device) -> Generator:
        """Ready to draw."""
        return load_checkpoint(self.checkpoint, self.config, device)

    def shot(self, generator: Generator, azimuth: float = 30.0) -> Shot:
        """Of a turntable."""
        return turntable_shot(generator, azimuth, 0, self.size or generator.spec.size)


def _beside(family: str, name: str, config: str | None = None) -> tuple[Path, Path | None]:
    folder = FAMILIES / family / "cases"
    return folder / name, None if config is None else folder / config


MODELS = [
    Model("graf", REFERENCE / "cars.pt", REFERENCE / "cars.json"),
    Model("graf-two", REFERENCE / "hierarchical.pt", REFERENCE / "hierarchical.json", passes=2),
    Model("nerf", *_beside("nerf", "lego.tar", "lego.txt"), passes=2),
    Model("pigan", *_beside("pigan", "celeba_generator.pth"), passes=2),
    Model("giraffe", *_beside("giraffe", "cars.pt", "cars.json"), size=None),
    Model("eg3d", *_beside("eg3d", "ffhq64.pkl"), passes=2, size=None),
]
EVERY = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def pictured(frame: Frame) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Colours and opacity, shape = (H, W, 4)."""
    return np.concatenate((frame.rgb, frame.opacity[..., None]), axis=-1)


def pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    with Image.open(path) as file:
        return np.asarray(file).astype(np.int64)


@contextmanager
def waits(then: str) -> Iterator[None]:
    """What PyTorch does meanwhile when the host waits for the device: ``warn`` or ``error``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this is a prototype
        torch.cuda.set_sync_debug_mode(then)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def exactly(generator: Generator, shot: Shot) -> Frame:
    return Renderer(generator, RenderOptions(exact=True)).render(shot)


@EVERY
def test_the_exact_picture_is_the_cpus(model: Model) -> None:
    expected, found = (
        exactly(generator, model.shot(generator)) for generator in map(model.on, (CPU, CUDA))
    )
    off = np.abs(pictured(found) - pictured(expected))
    if model.passes == 1:
        assert off.max() <= EXACTLY
        assert off.mean() <= MEAN
    else:
        assert (off <= NEARLY).mean() >= SHARE
        assert off.mean() <= MEAN_NEARLY
    something = expected.opacity > 1e-2
    depth = np.abs(found.depth - expected.depth)[something] / max(float(expected.depth.max()), 1e-6)
    assert depth.size == 0 or np.quantile(depth, SHARE) <= NEARLY


@EVERY
def test_the_fast_path_keeps_its_promise(model: Model) -> None:
    generator = model.on(CUDA)
    renderer = Renderer(generator)
    series = Series(model.shot(generator), 200)
    for azimuth in (30.0, 75.0):
        shot = model.shot(generator, azimuth)
        off = np.abs(pictured(renderer.render(shot, series)) - pictured(exactly(generator, shot)))
        outcome = renderer.outcome
        told = f"{outcome.path}, {outcome.precision}, {outcome.difference:.1e} proved"
        assert off.max() <= BESIDE * outcome.promise, told
        assert outcome.difference <= outcome.promise


@EVERY
def test_a_picture_is_the_same_to_the_last_bit(model: Model) -> None:
    generator = model.on(CUDA)
    shot = model.shot(generator)
    for options in (RenderOptions(), RenderOptions(exact=True)):
        first, second = (
            Renderer(generator, options).render(shot, Series(shot, 200)) for _ in range(2)
        )
        assert np.array_equal(pictured(first), pictured(second), equal_nan=True)
        assert np.array_equal(first.depth, second.depth, equal_nan=True)


@EVERY
def test_float16_and_tf32_by_name_are_drawn(model: Model) -> None:
    generator = model.on(CUDA)
    shot = model.shot(generator)
    truth = pictured(exactly(generator, shot))
    for precision in ("float32", "tf32", "float16", "bfloat16"):
        frame = Renderer(generator, RenderOptions(precision=precision)).render(shot)  # type: ignore[arg-type]
        assert np.isfinite(frame.rgb).all()
        assert np.abs(pictured(frame) - truth).mean() <= 1e-2, precision


@EVERY
def test_a_turn_from_the_command_line(model: Model, run: Run, tmp_path: Path) -> None:
    size = () if model.size is None else ("--size", model.size)
    words = ("render", *model.words, *size, "--azimuth", "0:60", "--frames", 3, "--exact")
    for device in ("cpu", "cuda"):
        run(*words, "--device", device, "--out", f"{device}/")
    for path in sorted((tmp_path / "cpu").glob("*.png")):
        ours, theirs = (pixels(tmp_path / place / path.name) for place in ("cuda", "cpu"))
        off = np.abs(ours - theirs)
        assert (off <= 1).mean() >= SHARE
    assert len(list((tmp_path / "cuda").glob("*.png"))) == 3


@EVERY
def test_samples_and_data_sets_from_the_command_line(
    model: Model, run: Run, tmp_path: Path
) -> None:
    size = () if model.size is None else ("--size", 16)
    if model.name != "nerf":  # one scene has no samples
        run("sample", *model.words, *size, "--n", 2, "--device", "cuda", "--out", "samples/")
        assert len(list((tmp_path / "samples").glob("*.png"))) == 2
        run("dataset", *model.words, *size, "--n", 1, "--views", 2, "--device", "cuda",
            "--out", "set")  # fmt: skip
        assert list((tmp_path / "set").rglob("*.png"))


@pytest.mark.parametrize("model", [MODELS[0], *MODELS[2:4], MODELS[5]], ids=lambda m: m.name)
def test_densities_are_the_cpus(model: Model, run: Run, tmp_path: Path) -> None:
    found = {}
    for device in ("cpu", "cuda"):
        run("export", *model.words, "--resolution", 16, "--device", device,
            "--out", f"{device}.npz")  # fmt: skip
        with np.load(tmp_path / f"{device}.npz") as file:
            found[device] = file["density"], file["box"]
    (ours, our_box), (theirs, their_box) = found["cuda"], found["cpu"]
    if np.allclose(our_box, their_box):  # a scout at reduced precision may see a cell more
        scale = float(np.abs(theirs).max())
        assert np.abs(ours - theirs).max() <= 1e-3 * scale


def test_a_mesh_and_a_page_are_made(run: Run, tmp_path: Path) -> None:
    for name in ("a.ply", "a.splat.ply", "a.html"):
        run("export", *MODELS[0].words, "--resolution", 16, "--device", "cuda", "--out", name)
        assert (tmp_path / name).stat().st_size > 0


def test_a_photograph_is_inverted(run: Run, tmp_path: Path) -> None:
    cars = MODELS[0].words
    run("render", *cars, "--seed", 3, "--azimuth", 20, "--elevation", 30, "--size", 16,
        "--device", "cuda", "--out", "photo.png")  # fmt: skip
    done = run("invert", "photo.png", *cars, "--size", 8, "--samples", 8, "--starts", 1,
               "--azimuth", 20, "--elevation", 30, "--device", "cuda", "--out", "found.json",
               "--json")  # fmt: skip
    assert json.loads(done.stdout)["psnr"][0] > 10


def test_a_search_for_the_camera_runs_too() -> None:
    generator = MODELS[0].on(CUDA)
    photo = library.render(generator, seed=3, size=16, azimuth=20, elevation=30).rgb.clip(0, 1)
    found = library.invert(generator, photo, size=(8, 8), samples=8, starts=1, seconds=3.0)
    assert np.isfinite(found.psnr[0])


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda model: model.name)
def test_the_exact_integrator_never_waits_for_the_device(model: Model) -> None:
    generator = model.on(CUDA)
    shot = model.shot(generator)
    with torch.inference_mode():
        scene = generator.scene(shot.subject, samples=shot.samples, camera=shot.camera)
        through = rays(shot.camera, device=CUDA, dtype=torch.float32)
        integrate(scene, through, chunk=GPU_CHUNK)
        with waits("error"):
            integrate(scene, through, chunk=GPU_CHUNK)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_fast_path_seldom_waits(model: Model) -> None:
    """As often as on the pretended device, whose waits have a bound."""
    generator = model.on(CUDA)
    seen = [model.shot(generator, 30), model.shot(generator, 120)]
    if model.name == "graf":
        seen = shots(generator)
    renderer = Renderer(generator)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with waits("warn"):
            for shot in seen:
                renderer.render(shot, Series(seen[0], 1000))
    count = sum("synchronizing CUDA" in str(one.message) for one in told)
    assert 0 < count <= 4 * MOST_WAITS, f"the host waited {count} times"


def test_precision_that_the_program_allows_does_not_reach_exact_pictures() -> None:
    """A program may have allowed TF32 for its own work, and keeps it."""
    generator = MODELS[0].on(CUDA)
    shot = MODELS[0].shot(generator)
    expected = exactly(generator, shot)
    matmul = torch.backends.cuda.matmul
    before, matmul.allow_tf32 = matmul.allow_tf32, True
    try:
        found = exactly(generator, shot)
        assert matmul.allow_tf32
    finally:
        matmul.allow_tf32 = before
    assert np.array_equal(pictured(found), pictured(expected))
