"""A generator without a network: eggs, red in front and blue behind, and their photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import graf_cli as graf
from graf_cli.arrays import Array
from graf_cli.inversion.plan import Plan, SearchPlan, Stage
from graf_cli.model.generator import Generator
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.spec import CameraSpec
from graf_cli.scene.volume import Quadrature, Scene
from tests.conftest import small_generator, small_spec

CAMERA = CameraSpec(near=2.5, far=5.5, radius=(4.0, 4.0), fov=40.0, v=(0.0, 0.45))
PLAN = Plan(
    search=SearchPlan(size=16, codes=2, azimuths=12, elevations=6, kept=3),
    stages=(
        Stage(size=16, kept=3, rounds=1, steps=8, by="adam"),
        Stage(size=24, kept=1, rounds=2, steps=8, by="lbfgs"),
    ),
)


class Egg:
    """Longer by the first number of the shape, higher by the second; lighter by the appearance."""

    channels = 3

    def __init__(self, shape: Tensor, appearance: Tensor, hardness: float) -> None:
        self.hardness = hardness
        one = torch.ones((), device="cpu", dtype=torch.float32)
        self.axes = torch.stack((1 + 0.2 * shape[0], 0.5 * one, 0.5 + 0.1 * shape[1]))
        self.light = 0.1 * appearance

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return points, self.hardness * (1 - (points / self.axes).norm(dim=-1))

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        front = torch.sigmoid(4 * features[:, :1])
        above = torch.sigmoid(4 * features[:, 2:])
        colour = torch.cat((front, above * 0.6 + self.light[0], 1 - front + self.light[1]), dim=-1)
        return colour.clamp(0, 1)


@dataclass(frozen=True, eq=False)
class Eggs(Generator):
    """The eggs of codes of 4 and 2 numbers; soft ones have wide outlines, which gradients like."""

    hardness: float = 30.0

    def scene(self, subject: Subject, *, samples: int, camera: Camera | None = None) -> Scene:
        codes = {name: code.start for name, code in subject.codes.items()}
        egg = Egg(codes["shape"], codes["appearance"], self.hardness)
        return Scene((egg,), Quadrature(samples=samples), subject.key, subject.key)


def eggs(hardness: float = 30.0) -> Eggs:
    """The generator; its spec is a GRAF's, whose name recipes know."""
    spec = small_spec(camera=CAMERA)
    like = small_generator(spec)
    return Eggs(spec, like.sha256, like.network, like.device, hardness)


def photograph(generator: Generator, size: int = 24, samples: int = 32, **view: Any) -> Array:
    """Of the egg of seed 3; shape = (size, size, 3)."""
    frame = graf.render(generator, seed=3, size=size, samples=samples, **view)
    return frame.rgb.clip(0, 1)
