"""What people ask of an inversion becomes a Problem."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graf_cli.errors import UsageError
from graf_cli.inversion.answer import Found, measured, recipe_of
from graf_cli.inversion.coordinates import Coordinates, space_of
from graf_cli.inversion.perceptual import Perceptual
from graf_cli.inversion.photograph import Photograph, common_size, photograph_of
from graf_cli.inversion.plan import Plan, plan_for
from graf_cli.inversion.problem import Known, Problem
from graf_cli.inversion.run import Inversion, Report
from graf_cli.model.generator import Generator
from graf_cli.opening import reference
from graf_cli.recipe import TRANSPARENT, Recipe, Sweep
from graf_cli.request import sweep
from graf_cli.scene.codes import Subject
from graf_cli.syntax import check_seeds

# Weight of the prior: half the mean square of all numbers of the codes against the mean square
# difference of colours. At 3e-3 codes of a normal length cost as much as an error of 28 dB, which
# a photograph of a toy car fits by at best; with 1e-4 codes wander off, and take the camera with
# them: a lower car that is seen from higher looks much the same.
PRIOR = 3e-3
TOLD = ("azimuth", "elevation", "radius")
VIEW = (*TOLD, "fov", "poses", "intrinsics", "size", "samples", "background", "controls",
        "objects")  # fmt: skip


def photographs_of(images: Any, masks: Any = None) -> tuple[Photograph, ...]:
    """One photograph or several, each with its mask if there are some.

    Raises
    ------
    UsageError
    """
    several = images if isinstance(images, list | tuple) else [images]
    given = masks if isinstance(masks, list | tuple) else [masks] * (masks is not None)
    if not several:
        raise UsageError("There is no ⟨image⟩; name a photograph or more.")
    if given and len(given) != len(several):
        raise UsageError(
            f"⟨mask⟩ is given {len(given)} times for {len(several)} photographs; give one each."
        )
    each = given or [None] * len(several)
    return tuple(photograph_of(image, mask) for image, mask in zip(several, each, strict=True))


def problem_of(
    generator: Generator,
    photographs: tuple[Photograph, ...],
    view: Mapping[str, Any],
    prior: float = PRIOR,
    *,
    space: str | None = None,
    perceptual: Path | None = None,
) -> Problem:
    """What is looked for.

    Parameters
    ----------
    generator : Generator
    photographs : tuple of Photograph
    view : mapping
        Of `VIEW`, as `graf_cli.request.sweep` takes them; what is None is not known.
    prior : float
    space : str, optional
        In which codes are looked for; see `space_of`.
    perceptual : Path, optional
        Of a network; see `Perceptual`.

    Raises
    ------
    UsageError, CheckpointError
        When the model cannot be inverted so, or an option cannot be meant.
    """
    check_invertible(generator, view)
    space = space_of(generator, space)
    if not (math.isfinite(prior) and prior >= 0):
        raise UsageError(f"⟨prior⟩ {prior} is not a weight; give 0 or more.")
    said = {name: value for name, value in view.items() if value is not None}
    size = said.pop("size", None)
    longest = max(generator.spec.size, generator.spec.height or 0)
    if size is None:
        size = common_size(photographs, longest)
    # The words are read as those of a picture; which were said is what is known.
    asked = sweep(reference(generator), generator.spec, size=size, **said)
    if asked.background == TRANSPARENT:
        raise UsageError("A photograph has a ⟨background⟩; give its colour, or a ⟨mask⟩.")
    small = tuple(one.resized(asked.width, asked.height) for one in photographs)
    plan = asked.plan
    assert isinstance(plan, Sweep)
    controls = _controls(plan)
    if generator.conditioned_on_camera(Subject({}, controls=controls)):
        raise UsageError(
            f"⟨controls⟩: with `{generator.features.following}` each camera makes another object "
            f"of `{generator.spec.name}`; leave it out."
        )
    network = None if perceptual is None else Perceptual(perceptual, generator.device)
    return Problem(
        generator=generator,
        photographs=small,
        known=_known(asked, _standing(generator, asked, said), len(photographs)),
        colour=asked.background,
        samples=asked.samples,
        prior=prior,
        controls=controls,
        coordinates=None if space == "z" else Coordinates.of(generator, space, controls),
        perceptual=network,
    )


def _controls(plan: Sweep) -> dict[str, float]:
    """One number each; what several photographs show is one scene."""
    found = {}
    for name, values in plan.subject.controls.items():
        if len(values) > 1:
            raise UsageError(
                f"The control `{name}` has {len(values)} values; all photographs are of one scene, "
                "of which it is one number."
            )
        found[name] = values[0]
    return found


def _standing(generator: Generator, asked: Recipe, said: dict[str, Any]) -> dict[str, Any]:
    """What is said; of a camera that stays, before which objects move, all is known."""
    if generator.features.azimuth != "objects" or "poses" in said:
        return said
    plan = asked.plan
    assert isinstance(plan, Sweep)
    return said | {name: getattr(plan.view, name) for name in TOLD}


def _known(asked: Recipe, said: Mapping[str, Any], count: int) -> Known:
    plan = asked.plan
    assert isinstance(plan, Sweep)
    view = plan.view
    values: dict[str, tuple[float, ...] | None] = {}
    for name in TOLD:
        given = getattr(view, name) if name in said else None
        if given is not None and len(given) not in (1, count):
            raise UsageError(
                f"⟨{name}⟩ has {len(given)} values for {count} photographs; give one, or one each."
            )
        values[name] = given
    if len(view.fov) > 1:
        raise UsageError("⟨fov⟩ is one number, which serves all photographs.")
    if said.get("poses") is not None and len(view.poses) != count:
        raise UsageError(
            f"⟨poses⟩ holds {len(view.poses)} cameras for {count} photographs; give one each."
        )
    poses = view.poses if said.get("poses") is not None else ()
    return Known(
        **values,
        fov=view.fov[0] if "fov" in said else None,
        poses=tuple(np.array(row, dtype=np.float64).reshape(3, 4) for row in poses),
        intrinsics=view.intrinsics,
    )


def check_invertible(generator: Generator, view: Mapping[str, Any]) -> None:
    """Refuse models whose codes or cameras cannot be looked for yet.

    Raises
    ------
    UsageError
    """
    features, name = generator.features, generator.spec.name
    if features.cameras == "front" and view.get("poses") is None:
        raise UsageError(
            f"`{name}` cannot be inverted yet: its cameras stand before a scene, where only poses "
            "say where; give ⟨poses⟩."
        )


def plan_of(problem: Problem, starts: int | None = None) -> Plan:
    """How it is looked for."""
    known, places = problem.known, range(len(problem.photographs))
    given = bool(known.poses) or all(
        known.of(name, number) is not None for name in ("azimuth", "elevation") for number in places
    )
    if starts is not None and starts < 1:
        raise UsageError(f"⟨starts⟩ {starts} tries nothing; give 1 or more.")
    alone = not problem.generator.features.blocks
    return plan_for(cameras_known=given, alone=alone, several=problem.several, codes=starts)


def inverted(
    problem: Problem,
    *,
    plan: Plan | None = None,
    seed: int = 0,
    seconds: float | None = None,
    path: Path | None = None,
    resume: bool = False,
    tell: Callable[[Report], None] | None = None,
    ending: Callable[[], bool] | None = None,
) -> Found:
    """Look for the answer; see `Inversion`.

    Raises
    ------
    UsageError, OutputError
    """
    if seconds is not None and not seconds > 0:
        raise UsageError(f"⟨seconds⟩ {seconds} is not a time; give more than 0.")
    [seed] = check_seeds([seed])
    if plan is None:
        plan = plan_of(problem)
    run = Inversion(problem, plan, seed, seconds=seconds, path=path, tell=tell, ending=ending)
    if resume:
        run.resume()
    with torch.inference_mode(False), torch.enable_grad():
        best = run.run()
    recipe = recipe_of(problem, best)
    found = measured(problem, recipe)
    return Found(recipe, found, best.loss, run.finished, run.elapsed)
