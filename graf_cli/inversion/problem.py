"""What is looked for, by what, and what is known of it: plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.inversion.coordinates import Coordinates
from graf_cli.inversion.perceptual import Perceptual
from graf_cli.inversion.photograph import Photograph
from graf_cli.model.generator import Generator
from graf_cli.recipe import Pinhole
from graf_cli.rendering.shot import Rgb
from graf_cli.scene.camera import Camera, camera_for, pose_on_sphere
from graf_cli.scene.codes import Code, Subject
from graf_cli.scene.features import Features
from graf_cli.syntax import rgb_of


@dataclass(frozen=True, eq=False)
class Standpoint:
    """Where one photograph was taken from.

    Attributes
    ----------
    azimuth, elevation : float
        Degrees.
    radius : float
        World units.
    pose : ndarray, shape = (3, 4), or None
        Camera to world, which then stands for the others.
    """

    azimuth: float
    elevation: float
    radius: float
    pose: Array | None = None

    def matrix(self, pivot: tuple[float, float, float]) -> Array:
        """Camera to world, shape = (3, 4)."""
        if self.pose is not None:
            return self.pose
        return pose_on_sphere(self.azimuth, self.elevation, self.radius, pivot)


@dataclass(frozen=True, eq=False)
class Candidate:
    """One answer.

    Attributes
    ----------
    codes : mapping of str to Tensor
        By block, float32 on the CPU.
    standpoints : tuple of Standpoint
        One a photograph.
    loss : float
        What it was judged by last; comparable within one stage.
    """

    codes: Mapping[str, Tensor]
    standpoints: tuple[Standpoint, ...]
    loss: float = float("inf")


@dataclass(frozen=True)
class Known:
    """What is said of the cameras; None is looked for, one value serves all photographs.

    Attributes
    ----------
    azimuth, elevation, radius : tuple of float, or None
        Degrees, degrees, world units.
    fov : float or None
        Degrees across the width; None is the model's. It is never looked for.
    poses : tuple of ndarray, shape = (3, 4)
        One a photograph, in place of the three.
    intrinsics : tuple of (fx, fy, cx, cy)
        In pixels of the working size, one for all or one a photograph.
    """

    azimuth: tuple[float, ...] | None = None
    elevation: tuple[float, ...] | None = None
    radius: tuple[float, ...] | None = None
    fov: float | None = None
    poses: tuple[Array, ...] = ()
    intrinsics: tuple[Pinhole, ...] = ()

    def of(self, name: str, number: int) -> float | None:
        """What is known of one photograph's azimuth, elevation or radius."""
        values: Sequence[float] | None = getattr(self, name)
        return None if values is None else values[number if len(values) > 1 else 0]


@dataclass(frozen=True, eq=False)
class Problem:
    """All that does not change while an answer is looked for.

    Attributes
    ----------
    generator : Generator
    photographs : tuple of Photograph
        Of one size, `size`.
    known : Known
    colour : str
        Of the background, ``#rrggbb``.
    samples : int
        Along each ray.
    prior : float
        Weight of the codes' prior against the mean square difference of colours.
    controls : mapping of str to float
        Settings of the family's own, as `Subject.controls`.
    coordinates : Coordinates or None
        In which codes are looked for; None is z, block by block.
    perceptual : Perceptual or None
        A network of the user's, whose distance counts as well.
    """

    generator: Generator
    photographs: tuple[Photograph, ...]
    known: Known
    colour: str
    samples: int
    prior: float
    controls: Mapping[str, float] = field(default_factory=dict)
    coordinates: Coordinates | None = None
    perceptual: Perceptual | None = None

    @property
    def space(self) -> str:
        """Of `Features.spaces`."""
        return "z" if self.coordinates is None else self.coordinates.space

    @cached_property
    def features(self) -> Features:
        """What the model offers for as many objects as there are."""
        return self.generator.features.counting(self._values)

    @property
    def _values(self) -> dict[str, tuple[float]]:
        return {name: (value,) for name, value in self.controls.items()}

    @cached_property
    def _by_number(self) -> dict[int | None, list[str]]:
        """The names of the codes of each object that there is; None is of what is none."""
        features = self.features
        count = features.count(self._values) or 0
        found: dict[int | None, list[str]] = {}
        for block in features.blocks:
            number = features.number(block.name)
            if number is None or number < count:
                found.setdefault(number, []).append(block.name)
        return found

    def by_object(self) -> list[list[str]]:
        """The codes of each object that there is, then of what is none, by name."""
        numbers = sorted(self._by_number, key=lambda number: number is None)
        return [self._by_number[number] for number in numbers]

    @property
    def several(self) -> bool:
        """Whether there are several objects, each with codes of its own."""
        return len(self._by_number.keys() - {None}) > 1

    @property
    def background(self) -> Rgb:
        """Its colour, in [0, 1]."""
        return rgb_of(self.colour)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the photographs."""
        return self.photographs[0].size

    def subject(self, codes: Mapping[str, Tensor]) -> Subject:
        """What a picture shows of some codes; differentiable in them."""
        if self.coordinates is not None:
            codes = {name: self.coordinates.row(code) for name, code in codes.items()}
        given = {name: Code(code) for name, code in codes.items()}
        return Subject(given, self.space, controls=self.controls)

    def middle(self, number: int) -> Standpoint:
        """Where a photograph was taken from as far as it is known, else the middle of training."""
        camera = self.generator.spec.camera
        ranges = {
            "azimuth": camera.azimuth, "elevation": camera.elevation, "radius": camera.radius
        }  # fmt: skip
        values = {}
        for name, (low, high) in ranges.items():
            said = self.known.of(name, number)
            values[name] = (low + high) / 2 if said is None else said
        pose = self.known.poses[number] if self.known.poses else None
        return Standpoint(**values, pose=pose)

    def camera(self, number: int, standpoint: Standpoint, width: int, height: int) -> Camera:
        """A photograph's camera in pictures of another size; pixels cover the same areas."""
        spec, (full, high) = self.generator.spec.camera, self.size
        lenses = self.known.intrinsics
        camera = camera_for(
            spec, standpoint.matrix(spec.pivot), width=full, height=high, fov=self.known.fov,
            intrinsics=lenses[number if len(lenses) > 1 else 0] if lenses else None,
        )  # fmt: skip
        if (width, height) == (full, high):
            return camera
        lens = None if camera.orthographic else camera.lens.scaled((full, high), (width, height))
        return Camera(
            pose=camera.pose, width=width, height=height, fov=camera.fov, near=camera.near,
            far=camera.far, radius_max=camera.radius_max, orthographic=camera.orthographic,
            intrinsics=lens, pixels=camera.pixels, depths=camera.depths,
        )  # fmt: skip

    def smaller(self, longest: int) -> tuple[int, int]:
        """Width and height of pictures whose longer side is `longest`, or the whole size.

        A 2-D stage paints one size. Of a smaller map it makes another picture, between which and
        the photograph there are 16 to 24 dB at the very codes that it was made of (GIRAFFE).
        """
        width, height = self.size
        if self.generator.features.sizes is not None:
            return width, height
        scale = min(longest / max(width, height), 1.0)
        return max(round(width * scale), 1), max(round(height * scale), 1)

    def penalty(self, codes: Mapping[str, Tensor]) -> Tensor:
        """How unlikely codes are: ``½ |z|²`` a number, or how far they leave a uniform prior.

        Half the mean square of the numbers of all blocks is, up to a constant, the negative
        logarithm of the normal density a number.
        """
        total = torch.zeros((), device="cpu", dtype=torch.float32).to(device=self.generator.device)
        count = 0
        for block in self.features.blocks:
            code = codes[block.name]
            if block.prior == "uniform" and self.coordinates is None:
                total = total + (code.abs() - 1).relu().square().sum()
            else:
                total = total + code.square().sum() / 2
            count += code.numel()
        return total / max(count, 1)


def turned(standpoint: Standpoint) -> Array:
    """Unit vector from the object to where a photograph was taken from, shape = (3,)."""
    if standpoint.pose is not None:
        eye = standpoint.pose[:, 3]
        return np.asarray(eye / max(float(np.linalg.norm(eye)), 1e-9))
    return pose_on_sphere(standpoint.azimuth, standpoint.elevation, 1.0)[:, 2]
