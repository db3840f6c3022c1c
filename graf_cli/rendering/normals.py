"""Surface normals from the density's gradient."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from graf_cli.rendering.integrator import alphas, weights
from graf_cli.rendering.renderer import Frame, Image, Shot
from graf_cli.scene.camera import Rays, rays
from graf_cli.scene.volume import Scenes, Volume

BLOCK_RAYS = 1 << 14  # held at once
CHUNK = 1 << 12  # points that go through the network at once
REACH = 3  # samples before the surface and behind it
FAINTEST = 1e-3  # opacity below which a ray met nothing
LEAST = 1e-6  # weight of a sample, so that a surface between two samples has a normal too


def with_normals(generator: Scenes, frame: Frame) -> Frame:
    """Add to a frame the normals of what it shows."""
    return replace(frame, normal=normals(generator, frame))


def normals(generator: Scenes, frame: Frame) -> Image:
    """Normals of the surface that a frame shows at the depth ``depth / opacity``.

    At samples around it, as far apart as those of the picture, the normal is
    ``−∇density / |∇density|``; these are summed with the weights of volume rendering there, and
    brought to unit length.

    Returns
    -------
    ndarray, shape = (H, W, 3)
        World frame; 0 where nothing is.
    """
    camera, device = frame.shot.camera, generator.device
    opacity = torch.from_numpy(frame.opacity).to(device=device).reshape(-1)
    depth = torch.from_numpy(frame.depth).to(device=device).reshape(-1)
    picture = torch.zeros((len(opacity), 3), device=device, dtype=torch.float32)
    for start in range(0, len(opacity), BLOCK_RAYS):
        stop = min(start + BLOCK_RAYS, len(opacity))
        through = rays(camera, device=device, dtype=picture.dtype, start=start, stop=stop)
        met = torch.nonzero(opacity[start:stop] > FAINTEST)[:, 0]
        surface = (depth[start:stop] / opacity[start:stop])[met, None]
        picture[start + met] = _at(generator, frame.shot, through[met], surface)
    host: Image = picture.to(device="cpu").numpy()
    return host.reshape(camera.height, camera.width, 3)


def _at(generator: Scenes, shot: Shot, through: Rays, surface: Tensor) -> Tensor:
    """Normals of rays at depths, shapes (n, 3) and (n, 1)."""
    scene = generator.scene(shot.subject, samples=shot.samples, camera=shot.camera)
    volume = scene.passes[-1]
    count = 2 * REACH + 1
    steps = torch.linspace(-REACH, REACH, count, device=surface.device, dtype=surface.dtype)
    z = surface + steps * (through.far - through.near) / max(shot.samples - 1, 1)
    points = through.origins[:, None] + through.directions[:, None] * z[..., None]
    length = through.directions.norm(dim=-1, keepdim=True)
    density, gradient = _gradient(volume, points.reshape(-1, 3))
    # One sample more, of nothing: the last interval of a ray is infinite, this one is not.
    beyond = torch.zeros_like(surface)
    alpha = alphas(
        torch.cat((z, 2 * z[:, -1:] - z[:, -2:-1]), dim=-1),
        torch.cat((density.reshape(z.shape), beyond), dim=-1),
        length,
        scene.quadrature,
    )
    weight = weights(alpha)[:, :-1]
    facing = -_unit(gradient).reshape(points.shape)
    return _unit((facing * (weight[..., None] + LEAST)).sum(dim=1))


def _gradient(volume: Volume, points: Tensor) -> tuple[Tensor, Tensor]:
    """Raw density, shape = (n,), and its gradient per world unit, shape = (n, 3)."""
    densities, gradients = [torch.zeros_like(points[:0, 0])], [torch.zeros_like(points[:0])]
    for p in torch.split(points, CHUNK):
        with torch.enable_grad():
            at = p.detach().clone().requires_grad_(True)
            _, density = volume.density(at)
            [gradient] = torch.autograd.grad(density.sum(), at)
        densities.append(density.detach())
        gradients.append(gradient)
    return torch.cat(densities), torch.cat(gradients)


def _unit(vectors: Tensor) -> Tensor:
    """To length one; nothing stays nothing."""
    length: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / length.clamp(min=1e-20)
