"""A NeRF as a Scene: its passes, where samples stand, and the space that rays are taken into."""

from __future__ import annotations

import torch
from torch import Tensor

from graf_cli.families.nerf.fold import FoldedVolume
from graf_cli.families.nerf.network import NerfField, Network
from graf_cli.families.nerf.spec import Front, Spec
from graf_cli.scene.camera import Rays
from graf_cli.scene.codes import Subject
from graf_cli.scene.kernels import in_tiles, plain_tile, sigmoid
from graf_cli.scene.volume import Quadrature, Scene

NEAR = 1.0  # distance of the plane at which normalised device coordinates begin


class FieldVolume:
    """One pass; see `Volume`."""

    channels = 3

    def __init__(self, field: NerfField) -> None:
        like = next(field.parameters())
        self.field, self.tile = field, plain_tile(like.device, like.dtype)

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The trunk's features, shape = (n, width), and raw density, shape = (n,)."""

        def run(points: Tensor) -> tuple[Tensor, Tensor]:
            features = self.field.trunk(points)
            return features, self.field.density(features)

        features, density = in_tiles(run, self.tile, points)
        return features, density

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        """Colours in [0, 1], shape = (n, 3)."""

        def run(features: Tensor, directions: Tensor) -> tuple[Tensor]:
            return (sigmoid(self.field.colour(features, directions)),)

        return in_tiles(run, self.tile, features, directions)[0]


def scene(spec: Spec, network: Network, subject: Subject, samples: int) -> Scene:
    """What rays pass through: one network or, with further samples, two."""
    fields = [network.coarse] if network.fine is None else [network.coarse, network.fine]

    def fast(number: int, dtype: torch.dtype) -> FoldedVolume:
        return FoldedVolume(fields[number], dtype)

    front = spec.front
    return Scene(
        passes=tuple(map(FieldVolume, fields)),
        quadrature=Quadrature(
            samples=samples,
            further=spec.network.importance,
            spacing="disparity" if spec.disparity else "depth",
        ),
        key=subject.key,
        geometry=b"nerf",  # one scene, whose density nothing moves
        fast=fast,
        warp=None if front is None else lambda rays, _: in_front(rays, front),
    )


def in_front(rays: Rays, front: Front) -> Rays:
    """Rays in normalised device coordinates (NeRF, appendix C, equations 25 and 26).

    A ray begins where it meets the plane at `NEAR`. Directions for the view branch stay those of
    the world.

    Parameters
    ----------
    rays : Rays
        World frame, looking along −z.
    front : Front
        Of the training cameras, whatever camera the rays are of.
    """
    o, d = rays.origins, rays.directions
    views = d / d.norm(dim=-1, keepdim=True)
    o = o - ((NEAR + o[:, 2:]) / d[:, 2:]) * d
    ox, oy, oz = o.unbind(dim=-1)
    dx, dy, dz = d.unbind(dim=-1)
    origins = (-front.x * ox / oz, -front.y * oy / oz, 1 + 2 * NEAR / oz)
    directions = (
        -front.x * (dx / dz - ox / oz),
        -front.y * (dy / dz - oy / oz),
        -2 * NEAR / oz,
    )
    return Rays(
        torch.stack(origins, dim=-1), torch.stack(directions, dim=-1), rays.near, rays.far, views
    )
