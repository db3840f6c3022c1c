"""Scenes: what rays pass through, and how they are integrated.

A family makes a `Scene` of a subject once; the renderer asks it many times. Letters, here and in
the renderer: ``z`` depths along a ray, ``σ`` density, ``δ`` lengths of intervals, ``α = 1 −
exp(−σ δ)`` what a sample takes away, ``T`` the transmittance in front of it, ``w = α T`` weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from graf_cli.scene.camera import Camera, Rays
from graf_cli.scene.codes import Subject


class Volume(Protocol):
    """A density and what is seen of it; differentiable in points and codes, world units.

    Attributes
    ----------
    channels : int
        3 are colours, in [0, 1]; more are features, of which the first three may be colours.
    """

    channels: int

    def density(self, points: Tensor, /) -> tuple[Tensor, Tensor]:
        """Of points, shape = (n, 3), features, shape = (n, width), and raw density, shape = (n,).

        The features are whatever `radiance` needs.
        """

    def radiance(self, features: Tensor, directions: Tensor, /) -> Tensor:
        """Activated, shape = (n, channels), of features and unit directions, shape = (n, 3)."""


class Colourless:
    """A volume that is asked for its density alone."""

    channels = 0

    def __init__(self, volume: Volume) -> None:
        self.density = volume.density

    def radiance(self, features: Tensor, _: Tensor) -> Tensor:
        """Nothing, shape = (n, 0)."""
        return features[:, :0]


@dataclass(frozen=True)
class Quadrature:
    """How the integral along a ray becomes a sum.

    Attributes
    ----------
    samples : int
        Of the first pass, from near to far, both ends included.
    further : int
        Of a second pass, placed where the first one saw something; 0 is one pass.
    spacing : str
        ``depth`` evenly in depth, ``disparity`` evenly in its inverse.
    rule : str
        ``left``: a sample stands for the interval behind it, the last one's being infinite;
        ``midpoint``: densities and radiance of neighbouring samples are averaged over the
        interval between them.
    activation : str
        Of the raw density: ``relu``, ``softplus``, or ``softplus-1``, softplus(σ − 1).
    reused : bool
        The first pass's samples are composited with the further ones as they are; else all are
        evaluated again, by the second volume.
    pdf : tuple of float
        Floors that are added to the first pass's weights, one after the other.
    blurred : bool
        Whether these weights first take the mean of the maxima with either neighbour.
    search : str
        Which side of equal values the inverse of the distribution takes.
    even : str
        Where the further samples' quantiles are: ``ends`` of [0, 1] included, or ``centres``.
    last_back : bool
        The last sample takes all the weight that is missing to 1.
    depths : str
        How even depths are rounded: ``ends`` is near (1 − t) + far t, ``near`` is
        near + t (far − near).
    last : str
        The last interval by the left rule: ``infinite``, or ``nothing``, of no length.
    shift : float
        Steps by which the first depths are moved back, where nothing is drawn.
    """

    samples: int
    further: int = 0
    spacing: Literal["depth", "disparity"] = "depth"
    rule: Literal["left", "midpoint"] = "left"
    activation: Literal["relu", "softplus", "softplus-1"] = "relu"
    reused: bool = False
    pdf: tuple[float, ...] = (1e-5,)
    blurred: bool = False
    search: Literal["left", "right"] = "right"
    even: Literal["ends", "centres"] = "ends"
    last_back: bool = False
    depths: Literal["ends", "near"] = "ends"
    last: Literal["infinite", "nothing"] = "infinite"
    shift: float = 0.0


@dataclass(frozen=True, eq=False)
class Draws:
    """Random numbers of one picture, where it is drawn as its authors' program does.

    Attributes
    ----------
    jitter : Tensor, shape = (H·W, samples)
        Added to the first depths, in steps between two of them.
    quantiles : Tensor, shape = (H·W, further), or None
        Of the second pass, in [0, 1].
    noise : tuple of Tensor
        Added to the raw densities of the first pass and of all samples, where there is some.
    """

    jitter: Tensor
    quantiles: Tensor | None = None
    noise: tuple[Tensor, ...] = ()


class FastVolume(Protocol):
    """A volume with all that is constant within one object folded away.

    Attributes
    ----------
    channels : int
        As `Volume.channels`.
    device : torch.device
    tile : int or None
        Rows of a product where kernels differ with their number; None is any.
    density_products, radiance_products : tuple of Size
        Outputs and inputs of the matrices that a sample goes through.
    """

    channels: int
    device: torch.device
    tile: int | None
    density_products: tuple[torch.Size, ...]
    radiance_products: tuple[torch.Size, ...]

    def density(self, points: Tensor, /) -> tuple[Tensor, Tensor]:
        """As `Volume.density`; raw density comes in float32."""

    def per_ray(self, directions: Tensor, /) -> Tensor | None:
        """What unit directions, shape = (n, 3), add to all their samples; None is nothing."""

    def radiance(self, features: Tensor, per_ray: Tensor | None, /) -> Tensor:
        """Activated, shape = (n, channels), float32."""


@runtime_checkable
class SeenAround(Protocol):
    """A `FastVolume` whose colours from several directions cost little more than from one."""

    def around(self, features: Tensor, per_ray: Tensor | None, /) -> Tensor:
        """Radiance, shape = (n, m, channels), of `per_ray` rows, shape = (n, m, …), or None.

        m is 1 where no direction counts.
        """


# Of rays and whether radiance is wanted: radiance, opacity and depth.
March = Callable[[Rays, bool], tuple[Tensor, Tensor, Tensor]]
Corners = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True, eq=False)
class Placed:
    """One object of a scene of several, alone.

    Attributes
    ----------
    name : str
    volume : Volume
        Of world points; its radiance is not a colour of the finished picture.
    bounds : tuple of two corners
        The lowest and the highest of all that it may fill, world units.
    """

    name: str
    volume: Volume
    bounds: Corners


@dataclass(frozen=True, eq=False)
class Painting:
    """A faster way to the picture that `Scene.finish` makes.

    Attributes
    ----------
    dtype : torch.dtype
        Of its products; less than float32 may be off by a level of 8 bits.
    paint : callable
        As `Scene.finish`.
    """

    dtype: torch.dtype
    paint: Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Windows:
    """A 2-D stage on windows of the raster, whose middles come out as they do of the whole.

    Attributes
    ----------
    side : int
        Of a window, in pixels of the raster; it may be that of the raster.
    step : int
        Windows begin at multiples of it.
    finish : callable
        Of what is given to `Scene.finish`, in a window, (channels, side, side), and where that
        begins, row and column: the finished pixels that hang on the window alone, (3, h, w), and
        where these begin in the finished picture.
    """

    side: int
    step: int
    finish: Callable[[Tensor, int, int], tuple[Tensor, int, int]]


@dataclass(frozen=True, eq=False)
class Scene:
    """One object or more, ready to be seen from everywhere.

    Attributes
    ----------
    passes : tuple of Volume
        One, or two of a hierarchical field.
    quadrature : Quadrature
    key : bytes
        Of all that a picture depends on beside camera, samples and background.
    geometry : bytes
        Of all that moves the density: an occupancy grid belongs to it.
    fast : callable or None
        Gives the folded volume of pass `number` (0, and 1 where there are further samples, be
        the volume its own or the first one again) at a precision; None leaves the exact
        integrator alone.
    empty_below : float
        Raw density that no picture shows: 0 of ``relu``; None where nothing can be left out.
    warp : callable or None
        Rays of a camera in the world become those along which the sum is made: normalised device
        coordinates, ends that depend on the ray.
    place : callable or None
        Points, shape = (n, samples, k), of rays and depths (n, samples), where a volume's
        `density` wants others than ``origin + z·direction`` (k = 3 in world units).
    march : callable or None
        A fast march of the family's own: of rays, radiance, (n, channels), where it is asked for
        and else no channels, opacity and depth, (n,), equal to the exact integrator's to rounding.
        Several threads may call it at once.
    sparse : callable or None
        The march to be taken where so many samples follow, which may have looked into what is
        empty once, and leaves that out.
    draws : callable or None
        Random numbers of the picture of a camera.
    raster : callable or None
        The camera that radiance is integrated by, from the camera of the finished picture, where
        a 2-D stage follows.
    finish : callable or None
        The 2-D stage: (channels, h, w) to (3, H, W), in [0, 1].
    raw : callable or None
        Of what is given to `finish`, the colours that were integrated, (3, h, w) in [0, 1]; None
        takes the first three channels.
    masks : callable or None
        The same scene, seen as its objects' masks: radiance is one channel an object, how much of
        the light that is stopped it stops. It has no 2-D stage.
    paintings : tuple of Painting
        Faster ways to what `finish` makes, the fastest first.
    windows : Windows or None
        How finished pixels are held against the exact ones without painting all of them; None
        leaves the whole picture.
    surface : str
        Where depth and opacity come from when a 2-D stage follows: from the ``raster``, enlarged,
        or from a march of their own at the finished ``picture``'s size.
    bounds : tuple of two corners, or None
        The lowest and the highest of all that the field is made for, world units; None is whatever
        rays reach.
    objects : callable or None
        Gives each object alone, where there are several, or something around them.
    """

    passes: tuple[Volume, ...]
    quadrature: Quadrature
    key: bytes
    geometry: bytes
    fast: Callable[[int, torch.dtype], FastVolume] | None = None
    empty_below: float | None = 0.0
    warp: Callable[[Rays, Camera], Rays] | None = None
    place: Callable[[Rays, Tensor], Tensor] | None = None
    march: March | None = None
    sparse: Callable[[int], March] | None = None
    draws: Callable[[Camera], Draws] | None = None
    raster: Callable[[Camera], Camera] | None = None
    finish: Callable[[Tensor], Tensor] | None = None
    masks: Callable[[], Scene] | None = None
    paintings: tuple[Painting, ...] = ()
    windows: Windows | None = None
    surface: Literal["raster", "picture"] = "raster"
    raw: Callable[[Tensor], Tensor] | None = None
    bounds: Corners | None = None
    objects: Callable[[], tuple[Placed, ...]] | None = None

    def rastered(self, camera: Camera) -> Camera:
        """The camera whose rays are marched: another one where a 2-D stage follows."""
        return camera if self.raster is None else self.raster(camera)


class Scenes(Protocol):
    """What makes scenes of subjects: a generator, as the renderer knows it."""

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""

    def conditioned_on_camera(self, subject: Subject) -> bool:
        """Whether each camera makes another scene of a subject."""

    def scene(self, subject: Subject, *, samples: int, camera: Camera) -> Scene:
        """See `graf_cli.families.contract.Family.scene`."""
