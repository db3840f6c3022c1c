"""The `config.txt` or `args.txt` that nerf-pytorch leaves becomes a model specification."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from graf_cli.arrays import Array, read_arrays
from graf_cli.decoding import convert
from graf_cli.errors import ManifestError, UsageError
from graf_cli.families.configuration import contents, with_nearest
from graf_cli.families.nerf.spec import Front, NetworkSpec, Spec, Spiral
from graf_cli.scene import llff
from graf_cli.scene.spec import (
    CameraSpec,
    Count,
    CountOrNone,
    Depth,
    ModelSpec,
    Octaves,
    Width,
    explain,
)

BOUNDS = "poses_bounds.npy"  # of a forward-facing scene's data
BLENDER_ANGLE = 0.6911112070083618  # `camera_angle_x` of all the synthetic scenes, radians
BLENDER_SIZE = 800  # pixels along a side of them
RADIUS = 4.0  # of the release's turntable; the cameras of the data stand at 4.03
NEARLY = 0.01  # relative; the cameras of the data are no farther off that radius
ANYWHERE = 1e6  # likewise, for cameras on no sphere at all
NDC_FAR = 1.0
# Keys that tell training something and pictures nothing.
TRAINING_ALONE = frozenset(
    {
        "config", "expname", "basedir", "datadir", "N_rand", "lrate", "lrate_decay", "chunk",
        "netchunk", "no_batching", "no_reload", "ft_path", "perturb", "raw_noise_std",
        "render_only", "render_test", "render_factor", "precrop_iters", "precrop_frac", "testskip",
        "shape", "llffhold", "i_print", "i_img", "i_weights", "i_testset", "i_video", "N_iters",
    }
)  # fmt: skip
LINE = re.compile(r"-{0,2}(?P<key>[^\s=:#;]+)\s*(?:[=:\s]\s*(?P<value>.*))?")

Background = Literal["white", "black"]

log = logging.getLogger("graf")


class Config(Struct, frozen=True, kw_only=True):
    """What is read of a configuration; what is missing takes the release's defaults."""

    dataset_type: Literal["llff", "blender", "LINEMOD", "deepvoxels"] = "llff"
    netdepth: Depth = 8
    netwidth: Width = 256
    netdepth_fine: Depth = 8
    netwidth_fine: Width = 256
    N_samples: Count = 64
    N_importance: CountOrNone = 0
    use_viewdirs: bool = False
    i_embed: Literal[0, -1] = 0
    multires: Octaves = 10
    multires_views: Octaves = 4
    white_bkgd: bool = False
    half_res: bool = False
    factor: Count = 8
    no_ndc: bool = False
    lindisp: bool = False
    spherify: bool = False


def read_config(path: Path, name: str) -> ModelSpec:
    """Read a training configuration, partial or full.

    A key that nerf-pytorch does not have is left out with a warning.

    Parameters
    ----------
    path : Path
        `config.txt` or `args.txt`; of a forward-facing scene beside its data's
        poses_bounds.npy, which has what neither it nor the checkpoint says.
    name : str
        What to call the model.

    Raises
    ------
    ManifestError
        Naming file, key and problem, or what is missing.
    """
    config = parse(path)
    try:
        return _spec(path, config, name)
    except ValueError as error:  # msgspec's own are ValueErrors
        raise ManifestError(f"{path}: {explain(error)}; correct it there.") from error


def parse(path: Path) -> Config:
    """What a configuration says of pictures. Raises as `read_config`."""
    document = _lines(path)
    known = set(Config.__struct_fields__)
    try:
        config = convert(
            {key: value for key, value in document.items() if key in known}, Config, strict=False
        )
    except ValueError as error:
        raise ManifestError(f"{path}: {explain(error)}; correct it there.") from error
    unknown = [key for key in document if key not in known | TRAINING_ALONE]
    if unknown:
        log.warning(
            "%s: nerf-pytorch has no %s; left out, so pictures may differ from those of the "
            "training.",
            path,
            ", ".join(with_nearest(key, known) for key in unknown),
        )
    return config


def _lines(path: Path) -> Mapping[str, str]:
    """``key = value`` a line, ``#`` or ``;`` before a comment, a bare key for a flag that is set.

    None, which args.txt has where nothing was said, means the default.
    """
    try:
        text = contents(path, "name a config.txt").decode()
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path} is not UTF-8 text; name a config.txt.") from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        said = re.sub(r"(^|\s)[#;].*", "", line).strip()
        if not said or said.startswith(("---", "[")):
            continue
        match = LINE.fullmatch(said)
        if match is None:
            raise ManifestError(
                f"{path}: line {number} is not `key = value`; name the config.txt that training "
                "left."
            )
        value = match["value"]
        value = "true" if not value else value.strip().strip("'\"")
        if value != "None":
            found[match["key"]] = value.lower() if value in ("True", "False") else value
    return found


def network_of(config: Config) -> NetworkSpec:
    """Sizes of the networks, and samples."""
    return NetworkSpec(
        depth=config.netdepth,
        width=config.netwidth,
        depth_fine=config.netdepth_fine,
        width_fine=config.netwidth_fine,
        encode=config.i_embed == 0,
        multires=config.multires,
        multires_views=config.multires_views,
        use_viewdirs=config.use_viewdirs,
        samples=config.N_samples,
        importance=config.N_importance,
    )


def _spec(path: Path, config: Config, name: str) -> ModelSpec:
    if config.dataset_type in ("LINEMOD", "deepvoxels"):
        raise ManifestError(
            f"{path} is of a {config.dataset_type} scene, whose depths and lens only its data "
            "says; graf draws scenes of the kinds blender and llff."
        )
    network = network_of(config)
    background: Background = "white" if config.white_bkgd else "black"
    if config.dataset_type == "llff":
        return _facing(path, config, name, network, background)
    return ModelSpec(
        name=name,
        family="nerf",
        size=BLENDER_SIZE // 2 if config.half_res else BLENDER_SIZE,
        background=background,
        camera=CameraSpec(
            near=2.0, far=6.0, radius=(RADIUS, RADIUS), steady=NEARLY,
            fov=math.degrees(BLENDER_ANGLE), v=(0.0, 0.5),
        ),
        settings=Spec(network=network, disparity=config.lindisp),
    )  # fmt: skip


def _facing(
    path: Path,
    config: Config,
    name: str,
    network: NetworkSpec,
    background: Literal["white", "black"],
) -> ModelSpec:
    """A forward-facing scene, with what the data beside its configuration says."""
    table = _bounds(path)
    scene = llff.placed(table, "spherified" if config.spherify else "recentred")
    height, width = (round(side / config.factor) for side in table[0, [4, 9]].tolist())
    focal = float(table[0, 14]) / config.factor
    front = None
    if not config.no_ndc:
        swing = llff.swing_of(scene)
        front = Front(
            x=2 * focal / width,
            y=2 * focal / height,
            path=Spiral(radii=swing.radii, focus=swing.focus),
        )
    near, far = (0.9 * scene.near, scene.far) if front is None else (0.0, NDC_FAR)
    return ModelSpec(
        name=name,
        family="nerf",
        size=width,
        height=height,
        background=background,
        camera=CameraSpec(
            near=near, far=far, radius=(1.0, 1.0), steady=ANYWHERE,
            fov=math.degrees(2 * math.atan(width / 2 / focal)),
        ),
        settings=Spec(
            network=network,
            disparity=config.lindisp and front is None,
            front=front,
            llff=True,
            spherified=config.spherify,
        ),
    )  # fmt: skip


def _bounds(path: Path) -> Array:
    """The data's poses_bounds.npy, shape = (n, 17)."""
    beside = path.with_name(BOUNDS)
    if not beside.exists():
        raise ManifestError(
            f"{path} is of a forward-facing scene (llff), whose size, focal length, depths and "
            f"frame only its data says; put the data's {BOUNDS} beside it."
        )
    try:
        [table] = read_arrays(beside).values()
    except UsageError as error:
        raise ManifestError(str(error)) from error
    sides = table[0, [4, 9, 14]] if table.ndim == 2 and table.shape[1] == llff.NUMBERS else None
    if sides is None or not (sides > 0).all() or not table[:, 15:].min() > 0:
        raise ManifestError(
            f"{beside} holds an array of shape {table.shape}; a forward-facing scene's is n × 17, "
            "with sizes, focal lengths and depths above 0."
        )
    return table
