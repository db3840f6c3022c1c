"""Everything folded and every grid of one generator, kept for as long as it may be used again."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.rendering.fast.audit import Audit
from graf_cli.rendering.fast.grid import Lattice, OccupancyGrid
from graf_cli.rendering.fast.level import Density
from graf_cli.rendering.fast.march import Count, Marcher
from graf_cli.rendering.integrator import Seen, first_depths, further_depths
from graf_cli.rendering.recent import remember
from graf_cli.rendering.threads import workers
from graf_cli.scene.camera import Camera, Rays, rays_through
from graf_cli.scene.kernels import in_tiles, plain_tile, scouting_dtype
from graf_cli.scene.volume import FastVolume, Quadrature, Scene, Scenes, Volume

GRID_BYTES = 256 << 20  # of grids that are kept beside those in use
WORTH_A_GRID = 1 << 13  # samples of a picture below which a grid costs more than it saves
WORTH_ALL_CELLS = 1 << 17  # the same for half as many cells along a side
WORTH_DIVIDING = (1 << 21, 1 << 23)  # samples of a series from which a further level is worth it
SLACK = 1.001  # of a grid over what the first camera needs, so that rounding leaves none out
SIZES = 64  # of grids from one power of two to the next, each 1.6 % larger at most


@dataclass(frozen=True)
class Tightness:
    """How closely space is looked into before it is called empty.

    Attributes
    ----------
    cells : int
        Of the grid along a side, at its first level; 0 is not a grid at all.
    margin : float
        See `Lattice`; twice that for a ray's last sample.
    above : int
        See `Lattice`.
    """

    cells: int
    margin: float
    above: int = 0


NO_GRID = Tightness(cells=0, margin=0.0)


class ExactDensity:
    """A volume's density in the exact integrator's own arithmetic, to the last bit.

    Where a second pass takes its samples is decided by comparing sums of the first one's weights;
    there even rounding can move a sample across an edge.

    Parameters
    ----------
    volume : Volume
    device : torch.device
    """

    channels = 0
    radiance_products: tuple[torch.Size, ...] = ()
    density_products: tuple[torch.Size, ...] = ()

    def __init__(self, volume: Volume, device: torch.device) -> None:
        self.volume, self.device = volume, device
        self.tile = plain_tile(device, torch.float32)

    def density(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """The points again, since no radiance is made, and raw density, shape = (n,)."""
        [density] = in_tiles(lambda rows: (self.volume.density(rows)[1],), self.tile, points)
        return points, density

    def per_ray(self, _: Tensor) -> None:
        """Nothing."""

    def radiance(self, features: Tensor, _: Tensor | None) -> Tensor:
        """Nothing, shape = (n, 0)."""
        return features[:, :0]


@dataclass(frozen=True, eq=False)
class PictureSetup:
    """What rendering one picture needs to know.

    Attributes
    ----------
    scene : Scene
    camera : Camera
    first : Camera
        Of the first picture of the series, which decides how large grids are.
    pictures : int
        Of the series, which decide how fine grids are.
    tightness : Tightness
    dtype : torch.dtype
        Of the matrix products.
    endless : bool
        Whether pictures follow for as long as somebody looks, so that however small they are a
        grid of all cells is worth it.
    """

    scene: Scene
    camera: Camera
    first: Camera
    pictures: int
    tightness: Tightness
    dtype: torch.dtype
    endless: bool = False


class Objects:
    """Folded volumes and grids of the objects rendered last.

    Sharing them between jobs changes no bit: what is kept is the same whoever asked for it first.

    Parameters
    ----------
    generator : Scenes
    """

    def __init__(self, generator: Scenes) -> None:
        self.generator = generator
        self._volumes: OrderedDict[VolumeKey, FastVolume] = OrderedDict()
        self._grids: OrderedDict[GridKey, OccupancyGrid] = OrderedDict()

    def open(self, setup: PictureSetup, chunk: int) -> Opened:
        """The object of a picture, ready to be marched through."""
        scene, quadrature = setup.scene, setup.scene.quadrature
        if not quadrature.further:
            return Opened([self._last(setup, quadrature.samples, chunk, 0)], quadrature)
        exact: FastVolume = ExactDensity(scene.passes[0], self.generator.device)
        if quadrature.reused:  # colours, too, which the second pass need not make again
            exact = self._volume(scene, 0, torch.float32)
        grid = self._grid(setup, quadrature.samples, chunk, 0)
        first = Marcher(exact, quadrature, grid)
        along = quadrature.samples + quadrature.further
        return Opened([first, self._last(setup, along, chunk, 1)], quadrature)

    def _last(self, setup: PictureSetup, along: int, chunk: int, number: int) -> Marcher:
        """Through what is seen."""
        volume = self._volume(setup.scene, number, setup.dtype)
        grid = self._grid(setup, along, chunk, number)
        # Without oneDNN's products a thread cannot be kept to one core.
        threads = workers(volume.device) if volume.tile is None else 1
        return Marcher(volume, setup.scene.quadrature, grid, threads)

    def _grid(
        self, setup: PictureSetup, along: int, chunk: int, number: int
    ) -> OccupancyGrid | None:
        """The grid of one pass, unless the picture is too small to be worth one."""
        samples = along * setup.camera.width * setup.camera.height
        empty_below = setup.scene.empty_below
        if not setup.tightness.cells or empty_below is None:
            return None
        if samples < WORTH_A_GRID and not setup.endless:
            return None
        lattice = lattice_for(setup, samples, self.generator.device)
        if len(setup.scene.passes) == 1 and setup.scene.quadrature.further:
            number = 1  # both passes look at the same volume, and this one is folded
        key = (setup.scene.geometry, number, lattice)
        if key not in self._grids:
            self._make_room()
            self._grids[key] = self._new_grid(setup.scene, number, lattice, chunk)
        self._grids.move_to_end(key)
        return self._grids[key]

    def _new_grid(self, scene: Scene, number: int, lattice: Lattice, chunk: int) -> OccupancyGrid:
        """Looked into with `chunk` points at a time."""
        exact = self._volume(scene, number, torch.float32)
        scout = self._volume(scene, number, scouting_dtype(exact.device))
        threads = workers(exact.device) if scout.tile is exact.tile is None else 1
        return OccupancyGrid(
            lattice,
            _above(scout, scene.empty_below or 0.0),
            _above(exact, scene.empty_below or 0.0),
            exact.device,
            chunk=chunk,
            workers=threads,
        )

    def _make_room(self) -> None:
        """Forget the grids that were used longest ago."""
        while sum(grid.bytes for grid in self._grids.values()) > GRID_BYTES:
            self._grids.popitem(last=False)

    def _volume(self, scene: Scene, number: int, dtype: torch.dtype) -> FastVolume:
        key = (scene.key, number, dtype)
        if key not in self._volumes:
            assert scene.fast is not None
            remember(self._volumes, key, scene.fast(number, dtype))
        self._volumes.move_to_end(key)
        return self._volumes[key]


VolumeKey = tuple[bytes, int, torch.dtype]
GridKey = tuple[bytes, int, Lattice]


def _above(volume: FastVolume, empty_below: float) -> Density:
    """Raw density less what no picture shows, so that a grid judges by its sign."""
    if not empty_below:
        return lambda points: volume.density(points)[1]
    return lambda points: volume.density(points)[1] - empty_below


def lattice_for(setup: PictureSetup, samples: int, device: torch.device) -> Lattice:
    """The grid that a picture of so many samples gets; it depends on the picture's series alone."""
    small = samples < WORTH_ALL_CELLS and not setup.endless
    margin = setup.tightness.margin
    return Lattice(
        half=_half(
            _reach(setup.scene, setup.first, device), _reach(setup.scene, setup.camera, device)
        ),
        cells=setup.tightness.cells // 2 if small else setup.tightness.cells,
        levels=bisect_right(WORTH_DIVIDING, setup.pictures * samples) + 1,
        margin=margin,
        doubt=2 * margin,
        above=0 if small else setup.tightness.above,
    )


def _half(first: float, reach: float) -> float:
    """Half a grid's size: that of the series' first picture, or so many times twice or half it.

    The steps keep the grids of a camera that moves away few. That of the first picture is one of
    `SIZES`, so that cameras at one distance, whose reach rounding alone tells apart, share a grid.
    """
    half = _round_size(SLACK * first)
    while half < reach:
        half *= 2
    while half / 2 >= reach > 0:
        half /= 2
    return half


def _round_size(size: float) -> float:
    """The next of `SIZES` above; what no camera of ours reaches stays."""
    if not math.isfinite(size):
        return size
    mantissa, exponent = math.frexp(size)
    return math.ldexp(math.ceil(mantissa * 2 * SIZES) / (2 * SIZES), exponent)


def _reach(scene: Scene, camera: Camera, device: torch.device) -> float:
    """Distance from the origin of the farthest sample through the picture's corners."""
    width, pixels = camera.width, camera.width * camera.height
    corners = (0, width - 1, pixels - width, pixels - 1)
    pixel = torch.tensor(corners, device="cpu", dtype=torch.int64).to(device=device)
    through = rays_through(camera, pixel, dtype=torch.float32)
    if scene.warp is not None:
        through = scene.warp(through, camera)
    ends = [through.origins + through.directions * depth for depth in (through.near, through.far)]
    return float(torch.cat(ends).norm(dim=-1).max())


class Opened:
    """An object that rays can be marched through: by one network, or by one after the other.

    Parameters
    ----------
    marchers : list of Marcher
        One a pass; the last one has the colours.
    quadrature : Quadrature
    """

    def __init__(self, marchers: list[Marcher], quadrature: Quadrature) -> None:
        self.marchers, self.quadrature = marchers, quadrature
        self._cells_before = self._cells()

    @property
    def resolution(self) -> int:
        """Cells along a side of the last pass's grid; 0 without one."""
        grid = self.marchers[-1].grid
        return grid.lattice.resolution if grid is not None else 0

    @property
    def cells(self) -> int:
        """Evaluations that the grids took since this was opened."""
        return self._cells() - self._cells_before

    def _cells(self) -> int:
        grids = {id(one.grid): one.grid for one in self.marchers if one.grid is not None}
        return sum(grid.evaluated for grid in grids.values())

    def march(self, through: Rays, chunk: int, audit: Audit | None = None) -> tuple[Seen, Count]:
        """What rays see, and what it took.

        Raises
        ------
        GridBrokenError
            When the audit finds a grid wrong.
        """
        for one in self.marchers:
            if one.grid is not None:
                one.grid.chunk = chunk
        count, known = Count(), None
        z = first_depths(through, self.quadrature)
        if self.quadrature.further:
            first = self.marchers[0]
            weight, known = first.first_pass(through, z, chunk=chunk, count=count, audit=audit)
            further = further_depths(z, weight, self.quadrature)
            z, order = torch.cat((z, further), dim=-1).sort(dim=-1)
            if known is not None:
                known = known.among(further.shape[-1], order)
        last = self.marchers[-1]
        seen = last.march(through, z, chunk=chunk, count=count, audit=audit, known=known)
        return seen, count
