"""`graf render` on real files: every option, every kind of output."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import graf_cli as graf
from graf_cli.api import frames as library_frames
from graf_cli.api import render as library_render
from tests.cli.conftest import CARS, Run
from tests.conftest import REFERENCE, read_case
from tests.media import image, stream, video

SMALL = (*CARS, "--size", "8", "--samples", "8")


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {name: file[name] for name in ("rgb", "depth", "disparity", "opacity")}


def rendered(run: Run, *words: object) -> np.ndarray:
    """What these words draw, as floats (n, H, W, 3)."""
    out = Path(run("render", *SMALL, *words, "--out", "rendered.npz").stdout.strip())
    with np.load(out) as file:
        return np.asarray(file["rgb"])


@pytest.mark.parametrize("case", ["cars", "faces", "orthographic", "compact"])
def test_measured_pictures_through_the_command_line(run: Run, tmp_path: Path, case: str) -> None:
    with np.load(REFERENCE / f"{case}.npz") as file:
        measured = dict(file)
    np.save(tmp_path / "z.npy", measured["z"])
    np.save(tmp_path / "poses.npy", measured["poses"])
    model = ("--checkpoint", REFERENCE / f"{case}.pt", "--config", REFERENCE / f"{case}.json")
    run("render", *model, "--latent", "z.npy", "--poses", "poses.npy", "--exact", "--out", "x.npz")
    drawn = arrays(tmp_path / "x.npz")
    assert np.abs(drawn["rgb"] - measured["rgb"]).max() <= 2e-4
    assert np.abs(drawn["opacity"] - measured["opacity"]).max() <= 2e-4


def test_defaults_come_from_the_model(run: Run, tmp_path: Path) -> None:
    assert run("render", *CARS).stdout == "cars.png\n"
    assert image(tmp_path / "cars.png").shape == (24, 24, 3)


def test_a_sweep_makes_a_video_by_default(run: Run, tmp_path: Path) -> None:
    done = run("render", *SMALL, "--azimuth", "0:90", "--frames", 3)
    assert done.stdout == "cars.mp4\n"
    assert len(video(tmp_path / "cars.mp4")) == 3


@pytest.mark.parametrize(
    ("out", "mode"), [("a.png", "RGB"), ("a.jpg", "RGB"), ("a.webp", "RGB"), ("b/c/a.png", "RGB")]
)
def test_pictures(run: Run, tmp_path: Path, out: str, mode: str) -> None:
    assert run("render", *SMALL, "--size", "9x5", "--out", out).stdout == f"{out}\n"
    with Image.open(tmp_path / out) as picture:
        assert (picture.size, picture.mode) == ((9, 5), mode)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
@pytest.mark.parametrize("size", ["16x16", "33x17"])
def test_videos_of_any_size(run: Run, tmp_path: Path, suffix: str, size: str) -> None:
    words = ("--size", size, "--azimuth", "0:360", "--frames", 4, "--out", f"a{suffix}")
    run("render", *SMALL, *words)
    decoded = video(tmp_path / f"a{suffix}")
    width, height = map(int, size.split("x"))
    assert len(decoded) == 4
    even = 0 if suffix == ".gif" else 1
    assert decoded.shape[1:3] == (height + height % 2 * even, width + width % 2 * even)
    run("render", *SMALL, "--size", size, "--azimuth", 0, "--out", "still.png")
    still = image(tmp_path / "still.png")
    error = np.abs(decoded[0][:height, :width].astype(int) - still).mean()
    assert error < 12


def test_mp4_plays_everywhere(run: Run, tmp_path: Path) -> None:
    run("render", *SMALL, "--size", "17x9", "--azimuth", "0:90", "--frames", 3, "--out", "a.mp4")
    facts = stream(tmp_path / "a.mp4")
    assert "h264" in facts
    assert "yuv420p" in facts
    assert "18x10" in facts
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    ("out", "names"),
    [
        ("seq/", ["0000.png", "0001.png", "0002.png"]),
        ("seq/car-%02d.jpg", ["car-00.jpg", "car-01.jpg", "car-02.jpg"]),
    ],
)
def test_sequences(run: Run, tmp_path: Path, out: str, names: list[str]) -> None:
    done = run("render", *SMALL, "--elevation", "10:30", "--frames", 3, "--out", out)
    assert [Path(line).name for line in done.stdout.splitlines()][:3] == names
    assert {path.name for path in (tmp_path / "seq").iterdir()} >= set(names)


def test_arrays_hold_the_numbers(run: Run, tmp_path: Path) -> None:
    run("render", *SMALL, "--size", "7x5", "--azimuth", "0:90", "--frames", 3, "--out", "a.npz")
    found = arrays(tmp_path / "a.npz")
    assert found["rgb"].shape == (3, 5, 7, 3)
    assert all(found[name].shape == (3, 5, 7) for name in ("depth", "disparity", "opacity"))
    assert all(array.dtype == np.float32 for array in found.values())
    assert found["rgb"].min() >= 0
    assert found["rgb"].max() <= 1 + 1e-6


def test_whole_turns_never_repeat_and_sweeps_include_both_ends(run: Run) -> None:
    turn = rendered(run, "--azimuth", "0:360", "--frames", 4)
    quarter = rendered(run, "--azimuth", 90)
    assert np.allclose(turn[1], quarter[0], atol=1e-3)
    part = rendered(run, "--azimuth", "0:90", "--frames", 4)
    assert np.allclose(part[3], quarter[0], atol=1e-3)


def test_several_sweep_at_once(run: Run) -> None:
    both = rendered(
        run, "--azimuth", "0:90", "--elevation", "10:30:20", "--fov", "30:20", "--frames", 3
    )
    end = rendered(run, "--azimuth", 90, "--elevation", 20, "--fov", 20)
    assert np.allclose(both[2], end[0], atol=1e-3)


def test_shape_and_appearance_of_a_seed(run: Run) -> None:
    seed = rendered(run, "--seed", 3)
    assert np.array_equal(seed, rendered(run, "--shape", 3, "--appearance", 3))
    assert not np.array_equal(seed, rendered(run, "--seed", 3, "--appearance", 4))
    way = rendered(run, "--shape", "1:3", "--appearance", 3, "--frames", 3)
    assert np.allclose(way[2], seed[0], atol=1e-3)


def test_truncation_zero_is_the_average_object(run: Run) -> None:
    average = rendered(run, "--truncation", 0, "--seed", 1)
    assert np.array_equal(average, rendered(run, "--truncation", 0, "--seed", 2))


def test_latents_from_files(run: Run, tmp_path: Path) -> None:
    measured = read_case("cars")
    np.save(tmp_path / "all.npy", measured.z)
    np.savez(tmp_path / "split.npz", shape=measured.z[:, :128], appearance=measured.z[:, 128:])
    whole = rendered(run, "--latent", "all.npy")
    assert len(whole) == 4
    assert np.array_equal(whole, rendered(run, "--latent", "split.npz"))


@pytest.mark.parametrize("rows", [3, 4])
def test_poses_from_files(run: Run, tmp_path: Path, rows: int) -> None:
    poses = np.zeros((4, rows, 4))
    poses[:, :3] = read_case("cars").poses
    poses[:, 3:, 3] = 1
    np.save(tmp_path / "poses.npy", poses)
    frames = [{"transform_matrix": pose.tolist()} for pose in poses]
    focal = 4 / math.tan(math.radians(15))
    document = {"w": 8, "h": 8, "fl_x": focal, "frames": frames}
    (tmp_path / "transforms.json").write_text(json.dumps(document))
    first = rendered(run, "--poses", "poses.npy")
    second = rendered(run, "--poses", "transforms.json")
    assert first.shape == (4, 8, 8, 3)
    assert np.allclose(first, second, atol=1e-3)


def test_rows_that_do_not_pair_up(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", read_case("cars").z[:3])
    np.save(tmp_path / "poses.npy", read_case("cars").poses)
    words = ("--latent", "z.npy", "--poses", "poses.npy", "--out", "a.npz")
    assert "3 rows" in run("render", *SMALL, *words, code=2).stderr
    run("render", *SMALL, "--poses", "poses.npy", "--azimuth", 3, "--out", "a.npz", code=2)


@pytest.mark.parametrize(
    ("colour", "value"), [("white", (1, 1, 1)), ("black", (0, 0, 0)), ("#0080ff", (0, 128, 255))]
)
def test_background(run: Run, tmp_path: Path, colour: str, value: tuple[int, ...]) -> None:
    run("render", *SMALL, "--background", colour, "--out", "a.npz")
    found = arrays(tmp_path / "a.npz")
    run("render", *SMALL, "--background", "black", "--out", "b.npz")
    black = arrays(tmp_path / "b.npz")
    behind = np.array(value) / max(*value, 1)
    expected = black["rgb"] + (1 - black["opacity"])[..., None] * behind
    assert np.allclose(found["rgb"], expected, atol=1e-6)


def test_views_outside_the_training_range_warn_once(run: Run) -> None:
    result = run("render", *SMALL, "--elevation", "-20:20", "--frames", 3, "--out", "a.npz")
    assert result.stderr.count("Warning:") == 1
    assert "elevation 5° to 90°" in result.stderr
    assert "Warning" not in run("render", *SMALL, "--elevation", 90, "--out", "a.npz").stderr
    quiet = run("render", *SMALL, "--elevation", -20, "--out", "a.npz", "-q")
    assert quiet.stderr == ""


def test_chunks_do_not_change_pixels(run: Run) -> None:
    whole = rendered(run, "--exact")
    assert np.abs(whole - rendered(run, "--exact", "--chunk", 64)).max() < 1e-5


def test_no_clobber(run: Run, tmp_path: Path) -> None:
    run("render", *SMALL, "--out", "a.png")
    before = (tmp_path / "a.png").read_bytes()
    words = ("--seed", 5, "--no-clobber", "--out", "a.png")
    assert "already there" in run("render", *SMALL, *words, code=1).stderr
    assert (tmp_path / "a.png").read_bytes() == before


def test_a_sweep_into_one_picture_is_found_before_rendering(run: Run, tmp_path: Path) -> None:
    error = run("render", *SMALL, "--azimuth", "0:360", "--out", "a.png", code=2).stderr
    assert "one picture" in error
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_cannot_start_is_found_before_rendering(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    words = ("--exact", "--size", 4096, "--frames", 100_000, "--out", "a.mp4")
    error = run("render", *CARS, *words, code=1).stderr
    assert error.startswith("Error: a.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file/a.png" in run("render", *SMALL, "--out", "file/a.png", code=1).stderr
    (tmp_path / "folder.png").mkdir()
    run("render", *SMALL, "--out", "folder.png")
    assert (tmp_path / "folder.png" / "0000.png").is_file()


def test_options_from_the_environment(run: Run, tmp_path: Path) -> None:
    env = {"GRAF_RENDER_SIZE": "6x4", "GRAF_RENDER_OUT": "env.png", "GRAF_DEVICE": "cpu"}
    run("render", *CARS, "--samples", 8, env=env)
    assert image(tmp_path / "env.png").shape == (4, 6, 3)


def test_a_device_that_is_not_there(run: Run) -> None:
    assert "cuda:99" in run("render", *SMALL, "--device", "cuda:99", code=1).stderr
    assert "tpu" in run("render", *SMALL, "--device", "tpu", code=2).stderr


def test_the_library_draws_the_same(run: Run) -> None:
    generator = graf.load(checkpoint=CARS[1], config=CARS[3], device="cpu")
    frame = library_render(generator, azimuth=30, seed=3, size=8, samples=8)
    assert frame.rgb.shape == (8, 8, 3)
    assert np.array_equal(frame.rgb, rendered(run, "--azimuth", 30, "--seed", 3)[0])
    sweep = list(library_frames(generator, azimuth=(0, 90), frames=3, size=8, samples=8))
    assert np.allclose(
        [frame.rgb for frame in sweep], rendered(run, "--azimuth", "0:90", "--frames", 3), atol=1e-3
    )
