"""The network is the published one: names, shapes, and what it makes of weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from graf_cli.errors import CheckpointError
from graf_cli.scoring import network
from graf_cli.scoring.inception import Inception
from graf_cli.scoring.standard import WEIGHTS
from graf_cli.weights.cache import told_by_name

CPU = torch.device("cpu")
# In float32 95,541,568 bytes, of the 95,628,359 of the published file; the rest is names.
PARAMETERS = 23_885_392
# What pytorch-fid 0.3.0 makes of `weights` and `picture`, with torchvision 0.28.0.
GOLDEN = [1.32736, 0.0, 36.53645, 21.87338, 0.02428926]
MEAN = 6.800021


def weights(seed: int = 0) -> dict[str, Tensor]:
    """Numbers that leave features of a usual size, by NumPy's generator."""
    source, made = np.random.default_rng(seed), {}
    for name, shape in network.shapes().items():
        numbers: NDArray[Any] = source.random(tuple(shape), dtype=np.float32)
        if name.endswith("conv.weight"):  # a variance that a rectified layer hands on
            numbers = (numbers - 0.5) * math.sqrt(24 / math.prod(shape[1:]))
        elif name.endswith(("bn.weight", "running_var")):
            numbers = numbers + 0.5
        else:
            numbers = numbers / 5 - 0.1
        made[name] = torch.from_numpy(numbers.astype(np.float32))
    return made


def picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Smooth, of two sizes of waves, shape = (40, 60, 3)."""
    y, x = np.mgrid[:40, :60]
    waves = [np.sin(x / (3 + k)) * np.cos(y / (5 - k)) for k in range(3)]
    return np.round(127.5 + 127.5 * np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As PyTorch writes a state dict, with the counters of training."""
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    state = network.filled(weights(), CPU).state_dict()
    assert any(name.endswith(network.COUNTERS) for name in state)
    torch.save(state, path)
    return path


def test_tensors_are_those_of_the_published_file() -> None:
    shapes = network.shapes()
    assert len(shapes) == 94 * 5 + 2
    assert shapes["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert shapes["Mixed_5b.branch_pool.conv.weight"] == (32, 192, 1, 1)
    assert shapes["Mixed_6c.branch7x7dbl_5.conv.weight"] == (192, 160, 1, 7)
    assert shapes["Mixed_7a.branch7x7x3_4.bn.running_var"] == (192,)
    assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert shapes["fc.weight"] == (1008, 2048)
    assert sum(map(math.prod, shapes.values())) == PARAMETERS


def test_features_are_those_of_the_published_implementation(saved: Path) -> None:
    """Which, given these weights and this picture, makes the same (pytorch-fid 0.3.0)."""
    [found] = Inception(saved, CPU).features([picture()])
    assert found.shape == (network.FEATURES,)
    assert found[[0, 500, 1000, 1500, 2047]] == pytest.approx(GOLDEN, rel=1e-3)
    assert found.mean() == pytest.approx(MEAN, rel=1e-4)


def test_averages_leave_the_padding_out_and_the_last_pool_takes_the_most() -> None:
    """What tells this Inception from PyTorch's own."""
    ones = torch.ones((1, 1, 3, 3), device=CPU, dtype=torch.float32)
    made = network.Network()
    pools = [block.pool for name, block in made.named_children() if name.startswith("Mixed")]
    assert pools == [*["average"] * 3, "shrink", *["average"] * 4, "shrink", "average", "most"]
    assert torch.equal(network.pooled(ones, "average"), ones)
    assert torch.equal(network.pooled(-ones, "most"), -ones)


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(3, device=CPU, dtype=torch.float32)}, path)
    with pytest.raises(CheckpointError, match=r"no tensor `inception\.Conv2d_1a_3x3"):
        Inception(path, CPU)


def test_weights_are_read_without_trust(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"fc.bias": print}, path)
    with pytest.raises(CheckpointError, match="not safe to read"):
        Inception(path, CPU)


def test_the_digest_is_the_one_that_the_file_s_name_tells_of() -> None:
    assert WEIGHTS.sha256 is not None
    assert "begins with" in told_by_name(WEIGHTS.filename, WEIGHTS.sha256)
    assert WEIGHTS.url.endswith(WEIGHTS.filename)
