"""Where everything of a scene is, and the fields that are there.

A world point x is ``p = R (x − t) / s`` in an object's box, R a rotation about z. The object at
θ, seen by a camera at azimuth 0, is the object at 0 seen from azimuth θ.

Octaves of 2^9 make a float32 point felt to its last bit, so that the order of operations is the
release's: eye and pixel of a ray are each taken into the box, and samples are made there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.families.giraffe.network import Field, Network
from graf_cli.families.giraffe.spec import AXES, MAX_OBJECTS, Spec, controls
from graf_cli.scene.camera import Rays
from graf_cli.scene.codes import Subject, along_great_circle
from graf_cli.scene.volume import Corners

PADDED = 1.1  # half a side of the box in which an object's density counts
NOTHING = 1e-4  # stands for a total density of exactly 0 where features are averaged

Float32 = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an object is.

    Attributes
    ----------
    scale, translation : ndarray of float32, shape = (3,)
        Half a side of the box, without padding; its centre. World units.
    rotation : ndarray of float32, shape = (3, 3)
        World to box.
    exists : bool
    """

    scale: Float32
    translation: Float32
    rotation: Float32
    exists: bool = True

    @property
    def pose(self) -> Float32:
        """Box to world, shape = (4, 4), without the scale."""
        matrix = np.eye(4, dtype=np.float32)
        matrix[:3, :3], matrix[:3, 3] = self.rotation.T, self.translation
        return matrix

    def corners(self, half: float = 1.0) -> Float32:
        """World points of the box's corners, shape = (8, 3); `half` a side in box coordinates."""
        signs = np.array(np.meshgrid(*[(-half, half)] * 3, indexing="ij"), dtype=np.float32)
        points = (signs.reshape(3, 8).T * self.scale) @ self.rotation + self.translation
        return points.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Layout:
    """All of a scene but its codes.

    Attributes
    ----------
    objects : tuple of Placement
    background : bool
        Whether there is one.
    background_rotation : ndarray of float32, shape = (3, 3)
    """

    objects: tuple[Placement, ...]
    background: bool
    background_rotation: Float32


def rotation_about_z(degrees: float) -> Float32:
    """``[[cos θ, −sin θ, 0], [sin θ, cos θ, 0], [0, 0, 1]]``, made in double."""
    angle = 2 * math.pi * (degrees / 360)
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]).astype(np.float32)


def layout(spec: Spec, subject: Subject) -> Layout:
    """Where everything is, from the settings of a subject.

    Raises
    ------
    UsageError
        When there are too many objects, or a code is missing, or a setting belongs to nothing.
    """
    settings = _Settings(spec, subject)
    count = settings.count()
    return Layout(
        objects=tuple(_placement(spec, settings, number) for number in range(count)),
        background=settings.get("background") > 0,
        background_rotation=rotation_about_z(settings.get("background.turn")),
    )


class _Settings:
    """Controls of a subject, those of one object before those of all, both before the default."""

    def __init__(self, spec: Spec, subject: Subject) -> None:
        self.defaults = {control.name: control.default for control in controls(spec)}
        self.given = subject.controls
        for name in self.given:
            head, _, rest = name.partition(".")
            number, _, part = rest.partition(".")
            generic = f"object.*.{part}" if head == "object" and number.isdecimal() else name
            if generic not in self.defaults:
                known = ", ".join(self.defaults)
                raise UsageError(f"This model has no control {name}; it has {known}.")

    def get(self, name: str) -> float:
        return self.given.get(name, self.defaults[name])

    def of(self, number: int, part: str, otherwise: float) -> float:
        everywhere = f"object.*.{part}"
        value = self.given.get(f"object.{number}.{part}", self.given.get(everywhere))
        return self.defaults.get(everywhere, otherwise) if value is None else value

    def count(self) -> int:
        value = self.get("objects")
        if value != int(value) or not 0 <= value <= MAX_OBJECTS:
            raise UsageError(f"objects is {value:g}; give a whole number from 0 to {MAX_OBJECTS}.")
        return int(value)


def _placement(spec: Spec, settings: _Settings, number: int) -> Placement:
    boxes = spec.boxes
    if boxes.same_scale:
        scales = [settings.of(number, "scale", 0.0)] * 3
    else:
        scales = [settings.of(number, f"scale.{axis}", 0.0) for axis in AXES]
    places = [settings.of(number, axis, 0.5) for axis in AXES]
    translation = _between(boxes.translation_min, boxes.translation_max, places)
    if boxes.plane is not None:
        translation[2] = boxes.plane
    return Placement(
        scale=_between(boxes.scale_min, boxes.scale_max, scales),
        translation=translation,
        rotation=rotation_about_z(settings.get("turn") + settings.of(number, "turn", 0.0)),
        exists=settings.of(number, "exists", 1.0) > 0,
    )


def _between(low: Sequence[float], high: Sequence[float], settings: Sequence[float]) -> Float32:
    """``low + setting (high − low)`` in float32, as in the release; settings are not clamped."""
    start, end = np.array(low, dtype=np.float32), np.array(high, dtype=np.float32)
    moved: Float32 = start + np.array(settings, dtype=np.float32) * (end - start)
    return moved


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
