"""A scene on a coarse lattice, from which small pictures cost next to nothing.

Scores of cameras look at each start. A picture of 24 × 24 evaluates thousands of samples, and its
neighbour the same ones again; a lattice of as many cells as the picture has pixels is evaluated
once. Densities are kept activated, colours as they are seen from outside, both interpolated.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.rendering.integrator import Samples, Seen, activated, composite, first_depths
from graf_cli.scene.camera import Rays
from graf_cli.scene.volume import Quadrature, Scene

CHUNK = 4096  # points that go through a field at once, whose activations stay in a cache
CELLS = 32  # along a side: as wide as a pixel of the pictures that starts are scored by
SAMPLES = 48  # along a ray: one and a half a cell
# Most that a cell's edge may take away: a lattice blurs an outline over a cell, within which the
# interpolated density has to fall from all to nothing, and not to a tenth of all.
OPAQUE = 6.0


class Baked:
    """The densities and colours of a scene within a cube around the origin.

    Parameters
    ----------
    scene : Scene
        Of colours, whose rays go straight.
    half : float
        Half the cube's side, world units.
    device : torch.device
    """

    def __init__(self, scene: Scene, half: float, device: torch.device) -> None:
        self.half, self.quadrature = half, scene.quadrature
        step = ((torch.arange(CELLS, device=device, dtype=torch.float32) + 0.5) / CELLS - 0.5) * 2
        x, y, z = torch.meshgrid(step, step, step, indexing="ij")
        points = torch.stack((x, y, z), dim=-1).view(-1, 3) * half
        volume = scene.passes[-1]
        features, density = zip(*map(volume.density, torch.split(points, CHUNK)), strict=True)
        raw = torch.cat(density)
        # A density beyond what a cell can show is cut, so that interpolation finds the outline.
        most = OPAQUE / (2 * half / CELLS)
        thick = activated(raw, scene.quadrature).clamp(max=most)
        colours = torch.zeros((len(points), volume.channels), device=device, dtype=torch.float32)
        filled = (thick > 0).nonzero()[:, 0]
        inwards = -functional.normalize(points[filled], dim=-1)
        kept = torch.cat(features)[filled]
        made = [
            volume.radiance(some, facing)
            for some, facing in zip(
                torch.split(kept, CHUNK), torch.split(inwards, CHUNK), strict=True
            )
        ]
        if made:
            colours[filled] = torch.cat(made)
        # Multiplied by density, so that no colour of empty space gets into an outline.
        planes = torch.cat((colours * thick[:, None], thick[:, None]), dim=-1)
        cube = planes.view(CELLS, CELLS, CELLS, -1).permute(3, 0, 1, 2)
        self.planes = cube[None].contiguous()

    def march(self, rays: Rays) -> Seen:
        """What rays see, by the left rule, in the form of the exact integrator."""
        near, far = self._ends(rays)
        evenly = Quadrature(samples=SAMPLES)
        within = Rays(rays.origins, rays.directions, near, far)
        z = first_depths(within, evenly)
        points = rays.origins[:, None] + rays.directions[:, None] * z[..., None]
        # grid_sample counts the last axis first.
        places = (points / self.half).flip(-1).view(1, 1, *points.shape)
        found = functional.grid_sample(
            self.planes, places, align_corners=False, padding_mode="zeros"
        )[0, :, 0].permute(1, 2, 0)
        thick = found[..., -1]
        colours = found[..., :-1] / thick.clamp(min=1e-6)[..., None]
        length = rays.directions.norm(dim=-1, keepdim=True)
        last = Quadrature(samples=SAMPLES, last="nothing")
        return composite(Samples(z, thick, colours), length, last)

    def _ends(self, rays: Rays) -> tuple[Tensor, Tensor]:
        """Between near and far, as far as a ray is within the ball around the cube."""
        reach = self.half * math.sqrt(3)
        square = rays.directions.square().sum(dim=-1, keepdim=True)
        middle = -(rays.origins * rays.directions).sum(dim=-1, keepdim=True) / square
        span = reach / square.sqrt()
        near = torch.maximum(rays.near, middle - span)
        far = torch.minimum(rays.far, middle + span)
        return near, torch.maximum(far, near)
