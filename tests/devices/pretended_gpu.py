"""Render by the fast path on a device that is not there, with numbers; run as a program.

Tensors of the pretended device hold their numbers on the CPU, but know where they are said to be.
An operation on tensors of two devices fails as it would on a GPU; each wait of the host for the
device is counted.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import (
    _setup_privateuseone_for_python_backend,
)

from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.model.checkpoint import open_checkpoint
from graf_cli.model.generator import Generator, build
from graf_cli.rendering.fast.proof import PROMISE
from graf_cli.rendering.renderer import Renderer, RenderOptions, Series, Shot
from graf_cli.scene.camera import camera_for, pose_on_sphere
from tests.conftest import REFERENCE
from tests.devices.programs import all_are_caught, tell_each

PRETENDED = "pretended"
CASES = ("cars", "hierarchical")
WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::equal"}
MOVES = {"aten::_to_copy", "aten::copy_", "aten::to"}
MOST_WAITS = 130  # of the host in the two pictures: a few a round, and a part of the grid


class There(torch.Tensor):
    """A tensor that is said to be on the pretended device."""

    here: torch.Tensor

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> There:
        made: There = torch.Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=torch.device(PRETENDED),
        )
        made.here = here
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        raise AssertionError(f"{func} outside of the pretence")


class Pretence(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Runs operations of the pretended device on the CPU, and those alone."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name, leaves = func._schema.name, tree_leaves((args, kwargs or {}))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        there = any(isinstance(one, There) for one in tensors)
        asked = [leaf for leaf in leaves if isinstance(leaf, torch.device)]
        result_there = asked[0].type == PRETENDED if asked else there
        if there and name not in MOVES:
            strangers = [one for one in tensors if not isinstance(one, There) and one.dim()]
            if strangers:
                raise RuntimeError(f"{name} mixes devices")
        if there and (name in WAITS or not result_there):
            self.waits += 1
        args, kwargs = tree_map(_here, (args, kwargs or {}))
        made = func(*args, **kwargs)
        return tree_map(_there, made) if result_there else made


def _here(value: object) -> object:
    if isinstance(value, torch.device):
        return torch.device("cpu")
    return value.here if isinstance(value, There) else value


def _there(value: object) -> object:
    return There(value) if isinstance(value, torch.Tensor) else value


def place(name: str, device: str) -> Generator:
    """A measured checkpoint on a device."""
    spec, weights = open_checkpoint(REFERENCE / f"{name}.pt", REFERENCE / f"{name}.json")

    def placed(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {key: tensor.to(device=device) for key, tensor in tensors.items()}

    there = {key: placed(tensors) for key, tensors in weights.items()}
    return build(spec, there, "0" * 64, torch.device(device))


def shots(generator: Generator) -> list[Shot]:
    """Two views of one object."""
    spec = generator.spec
    return [
        Shot(
            draw(spec.settings.latent, 0).subject(),
            camera_for(spec.camera, pose_on_sphere(azimuth, 20, 10), width=24, height=20),
            spec.settings.network.samples,
            (1.0, 1.0, 1.0),
        )
        for azimuth in (30, 120)
    ]


def pictures(generator: Generator) -> tuple[list[np.ndarray[Any, Any]], Renderer]:
    """What the fast path makes of a long turntable's first two pictures."""
    renderer = Renderer(generator, RenderOptions(precision="float32"))
    seen = shots(generator)
    series = Series(seen[0], 1000)
    render = inspect.unwrap(Renderer.render)  # inference mode knows no tensors such as `There`
    with torch.no_grad():
        return [render(renderer, one, series).rgb for one in seen], renderer


def check(name: str) -> None:
    """The pictures are those of the CPU."""
    expected, on_cpu = pictures(place(name, "cpu"))
    with Pretence() as pretence:
        found, renderer = pictures(place(name, PRETENDED))
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a - b).max() <= 2 * PROMISE, f"{name}: {np.abs(a - b).max()}"
    assert renderer.outcome.path == on_cpu.outcome.path
    assert pretence.waits <= MOST_WAITS, f"{name}: the host waited {pretence.waits} times"


def check_the_check() -> None:
    """A slip that a CPU forgives is caught here."""
    with Pretence():
        here = torch.ones(3, device="cpu", dtype=torch.float32)
        there = here.to(device=PRETENDED)
        assert there.device.type == PRETENDED
        assert (there + there).to(device="cpu").tolist() == [2.0, 2.0, 2.0]
        all_are_caught((lambda: there + here, lambda: torch.cat((here, there)), there.numpy))


def main() -> None:
    """Check that checks bite, and then all cases."""
    _setup_privateuseone_for_python_backend(PRETENDED)
    torch.set_num_threads(1)
    check_the_check()
    tell_each(check, CASES)


if __name__ == "__main__":
    main()
