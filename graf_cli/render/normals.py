"""Surface normals from the density's gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.model.field import Field
from graf_cli.model.generator import Generator
from graf_cli.render.camera import Rays, rays
from graf_cli.render.march import depths, resample, weights
from graf_cli.render.renderer import Frame, Image, Shot

BLOCK_POINTS = 1 << 17  # samples held at once
CHUNK = 1 << 12  # points that go through the network at once
FAINT = 1e-3  # weight below which a sample does not turn a normal that is seen


@dataclass(frozen=True, eq=False)
class NormalFrame(Frame):
    """A Frame with its normals.

    Attributes
    ----------
    normal : ndarray, shape = (H, W, 3)
        Of unit length in the world's axes, away from the object; 0 where nothing is.
    """

    normal: Image


def with_normals(generator: Generator, frame: Frame) -> NormalFrame:
    """Add to a frame the normals of what it shows."""
    normal = normals(generator, frame.shot)
    return NormalFrame(frame.rgb, frame.depth, frame.opacity, frame.shot, normal)


def normals(generator: Generator, shot: Shot) -> Image:
    """Normals of what a shot sees.

    At each sample the normal is ``−∇density / |∇density|``; along a ray these are summed with the
    weights that the samples have in the picture, and brought to unit length.

    Returns
    -------
    ndarray, shape = (H, W, 3)
        World frame; 0 where nothing is.
    """
    camera, network = shot.camera, generator.spec.network
    pixels = camera.width * camera.height
    block = max(1, BLOCK_POINTS // (shot.samples + network.importance))
    picture = torch.zeros((pixels, 3), device=generator.device, dtype=torch.float32)
    for start in range(0, pixels, block):
        stop = min(start + block, pixels)
        through = rays(camera, device=picture.device, dtype=picture.dtype, start=start, stop=stop)
        picture[start:stop] = _along(generator, shot, through)
    host: Image = picture.to(device="cpu").numpy()
    return host.reshape(camera.height, camera.width, 3)


def _along(generator: Generator, shot: Shot, through: Rays) -> Tensor:
    """Normals of rays, shape = (n, 3)."""
    importance = generator.spec.network.importance
    field = generator.conditioned(shot.latent)
    z = depths(through.near, through.far, shot.samples)
    weight = _weights(field, through, z)
    if importance:
        field = generator.conditioned(shot.latent, fine=True)
        z = torch.cat((z, resample(z, weight, importance)), dim=-1).sort(dim=-1).values
        weight = _weights(field, through, z)
    ray, sample = torch.nonzero(weight > FAINT, as_tuple=True)
    points = through.origins[ray] + through.directions[ray] * z[ray, sample, None]
    facing = -_unit(_gradient(field, points, through.directions[ray]))
    total = torch.zeros_like(through.directions)
    total.index_add_(0, ray, facing * weight[ray, sample, None])
    return _unit(total)


def _weights(field: Field, through: Rays, z: Tensor) -> Tensor:
    points = (through.origins[:, None] + through.directions[:, None] * z[..., None]).reshape(-1, 3)
    directions = _unit(through.directions)[:, None].expand(*z.shape, 3).reshape(-1, 3)
    with torch.inference_mode():
        parts = [field(p, d)[0] for p, d in zip(_chunks(points), _chunks(directions), strict=True)]
        density = torch.cat(parts).reshape(z.shape)
        return weights(density, z, through.directions.norm(dim=-1, keepdim=True)).clone()


def _gradient(field: Field, points: Tensor, directions: Tensor) -> Tensor:
    """Gradient of the raw density, shape = (n, 3), per world unit."""
    parts = [torch.zeros_like(points[:0])]
    for p, d in zip(_chunks(points), _chunks(_unit(directions)), strict=True):
        with torch.enable_grad():
            at = p.detach().clone().requires_grad_(True)
            density, _ = field(at, d)
            [gradient] = torch.autograd.grad(density.sum(), at)
        parts.append(gradient)
    return torch.cat(parts)


def _chunks(rows: Tensor) -> tuple[Tensor, ...]:
    return torch.split(rows, CHUNK)


def _unit(vectors: Tensor) -> Tensor:
    """To length one; nothing stays nothing."""
    length: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / length.clamp(min=1e-20)
