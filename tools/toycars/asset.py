"""The asset: the fitted weights at half precision, with what they are."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from graf_cli.families.graf.checkpoint import COARSE
from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.spec import Spec
from graf_cli.model.checkpoint import write_checkpoint
from graf_cli.scene.spec import About, CameraSpec, ModelSpec
from tools.toycars.truth import FAR, FIELD_OF_VIEW, NEAR, RADIUS, V_RANGE

ABOUT = About(
    title="toy cars",
    source="fitted by tools/toycars of this project",
    licence="MIT",
    note=(
        "Fitted by regression to procedural shapes with 3D supervision, not adversarially from "
        "photographs; these are not the paper's weights."
    ),
)


def model_spec(field: RadianceField) -> ModelSpec:
    """Say what a fitted field is: its sizes, the released cars' camera, its origin."""
    return ModelSpec(
        name="toy-cars",
        size=128,
        camera=CameraSpec(
            near=NEAR, far=FAR, radius=(RADIUS, RADIUS), fov=FIELD_OF_VIEW, v=V_RANGE
        ),
        background="white",
        about=ABOUT,
        settings=Spec(network=field.network, latent=field.latent),
    )


def write_asset(path: Path, field: RadianceField) -> None:
    """Write a field's weights at half precision; the bytes depend on the weights alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    weights = {name: tensor.detach().cpu() for name, tensor in field.state_dict().items()}
    write_checkpoint(unfinished, model_spec(field), {COARSE: weights}, torch.float16)
    unfinished.replace(path)
