"""How a generator was trained, which its files do not say: a curriculum, as the authors call it.

The released ones are here; one of your own is a TOML or JSON file with the same keys.
"""

from __future__ import annotations

import json
import logging
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from graf_cli.decoding import convert
from graf_cli.errors import ManifestError
from graf_cli.families.configuration import contents, with_nearest
from graf_cli.families.pigan.spec import Count, Distribution, Seed, Siren, Spec, Views
from graf_cli.scene.spec import CameraSpec, Distance, FieldOfView, Pixels, Positive, explain

log = logging.getLogger("graf")

MAX_BYTES = 1 << 20  # of a configuration, which has some dozen lines
MULTIPLIER = 2  # samples that the authors render with, of each one of training
Number = Annotated[float, Meta(ge=-1e3, le=1e3)]
# What moves training alone, so that a picture needs none of it.
TRAINING = frozenset(
    {
        "batch_size", "batch_split", "gen_lr", "disc_lr", "dataset_path", "dataset", "fade_steps",
        "topk_interval", "topk_v", "betas", "unique_lr", "weight_decay", "r1_lambda", "latent_dim",
        "grad_clip", "discriminator", "generator", "z_dist", "z_lambda", "pos_lambda",
        "nerf_noise", "learnable_dist",
    }
)  # fmt: skip


class Curriculum(Struct, frozen=True, kw_only=True):
    """A curriculum, under the authors' own keys.

    Attributes
    ----------
    num_steps, img_size : int
        Of the last stage of training; pictures take twice as many samples.
    h_mean, h_stddev, v_mean, v_stddev : float
        Radians, but see `Views`.
    average_seed : int
        Of graf: of the codes that frequencies and phases are averaged over.
    """

    model: Siren | None = None
    fov: FieldOfView = 12.0
    ray_start: Distance = 0.88
    ray_end: Positive = 1.12
    sample_dist: str | None = "gaussian"
    h_mean: Number = math.pi / 2
    h_stddev: Number = 0.3
    v_mean: Number = math.pi / 2
    v_stddev: Number = 0.155
    num_steps: Annotated[int, Meta(ge=1, le=1024)] = 12
    img_size: Pixels = 128
    clamp_mode: Literal["relu", "softplus"] = "relu"
    hierarchical_sample: bool = True
    white_back: bool = False
    last_back: bool = False
    eval_last_back: bool | None = None  # of pictures; None is as in training
    average_seed: Seed = 0

    @property
    def camera(self) -> CameraSpec:
        """Where the training cameras were, one standard deviation to each side."""
        low, high = self._shares()
        turn = [0.25 - yaw / (2 * math.pi) for yaw in self._ends(self.h_mean, self.h_stddev)]
        left = round(min(turn), 12)
        return CameraSpec(
            near=self.ray_start,
            far=self.ray_end,
            radius=(1.0, 1.0),
            fov=self.fov,
            u=(left, min(round(max(turn), 12), left + 1)),
            v=(low, high),
            pixels="corner",
            depths="ray",
        )

    def _ends(self, mean: float, spread: float) -> tuple[float, float]:
        spread = abs(spread) if self.distribution != "none" else 0.0
        return mean - spread, mean + spread

    def _shares(self) -> tuple[float, float]:
        """Shares of the sphere above the highest and the lowest camera."""
        ends = self._ends(self.v_mean, self.v_stddev)
        if self.distribution == "spherical_uniform":
            low, high = (end / math.pi for end in ends)
        else:
            low, high = ((1 - math.cos(min(max(end, 0.0), math.pi))) / 2 for end in ends)
        return max(low, 0.0), min(high, 1.0)

    @property
    def distribution(self) -> Distribution:
        """Of training's cameras; what the authors' program does not know stands still."""
        known: tuple[Distribution, ...] = get_args(Distribution)
        return next((one for one in known if one == self.sample_dist), "none")

    @property
    def samples(self) -> Count:
        """Along a ray, of each pass, as the authors' scripts render."""
        return MULTIPLIER * self.num_steps

    def settings(self, siren: Siren) -> Spec:
        """What the family has to know; sizes come from the file."""
        cells = (1, 1, 1) if siren.startswith("Embedding") else None
        back = self.last_back if self.eval_last_back is None else self.eval_last_back
        return Spec(
            siren=siren,
            cells=cells,
            samples=self.samples,
            two_passes=self.hierarchical_sample,
            clamp=self.clamp_mode,
            last_back=back,
            views=Views(
                distribution=self.distribution,
                horizontal=(self.h_mean, self.h_stddev),
                vertical=(self.v_mean, self.v_stddev),
            ),
            average_seed=self.average_seed,
        )


CELEBA = Curriculum(model="SPATIALSIRENBASELINE", eval_last_back=True)
_SPHERE = math.pi / 4 * 85 / 90  # mean and spread: shares of the sphere from 0 to 0.4722
RELEASED: Mapping[str, Curriculum] = {
    "celeba": CELEBA,
    "cats": msgspec.structs.replace(
        CELEBA, ray_start=0.8, ray_end=1.2, sample_dist="uniform", h_stddev=0.5, v_stddev=0.4,
        num_steps=24, img_size=64,
    ),
    "carla": Curriculum(
        model="TALLSIREN", fov=30.0, ray_start=0.7, ray_end=1.3, sample_dist="spherical_uniform",
        h_stddev=math.pi, v_mean=_SPHERE, v_stddev=_SPHERE, num_steps=48, white_back=True,
    ),
}  # fmt: skip


def guessed(path: Path, folder: str, siren: str | None) -> Curriculum | None:
    """The released curriculum that a file is named after, if its class is that one's."""
    pair = path.stem.partition("generator")[0] if "generator" in path.stem else path.stem
    for name in (folder, pair.strip("_-. "), path.absolute().parent.name):
        found = RELEASED.get(name.casefold())
        if found is not None and siren == found.model:
            log.info("%s is taken for a model of the released curriculum %s.", path, name)
            return found
    return None


def read_curriculum(path: Path) -> Curriculum:
    """Read a curriculum.

    Parameters
    ----------
    path : Path
        TOML or JSON: keys of `Curriculum`, all of them optional; ``curriculum = "CelebA"``,
        ``"CATS"`` or ``"CARLA"`` to begin with a released one's, else with CelebA's; stages
        by the steps that they begin at, as the authors write them, of which the last one counts.

    Raises
    ------
    ManifestError
        Naming file, key and problem.
    """
    table = _table(path)
    released = table.pop("curriculum", None)
    base = RELEASED.get(str(released).casefold()) if released is not None else Curriculum()
    if base is None:
        raise ManifestError(
            f"{path}: there is no released curriculum `{released}`; "
            "say CelebA, CATS or CARLA, or all that is different."
        )
    for stage in _stages(table):
        table |= stage
    known = set(Curriculum.__struct_fields__)
    unknown = sorted(set(table) - known - TRAINING)
    if unknown:
        named = ", ".join(with_nearest(key, known) for key in unknown)
        log.warning(
            "%s: π-GAN's curricula have no %s; left out, so pictures may differ.", path, named
        )
    given = {key: value for key, value in table.items() if key in known}
    plain = {key: getattr(base, key) for key in Curriculum.__struct_fields__}
    try:
        made = convert(plain | given, Curriculum)
        _ = made.camera
    except (msgspec.ValidationError, ValueError) as error:
        raise ManifestError(f"{path}: {explain(error)}; fix it there.") from error
    return made


def _stages(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Stages in their order, taken out of the table; the last one of a curriculum is empty."""
    for step in sorted((key for key in table if key.isdecimal()), key=int):
        stage = table.pop(step)
        if isinstance(stage, dict):
            yield stage


def _table(path: Path) -> dict[str, Any]:
    try:
        text = contents(path, "name another", limit=MAX_BYTES).decode()
        table = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError(
            f"{path} is neither TOML nor JSON: {error}; write the curriculum as either."
        ) from error
    if not isinstance(table, dict):
        raise ManifestError(f"{path} holds no keys; write the curriculum as a table.")
    return table
