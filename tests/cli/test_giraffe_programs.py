"""The lines of the documentation that stand for the release's programs, held against these."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graf_cli.families.giraffe.layout import layout
from graf_cli.model.manifest import load_manifest
from graf_cli.recipe import from_json
from graf_cli.shots import Shots
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "families" / "giraffe" / "cases"
LINE = re.compile(r"^\| ([^|]+) \| `(--model giraffe-(\w+) [^`]+)` \|$", re.MULTILINE)
LINES = LINE.findall((ROOT / "docs" / "families.md").read_text())
PROGRAMS = {
    "rotation": "object_rotation",
    "translation, horizontal": "object_translation_horizontal",
    "translation, depth": "object_translation_vertical",
    "circle": "object_translation_circle",
    "interpolation, appearance": "interpolate_app",
    "interpolation, shape": "interpolate_shape",
    "interpolation, background": "interpolate_app_bg",
    "camera elevation": "render_camera_elevation",
    "adding cars": "render_add_cars",
    "adding 6 CLEVR objects": "render_add_clevr6",
    "adding 12 CLEVR objects": "render_add_clevr10",
}
LEG = 32  # steps of the release from one code to the next
CODES = {
    "interpolate_app": "object.0.appearance",
    "interpolate_shape": "object.0.shape",
    "interpolate_app_bg": "background.appearance",
}
ROUNDED = 5e-5  # angles are written down with four decimals
UNEVEN = 1e-3  # where the release's elevation is even in its cosine, ours is in degrees


def test_every_program_has_a_line() -> None:
    assert {name for name, _, _ in LINES} == set(PROGRAMS)


@pytest.mark.parametrize(
    ("name", "words", "model"), LINES, ids=[f"{name} {model}" for name, _, model in LINES]
)
def test_a_line_shows_what_the_program_does(run: Run, name: str, words: str, model: str) -> None:
    recipe = from_json(run("render", *shlex.split(words), "--dry-run").stdout)
    spec = load_manifest().resolve(f"giraffe-{model}")
    shots, program = Shots(recipe, spec), PROGRAMS[name]
    with np.load(CASES / "programs.npz") as stored:
        start = f"{model}/{program}/"
        measured: dict[str, Any] = {
            key.removeprefix(start): stored[key] for key in stored.files if key.startswith(start)
        }
    whole = name == "circle" or (name == "rotation" and model == "cars")
    for at, step in enumerate(measured["steps"].tolist()):
        leg, along = divmod(step, LEG) if program in CODES else (0, step)
        frame = leg * (LEG - 1) + along
        shot = shots[frame % len(shots) if whole else frame]
        placed = layout(spec.settings, shot.subject).objects
        there = ~np.isnan(measured["s"][at]).any(axis=-1)
        assert len(placed) == there.sum()
        for k, one in enumerate(placed):
            assert np.abs(one.scale - measured["s"][at, k]).max() <= ROUNDED
            assert np.abs(one.translation - measured["t"][at, k]).max() <= ROUNDED
            assert np.abs(one.rotation - measured["R"][at, k]).max() <= ROUNDED
        beside = np.abs(shot.camera.pose - measured["world"][at, :3]).max()
        assert beside <= (UNEVEN if name == "camera elevation" else ROUNDED)
        if program in CODES:
            code = shot.subject.codes[CODES[program]]
            apart = abs(code.t - along / (LEG - 1))
            assert min(apart, 1 - apart) < 1e-9  # the end of a leg is the start of the next
