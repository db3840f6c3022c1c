"""An egg with a pattern that a program can find again from other sides."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.model.generator import Generator
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from graf_cli.scene.spec import CameraSpec
from graf_cli.scene.volume import Quadrature, Scene
from tests.conftest import small_generator, small_spec
from tests.inversion.objects import Egg, Eggs

NARROW = CameraSpec(near=3.0, far=5.0, radius=(4.0, 4.0), fov=22.0, u=(0, 0.2), v=(0.3, 0.4))
SOFT = 100.0  # an outline of a hundredth, which 64 samples see
WAVES = 12  # of the pattern, across each other
SHORT = 30.0  # radians a unit of length, their standard deviation: spots of some pixels


class Painted(Egg):
    """Colours by waves in space, the same from every side."""

    def __init__(self, shape: Tensor, appearance: Tensor) -> None:
        super().__init__(shape, appearance, SOFT)
        source = torch.Generator(device="cpu").manual_seed(0)

        def drawn(*size: int) -> Tensor:
            return torch.randn(size, generator=source, device="cpu", dtype=torch.float32)

        self.waves, self.phases, self.paint = drawn(3, WAVES), drawn(WAVES), drawn(WAVES, 3)

    def radiance(self, features: Tensor, _: Tensor) -> Tensor:
        seen = torch.sin(features @ self.waves * SHORT + self.phases * SHORT)
        return torch.sigmoid(1.5 * seen @ self.paint)


@dataclass(frozen=True, eq=False)
class PaintedEggs(Eggs):
    """The same pattern on all of them."""

    def scene(self, subject: Subject, *, samples: int, camera: Camera | None = None) -> Scene:
        codes = {name: code.start for name, code in subject.codes.items()}
        egg = Painted(codes["shape"], codes["appearance"])
        return Scene((egg,), Quadrature(samples=samples), subject.key, subject.key)


def painted_eggs() -> Generator:
    """The generator; its spec is a GRAF's, whose name recipes know."""
    spec = small_spec(camera=NARROW)
    like = small_generator(spec)
    return PaintedEggs(spec, like.sha256, like.network, like.device, SOFT)
