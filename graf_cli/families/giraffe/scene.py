"""A subject becomes a scene: objects in boxes, and a background, marched together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.families.giraffe.fold import Marcher
from graf_cli.families.giraffe.layout import layout
from graf_cli.families.giraffe.network import Network
from graf_cli.families.giraffe.places import Part, parts, shares
from graf_cli.families.giraffe.spec import PADDED, Spec
from graf_cli.scene.camera import Camera, Rays
from graf_cli.scene.codes import Subject
from graf_cli.scene.intrinsics import Intrinsics
from graf_cli.scene.kernels import full_precision
from graf_cli.scene.volume import Placed, Quadrature, Scene


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
            (
                own[:, : part.field.spec.width],
                own[:, part.field.spec.width],
                own[:, part.field.spec.width + 1 :],
            )
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

    def radiance(self, features: Tensor, _directions: Tensor, /) -> Tensor:
        """The objects' shares of the density, shape = (n, objects)."""
        masks = features.new_zeros((len(features), self.channels))
        if not self.union.parts:
            return masks
        share = self.union.shares(self.union.split(features))
        for part, own in zip(self.union.parts, share, strict=True):
            if part.number is not None:
                masks[:, part.number] = own
        return masks


def scene(spec: Spec, network: Network, subject: Subject, samples: int) -> Scene:
    """What rays pass through. The picture is painted of the raster that they see.

    Raises
    ------
    UsageError
        As `layout`.
    """
    union, march = _volumes(spec, network, subject, samples)
    painted = spec.renderer is not None
    return Scene(
        passes=(union,),
        quadrature=Quadrature(samples=samples, depths="near"),
        key=subject.key,
        geometry=_geometry(union),
        place=union.place,
        raster=(lambda camera: raster(spec, camera)) if painted else None,
        finish=(lambda seen: finish(network, seen)) if painted else None,
        surface="picture",
        masks=lambda: masks(spec, network, subject, samples),
        march=None if march is None else _radiance_of(march),
        objects=lambda: _alone(union),
    )


def _alone(union: Union) -> tuple[Placed, ...]:
    """Each object without the others and the background."""
    return tuple(
        Placed(
            f"object.{part.number}",
            Union([part], densest=union.densest, features=union.channels),
            part.frame.bounds(PADDED),
        )
        for part in union.parts
        if part.number is not None
    )


def masks(spec: Spec, network: Network, subject: Subject, samples: int) -> Scene:
    """The scene, seen as its objects' masks: radiance is one channel an object, occluded rightly.

    March it with the camera of the finished picture.
    """
    union, march = _volumes(spec, network, subject, samples)
    seen = Masks(union, len(layout(spec, subject).objects))
    return Scene(
        passes=(seen,),
        quadrature=Quadrature(samples=samples, depths="near"),
        key=subject.key,
        geometry=_geometry(union),
        place=union.place,
        march=None if march is None else _masks_of(march),
    )


def _volumes(
    spec: Spec, network: Network, subject: Subject, samples: int
) -> tuple[Union, Marcher | None]:
    found = parts(spec, network, subject)
    union = Union(found, densest=spec.densest, features=spec.object.features)
    if any(part.field.spec.sigmoid for part in found):
        return union, None  # the last layer is not linear
    marcher = Marcher(
        found,
        samples,
        densest=spec.densest,
        features=spec.object.features,
        objects=len(layout(spec, subject).objects),
        kept=network.kept,
    )
    return union, marcher


def _radiance_of(march: Marcher) -> Callable[[Rays, bool], tuple[Tensor, Tensor, Tensor]]:
    def run(rays: Rays, radiance: bool) -> tuple[Tensor, Tensor, Tensor]:
        seen = march(rays, radiance=radiance)
        return seen.radiance, seen.opacity, seen.depth

    return run


def _masks_of(march: Marcher) -> Callable[[Rays, bool], tuple[Tensor, Tensor, Tensor]]:
    def run(rays: Rays, radiance: bool) -> tuple[Tensor, Tensor, Tensor]:
        seen = march(rays, radiance=False)
        return seen.masks if radiance else seen.masks[:, :0], seen.opacity, seen.depth

    return run


def silhouette(spec: Spec, network: Network, subject: Subject, samples: int, number: int) -> Scene:
    """One object alone, whatever stands before it: its opacity is the release's alpha map."""
    found = parts(spec, network, subject)
    alone = [part for part in found if part.number == number]
    union = Union(alone, densest=spec.densest, features=spec.object.features)
    return Scene(
        passes=(union,),
        quadrature=Quadrature(samples=samples, depths="near", last="nothing"),
        key=subject.key + bytes([number]),
        geometry=_geometry(union),
        place=union.place,
    )


def _geometry(union: Union) -> bytes:
    keys = (part.key(radiance=False) for part in union.parts)
    return hashlib.blake2b(b"".join(keys), digest_size=16).digest()


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
    lens = camera.intrinsics
    if lens is not None:
        fx, fy, cx, cy = lens
        middle = ((cx + 0.5) / ratio - 0.5, (cy + 0.5) / ratio - 0.5)
        lens = Intrinsics(fx / ratio, fy / ratio, *middle)
    # A field of view across centred pixels is that of the smaller picture too.
    return replace(
        camera, width=camera.width // ratio, height=camera.height // ratio, intrinsics=lens
    )


def finish(network: Network, seen: Tensor) -> Tensor:
    """The picture, shape = (3, H, W), of a feature map, shape = (channels, h, w)."""
    with full_precision():
        painted: Tensor = network.renderer(seen[None])[0]
    return painted
