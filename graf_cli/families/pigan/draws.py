"""Random numbers in the order in which the authors' programs draw them.

A program of theirs seeds PyTorch's generator, draws the code, and goes on in the same stream for
every picture: codes to average over, a shift of each sample, the camera, normals that would be
added to the densities, quantiles of the second pass, normals again. On a CPU all of it follows
from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.families.pigan.network import codes_to_average
from graf_cli.families.pigan.spec import Spec
from graf_cli.scene.volume import Draws

NORMALS = 4  # of which a truncated one takes the first that is small enough


@dataclass(frozen=True, eq=False)
class Drawn:
    """One picture's share of the stream.

    Attributes
    ----------
    codes : Tensor, shape = (10,000, z)
        That frequencies and phases are averaged over in this picture.
    draws : Draws
    """

    codes: Tensor
    draws: Draws


def stream(seed: int) -> torch.Generator:
    """The generator that a program of theirs draws everything from."""
    return torch.Generator(device="cpu").manual_seed(seed)


def code(spec: Spec, source: torch.Generator) -> Tensor:
    """The first numbers of a stream: the code, shape = (z,)."""
    return _normal((spec.z,), source)


def pictures(
    spec: Spec, source: torch.Generator, *, pixels: int, samples: int, noise: float = 0.0
) -> Iterator[Drawn]:
    """Picture after picture of one size, without end.

    Parameters
    ----------
    spec : Spec
    source : Generator
        Behind the code.
    pixels : int
        Of each picture.
    samples : int
        Of each pass.
    noise : float
        Standard deviation of what is added to raw densities; 0 in all the authors' programs, which
        draw it nevertheless.

    Raises
    ------
    UsageError
        For the mode ``hybrid``, which also asks Python's own generator, seeded by nobody.
    """
    while True:
        codes = codes_to_average(spec.z, source)
        jitter = _uniform((pixels, samples), source)
        for _ in range(2):
            skip_angle(spec, source)
        first, quantiles, total = None, None, samples
        if spec.two_passes:
            first = _normal((pixels, samples), source)
            quantiles = _uniform((pixels, samples), source)
            total = 2 * samples
        last = _normal((pixels, total), source)
        added = tuple(noise * one for one in (first, last) if one is not None) if noise else ()
        yield Drawn(codes, Draws(jitter - 0.5, quantiles, added))


def on(made: Draws, device: torch.device) -> Draws:
    """The same numbers on a device."""
    quantiles = None if made.quantiles is None else made.quantiles.to(device=device)
    noise = tuple(one.to(device=device) for one in made.noise)
    return Draws(made.jitter.to(device=device), quantiles, noise)


def skip_angle(spec: Spec, source: torch.Generator) -> None:
    """Draw what one angle of one camera takes from the stream, whatever its spread."""
    match spec.views.distribution:
        case "uniform" | "spherical_uniform":
            _uniform((1, 1), source)
        case "normal" | "gaussian":
            _normal((1, 1), source)
        case "truncated_gaussian":
            _normal((1, 1, NORMALS), source)
        case "hybrid":
            raise UsageError(
                "Cameras of the mode `hybrid` follow from no seed, so ⟨jitter⟩ cannot draw them; "
                "leave it out."
            )


def _uniform(shape: tuple[int, ...], source: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=source, device="cpu", dtype=torch.float32)


def _normal(shape: tuple[int, ...], source: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=source, device="cpu", dtype=torch.float32)
