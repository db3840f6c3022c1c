"""The `config.yaml` that the authors' training code leaves becomes a model specification."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast, get_args

import msgspec
from msgspec import Struct

from graf_cli.decoding import convert
from graf_cli.errors import ManifestError
from graf_cli.families.configuration import yaml_document
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec, Spec
from graf_cli.scene.spec import (
    CameraSpec,
    Count,
    CountOrNone,
    Depth,
    Distance,
    FieldOfView,
    ModelSpec,
    Octaves,
    Pixels,
    Positive,
    Unit,
    Width,
    check_range,
    explain,
)

SECTIONS = ("data", "nerf", "z_dist")
Prior = Literal["gauss", "uniform"]
# Keys of the authors' own configurations that tell training something and pictures nothing:
# where its photographs lie, and how it jitters samples and densities.
TRAINING_ALONE = {
    "data": ("datadir", "type"),
    "nerf": ("perturb", "raw_noise_std", "decrease_noise"),
    "z_dist": (),
}

log = logging.getLogger("graf")


class _Data(Struct, frozen=True, kw_only=True):
    imsize: Pixels = 64
    white_bkgd: bool = True
    near: Distance = 1.0
    far: Positive = 6.0
    radius: float | str | list[float] = 3.4
    fov: FieldOfView = 90.0
    orthographic: bool = False
    umin: Unit = 0.0
    umax: Unit = 1.0
    vmin: Unit = 0.0
    vmax: Unit = 0.45642212862617093

    def __post_init__(self) -> None:
        for key in ("near", "far", "fov"):
            check_range(key, getattr(self, key))
        check_range("umin, umax", (self.umin, self.umax))
        check_range("vmin, vmax", (self.vmin, self.vmax))
        check_range("radius", self.bounds)
        if not 0 < self.bounds[0] <= self.bounds[1] <= 1e6:
            raise ValueError("`radius` must lie between 0 and a million")

    @property
    def bounds(self) -> tuple[float, float]:
        """A radius is a number, the string "9.5,10.5" or the list [9.5, 10.5]."""
        try:
            parts = self.radius if isinstance(self.radius, list) else str(self.radius).split(",")
            bounds = [float(part) for part in parts]
        except ValueError:
            bounds = []
        if not 1 <= len(bounds) <= 2:
            raise ValueError(
                f'`radius` is "{self.radius}"; it takes a number or "lower,upper", also as a list'
            )
        return bounds[0], bounds[-1]


class _Nerf(
    Struct, frozen=True, kw_only=True, rename={"samples": "N_samples", "importance": "N_importance"}
):
    i_embed: Literal[0, -1] = 0
    use_viewdirs: bool = True
    multires: Octaves = 10
    multires_views: Octaves = 4
    samples: Count = 64
    importance: CountOrNone = 0
    netdepth: Depth = 8
    netwidth: Width = 256
    netdepth_fine: Depth = 8
    netwidth_fine: Width = 256


class _ZDist(Struct, frozen=True, kw_only=True):
    type: str = "gauss"
    dim: Count = 256
    dim_appearance: CountOrNone = 128

    @property
    def prior(self) -> Prior:
        """What codes are drawn from."""
        if self.type not in get_args(Prior):
            raise ValueError(
                f'`z_dist.type` is "{self.type}", which is not a prior of GRAF; '
                f"it has {' and '.join(get_args(Prior))}"
            )
        return cast("Prior", self.type)


class _Config(Struct, frozen=True, kw_only=True):
    """What is read of a configuration; what is missing takes the release's defaults."""

    data: _Data = _Data()
    nerf: _Nerf = _Nerf()
    z_dist: _ZDist = _ZDist()


def read_config(path: Path, name: str) -> ModelSpec:
    """Read a training configuration, YAML or JSON, partial or full.

    A key that GRAF does not have in a section that is read is left out with a warning: it may be
    misspelt, or belong to a variant of GRAF whose pictures are other ones.

    Parameters
    ----------
    path : Path
        `config.yaml`, or the same as JSON.
    name : str
        What to call the model.

    Raises
    ------
    ManifestError
        Naming file, key and problem.
    """
    document = _parse(path)
    try:
        config = convert(document, _Config, strict=False)
        spec = _spec(config, name)
    except ValueError as error:  # msgspec's own are ValueErrors
        raise ManifestError(f"{path}: {explain(error)}; fix it there.") from error
    _tell_unknown(path, document)
    return spec


def _tell_unknown(path: Path, document: Mapping[str, Mapping[str, object]]) -> None:
    """Warn, once a file, of the keys that nothing is made of."""
    known = {field.encode_name: _keys(field) for field in msgspec.structs.fields(_Config)}
    unknown = [
        _with_nearest(section, key, known)
        for section, given in document.items()
        for key in given
        if key not in known[section]
    ]
    if unknown:
        log.warning(
            "%s: GRAF has no %s; left out, so pictures may differ from those of the training.",
            path,
            ", ".join(unknown),
        )


def _keys(section: msgspec.structs.FieldInfo) -> tuple[str, ...]:
    """The keys of a section, as a file has them."""
    read = tuple(field.encode_name for field in msgspec.structs.fields(section.type))
    return read + TRAINING_ALONE[section.encode_name]


def _with_nearest(section: str, key: str, known: Mapping[str, tuple[str, ...]]) -> str:
    """A key that is not known, and the one that was probably meant."""
    # In lower case, since a slip of the shift key is nearer than any other key.
    here = {name.lower(): f"{section}.{name}" for name in known[section]}
    elsewhere = [f"{other}.{key}" for other, names in known.items() if key in names]
    near = [here[name] for name in difflib.get_close_matches(key.lower(), here, n=1)]
    said = key if key.isprintable() else ascii(key)
    meant = (elsewhere + near)[:1]
    return f"`{section}.{said}`" + "".join(f" (nearest is `{name}`)" for name in meant)


def _parse(path: Path) -> dict[str, Any]:
    document = yaml_document(path, "name a config.yaml")
    if not isinstance(document, dict):
        raise ManifestError(
            f"{path} has none of the sections data, nerf and z_dist; "
            "name the config.yaml that training left."
        )
    return {key: _given(document[key]) for key in SECTIONS if document.get(key) is not None}


def _given(section: object) -> object:
    """A section without its nulls, which mean the default."""
    if not isinstance(section, dict):
        return section
    return {str(key): value for key, value in section.items() if value is not None}


def _spec(config: _Config, name: str) -> ModelSpec:
    data, nerf, z_dist = config.data, config.nerf, config.z_dist
    return ModelSpec(
        name=name,
        size=data.imsize,
        background="white" if data.white_bkgd else "black",
        camera=CameraSpec(
            near=data.near,
            far=data.far,
            radius=data.bounds,
            fov=data.fov,
            u=(data.umin, data.umax),
            v=(data.vmin, data.vmax),
            orthographic=data.orthographic,
        ),
        settings=Spec(
            network=NetworkSpec(
                depth=nerf.netdepth,
                width=nerf.netwidth,
                depth_fine=nerf.netdepth_fine,
                width_fine=nerf.netwidth_fine,
                encode=nerf.i_embed == 0,
                multires=nerf.multires,
                multires_views=nerf.multires_views,
                use_viewdirs=nerf.use_viewdirs,
                samples=nerf.samples,
                importance=nerf.importance,
            ),
            latent=LatentSpec(
                prior=z_dist.prior, dim=z_dist.dim, dim_appearance=z_dist.dim_appearance
            ),
        ),
    )
