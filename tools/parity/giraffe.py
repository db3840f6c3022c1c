"""GIRAFFE held against its release: pictures, inner numbers, cameras, draws, programs, videos.

A folder of cases has ``NAME.json`` (a merged configuration), ``NAME.pt`` (a checkpoint) and
``NAME.npz`` (what it gave), and may have ``cameras.npz``, ``programs.npz`` and ``videos.npz``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graf_cli.families.giraffe import cameras, layout, scene
from graf_cli.families.giraffe.config import Configuration, configuration, read_config
from graf_cli.families.giraffe.family import FAMILY
from graf_cli.families.giraffe.network import Network
from graf_cli.families.giraffe.spec import TEMPERATURE, Spec
from graf_cli.rendering import integrator
from graf_cli.rendering.integrator import first_depths, integrate
from graf_cli.scene.camera import Rays
from graf_cli.scene.codes import Code, Subject, along_great_circle
from graf_cli.scene.volume import Scene
from tools.parity import giraffe_release as release
from tools.parity.rows import CPU, Row, compare, placed

CHUNK = 1 << 16  # points at once

# Largest and mean difference. Sound float32 or float64 code in another order of operations is off
# by up to 2e-4 and 5e-6; each fault that was tried on purpose, by 0.06 and more.
PICTURE = 5e-4, 2e-5
FEATURES = 2e-3, 2e-5
DEPTH = 2e-3, 2e-5
OPACITY = 5e-4, 2e-5
POINTS = 1e-5, 1e-6
DENSITY = 2e-2, 1e-4  # grows with the density itself
CAMERA = 1e-7, 1e-7
EXACT = 0.0, 0.0
EIGHT_BIT = 1.0, 1e-3  # a number just below a step of 1/255 may come to lie above it


Arrays = Mapping[str, np.ndarray[Any, np.dtype[Any]]]


@dataclass(frozen=True)
class Case:
    """Something to be compared.

    Attributes
    ----------
    folder : Path
    kind : str
        ``model``, ``cameras``, ``programs`` or ``videos``.
    name : str
    """

    folder: Path
    kind: str
    name: str

    @cached_property
    def arrays(self) -> Arrays:
        """What the release gave."""
        with np.load(self.folder / f"{self.name}.npz") as stored:
            return dict(stored)


def cases(folder: Path) -> Iterator[Case]:
    """All cases of this family in a folder."""
    models = [path.stem for path in sorted(folder.glob("*.json")) if _is_model(path)]
    yield from (Case(folder, "model", name) for name in models)
    if not models and not (folder / "configs.json").is_file():
        return
    for kind in ("cameras", "programs", "videos"):
        if (folder / f"{kind}.npz").is_file():
            yield Case(folder, kind, kind)


def _is_model(path: Path) -> bool:
    document = json.loads(path.read_bytes())
    return (
        isinstance(document, dict)
        and document.get("method") == "giraffe"
        and path.with_suffix(".npz").is_file()
        and path.with_suffix(".pt").is_file()
    )


def run(case: Case, device: torch.device = CPU) -> Iterable[Row]:
    """Compare everything that a case holds."""
    on_device = {"model": _model, "videos": _videos}
    with torch.no_grad():
        if case.kind in on_device:
            yield from on_device[case.kind](case, device)
        else:
            yield from {"cameras": _cameras, "programs": _programs}[case.kind](case)


# one small model


@dataclass(frozen=True, eq=False)
class Model:
    """A checkpoint with its configuration.

    Attributes
    ----------
    configuration : Configuration
    network : Network
    """

    configuration: Configuration
    network: Network

    @property
    def spec(self) -> Spec:
        """What the family has to know."""
        return self.configuration.spec

    def pose(self, u: float, v: float, r: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Camera to world, of settings."""
        found = self.configuration
        return cameras.pose(
            *(_lerp(*pair) for pair in ((found.u, u), (found.v, v), (found.radius, r)))
        )

    def rays(self, pose: np.ndarray[Any, np.dtype[np.float64]]) -> Rays:
        """Of the feature map."""
        found = self.configuration
        rays = cameras.release_rays(pose, found.fov, self.spec.raster, (found.near, found.far))
        return placed(rays, next(self.network.parameters()).device)

    def scene(self, subject: Subject) -> Scene:
        """As the renderer takes it."""
        return FAMILY.scene(
            self.spec, self.network, subject, samples=self.spec.samples, camera=None
        )


def _lerp(span: tuple[float, float], setting: float) -> float:
    return span[0] + float(setting) * (span[1] - span[0])


def load(folder: Path, name: str, device: torch.device = CPU) -> Model:
    """The model of a case."""
    found = read_config(folder / f"{name}.json")
    path = folder / f"{name}.pt"
    tensors = FAMILY.adopt(path, found.spec, _stored(path))
    network = FAMILY.network(found.spec, tensors, device=device)
    assert isinstance(network, Network)
    return Model(found, network)


def _stored(path: Path) -> Mapping[str, Any]:
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    allowed: list[Any] = [
        (scalar, "numpy.core.multiarray.scalar"),
        np.dtype,
        np.dtypes.Float64DType,
    ]
    with torch.serialization.safe_globals(allowed):
        stored: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return stored


@dataclass(frozen=True, eq=False)
class Map:
    """What the rays of a feature map saw: (channels, n, n), and (n, n) twice."""

    features: Tensor
    opacity: Tensor
    depth: Tensor


def march(seen: Scene, rays: Rays) -> Map:
    """By the exact integrator."""
    size = round(len(rays) ** 0.5)
    found = integrate(seen, rays, chunk=CHUNK)
    features = found.radiance.T.reshape(-1, size, size)
    return Map(features, found.opacity.reshape(size, size), found.depth.reshape(size, size))


def picture(seen: Scene, features: Tensor) -> Tensor:
    """Shape = (S, S, 3)."""
    painted = features if seen.finish is None else seen.finish(features)
    return painted.permute(1, 2, 0)


def _model(case: Case, device: torch.device) -> Iterator[Row]:
    arrays, model = case.arrays, load(case.folder, case.name, device)
    rows = [row for view in range(len(arrays["val_u"])) for row in _view(case, model, view)]
    rows += _inside(case, model)
    rows += _alone(case, model)
    inverse = cameras.camera_inverse(model.configuration.fov)
    rows.append(compare(case.name, "camera_inverse", inverse, arrays["camera_inverse"], *CAMERA))
    if "many_rgb" in arrays:
        rows += _many(case, model)
    return _worst(rows)


def _worst(rows: Iterable[Row]) -> Iterator[Row]:
    """One row an output, over all views."""
    by_output: dict[str, list[Row]] = {}
    for row in rows:
        by_output.setdefault(row.output, []).append(row)
    for found in by_output.values():
        largest = max(row.largest for row in found)
        yield found[0]._replace(largest=largest, mean=max(row.mean for row in found))


def _subject(case: Case, model: Model, view: int) -> Subject:
    arrays, spec = case.arrays, model.spec
    given = {
        "turn": 0.0,
        "background.turn": release.degrees(spec.background_rotation, float(arrays["val_bg"][view])),
    }
    count = arrays["val_s"].shape[1]
    given["objects"] = float(count)
    for k in range(count):
        given |= release.object_controls(
            k,
            scale=arrays["val_s"][view, k].tolist(),
            place=arrays["val_t"][view, k].tolist(),
            turn=release.degrees(spec.boxes.rotation, float(arrays["val_rot"][view, k])),
        )
        if "existence" in arrays:
            given[f"object.{k}.exists"] = float(arrays["existence"][view, k])
    names = ("z_shape_obj", "z_app_obj", "z_shape_bg", "z_app_bg")
    codes = (torch.from_numpy(arrays[name][view]) for name in names)
    return release.subject_of(release.Codes(*codes), release.offered(spec, given))


def _with(subject: Subject, **given: float) -> Subject:
    return Subject(
        subject.codes, truncation=subject.truncation, controls={**subject.controls, **given}
    )


def _view(case: Case, model: Model, view: int) -> Iterator[Row]:
    arrays, subject = case.arrays, _subject(case, model, view)
    pose = model.pose(*(arrays[f"val_{name}"][view] for name in "uvr"))
    yield compare(case.name, "world", pose, arrays["world"][view, :3], *EXACT)
    yield from _layout(case.name, layout.layout(model.spec, subject), arrays, view)
    seen, rays = model.scene(subject), model.rays(pose)
    found = march(seen, rays)
    yield compare(case.name, "features", found.features, arrays["features"][view], *FEATURES)
    yield compare(case.name, "opacity", found.opacity, arrays["opacity"][view], *OPACITY)
    yield compare(case.name, "depth", found.depth, arrays["depth"][view], *DEPTH)
    rgb = picture(seen, found.features)
    yield compare(case.name, "rgb", rgb, arrays["rgb"][view], *PICTURE)
    for number, theirs in enumerate(arrays["alpha"][view]):
        alone = scene.silhouette(model.spec, model.network, subject, model.spec.samples, number)
        yield compare(case.name, "alpha", march(alone, rays).opacity, theirs, *OPACITY)


def _layout(case: str, ours: layout.Layout, arrays: Arrays, view: int) -> Iterator[Row]:
    objects = ours.objects
    yield compare(case, "s", np.stack([one.scale for one in objects]), arrays["s"][view], *EXACT)
    places = np.stack([one.translation for one in objects])
    yield compare(case, "t", places, arrays["t"][view], *EXACT)
    turned = np.stack([one.rotation for one in objects])
    yield compare(case, "R", turned, arrays["R"][view], *CAMERA)
    yield compare(
        case, "bg_rotation", ours.background_rotation, arrays["bg_rotation"][view], *CAMERA
    )


def _inside(case: Case, model: Model) -> Iterator[Row]:
    """Inner numbers of four pixels of the first view."""
    arrays, spec = case.arrays, model.spec
    seen = model.scene(_subject(case, model, 0))
    union = seen.passes[0]
    assert isinstance(union, scene.Union)
    pose = model.pose(*(arrays[f"val_{name}"][0] for name in "uvr"))
    pixels = torch.from_numpy(arrays["probe_row"] * spec.raster + arrays["probe_column"])
    pixels = pixels.to(device=next(model.network.parameters()).device)
    rays = model.rays(pose)[pixels]
    z = first_depths(rays, seen.quadrature)
    yield compare(case.name, "probe depths", z[0], arrays["depths"], *EXACT)
    yield compare(case.name, "probe rays", rays.directions, arrays["probe_ray"], *POINTS)
    points = union.place(rays, z)
    packed, total = union.density(points.reshape(z.numel(), -1))
    features = union.split(packed)
    count = len(arrays["probe_points"]) - 1
    for k, part in enumerate(union.parts):
        field = count if part.number is None else part.number
        h, sigma, direction = features[k]
        theirs = arrays["probe_points"][field]
        yield compare(case.name, "probe points", points[..., 6 * k : 6 * k + 3], theirs, *POINTS)
        density = sigma.reshape(z.shape)
        yield compare(case.name, "probe density", density, arrays["probe_density"][field], *DENSITY)
        unit = torch.from_numpy(arrays["probe_directions"][field])
        unit = unit / unit.norm(dim=-1, keepdim=True)
        ours = direction.reshape(*z.shape, 3)[:, 0]
        yield compare(case.name, "probe directions", ours, unit, *POINTS)
        first = slice(0, z.shape[1])
        colour = part.field.radiance(h[first], direction[first], part.appearance)
        yield compare(
            case.name, "probe features", colour, arrays["probe_features"][field, 0], *DENSITY
        )
    length = rays.directions.norm(dim=-1, keepdim=True)
    weight = integrator.weights(
        integrator.alphas(z, total.reshape(z.shape), length, seen.quadrature)
    )
    yield compare(case.name, "probe weights", weight, arrays["probe_weights"], *OPACITY)


def _alone(case: Case, model: Model) -> Iterator[Row]:
    """Without the background, and of nothing but it; every object exists."""
    arrays, subject = case.arrays, _subject(case, model, 0)
    rays = model.rays(model.pose(*(arrays[f"val_{name}"][0] for name in "uvr")))
    count = arrays["val_s"].shape[1]
    everyone = {f"object.{k}.exists": 1.0 for k in range(count)}
    for output, given in (
        ("rgb_without_background", everyone | {"background": 0.0}),
        ("rgb_background_alone", {"objects": 0.0}),
    ):
        seen = model.scene(_with(subject, **given))
        ours = picture(seen, march(seen, rays).features)
        yield compare(case.name, output, ours, arrays[output], *PICTURE)


def _many(case: Case, model: Model) -> Iterator[Row]:
    """More objects than the model was trained with."""
    arrays, spec = case.arrays, model.spec
    count = len(arrays["many_val_s"])
    given = {"turn": 0.0, "objects": float(count)}
    given["background.turn"] = release.degrees(spec.background_rotation, 0.5)
    for k in range(count):
        given |= release.object_controls(
            k,
            scale=arrays["many_val_s"][k].tolist(),
            place=arrays["many_val_t"][k].tolist(),
            turn=release.degrees(spec.boxes.rotation, float(arrays["many_val_rot"][k])),
        )
    names = ("z_shape_obj", "z_app_obj", "z_shape_bg", "z_app_bg")
    codes = (torch.from_numpy(arrays[f"many_{name}"]) for name in names)
    subject = release.subject_of(release.Codes(*codes), release.offered(spec, given))
    pose = model.pose(0.5, float(arrays["many_val_v"]), 0.5)
    yield compare(case.name, "many_world", pose, arrays["many_world"][:3], *EXACT)
    placed = layout.layout(spec, subject).objects
    for output, ours in (
        ("many_s", [one.scale for one in placed]),
        ("many_t", [one.translation for one in placed]),
        ("many_R", [one.rotation for one in placed]),
    ):
        yield compare(case.name, output, np.stack(ours), arrays[output], *CAMERA)
    seen = model.scene(subject)
    rgb = picture(seen, march(seen, model.rays(pose)).features)
    yield compare(case.name, "many_rgb", rgb, arrays["many_rgb"], *PICTURE)


# cameras and draws


def _released(folder: Path) -> dict[str, Configuration]:
    path = folder / "configs.json"
    if not path.is_file():
        return {}
    released = json.loads(path.read_bytes())["released"]
    return {name: configuration(path, entry["merged"]) for name, entry in released.items()}


def _cameras(case: Case) -> Iterator[Row]:
    arrays, name = case.arrays, case.name
    for key in arrays:
        if key.startswith("pose_u"):
            u, v = (float(part) for part in key.removeprefix("pose_u").split("_v"))
            ours = cameras.pose(u, v, 3.0 if u else 2.732)
            yield compare(name, key, ours, arrays[key][:3], *CAMERA)
        if key.startswith("camera_inverse_fov_"):
            fov = float(key.removeprefix("camera_inverse_fov_"))
            yield compare(name, key, cameras.camera_inverse(fov), arrays[key], *CAMERA)
        if key.startswith(("slerp_0", "slerp_1")):
            t = {"0.032258": 1 / 31, "0.967742": 30 / 31}.get(key[6:], float(key[6:]))
            ends = (torch.from_numpy(arrays[f"slerp_{end}"])[:, 0] for end in "ab")
            pairs = zip(*ends, strict=True)
            between = torch.stack([along_great_circle(Code(a, b, t)) for a, b in pairs])
            yield compare(name, key, between, arrays[key][:, 0], 1e-6)
    pose = cameras.pose(0.1, 0.3, 2.732)
    yield compare(name, "rays5_world", pose, arrays["rays5_world"][:3], *CAMERA)
    rays = cameras.release_rays(pose, 30, 5, (0.5, 6))
    for key, found in (("origin", rays.origins), ("direction", rays.directions)):
        yield compare(name, f"rays5_{key}", found.reshape(5, 5, 3), arrays[f"rays5_{key}"], *CAMERA)
    grid = cameras.plane(5).reshape(5, 5, 2)
    yield compare(name, "rays5_pixels", grid, arrays["rays5_pixels_row_column"], *CAMERA)
    yield from _draws(case, _released(case.folder))


def _draws(case: Case, released: Mapping[str, Configuration]) -> Iterator[Row]:
    arrays, name = case.arrays, case.name
    if not released:
        return
    play = release.Play(released["cars"].spec, release.PROGRAMS["object_rotation"])
    head = "seed0_batch15_tmp0.65_cars_"
    codes = {
        "z_shape_obj": play.codes.shape[:, 0], "z_app_obj": play.codes.appearance[:, 0],
        "z_shape_bg": play.codes.shape_bg, "z_app_bg": play.codes.appearance_bg,
    }  # fmt: skip
    for key, code in codes.items():
        ours = (code * TEMPERATURE)[:, :8]
        yield compare(name, f"draw {key}", ours, arrays[f"{head}{key}_first8"], *EXACT)
    yield from _random_boxes(case, released)
    exists = release.draw_existence(6, 5, np.random.RandomState(1))
    yield compare(
        name, "draw existence", exists, arrays["seed1_existence_clevr2345_batch6"], *EXACT
    )
    church = released["church"].spec
    for key in ("0.0", "0.3", "1.0"):
        turned = layout.rotation_about_z(release.degrees(church.background_rotation, float(key)))
        yield compare(
            name, f"bg_rotation {key}", turned, arrays[f"church_bg_rotation_val{key}"], *CAMERA
        )
    play = release.Play(church, release.PROGRAMS["object_rotation"])
    turned = layout.rotation_about_z(play.background_turn)
    for theirs in arrays["seed0_church_bg_rotation_batch3"]:
        yield compare(name, "draw bg_rotation", turned, theirs, *CAMERA)


def _random_boxes(case: Case, released: Mapping[str, Configuration]) -> Iterator[Row]:
    arrays = case.arrays
    for model, seed, scenes, keys in (
        ("cars", 5, 3, {key: f"seed5_cars_random_{key}" for key in ("s", "t", "R")}),
        ("clevr2345", 2, 2, {"t": "seed2_clevr2345_random_t_without_prior_file"}),
    ):
        spec = released[model].spec
        count = spec.boxes.count
        generator, numbers = torch.Generator(device="cpu"), np.random.RandomState(seed)
        boxes = release.draw_boxes(scenes, count, generator.manual_seed(seed), numbers)
        zeros = torch.zeros((count, spec.code), device="cpu", dtype=torch.float32)
        zeros_bg = torch.zeros(spec.code_background, device="cpu", dtype=torch.float32)
        for one in range(scenes):
            given = {"turn": 0.0}
            for k in range(count):
                given |= release.object_controls(
                    k,
                    scale=boxes.scale[one, k].tolist() * 3,
                    place=boxes.place[one, k].tolist(),
                    turn=release.degrees(spec.boxes.rotation, float(boxes.turn[one, k])),
                )
            subject = release.subject_of(
                release.Codes(zeros, zeros, zeros_bg, zeros_bg), release.offered(spec, given)
            )
            placed = layout.layout(spec, subject).objects
            ours = {
                "s": [p.scale for p in placed],
                "t": [p.translation for p in placed],
                "R": [p.rotation for p in placed],
            }
            for key, stored in keys.items():
                yield compare(
                    case.name,
                    f"draw {model} {key}",
                    np.stack(ours[key]),
                    arrays[stored][one],
                    *CAMERA,
                )


# programs and videos


def _programs(case: Case) -> Iterator[Row]:
    released = _released(case.folder)
    described = json.loads((case.folder / "programs.json").read_bytes())
    for model, programs in described.items():
        for program, about in programs.items() if isinstance(programs, dict) else ():
            yield from _worst(_program(case, released[model], f"{model}/{program}", about))


def _program(
    case: Case, found: Configuration, key: str, about: Mapping[str, Any] | str
) -> Iterator[Row]:
    model = Model(found, Network(found.spec, device="meta"))
    program = release.PROGRAMS[key.partition("/")[2]]
    try:
        play = release.Play(found.spec, program)
    except ValueError:
        yield compare(key, "fails", "fails" in str(about), True, *EXACT)
        return
    arrays = case.arrays
    for row, number in enumerate(arrays[f"{key}/steps"]):
        _, v = play.subject(0, int(number))
        yield compare(
            key, "world", model.pose(0.5, v, 0.5), arrays[f"{key}/world"][row, :3], *CAMERA
        )
        placed = play.layout(0, int(number))
        for name, ours in (
            ("s", [one.scale for one in placed.objects]),
            ("t", [one.translation for one in placed.objects]),
            ("R", [one.rotation for one in placed.objects]),
        ):
            theirs = arrays[f"{key}/{name}"][row]
            padded = np.full(theirs.shape, np.nan)
            padded[: len(ours)] = ours
            missing = np.isnan(theirs) != np.isnan(padded)
            yield compare(key, f"{name} missing", missing, np.zeros_like(missing), *EXACT)
            yield compare(key, name, padded, theirs, *CAMERA)
        turned = placed.background_rotation
        yield compare(key, "bg_rotation", turned, arrays[f"{key}/bg_rotation"][row], *CAMERA)
        yield from _heads(key, arrays, play, row, int(number))


def _heads(key: str, arrays: Arrays, play: release.Play, row: int, number: int) -> Iterator[Row]:
    """The codes' first six numbers, where they were kept."""
    for one in (0, release.SCENES - 1):
        if f"{key}/z_shape_bg_{one}" not in arrays:
            continue
        subject, _ = play.subject(one, number)
        last = len(play.layout(one, number).objects) - 1
        names = {
            "z_shape_obj": "object.0.shape", "z_app_obj": "object.0.appearance",
            "z_shape_obj_last": f"object.{last}.shape",
            "z_app_obj_last": f"object.{last}.appearance",
            "z_shape_bg": "background.shape", "z_app_bg": "background.appearance",
        }  # fmt: skip
        for theirs, ours in names.items():
            code = along_great_circle(subject.codes[ours]) * subject.truncation
            yield compare(key, theirs, code[:6], arrays[f"{key}/{theirs}_{one}"][row], 1e-6)


def _videos(case: Case, device: torch.device) -> Iterator[Row]:
    models: dict[str, Model] = {}
    for key, theirs in case.arrays.items():
        name, program, number = key.split("/")
        if name not in models:
            models[name] = load(case.folder, name, device)
        model = models[name]
        play = release.Play(model.spec, release.PROGRAMS[program])
        for one, frame in zip((0, release.SCENES - 1), theirs, strict=True):
            subject, v = play.subject(one, int(number))
            seen = model.scene(subject)
            rgb = picture(seen, march(seen, model.rays(model.pose(0.5, v, 0.5))).features)
            ours = (255 * rgb).to(torch.uint8)
            yield compare(key, f"scene {one}", ours, frame, *EIGHT_BIT)
