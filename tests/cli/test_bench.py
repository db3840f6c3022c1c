"""`graf bench`: a table for people, an object for programs."""

from __future__ import annotations

import json

from tests.cli.conftest import CARS, Run


def test_table(run: Run) -> None:
    lines = run("bench", *CARS, "--size", 12).stdout.splitlines()
    names = [line[:16].strip() for line in lines]
    assert names[:4] == ["picture", "device", "plain path", "fast path"]
    assert "12 × 12, 64 samples a ray" in lines[0]


def test_json(run: Run) -> None:
    measured = json.loads(run("bench", *CARS, "--size", 12, "--json").stdout)
    assert measured["possible"] == 12 * 12 * 64
    assert 0 < measured["evaluated"] <= measured["possible"]
    assert measured["error"] <= 1e-3
    assert min(measured[key] for key in ("plain", "cold", "warm", "floor")) > 0
    assert measured["rays_per_second"] > 0
