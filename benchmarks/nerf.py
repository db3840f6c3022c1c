"""A NeRF by the plain marcher and by the fast path.

    python -m benchmarks.nerf [--size 64] [--threads 2] [--seed 3] [--device cpu]

The scene is a car of the built-in GRAF: with its codes fixed, their products are biases, and what
is left is NeRF's network at its full size. Both passes have it, with 64 + 128 samples.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from benchmarks.passes import measure
from benchmarks.render import ASSET
from graf_cli.families.graf.scene import as_network
from graf_cli.families.nerf.family import FAMILY
from graf_cli.families.nerf.spec import NetworkSpec, Spec
from graf_cli.model.device import pick_device
from graf_cli.model.generator import Generator, load_checkpoint
from graf_cli.scene.codes import draw
from graf_cli.scene.spec import ModelSpec

SAMPLES, IMPORTANCE = 64, 128  # of the release's full scenes


def folded(weight: Tensor, bias: Tensor, at: int, code: Tensor) -> tuple[Tensor, Tensor]:
    """A layer without the inputs from `at` on that take a code, its bias with their products."""
    end = at + len(code)
    return torch.cat((weight[:, :at], weight[:, end:]), dim=1), bias + weight[:, at:end] @ code.to(
        device=bias.device
    )


def nerf(graf: Generator, seed: int) -> Generator:
    """One object of a GRAF as a NeRF."""
    field, codes = as_network(graf.network).coarse, draw(graf.features, seed)
    state = {name: one.detach() for name, one in field.state_dict().items()}
    entry = state["pts_linears.0.weight"].shape[1] - len(codes["shape"])
    view = state["views_linears.0.weight"].shape[1] - len(codes["appearance"])
    for layer, at, code in (
        ("pts_linears.0", entry, "shape"),
        ("pts_linears.5", entry, "shape"),  # which sees the input again, in front of its features
        ("views_linears.0", view, "appearance"),
    ):
        weight, bias = f"{layer}.weight", f"{layer}.bias"
        state[weight], state[bias] = folded(state[weight], state[bias], at, codes[code])
    network = NetworkSpec(use_viewdirs=True, samples=SAMPLES, importance=IMPORTANCE)
    spec = Spec(network=network)
    weights = {"coarse": state, "fine": state}
    about = ModelSpec(
        name="nerf", family="nerf", size=graf.spec.size, camera=graf.spec.camera,
        background=graf.spec.background, settings=spec,
    )  # fmt: skip
    return Generator(
        about, "0" * 64, FAMILY.network(spec, weights, device=graf.device), graf.device
    )


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nerf", description=__doc__)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(f"{given.size}², {given.threads} thread(s), float32, {SAMPLES} + {IMPORTANCE} samples")
    graf = load_checkpoint(ASSET, None, pick_device(given.device))
    measure("nerf", nerf(graf, given.seed), given.size)


if __name__ == "__main__":
    main()
