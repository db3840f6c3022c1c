"""Pickles of whole objects become records, and nothing in them runs."""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import CheckpointError
from graf_cli.weights import modules, objects, records
from graf_cli.weights.objects import Names
from graf_cli.weights.records import Record, Source, StoredTensor
from graf_cli.weights.stores import read_objects
from tests.weights.pickled import (
    NAMES,
    ORDERED,
    Called,
    Named,
    New,
    Raw,
    Referred,
    archive,
    assemble,
    code,
    lion,
    nested,
    parameter,
    persistent,
    rebuilt,
    storage_key,
    stream,
    variants,
)

Numbers = np.ndarray[Any, Any]
WEIGHT = np.arange(6, dtype="<f4").reshape(2, 3)
BIAS = np.array([0.5, -1], "<f2")
LION = lion(WEIGHT, BIAS)


def read(data: bytes, names: Names = NAMES) -> Any:
    return read_objects(Path("a.pkl"), io.BytesIO(data), names)


def reason(data: bytes) -> str:
    with pytest.raises(CheckpointError) as caught:
        read(data)
    message = str(caught.value)
    assert message.startswith("a.pkl ")
    assert message.count("\n") == 0
    return message


# what is read


def test_a_plain_pickle_becomes_records() -> None:
    found = read(assemble(LION))
    beast = found["lion"]
    assert isinstance(beast, Record)
    assert beast.name == "Lion"
    assert beast.state["options"] == {"rate": 1.5}
    mane = modules.children(beast)["mane"]
    assert mane.state["gain"] == 0.25
    assert mane.state["device"] == "cuda:0"
    assert found["seen"] == {"a"}
    assert found["left"] == [None, (1, -2, 3 << 40)]


def test_tensors_have_the_names_of_a_state_dict() -> None:
    found = modules.tensors(read(assemble(LION))["lion"])
    assert [*found] == ["mane.weight", "row.0.bias"]
    assert found["row.0.bias"].dtype == "float16"
    np.testing.assert_array_equal(found["mane.weight"].read(), WEIGHT)
    np.testing.assert_array_equal(found["row.0.bias"].read(), BIAS)


@pytest.mark.parametrize("write", [stream, archive])
def test_files_of_torch_save_are_read(write: Any) -> None:
    tensor = parameter(rebuilt(storage_key(WEIGHT, "7"), (2, 3)))
    held = New(Named("zoo.cage", "Keeper"), module_state(tensor))
    found = modules.tensors(read(write(held, {"7": WEIGHT})))
    np.testing.assert_array_equal(found["weight"].read(), WEIGHT)


def module_state(tensor: object) -> dict[str, object]:
    return {"_parameters": {"weight": tensor}, "_buffers": ORDERED, "_modules": ORDERED}


@pytest.mark.parametrize("zipped", [False, True])
def test_what_pytorch_writes_today_is_read(zipped: bool) -> None:
    tensors = {
        "half": torch.tensor([[1.5, -2.0]], device="cpu", dtype=torch.bfloat16),
        "turned": torch.arange(6, device="cpu", dtype=torch.float64).reshape(2, 3).T,
        "part": torch.arange(9, device="cpu", dtype=torch.float32)[4:7],
        "one": torch.tensor(3, device="cpu", dtype=torch.int64),
        "none": torch.zeros(0, 2, device="cpu", dtype=torch.float32),
    }
    buffer = io.BytesIO()
    torch.save(tensors, buffer, _use_new_zipfile_serialization=zipped)
    found = read(buffer.getvalue(), Names())
    for name, tensor in tensors.items():
        expected = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        np.testing.assert_array_equal(found[name].read(), expected.numpy())


def test_source_text_of_old_streams_is_dropped() -> None:
    kept = Referred(("module", Named("zoo.cage", "Keeper"), "cage.py", "raise SystemExit"))
    found = read(stream(New(kept, module_state(None)), {}))
    assert found.name == "Keeper"


def test_only_the_numbers_that_are_asked_for_are_read() -> None:
    large = np.zeros(1 << 20, "<f4")
    file = {"other": rebuilt(nested(large), (1 << 20,)), "ours": rebuilt(nested(WEIGHT), (6,))}
    data = Counting(assemble(file))
    found = read_objects(Path("a.pkl"), data, NAMES)
    found["ours"].read()  # type: ignore[index]
    assert data.count < 1 << 17


class Counting(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


# what is refused, in a sentence


LONGER = storage_key(WEIGHT, count=7)
HOSTILE = {
    "a call": Called(Named("os", "system"), ("touch pwned",)),
    "a name": Named("builtins", "exec"),
    "an attribute of a name": Raw(code("torch") + code("_utils._rebuild_tensor_v2") + b"\x93"),
    "an object of a known function": New(Named("torch._utils", "_rebuild_tensor_v2"), {}),
    "a call of a known class": Called(Named("zoo.cage", "Keeper"), ("touch pwned",)),
    "a call of nothing": Called(None, ()),
    "a call with a list": Called(Named("collections", "OrderedDict"), []),
    "an ordered dictionary of pairs": Called(Named("collections", "OrderedDict"), ([("a", 1)],)),
    "a state of a number": New(Named("zoo.cage", "Keeper"), 3),
    "a state of numbers": New(Named("zoo.cage", "Keeper"), {3: 3}),
    "a persistent id": Referred(("storage", Named("torch", "FloatStorage"), "0", "cpu", 1, None)),
    "a class that is not known": persistent("Tiger", {}),
    "an instance": Raw(b"(" + code("x") + b"ios\nsystem\n"),
    "an extension": Raw(b"\x82\x01"),
    "a loop": Raw(b"]\x94h\x00a"),
    "a loop of objects": Raw(
        code(Named("zoo.cage", "Keeper")) + b")\x81q\xff" + code({"me": Raw(b"h\xff")}) + b"b"
    ),
    "depth": Raw(b"]" * 70 + b"a" * 69),
    "tuples in tuples": Raw(b")" + b"\x85" * 200),
    "much out of little": Raw(b"]" + b"q\xff]h\xffah\xffa" * 40),
    "marks": Raw(b"(" * 200 + b"t" * 200),
    "a number of a thousand digits": Raw(b"\x8a\xff" + b"\xff" * 255),
    "a key that is a tuple": {(1, 2): 3},
    "a set of numbers": Raw(b"\x8f(K\x01\x90"),
    "an underflow": Raw(b"0"),
    "what was never noted": Raw(b"h\xee"),
    "a storage of its own": rebuilt(nested(WEIGHT, inner=[1, 2]), (6,)),
    "a call in a storage": rebuilt(nested(WEIGHT, inner=Named("os", "system")), (6,)),
    "a storage that counts wrongly": rebuilt(nested(WEIGHT, counts={"0": 7}), (6,)),
    "a storage that is too short": rebuilt(nested(WEIGHT, inner=LONGER), (7,)),
    "a tensor that is too large": rebuilt(nested(WEIGHT), (7,)),
    "a tensor that starts too late": rebuilt(nested(WEIGHT), (6,), offset=1),
    "strides that go too far": rebuilt(nested(WEIGHT), (2, 3), strides=(4, 1)),
    "strides of zero": rebuilt(nested(WEIGHT), (1 << 30,), strides=(0,)),
    "a negative offset": rebuilt(nested(WEIGHT), (6,), offset=-1),
    "a negative stride": rebuilt(nested(WEIGHT), (6,), strides=(-1,)),
    "a negative length": rebuilt(nested(WEIGHT), (-6, -1)),
    "a tensor of many axes": rebuilt(nested(WEIGHT), (1,) * 9),
    "a length that is a name": rebuilt(nested(WEIGHT), ("6",), strides=(1,)),  # type: ignore[arg-type]
    "hooks": Called(
        Named("torch._utils", "_rebuild_parameter"), (rebuilt(nested(WEIGHT), (6,)), True, {"a": 1})
    ),
    "a huge scalar": Called(Named("numpy", "dtype"), ("V99999", False, True)),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_things_are_refused_at_every_depth(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [assemble(changed) for changed in variants(LION, lambda _: HOSTILE[name])]
    with canaries(NAMES, monkeypatch) as sung:
        for file in files:
            reason(file)
        assert sung == []


def test_the_refusals_tell_what_is_asked_for() -> None:
    assert "asks for `os.system`" in reason(assemble(HOSTILE["a call"]))
    assert "asks for `what has no name`" in reason(assemble(Named("a\tb", "c")))
    assert "contains itself" in reason(assemble(HOSTILE["a loop"]))
    assert "larger than its storage" in reason(assemble(HOSTILE["a tensor that is too large"]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        assemble(LION) + b"more",
        assemble(LION)[:-1],
        b"\x80\x04" + b"N0" * 10,
        b"\x80\x04]" + b"N\x94" * (1 << 20) + b".",
        b"\x80\x04" + b"(" + b"N" * (1 << 19) + b"t.",
        assemble("x" * (objects.MAX_STRING + 1)),
        assemble(Named("x" * 300, "y")),
        b"PK\x03\x04",
        archive(rebuilt(storage_key(WEIGHT, count=7), (6,)), {"0": WEIGHT}),
        archive(rebuilt(storage_key(WEIGHT, "1"), (6,)), {"0": WEIGHT}),
        archive([rebuilt(storage_key(WEIGHT, count=n), (1,)) for n in (5, 6)], {"0": WEIGHT}),
        stream(rebuilt(storage_key(WEIGHT), (6,)), {"1": WEIGHT}),
        stream(rebuilt(storage_key(WEIGHT), (6,)), {"0": WEIGHT}) + b"more",
        stream(rebuilt(storage_key(WEIGHT), (6,)), {"0": WEIGHT})[:-1],
        stream(Referred("0"), {}),
    ],
    ids=range(17),
)  # fmt: skip
def test_what_is_no_file_is_told_in_a_sentence(data: bytes) -> None:
    reason(data)


@pytest.mark.parametrize("key", ["version", "class_name", "type", "state", "module_src"])
def test_persistent_objects_are_of_one_version(key: str) -> None:
    made = persistent("Lion", {})
    reason(assemble(Called(made.function, (made.arguments[0] | {key: 7},))))
    less = {name: value for name, value in made.arguments[0].items() if name != key}
    reason(assemble(Called(made.function, (less,))))


def test_a_file_that_ends_while_it_is_read_is_told() -> None:
    stream = io.BytesIO(assemble(LION))
    found: Any = read_objects(Path("a.pkl"), stream, NAMES)
    stream.truncate(10)
    with pytest.raises(records.UnsafeFileError, match="ends before"):
        modules.tensors(found["lion"])["mane.weight"].read()


def test_hooks_of_modules_are_refused() -> None:
    state = module_state(None) | {"_forward_hooks": {0: 1}}
    found = read(assemble(New(Named("zoo.cage", "Keeper"), state)))
    with pytest.raises(records.UnsafeFileError, match="hooks"):
        modules.tensors(found)


@pytest.mark.parametrize("table", ["_parameters", "_buffers", "_modules"])
@pytest.mark.parametrize("wrong", [3, {"a": 3}, {3: None}])
def test_what_is_not_laid_out_as_a_module_is_refused(table: str, wrong: object) -> None:
    found = read(assemble(New(Named("zoo.cage", "Keeper"), module_state(None) | {table: wrong})))
    with pytest.raises(records.UnsafeFileError):
        modules.tensors(found)


# damage


@given(st.data())
def test_random_damage_gives_sentences_alone(data: st.DataObject) -> None:
    kinds = [assemble(LION), stream(ONE, {"0": WEIGHT}), archive(ONE, {"0": WEIGHT})]
    file = bytearray(data.draw(st.sampled_from(kinds)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(file) - 1))
        match data.draw(st.sampled_from(["set", "cut", "insert"])):
            case "set":
                file[at] = data.draw(st.integers(0, 255))
            case "cut":
                del file[at : at + data.draw(st.integers(1, 40))]
            case "insert":
                file[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        if not file:
            break
    try:
        read_all(read(bytes(file)))
    except CheckpointError as error:
        assert str(error).startswith("a.pkl ")


ONE = New(Named("zoo.cage", "Keeper"), module_state(rebuilt(storage_key(WEIGHT), (2, 3))))


def read_all(found: object) -> None:
    """Walk all that was read, as a family would."""
    match found:
        case StoredTensor():
            found.read()
        case Record():
            read_all(found.state)
        case dict():
            for item in found.values():
                read_all(item)
        case list() | tuple():
            for item in found:
                read_all(item)


@given(st.binary(max_size=200))
def test_noise_gives_sentences_alone(noise: bytes) -> None:
    for start in (b"", b"\x80\x04", b"PK\x03\x04", stream(None, {})[:30]):
        try:
            read_all(read(start + noise))
        except CheckpointError as error:
            assert str(error).startswith("a.pkl ")


# nothing runs


class Canary:
    """Dies when it is called, made, or asked for anything."""

    def __init__(self, name: str, sung: list[str]) -> None:
        self.name, self.sung = name, sung

    def __call__(self, *_args: object, **_options: object) -> object:
        self.sung.append(self.name)
        raise AssertionError(self.name)

    def __reduce_ex__(self, _: object) -> str:
        self.sung.append(self.name)
        raise AssertionError(self.name)


WATCHED: list[list[str]] = []


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if WATCHED and event in ("pickle.find_class", "exec", "compile", "import", "os.system"):
        WATCHED[0].append(f"{event} {arguments}")


sys.addaudithook(watch)  # stays for good


@contextmanager
def canaries(names: Names, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A canary at every name that the machine knows, and one at every way to run or find code."""
    sung: list[str] = []
    for full in names.table:
        module, _, name = full.rpartition(".")
        if module == "builtins":
            continue  # cannot be missed by what runs this test; the audit sees its being looked up
        parts = module.split(".")
        for parent in (".".join(parts[: count + 1]) for count in range(len(parts))):
            if parent not in sys.modules:
                monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
        monkeypatch.setattr(sys.modules[module], name, Canary(full, sung), raising=False)
    WATCHED.append(sung)
    yield sung
    WATCHED.clear()


def test_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [assemble(LION), stream(ONE, {"0": WEIGHT}), archive(ONE, {"0": WEIGHT})]
    with canaries(NAMES, monkeypatch) as sung:
        for file in files:
            read_all(read(file))
        assert sung == []


def test_the_canaries_sing(monkeypatch: pytest.MonkeyPatch) -> None:
    with canaries(NAMES, monkeypatch) as sung:
        with pytest.raises(AssertionError):
            pickle.loads(assemble(Called(Named("zoo.cage", "Keeper"), ())))
        assert "zoo.cage.Keeper" in sung


def test_a_source_gives_no_short_answers() -> None:
    source = Source(io.BytesIO(b"abc"))
    with pytest.raises(records.UnsafeFileError):
        source.read(records.Span(1, 3))
    with pytest.raises(records.UnsafeFileError):
        source.read(records.Span(-1, 1))
