"""A round: some steps downhill from a candidate, by gradients through the exact integrator.

First Adam, which finds its way over a rough slope, of several objects one after the other; then
L-BFGS, which is quick at the bottom; and a compass, which needs no gradients, where cameras alone
are looked for.
Adam's second moment is one number a block of unknowns, not one an entry: entries of a code have no
axes of their own, and one that does little is not to be moved by as much as one that does a lot
(VectorAdam, Ling et al., NeurIPS 2022).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.inversion.losses import Target, difference, paints_background, psnr, target_of
from graf_cli.inversion.perceptual import WEIGHT
from graf_cli.inversion.plan import Stage
from graf_cli.inversion.problem import Candidate, Problem, Standpoint
from graf_cli.inversion.tracing import Kept, Tracing, pose_of

DEGREES = 10.0  # that one unit of an angle's unknown is: about what a code's unit does to a picture
LENGTHS = 0.1  # the same of a radius, as a share of it
RATE = 0.1  # of Adam: units of an angle a step, and less and less of them
STRIDE = 3.0  # times as far for a code, whose length is about the root of its numbers, 8 of 64
MOMENTS = 0.9, 0.95  # decays of Adam's means; a round is too short for the usual 0.999
TINY = 1e-12
PLACES = ("azimuth", "elevation", "radius")
REFRESH = 10  # steps of Adam after which the samples that show are found again
# Over all objects, of 5 steps each: two of 8 ended 1.8 dB behind, on average of 12 scenes.
SWEEPS = 3
HISTORY = 50  # gradients that L-BFGS remembers: all of a round
FIRST = 0.5  # units that the compass begins with: a third of what lies between starts
FINEST = 0.02  # units that it ends with, below which gradients do better
BOUND = 89.9  # degrees of elevation beyond which azimuth has no meaning


@dataclass(frozen=True)
class Step:
    """What is told after a step.

    Attributes
    ----------
    loss, psnr : float
        Of the candidate as it is; dB over the photographs' mean square difference at this size.
    """

    loss: float
    psnr: float


class Unknowns:
    """Leaves for a candidate: its codes, and what is not known of its cameras.

    Parameters
    ----------
    problem : Problem
    candidate : Candidate
    """

    def __init__(self, problem: Problem, candidate: Candidate) -> None:
        self.problem, self.start = problem, candidate
        device, known = problem.generator.device, problem.known
        self.codes = {
            name: code.detach().clone().to(device=device).requires_grad_()
            for name, code in candidate.codes.items()
        }
        self.free: list[tuple[str, ...]] = []
        self.moves: list[Tensor] = []
        for number, standpoint in enumerate(candidate.standpoints):
            free = [name for name in ("azimuth", "elevation") if known.of(name, number) is None]
            if problem.generator.spec.camera.radius_varies and known.of("radius", number) is None:
                free.append("radius")
            self.free.append(() if standpoint.pose is not None else tuple(free))
            move = torch.zeros(len(self.free[-1]), device=device, dtype=torch.float32)
            self.moves.append(move.requires_grad_())

    @property
    def leaves(self) -> list[Tensor]:
        """All that is moved."""
        return [*self.codes.values(), *(move for move in self.moves if len(move))]

    def pose(self, number: int) -> Tensor:
        """Of one photograph's camera, shape = (3, 4)."""
        spec, stands = self.problem.generator.spec.camera, self.start.standpoints[number]
        device = self.problem.generator.device
        if stands.pose is not None:
            given = torch.as_tensor(stands.pose, device="cpu", dtype=torch.float32)
            return given.to(device=device)
        moved = self._moved(number)
        pivot = torch.tensor(spec.pivot, device="cpu", dtype=torch.float32).to(device=device)
        angles = moved["azimuth"] * math.pi / 180, moved["elevation"] * math.pi / 180
        return pose_of(*angles, moved["radius"], pivot)

    def _moved(self, number: int) -> dict[str, Tensor]:
        stands = self.start.standpoints[number]
        values = {}
        for name in PLACES:
            value = torch.tensor(getattr(stands, name), device="cpu", dtype=torch.float32).to(
                device=self.problem.generator.device
            )
            if name in self.free[number]:
                unit = LENGTHS * stands.radius if name == "radius" else DEGREES
                value = value + unit * self.moves[number][self.free[number].index(name)]
            values[name] = value
        return values

    @torch.no_grad()
    def standpoint(self, number: int) -> Standpoint:
        """Where the camera has come to."""
        stands = self.start.standpoints[number]
        if not self.free[number]:
            return stands
        azimuth, elevation, radius = (float(value) for value in self._moved(number).values())
        elevation = min(max(elevation, -BOUND), BOUND)
        return Standpoint(azimuth, elevation, radius)

    def candidate(self, loss: float) -> Candidate:
        """As it is now."""
        codes = {name: code.detach().cpu().clone() for name, code in self.codes.items()}
        places = range(len(self.moves))
        return Candidate(codes, tuple(self.standpoint(number) for number in places), loss)


class Round:
    """Some steps of one candidate at one size.

    Parameters
    ----------
    problem : Problem
    candidate : Candidate
    stage : Stage
    check : callable
        Is told of every step; what it raises ends the round.
    """

    def __init__(
        self,
        problem: Problem,
        candidate: Candidate,
        stage: Stage,
        check: Callable[[Step], None],
    ) -> None:
        self.problem, self.stage, self.check = problem, stage, check
        self.tracing, self.unknowns = Tracing(problem), Unknowns(problem, candidate)
        self.best = candidate
        self._kept: list[Kept] = []
        self._targets: list[Target] = []
        self._lowest = math.inf
        self._evaluations = 0

    def run(self) -> Candidate:
        """The best candidate that was come by, judged by this stage's loss."""
        self._lowest = math.inf
        ways = {
            "adam": self._adam, "turns": self._turns, "lbfgs": self._lbfgs,
            "compass": self._compass,
        }  # fmt: skip
        ways[self.stage.by]()
        return self.best

    def _refresh(self) -> None:
        """Find the samples that show now."""
        places = range(len(self.unknowns.moves))
        stands = tuple(self.unknowns.standpoint(number) for number in places)
        self._kept = self.tracing.keep(self.unknowns.codes, stands, self.stage.size)

    def _loss(self) -> tuple[Tensor, float]:
        """Of the unknowns as they are, with their gradients; and the PSNR in dB."""
        problem, unknowns = self.problem, self.unknowns
        total = problem.prior * problem.penalty(unknowns.codes)
        errors = []
        for number, kept in enumerate(self._kept):
            scene = self.tracing.scene(unknowns.codes, kept.camera)
            rgb, opacity = self.tracing.picture(scene, kept, unknowns.pose(number))
            size = (rgb.shape[1], rgb.shape[0])
            target = target_of(
                problem.photographs[number], size, problem.background, rgb.device,
                painted=paints_background(scene),
            )  # fmt: skip
            total = total + self._apart(rgb, opacity, target) / len(self._kept)
            errors.append(10 ** (-psnr(rgb.detach(), target) / 10))
        return total, -10 * math.log10(max(sum(errors) / len(errors), TINY))

    def _apart(self, rgb: Tensor, opacity: Tensor, target: Target) -> Tensor:
        """Of one picture, without the prior."""
        total = difference(rgb, opacity, target)
        if self.problem.perceptual is None:
            return total
        seen, wanted = rgb, target.rgb
        if target.weight is not None:  # what does not count is the same in both
            seen, wanted = (one * target.weight[..., None] for one in (seen, wanted))
        return total + WEIGHT * self.problem.perceptual.distance(seen, wanted)

    def _evaluate(self) -> Tensor:
        """The loss, its gradients left in the leaves; the best is remembered, and told."""
        for leaf in self.unknowns.leaves:
            leaf.grad = None
        loss, decibels = self._loss()
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        if value < self._lowest:
            self._lowest = value
            self.best = self.unknowns.candidate(value)
        self.check(Step(value, decibels))
        return loss.detach()

    def _turns(self) -> None:
        """Adam over the codes of one object after the other, the rest held; cameras stay.

        Block coordinate descent: what one object explains is not looked for in the others.
        """
        codes, objects = self.unknowns.codes, self.problem.by_object()
        for own in objects * SWEEPS:
            for name, code in codes.items():
                code.requires_grad_(name in own)
            self._adam([codes[name] for name in own])
        for code in codes.values():
            code.requires_grad_()

    def _adam(self, leaves: list[Tensor] | None = None) -> None:
        leaves, (first, second) = leaves or self.unknowns.leaves, MOMENTS
        mean = [torch.zeros_like(leaf) for leaf in leaves]
        size = [0.0 for _ in leaves]
        for step in range(self.stage.steps):
            if step % REFRESH == 0:
                self._refresh()
            self._evaluate()
            rate = RATE * 0.5 * (1 + math.cos(math.pi * step / self.stage.steps))
            for k, leaf in enumerate(leaves):
                gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
                mean[k] = first * mean[k] + (1 - first) * gradient
                size[k] = second * size[k] + (1 - second) * float(gradient.square().sum())
                whole = mean[k] / (1 - first ** (step + 1))
                length = math.sqrt(size[k] / (1 - second ** (step + 1))) + TINY
                with torch.no_grad():
                    leaf.sub_(whole, alpha=rate / length * _stride(leaf))
        self._evaluate()

    @torch.no_grad()
    def _compass(self) -> None:
        """Each camera to where it is better by a step, the steps halved where none is.

        A field that is rough beside its pixels has gradients that point anywhere, while the loss
        still falls over some degrees towards the answer (Hooke and Jeeves, *Journal of the ACM*
        1961; Kolda, Lewis and Torczon, *SIAM Review* 2003).
        """
        self._evaluated_anew()
        step, last = FIRST, self._evaluations
        while step >= FINEST and self._evaluations < self.stage.steps:
            better = [self._turn(move, step) for move in self.unknowns.moves if len(move)]
            if not any(better):
                step /= 2
            if self._evaluations == last:  # there is nothing to move
                return
            last = self._evaluations

    def _turn(self, move: Tensor, step: float) -> bool:
        """The best of all neighbours of one camera; whether that is better than where it was."""
        start, best, lowest = move.clone(), move.clone(), self._lowest
        for way in itertools.product((-1.0, 0.0, 1.0), repeat=len(move)):
            if not any(way):
                continue
            ahead = torch.tensor(way, device="cpu", dtype=move.dtype).to(device=move.device)
            move.copy_(start + step * ahead)
            value = self._evaluated_anew()
            if value < lowest:
                best, lowest = move.clone(), value
        move.copy_(best)
        return not torch.equal(best, start)

    def _evaluated_anew(self) -> float:
        """The loss of the unknowns as they are, of samples found for them."""
        self._refresh()
        self._evaluations += 1
        return float(self._evaluate())

    def _lbfgs(self) -> None:
        self._refresh()
        optimiser = torch.optim.LBFGS(
            self.unknowns.leaves, max_iter=self.stage.steps, history_size=HISTORY,
            max_eval=self.stage.steps * 5 // 4, line_search_fn="strong_wolfe",
        )  # fmt: skip
        optimiser.step(lambda: float(self._evaluate()))  # type: ignore[no-untyped-call]


def _stride(leaf: Tensor) -> float:
    """How far a block moves a step, in units of the rate."""
    return STRIDE if leaf.numel() > len(PLACES) else 1.0
