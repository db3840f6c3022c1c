"""A picture depends on its shot and its series alone, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import graf_cli
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.model.generator import Generator, load_checkpoint
from graf_cli.rendering.fast.objects import Objects
from graf_cli.rendering.renderer import Frame, Renderer, RenderOptions, Series, Shot
from tests.conftest import CPU, small_generator, small_spec
from tests.rendering.fast import crafted
from tests.rendering.fast.twins import camera, shot

TOYS = Path(graf_cli.__file__).parent / "assets" / "toy-cars.safetensors"
TURN = 12
TWO_PASSES = NetworkSpec(width=32, multires=4, multires_views=2, samples=16, importance=12)


@dataclass(frozen=True)
class Subject:
    """What is turned, and how large its pictures are."""

    make: Callable[[], Generator]
    size: int


SUBJECTS = {
    "toy cars": Subject(lambda: load_checkpoint(TOYS, None, CPU), 48),
    "object": Subject(lambda: crafted.tent((0.1, 0.0, -0.1), (0.6, 0.8, 0.5)), 48),
    "thin sheet": Subject(lambda: crafted.tent((0.013, 0, 0), (0.01, 0, 0)), 32),
    "haze": Subject(lambda: crafted.constant(1e-3), 24),
    "random": Subject(small_generator, 40),
    "two passes": Subject(
        lambda: small_generator(small_spec(TWO_PASSES, LatentSpec(dim=8, dim_appearance=2))), 32
    ),
}


@pytest.fixture(scope="module", params=SUBJECTS)
def turn(request: pytest.FixtureRequest) -> Turn:
    subject = SUBJECTS[request.param]
    return Turn(subject.make(), subject.size)


class Turn:
    """A turntable drawn in order, and the same pictures drawn in other ways."""

    def __init__(self, generator: Generator, size: int) -> None:
        self.generator, self.size = generator, size
        self.shots = self.about(seed=3)
        self.series = Series(self.shots[0], TURN)
        self.frames = [*self.drawn(Renderer(generator), range(TURN))]

    def about(self, seed: int) -> list[Shot]:
        """Shots of a turntable about the object of a seed."""
        spec = self.generator.spec
        middle = sum(spec.camera.elevation) / 2
        return [
            shot(
                self.generator,
                camera(self.generator, 360 * k / TURN, middle, size=self.size),
                seed=seed,
            )
            for k in range(TURN)
        ]

    def drawn(self, renderer: Renderer, pictures: Iterable[int]) -> list[Frame]:
        """Some of the pictures by a renderer, in an order."""
        return [renderer.render(self.shots[k], self.series) for k in pictures]

    def assert_same(self, pictures: Sequence[int], frames: Sequence[Frame]) -> None:
        """The pictures are those that were drawn in order."""
        for k, found in zip(pictures, frames, strict=True):
            for key in ("rgb", "depth", "opacity"):
                whole, alone = getattr(self.frames[k], key), getattr(found, key)
                assert np.array_equal(whole, alone), f"{key} of picture {k}"


def test_each_alone(turn: Turn) -> None:
    for k in (0, 1, 7, 11):
        turn.assert_same([k], turn.drawn(Renderer(turn.generator), [k]))


def test_in_any_order_and_more_than_once(turn: Turn) -> None:
    order = [5, 2, 11, 0, 8, 2, 0]
    turn.assert_same(order, turn.drawn(Renderer(turn.generator), order))


@pytest.mark.parametrize("chunk", [257, 1 << 14])
def test_with_other_chunks(turn: Turn, chunk: int) -> None:
    some = [0, 4, 9]
    renderer = Renderer(turn.generator, RenderOptions(chunk=chunk))
    turn.assert_same(some, turn.drawn(renderer, some))


def test_after_other_jobs_that_share_their_grids(turn: Turn) -> None:
    objects = Objects(turn.generator)
    before = Renderer(turn.generator, objects=objects)
    for other in (turn.about(seed=4)[2], *turn.shots[3:6:2]):
        before.render(other)  # of another series: finer or coarser grids
    Renderer(turn.generator, objects=objects).render(turn.shots[6], turn.series)
    some = [9, 1, 0]
    shared = Renderer(turn.generator, objects=objects)
    turn.assert_same(some, turn.drawn(shared, some))


def test_an_object_in_between_changes_nothing(turn: Turn) -> None:
    renderer = Renderer(turn.generator)
    frames = []
    for k in (3, 10):
        frames += turn.drawn(renderer, [k])
        renderer.render(turn.about(seed=5)[k])
    turn.assert_same([3, 10], frames)


def test_one_picture_that_is_hard_leaves_the_others_alone(
    turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer = Renderer(turn.generator)
    turn.drawn(renderer, [0])
    with monkeypatch.context() as patch:
        patch.setattr("graf_cli.rendering.fast.attempt.difference", lambda *_: 1.0)
        turn.drawn(renderer, [1])
        assert renderer.outcome.path == "plain"
    turn.assert_same([2, 1], turn.drawn(renderer, [2, 1]))


def test_with_more_threads(turn: Turn) -> None:
    some = [0, 6]
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        turn.assert_same(some, turn.drawn(Renderer(turn.generator), some))
    finally:
        torch.set_num_threads(before)
