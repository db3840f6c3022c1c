"""Pictures that are differentiable in codes and cameras, made of the samples that show.

A ray of a radiance field has many samples and shows a few: those in front of the first surface are
empty, those behind it hidden. Which they are is found without gradients, by the occupancy grid and
the fast march; the exact integrator's own sum then runs over these alone, with gradients. All that
is left out has no weight, and by a rectified density no gradient either. Which samples show moves
slowly, so that the choice is kept for some steps, with a margin around it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from graf_cli.inversion.problem import Problem, Standpoint
from graf_cli.rendering.fast.march import Count
from graf_cli.rendering.fast.objects import Objects, Opened, PictureSetup, Tightness
from graf_cli.rendering.integrator import (
    Samples,
    Seen,
    alphas,
    composite,
    first_depths,
    further_depths,
    sample,
    weights,
)
from graf_cli.scene.camera import Camera, Rays, rays, rays_through
from graf_cli.scene.volume import Scene

CHUNK = 4096  # points that go through a field at once, whose activations stay in a cache
# Samples whose activations are held for the gradient, a gigabyte of GRAF's; of more they are made
# twice, a chunk at a time.
HELD = 1 << 16
# Of a grid along a side: one that serves a few pictures of one shape has to be cheap to make. With
# half as many, cells are as large as a toy car's wheel, with twice as many the grid costs more
# than all that it saves of a picture of 64 × 64.
CELLS = Tightness(cells=32, margin=2.0)
SHOWS = 1e-3  # weight from which a sample is worth a gradient: 64 that are left out are 1/16
MARGIN = 1  # samples before and behind those that show, which may come to show
NOTHING = -1e4  # raw density that is none by every activation
POLE = 1e-6  # of a sine, below which a camera looks along "up"


def pose_of(azimuth: Tensor, elevation: Tensor, radius: Tensor, pivot: Tensor) -> Tensor:
    """As `graf_cli.scene.camera.pose_on_sphere`, differentiable.

    Parameters
    ----------
    azimuth, elevation : Tensor, scalar
        Radians.
    radius : Tensor, scalar
        World units.
    pivot : Tensor, shape = (3,)
        World point that is looked at.

    Returns
    -------
    Tensor, shape = (3, 4)
        Camera to world.
    """
    flat = elevation.cos()
    away = torch.stack((flat * azimuth.cos(), flat * azimuth.sin(), elevation.sin()))
    eye = radius * away
    x = torch.stack((-azimuth.sin(), azimuth.cos(), torch.zeros_like(azimuth)))
    if not bool(pivot.any()):
        return torch.stack((x, torch.linalg.cross(away, x), away, eye), dim=1)
    z = (eye - pivot) / (eye - pivot).norm()
    across = torch.stack((-z[1], z[0], torch.zeros_like(azimuth)))
    if float(across.detach().norm()) > POLE:
        x = across / across.norm()
    return torch.stack((x, torch.linalg.cross(z, x), z, eye), dim=1)


@dataclass(frozen=True, eq=False)
class Kept:
    """The samples of one camera's rays that are worth a gradient.

    Attributes
    ----------
    camera : Camera
        That they were found with.
    local : Rays
        In the camera's own axes, of the rays that see something.
    pixel : Tensor of int64, shape = (n,)
        Whose they are.
    z : Tensor, shape = (n, samples)
        Depths.
    mask : Tensor of bool, shape = (n, samples)
        Which of these.
    """

    camera: Camera
    local: Rays
    pixel: Tensor
    z: Tensor
    mask: Tensor


class Tracing:
    """Traces pictures of one problem.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.generator = problem, problem.generator
        self.device = problem.generator.device

    def scene(self, codes: Mapping[str, Tensor], camera: Camera) -> Scene:
        """What rays pass through; differentiable where the codes are."""
        problem = self.problem
        return self.generator.scene(problem.subject(codes), samples=problem.samples, camera=camera)

    @torch.no_grad()
    def keep(
        self, codes: Mapping[str, Tensor], standpoints: tuple[Standpoint, ...], longest: int
    ) -> list[Kept]:
        """For each photograph the samples that show, and their neighbours along the ray."""
        objects, width, height = Objects(self.generator), *self.problem.smaller(longest)
        codes = {name: code.detach() for name, code in codes.items()}
        found = []
        for number, standpoint in enumerate(standpoints):
            camera = self.problem.camera(number, standpoint, width, height)
            found.append(self._kept(objects, self.scene(codes, camera), camera))
        return found

    def _kept(self, objects: Objects, scene: Scene, camera: Camera) -> Kept:
        marched = scene.rastered(camera)
        through = rays(marched, device=self.device, dtype=torch.float32)
        if scene.warp is not None:
            through = scene.warp(through, marched)
        z, weight = self._weights(objects, scene, marched, through)
        mask = _widened(weight > SHOWS, MARGIN)
        quadrature = scene.quadrature
        if quadrature.last_back or quadrature.activation != "relu":
            mask[:, -1] = True  # it takes what is left, or has a density everywhere
        pixel = mask.any(dim=-1).nonzero()[:, 0]
        still = _at_origin(marched)
        local = rays_through(still, pixel, dtype=torch.float32)
        return Kept(marched, local, pixel, z[pixel], mask[pixel])

    def _weights(
        self, objects: Objects, scene: Scene, camera: Camera, through: Rays
    ) -> tuple[Tensor, Tensor]:
        """Depths and weights of all samples, shape = (n, samples)."""
        if scene.fast is not None:
            setup = PictureSetup(scene, camera, camera, 1, CELLS, torch.float32)
            return _fast_weights(objects.open(setup, CHUNK), scene, through)
        return _plain_weights(scene, through)

    def seen(self, scene: Scene, kept: Kept, pose: Tensor) -> Seen:
        """What rays see from a pose, shape = (3, 4); zero where nothing was kept."""
        through = self._rays(scene, kept, pose)
        found = _composited(scene, through, kept)
        marched = kept.camera
        count = marched.width * marched.height
        radiance = found.radiance.new_zeros((count, found.radiance.shape[1]))
        empty = found.opacity.new_zeros(count)
        return Seen(
            radiance.index_put((kept.pixel,), found.radiance),
            empty.index_put((kept.pixel,), found.opacity),
            empty.index_put((kept.pixel,), found.depth),
        )

    def picture(self, scene: Scene, kept: Kept, pose: Tensor) -> tuple[Tensor, Tensor]:
        """Colours on the background, shape = (h, w, 3), and opacity, shape = (h, w)."""
        seen, camera = self.seen(scene, kept, pose), kept.camera
        opacity = seen.opacity.view(camera.height, camera.width)
        radiance = seen.radiance.view(camera.height, camera.width, -1)
        if scene.finish is not None:
            return scene.finish(radiance.permute(2, 0, 1)).permute(1, 2, 0), opacity
        if scene.quadrature.last_back:
            return radiance, opacity
        behind = torch.tensor(self.problem.background, device="cpu", dtype=torch.float32)
        behind = behind.to(device=self.device)
        return radiance + (1 - opacity[..., None]) * behind, opacity

    def _rays(self, scene: Scene, kept: Kept, pose: Tensor) -> Rays:
        """In the world, from the camera's own axes."""
        local, rotation, eye = kept.local, pose[:, :3], pose[:, 3]

        def rotated(vectors: Tensor) -> Tensor:
            return (vectors[:, None, :] * rotation).sum(-1)

        origins = rotated(local.origins) + eye
        through = Rays(origins, rotated(local.directions), local.near, local.far)
        return through if scene.warp is None else scene.warp(through, kept.camera)


def _at_origin(camera: Camera) -> Camera:
    """The same camera at the origin, its axes the world's."""
    pose = torch.eye(3, 4, device="cpu", dtype=torch.float64).numpy()
    return replace(camera, pose=pose)


def _widened(mask: Tensor, margin: int) -> Tensor:
    """True also `margin` places before and behind along the last axis."""
    around = functional.max_pool1d(
        mask[:, None].to(torch.float32), 2 * margin + 1, stride=1, padding=margin
    )
    return around[:, 0] > 0


def _fast_weights(opened: Opened, scene: Scene, through: Rays) -> tuple[Tensor, Tensor]:
    z, count = first_depths(through, scene.quadrature), Count()
    if scene.quadrature.further:
        weight = opened.marchers[0].weights(through, z, chunk=CHUNK, count=count)
        further = further_depths(z, weight, scene.quadrature)
        z = torch.cat((z, further), dim=-1).sort(dim=-1).values
    return z, opened.marchers[-1].weights(through, z, chunk=CHUNK, count=count)


def _plain_weights(scene: Scene, through: Rays) -> tuple[Tensor, Tensor]:
    """By the exact integrator.

    By the midpoint rule a sample's is the larger one of the intervals before and behind it.
    """
    quadrature = scene.quadrature
    length = through.directions.norm(dim=-1, keepdim=True)

    def weighed(number: int, z: Tensor) -> Tensor:
        volume = scene.passes[number]
        density = sample(scene, volume, through, z, chunk=CHUNK, radiance=False).density
        return weights(alphas(z, density, length, quadrature))

    z = first_depths(through, quadrature)
    weight = weighed(0, z)
    if quadrature.further:
        z = torch.cat((z, further_depths(z, weight, quadrature)), dim=-1).sort(dim=-1).values
        weight = weighed(-1, z)
    if quadrature.rule == "midpoint":
        weight = torch.maximum(functional.pad(weight, (1, 0)), functional.pad(weight, (0, 1)))
    return z, weight


def _composited(scene: Scene, through: Rays, kept: Kept) -> Seen:
    """The exact integrator's sum over the samples that were kept, with gradients."""
    volume, mask = scene.passes[-1], kept.mask
    ray, at = mask.nonzero().unbind(dim=-1)
    if scene.place is None:
        points = through.origins[ray] + through.directions[ray] * kept.z[mask][:, None]
    else:
        points = scene.place(through, kept.z)[mask]
    views = through.views
    if views is None:
        views = through.directions / through.directions.norm(dim=-1, keepdim=True)

    def ask(p: Tensor, d: Tensor) -> tuple[Tensor, Tensor]:
        features, density = volume.density(p)
        return density, volume.radiance(features, d)

    many = len(points) > HELD and torch.is_grad_enabled()
    densities, colours = [], []
    for p, d in zip(torch.split(points, CHUNK), torch.split(views[ray], CHUNK), strict=True):
        density, colour = checkpoint(ask, p, d, use_reentrant=False) if many else ask(p, d)
        densities.append(density)
        colours.append(colour)
    shape = mask.shape
    none = torch.full(shape, NOTHING, device=kept.z.device, dtype=kept.z.dtype)
    black = kept.z.new_zeros((*shape, volume.channels))
    if densities:
        none = none.index_put((ray, at), torch.cat(densities))
        black = black.index_put((ray, at), torch.cat(colours))
    length = through.directions.norm(dim=-1, keepdim=True)
    return composite(Samples(kept.z, none, black), length, scene.quadrature)
