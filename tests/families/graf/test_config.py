"""The configuration that training leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.errors import ManifestError
from graf_cli.families.graf.config import read_config
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec, Spec
from graf_cli.scene.spec import CameraSpec, ModelSpec
from tests.conftest import Case

DEFAULT = ModelSpec(
    name="mine",
    size=64,
    background="white",
    camera=CameraSpec(near=1.0, far=6.0, radius=(3.4, 3.4), fov=90.0, v=(0.0, 0.45642212862617093)),
    settings=Spec(network=NetworkSpec(), latent=LatentSpec()),
)

FULL = """
data:
  type: celebA
  imsize: 128
  white_bkgd: False
  near: 7.5
  far: 12.5
  radius: 9.5,10.5
  fov: 10.0
  orthographic: False
  umin: 0
  umax: 0.25
  vmin: 0.32898992833716556
  vmax: 0.45642212862617093
expname: faces
nerf:
  N_importance: 16
  N_samples: 32
  i_embed: -1
  lindisp: false
  multires: 6
  multires_views: 2
  netdepth: 6
  netdepth_fine: 3
  netwidth: 128
  netwidth_fine: 64
  perturb: 1.0
  use_viewdirs: false
training:
  lr_g: 0.0005
z_dist:
  type: uniform
  dim: 48
  dim_appearance: 16
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def read(path: Path, text: str | bytes) -> ModelSpec:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_config(path, "mine")


def refused(path: Path, text: str | bytes, *parts: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(path, text)
    sentence = str(caught.value)
    for part in (str(path), *parts):
        assert part in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_a_full_configuration_is_taken_over(path: Path) -> None:
    assert read(path, FULL) == ModelSpec(
        name="mine",
        size=128,
        background="black",
        camera=CameraSpec(
            near=7.5,
            far=12.5,
            radius=(9.5, 10.5),
            fov=10.0,
            u=(0.0, 0.25),
            v=(0.32898992833716556, 0.45642212862617093),
        ),
        settings=Spec(
            network=NetworkSpec(
                depth=6,
                width=128,
                depth_fine=3,
                width_fine=64,
                encode=False,
                multires=6,
                multires_views=2,
                use_viewdirs=False,
                samples=32,
                importance=16,
            ),
            latent=LatentSpec(prior="uniform", dim=48, dim_appearance=16),
        ),
    )


def test_the_measured_configurations_are_json(case: Case) -> None:
    measured = json.loads(case.config.read_text())
    spec = read_config(case.config, case.name)
    assert spec.name == case.name
    assert spec.size == measured["data"]["imsize"] == case.rgb.shape[1]
    assert spec.settings.network.samples == measured["nerf"]["N_samples"]
    assert spec.settings.latent.dim == measured["z_dist"]["dim"] == case.z.shape[1]
    assert spec.camera.radius_varies == isinstance(measured["data"]["radius"], str)


@pytest.mark.parametrize("text", ["{}", "expname: x", "data: {}", "data:\nnerf:\n", "data: null"])
def test_what_is_missing_is_the_release_s(path: Path, text: str) -> None:
    assert read(path, text) == DEFAULT


def test_a_partial_section_keeps_the_other_defaults(path: Path) -> None:
    spec = read(path, "data: {fov: 30, near: null}\nnerf: {netwidth: 32}")
    assert spec.camera.fov == 30
    assert spec.camera.near == 1
    assert spec.settings.network == NetworkSpec(width=32)


@pytest.mark.parametrize(
    ("radius", "expected"),
    [
        ("10", (10, 10)), ("10.5", (10.5, 10.5)), ("'9.5,10.5'", (9.5, 10.5)),
        ("9.5,10.5", (9.5, 10.5)), ("'9, 11'", (9, 11)), ("'10'", (10, 10)), ("1e1", (10, 10)),
        ("[9, 12]", (9, 12)), ("[9.5, '10.5']", (9.5, 10.5)), ("[10]", (10, 10)),
    ],
)  # fmt: skip
def test_a_radius_is_a_number_or_a_range(
    path: Path, radius: str, expected: tuple[float, float]
) -> None:
    assert read(path, f"data:\n  radius: {radius}\n").camera.radius == expected


def test_numbers_that_yaml_takes_for_words_are_numbers(path: Path) -> None:
    """YAML 1.1 wants a point and a sign in an exponent; people leave them out."""
    assert read(path, "data: {near: 1e-1}").camera.near == 0.1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: {near: .nan}", "`data.near`"),
        ("data: {far: .inf}", "`data.far`"),
        ("data: {near: nan}", "`data"),
        ("data: {near: -1}", "`data.near`"),
        ("data: {near: 7, far: 3}", "`near` must be smaller than `far`"),
        ("data: {fov: 180}", "Expected `float` < 180.0 at `data.fov`"),
        ("data: {fov: wide}", "Expected `float`, got `str` at `data.fov`"),
        ("data: {imsize: 0}", "`data.imsize`"),
        ("data: {imsize: 64.5}", "`data.imsize`"),
        ("data: {radius: x}", '`radius` is "x"; it takes a number or "lower,upper"'),
        ("data: {radius: '1,2,3'}", '`radius` is "1,2,3"'),
        ("data: {radius: '2,1'}", "`radius` must not have its lower bound above"),
        ("data: {radius: 'nan,1'}", "`radius` must be finite"),
        ("data: {radius: 0}", "`radius` must lie between 0 and a million"),
        ("data: {radius: []}", '`radius` is "[]"'),
        ("data: {radius: [8, 9, 11]}", '`radius` is "[8.0, 9.0, 11.0]"'),
        ("data: {radius: [11, 9]}", "`radius` must not have its lower bound above"),
        ("data: {radius: [.nan, 9]}", "`radius` must be finite"),
        ("data: {radius: [-1, 9]}", "`radius` must lie between 0 and a million"),
        ("data: {radius: [9, wide]}", "`data.radius"),
        ("data: {radius: {low: 9}}", "`data.radius`"),
        ("data: {umin: 0.5, umax: 0.2}", "`umin, umax`"),
        ("data: {vmax: 2}", "`data.vmax`"),
        ("data: {white_bkgd: maybe}", "Expected `bool`, got `str` at `data.white_bkgd`"),
        ("data: 5", "Expected `object`, got `int` at `data`"),
        ("nerf: {N_samples: 0}", "Expected `int` >= 1 at `nerf.N_samples`"),
        ("nerf: {N_importance: -1}", "`nerf.N_importance`"),
        ("nerf: {netwidth: 100000}", "`nerf.netwidth`"),
        ("nerf: {netdepth: 5}", "a trunk of 5 layers"),
        ("nerf: {i_embed: 3}", "`nerf.i_embed`"),
        ("z_dist: {type: cauchy}", "`z_dist.type`"),
        (
            "z_dist: {type: non_parametric}",
            '`z_dist.type` is "non_parametric", which is not a prior of GRAF; '
            "it has gauss and uniform",
        ),
        ("z_dist: {type: 3}", "Expected `str`, got `int` at `z_dist.type`"),
        ("z_dist: {dim: 10}", "`dim_appearance` must be smaller than `dim`"),
        ("z_dist: {dim: " + "9" * 50 + "}", "`z_dist.dim`"),
        ("z_dist: {dim: " + "9" * 5000 + "}", "config.yaml"),
    ],
)
def test_a_wrong_value_is_told_by_its_key(path: Path, text: str, said: str) -> None:
    refused(path, text, said)


@pytest.mark.parametrize("text", ["", "[1, 2]", "3", "just words", "null", "# nothing"])
def test_a_configuration_has_sections(path: Path, text: str) -> None:
    refused(path, text, "has none of the sections data, nerf and z_dist")


# Every key that the authors' configurations have in any section.
AUTHORS = (
    FULL.replace("  lindisp: false\n", "")
    + """
ray_sampler: {N_samples: 1024, min_scale: 0.25, max_scale: 1.0, scale_anneal: 0.0025}
discriminator: {hflip: false, ndf: 64, mirror: true}
"""
)
AUTHORS = AUTHORS.replace("data:\n", "data:\n  datadir: data/carla\n").replace(
    "nerf:\n", "nerf:\n  decrease_noise: true\n  raw_noise_std: 1.0\n"
)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "graf"]


@pytest.mark.parametrize(
    "text",
    [
        AUTHORS,
        "data: {radius: [9, 12]}",
        "nerf: {mirror: null}",  # says nothing
        "training: {N_sampels: 3}\nmirror: true\ndiscriminator: {imsiez: 4}",
    ],
)
def test_what_training_writes_is_no_reason_to_warn(
    path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    read(path, text)
    assert warnings_of(caplog) == []


def test_the_measured_configurations_are_no_reason_to_warn(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    read_config(case.config, case.name)
    assert warnings_of(caplog) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nerf: {N_sampels: 3}", "`nerf.N_sampels` (nearest is `nerf.N_samples`)"),
        ("nerf: {n_samples: 3}", "`nerf.n_samples` (nearest is `nerf.N_samples`)"),
        ("nerf: {samples: 3}", "`nerf.samples` (nearest is `nerf.N_samples`)"),
        ("data: {image_size: 3}", "`data.image_size`"),
        ("data: {raduis: 3}", "`data.raduis` (nearest is `data.radius`)"),
        ("nerf: {fov: 30}", "`nerf.fov` (nearest is `data.fov`)"),
        ("nerf: {mirror: true}", "`nerf.mirror`;"),
        ("z_dist: {Type: gauss}", "`z_dist.Type` (nearest is `z_dist.type`)"),
        ("z_dist: {components: [1, 2]}", "`z_dist.components`;"),
        ('data: {"a\\nb": 1}', "`data.'a\\nb'`;"),
        ("data: {3: 4}", "`data.3`;"),
        (
            "data: {fovv: 3}\nnerf: {mirror: 1, netdeph: 8}",
            "`data.fovv` (nearest is `data.fov`), `nerf.mirror`, "
            "`nerf.netdeph` (nearest is `nerf.netdepth`);",
        ),
    ],
)
def test_an_unknown_key_is_told_once_with_the_nearest(
    path: Path, text: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    spec = read(path, text)
    assert spec == DEFAULT
    [sentence] = warnings_of(caplog)
    assert sentence.startswith(f"{path}: GRAF has no ")
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


BOMB = "a: &a {k: 1}\n" + "\n".join(
    f"{chr(98 + k)}: &{chr(98 + k)} {{<<: [{', '.join([f'*{chr(97 + k)}'] * 9)}]}}"
    for k in range(12)
)


@pytest.mark.parametrize(
    "text",
    [
        "data: {near: 1",
        "data: !!python/object/apply:os.system ['exit']",
        "data: !!python/name:os.system ''",
        "data: !!bool maybe",
        "data: !!int ''",
        "data: !!timestamp never",
        "data: 2001-99-99",
        "{data: 1, [a]: 2}",
        "data: *nowhere",
        "a: 1\n---\nb: 2",
        "[" * 5000,
        "{a: " * 5000,
        BOMB,
        b"\xff\xfe\x00",
        b"\0",
    ],
)
def test_other_files_are_refused(path: Path, text: str | bytes) -> None:
    refused(path, text, "is neither YAML nor JSON")


def test_aliases_without_merging_are_harmless(path: Path) -> None:
    """They stay references: nothing grows."""
    laughs = "a: &a [x]\n" + "\n".join(
        f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 9)}]" for k in range(12)
    )
    assert read(path, laughs) == DEFAULT
    assert read(path, "data: &a {more: *a}") == DEFAULT


def test_keys_that_are_no_words_are_ignored(path: Path) -> None:
    assert read(path, "1: 2\ndata: {3: 4, null: 5}") == DEFAULT


def test_a_file_that_is_not_there_is_named(path: Path, tmp_path: Path) -> None:
    for missing in (path, tmp_path):
        with pytest.raises(ManifestError, match=r"cannot be read: .*; name a configuration\."):
            read_config(missing, "mine")


def test_a_file_of_any_size_is_not_read_whole(path: Path) -> None:
    refused(path, "#" * (1 << 17), "larger than a configuration can be")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("configs") / "config.yaml"


@given(data=st.data())
def test_any_edit_is_read_or_told(scratch: Path, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(FULL)))
    stop = data.draw(st.integers(start, min(start + 8, len(FULL))))
    odd = st.text(st.sampled_from("!&*<>[]{}:,-?|%@`'\"#~ \n\t") | st.characters(), max_size=6)
    scratch.write_bytes((FULL[:start] + data.draw(odd) + FULL[stop:]).encode(errors="replace"))
    try:
        read_config(scratch, "mine")
    except ManifestError as error:
        assert str(scratch) in str(error)
