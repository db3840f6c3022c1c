"""The fitted model and the procedural truth, seen by the same cameras."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.families.graf.scene import Codes
from graf_cli.model.generator import Generator
from graf_cli.rendering.renderer import Frame, Renderer, RenderOptions, Shot
from graf_cli.scene.camera import azimuth_of, camera_for, elevation_of, pose_on_sphere
from tools.toycars.family import Cars, cars
from tools.toycars.truth import RADIUS, V_RANGE, Picture, camera_rays, render_truth

WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class View:
    """Where a camera of the released cars stands."""

    u: float
    """Azimuth / 360°."""
    v: float
    """(1 − cos polar) / 2."""


def random_views(count: int, seed: int) -> list[View]:
    """Viewpoints drawn as the released cars' cameras are."""
    generator = torch.Generator(device="cpu").manual_seed(seed)
    drawn = torch.rand(
        count, 2, generator=generator, device=torch.device("cpu"), dtype=torch.float64
    )
    low, high = V_RANGE
    return [View(float(u), low + (high - low) * float(v)) for u, v in drawn]


def family_of(latent: Codes) -> Cars:
    """The procedural car of one latent."""
    return cars(latent.shape[None], latent.appearance[None])


def truth(latent: Codes, view: View, size: int, *, supersampling: int = 1) -> Picture:
    """Draw the procedural car, a batch of one, on the CPU.

    With ``supersampling`` the colour is the mean over that many rays along each side of a pixel;
    mask and depth keep all of them.
    """
    u, v = torch.tensor(
        ((view.u,), (view.v,)), device=latent.shape.device, dtype=latent.shape.dtype
    )
    picture = render_truth(family_of(latent), camera_rays(u, v, size * supersampling))
    if supersampling == 1:
        return picture
    cells = picture.colour.reshape(1, size, supersampling, size, supersampling, 3)
    return Picture(cells.mean(dim=(2, 4)), picture.mask, picture.depth)


class ModelViews:
    """Draws a fitted model from its weights as they are stored.

    Parameters
    ----------
    generator
        The model.
    exact
        Whether by the plain marcher, which measurements want, or by the faster path.
    """

    def __init__(self, generator: Generator, *, exact: bool = True) -> None:
        self.generator = generator
        self._renderer = Renderer(generator, RenderOptions(exact=exact))

    def draw(self, latent: Codes, view: View, size: int) -> tuple[Tensor, Tensor]:
        """Colour on white (H, W, 3) and opacity (H, W), both in [0, 1], on the CPU."""
        frame = self.frame(latent, view, size)
        return torch.from_numpy(frame.rgb), torch.from_numpy(frame.opacity)

    def frame(self, latent: Codes, view: View, size: int) -> Frame:
        """All that the renderer makes of one view, on white."""
        spec = self.generator.spec
        pose = pose_on_sphere(azimuth_of(view.u), elevation_of(view.v), RADIUS)
        camera = camera_for(spec.camera, pose, width=size, height=size)
        return self._renderer.render(
            Shot(latent.subject(), camera, spec.settings.network.samples, WHITE)
        )
