"""What was found, as a Recipe; and how close its picture really is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from graf_cli.engine.local import LocalEngine
from graf_cli.inversion.losses import Target, psnr
from graf_cli.inversion.problem import Candidate, Problem
from graf_cli.jobs import work_of
from graf_cli.opening import reference
from graf_cli.recipe import Recipe
from graf_cli.rendering.renderer import RenderOptions
from graf_cli.request import sweep

TURN = 360.0


@dataclass(frozen=True)
class Found:
    """The answer.

    Attributes
    ----------
    recipe : Recipe
        Whose subject holds the codes as rows and whose view is the camera, one frame a photograph.
    psnr : tuple of float
        Of each rendered frame against its photograph, dB, on the model's background where a mask
        was given.
    loss : float
        That the candidate was judged by last.
    finished : bool
        Whether all that was planned was done; False after a budget or an interruption.
    seconds : float
        That this run took.
    """

    recipe: Recipe
    psnr: tuple[float, ...]
    loss: float
    finished: bool
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain data, without the recipe."""
        return {
            "psnr": list(self.psnr), "loss": self.loss, "finished": self.finished,
            "seconds": self.seconds,
        }  # fmt: skip


def recipe_of(problem: Problem, candidate: Candidate) -> Recipe:
    """The recipe of the pictures that are closest to the photographs."""
    generator, known = problem.generator, problem.known
    first, several = candidate.standpoints[0], len(candidate.standpoints) > 1
    asked: dict[str, Any] = {
        "size": problem.size,
        "samples": problem.samples,
        "controls": dict(problem.controls) or None,
    }
    if generator.features.background == "colour":
        asked["background"] = problem.colour
    if candidate.codes:
        codes, coordinates = candidate.codes, problem.coordinates
        if coordinates is None:
            asked["latents"] = [torch.cat([code.flatten() for code in codes.values()]).tolist()]
        else:
            asked["latents"] = [coordinates.row(codes[coordinates.block]).tolist()]
            asked["space"] = coordinates.space
        if generator.features.truncation != "none":
            asked["truncation"] = 1.0  # the codes are what was found, as they are
    if several or first.pose is not None:
        pivot = generator.spec.camera.pivot
        asked["poses"] = [
            stands.matrix(pivot).flatten().tolist() for stands in candidate.standpoints
        ]
    else:
        asked |= {
            "azimuth": first.azimuth % TURN, "elevation": first.elevation, "radius": first.radius
        }  # fmt: skip
    if generator.features.azimuth == "objects":
        asked.pop("azimuth", None)  # which turns the objects, as a control that was told does
    if known.intrinsics:
        asked["intrinsics"] = known.intrinsics
    elif known.fov is not None:
        asked["fov"] = known.fov
    return sweep(reference(generator), generator.spec, **asked)


def measured(problem: Problem, recipe: Recipe) -> tuple[float, ...]:
    """PSNR of each frame of a recipe, drawn as `graf render` draws it, in dB."""
    work = work_of(problem.generator, recipe, range(len(recipe)), RenderOptions())
    painted = problem.generator.features.background == "generated"
    found = []
    with LocalEngine() as engine, engine.draw(work) as drawing:
        for photograph, frame in zip(problem.photographs, drawing, strict=True):
            target = _target(problem, photograph.rgb, photograph.mask, painted=painted)
            found.append(psnr(torch.from_numpy(frame.rgb), target))
    return tuple(found)


def _target(
    problem: Problem, rgb: torch.Tensor, mask: torch.Tensor | None, *, painted: bool
) -> Target:
    if mask is None or painted:
        return Target(rgb, None, mask)
    behind = torch.tensor(problem.background, device="cpu", dtype=torch.float32)
    return Target(rgb * mask[..., None] + (1 - mask[..., None]) * behind, mask)
