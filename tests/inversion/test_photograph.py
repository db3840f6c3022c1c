"""Photographs are read without surprise, and refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from graf_cli.errors import UsageError
from graf_cli.inversion.asking import photographs_of
from graf_cli.inversion.photograph import common_size, photograph_of


def test_files_and_arrays_are_the_same_photograph(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(numbers).save(tmp_path / "a.png")
    file, array = photograph_of(tmp_path / "a.png"), photograph_of(numbers)
    assert file.size == (8, 6)
    assert file.mask is None
    assert torch.equal(file.rgb, array.rgb)
    assert torch.equal(array.rgb, photograph_of(numbers.astype(np.float32) / 255).rgb)


def test_transparency_and_a_mask_both_count(tmp_path: Path) -> None:
    numbers = np.full((2, 2, 4), 255, dtype=np.uint8)
    numbers[0, 0, 3] = 0
    Image.fromarray(numbers).save(tmp_path / "a.png")
    mask = np.array([[1.0, 1.0], [0.0, 1.0]])
    made = photograph_of(tmp_path / "a.png", mask)
    assert made.mask is not None
    assert made.mask.tolist() == [[0, 1], [0, 1]]
    opaque = np.full((2, 2, 4), 255, dtype=np.uint8)
    assert photograph_of(opaque).mask is None


def test_a_camera_that_was_turned_is_turned_back(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((2, 4, 3), dtype=np.uint8))
    turned = image.getexif()
    turned[0x0112] = 6  # a quarter turn
    image.save(tmp_path / "a.jpg", exif=turned)
    assert photograph_of(tmp_path / "a.jpg").size == (2, 4)


def test_smaller_pixels_are_means_and_take_no_colour_from_beside_the_object() -> None:
    rgb = np.zeros((2, 2, 3), dtype=np.float32)
    rgb[0, 0] = 0.8
    assert float(photograph_of(rgb).resized(1, 1).rgb.mean()) == pytest.approx(0.2)
    mask = np.array([[1.0, 0.0], [0.0, 0.0]])
    small = photograph_of(rgb, mask).resized(1, 1)
    assert small.rgb.flatten().tolist() == pytest.approx([0.8] * 3)
    assert small.mask is not None
    assert float(small.mask) == pytest.approx(0.25)
    assert photograph_of(rgb).resized(5, 4).size == (5, 4)


def test_what_is_no_photograph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("no picture")
    for image in (tmp_path / "words.png", tmp_path / "missing.png"):
        with pytest.raises(UsageError, match="cannot be read as a picture"):
            photograph_of(image)
    with pytest.raises(UsageError, match="give H × W × 3"):
        photograph_of(np.zeros(3))
    with pytest.raises(UsageError, match="has 1 channels"):
        photograph_of(np.zeros((2, 2)))
    for numbers in (np.full((2, 2, 3), 2.0), np.full((2, 2, 3), np.nan)):
        with pytest.raises(UsageError, match=r"outside of \[0, 1\]"):
            photograph_of(numbers)
    with pytest.raises(UsageError, match="is of 3x3 and its photograph of 2x2"):
        photograph_of(np.zeros((2, 2, 3)), np.ones((3, 3)))
    with pytest.raises(UsageError, match="its mask is empty"):
        photograph_of(np.zeros((2, 2, 3)), np.zeros((2, 2)))


def test_masks_belong_to_photographs_one_each() -> None:
    image = np.zeros((2, 2, 3))
    assert len(photographs_of([image, image], [np.ones((2, 2)), np.ones((2, 2))])) == 2
    with pytest.raises(UsageError, match="given 1 times for 2 photographs"):
        photographs_of([image, image], [np.ones((2, 2))])
    with pytest.raises(UsageError, match="There is no `image`"):
        photographs_of([])


def test_several_photographs_are_compared_at_one_size() -> None:
    wide, small = (photograph_of(np.zeros(shape)) for shape in ((60, 90, 3), (20, 30, 3)))
    assert common_size((wide, small), 45) == (45, 30)
    with pytest.raises(UsageError, match="crop them alike"):
        common_size((wide, photograph_of(np.zeros((30, 30, 3)))), 45)
