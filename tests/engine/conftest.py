"""A real cluster of two nodes on this machine, and work for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from graf_cli import api
from graf_cli.engine.contract import Engine, Work
from graf_cli.model.generator import Generator
from graf_cli.request import grid
from graf_cli.shots import Shots
from tests.conftest import small_generator

GENERATOR = small_generator()
NODE: dict[str, Any] = {"num_cpus": 3, "include_dashboard": False}  # a worker of two cores and more
# That a node is dead shall be known after 5 s, not 15.
SOON = {"health_check_period_ms": 1000, "health_check_failure_threshold": 5}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Two nodes."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        nodes: Any = Cluster(initialize_head=True, head_node_args={**NODE, "_system_config": SOON})
        try:
            nodes.add_node(**NODE)
            yield nodes
        finally:
            nodes.shutdown()


@pytest.fixture(scope="session")
def ray_engine(cluster: Any) -> Iterator[Engine]:
    """One worker a node."""
    from graf_cli.engine.cluster import RayEngine

    with RayEngine(cluster.address, workers=2, cpus=2) as engine:
        yield engine


def work(
    pictures: Sequence[int] | None = None,
    generator: Generator = GENERATOR,
    *,
    size: int = 8,
    normals: bool = False,
) -> Work:
    """Pictures of a grid of 4 shapes × 6 appearances; all of them by default."""
    recipe = grid(
        api.reference(generator), generator.spec, shapes=range(4), appearances=range(6), size=size
    )
    shots = Shots(recipe, generator.spec)
    return Work(generator, shots, range(len(shots)) if pictures is None else pictures,
                normals=normals)  # fmt: skip
