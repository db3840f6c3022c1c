"""The field of one object as nine plain sine layers.

Frequencies and phases are constant within one object: ``sin(F ⊙ (W x + b) + φ)`` is
``sin(W′ x + b′)`` with ``W′ = F ⊙ W`` and ``b′ = F ⊙ b + φ``, and the factor of a point goes into
the first layer. The columns of the colour layer that see the direction are multiplied once a ray,
or, where the view is locked, once and for all.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from graf_cli.families.pigan.network import (
    Field,
    Film,
    Siren,
    from_authors,
    locked_view,
    sigmoid,
    to_authors,
)
from graf_cli.families.pigan.spec import SINES
from graf_cli.scene.kernels import ALIGN, Affine, in_tiles, tile_of

AXES = 3


class Unfolded:
    """The exact field where a `FastVolume` is asked for: the first pass of two.

    Where a second pass takes its samples is decided by comparing sums of the first one's weights.
    A bin of which the first pass saw next to nothing has a share of 2e-5, which float32 resolves
    to a hundredth: there rounding alone moves a sample by a visible part of a step.

    Parameters
    ----------
    field : Field
    """

    density_products: tuple[torch.Size, ...] = ()  # it is not what a picture's time goes into
    radiance_products: tuple[torch.Size, ...] = ()

    def __init__(self, field: Field) -> None:
        self.channels = 3
        self.field = field
        self.device = field.siren.device
        self.tile: int | None = field.tile
        self.density_products, self.radiance_products = products(field.siren)

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """See `FastVolume.density`."""
        return self.field.density(points)

    def per_ray(self, directions: Tensor) -> Tensor | None:
        """The directions themselves."""
        return directions

    def radiance(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """See `FastVolume.radiance`."""
        assert per_ray is not None
        return self.field.radiance(features, per_ray)


class Folded:
    """See `FastVolume`.

    Parameters
    ----------
    siren : Siren
    film : Film
        Truncated.
    dtype : torch.dtype
        Of the matrix products. Arguments of sines reach some tens, so that less than float32
        shows.
    locked : bool
        See `Field`.
    """

    def __init__(self, siren: Siren, film: Film, dtype: torch.dtype, *, locked: bool) -> None:
        self.device, self.dtype = siren.device, dtype
        self.tile = tile_of(self.device, dtype)
        self.density_products, self.radiance_products = products(siren)
        self.siren = siren
        layers = film.layers()
        folded = [
            _folded(linear, *layer) for linear, layer in zip(siren.sines, layers, strict=False)
        ]
        self.padding = 0
        if siren.embedding is None:
            folded[0] = self._entry(*folded[0])
        self.sines = [Affine(weight, bias, dtype) for weight, bias in folded]
        self.head = Affine(siren.density.weight, siren.density.bias, torch.float32)
        weight, bias = _folded(siren.colour_sine, *layers[-1])
        towards, weight = weight[:, :AXES], weight[:, AXES:]
        self.towards: Affine | None = None
        if locked:
            bias = bias + towards @ locked_view(towards[:1, :AXES])[0]
        else:
            self.towards = Affine(
                functional.pad(from_authors(towards), (0, ALIGN - AXES)),
                torch.zeros_like(bias),
                torch.float32,
            )
        self.colour_sine = Affine(weight, bias, dtype)
        self.colour = Affine(siren.colour.weight, siren.colour.bias, dtype)
        self.channels = AXES
        self.density_products = tuple(affine.weight.shape for affine in (*self.sines, self.head))
        after = (self.colour_sine, self.colour)
        self.radiance_products = tuple(affine.weight.shape for affine in after)

    def _entry(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """The first layer, for points in our frame, padded to what the matrix kernels like."""
        self.padding = ALIGN - AXES
        weight = from_authors(weight * self.siren.spec.factor)
        return functional.pad(weight, (0, self.padding)), bias

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """See `FastVolume.density`."""
        features, density = in_tiles(self._density, self.tile, points)
        return features, density[:, 0]

    def per_ray(self, directions: Tensor) -> Tensor | None:
        """See `FastVolume.per_ray`."""
        linear = self.towards
        if linear is None:
            return None
        padded = functional.pad(directions, (0, ALIGN - AXES))
        [added] = in_tiles(lambda rows: (linear(rows),), self.tile, padded)
        return added.to(self.dtype)

    def radiance(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """See `FastVolume.radiance`."""
        given = (features,) if per_ray is None else (features, per_ray)
        [colour] = in_tiles(self._radiance, self.tile, *given)
        return colour

    def around(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """See `SeenAround`."""
        if per_ray is None:
            return self.radiance(features, None)[:, None]
        [shared] = in_tiles(lambda rows: (self.colour_sine(rows),), self.tile, features)
        seen = (shared[:, None] + per_ray).sin_().flatten(0, 1)
        [raw] = in_tiles(lambda rows: (self.colour(rows),), self.tile, seen)
        return sigmoid(raw.to(torch.float32)).view(*per_ray.shape[:2], -1)

    def _density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        if self.siren.embedding is None:
            x = functional.pad(points, (0, self.padding))
        else:
            x = self.siren.entry(to_authors(points))
        x = x.to(self.dtype)
        for sine in self.sines:
            x = sine(x).sin_()
        return x, self.head(x.to(torch.float32))

    def _radiance(self, features: Tensor, per_ray: Tensor | None = None) -> tuple[Tensor]:
        x = self.colour_sine(features)
        if per_ray is not None:
            x = x + per_ray
        raw = self.colour(x.sin_()).to(torch.float32)
        return (sigmoid(raw),)


def products(siren: Siren) -> tuple[tuple[torch.Size, ...], tuple[torch.Size, ...]]:
    """Outputs and inputs of the matrices that a density, and then a colour, goes through."""
    shapes = {name: weight.shape for name, weight in siren.named_parameters()}
    density = (shapes[f"sines.{k}.weight"] for k in range(SINES))
    return (*density, siren.density.weight.shape), (
        siren.colour_sine.weight.shape,
        siren.colour.weight.shape,
    )


def _folded(linear: nn.Module, scale: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of one layer in double precision, so that folding does not round."""
    if not isinstance(linear, nn.Linear):
        raise TypeError(linear)
    scale = scale.double()
    weight = linear.weight.double() * scale[:, None]
    return weight, linear.bias.double() * scale + phase.double()
