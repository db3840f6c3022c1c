"""Every matrix product of a model, and whether its rows are their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from graf_cli.families.graf.fold import FoldedColour, FoldedDensity
from graf_cli.families.graf.scene import as_network
from graf_cli.families.graf.scene import draw_codes as draw
from graf_cli.model.generator import Generator
from graf_cli.model.manifest import builtin_manifest, read_manifest
from graf_cli.scene.kernels import Affine, Linear
from graf_cli.scene.spec import ModelSpec
from tests.conftest import small_generator

THREADS = (1, 2, 3, 4)
ROWS = (1, 2, 5, 17, 127, 513)  # few, odd, and just beside what kernels like

Layer = Callable[[Tensor], Tensor]


def networks() -> dict[str, ModelSpec]:
    """Models of the manifest whose networks differ, by name."""
    different: dict[object, ModelSpec] = {}
    for spec in read_manifest(builtin_manifest()):
        if spec.family != "graf":
            continue
        different.setdefault((spec.settings.network, spec.settings.latent), spec)
    return {spec.name: spec for spec in different.values()}


def layers(generator: Generator) -> Iterator[tuple[str, int, Layer]]:
    """Name, number of inputs and function of the products of a model, as it is and folded."""
    for name, module in as_network(generator.network).coarse.named_modules():
        if isinstance(module, Linear):
            yield name, module.in_features, module
    latent = draw(generator.spec.settings.latent, 0)
    density = FoldedDensity(as_network(generator.network).coarse, latent.shape, torch.float32)
    colour = FoldedColour(as_network(generator.network).coarse, latent.appearance, torch.float32)
    rest = {"head": density.head, "view": colour.view, "facing": colour.directions}
    folded: dict[str, Affine | None] = {**rest, "out": colour.out}
    folded |= {f"layers.{k}": affine for k, affine in enumerate(density.layers)}
    for name, affine in folded.items():
        if affine is not None:
            yield f"folded {name}", affine.weight.shape[1], affine
            yield f"folded {name} rectified", affine.weight.shape[1], affine.rectified


def gradient(layer: Layer) -> Layer:
    """What flows back through a layer, as normals are made of."""

    def back(x: Tensor) -> Tensor:
        with torch.enable_grad():
            at = x.clone().requires_grad_(True)
            [made] = torch.autograd.grad(layer(at).sum(), at)
        return made

    return back


def differing(
    layer: Layer, inputs: int, threads: Sequence[int] = THREADS, rows: Sequence[int] = ROWS
) -> list[tuple[int, int]]:
    """Numbers of threads and of rows with which a row is not what it is among others."""
    source = torch.Generator(device="cpu").manual_seed(inputs)
    x = torch.randn((2 * max(rows), inputs), generator=source, device="cpu", dtype=torch.float32)
    before, found = torch.get_num_threads(), []
    try:
        torch.set_num_threads(1)
        whole = layer(x)
        for count in threads:
            torch.set_num_threads(count)
            for some in rows:
                first, last = slice(None, some), slice(len(x) - some, None)
                same = all(torch.equal(layer(x[at]), whole[at]) for at in (first, last))
                if not same:
                    found.append((count, some))
    finally:
        torch.set_num_threads(before)
    return found


def subjects() -> Iterator[tuple[str, int, Layer]]:
    """The products of every network of the manifest."""
    for name, spec in networks().items():
        for layer, inputs, run in layers(small_generator(spec)):
            yield f"{name} {layer}", inputs, run
