"""Checkpoints are read without trust: they give the averaged generator or one clear error."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.families.graf import checkpoint
from graf_cli.families.graf.checkpoint import Weights
from graf_cli.families.graf.spec import NetworkSpec
from graf_cli.model.checkpoint import SPEC_KEY, described, write_checkpoint
from graf_cli.model.spec import to_plain
from graf_cli.scene.spec import ModelSpec
from graf_cli.weights.reading import read
from tests.conftest import REFERENCE, Case, random_weights, small_spec

ZIP, STREAM = True, False


@dataclass(frozen=True)
class Found(Weights):
    """The generator of a file, and what the file says of itself."""

    spec: ModelSpec | None = None


def read_weights(path: Path) -> Found:
    stored = read(path, checkpoint.ALLOWED)
    spec = described(path, stored)
    weights = checkpoint.weights_of(path, stored.content)
    return Found(weights.coarse, weights.fine, spec)


def check_weights(path: Path, spec: ModelSpec, weights: Weights) -> None:
    checkpoint.check(path, spec.settings, weights)


def write_weights(path: Path, spec: ModelSpec, weights: Weights, dtype: torch.dtype) -> None:
    write_checkpoint(path, spec, weights.networks, dtype)


def refused(path: Path, message: str | None = None) -> str:
    """The sentence that the file is refused with; it names the file."""
    with pytest.raises(CheckpointError, match=message) as caught:
        read_weights(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def saved(path: Path, content: object, *, archive: bool = ZIP) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=archive)
    return path


def zipped(path: Path, data_pkl: bytes, **records: bytes) -> Path:
    """An archive as `torch.save` makes it around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", data_pkl)
        archive.writestr("model/version", "3")
        for key, record in records.items():
            archive.writestr(f"model/data/{key.removeprefix('_')}", record)
    return path


def streamed(path: Path, object_pickle: bytes) -> Path:
    """The same in the older format."""
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    system = pickle.dumps(
        {
            "protocol_version": 1001,
            "little_endian": True,
            "type_sizes": {"short": 2, "int": 4, "long": 4},
        },
        2,
    )
    keys = pickle.dumps([], 2)
    path.write_bytes(magic + pickle.dumps(1001, 2) + system + object_pickle + keys)
    return path


def rezipped(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return target


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


# what training leaves


def test_a_measured_file_gives_the_averaged_weights(case: Case) -> None:
    weights = read_weights(case.checkpoint)
    check_weights(case.checkpoint, case.generator.spec, weights)
    assert weights.spec is None
    assert (weights.fine is not None) == (case.name == "hierarchical")
    for tensor in (weights.coarse | (weights.fine or {})).values():
        assert tensor.dtype == torch.float32
        assert tensor.device.type == "cpu"
        assert not tensor.requires_grad


def test_the_weights_of_training_are_not_the_ones() -> None:
    """Where the two differ the averaged ones are read, bit for bit."""
    with zipfile.ZipFile(REFERENCE / "cars.pt") as archive:
        records = {archive.read(name) for name in archive.namelist()}
    averaged = read_weights(REFERENCE / "cars.pt").coarse["alpha_linear.weight"]
    assert averaged.numpy().tobytes() in records


@pytest.mark.parametrize("archive", [ZIP, STREAM], ids=["zip", "stream"])
def test_what_an_optimizer_and_numpy_leave_is_let_through(path: Path, archive: bool) -> None:
    model = torch.nn.Linear(2, 3, device="cpu", dtype=torch.float32)
    optimizer = {
        "state": {0: {"step": torch.tensor(1.0, device="cpu", dtype=torch.float32)}},
        "param_groups": [{"lr": 5e-4, "betas": (0.9, 0.99), "foreach": None, "params": [0, 1]}],
    }
    content = {
        "generator_test": model.state_dict(),
        "g_optimizer": optimizer,
        "it": 12,
        "fid_best": np.float64(3.5),
        "kid_best": float("inf"),
        "buffer": torch.zeros(3, device="cpu", dtype=torch.int64),
        "parameter": torch.nn.Parameter(torch.zeros(2, device="cpu", dtype=torch.float16)),
    }
    weights = read_weights(saved(path, content, archive=archive))
    torch.testing.assert_close(weights.coarse, OrderedDict(model.state_dict()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_point_numbers_become_float32(path: Path, dtype: torch.dtype) -> None:
    tensor = torch.tensor([0.5, -2], device="cpu", dtype=dtype)
    weights = read_weights(saved(path, {"generator_test": {"a": tensor}}))
    assert weights.coarse["a"].dtype == torch.float32
    assert weights.coarse["a"].tolist() == [0.5, -2]


# what else people have


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "graf"]


def parallel(state: dict[str, Tensor], times: int = 1) -> dict[str, Tensor]:
    """A state dict as DataParallel names it."""
    return {"module." * times + name: tensor for name, tensor in state.items()}


def module(state: dict[str, Tensor]) -> OrderedDict[str, Tensor]:
    """A state dict with the versions that a module's own has."""
    ordered = OrderedDict(state)
    ordered._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    return ordered


@pytest.mark.parametrize("archive", [ZIP, STREAM], ids=["zip", "stream"])
@pytest.mark.parametrize("times", [0, 1, 2])
def test_the_names_of_data_parallel_are_taken(
    path: Path, archive: bool, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    spec = small_spec(NetworkSpec(width=8, importance=4))
    weights = random_weights(spec)
    assert weights.fine is not None
    content = {
        "generator_test": module(parallel(weights.coarse, times)),
        "generator_fine_test": module(parallel(weights.fine, times)),
        "generator": module(parallel(random_weights(spec, seed=1).coarse, times)),
        "fid_best": np.float64(1),
    }
    found = read_weights(saved(path, content, archive=archive))
    check_weights(path, spec, found)
    assert_same(found, weights)
    assert warnings_of(caplog) == []


def assert_same(found: Weights, wanted: Weights) -> None:
    torch.testing.assert_close(found.coarse, wanted.coarse, rtol=0, atol=0)
    torch.testing.assert_close(found.fine, wanted.fine, rtol=0, atol=0)


@pytest.mark.parametrize("times", [0, 1])
@pytest.mark.parametrize("kind", ["zip", "stream", "safetensors"])
def test_a_bare_state_dict_is_a_generator(
    path: Path, spec: ModelSpec, kind: str, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    weights = random_weights(spec)
    state = parallel(weights.coarse, times)
    if kind == "safetensors":
        own_file(path, state, None)
    else:
        saved(path, module(state), archive=kind == "zip")
    found = read_weights(path)
    check_weights(path, spec, found)
    assert_same(found, weights)
    assert found.spec is None
    assert warnings_of(caplog) == []


@pytest.mark.parametrize("times", [0, 1])
def test_the_weights_of_training_are_taken_with_a_warning(
    path: Path, times: int, caplog: pytest.LogCaptureFixture
) -> None:
    weights = random_weights(small_spec(NetworkSpec(width=8, importance=4)))
    assert weights.fine is not None
    content = {"generator_test": None, "generator": parallel(weights.coarse, times)}
    content["generator_fine"] = parallel(weights.fine, times)
    assert_same(read_weights(saved(path, content)), weights)
    [sentence] = warnings_of(caplog)
    assert str(path) in sentence
    assert "no `generator_test`, `generator_fine_test`, the averaged weights" in sentence
    assert "taking `generator`, `generator_fine`" in sentence


def test_a_second_pass_that_was_not_averaged_is_told_too(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is part of the picture: drawing that without it would be another one."""
    weights = random_weights(small_spec(NetworkSpec(width=8, importance=4)))
    content = {"generator_test": weights.coarse, "generator_fine": weights.fine}
    assert_same(read_weights(saved(path, content)), weights)
    [sentence] = warnings_of(caplog)
    assert "no `generator_fine_test`" in sentence


def test_a_network_of_which_a_part_is_parallel_is_refused(path: Path, spec: ModelSpec) -> None:
    state = random_weights(spec).coarse
    state["module.rgb_linear.bias"] = state.pop("rgb_linear.bias")
    weights = read_weights(saved(path, state))
    with pytest.raises(CheckpointError, match=r"no tensor `generator.rgb_linear.bias`"):
        check_weights(path, spec, weights)


@pytest.mark.parametrize("key", ["it", "discriminator"])
def test_a_bare_state_dict_holds_nothing_else(path: Path, spec: ModelSpec, key: str) -> None:
    content: dict[str, object] = {**random_weights(spec).coarse, key: 3}
    refused(saved(path, content), f"`generator.{key}` is not a tensor of floating-point")


def test_a_bare_state_dict_is_read_without_trust(path: Path, spec: ModelSpec) -> None:
    trace = path.with_name("called")
    state = random_weights(spec).coarse
    for content in (
        {**state, "more": Call(os.mkdir, str(trace))},
        {"generator": {**state, "more": Call(os.mkdir, str(trace))}},
        parallel(state) | {"module.more": Call(os.mkdir, str(trace))},
    ):
        assert "mkdir" in refused(saved(path, content), "is not safe to read")
    assert not trace.exists()


# what is no checkpoint


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80",
        b"PK\x03\x04",
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"hello world",
        b"\0" * 64,
        b"\x80\x02}.",
        b"\x08\0\0\0\0\0\0\0{",
        b"\xff" * 8 + b"{}",
    ],
)
def test_other_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path)


def test_a_missing_file_is_named(path: Path) -> None:
    refused(path, "No such file")


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    refused(tmp_path, "directory")


@pytest.mark.parametrize("content", [[1, 2], {"model": {}}, 3, {"generator_test": None}])
def test_a_file_without_the_averaged_generator_says_so(path: Path, content: object) -> None:
    refused(saved(path, content), "generator_test|state dict")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1, 2], "`generator_test` is not a state dict"),
        ({"a": 1}, "`generator_test.a` is not a tensor of floating-point"),
        (
            {"a": torch.zeros(2, device="cpu", dtype=torch.int64)},
            "`generator_test.a` is not a tensor of floating-point",
        ),
    ],
)
def test_a_state_dict_holds_tensors_of_numbers(path: Path, state: object, message: str) -> None:
    refused(saved(path, {"generator_test": state}), message)


def test_a_network_beyond_all_measure_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graf_cli.weights.reading.MAX_PARAMETERS", 5)
    tensor = torch.zeros(6, device="cpu", dtype=torch.float16)
    refused(saved(path, {"generator_test": {"a": tensor}}), "more than 5 parameters")


# hostile pickles


class Call:
    """Pickled as a call."""

    def __init__(self, function: Callable[[str], object], argument: str) -> None:
        self.reduced = function, (argument,)

    def __reduce__(self) -> tuple[object, ...]:
        return self.reduced


@pytest.mark.parametrize("archive", [ZIP, STREAM], ids=["zip", "stream"])
@pytest.mark.parametrize(
    ("function", "argument", "name"),
    [(os.system, "mkdir {}", "system"), (os.mkdir, "{}", "mkdir"), (eval, "1 / 0", "eval")],
)
def test_nothing_off_the_list_is_called(
    path: Path, archive: bool, function: Callable[[str], object], argument: str, name: str
) -> None:
    trace = path.with_name("called")
    state = {"a": torch.zeros(2, device="cpu", dtype=torch.float32)}
    hostile = Call(function, argument.format(trace))
    content = {"generator_test": state, "g_optimizer": {"state": {0: [hostile]}}}
    assert name in refused(saved(path, content, archive=archive), "is not safe to read")
    assert not trace.exists()


@pytest.mark.parametrize(
    "content", [np.zeros(3), np.float32(1), {1, 2}, 1j, Path("x"), torch.Size([1])]
)
def test_the_list_is_no_wider_than_needed(path: Path, content: object) -> None:
    refused(saved(path, {"generator_test": {}, "more": content}), "is not safe to read")


def pickled(*instructions: bytes) -> bytes:
    return b"\x80\x02" + b"".join(instructions) + b"."


def text(value: str) -> bytes:
    return pickle.BINUNICODE + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def storage(key: str, items: int, *rest: bytes) -> bytes:
    return b"".join(
        (
            b"(", text("storage"), b"ctorch\nFloatStorage\n", text(key), text("cpu"),
            number(items), *rest, b"tQ",
        )
    )  # fmt: skip


def tensor(key: str, items: int, *size: int) -> bytes:
    """A tensor with this many of its storage's items, or of a size of its own."""
    sizes = b"".join(map(number, size or (items,)))
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(key, items) + number(0)
        + b"(" + sizes + b"t(" + number(1) * len(size or (items,)) + b"t\x89"
        + b"ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


def state_of(*tensors: bytes) -> bytes:
    """{"generator_test": {"t0": …}}."""
    items = b"".join(text(f"t{k}") + tensor + b"s" for k, tensor in enumerate(tensors))
    return pickled(b"}", text("generator_test"), b"}", items, b"s")


def test_the_pickles_of_these_tests_are_right(path: Path) -> None:
    weights = read_weights(zipped(path, state_of(tensor("0", 2)), _0=b"\0\0\x80?" * 2))
    assert weights.coarse["t0"].tolist() == [1, 1]


HOSTILE = {
    "a hash that takes for ever": pickled(b"})q\0", b"h\0h\0\x86q\0" * 64, b"Ns"),
    "the same among many": pickled(b"})q\0(", b"h\0h\0\x86q\0" * 64, b"Nu"),
    "a hash of a float": pickled(b"}G" + struct.pack(">d", 1.5) + b"Ns"),
    "an instruction that no checkpoint has": pickled(b"N2\x86"),
    "a global found on the stack": pickled(text("os"), text("system"), b"\x93"),
    "an object made anew": pickled(b"ccollections\nOrderedDict\n)\x81"),
    "an instance": pickled(b"(ios\nsystem\n"),
    "an extension": pickled(b"\x82\x01"),
    "a tensor larger than its storage": state_of(tensor("0", 1, 1 << 40)),
    "a product larger than its storage": state_of(tensor("0", 1, 1 << 20, 1 << 20)),
    "a tensor of negative size": state_of(tensor("0", 1, -1)),
    "two sizes for one storage": state_of(tensor("0", 1 << 30), tensor("0", 2)),
    "two sizes the other way round": state_of(tensor("0", 2), tensor("0", 1 << 30)),
    "a storage within a storage": pickled(
        storage("0", 2, b"(" + text("1") + number(0) + number(2) + b"t")
    ),
    "a storage of negative size": pickled(storage("0", -1)),
    "a storage of no type": pickled(b"(", text("storage"), b"NNNNtQ"),
    "a persistent object of another kind": pickled(text("module"), b"Q"),
    "a codec of their choice": pickled(
        b"c_codecs\nencode\n", text("a"), text("idna"), b"\x86R"
    ),
    "a type of their choice": pickled(b"cnumpy\ndtype\n", text("O8"), b"\x89\x88\x87R"),
    "a type's state of their choice": pickled(
        b"cnumpy\ndtype\n", text("f8"), b"\x89\x88\x87R(", number(3), text("<"),
        b"NNN" + number(1 << 20) + number(-1) + number(0) + b"tb",
    ),
    "a scalar of no type": pickled(b"cnumpy.core.multiarray\nscalar\nN", text("a"), b"\x86R"),
    "a dictionary filled by its call": pickled(b"ccollections\nOrderedDict\n(lt\x85R"),
    "a state of their choice": pickled(b"ccollections\nOrderedDict\n)RNb"),
    "an append to a tuple": pickled(b")Na"),
    "an item of a list": pickled(b"]", text("a"), b"Ns"),
    "an empty stack": pickled(b"0"),
    "something not remembered": pickled(b"h\x05"),
    "a memo far away": pickled(b"Nr\xff\xff\xff\xff"),
    "a text longer than the file": b"\x80\x02X\xff\xff\xff\x7fabc",
    "a number longer than the file": b"\x80\x02\x8b\xff\xff\xff\x7fabc",
    "no end": b"\x80\x02N",
    "a newer protocol": pickle.dumps({"generator_test": {}}, 5),
}  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles_are_refused(path: Path, hostile: bytes) -> None:
    refused(zipped(path, hostile, _0=b"\0" * 8))
    refused(streamed(path, hostile))


def test_a_pickle_without_end_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graf_cli.weights.pickles.MAX_PICKLE", 1000)
    refused(streamed(path, pickled(b"N" * 2000)), "describes more than a checkpoint has")
    monkeypatch.setattr("graf_cli.weights.reading.MAX_PICKLE", 1000)
    refused(zipped(path, pickled(b"N" * 2000)), "not one of `torch.save`")


# sizes


def test_a_storage_has_the_size_that_is_announced(path: Path) -> None:
    """With or without PyTorch's own check, which its older versions do not have."""
    for announced, there in ((1000, 2), (2, 1000), (3, 2)):
        record = b"\0\0\x80?" * there
        refused(zipped(path, state_of(tensor("0", announced)), _0=record), "announces other sizes")
    refused(zipped(path, state_of(tensor("0", 2))), "announces other sizes")


def test_a_stream_cannot_announce_more_than_it_has(path: Path) -> None:
    refused(streamed(path, state_of(tensor("0", 1 << 38))), "announces other sizes")


def test_a_compressed_archive_is_not_unpacked(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", state_of(tensor("0", 1 << 24)))
        archive.writestr("model/data/0", b"\0" * (4 << 24))
    assert path.stat().st_size < 1 << 20
    refused(path, "compressed")


def test_a_record_cannot_be_larger_than_the_file(path: Path) -> None:
    """A directory that lies: a hundred times the storage that lies there once."""
    size = 1 << 16
    zipped(path, state_of(tensor("0", size // 4)), _0=b"\0" * size)
    content = path.read_bytes()
    for wrong in (size * 100, size + 4):
        lying = content.replace(struct.pack("<II", size, size), struct.pack("<II", wrong, wrong))
        path.write_bytes(lying)
        refused(path)


def test_records_cannot_share_their_bytes(path: Path) -> None:
    """Many names for one place in the file, each of which would be unpacked."""
    size, count = 1 << 16, 8
    names = [f"_{k}" for k in range(count)]
    pickle_of_all = state_of(*(tensor(str(k), size // 4) for k in range(count)))
    zipped(path, pickle_of_all, **dict.fromkeys(names, b"\0" * size))
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", pickle_of_all)
        archive.writestr("model/data/0", b"\0" * size)
        first = archive.getinfo("model/data/0")
        for info in infos:
            if "/data/" in info.filename and not info.filename.endswith("/0"):
                info.header_offset, info.CRC = first.header_offset, first.CRC
                archive.filelist.append(info)
    refused(path)


@pytest.mark.parametrize("twin", ["model/data.pkl", "MODEL/data.PKL", "model/data.pkl\0x"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_means_one_record(path: Path, twin: str) -> None:
    zipped(path, state_of(tensor("0", 2)), _0=b"\0" * 8)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(twin.replace("\0", "?"), pickle.dumps(Call(eval, "1 / 0"), 2))
    if "\0" in twin:
        path.write_bytes(path.read_bytes().replace(b"pkl?x", b"pkl\0x"))
    refused(path)


def test_an_archive_behind_a_stream_does_not_hide_it(path: Path) -> None:
    """PyTorch goes by the first bytes and would read the stream."""
    zipped(path, state_of(tensor("0", 2)), _0=b"\0" * 8)
    harmless = path.read_bytes()
    content = {"generator_test": {}, "x": Call(os.system, "exit")}
    saved(path, content, archive=STREAM)
    path.write_bytes(path.read_bytes() + harmless)
    assert zipfile.is_zipfile(path)
    refused(path, "system")


def test_an_archive_of_something_else_is_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(path, "not one of `torch.save`")


# damage


def damaged(path: Path, content: bytes) -> None:
    """A damaged file is refused, or still holds tensors; nothing else happens."""
    path.write_bytes(content)
    try:
        weights = read_weights(path)
    except CheckpointError as error:
        assert str(path) in str(error)
    else:
        assert all(isinstance(value, Tensor) for value in weights.coarse.values())


@pytest.fixture(scope="module", params=["zip", "stream", "safetensors"])
def small_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small checkpoint of each kind."""
    path = tmp_path_factory.mktemp("small") / "model"
    spec = small_spec(NetworkSpec(width=4, depth=1, multires=0, multires_views=0))
    if request.param == "safetensors":
        write_weights(path, spec, random_weights(spec), torch.float32)
    else:
        content = {"generator_test": random_weights(spec).coarse, "fid_best": np.float64(1)}
        saved(path, content, archive=request.param == "zip")
    return path.read_bytes()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged") / "model.pt"


@settings(max_examples=40)
@given(data=st.data())
def test_a_truncated_file_is_refused(small_file: bytes, scratch: Path, data: st.DataObject) -> None:
    scratch.write_bytes(small_file[: data.draw(st.integers(0, len(small_file) - 1))])
    refused(scratch)


@settings(max_examples=60)
@given(data=st.data())
def test_flipped_bytes_never_surprise(
    small_file: bytes, scratch: Path, data: st.DataObject
) -> None:
    content = bytearray(small_file)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    damaged(scratch, bytes(content))


@settings(max_examples=40)
@given(data=st.data())
def test_missing_and_added_bytes_never_surprise(
    small_file: bytes, scratch: Path, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(small_file)))
    stop = data.draw(st.integers(start, min(start + 64, len(small_file))))
    damaged(scratch, small_file[:start] + data.draw(st.binary(max_size=16)) + small_file[stop:])


@settings(max_examples=60)
@given(instructions=st.lists(st.sampled_from(
    [b"N", b"}", b"]", b")", b"(", b"t", b"\x85", b"\x86", b"u", b"s", b"a", b"e", b"R", b"b", b"Q",
     b"q\0", b"h\0", b"\x89", b"K\x01", text("a"), text("storage"), tensor("0", 2),
     b"ctorch\nFloatStorage\n", b"cnumpy\ndtype\n", b"ccollections\nOrderedDict\n"]
), max_size=30))  # fmt: skip
def test_random_pickles_never_surprise(scratch: Path, instructions: list[bytes]) -> None:
    hostile = pickled(b"}", text("generator_test"), b"}", *instructions, b"s")
    damaged(zipped(scratch, hostile, _0=b"\0" * 8), scratch.read_bytes())


# against the specification


@pytest.fixture
def spec() -> ModelSpec:
    return small_spec()


def check(spec: ModelSpec, weights: Weights) -> None:
    check_weights(Path("model.pt"), spec, weights)


def test_a_missing_tensor_is_named(spec: ModelSpec) -> None:
    weights = random_weights(spec)
    del weights.coarse["rgb_linear.bias"]
    del weights.coarse["alpha_linear.bias"]  # the first of the two
    with pytest.raises(CheckpointError, match=r"model\.pt has no tensor `generator.alpha_linear.b"):
        check(spec, weights)


def test_an_extra_tensor_is_named(spec: ModelSpec) -> None:
    weights = random_weights(spec)
    weights.coarse["more.weight"] = weights.coarse["rgb_linear.bias"]
    with pytest.raises(CheckpointError, match=r"`generator.more.weight` too many"):
        check(spec, weights)


def test_a_misshapen_tensor_is_named_with_both_shapes(spec: ModelSpec) -> None:
    weights = random_weights(spec)
    weights.coarse["rgb_linear.weight"] = weights.coarse["rgb_linear.weight"].T
    with pytest.raises(CheckpointError, match=r"rgb_linear.weight` has shape \(4, 3\) .* \(3, 4\)"):
        check(spec, weights)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_tensor_that_diverged_is_named(spec: ModelSpec, bad: float) -> None:
    weights = random_weights(spec)
    weights.coarse["pts_linears.3.weight"][1, 2] = bad
    with pytest.raises(CheckpointError, match=r"pts_linears.3.weight` holds NaN or infinite"):
        check(spec, weights)


def test_the_second_pass_is_checked_likewise() -> None:
    spec = small_spec(NetworkSpec(width=8, importance=4))
    weights = random_weights(spec)
    check(spec, weights)
    check(spec, Weights(weights.coarse))  # the first network then serves again
    assert weights.fine is not None
    del weights.fine["rgb_linear.bias"]
    with pytest.raises(CheckpointError, match=r"`generator_fine.rgb_linear.bias`"):
        check(spec, weights)


def test_a_second_pass_wants_to_be_configured(spec: ModelSpec) -> None:
    weights = random_weights(spec)
    with pytest.raises(CheckpointError, match="N_importance"):
        check(spec, Weights(weights.coarse, weights.coarse))


# our own files


def test_our_own_files_keep_all(path: Path) -> None:
    spec = small_spec(NetworkSpec(width=8, importance=4, encode=False))
    weights = random_weights(spec)
    write_weights(path, spec, weights, torch.float32)
    again = read_weights(path)
    assert again.spec == spec
    torch.testing.assert_close(again.coarse, weights.coarse, rtol=0, atol=0)
    torch.testing.assert_close(again.fine, weights.fine, rtol=0, atol=0)


def test_half_precision_halves_the_file(path: Path, spec: ModelSpec) -> None:
    weights = random_weights(spec)
    write_weights(path, spec, weights, torch.float32)
    whole = path.stat().st_size
    write_weights(path, spec, weights, torch.float16)
    assert path.stat().st_size < 0.75 * whole
    again = read_weights(path)
    assert all(tensor.dtype == torch.float32 for tensor in again.coarse.values())
    torch.testing.assert_close(again.coarse, weights.coarse, rtol=1e-3, atol=1e-6)


def test_a_weight_too_large_for_half_precision_is_named(path: Path, spec: ModelSpec) -> None:
    weights = random_weights(spec)
    weights.coarse["rgb_linear.bias"][0] = 1e6
    with pytest.raises(CheckpointError, match=r"`generator.rgb_linear.bias`.*float16"):
        write_weights(path, spec, weights, torch.float16)
    assert not path.exists()


def test_the_bytes_depend_on_the_arguments_alone(tmp_path: Path, spec: ModelSpec) -> None:
    weights = random_weights(spec)
    backwards = Weights(dict(reversed(weights.coarse.items())))
    write_weights(tmp_path / "a", spec, weights, torch.float32)
    write_weights(tmp_path / "b", spec, backwards, torch.float32)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_tensors_that_share_their_memory_are_written_apart(path: Path, spec: ModelSpec) -> None:
    shared = torch.arange(6, device="cpu", dtype=torch.float32)
    weights = Weights({"a": shared, "b": shared, "c": shared.reshape(2, 3).T})
    write_weights(path, spec, weights, torch.float32)
    torch.testing.assert_close(read_weights(path).coarse, weights.coarse)


def own_file(path: Path, tensors: dict[str, Tensor], spec: str | None) -> Path:
    path.write_bytes(safetensors.torch.save(tensors, {SPEC_KEY: spec} if spec else None))
    return path


def one_tensor() -> Tensor:
    return torch.zeros(2, device="cpu", dtype=torch.float32)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("{", "describes its model wrongly"),
        ("[" * 100_000, "describes its model wrongly"),
        ("{}", "Missing key `name`"),
        ('{"name": 3}', "Expected `str`, got `int` at `name`"),
        ('{"name": "x", "size": 0}', "Expected `int` >= 1 at `size`"),
        ('{"name": "x", "more": 0}', "Unknown key `more`"),
    ],
)
def test_a_bad_description_is_an_error(path: Path, description: str, message: str) -> None:
    refused(own_file(path, {"generator.a": one_tensor()}, description), message)


def test_a_file_does_not_say_where_to_fetch_from(path: Path, spec: ModelSpec) -> None:
    described = to_plain(spec)
    described["weights"] = {"url": "https://elsewhere.example/x.pt", "filename": "x.pt"}
    own_file(path, {"generator.a": one_tensor()}, msgspec.json.encode(described).decode())
    read = read_weights(path).spec
    assert read == spec


def test_a_safetensors_file_of_somebody_else_has_no_description(path: Path) -> None:
    assert read_weights(own_file(path, {"generator.a": one_tensor()}, None)).spec is None


def test_tensors_of_no_generator_are_refused(path: Path) -> None:
    refused(own_file(path, {"encoder.a": one_tensor()}, None), "`encoder.a` that no generator has")


def test_integers_are_no_weights(path: Path) -> None:
    integers = torch.zeros(2, device="cpu", dtype=torch.int64)
    refused(own_file(path, {"generator.a": integers}, None), "`generator.a` is not a tensor of fl")
