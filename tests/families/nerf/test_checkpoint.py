"""What nerf-pytorch saves becomes networks, every tensor checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from graf_cli.errors import CheckpointError, ManifestError
from graf_cli.families.nerf.checkpoint import adopt, recognises
from graf_cli.families.nerf.network import NerfField
from graf_cli.families.nerf.spec import NetworkSpec, Spec
from graf_cli.model.checkpoint import open_checkpoint, write_checkpoint
from tests.families.nerf.conftest import CASES

FIVE = NetworkSpec(width=8, width_fine=12, importance=4, multires=2)
VIEWS = NetworkSpec(width=8, use_viewdirs=True, multires=2)


def saved(spec: NetworkSpec) -> dict[str, Any]:
    """As training saves it."""

    def state(*, fine: bool) -> dict[str, Tensor]:
        field = NerfField(spec, fine=fine, device="cpu", dtype=torch.float32)
        tensors = dict(field.state_dict())
        if not spec.use_viewdirs:
            width = spec.width_fine if fine else spec.width
            shapes = {"weight": (width // 2, width), "bias": (width // 2,)}
            for kind, shape in shapes.items():
                unused = torch.zeros(shape, device="cpu", dtype=torch.float32)
                tensors[f"views_linears.0.{kind}"] = unused
        return tensors

    content: dict[str, Any] = {"global_step": 1, "network_fn_state_dict": state(fine=False)}
    if spec.importance:
        content["network_fine_state_dict"] = state(fine=True)
    return content


def test_a_fifth_output_and_unused_layers_are_expected() -> None:
    found = adopt(Path("a.tar"), Spec(network=FIVE), saved(FIVE))
    assert found["coarse"]["output_linear.weight"].shape == (5, 8)
    assert found["fine"]["output_linear.weight"].shape == (5, 12)
    assert not any(name.startswith("views_linears") for name in found["fine"])


@pytest.mark.parametrize("spec", [FIVE, VIEWS])
def test_it_is_known_by_its_names(spec: NetworkSpec) -> None:
    assert recognises(saved(spec))
    assert not recognises({"generator_test": {}})


@pytest.mark.parametrize(
    ("spec", "change", "said"),
    [
        (VIEWS, {"rgb_linear.bias": None}, "no tensor `coarse.rgb_linear.bias`"),
        (VIEWS, {"more": torch.zeros(1)}, "`coarse.more` too many"),
        (FIVE, {"views_linears.0.bias": torch.zeros(3)}, r"has shape \(3,\) instead of \(4,\)"),
        (VIEWS, {"alpha_linear.bias": torch.full((1,), torch.nan)}, "NaN or infinite"),
        (VIEWS, {"alpha_linear.bias": 3}, "not a tensor of floating-point"),
    ],
)
def test_every_tensor_is_checked(spec: NetworkSpec, change: dict[str, Any], said: str) -> None:
    content = saved(spec)
    for name, value in change.items():
        content["network_fn_state_dict"].pop(name, None)
        if value is not None:
            content["network_fn_state_dict"][name] = value
    with pytest.raises(CheckpointError, match=said):
        adopt(Path("a.tar"), Spec(network=spec), content)


def test_passes_are_as_configured() -> None:
    with pytest.raises(CheckpointError, match="holds no network of a second pass"):
        adopt(Path("a.tar"), Spec(network=FIVE), {**saved(FIVE), "network_fine_state_dict": None})
    with pytest.raises(CheckpointError, match="holds a network of a second pass"):
        adopt(Path("a.tar"), Spec(network=NetworkSpec(width=8, multires=2)), saved(FIVE))


def test_it_is_converted_and_needs_no_configuration(tmp_path: Path) -> None:
    spec, networks = open_checkpoint(CASES / "lego.tar", CASES / "lego.txt")
    path = tmp_path / "lego.safetensors"
    write_checkpoint(path, spec, networks, torch.float32)
    again, found = open_checkpoint(path)
    assert again == spec
    torch.testing.assert_close(found, networks, rtol=0, atol=0)
    with pytest.raises(ManifestError, match="sections data, nerf and z_dist"):
        open_checkpoint(CASES / "lego.tar", CASES / "lego.txt", "graf")
