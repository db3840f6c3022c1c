"""The table of families: a name, and where its parts are; nothing is imported before it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from msgspec import Struct

from graf_cli.errors import ManifestError
from graf_cli.scene.features import Features

if TYPE_CHECKING:
    from graf_cli.families.contract import Family
    from graf_cli.scene.codes import Subject
    from graf_cli.scene.placed import OrientedBox

FAMILIES = ("graf", "nerf", "pigan", "giraffe", "eg3d")


class FamilySpec(Protocol):
    """The light half of a family, which needs no tensors."""

    Spec: type[Struct]
    features: Callable[[Any], Features]
    FIRST: Mapping[str, tuple[str, ...]]  # settings of graf 0.1.0; none of later families


def spec_of(name: str) -> FamilySpec:
    """What a family has to know of a model, and what it offers.

    Raises
    ------
    ManifestError
        When there is no such family.
    """
    if name not in FAMILIES:
        raise ManifestError(f"There is no family `{name}`; there are {', '.join(FAMILIES)}.")
    return cast(FamilySpec, import_module(f"graf_cli.families.{name}.spec"))


def placed_of(name: str, settings: Struct, subject: Subject) -> tuple[OrientedBox, ...]:
    """The objects of a scene in their boxes; none where a family's scenes are of one object."""
    from graf_cli.families.contract import Placing  # noqa: PLC0415 - it imports torch

    family = family_of(name)
    return family.placed(settings, subject) if isinstance(family, Placing) else ()


def family_of(name: str) -> Family[Any]:
    """The family of a name. Raises as `spec_of`."""
    spec_of(name)
    return cast("Family[Any]", import_module(f"graf_cli.families.{name}.family").FAMILY)
