"""π-GANs whose fields were fitted to a head or a car: objects with empty space around them.

Random networks, as measured cases have them, are dense nearly everywhere, so that nothing of them
can be skipped. A trained one is not. ``python -m tools.pigan_head FILE.npz`` fits another head, in
two minutes on one core; `load` reads one, as wide as is wanted, `save` writes a checkpoint of it.

The head looks along our x axis, the way trained faces do. All codes are this head: the mapping
network gives no frequency and no phase but 0.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.families.pigan.checkpoint import AVERAGES, FREQUENCIES, GENERATOR, PHASES, filled
from graf_cli.families.pigan.config import RELEASED
from graf_cli.families.pigan.network import Field, Film, Network, Siren
from graf_cli.families.pigan.spec import Spec
from graf_cli.model.checkpoint import write_checkpoint
from graf_cli.scene.spec import ModelSpec

SPEC = Spec(siren="SPATIALSIRENBASELINE", z=16, hidden=64, mapping=16, last_back=True)
SIDE = 0.32  # of the cube that is fitted, world units
PEAK, EDGE = 60.0, 0.012  # raw density deep inside; how far in it is three quarters of that
STEPS, BATCH, RATE = 1500, 4096, 1e-3
Part = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class Body:
    """What is fitted, in a cube of side `SIDE`.

    Attributes
    ----------
    parts : tuple of pairs of 3 floats
        Centres and half axes of ellipsoids.
    """

    parts: tuple[Part, ...]


HEAD = Body(  # face, nose, shoulders, the back of the head
    (
        ((0.0, 0.0, 0.01), (0.075, 0.062, 0.085)),
        ((0.075, 0.0, 0.0), (0.02, 0.012, 0.022)),
        ((-0.01, 0.0, -0.13), (0.06, 0.11, 0.05)),
        ((-0.03, 0.0, 0.04), (0.07, 0.075, 0.085)),
    )
)
CAR = Body(  # body and cabin; of the size that CARLA's cars have in their pictures
    (
        ((0.0, 0.0, -0.01), (0.075, 0.032, 0.018)),
        ((-0.005, 0.0, 0.012), (0.042, 0.027, 0.016)),
    )
)
CPU = torch.device("cpu")


def wanted_density(points: Tensor, body: Body = HEAD) -> Tensor:
    """Raw density at points of our world, shape = (n, 3)."""
    inside = torch.stack([_inside(points, centre, axes) for centre, axes in body.parts])
    return torch.tanh(inside.amax(dim=0) / EDGE) * PEAK


def _inside(points: Tensor, centre: tuple[float, ...], axes: tuple[float, ...]) -> Tensor:
    """About how deep points lie in an ellipsoid; negative outside."""
    middle, half = (points.new_tensor(numbers) for numbers in (centre, axes))
    distance: Tensor = ((points - middle) / half).norm(dim=-1)
    return (1 - distance) * min(axes)


def wanted_colour(points: Tensor) -> Tensor:
    """Of skin that changes from place to place, shape = (n, 3)."""
    x, y, z = points.unbind(dim=-1)
    skin = (0.8 - 1.5 * (z - 0.02).abs(), 0.55 + 2 * x, 0.45 + 1.5 * y)
    return torch.stack(skin, dim=-1).clamp(0.05, 0.95)


def fit(steps: int = STEPS, body: Body = HEAD) -> dict[str, Tensor]:
    """Weights of sine layers and heads."""
    torch.manual_seed(0)
    siren = Siren(SPEC, device=CPU, dtype=torch.float32)
    _start(siren)
    field = Field(siren, Film.of(torch.zeros(2 * SPEC.film, device=CPU, dtype=torch.float32)))
    descent = torch.optim.Adam(siren.parameters(), RATE)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(descent, steps)
    for _ in range(steps):
        points = (torch.rand((BATCH, 3), device=CPU, dtype=torch.float32) - 0.5) * SIDE
        features, density = field.density(points)
        views = torch.randn((BATCH, 3), device=CPU, dtype=torch.float32)
        colour = field.radiance(features, views / views.norm(dim=-1, keepdim=True))
        apart = (density - wanted_density(points, body)) / PEAK
        loss = 4 * apart.square().mean() + (colour - wanted_colour(points)).square().mean()
        descent.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        descent.step()
        slower.step()
    return {name: one for name, one in siren.state_dict().items() if "mapping" not in name}


def _start(siren: Siren) -> None:
    """As sine networks are started: arguments of a few radians in every layer."""
    deep = math.sqrt(6 / SPEC.hidden) / 30
    with torch.no_grad():
        for name, weight in siren.named_parameters():
            if name == "sines.0.weight":
                weight.uniform_(-1 / 3, 1 / 3)
            elif "sine" in name:
                reach = 0.06 if name.endswith("bias") else deep
                weight.uniform_(-reach, reach)
        siren.density.weight.mul_(20)


def load(path: Path, hidden: int = SPEC.hidden) -> tuple[Spec, Network]:
    """A head whose sine layers are `hidden` wide, units beyond those fitted being 0."""
    with np.load(path) as stored:
        fitted = {name: array.astype(np.float32) for name, array in stored.items()}
    spec = msgspec.structs.replace(SPEC, hidden=hidden)
    return spec, widened(spec, fitted)


def widened(spec: Spec, fitted: Mapping[str, Array]) -> Network:
    """A network as wide as its specification says, of the weights of a narrower one."""
    expected = Siren(spec, device="meta", dtype=torch.float32).state_dict()
    weights = {
        name: torch.zeros(one.shape, device=CPU, dtype=torch.float32)
        for name, one in expected.items()
    }
    for name, array in fitted.items():
        corner = tuple(slice(0, length) for length in array.shape)
        weights[name][corner] = torch.from_numpy(array)
    average = Film.of(torch.zeros(2 * spec.film, device=CPU, dtype=torch.float32))
    return Network(filled(spec, weights, CPU), average)


def save(path: Path, fitted: Path, hidden: int = SPEC.hidden) -> None:
    """Write a head as a file that ``--checkpoint`` takes, with the cameras of released faces."""
    spec, network = load(fitted, hidden)
    curriculum = RELEASED["celeba"]
    model = ModelSpec(
        name="head", family="pigan", size=curriculum.img_size, camera=curriculum.camera,
        background="black", settings=spec,
    )  # fmt: skip
    averages = {FREQUENCIES: network.average.frequencies, PHASES: network.average.phases}
    networks = {GENERATOR: dict(network.siren.state_dict()), AVERAGES: averages}
    write_checkpoint(path, model, networks, torch.float32)


if __name__ == "__main__":
    half = {name: one.numpy().astype(np.float16) for name, one in fit().items()}
    np.savez_compressed(Path(sys.argv[1]), **half)  # type: ignore[arg-type]
