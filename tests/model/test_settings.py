"""The digest of a model's settings: what it was in 0.1.0, whatever is added to a specification."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import fields, replace

from graf_cli.errors import RecipeError
from graf_cli.families.graf import spec as graf
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.model.settings import FIRST, digest_of
from graf_cli.recipe import Recipe, check_model, from_json, model_ref
from graf_cli.request import sweep
from graf_cli.scene.spec import About, CameraSpec, ModelSpec
from tests.conftest import small_spec

SPEC = small_spec()
OWN: graf.Spec = SPEC.settings
DIGEST = "aa9e0c090f5070a0d922b76d0b73dd00440e2beabe3ec35f5123100cfcb87b8c"  # by 0.1.0


class Distortion(Struct, frozen=True, kw_only=True):
    k1: float = 0.0
    k2: float = 0.0


class LaterCamera(CameraSpec, frozen=True, kw_only=True):
    mirror: bool = False
    distortion: Distortion | None = None


class LaterNetwork(NetworkSpec, frozen=True, kw_only=True):
    activation: str = "relu"
    skips: list[int] = msgspec.field(default_factory=lambda: [4])


class LaterLatent(LatentSpec, frozen=True, kw_only=True):
    clamp: float = 0.0


class LaterModel(ModelSpec, frozen=True, kw_only=True):
    """A specification of a version to come."""

    exposure: float = 1.0


def later(part: type[Struct], value: Struct, **options: object) -> Any:
    """The same settings in a later version's struct, with some of what it has more."""
    return part(**{field.name: getattr(value, field.name) for field in fields(value)}, **options)


def later_spec(**options: dict[str, object]) -> LaterModel:
    """The small model in a later version, given the new settings of each part."""
    camera = later(LaterCamera, SPEC.camera, **options.get("camera", {}))
    own = SPEC.settings
    settings = graf.Spec(
        network=later(LaterNetwork, own.network, **options.get("network", {})),
        latent=later(LaterLatent, own.latent, **options.get("latent", {})),
    )
    today = replace(SPEC, camera=camera, settings=settings)
    spec: LaterModel = later(LaterModel, today, **options.get("model", {}))
    return spec


OLD = sweep(model_ref(SPEC, "0" * 64), SPEC)
NEW_SETTINGS: list[dict[str, dict[str, object]]] = [
    {"camera": {"mirror": True}},
    {"camera": {"distortion": Distortion()}},
    {"camera": {"distortion": Distortion(k2=0.1)}},
    {"network": {"activation": "softplus"}},
    {"network": {"skips": [2, 4]}},
    {"latent": {"clamp": 2.0}},
    {"model": {"exposure": 2.0}},
    {"camera": {"mirror": True}, "latent": {"clamp": 2.0}},
]


def test_what_0_1_0_wrote() -> None:
    """A number more in a table of tests/past, for a model that is nowhere else."""
    assert digest_of(SPEC) == DIGEST


def test_later_settings_at_their_defaults_are_left_out() -> None:
    assert digest_of(later_spec()) == DIGEST
    check_model(OLD, model_ref(later_spec(), "0" * 64))


def test_nor_does_it_matter_where_a_field_is_put() -> None:
    """Only the names and the order of 0.1.0 count, not those of the struct."""
    moved = msgspec.defstruct(
        "Moved",
        [("mirror", bool, False), *((f, Any) for f in reversed(FIRST["camera"]))],
        frozen=True,
        kw_only=True,
    )
    camera = moved(**{key: getattr(SPEC.camera, key) for key in FIRST["camera"]})
    assert digest_of(replace(SPEC, camera=camera)) == DIGEST


@pytest.mark.parametrize("options", NEW_SETTINGS)
def test_a_later_setting_that_is_used_refuses_the_old_recipe(
    options: dict[str, dict[str, object]],
) -> None:
    ref = model_ref(later_spec(**options), "0" * 64)
    assert ref.settings.startswith("2:")
    with pytest.raises(RecipeError, match="other settings"):
        check_model(OLD, ref)
    recipe = sweep(ref, SPEC)
    again = from_json(recipe.to_json())
    assert again == recipe
    check_model(again, ref)


def test_later_settings_are_told_apart() -> None:
    digests = {digest_of(later_spec(**options)) for options in NEW_SETTINGS}
    assert len(digests) == len(NEW_SETTINGS)


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 9},
        {"background": "black"},
        {"camera": replace(SPEC.camera, far=6.5)},
        {"camera": replace(SPEC.camera, orthographic=True)},
        {"settings": replace(OWN, network=replace(OWN.network, multires=4))},
        {"settings": replace(OWN, network=replace(OWN.network, importance=8))},
        {"settings": replace(OWN, latent=replace(OWN.latent, prior="uniform"))},
    ],
)
def test_an_old_setting_that_differs_refuses(changed: dict[str, Any]) -> None:
    spec = replace(SPEC, **changed)
    assert digest_of(spec) != DIGEST
    with pytest.raises(RecipeError, match="other settings"):
        check_model(OLD, model_ref(spec, "0" * 64))


def test_what_draws_nothing_is_left_out() -> None:
    spec = replace(SPEC, name="another", about=About(title="What it shows."))
    assert digest_of(spec) == DIGEST


def test_a_digest_of_a_version_to_come_is_read_and_refused() -> None:
    settings = f"3:{'a' * 64}"
    text = OLD.to_json().replace(OLD.model.settings, settings)
    recipe: Recipe = from_json(text)
    with pytest.raises(RecipeError, match="newer graf"):
        check_model(recipe, OLD.model)


@pytest.mark.parametrize("settings", ["2:", "a" * 63, f":{'a' * 64}", f"0:{'a' * 64}", "2" * 65])
def test_what_is_no_digest(settings: str) -> None:
    with pytest.raises(RecipeError, match="settings"):
        from_json(OLD.to_json().replace(OLD.model.settings, settings))
