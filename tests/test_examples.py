"""The job scripts run as their schedulers would run them, as far as one can without these."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from graf_cli.cli.main import cli
from tests.cli.conftest import CARS
from tests.disks import Tree, tree

EXAMPLES = Path(__file__).parents[1] / "examples"
TASKS = 2
SMALL = {
    "GRAF_DATASET_CHECKPOINT": CARS[1],
    "GRAF_DATASET_CONFIG": CARS[3],
    "GRAF_DATASET_SIZE": "8",
    "GRAF_DATASET_SAMPLES": "8",
    "GRAF_OFFLINE": "1",
}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A `graf` on the path, and a small model as its default."""
    graf = tmp_path / "bin" / "graf"
    graf.parent.mkdir()
    graf.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m graf_cli "$@"\n')
    graf.chmod(0o755)
    path = f"{graf.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **SMALL, "PATH": path, "GRAF_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def whole(tmp_path: Path, environment: Mapping[str, str]) -> Tree:
    """What one process makes of it."""
    out = tmp_path / "whole"
    words = ["dataset", "--n", "4", "--views", "2", "--split", "train=0.9,val=0.1"]
    result = CliRunner().invoke(cli, [*words, "--out", f"{out}/"], env=dict(environment))
    assert result.exit_code == 0, result.stderr
    return tree(out)


def run(words: list[str], environment: Mapping[str, str], cwd: Path) -> None:
    done = subprocess.run(
        words, env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_slurm(tmp_path: Path, environment: dict[str, str], whole: Tree) -> None:
    script = EXAMPLES / "slurm-array.sh"
    assert re.search(r"^#SBATCH --array=1-64$", script.read_text(), re.MULTILINE)
    out = tmp_path / "views"
    for task in range(1, TASKS + 1):
        slurm = {
            "SLURM_ARRAY_TASK_ID": str(task),
            "SLURM_ARRAY_TASK_MIN": "1",
            "SLURM_ARRAY_TASK_COUNT": str(TASKS),
            "SLURM_CPUS_PER_TASK": "1",
        }
        asked = {"OBJECTS": "4", "VIEWS": "2", "OUT": f"{out}/"}
        run(["bash", str(script)], {**environment, **slurm, **asked}, tmp_path)
    assert tree(out) == whole


def test_kubernetes(tmp_path: Path, environment: dict[str, str], whole: Tree) -> None:
    job: dict[str, Any] = yaml.safe_load((EXAMPLES / "kubernetes-job.yaml").read_text())
    spec = job["spec"]
    assert (spec["completionMode"], spec["template"]["spec"]["restartPolicy"]) == (
        "Indexed", "Never",
    )  # fmt: skip
    [container] = spec["template"]["spec"]["containers"]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    assert variables["GRAF_SHARDS"] == str(spec["completions"])
    [mount] = container["volumeMounts"]
    out = tmp_path / "views"
    smaller = {"--n": "4", "--views": "2", "--out": f"{out}/"}
    words = [*container["command"]]
    for argument in container["args"]:
        name, _, value = argument.partition("=")
        words.append(f"{name}={smaller.get(name, value)}")
    assert any(argument == f"--out={mount['mountPath']}/" for argument in container["args"])
    for index in range(TASKS):
        pod = {**variables, "GRAF_SHARDS": str(TASKS), "JOB_COMPLETION_INDEX": str(index)}
        run(words, {**environment, **pod, "OMP_NUM_THREADS": "1"}, tmp_path)
    assert tree(out) == whole


def test_ray(tmp_path: Path, environment: dict[str, str], whole: Tree) -> None:
    pytest.importorskip("ray")
    out = tmp_path / "views"
    script = (EXAMPLES / "ray-job.sh").read_text()
    assert "--address" in script
    # On a cluster of its own, since there is none to connect to.
    alone = tmp_path / "ray-job.sh"
    alone.write_text(re.sub(r'--address "\S+" ', "", script))
    asked = {"OBJECTS": "4", "VIEWS": "2", "OUT": f"{out}/"}
    run(["bash", str(alone)], {**environment, **asked}, tmp_path)
    assert tree(out) == whole
