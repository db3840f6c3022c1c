"""A family that nobody trained: three codes, spaces, controls, and a ball to see.

It shows that words and recipes need no more of a family than what its `Features` say.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from msgspec import Struct
from torch import Tensor, nn

from graf_cli import opening
from graf_cli.model import families
from graf_cli.model.generator import Generator, build, digest
from graf_cli.scene.camera import Camera
from graf_cli.scene.codes import Subject, along_line
from graf_cli.scene.features import Block, Control, Features
from graf_cli.scene.spec import CameraSpec, ModelSpec
from graf_cli.scene.volume import Quadrature, Scene

NAME = "ball"
MANIFEST = """
schema = 1
[models.ball]
family = "ball"
title = "A ball"
default_size = 8
[models.ball.camera]
near = 2.0
far = 6.0
radius = [4, 4]
fov = 40
[models.ball.files]
8 = { url = "ball.pt" }
[models.bare]
family = "ball"
codes = false
title = "A ball without codes"
default_size = 8
[models.bare.camera]
near = 2.0
far = 6.0
radius = [4, 4]
fov = 40
[models.bare.files]
8 = { url = "ball.pt" }
"""


class Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether there are codes at all."""

    codes: bool = True


def features(spec: Spec) -> Features:
    if not spec.codes:
        return Features(samples=8)
    return Features(
        blocks=(
            Block("body", 3, "legacy", "geometry"),
            Block("paint", 3, "legacy", "colour"),
            Block("room", 2, "legacy", "background"),
        ),
        spaces=("z", "w", "w+"),
        row_shapes={"w": (5,), "w+": (2, 3)},
        truncation="mean",
        truncation_default=0.5,
        controls=(
            Control("object.*.size", 0.5, 1.5, 1, "world units", "radius of a ball"),
            Control("turn", -180, 180, 0, "degrees", "of what is painted"),
            Control("lamp", 0, 1, 1, about="brightness", strict=True),
        ),
        samples=8,
        jitter=True,
    )


class Ball:
    """A ball of one colour."""

    channels = 3

    def __init__(self, subject: Subject) -> None:
        codes = {name: along_line(code) for name, code in subject.codes.items()}
        paint = codes.get("paint", torch.zeros(3, device="cpu", dtype=torch.float32))
        controls = subject.controls
        self.colour = controls.get("lamp", 1.0) * torch.exp(-paint).add(1).reciprocal()
        self.size = controls.get("object.0.size", 1.0) + 0.001 * (subject.jitter or 0)

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return points, 40 * (self.size - points.norm(dim=-1))

    def radiance(self, features: Tensor, directions: Tensor) -> Tensor:
        return self.colour.expand(len(features), 3)


class Made:
    """See `graf_cli.families.contract.Family`."""

    name = NAME

    def features(self, spec: Spec) -> Features:
        return features(spec)

    def network(self, spec: Spec, weights: Mapping[str, Any], *, device: torch.device) -> nn.Module:
        return nn.Module()

    def scene(
        self, spec: Spec, network: nn.Module, subject: Subject, *, samples: int,
        camera: Camera | None,
    ) -> Scene:  # fmt: skip
        return Scene((Ball(subject),), Quadrature(samples), subject.key, subject.key)


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have the program know the family, and two models of it."""
    package, spec, family = (ModuleType(name) for name in (NAME, "spec", "family"))
    vars(spec).update(Spec=Spec, features=features, FIRST={})
    vars(family)["FAMILY"] = Made()
    for name, module in (("", package), (".spec", spec), (".family", family)):
        monkeypatch.setitem(sys.modules, f"graf_cli.families.{NAME}{name}", module)
    monkeypatch.setattr(families, "FAMILIES", (*families.FAMILIES, NAME))
    monkeypatch.setattr(opening, "load_spec", _load)
    (folder / "ball.pt").write_bytes(b"nothing")
    (folder / "own.toml").write_text(MANIFEST)
    monkeypatch.setenv("GRAF_MANIFEST", str(folder / "own.toml"))


def _load(spec: ModelSpec, path: Path, device: torch.device) -> Generator:
    return build(spec, {}, digest(path), device)


def spec_of(*, codes: bool = True) -> ModelSpec:
    """A model of it, without a file."""
    camera = CameraSpec(near=2.0, far=6.0, radius=(4.0, 4.0), fov=40.0)
    name = "ball:8" if codes else "bare:8"
    return ModelSpec(name=name, size=8, camera=camera, family=NAME, settings=Spec(codes=codes))
