"""The manifest's GIRAFFEs are the release's configurations."""

from __future__ import annotations

import json
from pathlib import Path

from graf_cli.families.giraffe.config import configuration, model_spec
from graf_cli.model.manifest import builtin_manifest, read_manifest
from tests.families.giraffe.test_parity import CASES


def test_all_released_models_are_there_as_their_configurations_say() -> None:
    ours = {
        spec.weights.url.rpartition("/")[2]: spec
        for spec in read_manifest(builtin_manifest())
        if spec.family == "giraffe" and spec.weights is not None
    }
    path = CASES / "configs.json"
    released = json.loads(path.read_bytes())["released"]
    assert len(ours) == len(released) == 11
    for entry in released.values():
        address = entry["pretrained"]["test"]["model_file"]
        theirs = model_spec(configuration(Path(path), entry["merged"]), "any")
        mine = ours[address.rpartition("/")[2]]
        assert mine.settings == theirs.settings
        assert mine.camera == theirs.camera
        assert (mine.size, mine.background) == (theirs.size, theirs.background)
