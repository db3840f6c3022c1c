"""A model's specification as plain data, and what its family makes of it."""

from __future__ import annotations

from typing import Any

import msgspec

from graf_cli.decoding import convert
from graf_cli.model.families import spec_of
from graf_cli.scene.features import Features
from graf_cli.scene.spec import SAME_RADIUS, ModelSpec

COMMON = frozenset(ModelSpec.__struct_fields__) - {"settings"}
DEFAULT_FAMILY = "graf"


def features_of(spec: ModelSpec) -> Features:
    """What the model offers, without reading a weight."""
    return spec_of(spec.family).features(spec.settings)


def to_plain(spec: ModelSpec) -> dict[str, Any]:
    """As plain data; the family's own keys stand beside those that all models have."""
    common = {key: getattr(spec, key) for key in ModelSpec.__struct_fields__ if key != "settings"}
    if spec.family == DEFAULT_FAMILY:
        del common["family"]  # so that versions without families read it too
    if spec.height is None:
        del common["height"]
    plain: dict[str, Any] = msgspec.to_builtins(common)
    if spec.camera.steady == SAME_RADIUS:
        del plain["camera"]["steady"]
    own: dict[str, Any] = msgspec.to_builtins(spec.settings)
    return plain | own


def from_plain(plain: dict[str, Any]) -> ModelSpec:
    """The inverse of `to_plain`.

    Raises
    ------
    msgspec.ValidationError
        Naming the key.
    """
    common = {key: value for key, value in plain.items() if key in COMMON}
    own = {key: value for key, value in plain.items() if key not in COMMON}
    family = common.get("family", DEFAULT_FAMILY)
    settings = convert(own, spec_of(str(family)).Spec)
    spec = convert({**common, "settings": None}, ModelSpec)
    return msgspec.structs.replace(spec, settings=settings)
