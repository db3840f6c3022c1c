"""A job is divided among processes that know nothing of each other.

Which pictures are whose follows from the recipe and the shard's number alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from graf_cli.errors import UsageError
from graf_cli.recipe import Recipe
from graf_cli.scene.features import Features

NEW_SHAPE = 3.0  # pictures that beginning with a shape costs
SNAP = 0.1  # of a shard's pictures by which it may differ to keep a shape in one place
COUNT = "GRAF_SHARDS"  # how many there are, where the scheduler does not tell
MOST = 1_000_000


@dataclass(frozen=True)
class Shard:
    """One part of a job.

    Attributes
    ----------
    index : int
        From 1 on.
    count : int
    """

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count <= MOST:
            raise UsageError(
                f"⟨shard⟩ {self} is not a part of a job; write I/N with I from 1 to N."
            )

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.index}/{self.count}"

    def pictures(self, recipe: Recipe, features: Features) -> range:
        """Its pictures: neighbours, of as few shapes as fairness allows.

        The features are of the recipe's model, and tell which pictures share a shape.

        The shards of a recipe together are all of its pictures, each once.
        """
        if recipe.frame is not None:
            return range(1) if self.index == 1 else range(0)
        together, total = recipe.together(features), recipe.planned
        return range(
            _cut(self.index - 1, self.count, together, total),
            _cut(self.index, self.count, together, total),
        )

    def slice(self, costs: list[float]) -> range:
        """Its items of a list, neighbours that together cost about as much as any other's."""
        total = sum(costs) or 1.0
        middles, before = [], 0.0
        for cost in costs:
            middles.append(before + cost / 2)
            before += cost
        owners = [min(int(self.count * middle / total), self.count - 1) for middle in middles]
        start = sum(owner < self.index - 1 for owner in owners)
        return range(start, start + owners.count(self.index - 1))


def _cut(i: int, count: int, together: int, total: int) -> int:
    """The first picture behind shard `i`.

    It is moved to where a shape begins when that costs less than a shape that two shards begin.
    """
    picture, share = i * total / count, total / count
    edge = round(picture / together) * together
    fair = abs(edge - picture) <= max(SNAP * share, min(NEW_SHAPE, share / 4))
    return min(edge if fair else round(picture), total)


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """``2/8`` is the second of eight; ``auto`` asks the scheduler's variables.

    Raises
    ------
    UsageError
    """
    if text == "auto":
        return from_scheduler(environment)
    match = re.fullmatch(r"(\d{1,7})/(\d{1,7})", text, re.ASCII)
    if not match:
        raise UsageError(f"⟨shard⟩ {text} is not a part of a job; write I/N, such as 2/8, or auto.")
    return Shard(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class Scheduler:
    """Where a batch system tells a task of an array its number.

    Attributes
    ----------
    name : str
    index : str
        Variable with the task's number.
    first : int
        Number of the first task, unless another variable or `GRAF_SHARDS` says so.
    count, low, high, step : str
        Variables with the number of tasks, the lowest and highest number, and the step; some
        have none.
    """

    name: str
    index: str
    first: int
    count: str = ""
    low: str = ""
    high: str = ""
    step: str = ""


SCHEDULERS = (
    Scheduler("SLURM", "SLURM_ARRAY_TASK_ID", 0, count="SLURM_ARRAY_TASK_COUNT",
              low="SLURM_ARRAY_TASK_MIN", step="SLURM_ARRAY_TASK_STEP"),
    Scheduler("PBS", "PBS_ARRAY_INDEX", 1),
    Scheduler("Torque", "PBS_ARRAYID", 1),
    Scheduler("LSF", "LSB_JOBINDEX", 1, high="LSB_JOBINDEX_END", step="LSB_JOBINDEX_STEP"),
    Scheduler("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", 0, count="AWS_BATCH_JOB_ARRAY_SIZE"),
    Scheduler("Kubernetes", "JOB_COMPLETION_INDEX", 0),
)  # fmt: skip


def from_scheduler(environment: Mapping[str, str]) -> Shard:
    """The shard that a task of a job array is.

    Raises
    ------
    UsageError
        When this is not such a task, or its scheduler does not tell how many there are.
    """
    for scheduler in SCHEDULERS:
        # LSF says 0 outside of arrays.
        if environment.get(scheduler.index) and (
            scheduler.name != "LSF" or environment[scheduler.index] != "0"
        ):
            return _shard_of(scheduler, environment)
    known = ", ".join(scheduler.index for scheduler in SCHEDULERS)
    raise UsageError(
        f"⟨shard⟩ auto finds none of {known}; run it in a job array or write ⟨shard⟩ I/N."
    )


def _shard_of(scheduler: Scheduler, environment: Mapping[str, str]) -> Shard:
    index = _number(scheduler.index, environment)
    assert index is not None
    first = _number(scheduler.low, environment)
    first = scheduler.first if first is None else first
    step = _number(scheduler.step, environment) or 1
    count, high = (_number(key, environment) for key in (scheduler.count, scheduler.high))
    if high is not None:
        count = (high - first) // step + 1
    if environment.get(COUNT):
        first, count = _range(environment[COUNT], scheduler.first)
    if count is None:
        raise UsageError(
            f"{scheduler.name} does not tell how many tasks its array has; set {COUNT} to their "
            "number, or to the range as the scheduler was given it, such as 1-8."
        )
    position, beside = divmod(index - first, step)
    if beside or not 0 <= position < count:
        raise UsageError(
            f"{scheduler.index} is {index}, which is not one of {count} tasks from {first} in "
            f"steps of {step}; use a plain range for the array, or write ⟨shard⟩ I/N."
        )
    return Shard(position + 1, count)


def _range(text: str, first: int) -> tuple[int, int]:
    """First number and count of ``8`` or ``1-8``."""
    match = re.fullmatch(r"(?:(\d{1,7})-)?(\d{1,7})", text.strip(), re.ASCII)
    if not match:
        raise UsageError(f"{COUNT} is `{text}`; write a number of tasks, or a range such as 1-8.")
    if match[1] is None:
        return first, int(match[2])
    return int(match[1]), int(match[2]) - int(match[1]) + 1


def _number(key: str, environment: Mapping[str, str]) -> int | None:
    text = environment.get(key, "")
    if not text:
        return None
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise UsageError(f"{key} is `{text}`, not a number; write ⟨shard⟩ I/N.")
    return int(text)
