"""The digest of a model's settings: all that draws with its weights, and nothing else.

The first version of the digest tells the settings that graf 0.1.0 had, whatever their values are.
A setting that came later is told where it is not at its default, and nowhere else; the digest then
says so by the version that it begins with. So a new optional setting changes the digest of no model
that does without it: every older recipe still finds its model, every older graf still finds the
model of a new recipe, and recipes of one job stay equal. A model that does use it has a digest that
older versions refuse, as they must.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from types import MappingProxyType

import msgspec
from msgspec import Struct

from graf_cli.model.families import spec_of
from graf_cli.scene.spec import ModelSpec

# What 0.1.0 tells of a model beside its family's settings, in its order. Frozen, as all recipes
# since are held against it: a setting that is added to a specification is not added here, and one
# that goes leaves its value.
FIRST: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "camera": ("near", "far", "radius", "fov", "u", "v", "orthographic"),
    }
)
FIRST_ALONE = ("background", "size")  # the model's own, after its parts
NO_SETTINGS = frozenset({"name", "about", "weights", "settings"})  # not theirs, or no pixel's
LATEST = 2  # version of the digest of a model that has later settings


def digest_of(spec: ModelSpec) -> str:
    """The digest of a model's settings, as a Recipe holds it.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits; with ``2:`` before it when the model has a setting that
        0.1.0 did not have, and not at its default.
    """
    first = _first(spec)
    later = _later(spec)
    if not later:
        return hashlib.sha256(first).hexdigest()
    more = msgspec.json.encode(later, order="deterministic")
    return f"{LATEST}:" + hashlib.sha256(first + b"\n" + more).hexdigest()


def version_of(digest: str) -> int:
    """The version of a digest, which stands before it; none is the first.

    >>> version_of("2:" + "0" * 64), version_of("0" * 64)
    (2, 1)
    """
    version, colon, _ = digest.partition(":")
    return int(version) if colon else 1


def _first(spec: ModelSpec) -> bytes:
    """The settings of 0.1.0 as it encoded them."""
    own = spec_of(spec.family).FIRST
    told = ((spec, FIRST), (spec.settings, own))
    parts = [
        {key: getattr(getattr(of, part), key) for key in keys}
        for of, first in told
        for part, keys in first.items()
    ]
    return msgspec.json.encode([*parts, *(getattr(spec, key) for key in FIRST_ALONE)])


def _later(spec: ModelSpec) -> dict[str, object]:
    """The settings that came after 0.1.0, as far as they are not at their defaults."""
    own = spec_of(spec.family).FIRST
    told = ((spec, FIRST), (spec.settings, own))
    parts = {
        part: _changed(getattr(of, part), keys)
        for of, first in told
        for part, keys in first.items()
    }
    alone = _changed(spec, {*FIRST, *FIRST_ALONE, *NO_SETTINGS})
    alone |= _changed(spec.settings, own)
    return {key: value for key, value in {**parts, **alone}.items() if value}


def _changed(struct: Struct, besides: Collection[str]) -> dict[str, object]:
    """The fields of a struct that are not at their defaults."""
    changed = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if field.name not in besides and value != _default(field):
            changed[field.name] = _changed(value, ()) if isinstance(value, Struct) else value
    return changed


def _default(field: msgspec.structs.FieldInfo) -> object:
    """That of a field; one which has none equals no value."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
