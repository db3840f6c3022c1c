"""The authors' files, as they are and as somebody might have changed them."""

from __future__ import annotations

import pickletools
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from graf_cli.errors import CheckpointError
from graf_cli.families.pigan.checkpoint import adopt, spec_of
from graf_cli.families.pigan.files import EMBEDDING, read
from graf_cli.families.pigan.spec import Spec
from tests.families.pigan.hostile import CALL, EXEC, boundaries, changed, packed, parts
from tests.families.pigan.models import CASES
from tests.weights.pickled import Called, Named, code


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """The generator's file, with its average beside it."""
    for kind in ("generator", "ema"):
        data = (CASES / f"celeba_{kind}.pth").read_bytes()
        (tmp_path / f"celeba_{kind}.pth").write_bytes(data)
    return tmp_path / "celeba_generator.pth"


def reason(path: Path) -> str:
    """Why a file is refused: one sentence that names it."""
    with pytest.raises(CheckpointError) as refused:
        read(path)
    text = str(refused.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


# what users have


@pytest.mark.parametrize(
    ("name", "siren", "scale"),
    [
        ("celeba", "SPATIALSIRENBASELINE", 2 / 0.24),
        ("embedding", "EmbeddingPiGAN128", 2 / 0.24),
        ("options", "TALLSIREN", 1.0),
        ("statedict", None, None),
    ],
)
def test_either_file_of_a_pair_gives_both(name: str, siren: str, scale: float) -> None:
    found = [read(CASES / f"{name}_{kind}.pth") for kind in ("generator", "ema")]
    for one in found:
        assert one["siren"] == siren
        assert one["scale"] == scale
        assert (
            len(one["averaged"]) == len(one["parameters"]) == 30 + (EMBEDDING in one["parameters"])
        )
    for mine, other in zip(*(one["averaged"] for one in found), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_released_archive_is_read(tmp_path: Path, how: int) -> None:
    kinds = {"generator": "generator", "ema": "ema", "ema2": "ema"}
    files = {
        f"CelebA/{name}.pth": (CASES / f"celeba_{kind}.pth").read_bytes()
        for name, kind in kinds.items()
    }
    path = tmp_path / "CelebA.zip"
    path.write_bytes(packed(files, how))
    found, wanted = read(path), read(CASES / "celeba_generator.pth")
    assert found["siren"] == wanted["siren"]
    for mine, other in zip(found["averaged"], wanted["averaged"], strict=True):
        assert torch.equal(mine, other)
    path.write_bytes(packed({name: files[name] for name in files if "ema" not in name}))
    assert "lacks CelebA/ema.pth" in reason(path)
    path.write_bytes(packed({"CelebA/readme.txt": b"hello"}))
    assert "no files generator.pth" in reason(path)


def test_the_averaged_weights_are_others() -> None:
    found = read(CASES / "celeba_generator.pth")
    own = list(found["parameters"].values())
    assert not any(
        torch.equal(mine, other) for mine, other in zip(own, found["averaged"], strict=True)
    )


def test_a_generator_alone_is_refused_unless_it_is_wanted(pair: Path) -> None:
    (pair.parent / "celeba_ema.pth").unlink()
    text = reason(pair)
    assert "lacks celeba_ema.pth" in text
    assert "as training left them" in text
    assert read(pair, unaveraged=True)["averaged"] is None


def test_a_folder_called_generator_confuses_nobody(tmp_path: Path, pair: Path) -> None:
    folder = tmp_path / "generator"
    folder.mkdir()
    for kind in ("generator", "ema"):
        data = (pair.parent / f"celeba_{kind}.pth").read_bytes()
        (folder / f"{kind}.pth").write_bytes(data)
    assert len(read(folder / "generator.pth")["averaged"]) == 30


def test_sizes_and_class_come_from_the_files() -> None:
    spec = spec_of(CASES, read(CASES / "embedding_generator.pth"), Spec())
    assert (spec.siren, spec.z, spec.hidden, spec.cells) == ("EmbeddingPiGAN128", 24, 24, (5, 6, 7))
    bare = read(CASES / "statedict_generator.pth")
    assert spec_of(CASES, bare, Spec(siren="TALLSIREN")).factor == 1
    assert spec_of(CASES, bare, Spec()).factor == pytest.approx(25 / 3)


# files that do not belong together


def test_averages_of_another_model_are_refused(pair: Path) -> None:
    other = pair.parent / "celeba_ema.pth"
    other.write_bytes((CASES / "embedding_ema.pth").read_bytes())
    assert "31 averaged tensors for 30 parameters" in reason(pair)
    other.write_bytes((CASES / "celeba_generator.pth").read_bytes())
    assert "no averaged weights" in reason(pair)
    other.write_bytes(b"")
    assert "celeba_ema.pth" in reason(pair)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "No such file" in reason(tmp_path / "generator.pth")


def test_other_state_dicts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "generator.pth"
    torch.save({"siren.network.0.layer.weight": torch.zeros(2), "more": torch.zeros(1)}, path)
    assert "an entry `more`" in reason(path)
    torch.save([torch.zeros(2)], path)
    assert "no generator" in reason(path)


# hostile files


@pytest.mark.parametrize("name", ["celeba_generator.pth", "celeba_ema.pth"])
@pytest.mark.parametrize("wrong", [CALL, EXEC], ids=["call", "exec"])
def test_calls_are_refused_wherever_they_are(
    pair: Path, name: str, wrong: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pair.parent)
    path = pair.parent / name
    data = path.read_bytes()
    [pickle] = [part for key, part in parts(data).items() if key.endswith("data.pkl")]
    places = boundaries(pickle)
    before = set(sys.modules)
    for place in places[:: len(places) // 60]:
        path.write_bytes(changed(data, lambda old, at=place: old[:at] + wrong + old[at:]))  # type: ignore[misc]
        assert "asks for" in reason(pair)
    assert not (pair.parent / "pwned").exists()
    assert {"siren", "generators", "torch_ema"}.isdisjoint(set(sys.modules) - before)


@pytest.mark.parametrize(
    "name",
    [
        b"csiren.siren\nFiLMLayer\n",
        b"cgenerators.generators\nImplicitGenerator3d\n",
        b"ctorch.nn.modules.linear\nLinear\n",
        b"ctorch._utils\n_rebuild_parameter\n",
        b"ccollections\nOrderedDict\n",
        b"ctorch\ndevice\n",
        b"c__builtin__\nset\n",
    ],
)
@pytest.mark.parametrize(
    "other", [b"cposix\nsystem\n", b"csiren.siren\nEvil\n", b"ctorch\nload\n", b"cnt\x00\nx\n"]
)
def test_other_names_are_refused(pair: Path, name: bytes, other: bytes) -> None:
    data = pair.read_bytes()

    def rename(pickle: bytes) -> bytes:
        assert name in pickle
        return pickle.replace(name, other, 1)

    pair.write_bytes(changed(data, rename))
    assert "asks for" in reason(pair)


def test_a_known_class_is_not_called(pair: Path) -> None:
    call = code(Called(Named("siren.siren", "FiLMLayer"), (1, 2))) + b"0"
    pair.write_bytes(changed(pair.read_bytes(), lambda pickle: pickle[:2] + call + pickle[2:]))
    assert "in a way of its own" in reason(pair)


def test_storages_that_lie_about_their_size_are_refused(pair: Path) -> None:
    data = pair.read_bytes()
    records = parts(data)
    [key] = [name for name in records if name.endswith("data/0")]
    for wrong in (records[key] + bytes(4), records[key][:-4], b""):
        pair.write_bytes(packed(records | {key: wrong}))
        assert "other sizes than it has" in reason(pair)
    del records[key]
    pair.write_bytes(packed(records))
    assert "other sizes than it has" in reason(pair)


@pytest.mark.parametrize(
    ("trick", "told"),
    [
        (b"(dq\xfeh\xfeX\x01\x00\x00\x00ah\xfes", ""),  # contains itself
        (b"j\xff\xff\xff\x7f", ""),  # never noted
        (b"]" * 3000, ""),
        (b"(" * 3000, "nested deeper"),
        (b")" + b"\x85" * 4000 + b"0", ""),
    ],
)
def test_tricks_of_the_memo_and_the_stack_are_refused(pair: Path, trick: bytes, told: str) -> None:
    pair.write_bytes(changed(pair.read_bytes(), lambda pickle: pickle[:2] + trick + pickle[2:]))
    assert told in reason(pair)


def test_a_memo_that_puts_another_tensor_in_place_is_held_against_the_network(pair: Path) -> None:
    """A tensor of another shape, named by an index of the memo, is caught by its shape."""
    found = read(pair)
    swapped = dict(found["parameters"])
    names = list(swapped)
    swapped[names[0]], swapped[names[2]] = swapped[names[2]], swapped[names[0]]
    spec = spec_of(pair, found, Spec())
    with pytest.raises(CheckpointError, match="has shape"):
        adopt(pair, spec, {**found, "parameters": swapped, "averaged": None})


@pytest.mark.parametrize("table", ["_forward_hooks", "_forward_pre_hooks", "_backward_hooks"])
def test_hooks_are_refused(pair: Path, table: str) -> None:
    """A hook could change what a network computes, and is not in the file."""
    wanted = table.encode()

    def hooked(pickle: bytes) -> bytes:
        at = pickle.index(wanted)
        end = pickle.index(b"R", at)  # of the call that makes the empty table
        return pickle[: end + 1] + code("a") + code(1) + b"s" + pickle[end + 1 :]

    pair.write_bytes(changed(pair.read_bytes(), hooked))
    assert "hooks" in reason(pair)


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graf_cli.families.pigan.files.MAX_FILE", 1000)
    path = tmp_path / "CelebA.zip"
    path.write_bytes(packed({"CelebA/generator.pth": bytes(1001)}, zipfile.ZIP_DEFLATED))
    assert "would unpack to 1,001 bytes" in reason(path)


@pytest.mark.parametrize("cut", [10, 1000, 100_000])
def test_a_truncated_archive_is_told(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "CelebA.zip"
    whole = packed({"CelebA/generator.pth": (CASES / "celeba_generator.pth").read_bytes()})
    path.write_bytes(whole[:cut])
    reason(path)


def test_a_rectifier_of_another_slope_is_another_network(pair: Path) -> None:
    def steeper(pickle: bytes) -> bytes:
        at = pickle.index(b"negative_slope")
        start = pickle.index(b"G", at)
        return pickle[: start + 1] + b"\x3f\xe0" + bytes(6) + pickle[start + 9 :]

    pair.write_bytes(changed(pair.read_bytes(), steeper))
    assert "another slope" in reason(pair)


def test_raw_instructions_are_what_the_tests_say() -> None:
    """The call of these tests would run, were anybody to run it."""
    names = [(op.name, argument) for op, argument, _ in pickletools.genops(CALL[:-1] + b".")]
    assert names[0] == ("GLOBAL", "posix system")
    assert names[-2][0] == "REDUCE"
