"""Plain functions of points and directions as volumes and scenes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graf_cli.families.graf.field import Field
from graf_cli.families.graf.scene import Codes, as_network
from graf_cli.model.generator import Generator
from graf_cli.rendering import integrator
from graf_cli.rendering.integrator import Seen, alphas, first_depths, further_depths, integrate
from graf_cli.scene.camera import Rays
from graf_cli.scene.kernels import sigmoid
from graf_cli.scene.volume import FastVolume, Quadrature, Scene


class FieldVolume:
    """Raw density and raw colour of a function."""

    channels = 3

    def __init__(self, field: Field) -> None:
        self.field = field

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        forward = torch.zeros_like(points)
        forward[..., 0] = 1
        return points, self.field(points, forward)[0]

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        return sigmoid(self.field(features, directions)[1])


def scene_of(
    *fields: Field,
    samples: int,
    further: int = 0,
    fast: Callable[[int, torch.dtype], FastVolume] | None = None,
) -> Scene:
    """One pass a field."""
    volumes = tuple(FieldVolume(field) for field in fields)
    return Scene(volumes, Quadrature(samples, further), b"field", b"field", fast)


def march(
    field: Field,
    rays: Rays,
    samples: int,
    *,
    chunk: int,
    importance: int = 0,
    fine: Field | None = None,
) -> Seen:
    """Rays through a field, or through two."""
    fields = (field, fine or field) if importance else (field,)
    return integrate(scene_of(*fields, samples=samples, further=importance), rays, chunk=chunk)


def conditioned(generator: Generator, codes: Codes, *, fine: bool = False) -> Field:
    """The field of one object of a GRAF."""
    network = as_network(generator.network)
    field = network.fine if fine and network.fine is not None else network.coarse
    like = next(generator.network.parameters())
    shape, appearance = (
        code.to(device=like.device, dtype=like.dtype) for code in (codes.shape, codes.appearance)
    )

    def query(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
        density, colour = field(points, directions, shape, appearance)
        return density, colour

    return query


def depths(near: Tensor, far: Tensor, samples: int) -> Tensor:
    """Of the first pass."""
    return first_depths(Rays(near, near, near, far), Quadrature(samples))


def weights(density: Tensor, z: Tensor, length: Tensor) -> Tensor:
    """Of samples of a rectified density."""
    return integrator.weights(alphas(z, density, length, Quadrature(z.shape[1])))


def resample(z: Tensor, weight: Tensor, count: int) -> Tensor:
    """Of the second pass."""
    return further_depths(z, weight, Quadrature(z.shape[1], count))
