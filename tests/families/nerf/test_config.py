"""Configurations in configargparse's form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graf_cli.errors import ManifestError
from graf_cli.families.nerf.config import network_of, parse, read_config
from graf_cli.families.nerf.spec import NetworkSpec
from graf_cli.scene.llff import placed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.txt"


def table(cameras: int = 5) -> np.ndarray:
    """A poses_bounds.npy of cameras that look along −z, a little apart."""
    rows = np.zeros((cameras, 17))
    block = rows[:, :15].reshape(-1, 3, 5)
    block[:, :, 0], block[:, :, 1], block[:, :, 2] = [0, -1, 0], [1, 0, 0], [0, 0, 1]
    block[:, 0, 3] = np.linspace(-1, 1, cameras)
    block[:, :, 4] = [3024, 4032, 3200]
    rows[:, 15], rows[:, 16] = 4.0, 40.0
    return rows


def test_what_is_missing_takes_the_release_s_defaults(path: Path) -> None:
    path.write_text("")
    assert network_of(parse(path)) == NetworkSpec()


def test_the_forms_of_a_line(path: Path) -> None:
    path.write_text(
        "# of a training\nuse_viewdirs\nnetwidth: 64\n--N_samples = 32  # along a ray\n"
        "lindisp = True\nno_ndc=False\nmultires 6\nN_importance = None\nexpname = 'a b'\n"
    )
    config = parse(path)
    assert (config.use_viewdirs, config.lindisp, config.no_ndc) == (True, True, False)
    assert (config.netwidth, config.N_samples, config.multires, config.N_importance) == (
        64, 32, 6, 0,
    )  # fmt: skip


def test_a_blender_scene_has_the_release_s_cameras(path: Path) -> None:
    path.write_text("dataset_type = blender\nhalf_res = True\nwhite_bkgd = True\n")
    spec = read_config(path, "lego")
    assert (spec.size, spec.background, spec.family) == (400, "white", "nerf")
    assert (spec.camera.near, spec.camera.far, spec.camera.radius) == (2, 6, (4, 4))
    assert spec.camera.fov == pytest.approx(39.597752)


def test_a_forward_facing_scene_needs_its_data(path: Path) -> None:
    path.write_text("dataset_type = llff\n")
    with pytest.raises(ManifestError, match=r"poses_bounds.npy beside it\.$"):
        read_config(path, "fern")
    np.save(path.with_name("poses_bounds.npy"), table())
    spec = read_config(path, "fern")
    assert (spec.size, spec.height) == (504, 378)
    assert (spec.camera.near, spec.camera.far) == (0, 1)
    assert spec.settings.front.x == pytest.approx(2 * 400 / 504)
    path.write_text("dataset_type = llff\nno_ndc = True\n")
    spec = read_config(path, "fern")
    assert spec.settings.front is None
    assert (spec.camera.near, spec.camera.far) == pytest.approx((1.2, 40 / 3))


def test_cameras_are_recentred_or_on_a_sphere() -> None:
    poses = placed(table(), "recentred").poses
    np.testing.assert_allclose(poses[:, :, :3], np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(poses[:, :, 3].mean(0), 0, atol=1e-12)
    around = table()
    for row, angle in zip(around, np.linspace(-0.5, 0.5, 5), strict=True):
        block = row[:15].reshape(3, 5)
        right, back = [np.cos(angle), 0, -np.sin(angle)], [np.sin(angle), 0, np.cos(angle)]
        block[:, 1], block[:, 2], block[:, 3] = right, back, 3 * np.array(back)
    poses = placed(around, "spherified").poses
    np.testing.assert_allclose(np.linalg.norm(poses[:, :, 3], axis=1), 1, atol=1e-9)
    # All look at the middle, which is the origin now.
    np.testing.assert_allclose(poses[:, :, 2], poses[:, :, 3], atol=1e-9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("netwidth = wide", "`netwidth`"),
        ("dataset_type = deepvoxels", "only its data"),
        ("= 3", "line 1 is not"),
        ("i_embed = 2", "`i_embed`"),
    ],
)
def test_what_cannot_be_meant_is_told(path: Path, text: str, said: str) -> None:
    path.write_text(text)
    with pytest.raises(ManifestError, match=said) as caught:
        read_config(path, "mine")
    assert str(path) in str(caught.value)


def test_an_unknown_key_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_text("N_sampels = 3\nexpname = lego\n")
    parse(path)
    [record] = [record for record in caplog.records if record.name == "graf"]
    assert "`N_sampels` (nearest is `N_samples`)" in record.getMessage()
