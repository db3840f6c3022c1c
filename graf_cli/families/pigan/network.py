"""The network of π-GAN (section 3.2): a mapping network, and sine layers that it sets.

Letters: ``f`` and ``φ`` are the raw frequencies and phases that the mapping network gives, one of
each for every unit of the nine sine layers, the last of which belongs to colour. A layer is
``sin((15 f + 30) · (W x + b) + φ)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from graf_cli.families.pigan.spec import EMBEDDED, FILMS, SINES, Spec
from graf_cli.scene.kernels import Linear, in_tiles, plain_tile

SLOPE = 0.2  # of the mapping network's leaky rectifiers
GAIN, SHIFT = 15.0, 30.0  # of a raw frequency
AVERAGED = 10_000  # codes that an average is taken over, as the authors do
STEEPEST = 80.0  # a colour before the sigmoid, beyond which e^−x leaves float32


@dataclass(frozen=True, eq=False)
class Film:
    """What sets the sine layers of one object.

    Attributes
    ----------
    frequencies, phases : Tensor, shape = (9 · hidden,)
        Raw, layer after layer.
    """

    frequencies: Tensor
    phases: Tensor

    @classmethod
    def of(cls, row: Tensor) -> Film:
        """Of a row of numbers: all frequencies, then all phases, shape = (18 · hidden,)."""
        half = len(row) // 2
        return cls(row[:half], row[half:])

    @property
    def row(self) -> Tensor:
        """The inverse of `of`."""
        return torch.cat((self.frequencies, self.phases))

    def towards(self, other: Film, t: float) -> Film:
        """Along a line, ``(1 − t) · self + t · other``."""
        return Film(
            (1 - t) * self.frequencies + t * other.frequencies,
            (1 - t) * self.phases + t * other.phases,
        )

    def truncated(self, average: Film, psi: float) -> Film:
        """Drawn towards an average, ``average + ψ · (self − average)``."""
        return Film(
            average.frequencies + psi * (self.frequencies - average.frequencies),
            average.phases + psi * (self.phases - average.phases),
        )

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """``15 f + 30`` and ``φ`` of each of the nine layers, shape = (hidden,) each."""
        scale = self.frequencies * GAIN + SHIFT
        return [*zip(scale.chunk(FILMS), self.phases.chunk(FILMS), strict=True)]


class Siren(nn.Module):
    """Mapping network and sine layers.

    Parameters
    ----------
    spec : Spec
    device : torch.device or str
    dtype : torch.dtype
    """

    embedding: nn.Parameter | None

    def __init__(self, spec: Spec, *, device: torch.device | str, dtype: torch.dtype) -> None:
        super().__init__()
        self.spec = spec

        def linear(inputs: int, outputs: int) -> Linear:
            return Linear(inputs, outputs, device=device, dtype=dtype)

        widths = (spec.z, *[spec.mapping] * 3, 2 * spec.film)
        self.mapping = nn.ModuleList(
            linear(inputs, outputs) for inputs, outputs in pairwise(widths)
        )
        entry = 3 + EMBEDDED if spec.embedded else 3
        self.sines = nn.ModuleList(
            linear(spec.hidden if k else entry, spec.hidden) for k in range(SINES)
        )
        self.density = linear(spec.hidden, 1)
        self.colour_sine = linear(3 + spec.hidden, spec.hidden)  # the direction comes first
        self.colour = linear(spec.hidden, 3)
        self.embedding = None
        if spec.cells is not None:
            cube = torch.empty((1, EMBEDDED, *spec.cells), device=device, dtype=dtype)
            self.embedding = nn.Parameter(cube)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.density.weight.device

    def film(self, z: Tensor) -> Film:
        """Raw frequencies and phases of one code, shape = (z,)."""
        return Film.of(self._mapped(z[None])[0])

    def averages(self, codes: Tensor) -> Film:
        """Means over many codes, shape = (n, z)."""
        return Film.of(self._mapped(codes).mean(dim=0))

    def _mapped(self, codes: Tensor) -> Tensor:
        x = codes.to(device=self.device, dtype=self.density.weight.dtype)
        *inner, last = self.mapping
        for layer in inner:
            x = functional.leaky_relu(layer(x), SLOPE)
        return last(x)  # type: ignore[no-any-return]

    def entry(self, points: Tensor) -> Tensor:
        """What the first layer takes, of points in the authors' frame, shape = (n, 3)."""
        points = points * self.spec.factor
        if self.embedding is None:
            return points
        where = points.reshape(1, -1, 1, 1, 3)
        read = functional.grid_sample(
            self.embedding, where, mode="bilinear", padding_mode="zeros", align_corners=True
        )
        return torch.cat((read.reshape(EMBEDDED, -1).T, points), dim=-1)


class Network(nn.Module):
    """What is kept of a model: the sine network, and the averages that codes are drawn towards.

    Parameters
    ----------
    siren : Siren
    average : Film
    """

    average_row: Tensor

    def __init__(self, siren: Siren, average: Film) -> None:
        super().__init__()
        self.siren = siren
        self.register_buffer("average_row", average.row)

    @property
    def average(self) -> Film:
        """Means of frequencies and phases."""
        return Film.of(self.average_row)


def codes_to_average(count: int, source: torch.Generator) -> Tensor:
    """Normal codes that an average is taken over, shape = (10,000, count), on the CPU."""
    return torch.randn((AVERAGED, count), generator=source, device="cpu", dtype=torch.float32)


class Field:
    """The volume of one object, in the authors' own order of operations.

    Parameters
    ----------
    siren : Siren
    film : Film
        Truncated.
    locked : bool
        Whether all colours are those that the middle of the frontal picture sees.
    """

    channels = 3

    def __init__(self, siren: Siren, film: Film, *, locked: bool = False) -> None:
        self.siren, self.locked = siren, locked
        self.layers = film.layers()
        self.tile = plain_tile(siren.device, siren.density.weight.dtype)

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """See `Volume.density`."""
        features, density = in_tiles(self._density, self.tile, points)
        return features, density[:, 0]

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        """See `Volume.radiance`."""
        [colour] = in_tiles(self._radiance, self.tile, features, directions)
        return colour

    def _density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        x = self.siren.entry(to_authors(points))
        for linear, film in zip(self.siren.sines, self.layers, strict=False):
            x = _sine(linear(x), film)
        return x, self.siren.density(x)

    def _radiance(self, features: Tensor, directions: Tensor) -> tuple[Tensor]:
        views = locked_view(directions) if self.locked else to_authors(directions)
        x = self.siren.colour_sine(torch.cat((views, features), dim=-1))
        return (sigmoid(self.siren.colour(_sine(x, self.layers[-1]))),)


def _sine(x: Tensor, film: tuple[Tensor, Tensor]) -> Tensor:
    scale, phase = film
    return torch.sin(scale * x + phase)


def to_authors(vectors: Tensor) -> Tensor:
    """Our (X, Y, Z) as the authors have it, y up: (Y, Z, X)."""
    return vectors.roll(-1, dims=-1)


def from_authors(vectors: Tensor) -> Tensor:
    """Their (x, y, z) in our world, z up: (z, x, y)."""
    return vectors.roll(1, dims=-1)


def locked_view(like: Tensor) -> Tensor:
    """Of as many rows: (0, 0, −1) in the authors' frame, along which a camera in front looks."""
    return torch.cat((torch.zeros_like(like[:, :2]), torch.full_like(like[:, :1], -1)), dim=-1)


def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + e^−x)``, written out: PyTorch's rounds differently at the end of a tensor."""
    return torch.exp(-x.clamp(min=-STEEPEST)).add(1).reciprocal()
