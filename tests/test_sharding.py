"""A job is divided: nothing twice, nothing lost, about fair, and every scheduler understood."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import UsageError
from graf_cli.model.spec import features_of
from graf_cli.recipe import Recipe
from graf_cli.request import grid, sample, sweep
from graf_cli.sharding import SCHEDULERS, Shard, parse_shard
from tests.conftest import small_spec
from tests.output.frames import reference

SPEC = small_spec()


def turntable(frames: int) -> Recipe:
    return sweep(reference(), SPEC, azimuth=(0, 360), frames=frames)


def rows(shapes: int, appearances: int) -> Recipe:
    return grid(reference(), SPEC, range(shapes), range(appearances))


def shares(recipe: Recipe, count: int) -> list[range]:
    features = features_of(SPEC)
    return [Shard(index, count).pictures(recipe, features) for index in range(1, count + 1)]


RECIPES = st.one_of(
    st.integers(1, 400).map(turntable),
    st.integers(1, 400).map(lambda n: sample(reference(), SPEC, n)),
    st.builds(rows, st.integers(1, 30), st.integers(1, 30)),
)


@given(RECIPES, st.integers(1, 70))
def test_shards_are_the_whole_each_picture_once(recipe: Recipe, count: int) -> None:
    parts = shares(recipe, count)
    assert [k for part in parts for k in part] == list(range(len(recipe)))


@given(RECIPES, st.integers(1, 70))
def test_shards_are_about_fair(recipe: Recipe, count: int) -> None:
    fair = len(recipe) / count
    for part in shares(recipe, count):
        assert abs(len(part) - fair) <= max(0.5 * fair, 1)


def test_views_of_one_shape_stay_together_where_that_is_fair() -> None:
    assert shares(rows(12, 10), 4) == [range(30 * i, 30 * i + 30) for i in range(4)]
    starts = [part.start % 10 for part in shares(rows(64, 10), 7)]
    assert starts == [0] * 7
    assert len(shares(rows(3, 100), 4)[0]) == 75  # too few shapes for that


def test_a_single_picture_is_the_first_shards() -> None:
    one = turntable(12).only(7)
    assert [len(part) for part in shares(one, 3)] == [1, 0, 0]


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 9))
def test_slices_of_costs_are_the_whole(costs: list[float], count: int) -> None:
    parts = [Shard(index, count).slice(costs) for index in range(1, count + 1)]
    assert [k for part in parts for k in part] == list(range(len(costs)))


def test_slices_of_costs_are_about_fair() -> None:
    costs = [1.0] * 20 + [10.0] * 4
    parts = [Shard(index, 4).slice(costs) for index in range(1, 5)]
    assert [sum(costs[k] for k in part) for part in parts] == [15, 15, 10, 20]


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "x", "1/", "-1/3", "1/2/3", "1/9999999"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match="is not a part of a job"):
        parse_shard(text, {})


def test_shards_as_people_write_them() -> None:
    assert parse_shard("2/8", {}) == Shard(2, 8)
    assert str(Shard(2, 8)) == "2/8"


SLURM = {"SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_COUNT": "5", "SLURM_ARRAY_TASK_STEP": "2"}
LSF = {"LSB_JOBINDEX_END": "8", "LSB_JOBINDEX_STEP": "1"}
AWS = {"AWS_BATCH_JOB_ARRAY_SIZE": "4"}


@pytest.mark.parametrize(
    ("environment", "shard"),
    [
        ({"SLURM_ARRAY_TASK_ID": "10", **SLURM}, Shard(1, 5)),
        ({"SLURM_ARRAY_TASK_ID": "18", **SLURM}, Shard(5, 5)),
        ({"PBS_ARRAY_INDEX": "1", "GRAF_SHARDS": "8"}, Shard(1, 8)),
        ({"PBS_ARRAY_INDEX": "0", "GRAF_SHARDS": "0-7"}, Shard(1, 8)),
        ({"PBS_ARRAYID": "8", "GRAF_SHARDS": "1-8"}, Shard(8, 8)),
        ({"LSB_JOBINDEX": "8", **LSF}, Shard(8, 8)),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "0", **AWS}, Shard(1, 4)),
        ({"JOB_COMPLETION_INDEX": "63", "GRAF_SHARDS": "64"}, Shard(64, 64)),
        ({"LSB_JOBINDEX": "0", "JOB_COMPLETION_INDEX": "0", "GRAF_SHARDS": "2"}, Shard(1, 2)),
    ],
)
def test_job_arrays(environment: dict[str, str], shard: Shard) -> None:
    assert parse_shard("auto", environment) == shard


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "finds none of SLURM_ARRAY_TASK_ID, PBS_ARRAY_INDEX"),
        ({"LSB_JOBINDEX": "0"}, "finds none of"),
        ({"JOB_COMPLETION_INDEX": "3"}, "Kubernetes does not tell how many .* set GRAF_SHARDS"),
        ({"PBS_ARRAY_INDEX": "9", "GRAF_SHARDS": "8"}, "9, which is not one of 8 tasks from 1"),
        ({"SLURM_ARRAY_TASK_ID": "11", **SLURM}, "not one of 5 tasks from 10 in steps of 2"),
        ({"SLURM_ARRAY_TASK_ID": "x", **SLURM}, "is `x`, not a number"),
        ({"JOB_COMPLETION_INDEX": "3", "GRAF_SHARDS": "many"}, "is `many`; write a number"),
    ],
)
def test_job_arrays_that_do_not_add_up(environment: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_shard("auto", environment)


def test_every_scheduler_is_tried_above() -> None:
    marks: Any = test_job_arrays.pytestmark  # type: ignore[attr-defined]
    tried = {key for environment, _ in marks[0].args[1] for key in environment}
    assert {scheduler.index for scheduler in SCHEDULERS} <= tried
