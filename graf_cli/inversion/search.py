"""Many starts: codes and cameras scored at a low resolution by the fast path.

No gradient leads from one side of a car to the other, so that cameras are tried all around; and
what is tried has to be cheap. Each start's codes are seen from every camera of a lattice, their
grid made once. How well a picture fits is told by `losses.repainted`, which looks past the paint.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from graf_cli.inversion.baked import Baked
from graf_cli.inversion.losses import Target, paints_background, repainted, target_of
from graf_cli.inversion.plan import SearchPlan
from graf_cli.inversion.problem import Candidate, Problem, Standpoint, turned
from graf_cli.inversion.tracing import CELLS, CHUNK, Tracing
from graf_cli.rendering.fast.objects import Objects, PictureSetup
from graf_cli.rendering.integrator import Seen, integrate
from graf_cli.scene.camera import Camera, azimuth_of, elevation_of, rays
from graf_cli.scene.codes import draw, drawn_seed
from graf_cli.scene.volume import Scene

RIDGE = 1e-3  # a pixel: paint may change, but a car that is not there may not be painted

WORTH_BAKING = 16  # cameras that look at one start, from which a lattice is cheaper than rays

Check = Callable[[int, int, list[Candidate]], bool]
Render = Callable[[Camera], tuple[Scene, Camera, Seen]]


def start_codes(problem: Problem, plan: SearchPlan, seed: int) -> list[dict[str, Tensor]]:
    """The prior's middle, then draws from it, truncated; one of a scene without codes."""
    features = problem.features
    first = draw(features, 0)
    if not first:
        return [{}]
    if problem.coordinates is not None:
        first = problem.coordinates.codes(first)
    starts = [{name: torch.zeros_like(code) for name, code in first.items()}]
    for k in range(plan.codes - 1):
        drawn = draw(features, drawn_seed(seed, k))
        if problem.coordinates is not None:
            drawn = problem.coordinates.codes(drawn)
        starts.append({name: code * plan.truncation for name, code in drawn.items()})
    return starts


def cameras_of(problem: Problem, plan: SearchPlan, number: int) -> list[Standpoint]:
    """All around as far as the training went, evenly; what is known is not varied."""
    spec, known = problem.generator.spec.camera, problem.known
    middle = problem.middle(number)
    if middle.pose is not None:
        return [middle]
    azimuths, elevations = [middle.azimuth], [middle.elevation]
    if known.of("azimuth", number) is None:
        low, high = spec.u
        count = max(round(plan.azimuths * (high - low)), 1)
        whole = high - low >= 1
        steps = (k / count if whole else (k + 0.5) / count for k in range(count))
        azimuths = [azimuth_of(low + (high - low) * t) for t in steps]
    if known.of("elevation", number) is None:
        low, high = spec.v
        count = max(math.ceil(plan.elevations * (high - low)), 1)
        elevations = [elevation_of(low + (high - low) * (k + 0.5) / count) for k in range(count)]
    pairs = itertools.product(azimuths, elevations)
    return [replace(middle, azimuth=azimuth, elevation=elevation) for azimuth, elevation in pairs]


class Search:
    """Scores starts.

    Parameters
    ----------
    problem : Problem
    plan : SearchPlan
    seed : int
        Of the codes that are tried.
    """

    def __init__(self, problem: Problem, plan: SearchPlan, seed: int) -> None:
        self.problem, self.plan = problem, plan
        self.tracing = Tracing(problem)
        self.codes = start_codes(problem, plan, seed)
        photographs = range(len(problem.photographs))
        self.cameras = [cameras_of(problem, plan, number) for number in photographs]
        self.size = problem.smaller(plan.size)

    def run(self, check: Check) -> list[Candidate]:
        """The best starts, the best first, no two of them from about the same side.

        Parameters
        ----------
        check : callable
            Is told how many codes of how many are done, and what was found so far; whether that
            has to do.
        """
        found: list[Candidate] = []
        for number, codes in enumerate(self.codes, 1):
            found += self._of(codes)
            if check(number, len(self.codes), found):
                break
        if sum(map(len, self.cameras)) == len(self.cameras):  # all known: starts differ in codes
            return sorted(found, key=lambda one: one.loss)[: self.plan.kept]
        # What a start is worth is its camera. From its codes, which happened to look alike at 24
        # pixels, steps lead to another valley than from the middle, where all directions are open.
        return [
            replace(one, codes=self.codes[0])
            for one in diverse(found, self.plan.kept, self.plan.apart)
        ]

    @torch.inference_mode()
    def _of(self, codes: dict[str, Tensor]) -> list[Candidate]:
        """One candidate for each camera of the first photograph, the others' cameras the best."""
        render = self._renderer(codes)
        scored = [
            [self._score(render, number, camera) for camera in cameras]
            for number, cameras in enumerate(self.cameras)
        ]
        rest = [int(np.argmin(scores)) for scores in scored[1:]]
        others = tuple(self.cameras[k + 1][best] for k, best in enumerate(rest))
        more = sum(scored[k + 1][best] for k, best in enumerate(rest))
        # Outside of inference mode, where gradients are asked for later.
        return [
            Candidate(codes, (camera, *others), (score + more) / len(scored))
            for camera, score in zip(self.cameras[0], scored[0], strict=True)
        ]

    def _renderer(self, codes: dict[str, Tensor]) -> Render:
        """How one start's pictures are made: from a lattice where many look at one scene."""
        problem, cameras = self.problem, self.cameras[0]
        camera = problem.camera(0, cameras[0], *self.size)
        scene, device = self.tracing.scene(codes, camera), problem.generator.device
        many = sum(map(len, self.cameras)) >= WORTH_BAKING
        straight = scene.place is None and scene.warp is None and scene.finish is None
        if not (many and straight and not scene.quadrature.last_back):
            return self._traced(codes)
        baked = Baked(scene, reach_of(camera), device)
        return lambda camera: (
            scene,
            camera,
            baked.march(rays(camera, device=device, dtype=torch.float32)),
        )

    def _traced(self, codes: dict[str, Tensor]) -> Render:
        """By the fast march where there is one, else by the exact integrator."""
        objects, device = Objects(self.problem.generator), self.problem.generator.device
        pictures = sum(map(len, self.cameras))

        def render(camera: Camera) -> tuple[Scene, Camera, Seen]:
            scene = self.tracing.scene(codes, camera)
            marched = scene.rastered(camera)
            through = rays(marched, device=device, dtype=torch.float32)
            if scene.warp is not None:
                through = scene.warp(through, marched)
            if scene.fast is None:
                return scene, marched, integrate(scene, through, chunk=CHUNK)
            setup = PictureSetup(scene, marched, marched, pictures, CELLS, torch.float32)
            return scene, marched, objects.open(setup, CHUNK).march(through, CHUNK)[0]

        return render

    def _score(self, render: Render, number: int, standpoint: Standpoint) -> float:
        problem = self.problem
        scene, marched, seen = render(problem.camera(number, standpoint, *self.size))
        shape = (marched.height, marched.width)
        radiance, opacity = seen.radiance.view(*shape, -1), seen.opacity.view(shape)
        target = self._target(number, scene, (marched.width, marched.height))
        if scene.finish is not None:
            raw = radiance.permute(2, 0, 1)
            rgb = scene.raw(raw) if scene.raw is not None else raw[:3]
            return float((rgb.permute(1, 2, 0) - target.rgb).square().mean())
        if scene.quadrature.last_back:
            return float((radiance - target.rgb).square().mean())
        behind = torch.tensor(problem.background, device="cpu", dtype=torch.float32)
        clear = (1 - opacity[..., None]) * behind.to(device=opacity.device)
        shown = Target(target.rgb - clear, target.mask, target.weight)
        return float(repainted(radiance, opacity, shown, RIDGE))

    def _target(self, number: int, scene: Scene, size: tuple[int, int]) -> Target:
        problem = self.problem
        return target_of(
            problem.photographs[number], size, problem.background, problem.generator.device,
            painted=paints_background(scene),
        )  # fmt: skip


def diverse(found: list[Candidate], most: int, apart: float) -> list[Candidate]:
    """The best candidates, of which no two see the object from within `apart` degrees."""
    chosen: list[Candidate] = []
    near = math.cos(math.radians(apart))
    for candidate in sorted(found, key=lambda one: one.loss):
        if len(chosen) == most:
            break
        if not any(_alike(candidate, other, near) for other in chosen):
            chosen.append(candidate)
    return chosen


def _alike(a: Candidate, b: Candidate, near: float) -> bool:
    pairs = zip(a.standpoints, b.standpoints, strict=True)
    return all(float(turned(one) @ turned(other)) > near for one, other in pairs)


def reach_of(camera: Camera) -> float:
    """Half the side of a cube around all that a camera's rays sample near the origin."""
    distance = float(np.linalg.norm(camera.eye))
    shift = 0.0 if camera.radius_max is None else distance - camera.radius_max
    return max(camera.far + shift - distance, distance - camera.near - shift, 1e-3)
