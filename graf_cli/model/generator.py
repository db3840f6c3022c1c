"""A specification and its tensors become a Generator on a device."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from graf_cli.errors import ManifestError
from graf_cli.model.checkpoint import Tensors, Weights, check_weights, read_weights
from graf_cli.model.config import read_config
from graf_cli.model.field import Field, RadianceField
from graf_cli.model.kernels import in_tiles, plain_tile
from graf_cli.model.latent import Latent
from graf_cli.model.spec import ModelSpec


@dataclass(frozen=True, eq=False)
class Generator:
    """A model made real.

    Attributes
    ----------
    spec : ModelSpec
    sha256 : str
        Digest of the file that the weights came from, lower-case hexadecimal.
    coarse : RadianceField
        The only pass of most models; the first of two where `spec.network.importance` is set.
    fine : RadianceField or None
        The second pass, where it has weights of its own.
    device : torch.device
    """

    spec: ModelSpec
    sha256: str
    coarse: RadianceField
    fine: RadianceField | None
    device: torch.device

    def conditioned(self, latent: Latent, *, fine: bool = False) -> Field:
        """The field of one object: n points and directions in, raw density and colour out.

        With `fine`, that of the second pass, which without weights of its own is the first.
        """
        field = self.fine if fine and self.fine is not None else self.coarse
        dtype = next(field.parameters()).dtype
        shape = latent.shape.to(device=self.device, dtype=dtype)
        appearance = latent.appearance.to(device=self.device, dtype=dtype)

        def run(points: Tensor, directions: Tensor | None = None) -> tuple[Tensor, ...]:
            return tuple(field(points, directions, shape, appearance))

        def query(points: Tensor, directions: Tensor | None) -> tuple[Tensor, Tensor]:
            given = (points,) if directions is None else (points, directions)
            density, colour = in_tiles(run, plain_tile(points.device, dtype), *given)
            return density, colour

        return query


def build(spec: ModelSpec, weights: Weights, sha256: str, device: torch.device) -> Generator:
    """Put checked weights into the network that the specification describes."""
    fine = None
    if weights.fine is not None:
        fine = _filled(spec, weights.fine, device, fine=True)
    coarse = _filled(spec, weights.coarse, device, fine=False)
    return Generator(spec=spec, sha256=sha256, coarse=coarse, fine=fine, device=device)


def _filled(
    spec: ModelSpec, tensors: Tensors, device: torch.device, *, fine: bool
) -> RadianceField:
    field = RadianceField(spec.network, spec.latent, fine=fine, device="meta", dtype=torch.float32)
    placed = {name: tensor.to(device=device) for name, tensor in tensors.items()}
    field.load_state_dict(placed, assign=True)
    return field.requires_grad_(False).eval()


def open_checkpoint(path: Path, config: Path | None = None) -> tuple[ModelSpec, Weights]:
    """A user's own checkpoint and the configuration beside it; graf's own files need none.

    Raises
    ------
    CheckpointError, ManifestError
    """
    weights = read_weights(path)
    if config is not None:
        spec = read_config(config, path.stem)
    elif weights.spec is not None:
        spec = weights.spec
    else:
        raise ManifestError(
            f"{path} does not say how its network is built; "
            "give the config.yaml of its training with --config."
        )
    check_weights(path, spec, weights)
    return spec, weights


def load_checkpoint(path: Path, config: Path | None, device: torch.device) -> Generator:
    """What a user trained, on a device. Raises as `open_checkpoint`."""
    spec, weights = open_checkpoint(path, config)
    return build(spec, weights, digest(path), device)


def load_spec(spec: ModelSpec, path: Path, device: torch.device) -> Generator:
    """A model of the manifest, from the file that it was fetched to.

    Raises
    ------
    CheckpointError
        When the file does not hold the network that the manifest describes.
    """
    weights = read_weights(path)
    check_weights(path, spec, weights)
    return build(spec, weights, digest(path), device)


def digest(path: Path) -> str:
    """SHA-256 of a file, lower-case hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
