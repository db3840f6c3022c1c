"""What a NeRF is: sizes of its networks and the space that they see, before a weight is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta, Struct

from graf_cli.scene.features import MARCHED, Features
from graf_cli.scene.spec import Count, CountOrNone, Depth, Octaves, Positive, Width

SKIP_LAYER = 4  # the trunk sees its input again after this layer, counted from 0
Length = Annotated[float, Meta(ge=0, le=1e6)]


class NetworkSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sizes of the networks (NeRF, appendix A) and samples along a ray."""

    depth: Depth = 8  # linear layers of the density trunk
    width: Width = 256
    depth_fine: Depth = 8  # the same, of the second pass
    width_fine: Width = 256
    encode: bool = True  # positional encoding; False feeds plain coordinates
    multires: Octaves = 10  # octaves of a point
    multires_views: Octaves = 4  # octaves of a direction
    use_viewdirs: bool = False
    samples: Count = 64  # along a ray
    importance: CountOrNone = 0  # further samples, of a second network

    def __post_init__(self) -> None:
        if SKIP_LAYER + 1 in (self.depth, self.depth_fine):
            raise ValueError("a trunk of 5 layers would end in its skip connection; use 4 or 6")


class Spiral(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A path in front of a forward-facing scene, around the average of its cameras."""

    radii: tuple[Length, Length, Length]  # right, up and back, world units
    focus: Positive  # how far ahead the cameras look


class Front(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Normalised device coordinates of a forward-facing scene (NeRF, appendix C)."""

    x: Positive  # 2 f / W of the cameras that it was trained with
    y: Positive  # 2 f / H
    path: Spiral


class Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the family has to know beside what all models have."""

    network: NetworkSpec = NetworkSpec()
    disparity: bool = False  # whether samples are even in 1 / depth
    front: Front | None = None  # None is a scene in world coordinates
    spherified: bool = False  # how an LLFF scene's cameras were placed; of no effect on others
    llff: bool = False


FIRST: Mapping[str, tuple[str, ...]] = {}  # graf 0.1.0 knew no such models


def features(spec: Spec) -> Features:
    """No codes; cameras on a sphere, or in front of the scene."""
    network = spec.network
    return Features(
        shows=MARCHED if spec.front is None else MARCHED - {"normal"},
        samples=network.samples,
        further=network.importance,
        fast=True,
        cameras="sphere" if spec.front is None else "front",
        spiral=None if spec.front is None else (*spec.front.path.radii, spec.front.path.focus),
        llff=("spherified" if spec.spherified else "recentred") if spec.llff else "as stored",
    )
