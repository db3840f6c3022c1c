"""Latents: the shape and the appearance code of one object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graf_cli.arrays import Array, read_arrays
from graf_cli.errors import UsageError
from graf_cli.model.kernels import dot
from graf_cli.model.spec import LatentSpec

PARALLEL = 1e-6  # sine of the angle below which two codes are interpolated along a line


@dataclass(frozen=True, eq=False)
class Latent:
    """One object.

    Attributes
    ----------
    shape : Tensor, shape = (dim_shape,)
        Geometry; float32, on the CPU.
    appearance : Tensor, shape = (dim_appearance,)
        Colour; it never moves the geometry.
    """

    shape: Tensor
    appearance: Tensor


def draw(spec: LatentSpec, seed: int) -> Latent:
    """The object of a seed: the same on every device and in every batch.

    Each seed has a generator of its own on the CPU, so that object `k` does not depend on how
    many others are drawn. Gaussian or uniform, GRAF section 3.1.
    """
    generator = torch.Generator(device="cpu").manual_seed(seed)
    options = {"generator": generator, "device": "cpu", "dtype": torch.float32}
    if spec.prior == "gauss":
        z = torch.randn(spec.dim, **options)  # type: ignore[call-overload]
    else:
        z = 2 * torch.rand(spec.dim, **options) - 1  # type: ignore[call-overload]
    return split(spec, z)


def drawn_seed(stream: int, k: int) -> int:
    """The seed of object `k` of a stream of them, independent of how many there are."""
    [word] = np.random.SeedSequence((stream, k)).generate_state(1, np.uint64)
    return int(word >> np.uint64(11))


def split(spec: LatentSpec, z: Tensor) -> Latent:
    """A code of length `dim` as shape (first) and appearance (last)."""
    return Latent(z[: spec.dim_shape], z[spec.dim_shape :])


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Spherical interpolation of two codes, shape = (n,); at t = 0 and 1 exactly the ends.

    Gaussian codes lie near a sphere; a straight line between two of them leaves it. Codes that
    are parallel, opposite or zero leave no great circle to follow and take the straight line.
    """
    if t <= 0 or t >= 1:
        return a if t <= 0 else b
    norms = a.norm() * b.norm()
    cosine = float(dot(a, b) / norms) if norms > 0 else 1.0
    angle = np.arccos(np.clip(cosine, -1, 1))
    sine = np.sin(angle)
    if sine < PARALLEL:
        return torch.lerp(a, b, t)
    return a * float(np.sin((1 - t) * angle) / sine) + b * float(np.sin(t * angle) / sine)


def read_latents(path: Path, spec: LatentSpec) -> Array:
    """Codes from a file.

    Parameters
    ----------
    path : Path
        ``.npy`` of shape (n, dim) or (dim,), or ``.npz`` with `shape` (n, dim_shape) and
        `appearance` (n, dim_appearance).

    Returns
    -------
    ndarray, shape = (n, dim)
        Shape first, appearance last.

    Raises
    ------
    UsageError
        When the file is not that; it names the shape that was expected.
    """
    arrays = read_arrays(path)
    if {"shape", "appearance"} <= arrays.keys():
        parts = [np.atleast_2d(arrays[key]) for key in ("shape", "appearance")]
        if len({part.shape[:1] for part in parts}) == 1 and {part.ndim for part in parts} == {2}:
            return _checked(path, spec, np.concatenate(parts, axis=1))
    if len(arrays) != 1:
        raise UsageError(
            f"{path} holds the arrays {sorted(arrays)}; a .npz of latents holds `shape` and "
            "`appearance`, as many rows of each."
        )
    [codes] = arrays.values()
    return _checked(path, spec, np.atleast_2d(codes))


def _checked(path: Path, spec: LatentSpec, codes: Array) -> Array:
    if codes.ndim != 2 or codes.shape[1] != spec.dim or not len(codes):
        raise UsageError(
            f"{path} holds codes of shape {codes.shape}; this model takes n × {spec.dim} "
            f"(shape {spec.dim_shape}, appearance {spec.dim_appearance})."
        )
    return codes
