"""Networks of the kind that NeRF introduced: an encoded point through a trunk with one skip.

What families of such fields share, without a name of any layer: the encoding, the trunk, and both
with all that is constant within one object folded away. Constants are biases, a layer without an
activation folds into the next one, and a direction belongs to a ray, so that its product is made
once a ray. What is left is the part that depends on the point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from graf_cli.scene.kernels import ALIGN, Affine, in_tiles, tile_of


def encoded_length(octaves: int, *, encode: bool) -> int:
    """Numbers that `encode` makes of a 3-vector."""
    return 3 + 6 * octaves if encode else 3


def encode(p: Tensor, octaves: int) -> Tensor:
    """Positional encoding ``[p, sin(2^0 p), cos(2^0 p), …, sin(2^(L-1) p), cos(2^(L-1) p)]``.

    NeRF, equation 4, without its factor π, as the released code has it.

    Parameters
    ----------
    p : Tensor, shape = (..., 3)
        Points in world units, or unit directions.
    octaves : int
        L; with none the result is `p` alone.

    Returns
    -------
    Tensor, shape = (..., 3 + 6 L)
    """
    octave = torch.arange(octaves, device=p.device, dtype=torch.int64)
    powers = (1 << octave).to(p.dtype)  # exact, which a floating power need not be
    angles = p[..., None, :] * powers[:, None]
    waves = torch.stack((angles.sin(), angles.cos()), dim=-2)
    return torch.cat((p, waves.flatten(-3)), dim=-1)


def join(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate along the last axis, the leading ones broadcast."""
    # NumPy's: PyTorch's own imports a compiler, a third of a second for a picture of a tenth.
    lead = np.broadcast_shapes(*(tuple(part.shape[:-1]) for part in parts))
    return torch.cat([part.expand(*lead, part.shape[-1]) for part in parts], dim=-1)


def trunk_inputs(layer: int, entry: int, width: int, skip: int) -> int:
    """Inputs of a layer of the trunk, which sees its `entry` again after layer `skip`."""
    if layer == 0:
        return entry
    return entry + width if layer == skip + 1 else width


def trunk(entry: Tensor, layers: nn.ModuleList, skip: int) -> Tensor:
    """Rectified layers, shape (..., inputs) to (..., width)."""
    h = entry
    for number, layer in enumerate(layers):
        h = layer(h).relu()
        if number == skip:
            h = torch.cat((entry, h), dim=-1)
    return h


class Weights(NamedTuple):
    """A linear layer's numbers.

    Attributes
    ----------
    weight : Tensor, shape = (outputs, inputs)
    bias : Tensor, shape = (outputs,)
    """

    weight: Tensor
    bias: Tensor

    def rows(self, start: int, stop: int) -> Weights:
        """Some of the outputs."""
        return Weights(self.weight[start:stop], self.bias[start:stop])


def numbers_of(layer: nn.Module) -> Weights:
    """Those of a linear layer; TypeError when it is another one."""
    if not isinstance(layer, nn.Linear):
        raise TypeError(layer)
    return Weights(layer.weight, layer.bias)


class FoldedTrunk:
    """A trunk whose density is read by one more layer.

    Parameters
    ----------
    layers : sequence of Weights
    density : Weights
        Of one output.
    octaves : int
        Of the encoding of points; 0 is the point alone.
    skip : int
        See `trunk_inputs`.
    code : Tensor, shape = (length,)
        What stands behind every encoded point; empty where nothing does.
    dtype : torch.dtype
        Of the matrix products; encodings are made in float32 and densities come in float32.
    """

    def __init__(
        self,
        layers: Sequence[Weights],
        density: Weights,
        *,
        octaves: int,
        skip: int,
        code: Tensor,
        dtype: torch.dtype,
    ) -> None:
        self.device, self.dtype, self.skip = density.weight.device, dtype, skip
        self.scale = (1 << torch.arange(octaves, device=self.device, dtype=torch.int64)).to(
            torch.float32
        )[:, None]
        self.encoded = 3 + 6 * octaves
        self.padding = -self.encoded % ALIGN
        code = code.to(device=self.device, dtype=torch.float64)
        self.layers = [self._folded(layer, *_exact(one), code) for layer, one in enumerate(layers)]
        self.head = Affine(density.weight, density.bias, torch.float32)
        self.tile = tile_of(self.device, dtype)

    def _folded(self, layer: int, weight: Tensor, bias: Tensor, code: Tensor) -> Affine:
        """One layer; the first and the one after the skip see the encoded point and the code."""
        if layer in (0, self.skip + 1):
            entry, rest = weight[:, : self.encoded], weight[:, self.encoded :]
            bias = bias + rest[:, : len(code)] @ code
            weight = torch.cat((rest[:, len(code) :], self._reordered(entry)), dim=-1)
        return Affine(weight, bias, self.dtype)

    def _reordered(self, entry: Tensor) -> Tensor:
        """Columns in the order of `encode`: all sines, all cosines, the point, zeros."""
        waves = entry[:, 3:].reshape(len(entry), -1, 2, 3)
        parts = (waves[:, :, 0].flatten(1), waves[:, :, 1].flatten(1), entry[:, :3])
        return functional.pad(torch.cat(parts, dim=-1), (0, self.padding))

    @property
    def products(self) -> tuple[torch.Size, ...]:
        """Shapes, outputs × inputs, of the matrices that a sample goes through."""
        return tuple(layer.weight.shape for layer in self.layers)

    def encode(self, points: Tensor) -> Tensor:
        """Points, shape = (n, 3), as the first layer takes them."""
        angles = (points[:, None, :] * self.scale).flatten(1)
        pad = points.new_zeros((len(points), self.padding))
        return torch.cat((angles.sin(), angles.cos(), points, pad), dim=-1).to(self.dtype)

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """What colour is read from, shape = (n, width), and raw density, shape = (n,), float32."""
        features, density = in_tiles(self._run, self.tile, points)
        return features, density[:, 0]

    def at(self, points: Tensor) -> Tensor:
        """Raw density alone."""
        return self(points)[1]

    def _run(self, points: Tensor) -> tuple[Tensor, Tensor]:
        entry = self.encode(points)
        h = self.layers[0].rectified(entry)
        for layer, affine in enumerate(self.layers[1:], 1):
            h = affine.rectified(torch.cat((h, entry), -1) if layer == self.skip + 1 else h)
        return h, self.head(h.to(torch.float32))


class View(NamedTuple):
    """The branch in which colour meets a direction.

    Attributes
    ----------
    feature : Weights
        A layer without an activation.
    layer : Weights
        Takes what `feature` makes, then the encoded direction, then the code; rectified.
    encode : callable or None
        Unit directions, shape = (n, 3), to what the layer takes of them; None takes nothing.
    directions : int
        How many numbers that is.
    """

    feature: Weights
    layer: Weights
    encode: Callable[[Tensor], Tensor] | None
    directions: int


class FoldedBranch:
    """The colour branch behind a `FoldedTrunk`.

    Parameters
    ----------
    view : View or None
        None reads colours from the trunk's features.
    out : Weights
        Of three outputs.
    code : Tensor, shape = (length,)
        What stands behind every encoded direction; empty where nothing does.
    dtype : torch.dtype
    """

    def __init__(self, view: View | None, out: Weights, code: Tensor, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.tile = tile_of(out.weight.device, dtype)
        self.encode = None if view is None else view.encode
        self.view = None if view is None else _folded_view(view, code, dtype)
        self.directions = None if view is None else _of_directions(view)
        self.out = Affine(out.weight, out.bias, dtype)

    @property
    def products(self) -> tuple[torch.Size, ...]:
        """Shapes, outputs × inputs, of the matrices that a sample goes through."""
        parts = [self.out] if self.view is None else [self.view, self.out]
        return tuple(part.weight.shape for part in parts)

    def per_ray(self, directions: Tensor) -> Tensor | None:
        """What a ray's unit direction, shape = (n, 3), adds to each of its samples' view layer."""
        linear = self.directions
        if linear is None or self.encode is None:
            return None
        encoded = self.encode(directions)
        [added] = in_tiles(lambda rows: (linear(rows),), self.tile, encoded)
        return added.to(self.dtype)

    def __call__(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """Raw colour, shape = (n, 3), float32, of features and their rays' `per_ray`."""
        given = (features,) if per_ray is None else (features, per_ray)
        [raw] = in_tiles(self._run, self.tile, *given)
        return raw.to(torch.float32)

    def around(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """The same from m directions a row, whose share of the view layer is made once for all.

        Parameters
        ----------
        features : Tensor, shape = (n, width)
        per_ray : Tensor, shape = (n, m, width of the view layer), or None

        Returns
        -------
        Tensor, shape = (n, m, 3); m is 1 where no direction counts
        """
        view = self.view
        if view is None or per_ray is None:
            return self(features, None)[:, None]
        [shared] = in_tiles(lambda rows: (view(rows),), self.tile, features)
        seen = (shared[:, None] + per_ray).relu_().flatten(0, 1)
        [raw] = in_tiles(lambda rows: (self.out(rows),), self.tile, seen)
        return raw.to(torch.float32).view(*per_ray.shape[:2], -1)

    def _run(self, features: Tensor, per_ray: Tensor | None = None) -> tuple[Tensor]:
        if self.view is None:
            return (self.out(features),)
        if per_ray is None:
            return (self.out(self.view.rectified(features)),)
        return (self.out(self.view(features).add_(per_ray).relu_()),)


def _exact(layer: Weights) -> Weights:
    """In double precision, so that folding does not round."""
    return Weights(layer.weight.double(), layer.bias.double())


def _of_directions(view: View) -> Affine | None:
    """Columns of the view layer that the encoded direction goes through."""
    if view.encode is None:
        return None
    width = len(view.feature.bias)
    weight = _exact(view.layer).weight[:, width : width + view.directions]
    return Affine(weight, torch.zeros_like(weight[:, 0]), torch.float32)


def _folded_view(view: View, code: Tensor, dtype: torch.dtype) -> Affine:
    weight, bias = _exact(view.layer)
    feature_weight, feature_bias = _exact(view.feature)
    width, codes = len(feature_bias), len(code)
    code = code.to(device=weight.device, dtype=torch.float64)
    bias = bias + weight[:, :width] @ feature_bias + weight[:, weight.shape[1] - codes :] @ code
    folded = weight[:, :width] @ feature_weight
    return Affine(folded, bias, dtype)
