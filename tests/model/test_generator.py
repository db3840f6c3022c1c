"""A specification and a file become a generator."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from graf_cli.errors import CheckpointError, ManifestError
from graf_cli.families.graf.scene import as_network
from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.families.graf.spec import NetworkSpec
from graf_cli.model.checkpoint import open_checkpoint, write_checkpoint
from graf_cli.model.generator import digest, load_checkpoint, load_spec
from tests.conftest import CPU, REFERENCE, Case, random_weights, small_generator, small_spec
from tests.rendering.fields import conditioned


def test_a_checkpoint_needs_the_configuration_beside_it(case: Case) -> None:
    spec, weights = open_checkpoint(case.checkpoint, case.config)
    assert spec == case.generator.spec
    assert (
        weights["generator"].keys() == as_network(case.generator.network).coarse.state_dict().keys()
    )
    with pytest.raises(ManifestError, match=rf"{case.name}\.pt .* as `config`\.$"):
        open_checkpoint(case.checkpoint)


def test_our_own_file_needs_none(tmp_path: Path) -> None:
    path, spec = tmp_path / "small.safetensors", small_spec()
    write_checkpoint(path, spec, random_weights(spec).networks, torch.float32)
    found, _ = open_checkpoint(path)
    assert found == spec


def test_a_configuration_wins_over_the_file_s_own_words(tmp_path: Path, case: Case) -> None:
    path = tmp_path / "model.safetensors"
    _, weights = open_checkpoint(case.checkpoint, case.config)
    write_checkpoint(path, small_spec(), weights, torch.float32)
    with pytest.raises(CheckpointError, match="configuration belong together"):
        open_checkpoint(path)
    spec, _ = open_checkpoint(path, case.config)
    assert spec.name == "model"
    assert spec.settings.network == case.generator.spec.settings.network


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("compact", r"`generator\.pts_linears\.0\.weight` has shape \(32, 191\) instead of"),
        ("birds", r"`generator\.views_linears\.0\.weight` has shape \(16, 187\) inst"),
    ],
)
def test_a_configuration_of_another_model_is_told(config: str, said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        open_checkpoint(REFERENCE / "cars.pt", REFERENCE / f"{config}.json")
    assert str(REFERENCE / "cars.pt") in str(caught.value)
    assert "check that checkpoint and configuration belong together." in str(caught.value)


def test_a_generator_holds_frozen_weights_and_their_digest(case: Case) -> None:
    generator = load_checkpoint(case.checkpoint, case.config, CPU)
    content = case.checkpoint.read_bytes()
    assert generator.sha256 == digest(case.checkpoint) == hashlib.sha256(content).hexdigest()
    assert generator.device == CPU
    assert (as_network(generator.network).fine is not None) == (case.name == "hierarchical")
    for field in (
        as_network(generator.network).coarse,
        as_network(generator.network).fine or as_network(generator.network).coarse,
    ):
        assert not field.training
        for parameter in field.parameters():
            assert not parameter.requires_grad
            assert parameter.device == CPU
            assert parameter.dtype == torch.float32


def test_a_model_of_the_manifest_is_loaded_from_its_file() -> None:
    spec, _ = open_checkpoint(REFERENCE / "cars.pt", REFERENCE / "cars.json")
    generator = load_spec(spec, REFERENCE / "cars.pt", CPU)
    assert generator.spec is spec
    with pytest.raises(CheckpointError, match=r"cats\.pt|instead of|no tensor|too many"):
        load_spec(small_spec(), REFERENCE / "cats.pt", CPU)


def test_conditioning_fixes_the_object() -> None:
    generator = small_generator()
    latent = draw(generator.spec.settings.latent, 3)
    points = torch.randn(
        (5, 3), generator=torch.Generator("cpu").manual_seed(0), device="cpu", dtype=torch.float32
    )
    density, colour = conditioned(generator, latent)(points, points)
    expected = as_network(generator.network).coarse(points, points, latent.shape, latent.appearance)
    assert torch.equal(density, expected[0])
    assert torch.equal(colour, expected[1])


def test_the_second_pass_uses_its_own_weights_where_it_has_some() -> None:
    spec = small_spec(NetworkSpec(width=8, importance=4))
    points = torch.ones((1, 3), device="cpu", dtype=torch.float32)
    two = small_generator(spec)
    latent = draw(spec.settings.latent, 0)
    first, second = (
        conditioned(two, latent, fine=fine)(points, points)[0] for fine in (False, True)
    )
    assert not torch.equal(first, second)
    one = small_generator()
    first, second = (
        conditioned(one, latent, fine=fine)(points, points)[0] for fine in (False, True)
    )
    assert torch.equal(first, second)
