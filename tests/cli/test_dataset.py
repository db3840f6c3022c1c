"""`graf dataset`: what it writes opens elsewhere, and one view's depth lands in another view."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cli.conftest import CARS, Run
from tests.media import image

SMALL = (*CARS, "--size", "8", "--samples", "8")
Numbers = NDArray[np.float64]


def objects(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "objects.jsonl").read_text().splitlines()]


def test_a_folder(run: Run, tmp_path: Path) -> None:
    done = run("dataset", *SMALL, "--n", 10, "--views", 2, "--split", "train=0.9,val=0.1")
    assert done.stdout == "dataset\n"
    folder = tmp_path / "dataset"
    assert [row["split"] for row in objects(folder)].count("train") == 9
    assert len([*folder.glob("train/*/images/*.png")]) == 18
    assert len([*folder.glob("val/*/depth/*.png")]) == 2
    card = (folder / "README.md").read_text()
    assert "| train | 9 | 18 |" in card
    assert "synthetic" in card
    assert "cars" in card


def test_json_and_a_dry_run(run: Run, tmp_path: Path) -> None:
    words = ("dataset", *SMALL, "--n", 2, "--views", 3, "--json")
    told = json.loads(run(*words).stdout)
    assert (told["path"], told["frames"], told["waiting"]) == ("dataset", 6, 0)
    told = json.loads(run(*words, "--dry-run", "--out", "other").stdout)
    assert told["cost"]["frames"] == 6
    assert told["recipe"]["plan"]["kind"] == "dataset"
    assert not (tmp_path / "other").exists()


def test_a_shard_says_that_there_is_more(run: Run, tmp_path: Path) -> None:
    words = ("dataset", *SMALL, "--n", 2, "--views", 2, "--shard")
    done = run(*words, "1/2")
    assert done.stdout == ""
    assert "2 of 4 frames are there" in done.stderr
    assert not (tmp_path / "dataset" / "README.md").exists()
    assert run(*words, "2/2").stdout == "dataset\n"


@pytest.mark.parametrize(
    "words",
    [
        ("--split", "train=0.5"),
        ("--cameras", "poses"),
        ("--tar-size", "5"),
        ("--fov", "20:30"),
        ("--size", "1024", "--format", "webdataset", "--tar-size", "1"),
        ("--n", "1000000", "--views", "2"),
    ],
)
def test_bad_input(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    run("dataset", *CARS, *words, code=2)
    assert list(tmp_path.iterdir()) == []


def test_parallel_rays_are_refused(run: Run) -> None:
    case = CARS[1].replace("cars.pt", "orthographic.pt"), CARS[3].replace("cars", "orthographic")
    done = run("dataset", "--checkpoint", case[0], "--config", case[1], code=2)
    assert "parallel rays" in done.stderr


def test_another_data_set_is_refused(run: Run) -> None:
    run("dataset", *SMALL, "--n", 1, "--views", 2)
    done = run("dataset", *SMALL, "--n", 1, "--views", 3, "--resume", code=1)
    assert "dataset is of another recipe: `plan.views` is 2 there and 3 here" in done.stderr


@pytest.mark.parametrize("cameras", ["model", "orbit", "cap"])
def test_the_same_views_through_its_own_cameras(run: Run, tmp_path: Path, cameras: str) -> None:
    run("dataset", *SMALL, "--n", 1, "--views", 3, "--cameras", cameras, "--exact")
    home = tmp_path / "dataset" / "train" / "000000"
    through = ("--poses", home / "transforms.json", "--latent", home / "latent.npz")
    run("render", *CARS, "--samples", "8", *through, "--exact", "--out", "again/")
    run("dataset", *CARS, "--samples", "8", *through[:2], "--n", 1, "--exact", "--out", "twin/")
    for view in range(3):
        there = image(home / "images" / f"{view:04d}.png")
        assert np.array_equal(there, image(tmp_path / "again" / f"{view:04d}.png"))
        twin = tmp_path / "twin" / "train" / "000000" / "images" / f"{view:04d}.png"
        assert np.array_equal(there, image(twin))


def test_pictures_and_data_sets_are_drawn_again(run: Run, tmp_path: Path) -> None:
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, 2, 3] = (9, 10, 11)
    np.save("poses.npy", poses)
    jobs: dict[str, tuple[str, ...]] = {
        "a": ("--views", "3"),
        "b": ("--poses", "poses.npy"),
        "c": ("--views", "3", "--format", "webdataset"),
    }
    for name, words in jobs.items():
        run("dataset", *SMALL, "--n", 2, *words, "--out", name)
        run("replay", name, *CARS, "--out", f"{name}2/")
        first, second = (
            {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}
            for root in (tmp_path / name, tmp_path / f"{name}2")
        )
        assert first == second
    for name in ("a", "b"):
        for path in sorted((tmp_path / name).glob("train/*/images/*.png")):
            run("replay", path, *CARS, "--out", "again.png")
            assert (tmp_path / "again.png").read_bytes() == path.read_bytes()
    assert "objects     2\nviews       3\n" in run("info", "a").stdout
    assert (
        "frame       4\n" in run("info", sorted(Path("a").glob("train/*/images/*.png"))[4]).stdout
    )
    assert "generated   yes" in run("info", "c/train-000000.tar").stdout


# the whole chain


@dataclass(frozen=True, eq=False)
class View:
    """One view as `transforms.json` tells of it; nothing here comes from graf."""

    rgb: Numbers  # (H, W, 3), [0, 1]
    depth: Numbers  # (H, W), world units along the optical axis
    opacity: Numbers  # (H, W)
    matrix: Numbers  # (4, 4), camera to world


def read_views(home: Path) -> tuple[dict[str, Any], list[View]]:
    document = json.loads((home / "transforms.json").read_text())
    step = document["graf"]["depth_unit_scale_factor"]
    views = [
        View(
            rgb=image(home / told["file_path"]) / 255.0,
            depth=image(home / told["depth_file_path"]) * step,
            opacity=image(home / told["opacity_file_path"]) / 255.0,
            matrix=np.array(told["transform_matrix"]),
        )
        for told in document["frames"]
    ]
    return document, views


def inside(view: View) -> NDArray[np.bool_]:
    """Opaque pixels away from edges, be they silhouettes or steps of depth."""
    solid = view.opacity > 0.99
    low, high, calm = view.depth.copy(), view.depth.copy(), solid.copy()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            moved = np.roll(view.depth, (down, right), (0, 1))
            low, high = np.minimum(low, moved), np.maximum(high, moved)
            calm &= np.roll(solid, (down, right), (0, 1))
    calm[[0, -1]] = calm[:, [0, -1]] = False
    return np.asarray(calm & (high - low < 0.15))


def bilinear(values: Numbers, x: Numbers, y: Numbers) -> Numbers:
    """At columns and rows that need not be whole."""
    i, j = np.floor(x).astype(int), np.floor(y).astype(int)
    shape = (-1, *[1] * (values.ndim - 2))
    a, b = (x - i).reshape(shape), (y - j).reshape(shape)
    above = values[j, i] * (1 - a) + values[j, i + 1] * a
    below = values[j + 1, i] * (1 - a) + values[j + 1, i + 1] * a
    return np.asarray(above * (1 - b) + below * b)


def reprojected(
    document: dict[str, Any], a: View, b: View, shift: float
) -> tuple[Numbers, Numbers]:
    """Differences of colour and of depth, where both views see one surface.

    Pixel (i, j) has its centre at (i + 0.5, j + 0.5), and the principal point is `shift` beyond
    the middle of the picture, in both directions.
    """
    focal, width, height = document["fl_x"], document["w"], document["h"]
    cx, cy = width / 2 + shift, height / 2 + shift
    j, i = np.nonzero(inside(a))
    depth = a.depth[j, i]
    local = ((i + 0.5 - cx) / focal * depth, -(j + 0.5 - cy) / focal * depth, -depth)
    world = a.matrix @ np.stack((*local, np.ones_like(depth)))
    x, y, z, _ = np.linalg.inv(b.matrix) @ world
    column, row = focal * x / -z + cx - 0.5, -focal * y / -z + cy - 0.5
    seen = (column >= 0) & (column < width - 1) & (row >= 0) & (row < height - 1)
    seen[seen] = inside(b)[np.rint(row[seen]).astype(int), np.rint(column[seen]).astype(int)]
    i, j, column, row, z = (values[seen] for values in (i, j, column, row, z))
    apart = bilinear(b.depth, column, row) + z
    colours = np.abs(bilinear(b.rgb, column, row) - a.rgb[j, i]).mean(axis=1)
    same = np.abs(apart) < 0.05
    return colours[same] * 255, np.abs(apart[same])


def measured(home: Path, shift: float) -> tuple[float, float, float, int]:
    """Median and mean difference of colour (of 255), mean difference of depth, and of how many."""
    document, views = read_views(home)
    pairs = [reprojected(document, a, b, shift) for a, b in permutations(views, 2)]
    colours, depths = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return float(np.median(colours)), float(colours.mean()), float(depths.mean()), len(colours)


def test_one_views_depth_lands_in_another_view(run: Run, tmp_path: Path) -> None:
    """From above, a turn of the camera turns the picture: half a pixel shows up twice.

    The views are 10° to 14° apart. On views side by side, which both shift the same way, half a
    pixel would cancel.
    """
    run("dataset", "--n", 1, "--views", 4, "--seed", 3, "--size", 96,
        "--cameras", "orbit", "--elevation", 83)  # fmt: skip
    home = tmp_path / "dataset" / "train" / "000000"
    document = json.loads((home / "transforms.json").read_text())
    assert (document["cx"], document["cy"]) == (48.5, 48.5)
    found = {shift: measured(home, shift) for shift in (0.0, 0.25, 0.5, 0.75, 1.0)}
    for shift, (median, mean, depth, count) in found.items():
        print(f"cx = W/2 + {shift}: {count} points, colours median {median:.2f}, mean {mean:.2f} "
              f"of 255, depths {depth:.4f}")  # fmt: skip
    median, mean, depth, count = found[document["cx"] - 48]
    assert count > 10_000
    assert median < 4
    assert mean < 7
    assert depth < 0.012
    for other in (found[0.0], found[1.0]):
        assert other[1] > 1.2 * mean
        assert other[2] > 1.2 * depth
    for at in range(3):
        assert min(found, key=lambda shift: found[shift][at]) == 0.5


def test_one_views_depth_lands_beside_it(run: Run, tmp_path: Path) -> None:
    run("dataset", "--n", 1, "--views", 3, "--seed", 3, "--size", 96, "--background", "#3060a0",
        "--cameras", "orbit", "--elevation", "25", "--azimuth", "20:44")  # fmt: skip
    median, mean, depth, count = measured(tmp_path / "dataset" / "train" / "000000", 0.5)
    print(f"{count} points: median {median:.2f}, mean {mean:.2f} of 255; depth {depth:.4f}")
    assert count > 2000
    assert median < 4
    assert depth < 0.02


@pytest.mark.parametrize("out", ["-", "a.tar", "a.mp4"])
def test_a_data_set_is_a_folder(run: Run, tmp_path: Path, out: str) -> None:
    result = run("dataset", *CARS, "--n", "1", "--views", "1", "--out", out, code=2)
    assert f"--out {out}: a data set is a folder" in result.stderr
    assert not (tmp_path / out).exists()
