"""Small random π-GANs."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from graf_cli.families.pigan import cameras
from graf_cli.families.pigan.checkpoint import average_of, filled
from graf_cli.families.pigan.network import Network, Siren
from graf_cli.families.pigan.spec import Spec
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Code, Subject

CPU = torch.device("cpu")
CASES = Path(__file__).parent / "cases"
SMALL = Spec(siren="TALLSIREN", z=8, hidden=16, mapping=8, samples=6)
CUBED = Spec(siren="EmbeddingPiGAN128", z=8, hidden=16, mapping=8, cells=(3, 4, 5), samples=6)


def random_weights(spec: Spec, seed: int = 0) -> dict[str, Tensor]:
    """As large as makes densities of both signs and colours that differ."""
    source = torch.Generator(device="cpu").manual_seed(seed)
    siren = Siren(spec, device="meta", dtype=torch.float32)
    weights = {}
    for name, tensor in siren.state_dict().items():
        drawn = torch.randn(tensor.shape, generator=source, device="cpu", dtype=torch.float32)
        weights[name] = drawn * _scale(name, tensor)
    return weights


def _scale(name: str, tensor: Tensor) -> float:
    """Sine layers multiply by some thirty, and must not multiply what they round."""
    inputs = tensor.shape[-1] if tensor.ndim == 2 else 16
    if name.startswith("density"):
        return 20 / math.sqrt(inputs)
    if name.startswith("sines.0"):
        return 0.1
    return 0.01 if "sine" in name else 1 / math.sqrt(inputs)


def random_network(spec: Spec, seed: int = 0) -> Network:
    """A network with averages of its own."""
    weights = random_weights(spec, seed)
    return Network(filled(spec, weights, CPU), average_of(spec, weights))


def code(spec: Spec, seed: int = 1) -> Tensor:
    """A normal code."""
    source = torch.Generator(device="cpu").manual_seed(seed)
    return torch.randn((spec.z,), generator=source, device="cpu", dtype=torch.float32)


def subject(spec: Spec, seed: int = 1, psi: float = 0.7, **controls: float) -> Subject:
    """Of one code."""
    return Subject({"z": Code(code(spec, seed))}, "z", psi, controls)


def camera(size: int = 6) -> Camera:
    """A frontal view."""
    pose = cameras.pose(1.4, 1.5)
    return Camera(pose, size, size, 20.0, 0.7, 1.3)


def points(count: int, seed: int = 2) -> Tensor:
    """About the origin."""
    source = torch.Generator(device="cpu").manual_seed(seed)
    drawn = torch.rand((count, 3), generator=source, device="cpu", dtype=torch.float32)
    return (drawn - 0.5) * 0.4


def directions(count: int, seed: int = 3) -> Tensor:
    """Unit vectors."""
    source = torch.Generator(device="cpu").manual_seed(seed)
    drawn = torch.randn((count, 3), generator=source, device="cpu", dtype=torch.float32)
    unit: Tensor = drawn / drawn.norm(dim=-1, keepdim=True)
    return unit
