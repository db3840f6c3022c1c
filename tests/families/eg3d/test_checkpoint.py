"""Files of EG3D are read as data, and held to what EG3D is."""

from __future__ import annotations

import io
import math
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import CheckpointError
from graf_cli.families.eg3d.checkpoint import AVERAGED, NAMES, NETWORK, adopt, describe, load
from graf_cli.families.eg3d.spec import Spec
from graf_cli.weights.modules import children, tensors
from graf_cli.weights.records import Record
from graf_cli.weights.stores import read_objects
from tests.families.eg3d.conftest import CASES
from tests.families.eg3d.files import arrays, checkpoint
from tests.weights.pickled import assemble
from tests.weights.test_objects import canaries

FILE = CASES / "ffhq64.pkl"
DATA = FILE.read_bytes()
NAME = Path("a.pkl")


def stored() -> dict[str, Any]:
    """The file's records, fresh, so that they may be changed."""
    found = read_objects(FILE, io.BytesIO(DATA), NAMES)
    assert isinstance(found, dict)
    return found


def generator_of(found: dict[str, Any]) -> Record:
    generator = found[AVERAGED]
    assert isinstance(generator, Record)
    return generator


def state_dict(found: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {
        name: torch.from_numpy(tensor.read())
        for name, tensor in tensors(generator_of(found)).items()
    }


def at(record: Record, *names: str) -> Record:
    for name in names:
        record = children(record)[name]
    return record


def test_the_average_is_read_and_not_the_generator_beside_it() -> None:
    spec, weights = load(FILE)
    found = stored()
    ours = weights[NETWORK]["decoder.out.bias"]
    for name, same in (("G_ema", True), ("G", False)):
        theirs = tensors(found[name])["decoder.net.2.bias"].read()
        assert np.array_equal(ours.numpy(), theirs) == same
    assert spec.raster == 8
    assert spec.stage_input == 16


def test_a_state_dict_gives_the_same_weights() -> None:
    """Inversion tools save these; the gains then follow from the sizes."""
    for name in ("ffhq64", "odd"):
        path = CASES / f"{name}.pkl"
        spec, weights = load(path)
        found: Any = read_objects(path, io.BytesIO(path.read_bytes()), NAMES)
        again = adopt(NAME, spec, {AVERAGED: state_dict(found)})
        for key, tensor in weights[NETWORK].items():
            torch.testing.assert_close(again[NETWORK][key], tensor, rtol=1e-6, atol=0)


def test_a_state_dict_does_not_say_what_it_is() -> None:
    with pytest.raises(CheckpointError, match="manifest"):
        describe(NAME, {AVERAGED: {}})


def test_nothing_of_a_file_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source text in there is a statement that raises, and every name kills."""
    load(FILE)  # what reading imports at first has been imported
    with canaries(NAMES, monkeypatch) as sung:
        read_objects(FILE, io.BytesIO(DATA), NAMES)
        assert sung == []


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("backbone", "synthesis", "b8", "conv0"), "activation", "relu"),
        (("backbone", "synthesis", "b8", "conv0"), "act_gain", 1.0),
        (("backbone", "synthesis", "b8", "conv0"), "use_noise", False),
        (("backbone", "synthesis", "b8", "conv0"), "up", 1),
        (("backbone", "synthesis", "b8", "conv0"), "conv_clamp", 3.0),
        (("backbone", "synthesis", "b8"), "architecture", "resnet"),
        (("backbone", "mapping", "fc0"), "activation", "linear"),
        (("decoder", "net", "0"), "activation", "lrelu"),
        (("backbone", "mapping"), "num_layers", 3),
        (("superresolution",), "input_resolution", 1 << 40),
        (("superresolution",), "input_resolution", "16"),
        ((), "neural_rendering_resolution", -1),
        ((), "z_dim", 10**9),
        ((), "w_dim", 8),
        ((), "rendering_kwargs", {}),
        ((), "rendering_kwargs", None),
    ],
)
def test_another_network_is_refused(path: tuple[str, ...], key: str, value: object) -> None:
    found = stored()
    at(generator_of(found), *path).state[key] = value
    with pytest.raises(CheckpointError, match=r"^a\.pkl"):
        adopt(NAME, describe(NAME, found), found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clamp_mode", "relu"),
        ("density_noise", 1.0),
        ("superresolution_noise_mode", "random"),
        ("ray_start", 4.0),
        ("ray_start", "auto"),
        ("ray_end", float("nan")),
        ("box_warp", 0),
        ("depth_resolution", 1 << 30),
        ("depth_resolution", 2.5),
        ("avg_camera_pivot", [0, 0]),
    ],
)
def test_options_that_no_model_has_are_refused(key: str, value: object) -> None:
    found = stored()
    options: Any = generator_of(found).state["rendering_kwargs"]
    options[key] = value
    with pytest.raises(CheckpointError, match=r"^a\.pkl"):
        describe(NAME, found)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ((), "Generator"),
        (("superresolution",), "Generator"),
        (("superresolution", "block0"), "SynthesisBlockNoUp"),
    ],
)
def test_another_class_in_a_place_is_refused(path: tuple[str, ...], name: str) -> None:
    found = stored()
    at(generator_of(found), *path).name = name
    with pytest.raises(CheckpointError, match=r"^a\.pkl"):
        describe(NAME, found)


def damaged_weights(change: Any) -> str:
    spec, _ = load(FILE)
    found = state_dict(stored())
    change(found)
    with pytest.raises(CheckpointError) as caught:
        adopt(NAME, spec, {AVERAGED: found})
    return str(caught.value)


KEY = "backbone.synthesis.b16.conv1.weight"


def test_tensors_that_are_wrong_are_named() -> None:
    assert "backbone.b16.conv1.weight" in damaged_weights(lambda found: found.pop(KEY))
    assert "extra" in damaged_weights(lambda found: found.update(extra=found[KEY]))
    assert KEY in damaged_weights(lambda found: found.update({KEY: found[KEY][1:]}))
    assert KEY in damaged_weights(lambda found: found[KEY].view(-1)[3:4].fill_(torch.nan))
    assert KEY in damaged_weights(lambda found: found.update({KEY: found[KEY].long()}))
    name = "backbone.synthesis.b8.resample_filter"
    assert name in damaged_weights(lambda found: found[name].mul_(2))


def test_our_names_are_none_of_theirs() -> None:
    """A tensor `mapping.w_avg` beside the authors' name must not pass for it."""
    value = torch.zeros(26, device="cpu", dtype=torch.float32)
    assert "too many" in damaged_weights(lambda found: found.update({"mapping.w_avg": value}))


@given(st.data())
def test_damage_of_a_file_gives_sentences_alone(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = bytearray((CASES / "odd.pkl").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(file) - 1))
        file[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del file[data.draw(st.integers(1, len(file))) :]
    path = tmp_path_factory.getbasetemp() / "damaged.pkl"
    path.write_bytes(file)
    try:
        spec, _ = load(path)
    except CheckpointError as error:
        assert str(error).startswith(f"{path}")
    else:
        assert isinstance(spec, Spec)


def test_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(tmp_path / "none.pkl")


# files of any size


@pytest.mark.parametrize("name", ["ffhq64", "auto4x", "odd"])
def test_what_was_written_is_read_with_its_gains(name: str, tmp_path: Path) -> None:
    spec, _ = load(CASES / f"{name}.pkl")
    path = tmp_path / "a.pkl"
    path.write_bytes(assemble(checkpoint(spec, {"G": 1, "G_ema": 2})))
    again, weights = load(path)
    assert again == spec
    plain = arrays(spec, 2)
    name = "mapping.fc0.weight"
    expected = plain[name] * (0.01 / math.sqrt(plain[name].shape[1]))
    np.testing.assert_allclose(weights[NETWORK][name].numpy(), expected, rtol=1e-6)
    name = "backbone.b8.torgb.weight"
    np.testing.assert_array_equal(weights[NETWORK][name].numpy(), plain[name])


def test_reading_takes_the_memory_of_what_is_kept(tmp_path: Path) -> None:
    spec, _ = load(FILE)
    spec = msgspec.structs.replace(spec, channels=(96, 96, 96, 96), stage_channels=(64, 32))
    path = tmp_path / "a.pkl"
    path.write_bytes(assemble(checkpoint(spec, {"G": 1, "D": 2, "G_ema": 3})))
    tracemalloc.start()
    try:
        _, weights = load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    kept = sum(4 * tensor.numel() for tensor in weights[NETWORK].values())
    records = 2 << 20  # of what the file describes, however large its numbers are
    assert path.stat().st_size > 3 * kept
    assert peak < 1.3 * kept + records
