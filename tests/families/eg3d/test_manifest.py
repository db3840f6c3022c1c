"""The manifest's models of EG3D are what their settings make of them."""

from __future__ import annotations

from graf_cli.families.eg3d.checkpoint import model_of
from graf_cli.families.eg3d.spec import Spec
from graf_cli.model.manifest import builtin_manifest, read_manifest


def test_what_all_models_have_follows_from_what_the_family_knows() -> None:
    ours = [spec for spec in read_manifest(builtin_manifest()) if spec.family == "eg3d"]
    assert [spec.size for spec in ours] == [512, 512, 512, 512, 128]
    for spec in ours:
        assert isinstance(spec.settings, Spec)
        made = model_of(spec.name, spec.settings)
        assert spec.camera == made.camera
        assert (spec.size, spec.background) == (made.size, made.background)
        assert spec.weights is not None
        assert spec.weights.by_hand
        assert "non-commercial" in spec.about.note
