"""Tensors of an EG3D stay on its device, whose 2-D stage is painted at half precision."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from torch.nn import functional

from graf_cli.families.eg3d import scene
from graf_cli.families.eg3d.scene import Stage, make_scene
from tests.families.eg3d.conftest import Model
from tests.families.eg3d.test_scene import subject

ROOT = Path(__file__).parents[3]


def test_nothing_leaves_the_device() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.families.eg3d.on_pretended_gpu"]
    found = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert found.stdout == "fast float16\n", found.stderr


class Elsewhere:
    """A row of w that says it is on another device."""

    def __init__(self, kind: str) -> None:
        self.device = torch.device(kind)


@pytest.mark.parametrize(
    ("device", "clamp", "expected"),
    [
        ("cuda", 256.0, [torch.float16]),
        ("cuda", None, []),
        ("mps", 256.0, []),
        ("cpu", 256.0, [torch.float32]),
    ],
)
def test_the_stage_is_painted_as_the_authors_have_it_on_each_device(
    faces: Model, monkeypatch: pytest.MonkeyPatch, device: str, clamp: float | None,
    expected: list[torch.dtype],
) -> None:  # fmt: skip
    monkeypatch.setattr(scene, "scouting_dtype", lambda _: torch.float32)
    stage = make_scene(faces.spec, faces.network, subject(faces)).finish
    assert isinstance(stage, Stage)
    monkeypatch.setattr(
        stage.network, "spec", msgspec.structs.replace(faces.spec, stage_clamp=clamp)
    )
    elsewhere = Stage(stage.network, Elsewhere(device), white=False)  # type: ignore[arg-type]
    assert elsewhere.faster() == expected


def test_a_processor_with_bfloat16_paints_in_it_first(
    faces: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scene, "scouting_dtype", lambda _: torch.bfloat16)
    made = make_scene(faces.spec, faces.network, subject(faces))
    assert [one.dtype for one in made.paintings] == [torch.bfloat16, torch.float32]


def test_no_convolution_of_the_exact_picture_may_round_its_inputs(
    faces: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To TF32's 10 bits, as cuDNN does unless it is told not to."""
    allowed: list[bool] = []

    def watched(name: str) -> None:
        real = getattr(functional, name)

        def conv(*args: object, **how: object) -> object:
            allowed.append(torch.backends.cudnn.allow_tf32)
            return real(*args, **how)

        monkeypatch.setattr(functional, name, conv)

    watched("conv2d")
    watched("conv_transpose2d")
    assert torch.backends.cudnn.allow_tf32
    made = make_scene(faces.spec, faces.network, subject(faces))
    assert isinstance(made.finish, Stage)
    n = faces.spec.raster
    radiance = torch.zeros((made.passes[0].channels, n, n), device="cpu", dtype=torch.float32)
    made.finish(radiance)
    side = made.windows.side if made.windows is not None else n
    assert made.windows is not None
    made.windows.finish(radiance[:, :side, :side], 0, 0)
    assert len(allowed) > 20
    assert not any(allowed)
