"""Cases of GRAF: ``NAME.pt``, ``NAME.json`` (its configuration) and ``NAME.npz``; `cameras.npz`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from graf_cli.model.generator import Generator, load_checkpoint
from graf_cli.rendering.integrator import disparity, integrate
from graf_cli.scene.camera import azimuth_of, camera_for, elevation_of, pose_on_sphere, rays
from graf_cli.scene.codes import Code, Subject, split
from tools.parity.rows import CPU, Row, compare, shares

SECTIONS = {"data", "nerf", "z_dist"}
ANGLES = 1e-9
SOMETHING = 1e-3  # opacity from which there is a disparity to speak of
CHUNK = 4096
TURN = re.compile(r"rotation_r(\d+)_polar(\d+(?:_\d+)?)")


@dataclass(frozen=True)
class Case:
    """One model, or the cameras.

    Attributes
    ----------
    folder : Path
    name : str
    """

    folder: Path
    name: str


def cases(folder: Path) -> Iterator[Case]:
    """All cases of this family in a folder."""
    found = False
    for path in sorted(folder.glob("*.json")):
        said = json.loads(path.read_bytes())
        if isinstance(said, dict) and said.keys() & SECTIONS and path.with_suffix(".pt").is_file():
            with np.load(path.with_suffix(".npz")) as file:
                if not {"z", "poses", "rgb"} <= set(file.files):
                    continue
            found = True
            yield Case(folder, path.stem)
    if found and (folder / "cameras.npz").is_file():
        yield Case(folder, "cameras")


def run(case: Case, device: torch.device = CPU) -> Iterator[Row]:
    """Every output of a case against the authors'."""
    with np.load(case.folder / f"{case.name}.npz") as file:
        measured = {key: file[key].astype(np.float64) for key in file.files}
    if case.name == "cameras":
        yield from _cameras(case, measured)
        return
    checkpoint, config = (case.folder / f"{case.name}.{kind}" for kind in ("pt", "json"))
    with torch.inference_mode():
        yield from _pictures(case, load_checkpoint(checkpoint, config, device), measured)


def _pictures(case: Case, generator: Generator, measured: dict[str, np.ndarray]) -> Iterator[Row]:
    size, features = generator.spec.size, generator.features
    seen = []
    for z, pose in zip(measured["z"], measured["poses"], strict=True):
        codes = split(features, torch.tensor(z, device="cpu", dtype=torch.float32))
        subject = Subject({name: Code(code) for name, code in codes.items()})
        camera = camera_for(generator.spec.camera, pose, width=size, height=size)
        scene = generator.scene(subject, samples=features.samples)
        through = rays(camera, device=generator.device, dtype=torch.float32)
        seen.append(integrate(scene, through, chunk=CHUNK))
    opacity = torch.stack([one.opacity for one in seen])
    white = float(generator.spec.background == "white")
    colour = torch.stack([one.radiance for one in seen]) + (1 - opacity[..., None]) * white
    most = 0.999 if features.further else None
    for name, ours in (("rgb", colour), ("opacity", opacity)):
        yield from shares(case.name, name, ours, measured[name].reshape(ours.shape), most=most)
    nearness = (
        torch.stack([disparity(one.depth, one.opacity) for one in seen]).cpu().double().numpy()
    )
    there = opacity.cpu().double().numpy() > SOMETHING
    off = np.abs(nearness / measured["disparity"].reshape(nearness.shape) - 1)[there]
    yield Row(
        case.name, "disparity (99.9 %)", float(np.quantile(off, 0.999)), float(off.mean()),
        1e-3, 1e-4,
    )  # fmt: skip


def _cameras(case: Case, measured: dict[str, np.ndarray]) -> Iterator[Row]:
    """Poses of turns, named by radius and polar angle, and conversions of angles."""
    for name, theirs in measured.items():
        turn = TURN.fullmatch(name)
        if turn is None:
            continue
        radius, polar = float(turn[1]), float(turn[2].replace("_", "."))
        # The release keeps angles 0.1° away from the singular ones.
        angles = [max(360 / len(theirs) * k, 0.1) for k in range(len(theirs))]
        ours = [pose_on_sphere(angle, 90 - polar, radius) for angle in angles]
        yield compare(case.name, name, np.stack(ours), theirs, ANGLES)
    if {"v", "polar_deg_of_v"} <= measured.keys():
        polar_of = [90 - elevation_of(v) for v in measured["v"]]
        yield compare(case.name, "polar of v", polar_of, measured["polar_deg_of_v"], ANGLES)
    if {"u_sphere", "v_sphere", "xyz_of_uv"} <= measured.keys():
        pairs = zip(measured["u_sphere"], measured["v_sphere"], strict=True)
        unit = [pose_on_sphere(azimuth_of(u), elevation_of(v), 1)[:, 3] for u, v in pairs]
        yield compare(case.name, "xyz of u, v", unit, measured["xyz_of_uv"], ANGLES)
