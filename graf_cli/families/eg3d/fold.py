"""The fast march: the exact integrator's numbers, to rounding, with less work.

* A point's twelve texels are gathered and summed by one operation, whose result is the mean of the
  planes; the third goes into the decoder's first layer.
* A point that no plane sees has the decoder's constant answer, and one that is known to be empty
  has none.
* A ray ends when nothing behind can be seen any more, in both passes. What the first pass took for
  opaque and the second one sees through is decoded after all.
* Colours are made of samples whose weight shows.

`PlaneVolume` under the exact integrator is its naive twin.
"""

from __future__ import annotations

import copy
import math
import threading

import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.families.eg3d.empty import (
    LATTICE,
    NOTHING,
    REPAID,
    Occupied,
    empty_below,
    occupied,
)
from graf_cli.families.eg3d.network import Decoder
from graf_cli.families.eg3d.spec import PLANE_CHANNELS, PLANES, Spec
from graf_cli.scene.camera import Rays
from graf_cli.scene.kernels import Affine, in_tiles, tile_of
from graf_cli.scene.quadrature import EPSILON, alphas, first_depths, further_depths
from graf_cli.scene.volume import Quadrature

WIDENED = 1.002  # of the sigmoid of features, as mip-NeRF has it
SHIFTED = 0.001
RAYS = 512  # whose samples' features, 6 MB, stay in a processor's cache
AT_ONCE = 8  # samples of a ray in one round of the first pass
POINTS = 4096  # that are decoded at once
# The same on a GPU, which a small part leaves idle: features of so many rays take 0.2 GB.
GPU_RAYS, GPU_POINTS = 1 << 14, 1 << 20
# Transmittance below which a ray ends. In the first pass the weights place samples, and a floor of
# 1e-2 is added to them: there a hundredth of what shows moves a sample by 1e-4 of a bin.
CLEAR, CLEAR_FIRST = 1e-5, 1e-6
UNSEEN = 2e-5  # weights whose colours are left out may add up to this along one ray
STRAIGHT = 30.0  # from where softplus to the base 2 is the identity
LOG_2 = math.log(2)
MOST = 0.9  # share of points that some plane sees from which the others are decoded as well
CORNERS = 4  # texels of a plane that a point lies between


class Texels:
    """Feature planes as one table of texels.

    What belongs to points lies point by point along the last axis, since short rows are slow.

    Parameters
    ----------
    planes : Tensor, shape = (3, 32, n, n)
    projections : Tensor, shape = (3, 3, 2)
        Points to each plane's coordinates, from −1 to 1.
    scale : float
        Of points before.
    """

    def __init__(self, planes: Tensor, projections: Tensor, scale: float) -> None:
        self.side = planes.shape[-1]
        self.table = planes.permute(0, 2, 3, 1).reshape(-1, PLANE_CHANNELS).contiguous()
        # Rows: the coordinate along columns of each plane, then that along rows.
        axes = (projections * (scale * self.side / 2)).permute(2, 0, 1).reshape(2 * PLANES, 3)
        self.axes = axes.unsqueeze(-1).unbind(1)
        self.middle = (self.side - 1) / 2
        first = torch.arange(PLANES, device=planes.device, dtype=planes.dtype)
        self.first = first[:, None] * self.side**2  # of each plane in the table

    def places(self, points: Tensor) -> Tensor:
        """Of points, shape = (3, m), places in texels, shape = (6, m); centres are whole."""
        # Written out, since a matrix product may run at reduced precision on some devices.
        x, y, z = points
        a, b, c = self.axes
        places: Tensor = (a * x).addcmul_(b, y).addcmul_(c, z)
        return places.add_(self.middle)

    def inside(self, places: Tensor) -> Tensor:
        """Whether any plane sees a point, shape = (m,)."""
        seen = (places - self.middle).abs_() < self.middle + 1
        return (seen[:PLANES] & seen[PLANES:]).any(dim=0)

    def sums(self, places: Tensor) -> Tensor:
        """The sum of the planes at some places, shape = (m, 32); zero outside."""
        low = places.floor()
        part = places - low
        cells = [low, low + 1]
        inner = [cell.clamp(0, self.side - 1) for cell in cells]
        share = [
            torch.where(cell == kept, of, 0)
            for cell, kept, of in zip(cells, inner, (1 - part, part), strict=True)
        ]
        # Whole numbers below 2^24 are exact in float32: planes have up to 1024 texels a side.
        rows = [torch.add(self.first, kept[PLANES:], alpha=self.side) for kept in inner]
        at = torch.cat([row + kept[:PLANES] for row in rows for kept in inner])
        weight = torch.cat([b[PLANES:] * a[:PLANES] for b in share for a in share])
        count, width = places.shape[1], PLANES * CORNERS
        bags = torch.arange(0, count * width, width, device=places.device, dtype=torch.int64)
        return functional.embedding_bag(
            at.T.to(torch.int64, memory_format=torch.contiguous_format).flatten(),
            self.table,
            bags,
            mode="sum",
            per_sample_weights=weight.T.flatten(),
        )


class FoldedDecoder:
    """Sums of planes become raw density and raw features.

    Parameters
    ----------
    decoder : Decoder
    """

    def __init__(self, decoder: Decoder) -> None:
        hidden, out = decoder.hidden, decoder.out
        # The softplus to the base 2, whose logarithm and power take two thirds of the time.
        each, back = 1 / (PLANES * LOG_2), LOG_2
        self.hidden = Affine(hidden.weight * each, hidden.bias / LOG_2, torch.float32)
        self.out = Affine(out.weight * back, out.bias, torch.float32)
        self.tile = tile_of(hidden.weight.device, torch.float32)

    def __call__(self, sums: Tensor) -> Tensor:
        """Shape = (m, 33), density first."""
        [made] = in_tiles(self._decoded, self.tile, sums)
        return made

    def _decoded(self, sums: Tensor) -> tuple[Tensor]:
        h = self.hidden(sums)
        # log2(1 + 2^h); its error of 1e-7 where that is next to nothing shows nowhere.
        soft = h.clamp(max=STRAIGHT).exp2_().add_(1).log2_()
        return (self.out(torch.maximum(soft, h, out=soft)),)


def longest_step(spec: Spec, samples: int) -> float | None:
    """Between two samples of the first pass in the box, world units; None where none is known."""
    if spec.near is None or spec.far is None:
        return None if spec.disparity else math.sqrt(3) * spec.box / max(samples - 1, 1)
    step = (spec.far - spec.near) / max(samples - 1, 1)
    return step * spec.far / spec.near if spec.disparity else step


class Marcher:
    """Planes and a decoder, ready to be marched through.

    Parameters
    ----------
    spec : Spec
    quadrature : Quadrature
    planes : Tensor, shape = (3, 32, n, n)
    projections : Tensor, shape = (3, 3, 2)
        See `Texels`.
    decoder : Decoder
    """

    def __init__(
        self, spec: Spec, quadrature: Quadrature, planes: Tensor, projections: Tensor,
        decoder: Decoder,
    ) -> None:  # fmt: skip
        self.white, self.quadrature = spec.white, quadrature
        self.texels = Texels(planes, projections, 2 / spec.box)
        self.decoder = FoldedDecoder(decoder)
        self.default = self.decoder(torch.zeros_like(self.texels.table[:1]))  # outside of planes
        small = planes.device.type == "cpu"
        self.rays, self.points = (RAYS, POINTS) if small else (GPU_RAYS, GPU_POINTS)
        self.at_once = AT_ONCE if small else quadrature.samples
        self.box, self.step = spec.box, longest_step(spec, quadrature.samples)
        self.occupied: Occupied | None = None
        self.clear_outside = float(self.default[0, 0]) < empty_below(spec.box)
        self._sparse: Marcher | None = None
        self.evaluated = 0  # samples
        self._lock = threading.RLock()

    def __call__(self, rays: Rays, radiance: bool) -> tuple[Tensor, Tensor, Tensor]:
        """See `Scene.march`."""
        parts = [
            self._block(rays[start : start + self.rays], radiance=radiance)
            for start in range(0, len(rays), self.rays)
        ]
        seen, opacity, depth = (torch.cat(part) for part in zip(*parts, strict=True))
        return seen, opacity, depth

    def sparse(self, samples: int) -> Marcher:
        """What is known to be empty is left out where so many samples repay to look into that."""
        if self.step is None or samples < REPAID * LATTICE:
            return self
        with self._lock:
            if self._sparse is None:
                self._sparse = self._looked_into(self.step)
            return self._sparse

    def _looked_into(self, step: float) -> Marcher:
        found = occupied(
            lambda points: self.decoded(points)[:, 0], self.box, step,
            device=self.texels.table.device,
        )  # fmt: skip
        if found is None:
            return self
        made = copy.copy(self)
        made.occupied, made.default = found, self.default.clone()
        if not self.clear_outside:
            made.default[:, 0] = NOTHING
        return made

    def _block(self, rays: Rays, *, radiance: bool) -> tuple[Tensor, Tensor, Tensor]:
        block = _Block(self, rays)
        weight, z, order = block.marched()
        middles = (z[:, 1:] + z[:, :-1]) / 2
        opacity, depth = weight.sum(dim=-1), (weight * middles).sum(dim=-1)
        if not radiance:
            return weight[:, :0], opacity, depth
        # An interval's radiance is the mean of its ends: a sample has half of either's weight.
        share = functional.pad(weight, (0, 1)) + functional.pad(weight, (1, 0))
        seen = block.coloured(torch.zeros_like(z).scatter_(1, order, share / 2))
        return torch.cat((seen, opacity[:, None]), dim=-1) if self.white else seen, opacity, depth

    def decoded(self, points: Tensor) -> Tensor:
        """Raw density and raw features, shape = (m, 33), of points, (3, m)."""
        found = self.default.repeat(points.shape[1], 1)
        rows = torch.arange(len(found), device=points.device, dtype=torch.int64)
        self.decode(points, rows, found)
        return found

    def decode(self, points: Tensor, rows: Tensor, raw: Tensor) -> None:
        """Write the same into some rows of a table, which holds the constant answer."""
        for some, to in zip(
            torch.split(points, self.points, dim=1), torch.split(rows, self.points), strict=True
        ):
            places = self.texels.places(some)
            asked = self._asked(some, places).nonzero()[:, 0]
            if self.occupied is None and len(asked) > MOST * len(to):
                raw.index_copy_(0, to, self.decoder(self.texels.sums(places)))
            elif len(asked):
                raw.index_copy_(0, to[asked], self.decoder(self.texels.sums(places[:, asked])))
            with self._lock:
                self.evaluated += len(asked)

    def _asked(self, points: Tensor, places: Tensor) -> Tensor:
        """Which points have no constant answer, shape = (m,)."""
        if self.occupied is None:
            return self.texels.inside(places)
        filled = self.occupied(points)
        return filled & self.texels.inside(places) if self.clear_outside else filled


class _Block:
    """Some rays, with what is known of their samples: those of the first pass, then the others.

    Samples are known from the front to somewhere, in the order of their depths.
    """

    def __init__(self, marcher: Marcher, rays: Rays) -> None:
        self.marcher, self.quadrature = marcher, marcher.quadrature
        self.origins, self.directions = rays.origins.T.contiguous(), rays.directions.T.contiguous()
        samples, further = self.quadrature.samples, self.quadrature.further
        self.length = rays.directions.norm(dim=-1, keepdim=True)
        first = first_depths(rays, self.quadrature)
        self.z = functional.pad(first, (0, further))
        self.raw = marcher.default.repeat(len(rays), samples + further, 1)
        self.known = torch.zeros_like(self.z, dtype=torch.bool)
        count = self.z.numel()
        self.rows = torch.arange(count, device=first.device, dtype=torch.int64).view_as(self.z)

    def marched(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of the intervals, depths in their order, and that order."""
        samples = self.quadrature.samples
        weight, end = self._first()
        if not self.quadrature.further:
            order = torch.arange(samples, device=weight.device, dtype=torch.int64)
            return weight, self.z, order.expand(self.z.shape)
        self.z[:, samples:] = further_depths(self.z[:, :samples], weight, self.quadrature)
        z, order = self.z.sort(dim=-1)
        self._decode_missing(self.z <= end)
        weight, clear = self._weights(z, order, end)
        through = (clear > CLEAR) & (end[:, 0] < torch.inf)
        if bool(through.any()):
            end = torch.where(through[:, None], torch.inf, end)
            self._decode_missing(self.z <= end)
            weight, _ = self._weights(z, order, end)
        return weight, z, order

    def _first(self) -> tuple[Tensor, Tensor]:
        """Weights of the first pass, and the depth, shape = (n, 1), at which each ray ends.

        Some samples of the rays that go on are asked for at a time. Infinite is no end.
        """
        samples = self.quadrature.samples
        alpha = self.z.new_zeros((len(self.z), samples - 1))
        clear = torch.ones_like(self.length[:, 0])
        going: slice | Tensor = slice(None)
        for start in range(0, samples, self.marcher.at_once):
            stop = min(start + self.marcher.at_once, samples)
            self._decode_next(going, start, stop)
            before = max(start - 1, 0)
            z, density = self.z[going, before:stop], self.raw[going, before:stop, 0]
            made = alphas(z, density, self.length[going], self.quadrature)
            alpha[going, before : stop - 1] = made
            clear = clear * (1 - made + EPSILON).prod(dim=-1)
            on = clear > CLEAR_FIRST
            if not bool(on.all()):
                clear = clear[on]
                every = torch.arange(len(self.z), device=on.device, dtype=torch.int64)
                going = every[going][on]
                if not len(clear):
                    break
        left = (1 - alpha + EPSILON).cumprod(dim=-1)
        ended = left <= CLEAR_FIRST
        last = ended.to(torch.uint8).argmax(dim=-1, keepdim=True) + 1
        end = torch.where(ended[:, -1:], self.z.gather(1, last), torch.inf)
        return alpha * functional.pad(left, (1, -1), value=1.0), end

    def _decode_next(self, ray: slice | Tensor, start: int, stop: int) -> None:
        """The next samples of the first pass, of some rays."""
        z = self.z[ray, start:stop]
        points = self.origins[:, ray, None] + self.directions[:, ray, None] * z
        self._decode(points.flatten(1), self.rows[ray, start:stop].flatten())
        self.known[ray, start:stop] = True

    def _decode_missing(self, wanted: Tensor) -> None:
        """Ask for samples that are wanted, shape = (n, samples), and not known yet."""
        at = (wanted & ~self.known).flatten().nonzero()[:, 0]
        ray = at.div(self.z.shape[1], rounding_mode="floor")
        points = self.origins[:, ray] + self.directions[:, ray] * self.z.flatten()[at]
        self._decode(points, at)
        self.known |= wanted

    def _decode(self, points: Tensor, rows: Tensor) -> None:
        self.marcher.decode(points, rows, self.raw.view(self.z.numel(), -1))

    def _weights(self, z: Tensor, order: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the intervals in front of the end, and what passes all of them, (n,)."""
        density = self.raw[..., 0].gather(1, order)
        alpha = alphas(z, density, self.length, self.quadrature)
        alpha = torch.where(z[:, 1:] <= end, alpha, 0)
        left = (1 - alpha + EPSILON).cumprod(dim=-1)
        return alpha * functional.pad(left, (1, -1), value=1.0), left[:, -1]

    def coloured(self, share: Tensor) -> Tensor:
        """Radiance, shape = (n, 32), of what each sample has to do with it, (n, samples)."""
        visible = (share > UNSEEN / share.shape[1]) & self.known
        at = visible.flatten().nonzero()[:, 0]
        if not len(at):
            return torch.zeros_like(self.raw[:, 0, 1:])
        features = self.raw.view(share.numel(), -1)[at]
        # The sigmoid, widened: as `PlaneVolume.radiance` has it.
        features.neg_().exp_().add_(1).reciprocal_().mul_(WIDENED).sub_(SHIFTED)
        counts = visible.sum(dim=-1)
        rows = torch.arange(len(at), device=share.device, dtype=torch.int64)
        summed = functional.embedding_bag(
            rows,
            features,
            counts.cumsum(0) - counts,
            mode="sum",
            per_sample_weights=share.flatten()[at],
        )
        return summed[:, 1:]
