"""Arrays of files: finite numbers, or one clear error."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graf_cli.arrays import read_arrays
from graf_cli.errors import UsageError


def refused(path: Path, said: str = "") -> None:
    with pytest.raises(UsageError) as caught:
        read_arrays(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "numbers.npz"


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u2", "i8", ">f4", ">i2"])
def test_numbers_of_any_type_are_read(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "numbers.npy"
    np.save(path, np.array([[1, 2], [3, 4]], dtype=dtype))
    found = read_arrays(path)
    assert found.keys() == {""}
    assert found[""].dtype == np.float64
    assert found[""].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_arrays_of_an_archive_have_names(path: Path, save: object) -> None:
    assert callable(save)
    save(path, a=np.arange(3), b=np.ones((2, 2), order="F"))
    found = read_arrays(path)
    assert found["a"].tolist() == [0, 1, 2]
    assert found["b"].tolist() == [[1, 1], [1, 1]]


def test_a_stream_is_read_like_a_file() -> None:
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    stream.seek(0)
    assert read_arrays(stream)[""].tolist() == [0, 1, 2]
    with pytest.raises(UsageError, match=r"^Standard input is not a \.npy or \.npz file"):
        read_arrays(io.BytesIO(b"hello"))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([1, np.nan]), "NaN or infinite"),
        (np.array([np.inf]), "NaN or infinite"),
        (np.array(["a"]), "not numbers"),
        (np.array([True]), "not numbers"),
        (np.array([1j]), "not numbers"),
        (np.zeros(2, dtype=[("x", "f4")]), "not numbers"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "not numbers"),
    ],
)
def test_other_things_are_refused(path: Path, array: object, said: str) -> None:
    np.savez(path, np.asarray(array))
    refused(path, said)


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    refused(path, "is not a .npy or .npz file of numbers")


def test_other_files_of_an_archive_are_refused(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(path, "holds other files, not numbers")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY", b"PK\x03\x04", b"\x80\x02}."])
def test_other_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, "is not a .npy or .npz file of numbers")


def test_a_file_that_is_not_there_is_named(path: Path, tmp_path: Path) -> None:
    refused(path, "No such file")
    refused(tmp_path, "directory")


def test_an_archive_that_unpacks_beyond_measure_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(path, np.zeros(100_000))
    assert path.stat().st_size < 2000
    monkeypatch.setattr("graf_cli.arrays.MAX_BYTES", 500_000)
    refused(path, "more than a gigabyte")


def test_small_numbers_do_not_grow_beyond_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bytes.npy"
    np.save(path, np.zeros(1000, dtype=np.int8))
    monkeypatch.setattr("graf_cli.arrays.MAX_BYTES", 7999)
    refused(path, "more than a gigabyte")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_announced_size_is_not_believed(tmp_path: Path, suffix: str) -> None:
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (1 << 44,)}
    np.lib.format.write_array_header_1_0(stream, header)
    path = tmp_path / f"large{suffix}"
    if suffix == ".npy":
        path.write_bytes(stream.getvalue())
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", stream.getvalue())
    refused(path)


@pytest.fixture(scope="module", params=["npy", "npz", "compressed"])
def small_file(request: pytest.FixtureRequest) -> bytes:
    stream, array = io.BytesIO(), np.arange(6.0).reshape(2, 3)
    if request.param == "npy":
        np.save(stream, array)
    else:
        (np.savez if request.param == "npz" else np.savez_compressed)(stream, a=array)
    return stream.getvalue()


@settings(max_examples=100)
@given(data=st.data())
def test_damage_is_told(small_file: bytes, data: st.DataObject) -> None:
    content = bytearray(small_file[: data.draw(st.integers(len(small_file) // 2, len(small_file)))])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = read_arrays(io.BytesIO(bytes(content)))
    except UsageError as error:
        assert str(error).startswith("Standard input")
    else:
        assert all(np.isfinite(array).all() for array in found.values())
