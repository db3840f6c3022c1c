"""EG3D from the command line, held against pictures that its authors' code made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from graf_cli.families.eg3d import checkpoint as eg3d
from graf_cli.model.checkpoint import open_checkpoint
from graf_cli.scene.spec import ModelSpec
from graf_cli.weights.modules import tensors
from tests.cli.conftest import Run
from tests.families.eg3d.conftest import CASES
from tests.media import image

FACES = ("--checkpoint", CASES / "ffhq64.pkl")
FRONT = ("--seed", 0, "--azimuth", 0, "--elevation", 0)


def rgb(path: Path) -> np.ndarray[Any, Any]:
    with np.load(path) as file:
        return np.asarray(file["rgb"])


@pytest.mark.parametrize(
    ("words", "theirs"),
    [
        ((), "rgb_even"),
        (("--jitter", 5), "rgb_torch_seed"),
        (("--jitter", 5, "--control", "noise=2"), "rgb_torch_seed_random"),
    ],
)
def test_a_seed_shows_the_authors_picture(
    run: Run, tmp_path: Path, words: tuple[object, ...], theirs: str
) -> None:
    run("render", *FACES, *FRONT, *words, "--out", "a.npz")
    with np.load(CASES / "ffhq64.npz") as truth:
        assert int(truth["torch_seed"]) == 5
        error = np.abs(rgb(tmp_path / "a.npz")[0] - truth[theirs].clip(0, 1))
    assert error.max() <= 1e-4
    assert error.mean() <= 5e-6


def test_a_converted_file_draws_the_same_bits_and_replays(run: Run, tmp_path: Path) -> None:
    run("convert", CASES / "ffhq64.pkl", "--out", "faces.safetensors")
    turn = ("--seed", "3", "--azimuth", "-20:20", "--frames", 2)
    run("render", *FACES, *turn, "--out", "a.npz")
    run("render", "--checkpoint", "faces.safetensors", *turn, "--out", "b.npz")
    run("replay", "a.npz", *FACES, "--out", "c.npz")
    a, b, c = (rgb(tmp_path / f"{name}.npz") for name in "abc")
    assert a.shape == (2, 64, 64, 3)
    assert not np.array_equal(a[0], a[1])
    assert np.array_equal(a, b)
    assert np.array_equal(a, c)


def test_rows_of_w_of_tools_that_invert_pictures(run: Run, tmp_path: Path) -> None:
    with np.load(CASES / "ffhq64.npz") as truth:
        np.save(tmp_path / "ws.npy", truth["ws"][:1])
    run("render", *FACES, *FRONT, "--out", "a.npz")
    rows = ("--latent", "ws.npy", "--space", "w+")
    run("render", *FACES, *FRONT[2:], *rows, "--out", "b.npz")
    np.testing.assert_allclose(rgb(tmp_path / "a.npz"), rgb(tmp_path / "b.npz"), atol=1e-5)


def test_raw_colours_are_shown_enlarged(run: Run, tmp_path: Path) -> None:
    from PIL import Image

    run("render", *FACES, *FRONT, "--show", "raw", "--out", "a.png")
    found = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert found.shape == (64, 64, 3)
    with np.load(CASES / "ffhq64.npz") as truth:
        theirs = (truth["image_raw_even"].clip(-1, 1) + 1) / 2
    np.testing.assert_allclose(found[::8, ::8] / 255, theirs, atol=0.51 / 255)
    assert np.array_equal(found[::8, ::8], found[7::8, 7::8])


def test_files_say_that_what_they_show_is_enlarged(run: Run, tmp_path: Path) -> None:
    for name in ("a.png", "a.npz"):
        run("render", *FACES, *FRONT, "--show", "depth", "--out", name)
        assert "all but rgb at 8 × 8, each pixel enlarged" in run("info", name).stdout
        told = json.loads(run("info", "--json", name).stdout)["recipe"]
        assert told["marched"] == 8
    told["marched"] = 16
    (tmp_path / "b.json").write_text(json.dumps(told))
    error = run("replay", "b.json", *FACES, "--out", "b.png", code=1).stderr
    assert "marched at 16 pixels along a side, but" in error
    del told["marched"]  # as earlier versions wrote it
    (tmp_path / "b.json").write_text(json.dumps(told))
    run("replay", "b.json", *FACES, "--out", "b.npz")
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert np.array_equal(a["depth"], b["depth"])


def test_normals_are_the_rasters_enlarged_as_depth_is(run: Run, tmp_path: Path) -> None:
    words = (*FACES, *FRONT, "--show", "normal,depth,opacity", "--out", "a.npz")
    said = " ".join(run("render", *words).stderr.split())
    assert "was marched at 8 × 8, and each pixel is enlarged to the 64 × 64" in said
    with np.load(tmp_path / "a.npz") as file:
        normal, opacity = file["normal"][0], file["opacity"][0]
    for plane in (normal, opacity):
        assert plane.shape[:2] == (64, 64)
        assert np.array_equal(plane, plane[::8, ::8].repeat(8, 0).repeat(8, 1))
    there = np.linalg.norm(normal, axis=-1)[opacity > 0.5]
    np.testing.assert_allclose(there, 1, atol=1e-4)


def test_styles_are_mixed_by_codes_as_by_controls(run: Run, tmp_path: Path) -> None:
    words = (*FACES, "--seed", 3, "--frames", 2)
    run("render", *words, "--code", "high=7:8", "--code", "low=5", "--out", "a.npz")
    run("render", *words, "--control", "high=7:8", "--control", "low=5", "--out", "b.npz")
    run("render", *FACES, "--seed", 3, "--out", "c.npz")
    a, b, c = (rgb(tmp_path / f"{name}.npz") for name in "abc")
    assert np.array_equal(a, b)
    assert not np.allclose(a[0], c[0], atol=1e-2)
    for word, told in (
        (("--code", "high=4:9"), "goes from a seed to the next one alone"),
        (("--code", "high=4", "--control", "high=4"), "both say `high`"),
        (("--code", "highest=4"), "has no code `highest`"),
    ):
        error = run("render", *FACES, *word, "--out", "d.gif", code=2).stderr
        assert told in " ".join(error.split())


def test_labels_of_data_sets_are_cameras(run: Run, tmp_path: Path) -> None:
    with np.load(CASES / "ffhq64.npz") as truth:
        labels, theirs = truth["c"][:2], truth["rgb_even"]
    np.save(tmp_path / "c.npy", labels)
    named = [[f"{k}.png", row.tolist()] for k, row in enumerate(labels)]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": named}))
    for name in ("c.npy", "dataset.json"):
        run("render", *FACES, "--seed", 0, "--poses", name, "--out", f"{name}.npz")
    found = rgb(tmp_path / "c.npy.npz")
    assert np.array_equal(found, rgb(tmp_path / "dataset.json.npz"))
    assert np.abs(found[0] - theirs.clip(0, 1)).max() <= 1e-4
    assert not np.allclose(found[0], found[1], atol=1e-2)


def test_what_does_not_exist_is_refused(run: Run) -> None:
    for words, told in (
        (("--size", 32), "at 64x64 alone"),
        (("--background", "#ff0000"), "paints a background of its own"),
        (("--show", "rgba"), "has no rgba"),
        (("--shape", 3), "has no code `shape`"),
        (("--control", "split=2.5"), "`split` is a whole number"),
    ):
        error = run("render", *FACES, *words, "--out", "a.png", code=2).stderr
        assert told in " ".join(error.split())


def test_a_data_set_with_labels_is_drawn_again_by_them(run: Run, tmp_path: Path) -> None:
    words = ("--n", 2, "--views", 2, "--split", "train=0.5,val=0.5", "--format", "labels")
    run("dataset", *FACES, *words, "--out", "faces/")
    found: dict[str, list[float]] = {}
    for split in ("train", "val"):
        document = json.loads((tmp_path / "faces" / split / "dataset.json").read_text())
        found |= {f"{split}/{name}": label for name, label in document["labels"]}
    pictures = {
        path.relative_to(tmp_path / "faces").as_posix() for path in tmp_path.rglob("faces/**/*.png")
    }
    assert pictures == {*found}  # nothing beside that a tool would take for a picture
    assert len(found) == 4
    name = "train/dataset.json"
    [line] = [
        json.loads(line)
        for line in (tmp_path / "faces/objects.jsonl").read_text().splitlines()
        if '"train"' in line
    ]
    run("render", *FACES, "--seed", line["seed"], "--poses", f"faces/{name}", "--out", "again/")
    item = f"{line['object']:06d}"
    for view in range(2):
        ours, theirs = (
            image(tmp_path / path)
            for path in (f"again/{view:04d}.png", f"faces/train/{item}/images/{view:04d}.png")
        )
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
    error = run("dataset", *FACES, "--format", "labels", "--tar-size", 3, code=2).stderr
    assert "--tar-size goes with --format webdataset" in error


def manifest_of(spec: ModelSpec) -> str:
    """A model as a manifest has it."""
    words: dict[str, object] = dict.fromkeys(("title", "source", "licence", "citation", "note"), "")
    about = {**words, "family": spec.family, "default_size": spec.size, "aliases": []}
    about["background"] = spec.background
    about |= {key: value for key, value in msgspec.to_builtins(spec.settings).items() if value}
    about |= {key: bool(about.get(key)) for key in ("disparity", "white")}
    said = ("near", "far", "fov", "pixels", "depths", "pivot")
    camera = {key: msgspec.to_builtins(getattr(spec.camera, key)) for key in said}
    camera["radius"] = spec.camera.radius[0]
    tables = {"models.small": about, "models.small.camera": camera}
    lines = ["schema = 1"]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join([*lines, "[models.small.files]", f'{spec.size} = {{ by_hand = "a file" }}'])


def test_numbers_alone_take_a_manifests_constants(run: Run, tmp_path: Path) -> None:
    """What tools of inversion save: the state dict of `G_ema`, which says nothing else."""
    spec, _ = open_checkpoint(CASES / "ffhq64.pkl")
    (tmp_path / "m.toml").write_text(manifest_of(spec))
    found: Any = eg3d.read(CASES / "ffhq64.pkl").content
    state = {name: torch.from_numpy(one.read()) for name, one in tensors(found["G_ema"]).items()}
    torch.save({"G_ema": state}, tmp_path / "tuned.pth")
    run("render", *FACES, *FRONT, "--out", "a.npz")
    like = ("--like", "small", "--manifest", "m.toml")
    run("render", "--checkpoint", "tuned.pth", *like, *FRONT, "--out", "b.npz")
    np.testing.assert_allclose(rgb(tmp_path / "a.npz"), rgb(tmp_path / "b.npz"), atol=1e-5)
    run("convert", "tuned.pth", *like, "--out", "tuned.safetensors")
    run("render", "--checkpoint", "tuned.safetensors", *FRONT, "--out", "c.npz")
    np.testing.assert_array_equal(rgb(tmp_path / "b.npz"), rgb(tmp_path / "c.npz"))
    for words, code, told in (
        (("--checkpoint", "tuned.pth"), 1, "made alike by --like"),
        ((*FACES, *like), 2, "says itself how it renders; leave out --like"),
        (("--like", "eg3d"), 2, "give --checkpoint as well"),
        (("--checkpoint", "tuned.pth", "--like", "eg3d-cars"), 1, "tensor"),
    ):
        error = run("render", *words, "--out", "d.png", code=code).stderr
        assert told in " ".join(error.split())
