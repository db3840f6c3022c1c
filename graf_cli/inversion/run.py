"""An inversion: from starts to the answer, in rounds that can be stopped and gone on with."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from msgspec import Struct

from graf_cli.decoding import decode
from graf_cli.errors import OutputError
from graf_cli.inversion.plan import Plan
from graf_cli.inversion.problem import Candidate, Problem, Standpoint
from graf_cli.inversion.refine import Round, Step
from graf_cli.inversion.search import Search
from graf_cli.opening import reference
from graf_cli.output.store.atomic import placed

# Of a budget, until when the search and the first stages go on, as shares: what follows is finer
# and always gets the rest. As the parts of a run without a budget take, about.
SHARES = (0.12, 0.3, 0.46, 0.58, 0.76)
# Times the best one's loss from which a refined candidate is given up: on toy cars those from wrong
# sides were 2 to 5 times behind after a stage, and none of them ever caught up.
HOPELESS = 2.0
MAX_BYTES = 64 << 20  # of a file of progress


@dataclass(frozen=True)
class Report:
    """What is told on the way.

    Attributes
    ----------
    stage, stages : int
        0 is the search; how many there are with it.
    size : int
        Pixels along the longer side that pictures are compared at.
    candidate, candidates : int
        Which, from 1 on, of how many; of the search, starts.
    loss : float
        The best of the candidate so far in this stage.
    psnr : float or None
        Of the step, at this size, dB; None while starts are scored.
    seconds : float
        Since the run began.
    """

    stage: int
    stages: int
    size: int
    candidate: int
    candidates: int
    loss: float
    psnr: float | None
    seconds: float


class _StageOver(Exception):  # noqa: N818 - it is none
    """A stage has used up its share, or the run is to end."""


class Saved(Struct, frozen=True, forbid_unknown_fields=True):
    """A candidate as plain data."""

    codes: dict[str, list[float]]
    standpoints: list[tuple[float, float, float]]  # azimuth, elevation, radius
    loss: float | None  # None is infinite

    @classmethod
    def of(cls, candidate: Candidate) -> Saved:
        """That of a candidate."""
        return cls(
            {name: code.flatten().tolist() for name, code in candidate.codes.items()},
            [(one.azimuth, one.elevation, one.radius) for one in candidate.standpoints],
            candidate.loss if np.isfinite(candidate.loss) else None,
        )

    def candidate(self, problem: Problem) -> Candidate:
        """As it was."""
        codes = {
            name: torch.tensor(numbers, device="cpu", dtype=torch.float32)
            for name, numbers in self.codes.items()
        }
        poses = problem.known.poses or (None,) * len(self.standpoints)
        stands = tuple(
            Standpoint(*place, pose=pose)
            for place, pose in zip(self.standpoints, poses, strict=True)
        )
        return Candidate(codes, stands, float("inf") if self.loss is None else self.loss)


class State(Struct, forbid_unknown_fields=True):
    """How far a run is, at the end of a round.

    Attributes
    ----------
    asked : str
        Digest of all that the answer depends on.
    stage : int
        Of the plan; −1 is the search.
    waiting : list of Saved
        Candidates that the stage has not finished, the first one being at hand.
    rounds : int
        Of the one at hand that are done.
    done : list of Saved
        Those that the stage has finished.
    """

    asked: str
    stage: int = -1
    waiting: list[Saved] = []
    rounds: int = 0
    done: list[Saved] = []


class Inversion:
    """Looks for the codes and cameras of one problem.

    Parameters
    ----------
    problem : Problem
    plan : Plan
    seed : int
        Of the starts.
    seconds : float or None
        After which it ends with the best so far; None does all that is planned. Without a budget
        the answer depends on nothing but the problem, the plan and the seed.
    path : Path or None
        Of a file that keeps the progress; None keeps none.
    tell : callable or None
        Is told a `Report` after every step.
    ending : callable or None
        Says whether to end after the step at hand.
    """

    def __init__(
        self,
        problem: Problem,
        plan: Plan,
        seed: int,
        *,
        seconds: float | None = None,
        path: Path | None = None,
        tell: Callable[[Report], None] | None = None,
        ending: Callable[[], bool] | None = None,
    ) -> None:
        self.problem, self.plan, self.seed = problem, plan, seed
        self.seconds, self.path = seconds, path
        self._tell, self._ending = tell or (lambda _: None), ending or (lambda: False)
        self._start = time.monotonic()
        self.state = State(asked=asked_by(problem, plan, seed))
        self.finished = False
        self._hand: Candidate | None = None  # the best of a round that is not finished

    def resume(self) -> bool:
        """Take up what the file of progress holds, if it is there; whether it is.

        Raises
        ------
        OutputError
            When it is of another inversion, or cannot be read.
        """
        if self.path is None or not self.path.exists():
            return False
        state = _read(self.path)
        if state.asked != self.state.asked:
            raise OutputError(
                f"{self.path} is the progress of another inversion (other photographs, model or "
                "options); leave out ⟨resume⟩ to begin anew, or name another ⟨out⟩."
            )
        self.state = state
        return True

    def run(self) -> Candidate:
        """The best that was found until everything was done, or until it had to end."""
        if self.state.stage < 0:
            self._search()
        while 0 <= self.state.stage < len(self.plan.stages) and not self._over():
            self._stage()
        self.finished = self.state.stage == len(self.plan.stages)
        if self.finished and self.path is not None:
            self.path.unlink(missing_ok=True)
        return self.best

    @property
    def best(self) -> Candidate:
        """Of all that the present stage has judged, else the best of the one before it."""
        done = [saved.candidate(self.problem) for saved in self.state.done]
        if self._hand is not None:
            done.append(self._hand)
        if done:
            return min(done, key=lambda one: one.loss)
        return self.state.waiting[0].candidate(self.problem)

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._start

    def _over(self, share: float = 1.0) -> bool:
        """Whether to end: it was asked for, or that share of the budget is used."""
        used = self.seconds is not None and self.elapsed > share * self.seconds
        return used or self._ending()

    def _share(self) -> float:
        """Of the budget, until when the present stage may go on."""
        ahead = self.state.stage + 1
        return 1.0 if ahead >= len(self.plan.stages) else SHARES[min(ahead, len(SHARES) - 1)]

    def _search(self) -> None:
        search = Search(self.problem, self.plan.search, self.seed)

        def check(number: int, of: int, found: list[Candidate]) -> bool:
            lowest = min(one.loss for one in found)
            self._report(number, of, lowest, None, max(self.problem.smaller(self.plan.search.size)))
            return self._over(SHARES[0])

        found = search.run(check)
        if self._ending():  # what is gone on with scores all starts, as if it had not ended
            self.state.waiting = [Saved.of(one) for one in hopeful(found, 1, refined=False)]
            self._save()
        else:
            self._begin(0, found)

    def _begin(self, stage: int, found: list[Candidate]) -> None:
        most = self.plan.stages[stage].kept if stage < len(self.plan.stages) else 1
        kept = hopeful(found, most, refined=stage > 0)
        waiting = [Saved.of(one) for one in kept]
        self.state = State(self.state.asked, stage, waiting)
        self._save()

    def _stage(self) -> None:
        """Every candidate's rounds; a stage that is over goes on with what it has."""
        state, stage = self.state, self.plan.stages[self.state.stage]
        try:
            while state.waiting:
                candidate = state.waiting[0].candidate(self.problem)
                for done in range(state.rounds, stage.rounds):
                    candidate = self._round(candidate)
                    state.waiting[0], state.rounds = Saved.of(candidate), done + 1
                    self._save()
                state.waiting.pop(0)
                state.done.append(Saved.of(candidate))
                state.rounds = 0
                self._save()
        except _StageOver:
            if self._ending() or self._share() == 1.0:
                return  # to be gone on with
            if not state.done and self._hand is None:
                state.done.append(state.waiting[0])
        found = [saved.candidate(self.problem) for saved in state.done]
        if self._hand is not None:
            found.append(self._hand)
        self._hand = None
        self._begin(state.stage + 1, found)

    def _round(self, candidate: Candidate) -> Candidate:
        state, stage = self.state, self.plan.stages[self.state.stage]
        number, of = len(state.done) + 1, len(state.done) + len(state.waiting)
        size = max(self.problem.smaller(stage.size))

        def check(step: Step) -> None:
            self._hand = made.best
            self._report(number, of, made.best.loss, step.psnr, size)
            if self._over(self._share()):
                raise _StageOver

        made = Round(self.problem, candidate, stage, check)
        found = made.run()
        self._hand = None
        return found

    def _report(self, number: int, of: int, loss: float, psnr: float | None, size: int) -> None:
        stage, stages = self.state.stage + 1, len(self.plan.stages) + 1
        self._tell(Report(stage, stages, size, number, of, loss, psnr, self.elapsed))

    def _save(self) -> None:
        if self.path is not None:
            with placed(self.path) as temporary:
                temporary.write_bytes(msgspec.json.encode(self.state))


def hopeful(found: list[Candidate], most: int, *, refined: bool) -> list[Candidate]:
    """The best candidates, the best first; of refined ones none that is hopelessly behind."""
    ranked = sorted(found, key=lambda one: one.loss)[:most]
    worst = HOPELESS * ranked[0].loss if refined else float("inf")
    return [one for one in ranked if one.loss <= worst]


def progress_of(out: Path) -> Path:
    """The hidden file that keeps the progress towards another one."""
    return out.with_name(f".{out.name}.progress")


def asked_by(problem: Problem, plan: Plan, seed: int) -> str:
    """Digest of all that an answer depends on, hexadecimal."""
    digest = hashlib.blake2b(digest_size=32)
    known = problem.known
    told: dict[str, Any] = {
        "model": msgspec.to_builtins(reference(problem.generator)),
        "plan": msgspec.to_builtins(plan),
        "seed": seed,
        "known": [known.azimuth, known.elevation, known.radius, known.fov, known.intrinsics],
        "poses": [pose.tolist() for pose in known.poses],
        "picture": [problem.background, problem.samples, problem.prior, problem.size],
        "controls": sorted(problem.controls.items()),
        "space": problem.space,
        "perceptual": None if problem.perceptual is None else problem.perceptual.digest,
    }
    digest.update(msgspec.json.encode(told))
    for photograph in problem.photographs:
        digest.update(photograph.rgb.numpy().tobytes())
        if photograph.mask is not None:
            digest.update(b"mask" + photograph.mask.numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path) -> State:
    try:
        with path.open("rb") as stream:
            return decode(stream.read(MAX_BYTES), State)
    except (OSError, msgspec.MsgspecError, ValueError) as error:
        raise OutputError(
            f"{path} cannot be read as the progress of an inversion: {error}; remove it."
        ) from error
