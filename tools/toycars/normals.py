"""Hold the normals of a fitted model against those of the procedural cars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from graf_cli.families.graf.scene import Codes
from graf_cli.families.graf.scene import draw_codes as draw_latent
from graf_cli.model.generator import load_checkpoint
from graf_cli.rendering.normals import with_normals
from tools.toycars.evaluate import FIRST_SEED, VIEW_SEED
from tools.toycars.metrics import OPAQUE
from tools.toycars.truth import camera_rays, trace
from tools.toycars.views import ModelViews, View, family_of, random_views


@dataclass(frozen=True)
class NormalErrors:
    """Angles in degrees between normals found and true."""

    angles: Tensor
    """One a pixel where both the model and the truth have a car, of all pictures."""

    def __str__(self) -> str:
        mean, median = float(self.angles.mean()), float(self.angles.median())
        tail = float(self.angles.quantile(0.9))
        return (
            f"{len(self.angles):,} pixels: mean {mean:.2f}°, median {median:.2f}°, "
            f"nine tenths under {tail:.2f}°"
        )


def measure_normals(path: Path, *, count: int, size: int, device: torch.device) -> NormalErrors:
    """Measure an asset's normals at cars and cameras that no fit has seen.

    Parameters
    ----------
    path
        The safetensors file.
    count
        Cars, each at a camera of its own.
    size
        Pixels a side.
    device
        Where the model is drawn; the truth is drawn on the CPU.
    """
    generator = load_checkpoint(path, None, device)
    model = ModelViews(generator, exact=False)
    pairs = zip(range(FIRST_SEED, FIRST_SEED + count), random_views(count, VIEW_SEED), strict=True)
    angles = []
    for seed, view in tqdm([*pairs], unit="car", disable=None):
        latent = draw_latent(generator.spec.settings.latent, seed)
        frame = with_normals(generator, model.frame(latent, view, size))
        found = torch.from_numpy(frame.normal).reshape(-1, 3)
        solid = torch.from_numpy(frame.opacity).reshape(-1) > OPAQUE
        normal, hit = true_normals(latent, view, size)
        both = solid & hit
        angles.append(angle(found[both], normal[both]))
    return NormalErrors(torch.cat(angles))


def true_normals(latent: Codes, view: View, size: int) -> tuple[Tensor, Tensor]:
    """Unit normals (P, 3) of the procedural car, and whether a ray meets it (P,)."""
    u, v = torch.tensor(
        ((view.u,), (view.v,)), device=latent.shape.device, dtype=latent.shape.dtype
    )
    car, rays = family_of(latent), camera_rays(u, v, size)
    depth, hit = trace(car.distance, rays)
    points = rays.origins + depth[..., None] * rays.directions
    return car.normal(points)[0], hit[0]


def angle(first: Tensor, second: Tensor) -> Tensor:
    """Degrees between unit vectors of shape (P, 3)."""
    return torch.rad2deg(torch.arccos((first * second).sum(dim=-1).clamp(-1, 1)))
