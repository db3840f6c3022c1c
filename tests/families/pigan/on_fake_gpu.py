"""March through a π-GAN on a device that is not there; run as a program, since it changes PyTorch.

Mixing tensors of two devices, and waiting for a number, fail as they would on a GPU.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils.backend_registration import (
    _setup_privateuseone_for_python_backend,
)

from graf_cli.families.pigan import cameras
from graf_cli.families.pigan import scene as scenes
from graf_cli.families.pigan.network import Film, Network
from graf_cli.families.pigan.spec import Spec
from graf_cli.rendering.integrator import integrate
from graf_cli.scene.camera import Rays
from graf_cli.scene.codes import Code
from tests.families.pigan.models import CUBED, SMALL, camera, random_network, subject
from tools.parity.pigan import unfolding

FAKE = "fakegpu"


def check(spec: Spec, jitter: int | None = None, **controls: float) -> None:
    """One picture by the exact volume and by the folded one."""
    mode = FakeTensorMode(shape_env=ShapeEnv())
    made = random_network(spec)
    weights = {name: mode.from_tensor(one) for name, one in made.siren.state_dict().items()}
    through = cameras.rays(camera().pose, 6, 6, fov=20.0, near=0.7, far=1.3)
    average = mode.from_tensor(made.average.row)
    asked = replace(subject(spec), controls=controls, jitter=jitter)
    asked = replace(asked, codes={"z": Code(mode.from_tensor(asked.codes["z"].start))})
    view = camera()
    with mode:
        made.siren.load_state_dict({k: one.to(FAKE) for k, one in weights.items()}, assign=True)
        network = Network(made.siren.requires_grad_(False), Film.of(average.to(FAKE)))
        parts = (through.origins, through.directions, through.near, through.far)
        rays = Rays(*(torch.empty(p.shape, device=FAKE, dtype=p.dtype) for p in parts))
        seen = scenes.scene(spec, network, asked, samples=spec.samples)
        draws = None if seen.draws is None else seen.draws(view)
        pixel = torch.arange(36, device=FAKE, dtype=torch.int64)
        for one in (seen, unfolding(seen)):
            found = integrate(replace(one, draws=None), rays, chunk=99, pixel=pixel, draws=draws)
            assert found.radiance.device.type == FAKE


if __name__ == "__main__":
    # Keys are read off numbers on the CPU, and here there are none.
    scenes.key_of = lambda *_, **__: b""
    _setup_privateuseone_for_python_backend(FAKE)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    check(SMALL)
    check(SMALL, lock_view_dependence=1.0)
    check(SMALL, jitter=3)
    check(CUBED)
    print("fine")
