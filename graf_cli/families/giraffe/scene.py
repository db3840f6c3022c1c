"""A subject becomes a scene: objects in boxes, and a background, marched together.

A world point x is ``p = R (x − t) / s`` in an object's box, R a rotation about z. The object at
θ, seen by a camera at azimuth 0, is the object at 0 seen from azimuth θ.

Octaves of 2^9 make a float32 point felt to its last bit, so that the order of operations is the
release's: eye and pixel of a ray are each taken into the box, and samples are made there.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.families.giraffe.network import Field, Network
from graf_cli.families.giraffe.spec import AXES, MAX_OBJECTS, Spec, controls
from graf_cli.scene.camera import Camera, Rays
from graf_cli.scene.codes import Subject, along_great_circle
from graf_cli.scene.volume import Quadrature, Scene

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
        points: Float32 = (signs.reshape(3, 8).T * self.scale) @ self.rotation + self.translation
        return points


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
    """``low + setting (high − low)`` in float32, as the release has it; settings are not clamped."""
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
        return turned / turned.norm(dim=-1, keepdim=True)

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


# volumes


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


class Union:
    """Fields one in another: densities add up, features are averaged by density.

    Points are those of `place`, 6 numbers a field: point and unit viewing direction in its own
    coordinates. World points, 3 numbers, do too, with directions given to `radiance`. What
    `density` hands to `radiance` is, field by field, hidden features, density, and the direction
    where there is one.

    Parameters
    ----------
    parts : sequence of Part
    densest : bool
        The densest field alone is seen.
    features : int
    """

    def __init__(self, parts: Sequence[Part], *, densest: bool, features: int) -> None:
        self.parts, self.densest, self.channels = tuple(parts), densest, features

    def place(self, rays: Rays, z: Tensor) -> Tensor:
        """Points at depths, shape = (n, samples), for each field: (n, samples, 6 · fields)."""
        placed = [z[..., None].expand(*z.shape, 0)]
        for part in self.parts:
            eye, ray = part.frame.ray(rays)
            unit = ray / ray.norm(dim=-1, keepdim=True)
            placed.append(eye[:, None] + z[..., None] * ray[:, None])
            placed.append(unit[:, None].expand(*z.shape, 3))
        return torch.cat(placed, dim=-1)

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """See `Volume`."""
        features, sigmas = [points[:, :0]], [torch.zeros_like(points[:, :1]).sum(dim=-1)]
        in_world = points.shape[-1] == 3
        for k, part in enumerate(self.parts):
            own = part.frame.points(points) if in_world else points[:, 6 * k : 6 * k + 3]
            h, sigma = part.density(own)
            features += [h, sigma[:, None]]
            if not in_world:
                features.append(points[:, 6 * k + 3 : 6 * k + 6])
            sigmas.append(sigma)
        stacked = torch.stack(sigmas)
        total = stacked.amax(dim=0) if self.densest else stacked.sum(dim=0)
        return torch.cat(features, dim=-1), total

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        """See `Volume`."""
        hidden = self.split(features)
        seen = []
        for part, (h, _, own) in zip(self.parts, hidden, strict=True):
            d = own if own.shape[-1] else part.frame.directions(directions)
            seen.append(part.field.radiance(h, d, part.appearance))
        if not seen:
            return features.new_zeros((len(features), self.channels))
        if len(seen) == 1:
            return seen[0]
        share = self.shares(hidden)
        return (torch.stack(seen) * share[..., None]).sum(dim=0)

    def split(self, features: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Hidden features, density and direction, by field."""
        widths = [part.field.spec.width + 1 for part in self.parts]
        if features.shape[-1] != sum(widths):
            widths = [width + 3 for width in widths]
        found = zip(self.parts, torch.split(features, widths, dim=-1), strict=True)
        return [
            (own[:, : part.field.spec.width], own[:, part.field.spec.width], own[:, part.field.spec.width + 1 :])
            for part, own in found
        ]

    def shares(self, hidden: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """What part of a sample each field is, shape = (fields, n)."""
        return shares(torch.stack([sigma for _, sigma, _ in hidden]), densest=self.densest)


class Masks:
    """The same densities; what is seen is which object a sample belongs to.

    Parameters
    ----------
    union : Union
    objects : int
        Channels; that of an object that does not exist is 0.
    """

    def __init__(self, union: Union, objects: int) -> None:
        self.union, self.channels = union, objects

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """See `Volume`."""
        return self.union.density(points)

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        """The objects' shares of the density, shape = (n, objects)."""
        masks = features.new_zeros((len(features), self.channels))
        if not self.union.parts:
            return masks
        share = self.union.shares(self.union.split(features))
        for part, own in zip(self.union.parts, share, strict=True):
            if part.number is not None:
                masks[:, part.number] = own
        return masks


def shares(sigmas: Tensor, *, densest: bool) -> Tensor:
    """Weights of the fields' features, shape as `sigmas`, (fields, …); 0 where nothing is."""
    if densest:
        fields = torch.arange(len(sigmas), device=sigmas.device, dtype=torch.int64)
        fields = fields.reshape(-1, *[1] * (sigmas.dim() - 1))
        return (sigmas.argmax(dim=0)[None] == fields).to(sigmas.dtype)
    total = sigmas.sum(dim=0)
    return sigmas / torch.where(total == 0, torch.full_like(total, NOTHING), total)


# scenes


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


def scene(spec: Spec, network: Network, subject: Subject, samples: int) -> Scene:
    """What rays pass through. The picture is painted of the raster that they see.

    Raises
    ------
    UsageError
        As `layout`.
    """
    union = Union(
        parts(spec, network, subject), densest=spec.densest, features=spec.object.features
    )
    painted = spec.renderer is not None
    return Scene(
        passes=(union,),
        quadrature=Quadrature(samples=samples, depths="near"),
        key=subject.key,
        geometry=_geometry(union.parts),
        place=union.place,
        raster=(lambda camera: raster(spec, camera)) if painted else None,
        finish=(lambda seen: finish(network, seen)) if painted else None,
    )


def masks(spec: Spec, network: Network, subject: Subject, samples: int) -> Scene:
    """The scene, seen as its objects' masks: radiance is one channel an object, occluded rightly.

    March it with the camera of the finished picture.
    """
    whole = scene(spec, network, subject, samples)
    union = whole.passes[0]
    assert isinstance(union, Union)
    seen = Masks(union, len(layout(spec, subject).objects))
    return replace(whole, passes=(seen,), raster=None, finish=None)


def silhouette(spec: Spec, network: Network, subject: Subject, samples: int, number: int) -> Scene:
    """One object alone, whatever stands before it: its opacity is the release's alpha map."""
    found = parts(spec, network, subject)
    alone = [part for part in found if part.number == number]
    union = Union(alone, densest=spec.densest, features=spec.object.features)
    return Scene(
        passes=(union,),
        quadrature=Quadrature(samples=samples, depths="near", last="nothing"),
        key=subject.key + bytes([number]),
        geometry=_geometry(union.parts),
        place=union.place,
    )


def _geometry(found: Sequence[Part]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in found:
        frame = part.frame
        for tensor in (part.shape, frame.rotation, frame.translation, frame.scale):
            if tensor is not None:
                digest.update(tensor.detach().to(device="cpu").numpy().tobytes())
    return digest.digest()


def raster(spec: Spec, camera: Camera) -> Camera:
    """The camera of the feature map of a picture.

    Upsamplings are symmetric: pixel m of the map is seen by the r pixels of the picture whose
    middle is ``(m + ½) r − ½``.

    Raises
    ------
    UsageError
        When the picture is no whole number of the map's pixels.
    """
    ratio = spec.ratio
    if camera.width % ratio or camera.height % ratio:
        raise UsageError(
            f"{camera.width}×{camera.height} pixels cannot be painted; give multiples of {ratio}."
        )
    return replace(camera, width=camera.width // ratio, height=camera.height // ratio)


def finish(network: Network, seen: Tensor) -> Tensor:
    """The picture, shape = (3, H, W), of a feature map, shape = (channels, h, w)."""
    painted: Tensor = network.renderer(seen[None])[0]
    return painted
