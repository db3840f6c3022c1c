"""The yaml files of the release become specifications."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from graf_cli.decoding import convert
from graf_cli.errors import ManifestError
from graf_cli.families.configuration import yaml_document
from graf_cli.families.giraffe.spec import (
    BoxSpec,
    Count,
    FieldSpec,
    Number,
    Octaves,
    Positive,
    RendererSpec,
    Spec,
    Triple,
    Width,
    picture_fov,
)
from graf_cli.scene.spec import CameraSpec, ModelSpec

MAX_PARENTS = 8  # files that inherit from each other; the release's own are two
INHERIT = "inherit_from"

# The sections of configs/default.yaml that the classes' own defaults do not say.
DEFAULTS: dict[str, Any] = {
    "model": {
        "background_generator_kwargs": {
            "hidden_size": 64,
            "n_blocks": 4,
            "downscale_p_by": 12,
            "skips": [],
        }
    }
}

Fraction = Annotated[float, Meta(ge=0, le=1)]


class _Section(Struct, frozen=True, kw_only=True):
    pass


class _Data(_Section, frozen=True, kw_only=True):
    img_size: Annotated[int, Meta(ge=32, le=16384)] = 64


class _Field(_Section, frozen=True, kw_only=True):
    hidden_size: Width = 128
    n_blocks: Annotated[int, Meta(ge=1, le=64)] = 8
    n_blocks_view: Literal[1] = 1  # more of them make layers that do not fit together
    skips: tuple[Annotated[int, Meta(ge=0, le=64)], ...] = (4,)
    use_viewdirs: bool = True
    n_freq_posenc: Octaves = 10
    n_freq_posenc_views: Octaves = 4
    rgb_out_dim: Width = 128
    final_sigmoid_activation: bool = False
    downscale_p_by: Positive = 2.0
    positional_encoding: Literal["normal", "gauss"] = "normal"
    gauss_dim_pos: Count = 10
    gauss_dim_view: Count = 4
    gauss_std: Annotated[float, Meta(ge=0, le=1e6)] = 4.0

    def spec(self) -> FieldSpec:
        return FieldSpec(
            width=self.hidden_size,
            layers=self.n_blocks,
            skips=self.skips,
            octaves=self.n_freq_posenc,
            octaves_views=self.n_freq_posenc_views,
            divisor=self.downscale_p_by,
            features=self.rgb_out_dim,
            views=self.use_viewdirs,
            sigmoid=self.final_sigmoid_activation,
            gauss=self.gauss_std if self.positional_encoding == "gauss" else None,
            gauss_points=self.gauss_dim_pos,
            gauss_views=self.gauss_dim_view,
        )


class _Boxes(_Section, frozen=True, kw_only=True):
    n_boxes: Annotated[int, Meta(ge=1, le=64)] = 1
    scale_range_min: Triple = (0.5, 0.5, 0.5)
    scale_range_max: Triple = (0.5, 0.5, 0.5)
    translation_range_min: Triple = (-0.75, -0.75, 0.0)
    translation_range_max: Triple = (0.75, 0.75, 0.0)
    z_level_plane: Number = 0.0
    object_on_plane: bool = False
    rotation_range: tuple[Number, Number] = (0.0, 1.0)
    fix_scale_ratio: bool = True
    check_collison: bool = False  # of random boxes alone, like the next two
    collison_padding: Number = 0.1
    prior_npz_file: str | None = None

    def spec(self) -> BoxSpec:
        return BoxSpec(
            count=self.n_boxes,
            scale_min=self.scale_range_min,
            scale_max=self.scale_range_max,
            same_scale=self.fix_scale_ratio,
            translation_min=self.translation_range_min,
            translation_max=self.translation_range_max,
            plane=self.z_level_plane if self.object_on_plane else None,
            rotation=self.rotation_range,
        )


class _Generator(_Section, frozen=True, kw_only=True):
    resolution_vol: Annotated[int, Meta(ge=2, le=4096)] = 16
    n_ray_samples: Annotated[int, Meta(ge=2, le=4096)] = 64
    fov: Annotated[float, Meta(gt=0, lt=180)] = 49.13
    depth_range: tuple[Positive, Positive] = (0.5, 6.0)
    range_u: tuple[Number, Number] = (0.0, 0.0)
    range_v: tuple[Fraction, Fraction] = (0.25, 0.25)
    range_radius: tuple[Positive, Positive] = (2.732, 2.732)
    backround_rotation_range: tuple[Number, Number] = (0.0, 0.0)  # spelt as in the release
    sample_object_existance: bool = False
    use_max_composition: bool = False


class _Renderer(_Section, frozen=True, kw_only=True):
    n_feat: Annotated[int, Meta(ge=2, le=4096)] = 128
    input_dim: Width = 128
    out_dim: Literal[3] = 3
    min_feat: Width = 32
    final_actvn: bool = True
    use_rgb_skip: bool = True
    upsample_feat: Literal["nn", "bilinear"] = "nn"
    upsample_rgb: Literal["nn", "bilinear"] = "bilinear"
    use_norm: bool = False

    def spec(self, ups: int) -> RendererSpec:
        names: dict[str, Literal["nearest", "bilinear"]] = {"nn": "nearest", "bilinear": "bilinear"}
        return RendererSpec(
            ups=ups,
            width=self.n_feat,
            least=self.min_feat,
            upsample_features=names[self.upsample_feat],
            upsample_rgb=names[self.upsample_rgb],
            skip=self.use_rgb_skip,
            norm=self.use_norm,
            sigmoid=self.final_actvn,
        )


class _Model(_Section, frozen=True, kw_only=True):
    z_dim: Count = 256
    z_dim_bg: Count = 128
    decoder: Literal["simple"] = "simple"
    generator: Literal["simple"] = "simple"
    background_generator: Literal["simple"] = "simple"
    bounding_box_generator: Literal["simple"] = "simple"
    neural_renderer: Literal["simple"] | None = "simple"
    decoder_kwargs: _Field = _Field()
    generator_kwargs: _Generator = _Generator()
    background_generator_kwargs: _Field = _Field()
    bounding_box_generator_kwargs: _Boxes = _Boxes()
    neural_renderer_kwargs: _Renderer = _Renderer()


class _Config(_Section, frozen=True, kw_only=True):
    method: Literal["giraffe"] = "giraffe"
    data: _Data = _Data()
    model: _Model = _Model()


class Configuration(Struct, frozen=True, kw_only=True):
    """What a configuration of the release says.

    Attributes
    ----------
    spec : Spec
    near, far : float
        Depths of the first and the last sample, world units.
    fov : float
        From the centre of the first pixel of the feature map to that of the last one, degrees.
    u, v, radius : tuple of float
        Ranges of the training cameras: azimuth / 360°, (1 − cos polar) / 2, world units.
    unknown : tuple of str
        Keys that mean nothing to the release, which passes over them without a word.
    """

    spec: Spec
    near: float
    far: float
    fov: float
    u: tuple[float, float]
    v: tuple[float, float]
    radius: tuple[float, float]
    unknown: tuple[str, ...] = ()


def read_config(path: Path) -> Configuration:
    """Read a configuration of the release, YAML or JSON, partial or full.

    What is missing takes the release's defaults. ``inherit_from`` is looked for beside the file:
    the release reads it from its own root, where nobody else's files are.

    Raises
    ------
    ManifestError
        Naming file, key and problem.
    """
    document = DEFAULTS
    for part in reversed([*_lineage(path)]):
        document = _merged(document, part)
    return configuration(path, document)


def model_spec(found: Configuration, name: str) -> ModelSpec:
    """The model of a configuration, with the camera of its finished pictures.

    Raises
    ------
    ValueError
        When its cameras cannot be meant.
    """
    spec = found.spec
    return ModelSpec(
        name=name,
        family="giraffe",
        size=spec.size,
        background="black",  # nothing is added behind what the networks paint
        camera=CameraSpec(
            near=found.near,
            far=found.far,
            radius=found.radius,
            fov=picture_fov(found.fov, spec.raster),
            u=found.u,
            v=found.v,
            pixels="centre",
        ),
        settings=spec,
    )


def configuration(path: Path, document: Mapping[str, Any]) -> Configuration:
    """Of a merged document; `path` is for messages. Raises as `read_config`."""
    try:
        config = convert(_sections(document), _Config, strict=False)
        return _configuration(config, (*_unknown(document),))
    except ValueError as error:  # msgspec's own are ValueErrors
        problem = str(error).rstrip(".").replace(" - at `$.", " at `")
        raise ManifestError(f"{path}: {problem}; correct it there.") from error


def _configuration(config: _Config, unknown: tuple[str, ...]) -> Configuration:
    model = config.model
    generator, renderer = model.generator_kwargs, model.neural_renderer_kwargs
    if generator.depth_range[0] >= generator.depth_range[1]:
        raise ValueError("`depth_range` must ascend at `model.generator_kwargs`")
    painted = model.neural_renderer is not None
    if painted and renderer.input_dim != model.decoder_kwargs.rgb_out_dim:
        raise ValueError(
            "`input_dim` of the neural renderer must be `rgb_out_dim` of the decoder at `model`"
        )
    spec = Spec(
        object=model.decoder_kwargs.spec(),
        background=model.background_generator_kwargs.spec(),
        code=model.z_dim,
        code_background=model.z_dim_bg,
        boxes=model.bounding_box_generator_kwargs.spec(),
        background_rotation=generator.backround_rotation_range,
        draws_existence=generator.sample_object_existance,
        densest=generator.use_max_composition,
        renderer=renderer.spec(int(math.log2(config.data.img_size) - 4)) if painted else None,
        raster=generator.resolution_vol,
        samples=generator.n_ray_samples,
    )
    near, far = generator.depth_range
    return Configuration(
        spec=spec,
        near=near,
        far=far,
        fov=generator.fov,
        u=generator.range_u,
        v=generator.range_v,
        radius=generator.range_radius,
        unknown=unknown,
    )


def _sections(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without sections that are null, which mean the default."""
    sections = {key: value for key, value in document.items() if value is not None}
    model = sections.get("model")
    if isinstance(model, Mapping):
        sections["model"] = {
            key: value
            for key, value in model.items()
            if value is not None or key in ("neural_renderer", "background_generator")
        }
    return sections


def _unknown(document: Mapping[str, Any]) -> Iterator[str]:
    model = document.get("model")
    for field in msgspec.structs.fields(_Model):
        section = model.get(field.name) if isinstance(model, Mapping) else None
        if isinstance(section, Mapping) and isinstance(field.default, _Section):
            known = field.default.__struct_fields__
            yield from (f"model.{field.name}.{key}" for key in section if key not in known)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Dictionaries key by key; everything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[key] = _merged(below, value) if both and isinstance(below, Mapping) else value
    return merged


# files


def _lineage(path: Path) -> Iterator[Mapping[str, Any]]:
    """Documents of a file and of those it inherits from, nearest first."""
    for _ in range(MAX_PARENTS):
        document = _parse(path)
        parent = document.pop(INHERIT, None)
        yield document
        if parent is None:
            return
        path = _beside(path, parent)
    raise ManifestError(f"{path} inherits from too many files in a row; write one file of them.")


def _beside(path: Path, parent: object) -> Path:
    """The file that is meant, in the folder of `path` or below it, never outside.

    The release's paths start at its root, so that leading folders are dropped until a file is
    there.
    """
    where = Path(str(parent))
    folder = path.parent.resolve()
    if isinstance(parent, str) and not where.is_absolute() and ".." not in where.parts:
        for start in range(len(where.parts)):
            found = folder.joinpath(*where.parts[start:]).resolve()
            if found.is_relative_to(folder) and found.is_file():
                return found
    raise ManifestError(
        f"{path} inherits from {parent!r}, which is not beside it; copy that file into its folder."
    )


def _parse(path: Path) -> dict[str, Any]:
    document = yaml_document(path, "name a yaml file")
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise ManifestError(f"{path} has no sections; name the yaml file that training was run by.")
    return document
