"""The `config.yaml` that the authors' training code leaves becomes a model specification."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from msgspec import Struct

from graf_cli.errors import ManifestError
from graf_cli.model.spec import CameraSpec, LatentSpec, ModelSpec, NetworkSpec

MAX_BYTES = 1 << 20


class _Data(Struct, frozen=True, kw_only=True):
    imsize: int = 64
    white_bkgd: bool = True
    near: float = 1.0
    far: float = 6.0
    radius: float | str = 3.4
    fov: float = 90.0
    orthographic: bool = False
    umin: float = 0.0
    umax: float = 1.0
    vmin: float = 0.0
    vmax: float = 0.45642212862617093


class _Nerf(Struct, frozen=True, kw_only=True, rename={"samples": "N_samples", "importance": "N_importance"}):
    i_embed: Literal[0, -1] = 0
    use_viewdirs: bool = True
    multires: int = 10
    multires_views: int = 4
    samples: int = 64
    importance: int = 0
    netdepth: int = 8
    netwidth: int = 256
    netdepth_fine: int = 8
    netwidth_fine: int = 256


class _ZDist(Struct, frozen=True, kw_only=True):
    type: Literal["gauss", "uniform"] = "gauss"
    dim: int = 256
    dim_appearance: int = 128


class _Config(Struct, frozen=True, kw_only=True):
    """What is read of a configuration; what is missing takes the release's defaults."""

    data: _Data = _Data()
    nerf: _Nerf = _Nerf()
    z_dist: _ZDist = _ZDist()


def read_config(path: Path, name: str) -> ModelSpec:
    """Read a training configuration, YAML or JSON, partial or full.

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
        config = msgspec.convert(document, _Config, strict=False)
        return _checked(_spec(config, name))
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        message = str(error).replace(" - at `$.", " at `").rstrip(".")
        raise ManifestError(f"{path}: {message}; mend it there.") from error


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or error
        raise ManifestError(f"{path} cannot be read: {reason}; name a configuration.") from error
    if len(text) > MAX_BYTES:
        raise ManifestError(f"{path} is larger than a configuration can be; name a config.yaml.")
    try:
        document = yaml.safe_load(text)  # JSON is YAML
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise ManifestError(f"{path} is neither YAML nor JSON: {problem}; mend it there.") from error
    if not isinstance(document, dict):
        raise ManifestError(
            f"{path} has none of the sections data, nerf and z_dist; "
            "name the config.yaml that training left."
        )
    return {key: value for key, value in document.items() if value is not None}


def _spec(config: _Config, name: str) -> ModelSpec:
    data, nerf, z_dist = config.data, config.nerf, config.z_dist
    return ModelSpec(
        name=name,
        size=data.imsize,
        background="white" if data.white_bkgd else "black",
        camera=CameraSpec(
            near=data.near,
            far=data.far,
            radius=_radius(data.radius),
            fov=data.fov,
            u=(data.umin, data.umax),
            v=(data.vmin, data.vmax),
            orthographic=data.orthographic,
        ),
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
            prior=z_dist.type, dim=z_dist.dim, dim_appearance=z_dist.dim_appearance
        ),
    )


def _radius(value: float | str) -> tuple[float, float]:
    """A number, or the string "9.5,10.5"."""
    try:
        bounds = [float(part) for part in str(value).split(",")]
    except ValueError:
        bounds = []
    if not 1 <= len(bounds) <= 2:
        raise ValueError(f'`data.radius` is "{value}"; it takes a number or "lower,upper"')
    return bounds[0], bounds[-1]


def _checked(spec: ModelSpec) -> ModelSpec:
    """Apply the bounds of the specification, which only reading does."""
    return msgspec.convert(msgspec.to_builtins(spec), ModelSpec)
