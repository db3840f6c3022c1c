"""A Recipe becomes Shots."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.model.spec import features_of
from graf_cli.recipe import (
    TRANSPARENT,
    Axis,
    ControlAxis,
    Dataset,
    Ease,
    Grid,
    Recipe,
    Rows,
    Samples,
    SeedAxis,
    SubjectPath,
    Sweep,
    View,
    ViewAxis,
    check_subject,
    features_for,
    values_of,
)
from graf_cli.rendering.renderer import Series, Shot
from graf_cli.scene.camera import (
    ORIGIN,
    Camera,
    Point,
    azimuth_of,
    camera_for,
    elevation_of,
    pose_on_sphere,
)
from graf_cli.scene.codes import Code, Subject, draw, drawn_controls, drawn_seed, split
from graf_cli.scene.features import Features, told
from graf_cli.scene.rigs import scattered, spread
from graf_cli.scene.spec import CameraSpec, ModelSpec
from graf_cli.syntax import rgb_of

TURN = 360.0
NOTHING = (0.0, 0.0, 0.0)  # behind a transparent picture: colours come multiplied by opacity
CHECKED_VIEWS = 1000  # of a long sweep, evenly spread
SLACK = 1e-5  # relative (degrees: of a turn's radian); what rounding, as of single precision or of
# seven digits in a file, may take a camera off a training range (`spec.SAME_RADIUS` likewise)


@dataclass(frozen=True)
class SampleDraw:
    """What picture `k` of a sample shows.

    Attributes
    ----------
    seed : int
        Of the object; ``render --seed`` shows it again.
    azimuth, elevation : float
        Degrees.
    radius : float
        World units.
    """

    seed: int
    azimuth: float
    elevation: float
    radius: float


class Shots(Sequence[Shot]):
    """The shots of a recipe, made one at a time when asked for.

    Parameters
    ----------
    recipe : Recipe
    spec : ModelSpec
        Of the model that the recipe names.

    Raises
    ------
    RecipeError
        When the recipe's codes or controls are not of this model.
    """

    def __init__(self, recipe: Recipe, spec: ModelSpec) -> None:
        check_subject(recipe, spec)
        self.recipe = recipe
        self.spec = spec
        self.features = features_for(recipe, spec)

    def __len__(self) -> int:
        return len(self.recipe)

    def __iter__(self) -> Iterator[Shot]:
        return (self[k] for k in range(len(self)))

    @overload
    def __getitem__(self, k: int) -> Shot: ...
    @overload
    def __getitem__(self, k: slice) -> list[Shot]: ...
    def __getitem__(self, k: int | slice) -> Shot | list[Shot]:
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        k = range(len(self))[k]
        return self._shot(k if self.recipe.frame is None else self.recipe.frame)

    @property
    def together(self) -> int:
        """How many pictures, one after another, share each geometry."""
        return self.recipe.together(self.features)

    def _shot(self, picture: int) -> Shot:
        background = self.recipe.background
        return Shot(
            subject=self._subject(picture),
            camera=self._camera(picture),
            samples=self.recipe.samples,
            background=NOTHING if background == TRANSPARENT else rgb_of(background),
            composited=self.recipe.composited,
        )

    def series(self, k: int) -> Series:
        """What picture `k` is drawn alike with: the pictures of its geometry.

        A recipe of one picture of a plan draws it as a series of its own, unless it is of a data
        set, which may be taken apart and still be drawn again to the last bit.
        """
        frame = self.recipe.frame
        picture = range(len(self))[k] if frame is None else frame
        alone = frame is not None and not isinstance(self.recipe.plan, Dataset)
        together = 1 if alone else self.together
        return Series(self._shot(picture - picture % together), together)

    def _subject(self, k: int) -> Subject:
        plan, features = self.recipe.plan, self.features
        match plan:
            case Sweep():
                path, pace, at_frame = plan.subject, Pace.of(plan), k
            case Grid():
                path, pace, at_frame = grid_subject(plan, k), Pace(1), 0
            case Samples() | Dataset():
                seed = self._seed(plan, k)
                codes = _codes(draw(features, seed))
                random = drawn_controls(features, seed, plan.controls)
                controls = _set(features, {**random, **plan.controls})
                return Subject(
                    codes, truncation=plan.truncation, controls=controls, jitter=self.recipe.jitter
                )
        return Subject(
            path_codes(path, features, at_frame, pace),
            space="z" if path.rows is None else path.rows.space,
            truncation=path.truncation,
            controls=path_controls(path, features, at_frame, pace),
            jitter=self.recipe.jitter,
        )

    def _seed(self, plan: Samples | Dataset, k: int) -> int:
        if isinstance(plan, Samples):
            return sample_draw(plan, self.spec.camera, k).seed
        return drawn_seed(plan.seed, k // plan.views)

    def _camera(self, k: int) -> Camera:
        plan, pivot = self.recipe.plan, self.spec.camera.pivot
        lens: Sequence[float] | None = None
        match plan:
            case Sweep():
                pose, fov = _view_at(plan.view, k, Pace.of(plan), pivot)
                lens = _lens(plan.view, k)
            case Samples():
                drawn = sample_draw(plan, self.spec.camera, k)
                pose = pose_on_sphere(drawn.azimuth, drawn.elevation, drawn.radius, pivot)
                fov = self.spec.camera.fov
            case Grid():
                pose, fov = _view_at(grid_view(plan, k), 0, Pace(1), pivot)
                lens = _lens(plan.view, 0)
            case Dataset():
                pose = posed(plan, *divmod(k, plan.views), pivot)
                fov = plan.view.fov[0]
                lens = plan.intrinsics(k % plan.views)
        return camera_for(
            self.spec.camera, pose, width=self.recipe.width, height=self.recipe.height, fov=fov,
            intrinsics=lens,
        )  # fmt: skip


@dataclass(frozen=True)
class Pace:
    """How a sweep's frames follow each other.

    Attributes
    ----------
    frames : int
    ease : str
        ``smooth`` starts and ends slowly, ``3t² − 2t³``.
    boomerang : bool
        There and back: the middle frame is the far end, and the last one stops short of the
        first, so that the whole repeats without a halt.
    """

    frames: int
    ease: Ease = "linear"
    boomerang: bool = False

    @classmethod
    def of(cls, plan: Sweep) -> Pace:
        """That of a plan."""
        return cls(plan.frames, plan.ease, plan.boomerang)

    def segment(self, count: int, k: int, *, closed: bool = False) -> tuple[int, float]:
        """Which pair of `count` keyframes frame `k` lies between, and how far along."""
        step, steps = k, self.frames if closed else self.frames - 1
        if self.boomerang:
            step, steps = 2 * min(k, self.frames - k), self.frames
        position = (count - 1) * step / steps if steps else 0.0
        if self.ease == "smooth" and steps:
            t = step / steps
            position = (count - 1) * t * t * (3 - 2 * t)
        segment = min(int(position), max(count - 2, 0))
        return segment, position - segment


def at(
    keyframes: Sequence[float], k: int, pace: Pace, *, turns: bool = False, whole: bool = False
) -> float:
    """A sweep's value at frame `k`: piecewise linear, keyframes at equal distances.

    A whole turn (`turns`, the ends a multiple of 360° apart) stops one frame short of repeating
    its first; every other sweep includes both ends. One of `whole` numbers stays at each for an
    equal part of the way between two keyframes.
    """
    segment, t = pace.segment(len(keyframes), k, closed=turns and _closes(keyframes))
    a, b = keyframes[segment], keyframes[min(segment + 1, len(keyframes) - 1)]
    if whole:
        steps = abs(b - a)
        return a + math.copysign(min(math.floor(t * (steps + 1)), steps), b - a)
    return a + (b - a) * t if t else a


def _closes(keyframes: Sequence[float]) -> bool:
    travel = abs(keyframes[-1] - keyframes[0])
    return travel > 0 and math.isclose(travel % TURN, 0, abs_tol=1e-9)


def path_codes(path: SubjectPath, features: Features, k: int, pace: Pace) -> dict[str, Code]:
    """The codes at frame `k`, before truncation."""
    if path.rows is not None:
        return _row_codes(path.rows, features, k)
    drawn = _Drawn(features)
    return {
        block.name: _code_between(block.name, path.seeds[block.name], drawn, k, pace)
        for block in features.blocks
    }


class _Drawn(dict[int, dict[str, Tensor]]):
    """The codes of seeds, each seed drawn once for all of its blocks."""

    def __init__(self, features: Features) -> None:
        super().__init__()
        self.features = features

    def __missing__(self, seed: int) -> dict[str, Tensor]:
        self[seed] = draw(self.features, seed)
        return self[seed]


def _code_between(block: str, seeds: Sequence[int], drawn: _Drawn, k: int, pace: Pace) -> Code:
    segment, t = pace.segment(len(seeds), k)
    following = seeds[min(segment + 1, len(seeds) - 1)]
    start = drawn[seeds[segment]][block]
    return Code(start, drawn[following][block], t) if t > 0 else Code(start)


def _row_codes(rows: Rows, features: Features, k: int) -> dict[str, Code]:
    """Rows of z hold all blocks, those of other spaces stand for the first one."""
    numbers = rows.values[k if len(rows.values) > 1 else 0]
    row = torch.tensor(numbers, device="cpu", dtype=torch.float32)
    if rows.space == "z":
        return _codes(split(features, row))
    return {features.blocks[0].name: Code(row.reshape(rows.shape or (-1,)))}


def path_controls(path: SubjectPath, features: Features, k: int, pace: Pace) -> dict[str, float]:
    """The controls at frame `k`; a whole turn of degrees never repeats its first frame."""
    values = {}
    for name, keyframes in path.controls.items():
        control = features.control(name)
        turns = control is not None and control.unit == "degrees"
        whole = control is not None and control.whole
        values[name] = at(keyframes, k, pace, turns=turns, whole=whole)
    return _set(features, values)


def _set(features: Features, values: Mapping[str, float]) -> dict[str, float]:
    """Those that are not at their default."""
    found = {}
    for name, value in values.items():
        control = features.control(name)
        if control is None or control.differs or value != control.default:
            found[name] = float(value)
    return found


def _cells(plan: Grid, k: int) -> tuple[tuple[Axis, int], tuple[Axis, int]]:
    """Each axis, and where picture `k` stands along it."""
    row, column = divmod(k, len(plan.columns))
    return (plan.rows, row), (plan.columns, column)


def grid_subject(plan: Grid, k: int) -> SubjectPath:
    """What picture `k` of a grid shows."""
    path = plan.subject
    for axis, cell in _cells(plan, k):
        if isinstance(axis, SeedAxis):
            seeds = dict.fromkeys(axis.blocks, axis.seeds[cell : cell + 1])
            path = replace(path, seeds={**path.seeds, **seeds})
        elif isinstance(axis, ControlAxis):
            values = {axis.name: axis.values[cell : cell + 1]}
            path = replace(path, controls={**path.controls, **values})
    return path


def grid_view(plan: Grid, k: int) -> View:
    """Where picture `k` of a grid is seen from."""
    view = plan.view
    for axis, cell in _cells(plan, k):
        if isinstance(axis, ViewAxis):
            view = replace(view, **{axis.word: axis.values[cell : cell + 1]})
    return view


def _codes(drawn: Mapping[str, Tensor]) -> dict[str, Code]:
    return {name: Code(value) for name, value in drawn.items()}


def sample_draw(plan: Samples, camera: CameraSpec, k: int) -> SampleDraw:
    """Object and camera `k`, each from a stream of its own, independent of how many there are."""
    words = np.random.SeedSequence((plan.seed, k)).generate_state(4, np.uint64)
    u, v, r = (float(word >> np.uint64(11)) / 2**53 for word in words[1:])
    return SampleDraw(
        seed=int(words[0] >> np.uint64(11)),
        azimuth=azimuth_of(_between(camera.u, u)),
        elevation=elevation_of(_between(camera.v, v)),
        radius=_between(camera.radius, r),
    )


def posed(plan: Dataset, item: int, view: int, pivot: Point = ORIGIN) -> Array:
    """Where one view of one object of a data set is taken from, shape = (3, 4)."""
    match plan.cameras:
        case "poses":
            return np.array(plan.pose(view), dtype=np.float64).reshape(3, 4)
        case "orbit":
            return _view_at(plan.view, view, Pace(plan.views), pivot)[0]
        case "cap":
            azimuth, elevation, radius = _ends(plan.view)
            return spread(azimuth, elevation, sum(radius) / 2, view, plan.views, pivot)
        case "model":
            stream = np.random.SeedSequence(plan.seed, spawn_key=(item, view))
            words = stream.generate_state(3, np.uint64) >> np.uint64(11)
            a, b, c = (float(word) / 2**53 for word in words)
            azimuth, elevation, radius = _ends(plan.view)
            return scattered(azimuth, elevation, radius, (a, b, c), pivot)


def _ends(view: View) -> list[tuple[float, float]]:
    ranges = (view.azimuth, view.elevation, view.radius)
    return [(keyframes[0], keyframes[-1]) for keyframes in ranges]


def _between(bounds: tuple[float, float], t: float) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * t


def _view_at(view: View, k: int, pace: Pace, pivot: Point = ORIGIN) -> tuple[Array, float]:
    fov = at(view.fov, k, pace)
    if view.poses:
        row = view.poses[k if len(view.poses) > 1 else 0]
        return np.array(row, dtype=np.float64).reshape(3, 4), fov
    azimuth = at(view.azimuth, k, pace, turns=True)
    elevation = at(view.elevation, k, pace)
    return pose_on_sphere(azimuth, elevation, at(view.radius, k, pace), pivot), fov


def _lens(view: View, k: int) -> Sequence[float] | None:
    rows = view.intrinsics
    return rows[k if len(rows) > 1 else 0] if rows else None


def enlarged(recipe: Recipe, spec: ModelSpec) -> str | None:
    """Which of what is shown has fewer pixels than the picture; None when nothing has."""
    n = features_of(spec).surface
    kinds = [kind for kind in recipe.show if kind != "rgb"]
    if n is None or not kinds:
        return None
    return (
        f"What {told(kinds)} shows was marched at {n} × {n}, and each pixel is enlarged to the "
        f"{recipe.width} × {recipe.height} of the picture that a 2-D network paints."
    )


def outside_training(recipe: Recipe, spec: ModelSpec) -> str | None:
    """One sentence when some views lie outside the range that the model was trained on."""
    ranges = [*_views_outside(recipe, spec), *_controls_outside(recipe, features_of(spec))]
    if not ranges:
        return None
    return f"Some views lie outside what {spec.name} was trained on: {', '.join(ranges)}."


def _views_outside(recipe: Recipe, spec: ModelSpec) -> list[str]:
    if isinstance(recipe.plan, Samples) or spec.camera.steady >= 1:  # or no sphere is meant
        return []
    eyes = np.array(list(_eyes(recipe, recipe.plan)))
    radius = np.maximum(np.linalg.norm(eyes, axis=1), SLACK)
    azimuth = np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0]))
    elevation = np.degrees(np.arcsin(np.clip(eyes[:, 2] / radius, -1, 1)))
    checks = (
        ("azimuth", _azimuth_within(azimuth, spec.camera.azimuth), spec.camera.azimuth, "°"),
        ("elevation", _within(elevation, spec.camera.elevation), spec.camera.elevation, "°"),
        ("radius", _near_radius(radius, spec.camera), spec.camera.radius, ""),
    )
    low, high = spec.camera.azimuth  # below 0, a range is told about its middle
    start = (low + high - TURN) / 2 if low < 0 else 0.0
    values = {"azimuth": (azimuth - start) % TURN + start, "elevation": elevation, "radius": radius}
    return [
        f"{name} {_range(bounds, unit)} (here {_told(values[name], bounds, unit)})"
        for name, inside, bounds, unit in checks
        if not inside
    ]


def _controls_outside(recipe: Recipe, features: Features) -> list[str]:
    ranges = []
    for name, values in values_of(recipe.plan).items():
        control, found = features.control(name), np.array(values, dtype=np.float64)
        if control is None or _within(found, (control.low, control.high)):
            continue
        bounds = (control.low, control.high)
        ranges.append(f"{name} {_range(bounds, '')} (here {_told(found, bounds, '')})")
    return ranges


def _eyes(recipe: Recipe, plan: Sweep | Grid | Dataset) -> Iterator[Array]:
    if isinstance(plan, Dataset):
        yield from (pose[:, 3] for pose in _poses(recipe, plan))
        return
    if isinstance(plan, Grid):
        yield from _grid_eyes(plan)
        return
    pace, picked = Pace.of(plan), recipe.frame is not None
    last = pace.frames - 1
    every = range(0, last, max(1, last // CHECKED_VIEWS))
    for k in (recipe.frame or 0,) if picked else (*every, last):
        yield _view_at(plan.view, k, pace)[0][:, 3]


def _grid_eyes(plan: Grid) -> Iterator[Array]:
    """Of the first row and the first column, which see all that the axes do."""
    columns = len(plan.columns)
    for k in (*range(columns), *range(0, len(plan.rows) * columns, columns)):
        yield _view_at(grid_view(plan, k), 0, Pace(1))[0][:, 3]


def _poses(recipe: Recipe, plan: Dataset) -> Iterator[Array]:
    """Of one object; the corners, where cameras are drawn at random."""
    if recipe.frame is not None:
        yield posed(plan, *divmod(recipe.frame, plan.views))
    elif plan.cameras == "model":
        for azimuth, elevation, radius in itertools.product(*_ends(plan.view)):
            yield pose_on_sphere(azimuth, elevation, radius)
    else:
        every = max(1, plan.views // CHECKED_VIEWS)
        yield from (posed(plan, 0, view) for view in range(0, plan.views, every))


def _range(bounds: tuple[float, float], unit: str) -> str:
    low, high = (f"{bound:.4g}{unit}" for bound in bounds)
    return low if low == high else f"{low} to {high}"


def _told(values: Array, bounds: tuple[float, float], unit: str) -> str:
    """The values' own range, with digits enough to tell it from that of the training."""
    own = (float(values.min()), float(values.max()))
    for digits in range(4, 16):
        low, high = (f"{value:.{digits}g}" for value in own)
        if all(
            f"{a:.{digits}g}" != f"{b:.{digits}g}" or a == b
            for a, b in zip(own, bounds, strict=True)
        ):
            break
    return f"{low}{unit}" if low == high else f"{low}{unit} to {high}{unit}"


def _within(values: Array, bounds: tuple[float, float]) -> bool:
    slack = SLACK * max(1.0, abs(bounds[1]))
    return bool((values >= bounds[0] - slack).all() and (values <= bounds[1] + slack).all())


def _near_radius(values: Array, camera: CameraSpec) -> bool:
    low, high = camera.radius
    more = max(camera.steady - SLACK, 0)  # than rounding, which `_within` allows for
    return _within(values, (low * (1 - more), high * (1 + more)))


def _azimuth_within(values: Array, bounds: tuple[float, float]) -> bool:
    """Angles repeat after a turn, so each is counted from the lower bound on."""
    return _within((values - bounds[0] + SLACK) % TURN - SLACK, (0.0, bounds[1] - bounds[0]))
