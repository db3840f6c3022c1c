"""π-GAN from the command line: its files, its pictures, what it can be asked."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from graf_cli.arrays import Array
from graf_cli.families.pigan import cameras
from graf_cli.families.pigan.config import RELEASED, read_curriculum
from graf_cli.model.manifest import load_manifest
from graf_cli.rendering.shot import Frame, Shot
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject
from tests.cli.conftest import Run
from tests.families.pigan.models import CASES
from tests.media import image
from tools.parity.pigan import LARGEST, MEAN

FACE = ("--checkpoint", CASES / "celeba_generator.pth", "--config", "celeba.toml")
STATES = ("--checkpoint", CASES / "statedict_generator.pth", "--config", "states.json")


@pytest.fixture
def truth(tmp_path: Path) -> dict[str, Array]:
    """A measured case, and the configuration of it."""
    with np.load(CASES / "celeba.npz") as stored:
        arrays = dict(stored)
    seed = int(arrays["avg_seed"])
    (tmp_path / "celeba.toml").write_text(f'curriculum = "CelebA"\naverage_seed = {seed}\n')
    return arrays


def held(found: Array, wanted: Array) -> None:
    apart = np.abs(found - wanted)
    assert apart.mean() <= MEAN
    assert apart.max() <= LARGEST


@pytest.mark.parametrize("view", [0, 1])
@pytest.mark.parametrize("exact", [True, False])
def test_the_picture_is_the_measured_one(
    run: Run, tmp_path: Path, truth: dict[str, Array], view: int, exact: bool
) -> None:
    np.save(tmp_path / "z.npy", truth["z"][[view]])
    np.save(tmp_path / "pose.npy", cameras.from_theirs(truth["cam2world"][view])[None])
    words = ("--latent", "z.npy", "--poses", "pose.npy", "--fov", truth["fov"][view])
    size = ("--size", truth["rgb"].shape[1])
    how = ("--exact",) if exact else ()
    run("render", *FACE, *words, *size, *how, "--out", "a.npz")
    with np.load(tmp_path / "a.npz") as found:
        if exact:
            held(found["rgb"][0], truth["rgb"][view])
        else:
            assert np.abs(found["rgb"][0] - truth["rgb"][view]).max() <= 1e-3
        assert np.abs(found["opacity"][0] - truth["opacity"][view]).max() <= 1e-3


@pytest.mark.parametrize("frame", [0, 1])
def test_a_seed_draws_the_authors_own_noise(
    run: Run, tmp_path: Path, truth: dict[str, Array], frame: int
) -> None:
    np.save(tmp_path / "z.npy", truth["drawn_z"])
    pose = cameras.pose(*(float(truth[f"drawn_{way}_mean"][frame]) for way in "hv"))
    np.save(tmp_path / "pose.npy", pose[None])
    size, samples = truth["drawn_rgb"].shape[1], truth["drawn_jitter"].shape[-1]
    words = ("--latent", "z.npy", "--poses", "pose.npy", "--fov", truth["drawn_fov"][frame])
    drawn = ("--jitter", int(truth["drawn_seed"]), "--control", f"jitter_frame={frame}")
    run("render", *FACE, *words, *drawn, "--size", size, "--samples", samples, "--out", "a.npz")
    held(np.load(tmp_path / "a.npz")["rgb"][0], truth["drawn_rgb"][frame])


@pytest.mark.usefixtures("truth")
def test_a_converted_file_draws_the_same_and_replays(run: Run, tmp_path: Path) -> None:
    run("convert", FACE[1], *FACE[2:], "--out", "face.safetensors")
    own = ("--checkpoint", "face.safetensors")
    words = ("--azimuth", "-10:10", "--seed", "1:2", "--frames", 3, "--size", 8)
    run("render", *FACE, *words, "--out", "a.npz")
    run("render", *own, *words, "--out", "b.npz")
    run("replay", "b.npz", *own, "--out", "c.npz")
    a, b, c = (np.load(tmp_path / f"{name}.npz")["rgb"] for name in "abc")
    assert a.shape == (3, 8, 8, 3)
    assert np.array_equal(a, b)
    assert np.array_equal(b, c)
    shown = run("info", "b.npz").stdout
    assert "truncation  0.7" in shown


def test_an_archive_as_it_is_released(run: Run, tmp_path: Path) -> None:
    """Its folder's name says which of the released it is."""
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        for kind in ("generator", "ema"):
            archive.write(CASES / f"celeba_{kind}.pth", f"CelebA/{kind}.pth")
    run("render", "--checkpoint", "mine.zip", "--size", 8, "--out", "a.png")
    with zipfile.ZipFile(tmp_path / "bare.zip", "w") as archive:
        archive.write(CASES / "celeba_generator.pth", "CelebA/generator.pth")
    error = run("render", "--checkpoint", "bare.zip", "--out", "b.png", code=1).stderr
    assert "lacks CelebA/ema.pth" in error


def test_a_generator_without_its_average_is_refused(run: Run, tmp_path: Path) -> None:
    shutil.copy(CASES / "celeba_generator.pth", tmp_path / "generator.pth")
    error = run("render", "--checkpoint", "generator.pth", "--out", "a.png", code=1).stderr
    assert "lacks ema.pth" in error


def test_a_hostile_archive_is_refused_in_a_sentence(run: Run, tmp_path: Path) -> None:
    hostile = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("CelebA/generator.pth", hostile)
        archive.writestr("CelebA/ema.pth", hostile)
    error = run("render", "--checkpoint", "evil.zip", "--out", "a.png", code=1).stderr
    assert error.startswith("Error: ")
    assert "Traceback" not in error
    assert not (tmp_path / "a.png").exists()


def test_state_dicts_need_a_class(run: Run, tmp_path: Path) -> None:
    words = ("render", *STATES[:2], "--size", 8, "--out", "a.png")
    assert "of what class its network is" in run(*words, code=1).stderr
    (tmp_path / "states.json").write_text('{"fov": 30, "0": {"num_steps": 3}, "9": {}}')
    assert "set `model` there" in run(*words, *STATES[2:], code=1).stderr
    (tmp_path / "states.json").write_text('{"model": "TALLSIREN", "fov": 30, "fovv": 3}')
    assert "`fovv` (nearest is `fov`)" in run(*words, *STATES[2:]).stderr


@pytest.mark.usefixtures("truth")
def test_what_a_ray_misses(run: Run, tmp_path: Path) -> None:
    """A colour that the model's own background would hide is refused, unless that is off."""
    off = ("--control", "last_back=0")
    for name, words in {
        "own": (),
        "black": ("--background", "black"),  # the model's
        "clear": ("--background", "transparent"),
        "off": ("--background", "white", *off),
        "swept": ("--background", "white", "--control", "last_back=0:1", "--frames", 2),
    }.items():
        run("render", *FACE, "--size", 12, *words, "--exact", "--out", f"{name}.npz")
    own, black, clear, without, swept = (
        np.load(tmp_path / f"{name}.npz")["rgb"]
        for name in ("own", "black", "clear", "off", "swept")
    )
    assert np.array_equal(own, black)
    assert np.array_equal(own, clear)
    assert np.abs(without - own).max() > 1e-2
    assert np.array_equal(swept[0], without[0])
    for command in ("render", "sample", "grid", "dataset"):
        many = () if command in ("render", "grid") else ("--n", 1)
        words = ("--rows", "seed=0,1", "--columns", "azimuth=0,5") if command == "grid" else many
        error = run(command, *FACE, *words, "--background", "white", "--out", "w/", code=2).stderr
        assert "--background #ffffff would not be seen" in error
        assert "control `last_back`" in error
    run(
        "render", "--recipe", "off.npz", *FACE, "--control", "last_back=1", "--out", "c.npz", code=2
    )
    assert not (tmp_path / "w").exists()


@pytest.mark.usefixtures("truth")
def test_codes_in_their_own_space(run: Run, tmp_path: Path) -> None:
    hidden = 32
    source = torch.Generator(device="cpu").manual_seed(0)
    rows = torch.randn((2, 18 * hidden), generator=source, device="cpu", dtype=torch.float32)
    np.save(tmp_path / "film.npy", rows.numpy())
    words = ("--latent", "film.npy", "--space", "film", "--size", 8)
    run("render", *FACE, *words, "--out", "a.npz")
    assert len(np.load(tmp_path / "a.npz")["rgb"]) == 2
    np.save(tmp_path / "film.npy", rows.numpy()[:, 1:])
    run("render", *FACE, *words, "--out", "b.npz", code=2)


@pytest.mark.usefixtures("truth")
def test_samples_and_data_sets(run: Run, tmp_path: Path) -> None:
    run("sample", *FACE, "--n", 2, "--size", 8, "--out", "s.png")
    run("dataset", *FACE, "--n", 1, "--views", 2, "--size", 8, "--out", "ds")
    [written] = (tmp_path / "ds").rglob("transforms.json")
    document = json.loads(written.read_text())
    # Pixels' centres are at + 0.5 there, and the outermost ones on the border of the view.
    assert document["cx"] == pytest.approx(4.0)
    assert document["fl_x"] == pytest.approx(3.5 / np.tan(np.radians(6)))
    home = written.parent
    again = ("--latent", home / "latent.npz", "--poses", written)
    run("render", *FACE, *again, "--size", 8, "--out", "again/")
    for view in ("0000.png", "0001.png"):
        assert np.array_equal(image(home / "images" / view), image(tmp_path / "again" / view))


def test_the_manifest_has_the_released_curricula() -> None:
    models = {"celeba": "pigan-faces", "cats": "pigan-cats", "carla": "pigan-cars"}
    for name, model in models.items():
        spec, released = load_manifest().resolve(model), RELEASED[name]
        assert spec.camera == released.camera
        assert released.model is not None
        assert spec.settings == released.settings(released.model)
        assert spec.size == released.img_size
        assert spec.background == ("white" if released.white_back else "black")


def test_the_released_models_are_got_by_a_person(run: Run) -> None:
    error = run("download", "pigan-faces", code=1).stderr
    assert "get CelebA.zip from https://" in error
    assert "--checkpoint" in error


def test_the_authors_curriculum_is_read_with_its_stages(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'curriculum = "CARLA"\nfov = 20\n[0]\nnum_steps = 10\nimg_size = 32\n'
        "[5000]\nnum_steps = 20\nimg_size = 64\nbatch_size = 4\n[9000]\n"
    )
    made = read_curriculum(path)
    assert (made.samples, made.img_size, made.fov, made.white_back) == (40, 64, 20, True)


@pytest.mark.usefixtures("truth")
def test_views_outside_are_told_about_the_front(run: Run) -> None:
    words = ("--azimuth", "-20:20", "--frames", 3, "--size", 8)
    assert "(here -20° to 20°)" in run("render", *FACE, *words, "--out", "a.npz").stderr


def test_colours_that_are_complete_keep_their_edges() -> None:
    """What the model has filled is no background, so that nothing is taken off for one."""
    pose = cameras.pose(1.5, 1.5)
    shot = Shot(Subject({}), Camera(pose, 1, 1, 12.0, 0.88, 1.12), 2, (1.0, 1.0, 1.0))
    rgb, half = np.full((1, 1, 3), 0.6, np.float32), np.full((1, 1), 0.5, np.float32)
    frame = Frame(rgb, half, half, shot, complete=True)
    assert np.allclose(frame.on_black, 0.3)
    assert np.allclose(replace(frame, complete=False).on_black, 0.1)
