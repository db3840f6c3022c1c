"""What is shown of a frame: colours of depth, transparency, normals, side by side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.output.encode.colours import coloured, helix, table
from graf_cli.output.encode.pixels import pixels, surface
from graf_cli.output.formats import has_alpha, size_of
from graf_cli.recipe import Kind
from tests.output.frames import frame_of, normal_of, recipe_of


def test_the_colour_map_is_even() -> None:
    steps = np.linalg.norm(np.diff(helix(), axis=0), axis=1)
    assert steps.min() / steps.max() > 0.9
    grey = table() @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(grey) > 0).all()
    assert table().min() >= 0
    assert table().max() <= 1


def test_the_colour_map_lies_within_the_colours_of_a_screen() -> None:
    """What had been clipped would not come back as its own lightness."""
    linear = np.where(table() <= 0.04045, table() / 12.92, ((table() + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    assert np.abs(np.cbrt(luminance) - helix()[:, 0]).max() < 0.12
    assert ((linear > 1e-4) & (linear < 1 - 1e-4)).all(axis=1).mean() > 0.95


def test_beyond_the_scale_the_ends_hold() -> None:
    found = coloured(np.array([[-3, 0, 1, 7, np.nan]], dtype=np.float32))
    assert np.array_equal(found[0, 0], found[0, 1])
    assert np.array_equal(found[0, 2], found[0, 3])
    assert np.isfinite(found).all()


@given(st.integers(0, 255), st.floats(0, 1), st.floats(0, 1))
def test_straight_alpha_on_white_and_black(behind: int, colour: float, opacity: float) -> None:
    recipe = recipe_of(
        1, size=1, show=("rgba",), background=f"#{behind:02x}{behind:02x}{behind:02x}"
    )
    frame = frame_of(recipe)
    on_black = colour * opacity
    frame.rgb[:] = on_black + (1 - opacity) * behind / 255
    frame.opacity[:] = opacity
    found = pixels(frame, recipe)[0, 0].astype(float)
    alpha = found[3] / 255
    for ground in (0, 255):
        seen = found[:3] * alpha + ground * (1 - alpha)
        assert np.abs(seen - 255 * (on_black + (1 - opacity) * ground / 255)).max() <= 1.01


def test_one_scale_for_the_whole_job() -> None:
    recipe = recipe_of(2, show=("depth",), depth_range=(2, 6))
    near, far = frame_of(recipe, 0, opaque=True), frame_of(recipe, 1, opaque=True)
    far.depth[:] = 4
    near.depth[:] = 3
    assert np.array_equal(pixels(near, recipe)[0, 0], _byte(0.75))
    assert np.array_equal(pixels(far, recipe)[0, 0], _byte(0.5))


def _byte(value: float) -> np.ndarray:
    colour = coloured(np.full((1, 1), value, np.float32))
    return np.asarray(colour[0, 0] * 255 + 0.5, dtype=np.uint8)


def test_the_scale_comes_from_the_model() -> None:
    assert recipe_of(1, show=("depth",)).depth_range == (2, 6)
    assert recipe_of(1).depth_range is None


def test_nothing_shows_the_background() -> None:
    for kind in ("depth", "disparity", "normal"):
        recipe = recipe_of(1, show=(kind,), background="#102030")
        frame = frame_of(recipe)
        frame.opacity[:] = 0
        frame.depth[:] = 0
        assert (pixels(frame, recipe) == (0x10, 0x20, 0x30)).all()
        assert (
            pixels(frame, recipe_of(1, show=(kind,), background="transparent"))[..., 3] == 0
        ).all()


def test_surface_is_depth_over_opacity() -> None:
    frame = frame_of(recipe_of())
    seen = frame.opacity > 0.01
    expected = np.broadcast_to(2 + 4 * np.linspace(0, 1, 6)[:, None], (6, 10))
    assert np.allclose(surface(frame)[seen], expected[seen], atol=1e-4)


def test_normals_in_both_frames() -> None:
    for axes in ("camera", "world"):
        recipe = recipe_of(1, show=("normal",), normals=axes)
        frame = frame_of(recipe, opaque=True)
        rotation = frame.shot.camera.pose[:, :3] if axes == "camera" else np.eye(3)
        expected = (normal_of(frame) @ rotation + 1) / 2 * 255
        assert np.abs(pixels(frame, recipe) - expected).max() <= 0.51


@pytest.mark.parametrize(
    ("show", "background", "alpha"),
    [
        (("rgb",), "white", False),
        (("rgb",), "transparent", True),
        (("rgb", "rgba"), "white", True),
        (("opacity",), "transparent", False),
        (("depth16",), "transparent", False),
        (("depth", "opacity"), "transparent", True),
    ],
)
def test_alpha_where_it_is_needed(show: tuple[Kind, ...], background: str, alpha: bool) -> None:
    recipe = recipe_of(1, show=show, background=background)
    assert has_alpha(recipe) == alpha
    if "depth16" not in show:
        width, height = size_of(recipe)
        assert pixels(frame_of(recipe), recipe).shape == (height, width, 4 if alpha else 3)


def test_side_by_side() -> None:
    recipe = recipe_of(1, show=("rgb", "depth", "opacity"))
    whole = pixels(frame_of(recipe), recipe)
    for k, kind in enumerate(recipe.show):
        alone = recipe_of(1, show=(kind,))
        assert np.array_equal(whole[:, 10 * k : 10 * k + 10], pixels(frame_of(alone), alone))
