"""Codes: what a generator makes one object of, in named blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

PARALLEL = 1e-6  # sine of the angle below which two codes are interpolated along a line


@dataclass(frozen=True, eq=False)
class Code:
    """One block's value: a code, or a place between two keyframes.

    Which way leads from one to the other (along a great circle in z, along a line in w) is the
    family's to say, so that a shot can be made without a network.

    Attributes
    ----------
    start : Tensor, shape = (length,) or (rows, length)
        Float32, on the CPU.
    end : Tensor or None
        The next keyframe, of the same shape; None where there is nothing between.
    t : float
        How far along, in [0, 1].
    """

    start: Tensor
    end: Tensor | None = None
    t: float = 0.0


@dataclass(frozen=True, eq=False)
class Subject:
    """What is seen: codes, and what else of the scene can be set.

    Attributes
    ----------
    codes : mapping of str to Code
        By block, in the order of `Features.blocks`; empty for a scene without codes.
    space : str
        Of `Features.spaces`: what the rows are given in.
    truncation : float
        1 leaves the codes as they are; see `Features.truncation`.
    controls : mapping of str to float
        By name of `Features.controls`, those that are not at their default.
    """

    codes: Mapping[str, Code]
    space: str = "z"
    truncation: float = 1.0
    controls: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def key(self) -> bytes:
        """16 bytes that are the same for the same subject, in every process.

        What is at its default adds nothing, so that a new member leaves the keys of old subjects
        as they are.
        """
        digest = hashlib.blake2b(digest_size=16)
        for code in self.codes.values():
            digest.update(_bytes(code.start))
            if code.end is not None and code.t > 0:
                digest.update(_bytes(code.end) + np.float64(code.t).tobytes())
        if self.space != "z":
            digest.update(self.space.encode())
        if self.truncation != 1:
            digest.update(np.float64(self.truncation).tobytes())
        for name, value in sorted(self.controls.items()):
            digest.update(name.encode() + np.float64(value).tobytes())
        return digest.digest()


def _bytes(code: Tensor) -> bytes:
    return code.detach().to(device="cpu", dtype=torch.float32).contiguous().numpy().tobytes()


def along_great_circle(code: Code) -> Tensor:
    """Spherical interpolation; at t = 0 and 1 exactly the ends.

    Gaussian codes lie near a sphere; a straight line between two of them leaves it. Codes that
    are parallel, opposite or zero leave no great circle to follow and take the straight line.

    Returns
    -------
    Tensor, shape = (length,)
    """
    if code.end is None or code.t <= 0:
        return code.start
    if code.t >= 1:
        return code.end
    a, b, t = code.start, code.end, code.t
    norms = a.norm() * b.norm()
    cosine = float((a @ b) / norms) if norms > 0 else 1.0
    angle = np.arccos(np.clip(cosine, -1, 1))
    sine = np.sin(angle)
    if sine < PARALLEL:
        return torch.lerp(a, b, t)
    return a * float(np.sin((1 - t) * angle) / sine) + b * float(np.sin(t * angle) / sine)


def along_line(code: Code) -> Tensor:
    """Linear interpolation; at t = 0 and 1 exactly the ends. Shape as the ends."""
    if code.end is None or code.t <= 0:
        return code.start
    if code.t >= 1:
        return code.end
    return torch.lerp(code.start, code.end, code.t)
