"""What a GRAF is: sizes of its field and of its codes, before any weight is read."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from graf_cli.scene.features import Block, Features
from graf_cli.scene.spec import Count, CountOrNone, Depth, Octaves, Width

SKIP_LAYER = 4  # the trunk sees its input again after this layer, counted from 0


class NetworkSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sizes of the conditional radiance field (GRAF, section 3.2) and samples along a ray."""

    depth: Depth = 8  # linear layers of the density trunk
    width: Width = 256
    depth_fine: Depth = 8  # the same, of the second pass
    width_fine: Width = 256
    encode: bool = True  # positional encoding; False feeds plain coordinates
    multires: Octaves = 10  # octaves of a point
    multires_views: Octaves = 4  # octaves of a direction
    use_viewdirs: bool = True
    samples: Count = 64  # along a ray
    importance: CountOrNone = 0  # further samples of a second pass

    def __post_init__(self) -> None:
        if SKIP_LAYER + 1 in (self.depth, self.depth_fine):
            raise ValueError("a trunk of 5 layers would end in its skip connection; use 4 or 6")


class LatentSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prior and lengths of the codes: shape first, appearance last."""

    prior: Literal["gauss", "uniform"] = "gauss"  # N(0, 1) or U(-1, 1) per entry
    dim: Count = 256
    dim_appearance: CountOrNone = 128

    def __post_init__(self) -> None:
        if self.dim_appearance >= self.dim:
            raise ValueError("`dim_appearance` must be smaller than `dim`")

    @property
    def dim_shape(self) -> int:
        """Length of the shape code."""
        return self.dim - self.dim_appearance


class Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the family has to know beside what all models have."""

    network: NetworkSpec = NetworkSpec()
    latent: LatentSpec = LatentSpec()


# What graf 0.1.0 told of these settings in a model's digest, in its order: frozen, see
# `graf_cli.model.settings`.
FIRST = {
    "network": (
        "depth", "width", "depth_fine", "width_fine", "encode", "multires", "multires_views",
        "use_viewdirs", "samples", "importance",
    ),
    "latent": ("prior", "dim", "dim_appearance"),
}  # fmt: skip


def features(spec: Spec) -> Features:
    """A shape code that moves the density, and an appearance code that never does."""
    prior, latent = spec.latent.prior, spec.latent
    blocks = [Block("shape", latent.dim_shape, prior, "geometry")]
    if latent.dim_appearance:
        blocks.append(Block("appearance", latent.dim_appearance, prior, "colour"))
    return Features(
        blocks=tuple(blocks),
        truncation="scale",
        samples=spec.network.samples,
        further=spec.network.importance,
        fast=True,
    )
