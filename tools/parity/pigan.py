"""π-GAN against measured cases.

A picture's case is `NAME.json` and `NAME.npz`, with the weights in files as the authors write them
or by a rule; besides there are cameras, trajectories, interpolations and density grids.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.families.pigan import cameras, draws
from graf_cli.families.pigan.checkpoint import spec_of
from graf_cli.families.pigan.family import FAMILY
from graf_cli.families.pigan.files import read
from graf_cli.families.pigan.network import Film, Network, from_authors, to_authors
from graf_cli.families.pigan.spec import Spec, Views
from graf_cli.rendering.integrator import Seen, integrate
from graf_cli.scene.camera import Rays
from graf_cli.scene.codes import Code, Subject
from graf_cli.scene.volume import Draws, FastVolume, Scene
from tools.parity.rows import CPU, Row, compare, drawn_on, placed

Numbers = dict[str, Array]

CHUNK = 1 << 15  # points; the numbers do not depend on it
# Of a picture. A resampled distance can jump where the first pass saw next to nothing, so single
# pixels say little: three times the largest of what a second implementation was measured to err.
LARGEST, MEAN, MOST = 1.8e-3, 5e-6, 1e-3
DEPTH, OPACITY = 2e-3, 6.6e-3
FOLDED = 1e-3
FILM, POSE, RAY, GRID, DENSITY = 2e-6, 1e-6, 5e-7, 2.1e-5, 2.4e-5
MODES = {"null": "none", None: "none"}
CURRICULA = {  # mean and spread of the angles, field of view; of the released models
    "CelebA": ("gaussian", (math.pi / 2, 0.3), (math.pi / 2, 0.155), 12.0),
    "CATS": ("uniform", (math.pi / 2, 0.5), (math.pi / 2, 0.4), 12.0),
    "CARLA": (
        "spherical_uniform",
        (math.pi / 2, math.pi),
        (math.pi / 4 * 85 / 90, math.pi / 4 * 85 / 90),
        30.0,
    ),
}


@dataclass(frozen=True)
class Case:
    """One file of numbers to compare with.

    Attributes
    ----------
    folder : Path
    name : str
    kind : str
        ``pictures``, or the name of one of the files beside them.
    """

    folder: Path
    name: str
    kind: str


def cases(folder: Path) -> Iterator[Case]:
    """What a folder holds."""
    for path in sorted(folder.glob("*.json")):
        if json.loads(path.read_text()).get("family") == "pi-GAN":
            yield Case(folder, path.stem, "pictures")
    for kind in OTHERS:
        if (folder / f"{kind}.npz").exists():
            yield Case(folder, kind, kind)


def run(case: Case, device: torch.device = CPU) -> list[Row]:
    """Largest and mean differences of all its outputs."""
    with torch.no_grad():
        if case.kind == "pictures":
            return [*Pictures(case.folder, case.name, device).rows()]
        return [*OTHERS[case.kind](case.folder, device)]


def held(case: str, output: str, seen: ArrayLike | Tensor, truth: ArrayLike, bound: float) -> Row:
    """One comparison."""
    return compare(case, output, seen, truth, bound)


def picture_rows(case: str, output: str, seen: Array, truth: Array) -> Iterator[Row]:
    """How a picture is judged: its largest and mean difference, and all but one in a thousand."""
    yield compare(case, output, seen, truth, LARGEST, mean_bound=MEAN)
    apart = np.abs(seen.astype(np.float64) - truth)
    most = float(np.quantile(apart, 0.999))
    yield Row(case, f"{output}, 99.9 %", most, float(apart.mean()), MOST)


def numbers(path: Path) -> Numbers:
    """Arrays of a file by name."""
    with np.load(path) as stored:
        return dict(stored)


def tensor(array: Array) -> Tensor:
    """Float32, on the CPU."""
    return torch.as_tensor(array, device="cpu", dtype=torch.float32)


class Pictures:
    """One case of pictures.

    Parameters
    ----------
    folder : Path
    name : str
    device : torch.device
        Of the network and what goes through it.
    """

    def __init__(self, folder: Path, name: str, device: torch.device = CPU) -> None:
        self.folder, self.name, self.device = folder, name, device
        self.about: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
        self.options: dict[str, Any] = self.about["options"]
        self.truth = numbers(folder / f"{name}.npz")

    @cached_property
    def spec(self) -> Spec:
        """Of the files and of the options of its script."""
        grid = self.about.get("grid")
        cells = None if grid is None else tuple(grid)
        like = Spec(siren=self.about["siren"], cells=cells, **self.settings(self.options))
        seed = self.truth.get("avg_seed")
        if seed is not None:
            like = msgspec.structs.replace(like, average_seed=int(seed))
        return spec_of(self.folder, self.stored, like)

    @staticmethod
    def settings(options: dict[str, Any]) -> dict[str, Any]:
        """Fields of a specification, of a script's options."""
        asked = options["sample_dist"]
        return {
            "two_passes": options["hierarchical_sample"],
            "clamp": options["clamp_mode"],
            "views": Views(distribution=MODES.get(asked, asked)),
        }

    @cached_property
    def stored(self) -> dict[str, Any]:
        """What the files hold, or what the rule makes."""
        if "weights" not in self.about:
            return read(self.folder / f"{self.name}_generator.pth")
        parameters = {}
        for name, shape, seed, scale in self.about["weights"]:
            drawn = np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32)
            parameters[name] = tensor((drawn * np.float32(scale)).astype(np.float64))
        bias = np.array([self.about["final_layer_bias"]])
        parameters["siren.final_layer.bias"] = tensor(bias)
        return {"siren": self.about["siren"], "parameters": parameters, "averaged": None}

    @cached_property
    def network(self) -> Network:
        """With averages of its own."""
        weights = FAMILY.adopt(self.folder / self.name, self.spec, self.stored)
        return cast(Network, FAMILY.network(self.spec, weights, device=self.device))

    def averaged(self, frequencies: Array, phases: Array) -> Network:
        """With averages as given."""
        film = (tensor(array).to(device=self.device) for array in (frequencies, phases))
        return Network(self.network.siren, Film(*film))

    def rows(self) -> Iterator[Row]:
        """All that is compared."""
        yield from self._film()
        yield from self._cameras()
        yield from self._views(folded=False)
        yield from self._views(folded=True)
        yield from self._probes()
        if "drawn_rgb" in self.truth:
            yield from self._drawn()

    def _film(self) -> Iterator[Row]:
        truth, siren = self.truth, self.network.siren
        own = self.network.average
        if "average_codes_seed" in self.about:
            source = np.random.RandomState(self.about["average_codes_seed"])
            codes = tensor(source.standard_normal((10_000, self.spec.z)))
            own = siren.averages(codes.to(device=self.device))
        average = np.stack([truth["avg_frequencies"], truth["avg_phase_shifts"]]).ravel()
        yield held(self.name, "averages", own.row, average, FILM)
        film = siren.film(tensor(truth["z"][0]).to(device=self.device)).row
        expected = np.concatenate([truth["frequencies"], truth["phase_shifts"]])
        yield held(self.name, "frequencies and phases", film, expected, FILM)

    def _cameras(self) -> Iterator[Row]:
        truth = self.truth
        poses = [cameras.to_theirs(self._pose(v)) for v in range(len(truth["z"]))]
        yield held(self.name, "poses", poses, truth["cam2world"], POSE)
        rays = self._rays(0)
        yield held(self.name, "rays", to_authors(rays.directions), truth["ray_directions"], RAY)

    def _pose(self, view: int) -> Array:
        ways = (self.truth[name][view] for name in ("h_mean", "v_mean"))
        return pose_of(self.spec.views, *map(float, ways))

    def _rays(self, view: int) -> Rays:
        pose = cameras.from_theirs(self.truth["cam2world"][view])
        return self.through(pose, self.truth["rgb"].shape[1], float(self.truth["fov"][view]))

    def through(self, pose: Array, size: int, fov: float) -> Rays:
        """Rays of a square picture."""
        near, far = self.options["ray_start"], self.options["ray_end"]
        rays = cameras.rays(pose, size, size, fov=fov, near=near, far=far)
        return placed(rays, self.device)

    def _scene(self, view: int) -> Scene:
        truth = self.truth
        controls = {
            "last_back": float(truth["last_back"][view]),
            "lock_view_dependence": float(truth["lock"][view]),
        }
        subject = Subject({"z": Code(tensor(truth["z"][view]))}, "z", truth["psi"][view], controls)
        spec = msgspec.structs.replace(self.spec, **self.settings(self._options(view)))
        network = self.averaged(truth["avg_frequencies"], truth["avg_phase_shifts"])
        samples = int(truth["num_steps"][view])
        return FAMILY.scene(spec, network, subject, samples=samples, camera=None)

    def _options(self, view: int) -> dict[str, Any]:
        exceptions = self.about.get("views", [{}] * (view + 1))[view]
        return {**self.options, **exceptions}

    def _views(self, *, folded: bool) -> Iterator[Row]:
        truth, colours, opacities, depths = self.truth, [], [], []
        for view in range(len(truth["z"])):
            scene = self._scene(view)
            rays = self._rays(view)
            seen = integrate(unfolding(scene) if folded else scene, rays, chunk=CHUNK)
            shape = truth["rgb"].shape[1:]
            colours.append(shown(seen, self._options(view)).reshape(shape))
            opacities.append(seen.opacity.reshape(shape[:2]).cpu().numpy())
            depths.append(seen.depth.reshape(shape[:2]).cpu().numpy())
        if folded:
            yield held(self.name, "rgb, folded", colours, truth["rgb"], max(FOLDED, LARGEST))
            return
        yield from picture_rows(self.name, "rgb", np.stack(colours), truth["rgb"])
        yield held(self.name, "opacity", opacities, truth["opacity"], OPACITY)
        yield held(self.name, "depth of what is seen", depths, truth["depth_visible"], DEPTH)
        yield held(self.name, "depth", self._filled(opacities, depths), truth["depth"], DEPTH)

    def _filled(self, opacities: list[Array], depths: list[Array]) -> list[Array]:
        """With the share of the farthest sample, where it takes what is missing."""
        far = self.options["ray_end"]
        return [
            depth + (1 - opacity) * far * back
            for depth, opacity, back in zip(depths, opacities, self.truth["last_back"], strict=True)
        ]

    def _probes(self) -> Iterator[Row]:
        """Raw densities of the first pass, at points given, against the largest one."""
        truth = self.truth
        points = from_authors(tensor(truth["probe_points_coarse"]).reshape(-1, 3)).to(
            device=self.device
        )
        _, density = self._scene(0).passes[0].density(points)
        expected = truth["probe_sigma_coarse"].ravel()
        scale = float(np.abs(expected).max())
        yield held(self.name, "density", density / scale, expected / scale, DENSITY)

    def _drawn(self) -> Iterator[Row]:
        truth = self.truth
        options = {**self.options, **self.about["drawn_options"]}
        spec = msgspec.structs.replace(self.spec, **self.settings(options))
        source = draws.stream(int(truth["drawn_seed"]))
        z = draws.code(spec, source)
        yield held(self.name, "drawn code", z, truth["drawn_z"][0], 0)
        frames, size, _ = truth["drawn_rgb"].shape[:3]
        samples = truth["drawn_jitter"].shape[-1]
        noise = float(options["nerf_noise"])
        stream = draws.pictures(spec, source, pixels=size * size, samples=samples, noise=noise)
        colours, opacities = [], []
        for frame, drawn in enumerate(islice(stream, frames)):
            yield from self._numbers_drawn(frame, drawn.draws, noise)
            average = self.network.siren.averages(drawn.codes.to(device=self.device))
            expected = [truth[f"drawn_avg_{of}"][frame] for of in ("frequencies", "phase_shifts")]
            yield held(self.name, "drawn averages", average.row, np.concatenate(expected), FILM)
            network = Network(self.network.siren, average)
            controls = {"last_back": float(options["last_back"])}
            subject = Subject({"z": Code(z)}, "z", options["psi"], controls)
            scene = FAMILY.scene(spec, network, subject, samples=samples, camera=None)
            ways = (float(truth[f"drawn_{name}"][frame]) for name in ("h_mean", "v_mean"))
            rays = self.through(pose_of(spec.views, *ways), size, float(truth["drawn_fov"][frame]))
            pixel = torch.arange(size * size, device=self.device, dtype=torch.int64)
            given = drawn_on(drawn.draws, self.device)
            seen = integrate(scene, rays, chunk=CHUNK, pixel=pixel, draws=given)
            colours.append(shown(seen, options).reshape(size, size, 3))
            opacities.append(seen.opacity.reshape(size, size).cpu().numpy())
        rgb = np.stack(colours)
        yield from picture_rows(self.name, "drawn rgb", rgb, truth["drawn_rgb"])
        yield held(self.name, "drawn opacity", opacities, truth["drawn_opacity"], OPACITY)
        bytes8 = np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8).astype(int)
        yield held(self.name, "drawn bytes", bytes8, truth["drawn_rgb8"].astype(int), 1)

    def _numbers_drawn(self, frame: int, drawn: Draws, noise: float) -> Iterator[Row]:
        truth = self.truth
        jitter, quantiles = truth["drawn_jitter"][frame], truth["drawn_u"][frame]
        assert drawn.quantiles is not None
        yield held(self.name, "drawn jitter", drawn.jitter + 0.5, jitter, 1e-7)
        yield held(self.name, "drawn quantiles", drawn.quantiles, quantiles, 0)
        if noise:
            for name, one in zip(("noise_coarse", "noise"), drawn.noise, strict=True):
                yield held(
                    self.name, f"drawn {name}", one / noise, truth[f"drawn_{name}"][frame], 1e-6
                )


class Asked:
    """A folded volume that takes directions, one a point.

    Parameters
    ----------
    folded : FastVolume
    """

    channels = 3

    def __init__(self, folded: FastVolume) -> None:
        self.folded = folded

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """See `Volume.density`."""
        return self.folded.density(points)

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        """See `Volume.radiance`."""
        return self.folded.radiance(features, self.folded.per_ray(directions))


def unfolding(scene: Scene) -> Scene:
    """A scene whose second pass, or only one, is its folded volume."""
    assert scene.fast is not None
    folded = scene.fast(1, torch.float32)
    return replace(scene, passes=(scene.passes[0], Asked(folded)))


def shown(seen: Seen, options: dict[str, Any]) -> Array:
    """A picture as the authors' options ask for it, shape = (n, 3)."""
    colour, opacity = seen.radiance.cpu(), seen.opacity[:, None].cpu()
    if options.get("white_back"):
        colour = colour + 1 - opacity
    if options.get("fill_mode") == "debug":
        red = tensor(np.array([1.0, 0.0, 0.0]))
        colour = torch.where(opacity < 0.9, red, colour)
    if options.get("fill_mode") == "weight":
        colour = opacity.expand_as(colour)
    return colour.numpy()


def pose_of(views: Views, horizontal: float, vertical: float) -> Array:
    """Our pose of what a program of theirs asks for."""
    ways = (tensor(np.array(way)) for way in (horizontal, vertical))
    yaw, pitch = cameras.angles(views, *ways)
    return cameras.pose(float(yaw), float(pitch))


def interpolation(folder: Path, device: torch.device) -> Iterator[Row]:
    """Between the first two codes of the case `celeba`."""
    truth, case = numbers(folder / "interpolation.npz"), Pictures(folder, "celeba", device)
    network = case.averaged(truth["avg_frequencies"], truth["avg_phase_shifts"])
    size, pictures = truth["rgb"].shape[1], []
    first, second = tensor(truth["z"])
    for t in truth["t"]:
        code = Code(first, second, float(t))
        subject = Subject({"z": code}, "z", float(truth["psi"]), {"last_back": 1.0})
        samples = int(truth["num_steps"])
        scene = FAMILY.scene(case.spec, network, subject, samples=samples, camera=None)
        view = cameras.view_at("interpolation", "front", case.options["fov"], float(t))
        rays = case.through(cameras.pose(view.horizontal, view.vertical), size, view.fov)
        seen = integrate(scene, rays, chunk=CHUNK).radiance
        pictures.append(seen.reshape(size, size, 3).cpu().numpy())
    yield from picture_rows("interpolation", "rgb", np.stack(pictures), truth["rgb"])


def grids(folder: Path, device: torch.device) -> Iterator[Row]:
    """Raw densities on grids, in parts of the largest: the authors' sheared one, a straight one."""
    truth = numbers(folder / "grids.npz")
    for name in sorted({key.partition("_")[0] for key in truth}):
        if not (folder / f"{name}.json").exists():
            continue
        case = Pictures(folder, name, device)
        average = (truth[f"{name}_avg_{of}"] for of in ("frequencies", "phase_shifts"))
        subject = Subject(
            {"z": Code(tensor(truth[f"{name}_z"][0]))}, "z", float(truth[f"{name}_psi"])
        )
        network = case.averaged(*average)
        scene = FAMILY.scene(case.spec, network, subject, samples=1, camera=None)
        count, side = int(truth[f"{name}_n"]), float(truth[f"{name}_cube"])
        points = {
            "density": tensor(truth[f"{name}_points"]),
            "density_straight": straight(count, side),
        }
        for output, at in points.items():
            expected = truth[f"{name}_{output}"]
            _, density = scene.passes[0].density(from_authors(at).to(device=device))
            scale = float(np.abs(expected).max())
            seen = density.reshape(expected.shape) / scale
            yield held("grids", f"{name} {output}", seen, expected / scale, GRID)


def straight(count: int, side: float) -> Tensor:
    """Points of a cube about the origin in their frame, x slowest, shape = (count³, 3)."""
    axis = torch.linspace(-side / 2, side / 2, count, device="cpu", dtype=torch.float32)
    return torch.cartesian_prod(axis, axis, axis)


def camera_poses(folder: Path, _: torch.device) -> Iterator[Row]:
    """Random cameras from seeds, named ones, and rays."""
    truth = numbers(folder / "cameras.npz")
    for key in sorted(truth):
        match key.split("/"):
            case [curriculum, mode, "yaw"]:
                torch_seed, python_seed = (
                    int(truth[f"{mode}/{kind}_seed"]) for kind in ("torch", "python")
                )
                views = views_of(curriculum, mode)
                chance = random.Random(python_seed)  # noqa: S311
                source = draws.stream(torch_seed)
                yaw, pitch = cameras.sampled(views, len(truth[key]), source, chance)
                yield from _posed(truth, f"{curriculum}/{mode}", yaw[:, 0], pitch[:, 0])
            case ["rays", fov, size, "directions"]:
                local = cameras.local_directions(int(size), int(size), float(fov))
                yield held("cameras", key, local, truth[key], RAY)
            case ["named", "yaw"]:
                yaw, pitch = tensor(truth["named/yaw"]), tensor(truth["named/pitch"])
                yield from _posed(truth, "named", yaw, pitch)


def _posed(truth: Numbers, key: str, yaw: Tensor, pitch: Tensor) -> Iterator[Row]:
    angles = torch.stack((yaw, pitch))
    yield held(
        "cameras", f"{key} angles", angles, [truth[f"{key}/yaw"], truth[f"{key}/pitch"]], 5e-7
    )
    poses = [cameras.to_theirs(cameras.pose(*pair)) for pair in angles.T.tolist()]
    yield held("cameras", f"{key} poses", poses, truth[f"{key}/cam2world"], POSE)


def views_of(curriculum: str, mode: str | None = None) -> Views:
    """Of a released model, in its own mode or in another."""
    own, horizontal, vertical, _ = CURRICULA[curriculum]
    named = own if mode is None else mode
    return msgspec.convert(
        {"distribution": named, "horizontal": horizontal, "vertical": vertical}, Views
    )


def programs(folder: Path, _: torch.device) -> Iterator[Row]:
    """What their programs ask for, frame after frame, and where the camera then stands."""
    truth = numbers(folder / "programs.npz")
    for key in sorted(key for key in truth if key.endswith("/h_mean")):
        name = key.removesuffix("/h_mean")
        curriculum, program, *way = name.split("/")
        views, fov = views_of(curriculum), CURRICULA[curriculum][3]
        made = cameras.trajectory(
            cast(cameras.Program, program),
            cast(cameras.Trajectory, way[0] if way else "front"),
            views,
            fov,
            len(truth[key]),
        )
        asked = [(one.horizontal, one.vertical, one.fov) for one in made]
        expected = np.stack([truth[f"{name}/{part}"] for part in ("h_mean", "v_mean", "fov")], 1)
        yield held("programs", f"{name} asked", asked, expected, 1e-9)
        poses = [cameras.to_theirs(pose_of(views, one.horizontal, one.vertical)) for one in made]
        yield held("programs", f"{name} poses", poses, truth[f"{name}/cam2world"], POSE)


OTHERS: dict[str, Callable[[Path, torch.device], Iterator[Row]]] = {
    "interpolation": interpolation,
    "grids": grids,
    "cameras": camera_poses,
    "programs": programs,
}
