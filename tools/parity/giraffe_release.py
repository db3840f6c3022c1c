"""What the release's own renderer and evaluation hand to the generator, in our words.

Its programs seed both generators with 0, draw 15 scenes and move them step by step. Here each is
a table row: controls and codes of a subject, and the camera's setting. Settings are the release's:
0 and 1 are the ends of a trained range, numbers outside are allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from graf_cli.families.giraffe.layout import Layout, layout
from graf_cli.families.giraffe.spec import TEMPERATURE, Spec, controls
from graf_cli.scene.codes import Code, Subject

SCENES = 15  # of every program
LEG = 32  # steps from one code to the next
CODES = 6  # of an interpolation
EXISTENCE = (0.19456788355146545, 0.24355003312266127, 0.2526954684618552, 0.30918661486401804)
Triple = tuple[float, float, float]
MIDDLE: Triple = (0.5, 0.5, 0.5)


@dataclass(frozen=True, eq=False)
class Codes:
    """Of a batch of scenes; of one scene without the leading axis.

    Attributes
    ----------
    shape, appearance : Tensor, shape = (scenes, objects, length)
    shape_bg, appearance_bg : Tensor, shape = (scenes, length)
    """

    shape: Tensor
    appearance: Tensor
    shape_bg: Tensor
    appearance_bg: Tensor

    def of(self, scene: int) -> Codes:
        """Of one scene."""
        return Codes(
            self.shape[scene],
            self.appearance[scene],
            self.shape_bg[scene],
            self.appearance_bg[scene],
        )


def draw_codes(spec: Spec, scenes: int, objects: int, generator: torch.Generator) -> Codes:
    """The release's four draws, at temperature 1."""
    shape = _normal((scenes, objects, spec.code), generator)
    appearance = _normal((scenes, objects, spec.code), generator)
    shape_bg = _normal((scenes, spec.code_background), generator)
    return Codes(shape, appearance, shape_bg, _normal((scenes, spec.code_background), generator))


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device="cpu", dtype=torch.float32)


@dataclass(frozen=True, eq=False)
class Boxes:
    """Settings of random boxes.

    Attributes
    ----------
    scale, place : Tensor, shape = (scenes, objects, 1) and (scenes, objects, 3)
    turn : ndarray, shape = (scenes, objects)
    """

    scale: Tensor
    place: Tensor
    turn: np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def draw_boxes(
    scenes: int, objects: int, generator: torch.Generator, numbers: np.random.RandomState
) -> Boxes:
    """As the release draws them, without its file of positions."""
    size = (scenes, objects)
    scale = torch.rand((*size, 1), generator=generator, device="cpu", dtype=torch.float32)
    place = torch.rand((*size, 3), generator=generator, device="cpu", dtype=torch.float32)
    turn = np.array([[numbers.rand() for _ in range(objects)] for _ in range(scenes)])
    return Boxes(scale, place, turn)


def draw_existence(
    scenes: int, objects: int, numbers: np.random.RandomState
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which of the objects exist, shape = (scenes, objects): the counts of all scenes first."""
    counts = [2 + int((numbers.rand() > np.cumsum(EXISTENCE)).sum()) for _ in range(scenes)]
    exists = np.zeros((scenes, objects), dtype=bool)
    for scene, count in enumerate(counts):
        exists[scene, numbers.choice(objects, count, replace=False)] = True
    return exists


def object_controls(
    number: int, *, scale: Sequence[float] = (), place: Sequence[float] = (), turn: float = 0.0
) -> dict[str, float]:
    """Controls of one object from the release's settings; `turn` is added, in degrees."""
    found = {f"object.{number}.{axis}": value for axis, value in zip("xyz", place, strict=False)}
    found |= {
        f"object.{number}.scale.{axis}": value for axis, value in zip("xyz", scale, strict=False)
    }
    if scale:
        found[f"object.{number}.scale"] = scale[0]
    return found | {f"object.{number}.turn": turn}


def degrees(span: tuple[float, float], setting: float) -> float:
    """An angle of a range in turns."""
    return 360 * (span[0] + setting * (span[1] - span[0]))


def offered(spec: Spec, given: Mapping[str, float]) -> dict[str, float]:
    """Those controls that the model has; the others have ranges of no width there."""
    known = {control.name for control in controls(spec)}

    def generic(name: str) -> str:
        head, _, rest = name.partition(".")
        return f"object.*.{rest.partition('.')[2]}" if head == "object" else name

    return {name: value for name, value in given.items() if generic(name) in known}


def subject_of(seen: Codes, given: Mapping[str, float], temperature: float = 1.0) -> Subject:
    """One scene, of codes without the leading axis of a batch."""
    codes = {}
    for number in range(len(seen.shape)):
        codes[f"object.{number}.shape"] = Code(seen.shape[number])
        codes[f"object.{number}.appearance"] = Code(seen.appearance[number])
    codes["background.shape"] = Code(seen.shape_bg)
    codes["background.appearance"] = Code(seen.appearance_bg)
    return Subject(codes, truncation=temperature, controls=given)


# programs


@dataclass(frozen=True)
class Step:
    """What a program sets at one step.

    Attributes
    ----------
    places : tuple of Triple
        Of every object.
    turn : float
        Of the rotation's range.
    scale : float
    v : float
        Of the camera's range.
    legs : tuple or None
        Of an interpolation: number of the code that is left, and how far along.
    """

    places: tuple[Triple, ...]
    turn: float = 0.5
    scale: float = 0.0
    v: float = 0.5
    leg: tuple[int, float] | None = None


@dataclass(frozen=True)
class Program:
    """One of the release's programs.

    Attributes
    ----------
    steps : callable
        How many, of a model.
    at : callable
        The step, of a model and its number.
    most : int
        Boxes above which the release's program fails.
    code : str
        The code that is interpolated.
    extra : int
        Objects whose codes are drawn anew.
    """

    steps: Callable[[Spec], int]
    at: Callable[[Spec, int], Step]
    most: int = 64
    code: str = ""
    extra: int = 0


def _along(step: int, steps: int = LEG) -> float:
    return step / (steps - 1)


def _everywhere(spec: Spec, place: Triple = MIDDLE) -> tuple[Triple, ...]:
    return (place,) * spec.boxes.count


def _turns_fully(spec: Spec) -> bool:
    return spec.boxes.rotation == (0.0, 1.0)


def _rotation(spec: Spec, step: int) -> Step:
    i = _along(step, 64 if _turns_fully(spec) else LEG)
    return Step(_everywhere(spec), turn=i if _turns_fully(spec) else 0.1 + 0.8 * i)


def _horizontal(spec: Spec, step: int) -> Step:
    i = _along(step)
    return Step(((0.5, i, 0.0),) if spec.boxes.count == 1 else ((0.5, 0.5, 0.0), (1.0, i, 0.0)))


def _vertical(spec: Spec, step: int) -> Step:
    i = _along(step)
    return Step(((i, 0.5, 0.0),) if spec.boxes.count == 1 else ((0.4, 0.8, 0.0), (i, 0.2, 0.0)))


def _interpolation(spec: Spec, step: int) -> Step:
    return Step(_everywhere(spec), leg=(step // LEG, step % LEG / (LEG - 1)))


def _circle(spec: Spec, step: int) -> Step:
    angle = 2 * math.pi * _along(step)
    last = (0.5 + 0.5 * math.cos(angle), 0.5 + 0.5 * math.sin(angle), 0.0)
    return Step((*_everywhere(spec, (0.5, 0.5, 0.0))[1:], last), turn=0.0)


def _elevation(spec: Spec, step: int) -> Step:
    return Step(_everywhere(spec), v=0.1 + 0.8 * _along(step))


CARS: tuple[Triple, ...] = tuple((x, y, 0.0) for x in (-0.7, 1.5) for y in (-0.8, 0.5, 1.8))
CLEVR_6: tuple[Triple, ...] = tuple((x, y, 0.0) for y in (0.0, 0.5, 1.0) for x in (0.2, 0.8))
CLEVR_10: tuple[Triple, ...] = tuple(
    (x, y + shift, 0.0) for y in (0.0, 0.8) for x in (0.0, 0.5, 1.0) for shift in (0.0, 0.4)
)


def _cars(_: Spec, step: int) -> Step:
    return Step(CARS[: step + 1], scale=-1.0, v=0.0)


def _clevr6(_: Spec, step: int) -> Step:
    return Step(CLEVR_6[: step + 1], turn=0.0, v=0.0)


def _clevr10(_: Spec, step: int) -> Step:
    return Step(CLEVR_10[: 2 * (step + 1)], turn=0.0, v=0.0)


def _legs(_: Spec) -> int:
    return CODES * LEG


PROGRAMS = {
    "object_rotation": Program(lambda spec: 64 if _turns_fully(spec) else LEG, _rotation),
    "object_translation_horizontal": Program(lambda _: LEG, _horizontal, most=2),
    "object_translation_vertical": Program(lambda _: LEG, _vertical, most=2),
    "interpolate_app": Program(_legs, _interpolation, most=1, code="appearance"),
    "interpolate_shape": Program(_legs, _interpolation, most=1, code="shape"),
    "interpolate_app_bg": Program(_legs, _interpolation, most=1, code="appearance_bg"),
    "object_translation_circle": Program(lambda _: LEG, _circle),
    "render_camera_elevation": Program(lambda _: LEG, _elevation),
    "render_add_cars": Program(lambda _: 6, _cars, extra=6),
    "render_add_clevr6": Program(lambda _: 6, _clevr6, extra=6),
    "render_add_clevr10": Program(lambda _: 6, _clevr10, extra=12),
}


@dataclass(eq=False)
class Play:
    """A program run with a model: what its 15 scenes are at any step.

    Attributes
    ----------
    spec : Spec
    program : Program
    """

    spec: Spec
    program: Program
    codes: Codes = field(init=False)
    further: tuple[Tensor, ...] = field(init=False, default=())
    boxes: Boxes | None = field(init=False, default=None)
    background_turn: float = field(init=False)

    def __post_init__(self) -> None:
        spec, program = self.spec, self.program
        if spec.boxes.count > program.most:
            raise ValueError("the release's program fails for so many boxes")
        generator = torch.Generator(device="cpu").manual_seed(0)
        numbers = np.random.RandomState(0)
        codes = draw_codes(spec, SCENES, spec.boxes.count, generator)
        if program.extra:
            size = (SCENES, program.extra, spec.code)
            shape, appearance = _normal(size, generator), _normal(size, generator)
            codes = Codes(shape, appearance, codes.shape_bg, codes.appearance_bg)
        if program.code:
            shape_of = getattr(codes, program.code).shape
            self.further = tuple(_normal(shape_of, generator) for _ in range(CODES))
        self.codes = codes
        ranged = spec.background_rotation != (0.0, 0.0)
        self.background_turn = degrees(spec.background_rotation, numbers.rand()) if ranged else 0.0
        if program.at is _circle and spec.boxes.count > 2:
            self.boxes = draw_boxes(SCENES, spec.boxes.count, generator, numbers)

    def subject(self, scene: int, number: int) -> tuple[Subject, float]:
        """Scene and the camera's setting, at step `number`."""
        step = self.program.at(self.spec, number)
        given = {
            "objects": float(len(step.places)),
            "turn": degrees(self.spec.boxes.rotation, step.turn),
            "background.turn": self.background_turn,
        }
        for k, place in enumerate(step.places):
            given |= object_controls(k, scale=(step.scale,) * 3, place=place)
        if self.boxes is not None:
            given |= self._random(scene, step)
        subject = subject_of(self.codes.of(scene), offered(self.spec, given), TEMPERATURE)
        if step.leg is None:
            return subject, step.v
        return self._between(subject, scene, step.leg), step.v

    def _random(self, scene: int, step: Step) -> dict[str, float]:
        assert self.boxes is not None
        given: dict[str, float] = {}
        span, last = self.spec.boxes.rotation, len(step.places) - 1
        for k, place in enumerate(step.places):
            random = tuple(float(value) for value in self.boxes.place[scene, k])
            turn = degrees(span, self.boxes.turn[scene, k]) - degrees(span, step.turn)
            scale = (float(self.boxes.scale[scene, k, 0]),) * 3
            given |= object_controls(
                k, scale=scale, place=place if k == last else random, turn=turn
            )
        return given

    def _between(self, subject: Subject, scene: int, leg: tuple[int, float]) -> Subject:
        names = {
            "shape": "object.0.shape",
            "appearance": "object.0.appearance",
            "appearance_bg": "background.appearance",
        }
        start, t = leg
        a, b = self.further[start][scene], self.further[(start + 1) % CODES][scene]
        if a.dim() == 2:
            a, b = a[0], b[0]
        codes = dict(subject.codes) | {names[self.program.code]: Code(a, b, t)}
        return Subject(codes, truncation=subject.truncation, controls=subject.controls)

    def layout(self, scene: int, number: int) -> Layout:
        """Where everything is at a step."""
        return layout(self.spec, self.subject(scene, number)[0])
