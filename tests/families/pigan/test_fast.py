"""The fast path of two passes that keep what the first one saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from graf_cli.families.pigan.config import RELEASED
from graf_cli.families.pigan.network import Network
from graf_cli.families.pigan.spec import Spec
from graf_cli.model.generator import Generator
from graf_cli.rendering.renderer import Frame, Renderer, RenderOptions, Series, Shot
from graf_cli.scene.camera import Camera
from graf_cli.scene.spec import ModelSpec
from tests.families.pigan.models import CPU, SMALL, camera, random_network, subject
from tools.pigan_head import load

HEAD = Path(__file__).parent / "head.npz"
FACE = RELEASED["celeba"]


def generator(spec: Spec, network: Network) -> Generator:
    about = ModelSpec(
        name="one", family="pigan", size=24, camera=FACE.camera, background="black", settings=spec
    )
    return Generator(about, "0" * 64, network, CPU)


def seen(one: Generator, shot: Shot, **how: object) -> tuple[Frame, Renderer]:
    renderer = Renderer(one, RenderOptions(**how))  # type: ignore[arg-type]
    return renderer.render(shot, Series(shot, 200)), renderer


def shot_of(spec: Spec, through: Camera) -> Shot:
    return Shot(subject(spec), through, spec.samples, (0.0, 0.0, 0.0))


def head() -> tuple[Generator, Shot]:
    spec, network = load(HEAD)
    through = Camera(camera().pose, 24, 24, 17.0, 0.88, 1.12, pixels="corner", depths="ray")
    return generator(spec, network), shot_of(spec, through)


def dense(clamp: str, *, last_back: bool) -> tuple[Generator, Shot]:
    plain = msgspec.to_builtins(SMALL) | {"clamp": clamp, "last_back": last_back, "samples": 12}
    spec = msgspec.convert(plain, Spec)
    return generator(spec, random_network(spec)), shot_of(spec, camera(20))


CASES: dict[str, Callable[[], tuple[Generator, Shot]]] = {
    "head": head,
    "relu": lambda: dense("relu", last_back=False),
    "last_back": lambda: dense("relu", last_back=True),
    "softplus": lambda: dense("softplus", last_back=True),
}


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_evaluated_twice_and_the_picture_is_the_exact_one(name: str) -> None:
    one, shot = CASES[name]()
    fast, renderer = seen(one, shot)
    plain, _ = seen(one, shot, exact=True)
    outcome, rays = renderer.outcome, shot.camera.width * shot.camera.height
    assert outcome.path in ("fast", "folded")
    # Both passes, and the farthest sample of a ray once more where it fills what was missed.
    assert outcome.evaluated <= (2 * shot.samples + 1) * rays
    for found, truth in ((fast.rgb, plain.rgb), (fast.opacity, plain.opacity)):
        assert float(np.abs(found - truth).max()) <= 1e-3


def test_no_bit_depends_on_how_many_samples_go_together() -> None:
    one, shot = head()
    pictures = [seen(one, shot, chunk=chunk)[0] for chunk in (1 << 9, 1 << 14)]
    for part in ("rgb", "opacity", "depth"):
        assert np.array_equal(*(getattr(picture, part) for picture in pictures))


def test_empty_space_is_left_out() -> None:
    one, shot = head()
    _, renderer = seen(one, shot)
    outcome = renderer.outcome
    assert outcome.path == "fast"
    assert outcome.evaluated < 0.7 * 2 * shot.samples * shot.camera.width * shot.camera.height
