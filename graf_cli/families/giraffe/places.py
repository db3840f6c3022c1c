"""The fields of a scene, each in coordinates of its own.

Octaves of 2^9 make a float32 point felt to its last bit, so that the order of operations is the
release's: eye and pixel of a ray are each taken into the box, and samples are made there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.families.giraffe.layout import Float32, layout
from graf_cli.families.giraffe.network import Field, Network
from graf_cli.families.giraffe.spec import PADDED, Spec
from graf_cli.scene.camera import Rays
from graf_cli.scene.codes import Subject, along_great_circle
from graf_cli.scene.volume import Corners

NOTHING = 1e-4  # stands for a total density of exactly 0 where features are averaged


# coordinates


@dataclass(frozen=True, eq=False)
class Frame:
    """From the world into the coordinates of one field.

    Attributes
    ----------
    rotation : Tensor, shape = (3, 3)
        World to field.
    translation, scale : Tensor, shape = (3,), or None
        None for the background, which is rotated alone.
    """

    rotation: Tensor
    translation: Tensor | None = None
    scale: Tensor | None = None

    def points(self, x: Tensor) -> Tensor:
        """``R (x − t) / s``, shape = (n, 3)."""
        if self.translation is None or self.scale is None:
            return rotated(x, self.rotation)
        return rotated(x - self.translation, self.rotation) / self.scale

    def directions(self, d: Tensor) -> Tensor:
        """Unit directions of any, shape = (n, 3): a scaled box turns them too."""
        turned = rotated(d, self.rotation)
        turned = turned if self.scale is None else turned / self.scale
        unit: Tensor = turned / turned.norm(dim=-1, keepdim=True)
        return unit

    def bounds(self, half: float) -> Corners:
        """Lowest and highest world corner of the box of coordinates up to `half`."""
        assert self.translation is not None
        assert self.scale is not None
        reach = (self.rotation.abs() * (half * self.scale)[:, None]).sum(dim=0)
        (x0, y0, z0), (x1, y1, z1) = (
            (self.translation + sign * reach).to(device="cpu").tolist() for sign in (-1, 1)
        )
        return (x0, y0, z0), (x1, y1, z1)

    def ray(self, rays: Rays) -> tuple[Tensor, Tensor]:
        """Eye and direction in the field's coordinates, shape = (n, 3) each.

        The direction is a difference of points, as in the release.
        """
        eye = self.points(rays.origins)
        return eye, self.points(rays.origins + rays.directions) - eye


def rotated(x: Tensor, rotation: Tensor) -> Tensor:
    """``R x``, shape = (n, 3), every sum rounded as a fused multiply-add does.

    That is what a matrix product of many points gives, but the product's own bits may depend on
    how many there are, and it may run at reduced precision. Products of float32 are exact in
    double.
    """
    wide = torch.float32 if x.device.type == "mps" else torch.float64
    a, r = x.to(wide), rotation.to(wide)
    total = (a[:, None, 0] * r[:, 0]).to(x.dtype)
    for k in (1, 2):
        total = (a[:, None, k] * r[:, k] + total.to(wide)).to(x.dtype)
    return total


# fields


@dataclass(frozen=True, eq=False)
class Part:
    """One field with its codes, somewhere.

    Attributes
    ----------
    field : Field
    shape, appearance : Tensor, shape = (code,)
    frame : Frame
    number : int or None
        Of the object; None is the background, which has no box.
    """

    field: Field
    shape: Tensor
    appearance: Tensor
    frame: Frame
    number: int | None

    def density(self, p: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden features and density, rectified and 0 outside of the box. Shape = (n, 3)."""
        h, raw = self.field.density(p, self.shape)
        if self.number is not None:
            raw = torch.where((p.abs() <= PADDED).all(dim=-1), raw, torch.zeros_like(raw))
        return h, raw.relu()

    def key(self, *, radiance: bool) -> bytes:
        """Of all that its density, and with `radiance` its features, depend on beside weights."""
        frame = self.frame
        tensors = [self.shape, frame.rotation, frame.translation, frame.scale]
        found = _digest([*tensors, self.appearance] if radiance else tensors)
        return found + (b"background" if self.number is None else self.number.to_bytes(4, "big"))


def _digest(tensors: Sequence[Tensor | None]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        if tensor is not None:
            digest.update(tensor.detach().to(device="cpu").contiguous().numpy().tobytes())
    return digest.digest()


def shares(sigmas: Tensor, *, densest: bool) -> Tensor:
    """Weights of the fields' features, shape as `sigmas`, (fields, …); 0 where nothing is."""
    if densest:
        fields = torch.arange(len(sigmas), device=sigmas.device, dtype=torch.int64)
        fields = fields.reshape(-1, *[1] * (sigmas.dim() - 1))
        return (sigmas.argmax(dim=0)[None] == fields).to(sigmas.dtype)
    total = sigmas.sum(dim=0)
    return sigmas / torch.where(total == 0, torch.full_like(total, NOTHING), total)


def parts(spec: Spec, network: Network, subject: Subject) -> tuple[Part, ...]:
    """The fields of a scene: objects that exist, then the background."""
    placed = layout(spec, subject)
    device = next(network.parameters()).device
    code = _codes(subject, device)
    found = []
    for number, placement in enumerate(placed.objects):
        if not placement.exists:
            continue
        arrays = (placement.rotation, placement.translation, placement.scale)
        found.append(
            Part(
                field=network.object,
                shape=code(f"object.{number}.shape", spec.code),
                appearance=code(f"object.{number}.appearance", spec.code),
                frame=Frame(*(_on(array, device) for array in arrays)),
                number=number,
            )
        )
    if placed.background:
        found.append(
            Part(
                field=network.background,
                shape=code("background.shape", spec.code_background),
                appearance=code("background.appearance", spec.code_background),
                frame=Frame(_on(placed.background_rotation, device)),
                number=None,
            )
        )
    return tuple(found)


def _on(array: Float32, device: torch.device) -> Tensor:
    return torch.as_tensor(array, device="cpu", dtype=torch.float32).to(device=device)


def _codes(subject: Subject, device: torch.device) -> Callable[[str, int], Tensor]:
    def code(name: str, length: int) -> Tensor:
        if name not in subject.codes:
            raise UsageError(f"The scene has no code {name}; give one, or fewer objects.")
        found = along_great_circle(subject.codes[name])
        if found.shape != (length,):
            raise UsageError(f"Code {name} has shape {tuple(found.shape)}; give {length} numbers.")
        # At 1 nothing is multiplied, so that gradients and bits are the code's own.
        scaled = found if subject.truncation == 1 else found * subject.truncation
        return scaled.to(device=device, dtype=torch.float32)

    return code
