"""Manifests: the built-in one is the release's table; a wrong one is told file, key and problem."""

from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graf_cli.errors import ManifestError, UsageError
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.model.manifest import Manifest, builtin_manifest, load_manifest, read_manifest

BASE = "https://s3.eu-central-1.amazonaws.com/avg-projects/graf/models/"
LOWEST = 0.45642212862617093
UPPER = 0.32898992833716556


@pytest.fixture(scope="module")
def builtin() -> Manifest:
    return load_manifest()


# the released models


def test_the_ten_checkpoints_are_those_of_the_release(builtin: Manifest) -> None:
    released = {
        spec.name: spec.weights
        for spec in builtin
        if spec.weights and spec.weights.url.startswith(BASE)
    }
    assert {name: weights.url.removeprefix(BASE) for name, weights in released.items()} == {
        "cars:64": "carla/carla_64.pt",
        "cars:128": "carla/carla_128.pt",
        "cars:256": "carla/carla_256.pt",
        "cars:512": "carla/carla_512.pt",
        "faces:64": "faces/celebA_64.pt",
        "faces:128": "faces/celebA_128.pt",
        "faces-hq:256": "faces/celebA_hq_256.pt",
        "faces-hq:512": "faces/celebA_hq_512.pt",
        "cats:64": "cats/cats_64.pt",
        "birds:64": "birds/cub_64.pt",
    }
    assert len({weights.filename for weights in released.values()}) == 10
    assert {weights.sha256 for weights in released.values()} == {None}  # none was published


@pytest.mark.parametrize(
    ("name", "radius", "fov", "u", "v", "background", "viewdirs"),
    [
        ("cars", (10, 10), 30, (0, 1), (0, LOWEST), "white", True),
        ("faces", (9.5, 10.5), 10, (0, 0.25), (UPPER, LOWEST), "black", True),
        ("faces-hq", (9.5, 10.5), 10, (0, 0.25), (UPPER, LOWEST), "black", True),
        ("cats", (10, 10), 10, (0, 0.19444444444444445), (UPPER, LOWEST), "black", True),
        ("birds", (9, 11), 30, (0, 1), (0.24999999999999994, 0.5435778713738291), "white", False),
    ],
)
def test_the_models_are_those_of_the_release(
    *, builtin: Manifest, name: str, radius: object, fov: float, u: object, v: object,
    background: str, viewdirs: bool,
) -> None:  # fmt: skip
    spec = builtin.resolve(name)
    camera = spec.camera
    assert (camera.near, camera.far, camera.orthographic) == (7.5, 12.5, False)
    assert (camera.radius, camera.fov, camera.u, camera.v) == (radius, fov, u, v)
    assert spec.background == background
    assert spec.settings.network == NetworkSpec(use_viewdirs=viewdirs)
    assert spec.settings.latent == LatentSpec()
    assert spec.about.licence == "MIT"
    assert "arXiv:2007.02442" in spec.about.citation


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("cars", "cars:256"), ("cars:64", "cars:64"), ("carla", "cars:256"),
        ("carla:512", "cars:512"), ("CARS", "cars:256"), ("celebA", "faces:128"),
        ("celeba_hq:512", "faces-hq:512"), ("cub", "birds:64"), ("cats", "cats:64"),
    ],
)  # fmt: skip
def test_a_name_an_alias_and_a_size_find_a_model(builtin: Manifest, asked: str, found: str) -> None:
    spec = builtin.resolve(asked)
    assert spec.name == found
    assert spec.size == int(found.partition(":")[2])


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("car", "There is no model `car`; did you mean `cars`?"),
        ("faces_hq", "There is no model `faces_hq`; did you mean `faces-hq`?"),
        ("dogs-and-ponies", "There is no model `dogs-and-ponies`; see `graf models`."),
        ("cars:100", "The model `cars` has no size `100`; it has 64, 128, 256, 512."),
        ("carla:", "The model `cars` has no size ``; it has 64, 128, 256, 512."),
        ("cats:64:64", "The model `cats` has no size `64:64`; it has 64."),
    ],
)
def test_another_name_is_told_the_nearest(builtin: Manifest, asked: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        builtin.resolve(asked)
    assert str(caught.value) == sentence


@given(st.text() | st.sampled_from(["cars:", "cats:64"]).flatmap(
    lambda name: st.text("0123456789٣ -", max_size=5000).map(name.__add__)
))  # fmt: skip
def test_any_name_is_found_or_refused(builtin: Manifest, name: str) -> None:
    with suppress(UsageError):
        assert builtin.resolve(name).weights is not None


def test_the_builtin_manifest_is_a_file() -> None:
    assert builtin_manifest().name == "weights.toml"
    assert builtin_manifest().is_file()


# a manifest of one's own

MODEL: dict[str, Any] = {
    "title": "Mine",
    "default_size": 64,
    "camera": {"near": 1.0, "far": 3.0, "radius": 2.0, "fov": 40.0},
    "files": {"64": {"url": "weights/mine.pt"}},
}


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return {"inf": "inf", "-inf": "-inf", "nan": "nan"}.get(repr(value), repr(value))
    return json.dumps(value, ensure_ascii=True)


def document(**models: object) -> str:
    lines = [f"{json.dumps(name)} = {toml(model)}" for name, model in models.items()]
    return "\n".join(["schema = 1", "[models]", *lines])


def changed(path: str, value: object, base: dict[str, Any] = MODEL) -> dict[str, Any]:
    """`MODEL` with one key of it set, or dropped when the value is ...."""
    model = copy.deepcopy(base)
    table = model
    *parents, key = path.split(".")
    for parent in parents:
        table = table.setdefault(parent, {})
    if value is ...:
        del table[key]
    else:
        table[key] = value
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own.toml"


def test_what_is_left_out_is_the_release_s(path: Path) -> None:
    path.write_text(document(mine=MODEL))
    [spec] = read_manifest(path)
    assert spec.settings.network == NetworkSpec()
    assert spec.settings.latent == LatentSpec()
    assert spec.camera.radius == (2, 2)
    assert spec.background == "white"


def test_models_of_one_s_own_join_the_builtin_ones(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text(document(mine=MODEL, cats=changed("title", "My cats")))
    manifest = load_manifest(path)
    assert [*manifest.models] == [*load_manifest().models, "mine"]
    assert manifest.resolve("cats").about.title == "My cats"
    assert manifest.resolve("carla").name == "cars:256"
    monkeypatch.setenv("GRAF_MANIFEST", str(path))
    assert "mine" in load_manifest().models
    monkeypatch.setenv("GRAF_MANIFEST", "")
    assert "mine" not in load_manifest().models


def test_the_option_wins_over_the_variable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(document(mine=MODEL))
    monkeypatch.setenv("GRAF_MANIFEST", "/nowhere/at-all.toml")
    assert "mine" in load_manifest(path).models
    with pytest.raises(ManifestError, match=r"/nowhere/at-all.toml cannot be read"):
        load_manifest()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("weights/mine.pt", "{folder}/weights/mine.pt"),
        ("./a%20b.pt", "{folder}/a b.pt"),
        ("../mine.pt", "{parent}/mine.pt"),
        ("/models/mine.pt", "/models/mine.pt"),
        ("file:///models/mine.pt", "file:///models/mine.pt"),
        ("https://example.org/mine.pt?x=1", "https://example.org/mine.pt?x=1"),
        ("http://127.0.0.1:8000/mine.pt", "http://127.0.0.1:8000/mine.pt"),
        ("http://[::1]/mine.pt", "http://[::1]/mine.pt"),
        ("http://localhost/mine.pt", "http://localhost/mine.pt"),
    ],
)
def test_addresses_become_absolute(path: Path, url: str, expected: str) -> None:
    path.write_text(document(mine=changed("files.64.url", url)))
    [spec] = read_manifest(path)
    assert spec.weights is not None
    folder = path.resolve().parent
    assert spec.weights.url == expected.format(folder=folder, parent=folder.parent)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/mine.pt", "ftp://example.org/mine.pt", "http://127.0.0.1.evil.org/x",
        "https://", "http://[/x", "file://host/x", "data:text/plain,x", "https://a\nb/x", "\0",
        "https://user:secret@example.org/x",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(path: Path, url: str) -> None:
    refused(path, document(mine=changed("files.64.url", url)), "`models.mine.files.64.url`")


def test_every_address_has_a_cache_folder_of_its_own(path: Path) -> None:
    files = {
        "64": {"url": "https://example.org/64/model.pt"},
        "128": {"url": "https://example.org/128/model.pt"},
        "256": {"url": "https://example.org/"},
    }
    path.write_text(document(mine=changed("files", files)))
    names = [spec.weights.filename for spec in read_manifest(path) if spec.weights]
    assert len({name.partition("/")[0] for name in names}) == 3
    assert all(re.fullmatch(r"mine-[0-9a-f]{8}/model\.pt", name) for name in names)


def test_a_digest_is_kept_in_lower_case(path: Path) -> None:
    path.write_text(document(mine=changed("files.64.sha256", "AB" * 32)))
    [spec] = read_manifest(path)
    assert spec.weights is not None
    assert spec.weights.sha256 == "ab" * 32


# what is wrong is told


def refused(path: Path, text: str | bytes, *parts: str) -> None:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    sentence = str(caught.value)
    for part in (str(path), *parts):
        assert part in sentence
    assert "\n" not in sentence
    assert "$" not in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("titel", "x", "Unknown key `titel` at `models.mine`"),
        ("title", ..., "Missing key `title` at `models.mine`"),
        ("title", 3, "Expected `str`, got `int` at `models.mine.title`"),
        ("camera", ..., "Missing key `camera` at `models.mine`"),
        ("camera", 3, "at `models.mine.camera`"),
        ("camera.near", 5.0, "`near` must be smaller than `far` at `models.mine.camera`"),
        ("camera.near", -1.0, "`models.mine.camera.near`"),
        ("camera.near", float("nan"), "`models.mine.camera.near`"),
        ("camera.far", float("inf"), "`models.mine.camera.far`"),
        ("camera.far", "far", "Expected `float`, got `str` at `models.mine.camera.far`"),
        ("camera.fov", 0, "`models.mine.camera.fov`"),
        ("camera.fov", 180.0, "`models.mine.camera.fov`"),
        ("camera.radius", True, "`models.mine.camera.radius[0]`"),
        ("camera.radius", [2.0, 1.0], "`radius` must not have its lower bound above"),
        ("camera.radius", [1.0], "`models.mine.camera.radius`"),
        ("camera.radius", float("nan"), "`models.mine.camera.radius[0]`"),
        ("camera.u", [0.0, 1.5], "`models.mine.camera.u[1]`"),
        ("camera.zoom", 1, "Unknown key `zoom` at `models.mine.camera`"),
        ("network.width", 100_000, "Expected `int` <= 4096 at `models.mine.network.width`"),
        ("network.width", 2.5, "Expected `int`, got `float` at `models.mine.network.width`"),
        ("network.depth", 10**30, "`models.mine.network.depth`"),
        ("network.depth", 5, "skip connection; use 4 or 6 at `models.mine.network`"),
        ("latent.dim_appearance", 256, "smaller than `dim` at `models.mine.latent`"),
        ("latent.prior", "cauchy", "`models.mine.latent.prior`"),
        ("background", "green", "`models.mine.background`"),
        ("aliases", ["a b"], "the alias 'a b' is not a name"),
        ("aliases", "mine", "`models.mine.aliases`"),
        ("default_size", 128, "`default_size` is 128, which `files` does not list"),
        ("files", {}, "`default_size` is 64, which `files` does not list"),
        ("files", 3, "`models.mine.files`"),
        ("files.64", "x.pt", "`models.mine.files.64`"),
        ("files.64.url", ..., "Missing key `url` at `models.mine.files.64`"),
        ("files.64.by_hand", "it from x", "`by_hand` is one line in place of `url` at"),
        ("files.64", {"by_hand": "it\nfrom x"}, "one line in place of `url` at `models.mine.files"),
        ("files.64.sha256", "12", "takes 64 hexadecimal digits at `models.mine.files.64`"),
        ("files.64.md5", "12", "Unknown key `md5` at `models.mine.files.64`"),
        ("files.large", {"url": "x.pt"}, "`models.mine.files`"),
        ("files.0", {"url": "x.pt"}, "`models.mine.files`"),
        ("files.-64", {"url": "x.pt"}, "`models.mine.files`"),
    ],
)
def test_file_key_and_problem_are_told(path: Path, key: str, value: object, said: str) -> None:
    refused(path, document(mine=changed(key, value)), said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Missing key `schema`"),
        ("schema = 2", "`schema`"),
        ("schema = 1\nmore = 2", "Unknown key `more`"),
        ("schema = 1\nmodels = 2", "`models`"),
        ("schema = 1\n[models]\nmine = 2", "`models.mine`"),
        ("schema = ", "is not TOML"),
        ("schema = 1\nschema = 1", "is not TOML"),
        ("schema = " + "1" * 5000, "is not TOML"),
        ("schema = " + "[" * 5000, "is not TOML"),
        (b"schema = 1 # \xff", "is not UTF-8"),
        (document(**{"a b": MODEL}), "the model 'a b' is not a name"),
        (document(**{"": MODEL}), "the model '' is not a name"),
        (document(**{"a:64": MODEL}), "the model 'a:64' is not a name"),
        (document(**{"../x": MODEL}), "the model '../x' is not a name"),
        (document(**{"x\n": MODEL}), "is not a name"),
        (document(mine=MODEL, Mine=MODEL), "both `mine` and `Mine` answer to `Mine`"),
        (document(mine=changed("aliases", ["it"]), other=changed("aliases", ["IT"])), "`IT`"),
    ],
)
def test_a_wrong_document_is_told(path: Path, text: str | bytes, said: str) -> None:
    refused(path, text, said)


def test_an_alias_of_a_builtin_model_is_taken(path: Path) -> None:
    path.write_text(document(mine=changed("aliases", ["carla"])))
    with pytest.raises(ManifestError, match=r"both `cars` and `mine` answer to `carla`"):
        load_manifest(path)


def test_a_file_that_is_not_there_is_named(path: Path, tmp_path: Path) -> None:
    for missing in (path, tmp_path):
        with pytest.raises(ManifestError, match=r"cannot be read: .*; name a manifest file\."):
            read_manifest(missing)


def test_a_file_of_any_size_is_not_read_whole(path: Path) -> None:
    refused(path, "#" * (2 << 20), "larger than a manifest can be")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
keys = st.sampled_from(
    [
        "title", "default_size", "aliases", "background", "camera", "camera.near", "camera.far",
        "camera.radius", "camera.fov", "camera.u", "camera.v", "camera.orthographic", "network",
        "network.depth", "network.width", "latent", "latent.dim", "files", "files.64",
        "files.64.url", "files.64.sha256", "files.128", "more",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests") / "own.toml"


@settings(max_examples=150)
@given(key=keys, value=values.filter(lambda value: value is not None))
def test_any_value_is_read_or_told(scratch: Path, key: str, value: object) -> None:
    read_or_refused(scratch, document(mine=changed(key, value)))


@settings(max_examples=100)
@given(data=st.data())
def test_any_edit_is_read_or_told(scratch: Path, data: st.DataObject) -> None:
    text = document(mine=MODEL)
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(start + 8, len(text))))
    read_or_refused(scratch, text[:start] + data.draw(st.text(max_size=4)) + text[stop:])


def read_or_refused(path: Path, text: str) -> None:
    path.write_bytes(text.encode(errors="surrogatepass"))
    try:
        assert all(spec.weights for spec in read_manifest(path))
    except ManifestError as error:
        assert str(path) in str(error)
        assert "[...]" not in str(error)
