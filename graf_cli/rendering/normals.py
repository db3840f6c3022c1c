"""Surface normals from the density's gradient.

Letters: n rays, m probes along each, q depths of each that are composited. A step is the distance
between two samples of the picture's first pass, ``(far − near) / (samples − 1)``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from graf_cli.rendering.integrator import activated
from graf_cli.rendering.renderer import Frame, Image, Shot, enlarged
from graf_cli.scene.camera import Camera, Rays, along_axis, rays
from graf_cli.scene.volume import Scene, Scenes, Volume

BLOCK_RAYS = 1 << 14  # held at once
CHUNK = 1 << 12  # points that go through the network at once
REACH = 3  # steps before the surface and behind it
FINER = 4  # probes a step; with 2 a soft ball's normals are a degree farther off
SHARES = (1 / 6, 1 / 2, 5 / 6)  # of what stops the light there: the depths that are composited
# Half the base of a difference, in steps. A fitted density ripples: on toy cars the gradient at a
# point is 12 degrees off even where the true surface is, and differences over 0.4 steps are 6 off;
# a longer base rounds edges.
BASE = 0.4
FAINTEST = 1e-3  # opacity below which a ray met nothing
LEAST = 1e-6  # stopped by every look, so that where nothing is stopped there is a middle too


def with_normals(generator: Scenes, frame: Frame, scene: Scene | None = None) -> Frame:
    """Add to a frame the normals of what it shows; a scene that is there is not made again."""
    return replace(frame, normal=normals(generator, frame, scene))


def normals(generator: Scenes, frame: Frame, scene: Scene | None = None) -> Image:
    """Normals of the surface that a frame shows at the depth ``depth / opacity``.

    That depth is of samples a step apart, so it has terraces where the surface is smooth. The
    density is looked at again around it, four times a step, and rendered as a volume from there
    on: each look stops the share ``1 − exp(−density · step / 4)`` of the light that reaches it. At
    the depths where a sixth, a half and five sixths of what is stopped
    there have been stopped, the normal is ``−∇density / |∇density|``, each component of the
    gradient its mean over 0.4 steps to either side along that axis of the world; their sum is
    brought to unit length.

    Where depth is that of a smaller raster, normals are the raster's, enlarged as the depth is.

    Returns
    -------
    ndarray, shape = (H, W, 3)
        World frame; 0 where nothing is.
    """
    shot, device = frame.shot, generator.device
    if scene is None:
        scene = generator.scene(shot.subject, samples=shot.samples, camera=shot.camera)
    camera = shot.camera
    if scene.raster is not None and scene.surface == "raster":
        camera = scene.raster(camera)
    opacity, depth = (
        torch.from_numpy(np.ascontiguousarray(_reduced(plane, camera))).to(device=device).flatten()
        for plane in (frame.opacity, frame.depth)
    )
    picture = torch.zeros((len(opacity), 3), device=device, dtype=torch.float32)
    for start in range(0, len(opacity), BLOCK_RAYS):
        stop = min(start + BLOCK_RAYS, len(opacity))
        through = rays(camera, device=device, dtype=picture.dtype, start=start, stop=stop)
        met = torch.nonzero(opacity[start:stop] > FAINTEST)[:, 0]
        surface = (depth[start:stop] / opacity[start:stop])[met, None]
        if camera.depths == "ray":  # a frame's are along the axis
            surface = surface / along_axis(camera, start + met, dtype=surface.dtype)[:, None]
        picture[start + met] = _at(scene, shot, through[met], surface)
    made = picture.view(camera.height, camera.width, 3)
    host: Image = enlarged(made, shot.camera.height, shot.camera.width).to(device="cpu").numpy()
    return host


def _reduced(plane: Image, camera: Camera) -> Image:
    """A plane of a frame at the raster that it was enlarged from, shape = (h, w)."""
    rows, columns = (
        -(np.arange(small) * -large // small)
        for small, large in zip((camera.height, camera.width), plane.shape, strict=True)
    )
    reduced: Image = plane[rows][:, columns]
    return reduced


def _at(scene: Scene, shot: Shot, through: Rays, surface: Tensor) -> Tensor:
    """Normals of rays at depths, shapes (n, 3) and (n, 1)."""
    volume = scene.passes[-1]
    length = through.directions.norm(dim=-1, keepdim=True)
    step = (through.far - through.near) / max(shot.samples - 1, 1)  # of depth
    probes = torch.arange(
        -REACH * FINER, REACH * FINER + 1, device=surface.device, dtype=surface.dtype
    )
    z = surface + probes * step / FINER
    density = activated(_density(volume, _points(through, z)), scene.quadrature)
    depths = _stopped_at(z, density, step * length / FINER)
    gradient = _differences(volume, through, depths, BASE * step * length)
    return _unit(-_unit(gradient).sum(dim=1))


def _points(through: Rays, z: Tensor) -> Tensor:
    """Points at depths of shape (n, m) along rays, shape = (n, m, 3)."""
    return through.origins[:, None] + through.directions[:, None] * z[..., None]


def _stopped_at(z: Tensor, density: Tensor, interval: Tensor) -> Tensor:
    """Depths where `SHARES` of what is stopped at z has been stopped, shape = (n, q).

    Parameters
    ----------
    z, density : Tensor, shape = (n, m)
        Depths, evenly spaced, and densities per world unit.
    interval : Tensor, shape = (n, 1)
        Between two of them, in world units.
    """
    alpha = 1 - torch.exp(-density * interval)
    clear = torch.cat((torch.ones_like(alpha[:, :1]), 1 - alpha[:, :-1]), dim=-1)
    stopped = (alpha * clear.cumprod(dim=-1) + LEAST).cumsum(dim=-1)
    shares = torch.tensor(SHARES, device=z.device, dtype=z.dtype)
    wanted = shares * stopped[:, -1:]
    after = torch.searchsorted(stopped, wanted).clamp(max=z.shape[1] - 1)
    high = stopped.gather(-1, after)
    low = torch.where(after > 0, stopped.gather(-1, (after - 1).clamp(min=0)), 0)
    spacing = z[:, 1:2] - z[:, :1]
    # Each look stands for the interval that ends there.
    return z.gather(-1, after) - spacing * ((high - wanted) / (high - low)).clamp(0, 1)


def _differences(volume: Volume, through: Rays, z: Tensor, base: Tensor) -> Tensor:
    """Gradients at depths of shape (n, q), to a factor of each ray's, shape = (n, q, 3).

    Parameters
    ----------
    base : Tensor, shape = (n, 1)
        Half the distance between the two points of a difference, in world units.
    """
    axes = torch.eye(3, device=z.device, dtype=z.dtype)
    ways = torch.cat((axes, -axes)) * base[:, None, :, None]  # (n, 1, 6, 3)
    around = _points(through, z)[:, :, None] + ways
    density = _density(volume, around.flatten(1, 2)).reshape(*z.shape, 6)
    ahead, behind = density[..., :3], density[..., 3:]
    return ahead - behind


@torch.no_grad()
def _density(volume: Volume, points: Tensor) -> Tensor:
    """Raw density, shape = (n, m), at points of shape (n, m, 3)."""
    flat = points.reshape(-1, 3)
    chunks = [p for p in torch.split(flat, CHUNK) if len(p)]
    found = [torch.zeros_like(flat[:0, 0]), *(volume.density(p)[1] for p in chunks)]
    return torch.cat(found).reshape(points.shape[:-1])


def _unit(vectors: Tensor) -> Tensor:
    """To length one; nothing stays nothing."""
    length: Tensor = vectors.norm(dim=-1, keepdim=True)
    return vectors / length.clamp(min=1e-20)
