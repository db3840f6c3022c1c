"""How an answer is looked for: how many starts, how many steps, at which sizes.

The numbers were chosen on toy cars, 128 × 128 photographs and two cores; see `docs/inversion.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

SEVERAL_CODES = 3  # the same of several objects, each of whose turns takes as long as all at once
KNOWN_CODES = 7  # begun at where cameras are known: vans and pick-ups lie in valleys of their own
WHOLE = 1 << 14  # pixels along a side: as large as the photographs are compared at


@dataclass(frozen=True)
class SearchPlan:
    """Starts.

    Attributes
    ----------
    size : int
        Pixels along the longer side.
    codes : int
        The prior's middle and draws from it.
    azimuths : int
        In a whole turn.
    elevations : int
        From pole to pole, at equal areas.
    truncation : float
        Of the codes that are drawn.
    kept : int
        Candidates, from as many sides.
    apart : float
        Degrees between them.
    """

    size: int = 24
    codes: int = 6
    azimuths: int = 24
    elevations: int = 10
    truncation: float = 0.7
    kept: int = 8
    apart: float = 12.0


@dataclass(frozen=True)
class Stage:
    """Rounds of steps of each candidate that is left.

    Attributes
    ----------
    size : int
        Pixels along the longer side.
    kept : int
        Best candidates of the stage before that take part.
    rounds : int
        Each begins anew where the one before ended, and may be where a job is interrupted.
    steps : int
        Of a round; of the compass, pictures that are looked at; by turns, of each object's turn.
    by : str
        ``adam`` or ``lbfgs``; ``turns`` is Adam over one object after the other; ``compass`` moves
        cameras alone, without gradients.
    """

    size: int
    kept: int
    rounds: int
    steps: int
    by: Literal["adam", "turns", "lbfgs", "compass"]


@dataclass(frozen=True)
class Plan:
    """All of it.

    Attributes
    ----------
    search : SearchPlan
    stages : tuple of Stage
    """

    search: SearchPlan = SearchPlan()
    stages: tuple[Stage, ...] = (
        Stage(size=32, kept=8, rounds=1, steps=15, by="adam"),
        Stage(size=32, kept=4, rounds=1, steps=20, by="lbfgs"),
        Stage(size=32, kept=2, rounds=1, steps=40, by="lbfgs"),
        Stage(size=64, kept=1, rounds=1, steps=30, by="lbfgs"),
        Stage(size=WHOLE, kept=1, rounds=1, steps=14, by="lbfgs"),
    )


def plan_for(
    *, cameras_known: bool, alone: bool = False, several: bool = False, codes: int | None = None
) -> Plan:
    """What suits: where cameras are known, more codes are begun at, none of them given up unseen.

    Parameters
    ----------
    cameras_known : bool
    alone : bool
        Whether there are no codes: cameras of a scene that is one, whose pictures may be far
        rougher than those of an average object, and whose right camera has no error at all.
    several : bool
        Whether there are several objects with codes of their own.
    codes : int, optional
        How many are tried.
    """
    if alone and not cameras_known:
        return Plan(
            stages=(
                Stage(size=32, kept=4, rounds=1, steps=34, by="compass"),
                Stage(size=64, kept=1, rounds=1, steps=60, by="compass"),
                Stage(size=WHOLE, kept=1, rounds=1, steps=14, by="lbfgs"),
            )
        )
    if not cameras_known:
        plan = Plan()
        return plan if codes is None else replace(plan, search=replace(plan.search, codes=codes))
    kept = SEVERAL_CODES if several else KNOWN_CODES
    first = Stage(size=32, kept=kept, rounds=1, steps=15, by="adam")
    if several:
        first = replace(first, steps=5, by="turns")
    return Plan(
        search=SearchPlan(codes=kept if codes is None else codes, kept=kept),
        stages=(
            first,
            Stage(size=32, kept=2, rounds=1, steps=25, by="lbfgs"),
            Stage(size=64, kept=1, rounds=1, steps=30, by="lbfgs"),
            Stage(size=WHOLE, kept=1, rounds=1, steps=18, by="lbfgs"),
        ),
    )
