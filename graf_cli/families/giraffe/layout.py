"""Where everything of a scene is, from the settings of a subject; no weights are needed for it.

A world point x is ``p = R (x − t) / s`` in an object's box, R a rotation about z. The object at
θ, seen by a camera at azimuth 0, is the object at 0 seen from azimuth θ.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graf_cli.errors import UsageError
from graf_cli.families.giraffe.spec import AXES, MAX_OBJECTS, PADDED, Spec, controls
from graf_cli.scene.codes import Subject
from graf_cli.scene.placed import OrientedBox

RING = 6  # objects around the first one; each further ring has as many more
RING_STEP = 0.4  # of a trained range between two rings
RING_START = 30.0  # degrees from "right" towards the camera, so that none hides the first one
THINNEST = 1e-6  # world units; half a side below which a box divides by as good as nothing

Float32 = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an object is.

    Attributes
    ----------
    scale, translation : ndarray of float32, shape = (3,)
        Half a side of the box, without padding; its centre. World units.
    rotation : ndarray of float32, shape = (3, 3)
        World to box.
    exists : bool
    """

    scale: Float32
    translation: Float32
    rotation: Float32
    exists: bool = True

    def placed(self, number: int) -> OrientedBox:
        """With the padding, outside of which there is nothing of the object."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.rotation.T, self.translation
        x, y, z = (PADDED * abs(float(side)) for side in self.scale)
        return OrientedBox(number, self.exists, pose, (x, y, z))


@dataclass(frozen=True, eq=False)
class Layout:
    """All of a scene but its codes.

    Attributes
    ----------
    objects : tuple of Placement
    background : bool
        Whether there is one.
    background_rotation : ndarray of float32, shape = (3, 3)
    """

    objects: tuple[Placement, ...]
    background: bool
    background_rotation: Float32


def rotation_about_z(degrees: float) -> Float32:
    """``[[cos θ, −sin θ, 0], [sin θ, cos θ, 0], [0, 0, 1]]``, made in double."""
    angle = 2 * math.pi * (degrees / 360)
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]).astype(np.float32)


def layout(spec: Spec, subject: Subject) -> Layout:
    """Where everything is.

    Raises
    ------
    UsageError
        When there are too many objects, or a box has no size, or a setting belongs to nothing.
    """
    settings = _Settings(spec, subject)
    count = settings.count()
    return Layout(
        objects=tuple(_placement(spec, settings, number) for number in range(count)),
        background=settings.get("background") > 0,
        background_rotation=rotation_about_z(settings.get("background.turn")),
    )


def arranged(number: int) -> tuple[float, float]:
    """Where an object stands that nobody has placed, settings of x and y.

    The first one is in the middle and the others are on rings around it, each where it is however
    many there are. Of a ring's places those across from each other are taken one after the other.
    """
    ring, first = 0, 1
    while number >= first + RING * ring:
        first += RING * ring
        ring += 1
    if not ring:
        return 0.5, 0.5
    pair, side = divmod(number - first, 2)
    angle = math.radians(RING_START + 360 * pair / (RING * ring) + 180 * side)
    return 0.5 + RING_STEP * ring * math.sin(angle), 0.5 + RING_STEP * ring * math.cos(angle)


class _Settings:
    """Controls of a subject, those of one object before those of all, both before the default."""

    def __init__(self, spec: Spec, subject: Subject) -> None:
        own = controls(spec)
        self.defaults = {one.name: None if one.differs else one.default for one in own}
        self.given = subject.controls
        for name in self.given:
            head, _, rest = name.partition(".")
            number, _, part = rest.partition(".")
            generic = f"object.*.{part}" if head == "object" and number.isdecimal() else name
            if generic not in self.defaults:
                known = ", ".join(self.defaults)
                raise UsageError(f"This model has no control {name}; it has {known}.")

    def get(self, name: str) -> float:
        value = self.given.get(name, self.defaults[name])
        assert value is not None, "only objects have settings that depend on their number"
        return value

    def said(self, number: int, part: str) -> float | None:
        """What was said of an object, by its number or of all of them."""
        return self.given.get(f"object.{number}.{part}", self.given.get(f"object.*.{part}"))

    def of(self, number: int, part: str, otherwise: float) -> float:
        value = self.said(number, part)
        value = self.defaults.get(f"object.*.{part}") if value is None else value
        return otherwise if value is None else value

    def count(self) -> int:
        value = self.get("objects")
        if value != int(value) or not 0 <= value <= MAX_OBJECTS:
            raise UsageError(f"objects is {value:g}; give a whole number from 0 to {MAX_OBJECTS}.")
        return int(value)

    def place(self, number: int) -> list[float]:
        """Settings of x, y and z."""
        around, middle = self.said(number, "circle"), arranged(number)
        if around is not None:
            middle = 0.5, 0.5
        x, y, z = (
            self.of(number, axis, default)
            for axis, default in zip(AXES, (*middle, 0.5), strict=True)
        )
        if around is not None:
            angle = math.radians(around)
            x, y = x + 0.5 * math.cos(angle), y + 0.5 * math.sin(angle)
        return [x, y, z]


def _placement(spec: Spec, settings: _Settings, number: int) -> Placement:
    boxes = spec.boxes
    if boxes.same_scale:
        scales = [settings.of(number, "scale", 0.0)] * 3
    else:
        scales = [settings.of(number, f"scale.{axis}", 0.0) for axis in AXES]
    translation = _between(boxes.translation_min, boxes.translation_max, settings.place(number))
    if boxes.plane is not None:
        translation[2] = boxes.plane
    scale = _between(boxes.scale_min, boxes.scale_max, scales)
    if np.abs(scale).min() < THINNEST:
        raise UsageError(f"The box of object {number} would have no size; give it another scale.")
    return Placement(
        scale=scale,
        translation=translation,
        rotation=rotation_about_z(settings.get("turn") + settings.of(number, "turn", 0.0)),
        exists=settings.of(number, "exists", 1.0) > 0,
    )


def _between(low: Sequence[float], high: Sequence[float], settings: Sequence[float]) -> Float32:
    """``low + setting (high − low)`` in float32, as in the release; settings are not clamped."""
    start, end = np.array(low, dtype=np.float32), np.array(high, dtype=np.float32)
    moved: Float32 = start + np.array(settings, dtype=np.float32) * (end - start)
    return moved
