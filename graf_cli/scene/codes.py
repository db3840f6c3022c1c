"""Codes: what a generator makes one object of, in named blocks."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graf_cli.arrays import Array, read_arrays
from graf_cli.errors import UsageError
from graf_cli.scene.features import EACH, Block, Control, Features
from graf_cli.scene.kernels import dot

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
    jitter : int or None
        Seed of the random numbers of the authors' program; None draws none.
    """

    codes: Mapping[str, Code]
    space: str = "z"
    truncation: float = 1.0
    controls: Mapping[str, float] = field(default_factory=dict)
    jitter: int | None = None

    @cached_property
    def key(self) -> bytes:
        """16 bytes that are the same for the same subject, in every process.

        What is at its default adds nothing, so that a new member leaves the keys of old subjects
        as they are.
        """
        digest = hashlib.blake2b(digest_size=16)
        for part in self.parts():
            digest.update(part)
        return digest.digest()

    def parts(self) -> Iterator[bytes]:
        """What the key is made of."""
        for code in self.codes.values():
            yield _bytes(code.start)
            if code.end is not None and code.t > 0:
                yield _bytes(code.end) + np.float64(code.t).tobytes()
        if self.space != "z":
            yield self.space.encode()
        if self.truncation != 1:
            yield np.float64(self.truncation).tobytes()
        for name, value in sorted(self.controls.items()):
            yield name.encode() + np.float64(value).tobytes()
        if self.jitter is not None:
            yield b"jitter" + np.uint64(self.jitter).tobytes()


def _bytes(code: Tensor) -> bytes:
    return code.detach().to(device="cpu", dtype=torch.float32).contiguous().numpy().tobytes()


def draw(features: Features, seed: int) -> dict[str, Tensor]:
    """All codes of a seed: the same on every device and in every batch.

    Each seed has a generator of its own on the CPU, so that object `k` does not depend on how
    many others are drawn. One vector is drawn for all blocks and cut in their order; blocks
    beyond the usual number are drawn behind them, one by one.

    Returns
    -------
    dict of Tensor, shape = (length,)
        By block, float32.
    """
    if not features.blocks:
        return {}
    [prior] = {block.prior for block in features.blocks}
    further = [block.length for block in features.blocks[len(features.blocks) - features.added :]]
    usual = features.length - sum(further)
    if prior == "legacy":
        # More than 32 bits are taken as words of 32, which smaller seeds are not.
        source = seed if seed < 1 << 32 else [seed & 0xFFFFFFFF, seed >> 32]
        numbers = np.random.RandomState(source).randn(features.length).astype(np.float32)
        return split(features, torch.from_numpy(numbers))
    generator = torch.Generator(device="cpu").manual_seed(seed)
    options = {"generator": generator, "device": "cpu", "dtype": torch.float32}
    if prior == "gauss":
        z = [torch.randn(n, **options) for n in (usual, *further)]  # type: ignore[call-overload]
    else:
        z = [2 * torch.rand(n, **options) - 1 for n in (usual, *further)]  # type: ignore[call-overload]
    return split(features, torch.cat(z))


def drawn_controls(features: Features, seed: int, given: Mapping[str, float]) -> dict[str, float]:
    """What a random scene of a seed has beside its codes, as far as it is not given.

    Each number comes from a stream of its own, by its name, so that where an object stands does
    not depend on how many others there are.
    """
    found: dict[str, float] = {}

    def drawn(control: Control, name: str) -> None:
        if name not in given:
            stream = np.random.SeedSequence(seed, spawn_key=tuple(name.encode()))
            [word] = stream.generate_state(1, np.uint64)
            found[name] = control.at(float(word >> np.uint64(11)) / 2**53)

    wanted = [one for one in features.controls if one.drawn and one.instead not in given]
    for control in wanted:
        if EACH not in control.name:
            drawn(control, control.name)
    count = features.count({name: (value,) for name, value in {**found, **given}.items()}) or 0
    for control in wanted:
        if EACH in control.name:
            for number in range(count):
                drawn(control, control.name.replace(EACH, str(number)))
    return found


def drawn_seed(stream: int, k: int) -> int:
    """The seed of object `k` of a stream of them, independent of how many there are."""
    [word] = np.random.SeedSequence((stream, k)).generate_state(1, np.uint64)
    return int(word >> np.uint64(11))


def split(features: Features, row: Tensor) -> dict[str, Tensor]:
    """A row of numbers, shape = (length of all blocks,), cut into blocks."""
    lengths = [block.length for block in features.blocks]
    names = [block.name for block in features.blocks]
    return dict(zip(names, torch.split(row, lengths), strict=True))


def read_rows(path: Path, features: Features, space: str = "z") -> Array:
    """Codes from a file.

    Parameters
    ----------
    path : Path
        ``.npy`` of shape (n, length) or (length,), or ``.npz`` with an array (n, length) a block.
        In another space than z, one array of (n, numbers), (n, rows, numbers) or one row of it.
    features : Features
    space : str

    Returns
    -------
    ndarray, shape = (n, length)
        The blocks in their order; (n, rows, numbers) of a space whose rows are tables.

    Raises
    ------
    UsageError
        When the file is not that; it names the shape that was expected.
    """
    if not features.blocks:
        raise UsageError("This model has no codes, it shows one scene; leave out ⟨latents⟩.")
    arrays, names = read_arrays(path), [block.name for block in features.blocks]
    if space != "z":
        return _in_space(path, arrays, features, space)
    if names and set(names) <= arrays.keys():
        parts = [np.atleast_2d(arrays[name]) for name in names]
        if len({part.shape[:1] for part in parts}) == 1 and {part.ndim for part in parts} == {2}:
            return _checked(path, features, np.concatenate(parts, axis=1))
    if len(arrays) != 1:
        wanted = " and ".join(f"`{name}`" for name in names)
        raise UsageError(
            f"{path} holds the arrays {sorted(arrays)}; a .npz of codes holds {wanted}, "
            "as many rows of each."
        )
    [codes] = arrays.values()
    return _checked(path, features, np.atleast_2d(codes))


def _in_space(path: Path, arrays: Mapping[str, Array], features: Features, space: str) -> Array:
    """The only array, as rows; a table alone is one row where the space has tables."""
    if len(arrays) != 1:
        raise UsageError(
            f"{path} holds the arrays {sorted(arrays)}; name one with rows of {space}."
        )
    [rows] = arrays.values()
    shape = features.row_shapes.get(space)
    if shape is not None:
        if rows.shape[-len(shape) :] == shape and rows.ndim in (len(shape), len(shape) + 1):
            return rows.reshape(-1, *shape)
        if rows.ndim and rows.shape[-1] == math.prod(shape) and rows.ndim <= 2:
            return rows.reshape(-1, *shape)
        wanted = " × ".join(map(str, ("n", *shape)))
        raise UsageError(f"{path} holds rows of shape {rows.shape}; in {space} they are {wanted}.")
    if rows.ndim not in (1, 2, 3) or not rows.size:
        raise UsageError(f"{path} holds an array of shape {rows.shape}; rows of {space} are n × m.")
    return np.atleast_2d(rows)


def _checked(path: Path, features: Features, codes: Array) -> Array:
    if codes.ndim != 2 or codes.shape[1] != features.length or not len(codes):
        raise UsageError(
            f"{path} holds codes of shape {codes.shape}; this model takes n × {features.length} "
            f"({_told(features.blocks)})."
        )
    return codes


def _told(blocks: tuple[Block, ...]) -> str:
    return ", ".join(f"{block.name} {block.length}" for block in blocks)


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
    cosine = float(dot(a, b) / norms) if norms > 0 else 1.0
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
