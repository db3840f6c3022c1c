"""EG3D held against what the authors' own code computed, from the files of a case alone."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graf_cli.families.eg3d import cameras
from graf_cli.families.eg3d.checkpoint import adopt, load
from graf_cli.families.eg3d.family import FAMILY
from graf_cli.families.eg3d.network import Generator
from graf_cli.families.eg3d.scene import (
    Stage,
    backbone_noise,
    expanded,
    scene_of,
    truncated,
)
from graf_cli.families.eg3d.spec import CARS_FOCAL, FACES_FOCAL, Spec
from graf_cli.rendering.integrator import Seen, integrate
from graf_cli.scene.camera import Camera, Rays
from graf_cli.scene.volume import Draws, Scene
from tools.parity.rows import CPU, Row, compare, drawn_on, placed

RGB, RGB_MEAN = 1e-4, 5e-6
DEPTH = 1e-4  # where the opacity is above SEEN; elsewhere it hangs on single bits
SEEN = 1e-2
DENSITY = 1e-4  # raw, of values up to 60
STEPS = 65536  # in which the cases' random numbers are stored
CHUNK = 1 << 16
F32 = torch.float32
Numbers = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Case:
    """A measured case: what it is, and the numbers of it."""

    name: str
    folder: Path


def held(  # noqa: PLR0917
    case: str, output: str, ours: Any, theirs: Any, bound: float, mean_bound: float = math.inf
) -> Row:  # fmt: skip
    """A row of a tensor or an array and what it should be."""
    ours, theirs = (x.cpu().numpy() if isinstance(x, Tensor) else x for x in (ours, theirs))
    return compare(case, output, ours, theirs, bound, mean_bound=mean_bound)


def cases(folder: Path) -> Iterator[Case]:
    """The cases of a folder that are EG3D's."""
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text())
        if isinstance(told, dict) and told.get("family") == "eg3d":
            yield Case(path.stem, folder)
    truth = folder / "cameras.npz"
    if truth.exists() and "box_start" in np.load(truth):
        yield Case("cameras", folder)


def run(case: Case, device: torch.device = CPU) -> Iterator[Row]:
    """Rows of one case."""
    with np.load(case.folder / f"{case.name}.npz") as file:
        truth: Numbers = {key: file[key] for key in file.files}
    if case.name == "cameras":
        yield from _cameras(truth)
        return
    told = json.loads((case.folder / f"{case.name}.json").read_text())
    with torch.inference_mode():
        if (case.folder / f"{case.name}.pkl").exists():
            yield from _small(case, told, truth, device)
        else:
            yield from _full(case.name, told, truth, device)


# one picture


@dataclass(frozen=True)
class Model:
    """A model that is ready to draw."""

    spec: Spec
    network: Generator


@dataclass(frozen=True)
class View:
    """One view of a case, as far as it was drawn."""

    ws: Tensor
    planes: Tensor
    scene: Scene
    rays: Rays

    @property
    def stage(self) -> Stage:
        """What enlarges the picture."""
        assert isinstance(self.scene.finish, Stage)
        return self.scene.finish

    def seen(self, draws: Draws) -> Seen:
        """What the rays saw."""
        device = self.planes.device
        pixel = torch.arange(len(self.rays), device=device, dtype=torch.int64)
        drawn = drawn_on(draws, device)
        return integrate(self.scene, self.rays, chunk=CHUNK, pixel=pixel, draws=drawn)

    def square(self, seen: Seen) -> Tensor:
        """Radiance as a picture, shape = (channels, n, n)."""
        n = round(len(self.rays) ** 0.5)
        return seen.radiance.T.reshape(-1, n, n)


def _view(
    model: Model,
    truth: Numbers,
    index: int,
    noise: list[Tensor | None],
    state: Tensor | None = None,
) -> View:
    spec, network = model.spec, model.network
    z, label, condition = (
        torch.as_tensor(np.atleast_2d(truth[key])[index], device=CPU, dtype=F32)
        for key in ("z", "c", "c_map")
    )
    psi, cutoff = (float(np.atleast_1d(truth[key])[index]) for key in ("psi", "cutoff"))
    ws = expanded(spec, network, z, "z", condition)
    ws = truncated(ws, network.mapping.w_avg, psi, spec.rows if cutoff < 0 else int(cutoff))
    planes = network.backbone(ws, noise)
    scene = scene_of(spec, network, ws, planes, key=b"", state=state)
    return View(ws, planes, scene, placed(_rays(spec, label.numpy()), planes.device))


def _rays(spec: Spec, label: np.ndarray[Any, Any]) -> Rays:
    rays = cameras.rays_of_label(label, spec.raster, spec.near or 0, spec.far or 0, dtype=F32)
    if spec.near is not None:
        return rays
    ends = cameras.box_ends(rays, spec.box)
    near, far = cameras.filled(*ends, ends)
    return Rays(rays.origins, rays.directions, near, far)


def _given(truth: Numbers) -> Draws:
    jitter, u = (
        torch.as_tensor(truth[key] / STEPS, device=CPU, dtype=F32) if key in truth else None
        for key in ("jitter", "u")
    )
    assert jitter is not None
    return Draws(jitter, u)


def _even(view: View) -> Draws:
    half = torch.full((1, 1), 0.5, device=CPU, dtype=F32)
    return Draws(half.expand(len(view.rays), view.scene.quadrature.samples))


def _picture(image: Tensor) -> Tensor:
    return image.movedim(0, -1)


def _depth(seen: Seen, truth: np.ndarray[Any, Any]) -> tuple[Tensor, np.ndarray[Any, Any]]:
    """Ours and theirs, where there is something."""
    where = seen.opacity.reshape(truth.shape).cpu().numpy() > SEEN
    depth = (seen.depth / seen.opacity).reshape(truth.shape).cpu()
    return depth[torch.as_tensor(where, device=CPU, dtype=torch.bool)], truth[where]


# small cases: a checkpoint, and all numbers of its pictures


def _small(case: Case, told: dict[str, Any], truth: Numbers, device: torch.device) -> Iterator[Row]:
    spec, weights = load(case.folder / f"{case.name}.pkl")
    network = FAMILY.network(spec, weights, device=device)
    assert isinstance(network, Generator)
    model, name = Model(spec, network), case.name
    for index in range(len(truth["z"])):
        noise = backbone_noise(network, told["noise_mode"][index])
        view = _view(model, truth, index, noise)
        seen = view.seen(_given(truth))
        yield from _rows(f"{name} view {index}", view, seen, truth, index)
        if index == 0:
            yield from _parts(f"{name} view 0", view, seen, truth)
    if "rgb_even" in truth:
        yield from _even_rows(f"{name} even", _view(model, truth, 0, _const(network)), truth)
    if "torch_seed" in truth:
        yield from _seeded(f"{name} seeded", model, truth)


def _const(network: Generator) -> list[Tensor | None]:
    return backbone_noise(network, "const")


def _rows(name: str, view: View, seen: Seen, truth: Numbers, index: int) -> Iterator[Row]:
    radiance = view.square(seen)
    image = view.stage.image(radiance)
    raw = view.stage.features(radiance)[:3]
    yield held(name, "w", view.ws, truth["ws"][index], 5e-6)
    yield held(name, "raw", _picture(raw), truth["image_raw"][index], RGB, RGB_MEAN)
    opacity = seen.opacity.reshape(truth["opacity"][index].shape)
    yield held(name, "opacity", opacity, truth["opacity"][index], 5e-5)
    yield held(name, "depth", *_depth(seen, truth["depth"][index]), DEPTH)
    rgb = (_picture(image) + 1) / 2
    yield held(name, "rgb", rgb, truth["rgb"][index], RGB, RGB_MEAN)
    if "image_raw_returned" in truth:
        # The authors add the first block's colours into what they return.
        features = view.stage.features(radiance)
        w = view.stage.w
        _, added = view.stage.network.block0(features[None], raw[None], (w, w, w), (None, None))
        returned = truth["image_raw_returned"][index]
        yield held(name, "raw as returned", _picture(added[0]), returned, RGB, RGB_MEAN)


def _parts(name: str, view: View, seen: Seen, truth: Numbers) -> Iterator[Row]:
    planes = view.planes.flatten(0, 1)[::12]
    yield held(name, "planes", planes, truth["planes"], RGB, RGB_MEAN)
    features = view.stage.features(view.square(seen))
    step = len(features) // len(truth["features"])
    yield held(name, "features", features[::step], truth["features"], RGB, RGB_MEAN)
    stage = view.stage
    x = stage.network.resized(features[None])
    noise = (None, None)
    _, added = stage.network.block0(x, x[:, :3], (stage.w,) * 3, noise)
    yield held(name, "first block", _picture(added[0]), truth["sr_rgb0"], RGB, RGB_MEAN)
    points = torch.as_tensor(truth["points"][:, [*cameras.TO_OURS]], device=CPU, dtype=F32)
    points = points.to(device=view.planes.device)
    volume = view.scene.passes[0]
    hidden, density = volume.density(points)
    yield held(name, "density", density, truth["point_sigma"], DENSITY)
    found = volume.radiance(hidden, points)[:, : truth["point_features"].shape[1]]
    yield held(name, "point features", found, truth["point_features"], RGB, RGB_MEAN)


def _even_rows(name: str, view: View, truth: Numbers) -> Iterator[Row]:
    seen = view.seen(_even(view))
    radiance = view.square(seen)
    rgb = (_picture(view.stage.image(radiance)) + 1) / 2
    yield held(name, "rgb", rgb, truth["rgb_even"], RGB, RGB_MEAN)
    raw = _picture(view.stage.features(radiance)[:3])
    yield held(name, "raw", raw, truth["image_raw_even"], RGB, RGB_MEAN)
    yield held(name, "depth", *_depth(seen, truth["depth_even"]), DEPTH)


def _seeded(name: str, model: Model, truth: Numbers) -> Iterator[Row]:
    for kind, key in (("const", "rgb_torch_seed"), ("random", "rgb_torch_seed_random")):
        generator = torch.Generator(device=CPU).manual_seed(int(truth["torch_seed"]))
        noise = backbone_noise(model.network, kind, generator)
        view = _view(model, truth, 0, noise, generator.get_state())
        assert view.scene.draws is not None
        n = model.spec.raster
        seen = view.seen(view.scene.draws(_camera(n)))
        rgb = (_picture(view.stage.image(view.square(seen))) + 1) / 2
        yield held(name, f"rgb {kind}", rgb, truth[key], RGB, RGB_MEAN)


def _camera(n: int) -> Camera:
    """All that drawing asks of a camera."""
    pose = np.zeros((3, 4))
    return Camera(pose=pose, width=n, height=n, fov=1.0, near=0.0, far=1.0)


# full-size cases: weights by a rule, parts of the pictures


SMALLER = (1.3, 0.9, 0.45, 0.2, 0.12, 0.08, 0.05)  # colours of b4 … b256


def _full(name: str, told: dict[str, Any], truth: Numbers, device: torch.device) -> Iterator[Row]:
    spec = full_spec(told)
    stored = full_weights(spec, int(told["offset"]), truth)
    network = FAMILY.network(spec, adopt(Path(name), spec, {"G_ema": stored}), device=device)
    assert isinstance(network, Generator)
    view = _view(Model(spec, network), truth, 0, _const(network))
    rays = spec.raster**2
    draw = np.random.RandomState(int(told["offset"]) + 12345)
    jitter = draw.randint(0, STEPS, (rays, spec.samples))
    u = draw.randint(0, STEPS, (rays, spec.further))
    seen = view.seen(_given({"jitter": jitter, "u": u}))
    radiance = view.square(seen)
    yield held(name, "first w", view.ws[0], truth["w_first"], 5e-6)
    yield held(name, "last w", view.ws[-1], truth["w_last"], 5e-6)
    planes = view.planes.flatten(0, 1)[::12, ::16, ::16]
    yield held(name, "planes", planes, truth["planes_sample"], RGB, RGB_MEAN)
    n = spec.raster
    step = n // len(truth["opacity"])
    raw = _picture(view.stage.features(radiance)[:3])
    raw_step = n // len(truth["image_raw"])
    yield held(name, "raw", raw[::raw_step, ::raw_step], truth["image_raw"], RGB, RGB_MEAN)
    opacity = seen.opacity.reshape(n, n)[::step, ::step]
    yield held(name, "opacity", opacity, truth["opacity"], 5e-5)
    where = opacity.cpu().numpy() > SEEN
    depth = (seen.depth / seen.opacity).reshape(n, n)[::step, ::step].cpu().numpy()
    yield held(name, "depth", depth[where], truth["depth"][where], DEPTH)
    rgb = (_picture(view.stage.image(radiance)) + 1) / 2
    stride = int(truth["stride"])
    yield held(name, "rgb", rgb[::stride, ::stride], truth["rgb_strided"], RGB, RGB_MEAN)
    if "crop" in truth:
        top, bottom, left, right = (int(number) for number in truth["crop"])
        crop = rgb[top:bottom, left:right]
        yield held(name, "rgb in full", crop, truth["rgb_crop"], RGB, RGB_MEAN)


def full_spec(told: dict[str, Any]) -> Spec:
    """Of a released size, with what the authors' training program writes."""
    options, made = told["rendering_kwargs"], told["init_kwargs"]
    base, most = made["channel_base"], made["channel_max"]
    stage = options["superresolution_module"].rpartition(".")[2]
    channels = {"SuperresolutionHybrid8XDC": (256, 128)}.get(stage, (128, 64))
    conditioned = not options["c_gen_conditioning_zero"]
    axes = (
        ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        ((1, 0, 0), (0, 0, 1), (0, 1, 0)),
        ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
    )
    return Spec(
        z_dim=made["z_dim"],
        w_dim=made["w_dim"],
        mapping_layers=made["mapping_kwargs"]["num_layers"],
        c_scale=options["c_scale"],
        conditioned=conditioned,
        channels=tuple(min(base // (4 << index), most) for index in range(7)),
        clamp=256.0 if made["num_fp16_res"] else None,
        axes=tuple(tuple(tuple(map(float, row)) for row in plane) for plane in axes),
        decoder_rate=options["decoder_lr_mul"],
        samples=options["depth_resolution"],
        further=options["depth_resolution_importance"],
        near=options["ray_start"],
        far=options["ray_end"],
        disparity=options["disparity_space_sampling"],
        box=options["box_warp"],
        white=options.get("white_back", False),
        raster=told["neural_rendering_resolution"],
        stage=stage,
        stage_input=64 if stage == "SuperresolutionHybrid2X" else 128,
        stage_channels=channels,
        stage_clamp=256.0 if made["sr_num_fp16_res"] else None,
        stage_noise=options["superresolution_noise_mode"],
        antialias=options["sr_antialias"],
        radius=options["avg_camera_radius"],
        pivot=tuple(options["avg_camera_pivot"]),
        focal=FACES_FOCAL if conditioned else CARS_FOCAL,
    )


def full_weights(spec: Spec, offset: int, truth: Numbers) -> dict[str, Tensor]:
    """The authors' state dict, by the rule that the full-size cases were made with."""
    network = Generator(spec, device=torch.device("meta"), dtype=F32)
    stored = {}
    for ours, tensor in network.state_dict().items():
        name = _their_name(ours)
        given = truth.get(f"given:{name}")
        array = _ruled(name, tuple(tensor.shape), offset) if given is None else given
        stored[name] = torch.as_tensor(array, device=CPU, dtype=F32)
    return stored


def _their_name(ours: str) -> str:
    for theirs, start in (
        ("backbone.mapping.", "mapping."),
        ("backbone.synthesis.", "backbone."),
        ("decoder.net.0.", "decoder.hidden."),
        ("decoder.net.2.", "decoder.out."),
    ):
        if ours.startswith(start):
            return theirs + ours.removeprefix(start)
    return ours


def _ruled(name: str, shape: tuple[int, ...], offset: int) -> np.ndarray[Any, Any]:
    seed = (zlib.crc32(name.encode()) + offset) % (1 << 32)
    count = int(np.prod(shape))
    x = np.random.RandomState(seed).standard_normal(count).astype(np.float32).reshape(shape)
    if name.endswith("noise_strength"):
        return np.float32(0.15) * np.abs(x)
    return x * np.float32(_factor(name)) + np.float32(name.endswith("affine.bias"))


def _factor(name: str) -> float:
    factors = {"noise_const": 1.0, "w_avg": 0.3, "embed.bias": 0.3, "affine.bias": 0.2}
    for ending, factor in factors.items():
        if name.endswith(ending):
            return factor
    if name.startswith("backbone.mapping.fc"):
        return 100.0 if name.endswith("weight") else 30.0
    if name.startswith("backbone.synthesis.") and name.endswith("torgb.weight"):
        return SMALLER[int(name.split(".")[2].removeprefix("b")).bit_length() - 3]
    return 0.2 if name.endswith("bias") else 1.0


# cameras


def _cameras(truth: Numbers) -> Iterator[Row]:
    poses = []
    for (yaw, pitch), pivot, radius in zip(
        truth["yaw_pitch"], truth["pivot"], truth["radius"], strict=True
    ):
        azimuth, elevation = np.degrees(yaw), cameras.elevation_of_pitch(pitch)
        pose = cameras.orbit(azimuth, elevation, radius, pivot)
        poses.append(cameras.label_of(pose, np.eye(3))[:16].reshape(4, 4))
    yield held("cameras", "poses", poses, truth["pose"], 5e-6)
    focal = [cameras.focal_of_diagonal(fov) for fov in truth["fov_degrees"]]
    yield held("cameras", "focal lengths", focal, truth["focal"], 1e-6)
    n = int(truth["ray_resolution"])
    for index, pose in enumerate(truth["ray_pose"]):
        label = np.concatenate(
            [truth["pose"][pose].ravel(), truth["ray_intrinsics"][index].ravel()]
        )
        rays = cameras.rays_of_label(label, n, 0, 1, dtype=F32)
        ours = [*cameras.TO_OURS]
        directions = truth["ray_directions"][index][:, ours]
        yield held("cameras", f"directions {index}", rays.directions, directions, 1e-6)
        origins = truth["ray_origins"][index][:, ours]
        yield held("cameras", f"origins {index}", rays.origins, origins, 1e-6)
    n = int(truth["box_resolution"])
    for index, pose in enumerate(truth["box_pose"]):
        label = np.concatenate([truth["pose"][pose].ravel(), truth["box_intrinsics"].ravel()])
        rays = cameras.rays_of_label(label, n, 0, 1, dtype=F32)
        start, end = cameras.box_ends(rays, float(truth["box_side"]))
        yield held("cameras", f"box starts {index}", start[:, 0], truth["box_start"][index], 5e-6)
        yield held("cameras", f"box ends {index}", end[:, 0], truth["box_end"][index], 5e-6)
