"""The density and the colours of one object, asked anywhere, on all cores.

Letters: ``σ`` density per world unit; raw density is what the network gives, before its activation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.rendering.fast.objects import ExactDensity
from graf_cli.rendering.fast.proof import DTYPES, precisions
from graf_cli.rendering.integrator import activated
from graf_cli.rendering.renderer import RenderOptions
from graf_cli.rendering.shot import Shot
from graf_cli.rendering.threads import each, workers
from graf_cli.scene.kernels import scouting_dtype
from graf_cli.scene.volume import FastVolume, Quadrature, Scene, Volume

CHUNK = 4096  # points whose activations stay in a processor's cache
GPU_CHUNK = 1 << 17
HALF_OPAQUE = math.log(2)  # σ · step of a step that stops half of the light
EDGE = 1e-9  # of σ below which a softplus is as good as its tangent at nothing


class Unfolded:
    """A volume without a fast form, with the methods of one.

    Parameters
    ----------
    volume : Volume
    device : torch.device
    """

    density_products: tuple[torch.Size, ...] = ()
    radiance_products: tuple[torch.Size, ...] = ()

    def __init__(self, volume: Volume, device: torch.device) -> None:
        self.volume, self.device, self.channels = volume, device, volume.channels
        self.tile = ExactDensity(volume, device).tile

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """See `Volume`."""
        return self.volume.density(points)

    def per_ray(self, directions: Tensor) -> Tensor:
        """The directions themselves."""
        return directions

    def radiance(self, features: Tensor, per_ray: Tensor | None) -> Tensor:
        """See `Volume`."""
        assert per_ray is not None
        return self.volume.radiance(features, per_ray)


@dataclass(frozen=True, eq=False)
class Field:
    """One object's field.

    Attributes
    ----------
    volume : FastVolume
        In the precision of results.
    scout : FastVolume
        Good enough to look for emptiness with.
    quadrature : Quadrature
    step : float
        Between two samples of the marcher's first pass, which finds what there is; world units.
    chunk : int
        Points that are asked at once.
    """

    volume: FastVolume
    scout: FastVolume
    quadrature: Quadrature
    step: float
    chunk: int

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self.volume.device

    @property
    def surface(self) -> float:
        """The density of a surface: one step of the marcher there is half opaque, ``ln 2 / δ``."""
        return HALF_OPAQUE / self.step

    def activated(self, raw: Tensor) -> Tensor:
        """Density per world unit of a raw one."""
        return activated(raw, self.quadrature)

    def raw(self, density: float) -> float:
        """The raw density of one per world unit above 0, the inverse of `activated`."""
        if self.quadrature.activation == "relu":
            return density
        # softplus⁻¹(σ) = log(e^σ − 1), which for large σ is σ itself.
        inverse = density + math.log(-math.expm1(-max(density, EDGE)))
        return inverse + (1.0 if self.quadrature.activation == "softplus-1" else 0.0)

    def density(self, points: Tensor, *, scouting: bool = False) -> Tensor:
        """Raw density, shape = (n,), of world points, shape = (n, 3)."""
        volume = self.scout if scouting else self.volume
        return self.ask(lambda some: volume.density(some)[1].to(torch.float32), points)

    def ask(self, run: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
        """``run(points)`` a chunk at a time, each core with its own."""
        if not len(points):
            return run(points)
        threads = workers(self.device) if self.volume.tile is None else 1
        return torch.cat(each(run, torch.split(points, self.chunk), threads))


def field_of(scene: Scene, shot: Shot, device: torch.device, options: RenderOptions) -> Field:
    """The field of the last pass, whose densities and colours pictures show.

    Parameters
    ----------
    scene : Scene
        Of the shot.
    shot : Shot
    device : torch.device
    options : RenderOptions
        `exact` asks the family's own volume; a `precision` that is named is used.
    """
    number = len(scene.passes) - 1
    if scene.fast is None or options.exact:
        volume: FastVolume = Unfolded(scene.passes[number], device)
        scout = volume
    else:
        number = 1 if scene.quadrature.further else 0
        named = options.precision not in ("auto", "float32")
        dtype = DTYPES[precisions(options.precision, device)[0]] if named else torch.float32
        volume = scene.fast(number, dtype)
        scout = scene.fast(number, scouting_dtype(device))
    suits = CHUNK if device.type == "cpu" else GPU_CHUNK
    return Field(volume, scout, scene.quadrature, step_of(scene, shot), options.chunk or suits)


def step_of(scene: Scene, shot: Shot) -> float:
    """Between two samples of the first pass along a ray, world units."""
    return (shot.camera.far - shot.camera.near) / max(scene.quadrature.samples - 1, 1)
