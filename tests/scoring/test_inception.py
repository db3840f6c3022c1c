"""Features come from the user's network, and pictures to it as they are."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from graf_cli.errors import CheckpointError, UsageError
from graf_cli.scoring.inception import BATCH, Inception
from graf_cli.scoring.sets import common_size, drawn, pictures_of, read_pictures, samples_of
from tests.conftest import small_generator

CPU = torch.device("cpu")


class Means(nn.Module):
    """Stands in for Inception: mean colours, and something else unless it is asked for features."""

    def forward(self, images: Tensor, return_features: bool = False) -> Tensor:
        assert images.dtype == torch.uint8
        means = images.to(torch.float32).mean(dim=(2, 3))
        return means if return_features else means[:, :1]


class Pixels(nn.Module):
    """Does not return rows."""

    def forward(self, images: Tensor) -> Tensor:
        return images


def saved(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(path)  # type: ignore[no-untyped-call]
    return path


def test_features_are_one_row_a_picture(tmp_path: Path) -> None:
    network = Inception(saved(Means(), tmp_path / "means.pt"), CPU)
    pictures = np.random.default_rng(0).integers(0, 256, (BATCH + 3, 4, 5, 3), dtype=np.uint8)
    found = network.features(iter(pictures))
    assert found.shape == (BATCH + 3, 3)
    assert np.allclose(found, pictures.mean(axis=(1, 2)), atol=1e-4)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "words.pt").write_text("no network")
    with pytest.raises(CheckpointError, match="is not a TorchScript network"):
        Inception(tmp_path / "words.pt", CPU)
    network = Inception(saved(Pixels(), tmp_path / "pixels.pt"), CPU)
    with pytest.raises(CheckpointError, match="does not make one row of numbers"):
        network.features([np.zeros((4, 4, 3), dtype=np.uint8)])


def test_pictures_of_a_folder_are_found_and_scaled(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    picture = np.zeros((4, 8, 3), dtype=np.uint8)
    picture[:, 2:6] = 200  # the middle, which is kept
    Image.fromarray(picture).save(tmp_path / "b.png")
    Image.fromarray(picture[:, 2:6]).save(tmp_path / "below" / "a.jpg")
    (tmp_path / "words.txt").write_text("words")
    paths = pictures_of(tmp_path)
    assert [path.name for path in paths] == ["b.png", "a.jpg"]
    found = [*read_pictures(paths, (4, 4))]
    assert [one.shape for one in found] == [(4, 4, 3)] * 2
    assert (found[0] == 200).all()
    with pytest.raises(UsageError, match="2 sizes"):
        common_size(paths)
    with pytest.raises(UsageError, match="holds no pictures"):
        pictures_of(tmp_path / "none")
    (tmp_path / "c.png").write_text("words")
    with pytest.raises(UsageError, match="cannot be read as a picture"):
        list(read_pictures([tmp_path / "c.png"], (4, 4)))


def test_generated_pictures_are_those_of_graf_sample() -> None:
    generator = small_generator()
    recipe = samples_of(generator, 2, 3, size=8)
    found = [*drawn(generator, recipe)]
    assert [one.shape for one in found] == [(8, 8, 3)] * 2
    assert found[0].dtype == np.uint8
    with pytest.raises(UsageError, match="have a `background`"):
        samples_of(generator, 2, 3, background="transparent")
