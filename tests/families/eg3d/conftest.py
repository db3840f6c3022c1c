"""One measured model that several tests share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from graf_cli.families.eg3d.checkpoint import load
from graf_cli.families.eg3d.family import FAMILY
from graf_cli.families.eg3d.network import Generator
from graf_cli.families.eg3d.spec import Spec

CASES = Path(__file__).parent / "cases"
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Model:
    spec: Spec
    network: Generator


@pytest.fixture(scope="session")
def faces() -> Model:
    return model("ffhq64")


@pytest.fixture(scope="session")
def boxed() -> Model:
    """Rays of this one start and end at the box."""
    return model("auto4x")


def model(name: str) -> Model:
    spec, weights = load(CASES / f"{name}.pkl")
    network = FAMILY.network(spec, weights, device=CPU)
    assert isinstance(network, Generator)
    return Model(spec, network)
