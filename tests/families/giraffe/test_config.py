"""Configurations of the release and of a user's own training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graf_cli.errors import ManifestError
from graf_cli.families.giraffe.config import configuration, read_config

CASES = Path(__file__).parent / "cases"
RELEASED = json.loads((CASES / "configs.json").read_bytes())["released"]


@pytest.mark.parametrize("name", RELEASED)
def test_a_partial_file_becomes_what_the_merged_one_says(name: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps(RELEASED[name]["own"]))
    own, merged = read_config(path), configuration(path, RELEASED[name]["merged"])
    assert own == merged
    assert own.unknown == ()


def test_a_parent_is_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "cars_256.yaml").write_text(json.dumps(RELEASED["cars"]["own"]))
    child = tmp_path / "mine.yaml"
    child.write_text("inherit_from: configs/256res/cars_256.yaml\nmodel: {z_dim: 64}\n")
    spec = read_config(child).spec
    assert spec.code == 64
    assert spec.object.features == 256


@pytest.mark.parametrize("parent", ["../secret.yaml", "/etc/passwd", "missing.yaml", "7"])
def test_nothing_is_inherited_from_outside(parent: str, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("model: {z_dim: 3}\n")
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "mine.yaml").write_text(f"inherit_from: {parent}\n")
    with pytest.raises(ManifestError, match="not beside it"):
        read_config(folder / "mine.yaml")


def test_files_that_inherit_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("inherit_from: a.yaml\n")
    with pytest.raises(ManifestError, match="too many files"):
        read_config(tmp_path / "a.yaml")


def test_the_release_reads_its_own_spelling_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("model: {generator_kwargs: {background_rotation_range: [0, 1]}}\n")
    found = read_config(path)
    assert found.spec.background_rotation == (0, 0)
    assert found.unknown == ("model.generator_kwargs.background_rotation_range",)


@pytest.mark.parametrize(
    "text",
    [
        "model: {decoder_kwargs: {n_blocks_view: 2}}",
        "model: {decoder: other}",
        "model: {background_generator: null}",
        "model: {neural_renderer_kwargs: {input_dim: 64}}",
        "model: {generator_kwargs: {depth_range: [6, 1]}}",
        "!!python/object/apply:os.system [true]",
    ],
)
def test_what_cannot_run_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ManifestError, match=r"mine\.yaml"):
        read_config(path)
