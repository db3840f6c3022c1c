"""Hold a fitted model against the procedural truth at cars and cameras that no fit has seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from tqdm import tqdm

from graf_cli.families.graf.scene import Codes, as_network
from graf_cli.families.graf.scene import draw_codes as draw_latent
from graf_cli.families.graf.spec import LatentSpec
from graf_cli.model.generator import Generator, load_checkpoint
from tools.toycars.codes import SHAPE_FACTOR_NAMES, SHAPE_SEED, with_factor
from tools.toycars.metrics import clear_rays, psnr, silhouette_iou
from tools.toycars.sampling import CLEARANCE, Space, draw_space
from tools.toycars.sweep import density_at
from tools.toycars.views import ModelViews, View, random_views, truth

FIRST_SEED = 1000
VIEW_SEED = 64
LOW, HIGH = 0.1, 0.9
"""Values between which a shape factor is moved to see what it does."""
VISIBLE = 0.1
"""Difference of a colour channel that an eye notices."""
SPACE_POINTS = 1 << 15
"""Points a shape, of each of two kinds, at which empty space is looked into."""
SPACE_SEED = 1 << 42
"""Keeps these draws apart from those of a fit."""
CHUNK = 4096
"""Points that go through the network at once."""
FACTOR_VIEW = View(u=0.12, v=0.36)


@dataclass(frozen=True)
class Case:
    """One unseen car at one unseen camera."""

    seed: int
    view: View
    iou: float
    psnr: float
    clear: int
    """Clear rays among those that miss the car."""
    missing: int
    """Rays that miss the car by more than two pixels."""


@dataclass(frozen=True)
class Emptiness:
    """What was found where nothing is."""

    points: int
    """Empty points looked at."""
    specks: int
    """Those of them with a density."""

    def __add__(self, other: Emptiness) -> Emptiness:
        return Emptiness(self.points + other.points, self.specks + other.specks)

    def __str__(self) -> str:
        return f"{self.specks} of {self.points:,}"


@dataclass(frozen=True)
class Evaluation:
    """All that was measured of one asset."""

    sha256: str
    size: int
    """Pixels a side."""
    cases: tuple[Case, ...]
    appearances_equal: bool
    """Whether the opacity of one shape under several appearances is the same to the bit."""
    factors: dict[str, float]
    """Share of the car's pixels that visibly change when one shape factor moves."""
    sampled: Emptiness
    """Of empty space, as pictures take their samples."""
    reachable: Emptiness
    """Of all that any camera sees, evenly."""

    def summary(self) -> dict[str, float]:
        """The numbers that the thresholds are about."""
        return {
            "iou_mean": mean(case.iou for case in self.cases),
            "iou_worst": min(case.iou for case in self.cases),
            "psnr_mean": mean(case.psnr for case in self.cases),
            "psnr_worst": min(case.psnr for case in self.cases),
            "clear_share": sum(case.clear for case in self.cases)
            / sum(case.missing for case in self.cases),
        }

    def as_json(self) -> dict[str, Any]:
        """Plain data, the cases included."""
        return {
            "sha256": self.sha256,
            "size": self.size,
            "summary": self.summary(),
            "appearances_equal": self.appearances_equal,
            "factors": self.factors,
            "sampled": asdict(self.sampled),
            "reachable": asdict(self.reachable),
            "cases": [
                {"seed": case.seed, "u": case.view.u, "v": case.view.v}
                | {"iou": case.iou, "psnr": case.psnr}
                | {"clear": case.clear, "missing": case.missing}
                for case in self.cases
            ],
        }

    def as_markdown(self) -> str:
        """Two tables: what must be reached and what was, and what each factor changes."""
        found = self.summary()
        rows = [
            ("Silhouette IoU, mean", "≥ 0.96", f"{found['iou_mean']:.4f}"),
            ("Silhouette IoU, worst", "≥ 0.90", f"{found['iou_worst']:.4f}"),
            ("PSNR, mean", "≥ 27 dB", f"{found['psnr_mean']:.2f} dB"),
            ("PSNR, worst", "", f"{found['psnr_worst']:.2f} dB"),
            ("Clear rays off the car", "≥ 99.5 %", f"{100 * found['clear_share']:.3f} %"),
            ("Empty samples of pictures with a density", "", str(self.sampled)),
            ("Empty points in a camera's reach with a density", "", str(self.reachable)),
            ("Opacity equal under 8 appearances", "to the bit", _yes(self.appearances_equal)),
        ]
        lines = ["| measure | wanted | found |", "| --- | --- | --- |"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines += ["", "| shape factor | pixels of the car that change |", "| --- | --- |"]
        lines += [f"| {name} | {100 * share:.0f} % |" for name, share in self.factors.items()]
        return "\n".join(lines)


def evaluate(
    path: Path, *, count: int, size: int, device: torch.device, exact: bool = True
) -> Evaluation:
    """Measure an asset.

    Parameters
    ----------
    path
        The safetensors file; its half-precision weights are what is measured.
    count
        Unseen cars, each at a camera of its own.
    size
        Pixels a side.
    device
        Where the model is drawn; the truth is drawn on the CPU.
    exact
        Whether by the plain marcher, or by the faster path.
    """
    generator = load_checkpoint(path, None, device)
    model = ModelViews(generator, exact=exact)
    latents = generator.spec.settings.latent
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    sampled, reachable = empty_space(generator, count)
    pairs = list(zip(seeds, random_views(count, VIEW_SEED), strict=True))
    return Evaluation(
        sha256=generator.sha256,
        size=size,
        cases=tuple(
            measure(model, latents, seed, view, size)
            for seed, view in tqdm(pairs, unit="car", disable=None)
        ),
        appearances_equal=_appearances_equal(model, latents, size),
        factors={
            name: _factor_effect(model, latents, index, size)
            for index, name in enumerate(SHAPE_FACTOR_NAMES)
        },
        sampled=sampled,
        reachable=reachable,
    )


def measure(model: ModelViews, latents: LatentSpec, seed: int, view: View, size: int) -> Case:
    """Compare one car at one camera with the truth."""
    latent = draw_latent(latents, seed)
    colour, opacity = model.draw(latent, view, size)
    picture = truth(latent, view, size)
    clear, missing = clear_rays(opacity, picture.mask[0])
    return Case(
        seed=seed,
        view=view,
        iou=silhouette_iou(opacity, picture.mask[0]),
        psnr=psnr(colour, picture.colour[0]),
        clear=clear,
        missing=missing,
    )


@torch.inference_mode()
def empty_space(generator: Generator, count: int) -> tuple[Emptiness, Emptiness]:
    """Look into the empty space of unseen shapes, at what pictures sample and at all in reach."""
    sampled = reachable = Emptiness(0, 0)
    size, device = generator.spec.settings.latent.dim_shape, generator.device
    for seed in range(SPACE_SEED, SPACE_SEED + count):
        sampled += _emptiness(generator, draw_space(1, 0, SPACE_POINTS, size, seed, device=device))
        reachable += _emptiness(
            generator, draw_space(1, SPACE_POINTS, 0, size, seed, device=device)
        )
    return sampled, reachable


def _emptiness(generator: Generator, space: Space) -> Emptiness:
    empty = space.points[space.distance > CLEARANCE]
    found = [
        density_at(as_network(generator.network).coarse, space.shape, some[None]) > 0
        for some in torch.split(empty, CHUNK)
    ]
    return Emptiness(len(empty), sum(int(some.sum()) for some in found))


def _appearances_equal(model: ModelViews, latents: LatentSpec, size: int) -> bool:
    shape = draw_latent(latents, FIRST_SEED).shape
    opacities = [
        model.draw(Codes(shape, draw_latent(latents, seed).appearance), FACTOR_VIEW, size)[1]
        for seed in range(FIRST_SEED, FIRST_SEED + 8)
    ]
    return all(torch.equal(opacity, opacities[0]) for opacity in opacities)


def _factor_effect(model: ModelViews, latents: LatentSpec, index: int, size: int) -> float:
    latent = draw_latent(latents, FIRST_SEED + 1)
    (low, low_opacity), (high, high_opacity) = (
        model.draw(Codes(moved(latent, index, value), latent.appearance), FACTOR_VIEW, size)
        for value in (LOW, HIGH)
    )
    changed = ((high - low).abs() > VISIBLE).any(dim=-1)
    car = torch.maximum(low_opacity, high_opacity) > VISIBLE
    return float((changed & car).sum() / car.sum())


def moved(latent: Codes, index: int, value: float) -> torch.Tensor:
    """The latent's shape code with one factor set, the others kept."""
    return with_factor(
        latent.shape[None], index, value, seed=SHAPE_SEED, count=len(SHAPE_FACTOR_NAMES)
    )[0]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
