"""A network of the user's has a say in what looks alike."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from graf_cli.errors import CheckpointError
from graf_cli.inversion.asking import photographs_of, problem_of
from graf_cli.inversion.perceptual import Perceptual
from graf_cli.inversion.plan import Plan
from graf_cli.inversion.refine import Round, Step
from graf_cli.inversion.run import asked_by
from tests.inversion.objects import PLAN, eggs
from tests.inversion.test_tracing import candidate

CPU = torch.device("cpu")


class Reds(nn.Module):
    """Mean red, and nothing at all unless it is asked for LPIPS."""

    def forward(self, img: Tensor, return_lpips: bool = False) -> Tensor:
        means = img.mean(dim=(2, 3)) / 255
        return means[:, :1] if return_lpips else means[:, :0]


def saved(path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Reds()).save(str(path))  # type: ignore[no-untyped-call]
    return path


def test_distances_have_gradients(tmp_path: Path) -> None:
    network = Perceptual(saved(tmp_path / "reds.pt"), CPU)
    white = torch.ones((4, 4, 3), device="cpu", dtype=torch.float32)
    grey = (0.5 * white).requires_grad_()
    distance = network.distance(grey, white)
    distance.backward()  # type: ignore[no-untyped-call]
    assert float(distance.detach()) == pytest.approx(0.25)
    assert grey.grad is not None
    assert float(grey.grad[..., 0].sum()) == pytest.approx(-1)
    assert not grey.grad[..., 1:].any()


def test_it_counts_and_is_part_of_what_is_asked(tmp_path: Path) -> None:
    generator, told = eggs(), {"size": (8, 8), "samples": 8}
    black = photographs_of(np.zeros((8, 8, 3)))
    losses = []
    problems = [
        problem_of(generator, black, told, perceptual=path)
        for path in (None, saved(tmp_path / "reds.pt"))
    ]
    for problem in problems:
        steps: list[Step] = []
        Round(problem, candidate(problem), PLAN.stages[1], steps.append).run()
        losses.append(steps[0].loss)
    assert losses[1] > losses[0] + 1e-4
    assert asked_by(problems[0], Plan(), 0) != asked_by(problems[1], Plan(), 0)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(b"no network")
    with pytest.raises(CheckpointError, match="is not a TorchScript network"):
        Perceptual(tmp_path / "a.pt", CPU)
