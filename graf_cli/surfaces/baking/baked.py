"""A scene becomes a volume of bytes: densities, and colours that move with the view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graf_cli.scene.volume import Scene
from graf_cli.surfaces.baking.density import BELOW, MIDDLE, Scale, coarse, evaluated, scale_of
from graf_cli.surfaces.baking.lattice import Lattice, dilated
from graf_cli.surfaces.baking.light import HIDDEN, Light, asked_for, corners_of_shown
from graf_cli.surfaces.baking.space import Space
from graf_cli.surfaces.baking.tints import Tints, octahedral, side_of, tints_of
from graf_cli.surfaces.field import Field

LEVELS = 31  # of a coefficient: five bits, of which differences take two or three

Bytes = NDArray[np.uint8]
Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Baked:
    """Densities on a lattice, and colours where something shows.

    Attributes
    ----------
    low : tuple of 3 floats
        Lowest corner of the lattice's box, x y z, world units; points are at the cells' middles.
    pitch : float
        A cell's side, world units.
    density : ndarray of uint8, shape = (nz, ny, nx)
        Raw density ``bounds[0] + (bounds[1] − bounds[0]) · byte / 255``.
    bounds : tuple of 2 floats
    shown : ndarray of bool, shape = (nz, ny, nx)
        Which points have colours, in the order of the array.
    mean : ndarray of uint8, shape = (k, 3)
    coefficients : ndarray of uint8, shape = (k, r)
        From 0 to `LEVELS` − 1, of which the middle is nothing.
    maps : ndarray of float32, shape = (r, side, side, 3)
        What one level of a coefficient adds, by viewing direction.
    """

    low: tuple[float, float, float]
    pitch: float
    density: Bytes
    bounds: tuple[float, float]
    shown: NDArray[np.bool_]
    mean: Bytes
    coefficients: Bytes
    maps: NDArray[np.float32]


def bake(
    scene: Scene, field: Field, space: Space, n: int,
    *, length: float, tell: Progress, backs: bool = False,
) -> Baked | None:  # fmt: skip
    """A scene's volume, n points along the longest side of its object's box.

    Parameters
    ----------
    scene : Scene
    field : Field
        Of the scene.
    space : Space
        Where the model's cameras look.
    n : int
    length : float
        Of rays, world units.
    tell : callable
        Told how much is done, in [0, 1].
    backs : bool
        Whether rays show where they end, however empty it is there.

    Returns
    -------
    Baked or None
        None where nothing shows.
    """
    scale = scale_of(scene.quadrature, field.step, length)
    ends = space.backs if backs else torch.zeros_like(space.backs)
    found = _near_surface(field, space, ends, scale, n=n, tell=tell)
    if found is None:
        return None
    lattice, values, solid, light = found
    back = lattice.nearest(ends, space.lattice)
    shown = (corners_of_shown(values, scale.floor) | back) & values.isfinite() & ~solid
    index = shown.flatten().nonzero()[:, 0]
    seen = light.at(lattice.points(index))
    lit = ((seen.amax(dim=1) > HIDDEN) | back.flatten()[index]).nonzero()[:, 0]
    index, seen = index[lit], seen[lit]
    shown = torch.zeros_like(shown)
    shown.view(-1)[index] = True
    tints = tints_of(
        field, lattice, index, seen, asked=light.asked, side=side_of(n),
        tell=lambda done: tell(0.4 + 0.6 * done),
    )  # fmt: skip
    density, bounds = _bytes(values, shown, solid, scale)
    coefficients, maps = _levels(tints)
    x, y, z = lattice.low.tolist()
    return Baked(
        low=(x, y, z),
        pitch=lattice.pitch,
        density=density,
        bounds=bounds,
        shown=shown.cpu().numpy(),
        mean=np.clip(np.round(tints.mean * 255), 0, 255).astype(np.uint8),
        coefficients=coefficients,
        maps=maps,
    )


def _near_surface(
    field: Field, space: Space, ends: Tensor, scale: Scale, *, n: int, tell: Progress
) -> tuple[Lattice, Tensor, Tensor, Light] | None:
    """Raw densities where light reaches something, and what is behind that and never seen."""

    def none(_: float) -> None:
        """Quickly done."""

    outer, near = coarse(field, space, scale.floor, none)
    near = near | ends
    if not bool(near.any()):
        return None
    middle = outer.around(near, min(MIDDLE, n))
    wanted = middle.nearest(dilated(near, 1), outer)
    rough = evaluated(field, middle, wanted, scale.floor, none, scouting=True)
    inside = (rough > scale.floor) | middle.nearest(ends, outer)
    if not bool(inside.any()):
        return None
    tell(0.1)
    every = octahedral(side_of(n) // 2, field.device)
    asked = asked_for(-every, space.towards, space.aside).nonzero()[:, 0]
    sigma = field.activated(rough.clamp(min=-1e4, max=1e4))
    light = Light(sigma, middle, every, asked, field.step)
    index = inside.flatten().nonzero()[:, 0]
    lit = torch.zeros_like(inside)
    lit.view(-1)[index] = light.at(middle.points(index)).amax(dim=1) > HIDDEN
    shell = dilated((inside & lit) | middle.nearest(ends, outer), 1)
    lattice = middle.around(dilated(inside, 1), n)
    solid = lattice.nearest(inside & ~shell, middle)
    tell(0.2)
    values = evaluated(
        field, lattice, lattice.nearest(shell, middle), scale.floor,
        lambda done: tell(0.2 + 0.2 * done), hidden=solid,
    )  # fmt: skip
    return lattice, values, solid, light


def _bytes(
    values: Tensor, shown: Tensor, solid: Tensor, scale: Scale
) -> tuple[Bytes, tuple[float, float]]:
    """Densities in 256 steps, and the raw ones of the first and the last step.

    They reach from a little below nothing, so that interpolation finds where it ends, to opaque.
    """
    finite = values[shown]
    high = min(float(finite.max()), scale.ceiling)
    low = max(float(finite.min()), scale.floor - BELOW * (high - scale.floor))
    share = (values.clamp(low, high) - low) / max(high - low, 1e-12)
    density = (share.nan_to_num(0.0) * 255).round().to(torch.uint8)
    density[~shown] = 0
    density[solid | (~shown & (values > scale.floor))] = 255
    return density.cpu().numpy(), (low, high)


def _levels(tints: Tints) -> tuple[Bytes, NDArray[np.float32]]:
    """Coefficients in whole levels, and the maps that one level stands for."""
    half = LEVELS // 2
    rank = tints.coefficients.shape[1]
    top = np.quantile(np.abs(tints.coefficients), 0.998, axis=0) if rank else np.zeros(0)
    top = np.maximum(top, 1e-12)
    counted = np.clip(np.round(tints.coefficients / top * half), -half, half) + half
    maps = tints.maps * (top / half)[:, None, None, None]
    return counted.astype(np.uint8), maps.astype(np.float32)
