"""A GRAF's codes become a Scene."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.fold import FoldedColour, FoldedDensity
from graf_cli.families.graf.spec import LatentSpec, Spec, features
from graf_cli.scene.codes import Code, Subject, along_great_circle, draw
from graf_cli.scene.kernels import in_tiles, plain_tile, sigmoid
from graf_cli.scene.volume import Quadrature, Scene


class Network(nn.Module):
    """The fields of both passes.

    Parameters
    ----------
    coarse : RadianceField
        The only pass of most models; the first of two where there are further samples.
    fine : RadianceField or None
        The second pass, where it has weights of its own.
    """

    def __init__(self, coarse: RadianceField, fine: RadianceField | None) -> None:
        super().__init__()
        self.coarse = coarse
        self.fine = fine


def as_network(module: nn.Module) -> Network:
    """A generator's network as that of a GRAF; TypeError when it is another family's."""
    if not isinstance(module, Network):
        raise TypeError(module)
    return module


@dataclass(frozen=True, eq=False)
class Codes:
    """The codes of one object, truncated, on the CPU.

    Attributes
    ----------
    shape : Tensor, shape = (dim_shape,)
        Geometry.
    appearance : Tensor, shape = (dim_appearance,)
        Colour; it never moves the geometry.
    """

    shape: Tensor
    appearance: Tensor

    def subject(self) -> Subject:
        """As a picture is asked for."""
        codes = {"shape": Code(self.shape)}
        if len(self.appearance):
            codes["appearance"] = Code(self.appearance)
        return Subject(codes)


def draw_codes(latent: LatentSpec, seed: int) -> Codes:
    """The object of a seed."""
    drawn = draw(features(Spec(latent=latent)), seed)
    return Codes(drawn["shape"], drawn.get("appearance", drawn["shape"][:0]))


def codes_of(spec: Spec, subject: Subject) -> Codes:
    """Interpolated along great circles, then scaled (GRAF, section 3.1)."""
    shape = along_great_circle(subject.codes["shape"])
    if spec.latent.dim_appearance:
        appearance = along_great_circle(subject.codes["appearance"])
    else:
        appearance = shape[:0]
    if subject.truncation == 1:
        return Codes(shape, appearance)
    return Codes(shape * subject.truncation, appearance * subject.truncation)


class FieldVolume:
    """One pass of one object; see `Volume`."""

    channels = 3

    def __init__(self, field: RadianceField, codes: Codes) -> None:
        like = next(field.parameters())
        self.field, self.tile = field, plain_tile(like.device, like.dtype)
        self.shape = codes.shape.to(device=like.device, dtype=like.dtype)
        self.appearance = codes.appearance.to(device=like.device, dtype=like.dtype)

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The trunk's features, shape = (n, width), and raw density, shape = (n,)."""

        def run(points: Tensor) -> tuple[Tensor, Tensor]:
            features = self.field.trunk(points, self.shape)
            return features, self.field.density(features)

        features, density = in_tiles(run, self.tile, points)
        return features, density

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        """Colours in [0, 1], shape = (n, 3)."""

        def run(features: Tensor, directions: Tensor) -> tuple[Tensor]:
            return (sigmoid(self.field.colour(features, directions, self.appearance)),)

        return in_tiles(run, self.tile, features, directions)[0]


class FoldedVolume:
    """The same with all that is constant folded away; see `FastVolume`."""

    def __init__(self, field: RadianceField, codes: Codes, dtype: torch.dtype) -> None:
        self._density = FoldedDensity(field, codes.shape, dtype)
        self._colour = FoldedColour(field, codes.appearance, dtype)
        self.channels = 3
        self.device, self.tile = self._density.device, self._density.tile
        self.per_ray = self._colour.per_ray
        self.density_products = self._density.products
        self.radiance_products = self._colour.products

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Features, shape = (n, width), and raw density, shape = (n,), float32."""
        return self._density(points)

    def radiance(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """Colours in [0, 1], shape = (n, 3), float32."""
        return sigmoid(self._colour(features, per_ray))

    def around(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """See `SeenAround`."""
        return sigmoid(self._colour.around(features, per_ray))


def scene(spec: Spec, network: Network, subject: Subject, samples: int) -> Scene:
    """What rays pass through: one field or, of a hierarchical model, two."""
    codes = codes_of(spec, subject)
    fields = [network.coarse]
    if spec.network.importance and network.fine is not None:
        fields.append(network.fine)

    def fast(number: int, dtype: torch.dtype) -> FoldedVolume:
        return FoldedVolume(fields[min(number, len(fields) - 1)], codes, dtype)

    return Scene(
        passes=tuple(FieldVolume(field, codes) for field in fields),
        quadrature=Quadrature(samples=samples, further=spec.network.importance),
        key=subject.key,
        geometry=hashlib.blake2b(_bytes(codes.shape), digest_size=16).digest(),
        fast=fast,
    )


def _bytes(code: Tensor) -> bytes:
    return code.detach().to(device="cpu", dtype=torch.float32).numpy().tobytes()
