"""Cases of NeRF: ``NAME.tar``, ``NAME.txt``, ``NAME.json`` and ``NAME.npz``, one scene each.

The JSON file has what the checkpoint does not: size, focal length, near, far, and whether rays are
taken into normalised device coordinates.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graf_cli.arrays import Array
from graf_cli.families.nerf.config import network_of, parse
from graf_cli.families.nerf.spec import Front, Spec, Spiral
from graf_cli.model.checkpoint import read_checkpoint
from graf_cli.model.generator import Generator, build
from graf_cli.rendering.integrator import Seen, integrate
from graf_cli.rendering.renderer import Renderer, Shot
from graf_cli.scene.camera import Camera, pose_on_sphere, rays
from graf_cli.scene.codes import Subject
from graf_cli.scene.intrinsics import Intrinsics
from graf_cli.scene.spec import CameraSpec, ModelSpec
from graf_cli.scene.volume import Scene
from tools.parity.rows import CPU, Row, compare, shares

SAYS = {"width", "height", "focal", "near", "far", "ndc"}
POSES, RAYS = 1e-6, 1e-5
PROMISED = 1e-3  # of the fast path, against the exact one
SOMETHING = 1e-3  # opacity from which there is a disparity to speak of
CHUNK = 4096
# Share of numbers of a second pass that are as measured. Code written straight from the equations
# moves a sample across an edge in 0.3 % of the pixels on a processor other than the measured one.
MOST = 0.99


@dataclass(frozen=True)
class Case:
    """One scene.

    Attributes
    ----------
    folder : Path
    name : str
    """

    folder: Path
    name: str

    def path(self, suffix: str) -> Path:
        """One of its files."""
        return self.folder / f"{self.name}.{suffix}"


def cases(folder: Path) -> Iterator[Case]:
    """All cases of this family in a folder."""
    for path in sorted(folder.glob("*.json")):
        said = json.loads(path.read_bytes())
        if isinstance(said, dict) and said.keys() >= SAYS and path.with_suffix(".tar").is_file():
            yield Case(folder, path.stem)


def generator_of(case: Case, device: torch.device = CPU) -> Generator:
    """The scene of a case."""
    said, config = json.loads(case.path("json").read_bytes()), parse(case.path("txt"))
    width, height, focal = said["width"], said["height"], said["focal"]
    front = None
    if said["ndc"]:
        aside = Spiral(radii=(0.0, 0.0, 0.0), focus=1.0)  # of no meaning here
        front = Front(x=2 * focal / width, y=2 * focal / height, path=aside)
    spec = ModelSpec(
        name=case.name,
        family="nerf",
        size=width,
        height=height,
        background="white" if config.white_bkgd else "black",
        camera=CameraSpec(
            near=said["near"], far=said["far"], radius=(4.0, 4.0), steady=1e6,
            fov=math.degrees(2 * math.atan(width / 2 / focal)),
        ),
        settings=Spec(
            network=network_of(config), disparity=config.lindisp and front is None, front=front
        ),
    )  # fmt: skip
    return build(spec, read_checkpoint(case.path("tar"), spec), "0" * 64, device)


def run(case: Case, device: torch.device = CPU) -> Iterator[Row]:
    """Every output of a case against the authors'."""
    with np.load(case.path("npz")) as file:
        measured = {key: file[key].astype(np.float64) for key in file.files}
    generator = generator_of(case, device)
    with torch.inference_mode():
        yield from _cameras(case, generator, measured)
        yield from _pictures(case, generator, measured)
        yield _fast(case, generator, measured)


def camera_of(generator: Generator, measured: Mapping[str, Array], view: int) -> Camera:
    """A view as the case has it."""
    spec, k = generator.spec, measured["intrinsics"]
    return Camera(
        pose=measured["poses"][view],
        width=spec.size,
        height=spec.height or spec.size,
        fov=spec.camera.fov,
        near=float(measured["near"]),
        far=float(measured["far"]),
        intrinsics=Intrinsics(k[0, 0], k[1, 1], k[0, 2], k[1, 2]),
    )


def _scene(generator: Generator) -> Scene:
    return generator.scene(Subject({}), samples=generator.features.samples)


def _cameras(case: Case, generator: Generator, measured: Mapping[str, Array]) -> Iterator[Row]:
    if "theta" in measured:
        radius = float(np.linalg.norm(measured["poses"][0, :, 3]))
        pairs = zip(measured["theta"], measured["phi"], strict=True)
        poses = [pose_on_sphere(90 - theta, -phi, radius) for theta, phi in pairs]
        yield compare(case.name, "poses", np.stack(poses), measured["poses"], POSES)
    camera, scene = camera_of(generator, measured, 0), _scene(generator)
    through = rays(camera, device=generator.device, dtype=torch.float32)
    through = through if scene.warp is None else scene.warp(through, camera)
    made = {"ray_origins_0": through.origins, "ray_directions_0": through.directions}
    for name, ours in made.items():
        theirs = measured[name].reshape(-1, 3)
        scale = max(1.0, float(np.abs(theirs).max()))
        yield compare(case.name, name.replace("_", " "), ours, theirs, RAYS * scale)


def march(generator: Generator, scene: Scene, camera: Camera) -> tuple[Seen, Tensor]:
    """What the exact integrator sees, and the colours on the scene's own background."""
    through = rays(camera, device=generator.device, dtype=torch.float32)
    through = through if scene.warp is None else scene.warp(through, camera)
    seen = integrate(scene, through, chunk=CHUNK)
    white = float(generator.spec.background == "white")
    return seen, seen.radiance + (1 - seen.opacity[:, None]) * white


def _pictures(case: Case, generator: Generator, measured: Mapping[str, Array]) -> Iterator[Row]:
    scene = _scene(generator)
    quadrature = scene.quadrature
    passes = [("", scene)]
    if "rgb0" in measured:
        first = replace(scene, passes=scene.passes[:1], quadrature=replace(quadrature, further=0))
        passes.append(("0", first))
    for suffix, one in passes:
        cameras = [camera_of(generator, measured, view) for view in range(len(measured["poses"]))]
        seen, colours = zip(*(march(generator, one, camera) for camera in cameras), strict=True)
        most = MOST if one.quadrature.further else None
        opacity = torch.stack([found.opacity for found in seen]).cpu().double().numpy()
        rgb = torch.stack(colours).cpu().double().numpy()
        for name, ours in ((f"rgb{suffix}", rgb), (f"opacity{suffix}", opacity)):
            yield from shares(case.name, name, ours, measured[name].reshape(ours.shape), most=most)
        if not suffix:
            depth = torch.stack([found.depth for found in seen]).cpu().double().numpy()
            yield _disparity(case, depth, opacity, measured["disparity"].reshape(depth.shape))


def _disparity(case: Case, depth: Array, opacity: Array, theirs: Array) -> Row:
    """Relative to theirs, where there is something; nerf-pytorch adds nothing to the opacity."""
    there = opacity > SOMETHING
    ours = 1 / np.maximum(depth[there] / opacity[there], 1e-10)
    off = np.abs(ours / theirs[there] - 1)
    return compare(case.name, "disparity (99 %)", np.quantile(off, MOST), 0.0, 1e-3)._replace(
        mean=float(off.mean()), mean_bound=1e-4
    )


def _fast(case: Case, generator: Generator, measured: Mapping[str, Array]) -> Row:
    """The fast path with its proof, against the exact one."""
    camera = camera_of(generator, measured, 0)
    back = (1.0, 1.0, 1.0) if generator.spec.background == "white" else (0.0, 0.0, 0.0)
    shot = Shot(Subject({}), camera, generator.features.samples, back)
    frame = Renderer(generator).render(shot)
    _, colours = march(generator, _scene(generator), camera)
    return compare(case.name, "rgb, fast path", frame.rgb.reshape(-1, 3), colours, PROMISED)
