"""What was read becomes a generator."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import torch

from graf_cli.errors import CheckpointError
from graf_cli.families.pigan.checkpoint import AVERAGES, GENERATOR, adopt, average_of, load, spec_of
from graf_cli.families.pigan.family import FAMILY
from graf_cli.families.pigan.files import read
from graf_cli.families.pigan.network import Network
from graf_cli.families.pigan.spec import Spec
from tests.families.pigan.models import CASES, CPU, SMALL, random_weights

PATH = CASES / "celeba_generator.pth"


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return read(PATH)


@pytest.fixture(scope="module")
def spec(stored: dict[str, Any]) -> Spec:
    return spec_of(PATH, stored, Spec())


def refused(spec: Spec, stored: dict[str, Any]) -> str:
    with pytest.raises(CheckpointError) as error:
        adopt(PATH, spec, stored)
    return str(error.value)


def test_the_averaged_weights_are_the_ones_that_are_drawn(
    spec: Spec, stored: dict[str, Any]
) -> None:
    drawn = adopt(PATH, spec, stored)[GENERATOR]
    assert torch.equal(drawn["sines.0.weight"], stored["averaged"][0])
    own = adopt(PATH, spec, {**stored, "averaged": None})[GENERATOR]
    assert torch.equal(own["sines.0.weight"], stored["parameters"]["siren.network.0.layer.weight"])
    assert not torch.equal(drawn["sines.0.weight"], own["sines.0.weight"])


def test_a_generator_comes_out_of_its_files(spec: Spec, stored: dict[str, Any]) -> None:
    found, weights = load(PATH)
    assert found == spec
    wanted = adopt(PATH, spec, stored)
    assert all(
        torch.equal(weights[network][name], tensor)
        for network, tensors in wanted.items()
        for name, tensor in tensors.items()
    )
    _, own = load(PATH, unaveraged=True)
    assert not torch.equal(own[GENERATOR]["density.weight"], wanted[GENERATOR]["density.weight"])


def test_what_was_adopted_is_adopted_again(spec: Spec, stored: dict[str, Any]) -> None:
    once = adopt(PATH, spec, stored)
    again = adopt(PATH, spec, once)
    for network in (GENERATOR, AVERAGES):
        assert once[network].keys() == again[network].keys()
        assert all(torch.equal(once[network][name], again[network][name]) for name in once[network])


def test_averages_come_from_their_seed_alone() -> None:
    weights = random_weights(SMALL)
    first, same = (average_of(SMALL, weights) for _ in range(2))
    other = average_of(msgspec.structs.replace(SMALL, average_seed=1), weights)
    assert torch.equal(first.row, same.row)
    assert not torch.equal(first.row, other.row)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(average_of(SMALL, weights).row, first.row)
    finally:
        torch.set_num_threads(before)


def test_averages_leave_the_stream_of_others_alone() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3, device="cpu", dtype=torch.float32)
    torch.manual_seed(7)
    average_of(SMALL, random_weights(SMALL))
    assert torch.equal(torch.rand(3, device="cpu", dtype=torch.float32), wanted)


def test_stored_averages_are_the_ones_that_are_used(spec: Spec, stored: dict[str, Any]) -> None:
    weights = adopt(PATH, spec, stored)
    weights[AVERAGES]["phases"] = weights[AVERAGES]["phases"] + 1
    network = FAMILY.network(spec, adopt(PATH, spec, weights), device=CPU)
    assert isinstance(network, Network)
    assert torch.equal(network.average.phases, weights[AVERAGES]["phases"])


def test_files_of_another_class_are_refused(spec: Spec, stored: dict[str, Any]) -> None:
    tall = msgspec.structs.replace(spec, siren="TALLSIREN")
    assert "is a SPATIALSIRENBASELINE, but its configuration says TALLSIREN" in refused(
        tall, stored
    )
    other = msgspec.structs.replace(spec, scale=3.0)
    assert "by 8.33333, but its configuration by 3" in refused(other, stored)


@pytest.mark.parametrize(
    "name", ["siren.final_layer.bias", "siren.mapping_network.network.4.weight"]
)
def test_tensors_are_held_against_the_network(
    spec: Spec, stored: dict[str, Any], name: str
) -> None:
    parameters, plain = stored["parameters"], {**stored, "averaged": None}

    def told(**changes: Any) -> str:
        return refused(spec, {**plain, "parameters": {**parameters, **changes}})

    missing = {key: tensor for key, tensor in parameters.items() if key != name}
    assert "has no tensor" in refused(spec, {**plain, "parameters": missing})
    assert "too many" in told(more=parameters[name])
    assert "has shape" in told(**{name: parameters[name][:0]})
    assert "floating-point" in told(**{name: parameters[name].to(torch.int64)})
    assert "NaN" in told(**{name: parameters[name] * torch.nan})


def test_averaged_tensors_are_held_against_their_places(spec: Spec, stored: dict[str, Any]) -> None:
    shadow = stored["averaged"]
    assert "29 averaged tensors for 30" in refused(spec, {**stored, "averaged": shadow[:-1]})
    turned = [shadow[1], shadow[0], *shadow[2:]]
    assert "averaged tensor 0 has shape" in refused(spec, {**stored, "averaged": turned})


def test_a_file_of_another_kind_has_no_sizes() -> None:
    with pytest.raises(CheckpointError, match="this is not a π-GAN"):
        spec_of(PATH, {"parameters": {}}, Spec())
