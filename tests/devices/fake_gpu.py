"""Load, aim and march on a device that is not there; run as a program, since it changes PyTorch.

Every tensor of the run knows its device but has no numbers. Mixing tensors of two devices, and
bringing a number to the host, fail as they would (or would wait) on a GPU.
"""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.utils.backend_registration import (
    _setup_privateuseone_for_python_backend,
)

from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.scene import Codes, as_network
from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.model.checkpoint import open_checkpoint
from graf_cli.model.generator import Generator, build
from graf_cli.rendering.integrator import Seen, disparity
from graf_cli.scene.camera import camera_for, pose_on_sphere, rays
from tests.conftest import CASES, REFERENCE
from tests.devices.programs import all_are_caught, tell_each
from tests.rendering.fields import conditioned, march

FAKE = "fakegpu"


def place(name: str, mode: FakeTensorMode) -> tuple[Generator, Codes]:
    """A measured checkpoint on the fake device; it is read and checked before, as files are."""

    def without_numbers(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {key: mode.from_tensor(tensor) for key, tensor in tensors.items()}

    spec, weights = open_checkpoint(REFERENCE / f"{name}.pt", REFERENCE / f"{name}.json")
    latent = draw(spec.settings.latent, 0)
    latent = Codes(mode.from_tensor(latent.shape), mode.from_tensor(latent.appearance))
    with mode:
        fake = {name: without_numbers(tensors) for name, tensors in weights.items()}
        return build(spec, fake, "0" * 64, torch.device(FAKE)), latent


def picture(generator: Generator, latent: Codes) -> Seen:
    """What the plain marcher makes of one camera."""
    spec = generator.spec
    camera = camera_for(spec.camera, pose_on_sphere(30, 20, 10), width=3, height=2)
    return march(
        conditioned(generator, latent),
        rays(camera, device=generator.device, dtype=torch.float32),
        spec.settings.network.samples,
        chunk=256,
        importance=spec.settings.network.importance,
        fine=conditioned(generator, latent, fine=True),
    )


def check(name: str) -> None:
    """All of one measured case; its tensors stay where they belong."""
    mode = FakeTensorMode(shape_env=ShapeEnv())
    generator, latent = place(name, mode)
    fields: list[RadianceField] = [
        as_network(generator.network).coarse,
        as_network(generator.network).fine or as_network(generator.network).coarse,
    ]
    for field in fields:
        assert {p.device.type for p in field.parameters()} == {FAKE}
    with mode, torch.inference_mode():
        seen = picture(generator, latent)
        nearness = disparity(seen.depth, seen.opacity)
    for values in (seen.radiance, seen.opacity, seen.depth, nearness):
        assert values.device.type == FAKE, f"{name}: a result is on {values.device}"
        assert values.dtype == torch.float32
        assert len(values) == 6


def check_the_check() -> None:
    """A slip that a CPU forgives is caught here."""
    mode = FakeTensorMode(shape_env=ShapeEnv())
    generator, latent = place("cars", mode)
    with mode:
        here = torch.zeros((4, 3), device="cpu", dtype=torch.float32)
        there = here.to(device=FAKE)
        all_are_caught(
            (
                lambda: conditioned(generator, latent)(here, there),
                lambda: conditioned(generator, latent)(there, here),
                lambda: bool(there.sum() > 0),
            )
        )


def main() -> None:
    """Check that checks bite, and then all cases."""
    _setup_privateuseone_for_python_backend(FAKE)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    check_the_check()
    tell_each(check, CASES)


if __name__ == "__main__":
    main()
