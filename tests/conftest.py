"""Fixtures that several rooms share: the measured cases and small random generators."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from graf_cli.arrays import Array
from graf_cli.families.graf.checkpoint import Weights
from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.scene import Codes
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec, Spec
from graf_cli.model.generator import Generator, build, load_checkpoint
from graf_cli.scene.spec import CameraSpec, ModelSpec
from tests.disks import mounted

REFERENCE = Path(__file__).parent / "reference"
CASES = ("cars", "faces", "birds", "cats", "default", "orthographic", "hierarchical", "compact")
CPU = torch.device("cpu")

# Jobs in the background of a shell ignore ^C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("graf", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("graf")
torch.set_num_threads(1)  # on networks this small threads only wait for each other


@dataclass(frozen=True, eq=False)
class Case:
    """One measured case: a checkpoint, its configuration, and what the release made of them.

    Attributes
    ----------
    generator : Generator
        On the CPU.
    z : ndarray, shape = (n, dim)
    poses : ndarray, shape = (n, 3, 4)
    rgb : ndarray, shape = (n, H, W, 3)
    disparity, opacity : ndarray, shape = (n, H, W)
    """

    name: str
    checkpoint: Path
    config: Path
    generator: Generator
    z: Array
    poses: Array
    rgb: Array
    disparity: Array
    opacity: Array

    def latent(self, index: int) -> Codes:
        """The object of one of the measured pictures."""
        z = torch.tensor(self.z[index], device="cpu", dtype=torch.float32)
        length = self.generator.spec.settings.latent.dim_shape
        return Codes(z[:length], z[length:])


@cache
def read_case(name: str) -> Case:
    """One of `CASES`."""
    checkpoint, config = REFERENCE / f"{name}.pt", REFERENCE / f"{name}.json"
    with np.load(REFERENCE / f"{name}.npz") as file:
        measured = {key: file[key].astype(np.float64) for key in file.files}
    return Case(
        name=name,
        checkpoint=checkpoint,
        config=config,
        generator=load_checkpoint(checkpoint, config, CPU),
        **measured,
    )


def small_spec(
    network: NetworkSpec | None = None,
    latent: LatentSpec | None = None,
    camera: CameraSpec | None = None,
) -> ModelSpec:
    """A model of a few hundred weights; what is given replaces what it would have."""
    return ModelSpec(
        name="small:8",
        size=8,
        camera=camera or CameraSpec(near=2.0, far=6.0, radius=(4.0, 4.0), fov=40.0),
        settings=Spec(
            network=network or NetworkSpec(width=8, multires=3, multires_views=2, samples=6),
            latent=latent or LatentSpec(dim=6, dim_appearance=2),
        ),
    )


def random_weights(spec: ModelSpec, seed: int = 0) -> Weights:
    """Weights that give pictures with some of everything in them."""
    source = torch.Generator(device="cpu").manual_seed(seed)

    def filled(*, fine: bool) -> dict[str, torch.Tensor]:
        field = RadianceField(
            spec.settings.network,
            spec.settings.latent,
            fine=fine,
            device="meta",
            dtype=torch.float32,
        )
        return {
            name: torch.randn(tensor.shape, generator=source, device="cpu", dtype=torch.float32)
            / max(tensor.shape[-1], 1) ** 0.5
            for name, tensor in field.state_dict().items()
        }

    return Weights(
        filled(fine=False), filled(fine=True) if spec.settings.network.importance else None
    )


def small_generator(spec: ModelSpec | None = None, seed: int = 0) -> Generator:
    """A generator of random weights, on the CPU."""
    spec = spec or small_spec()
    return build(spec, random_weights(spec, seed).networks, "0" * 64, CPU)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    """Every measured case in turn."""
    return read_case(request.param)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    with mounted(tmp_path / "disk", "64k") as folder:
        yield folder


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Case]:
    """A measured case by its name."""
    return read_case


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user() -> Iterator[None]:
    """Tests see no GRAF_… variable but those they set themselves."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GRAF_")]:
            patch.delenv(name)
        yield
