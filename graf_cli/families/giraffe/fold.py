"""The fast march of a scene: the exact integrator's numbers, to rounding, with less work.

* Objects are asked inside of their padded boxes alone; elsewhere their density is 0 anyway.
* Codes are constants of a scene: what they add to a layer is added to its bias once.
* The last layer is linear, so that it is applied once a ray, behind the sum: ``Σ w (W g + b) =
  W Σ w g + b Σ w``.
* A background is seen alike in all frames of a turntable, which turns the objects before it: its
  densities and hidden features are kept.

`Union` under the exact integrator is its naive twin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from graf_cli.families.giraffe.places import Part, shares
from graf_cli.families.giraffe.slabs import Kept, Slab
from graf_cli.families.giraffe.spec import PADDED
from graf_cli.scene.camera import Rays
from graf_cli.scene.quadrature import weights

INFINITE = 1e10  # length of the last interval
POINTS = 1 << 18  # that are marched at once, which bounds memory whatever the picture's size


@dataclass(frozen=True, eq=False)
class Seen:
    """What n rays saw.

    Attributes
    ----------
    radiance : Tensor, shape = (n, channels)
        Without channels where it was not asked for.
    masks : Tensor, shape = (n, objects)
        How much of each object, occluded rightly.
    opacity, depth : Tensor, shape = (n,)
    """

    radiance: Tensor
    masks: Tensor
    opacity: Tensor
    depth: Tensor


class Folded:
    """A field with its codes in its biases.

    Parameters
    ----------
    part : Part
    """

    def __init__(self, part: Part) -> None:
        field = part.field
        self.field, self.width = field, field.spec.width
        self.first: tuple[Tensor, Tensor] = (
            field.points.weight,
            field.points.bias + field.shape(part.shape),
        )
        self.skips: list[tuple[Tensor, Tensor]] = []
        for points, shape in zip(field.skip_points, field.skip_shape, strict=True):
            assert isinstance(points, nn.Linear)
            self.skips.append((points.weight, points.bias + shape(part.shape)))
        # Density is one more output of the layer beside it.
        self.head = torch.cat((field.view.weight, field.sigma.weight))
        bias = field.view.bias + field.appearance(part.appearance)
        self.head_bias = torch.cat((bias, field.sigma.bias))

    def __call__(self, p: Tensor, d: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Raw density, shape = (m, k), and what the last layer takes, shape = (m, k, width).

        Parameters
        ----------
        p : Tensor, shape = (m, k, 3)
            In the field's coordinates.
        d : Tensor, shape = (m, 3), or None
            Unit viewing directions there; None asks for the density alone.
        """
        field = self.field
        entry = field.encode_points(p.reshape(-1, 3))
        h = functional.linear(entry, *self.first).relu_()
        skip = 0
        for k, layer in enumerate(field.trunk):
            h = layer(h).relu_()
            if k in field.spec.skipped:
                weight, bias = self.skips[skip]
                h += functional.linear(entry, weight, bias)
                skip += 1
        if d is None:
            return field.sigma(h).reshape(p.shape[:2]), None
        both = functional.linear(h, self.head, self.head_bias).reshape(*p.shape[:2], -1)
        g, sigma = both[..., :-1], both[..., -1]
        if field.spec.views:
            g = (g + field.directions(field.encode_directions(d))[:, None]).relu_()
        return sigma, g


class Marcher:
    """A scene with everything constant folded away.

    Parameters
    ----------
    parts : sequence of Part
        Fields of the scene, of which none has a nonlinear last layer.
    samples : int
        Along a ray.
    densest : bool
        The densest field alone is seen.
    features, objects : int
        Channels of radiance and of masks.
    kept : Kept
        Of the network, whatever the scene.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        samples: int,
        *,
        densest: bool,
        features: int,
        objects: int,
        kept: Kept,
    ) -> None:
        self.parts, self.samples, self.densest = tuple(parts), samples, densest
        self.features, self.objects, self.kept = features, objects, kept
        with torch.no_grad():
            self.folded = [Folded(part) for part in self.parts]

    @torch.no_grad()
    def __call__(self, rays: Rays, *, radiance: bool = True) -> Seen:
        """March rays; without `radiance` their geometry alone."""
        size = max(POINTS // self.samples, 1)
        blocks = [
            self._block(rays[start : start + size], radiance) for start in range(0, len(rays), size)
        ]
        return Seen(
            radiance=torch.cat([block.radiance for block in blocks]),
            masks=torch.cat([block.masks for block in blocks]),
            opacity=torch.cat([block.opacity for block in blocks]),
            depth=torch.cat([block.depth for block in blocks]),
        )

    def _block(self, rays: Rays, radiance: bool) -> Seen:
        samples, count = self.samples, len(rays)
        t = torch.linspace(0, 1, samples, device=rays.near.device, dtype=rays.near.dtype)
        z = rays.near + t * (rays.far - rays.near)
        slabs = [
            self._slab(part, folded, rays, z, radiance)
            for part, folded in zip(self.parts, self.folded, strict=True)
        ]
        weight, share = self._composed(rays, z, [slab.spread(samples, count) for slab in slabs])
        masks = z.new_zeros((count, self.objects))
        for part, own in zip(self.parts, share, strict=True):
            if part.number is not None:
                masks[:, part.number] = (weight * own).sum(dim=-1)
        seen = self._radiance(slabs, weight, share) if radiance else masks[:, :0]
        return Seen(seen, masks, weight.sum(dim=-1), (weight * z).sum(dim=-1))

    def _composed(self, rays: Rays, z: Tensor, sigmas: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Weights, shape = (n, samples), and the fields' shares, shape = (fields, n, samples)."""
        if not sigmas:
            return torch.zeros_like(z), z.new_zeros((0, *z.shape))
        stacked = torch.stack(list(sigmas))
        total = stacked.amax(dim=0) if self.densest else stacked.sum(dim=0)
        steps = torch.cat((z[:, 1:] - z[:, :-1], torch.full_like(z[:, :1], INFINITE)), dim=-1)
        length = rays.directions.norm(dim=-1, keepdim=True)
        alpha = 1 - torch.exp(-total * (steps * length))
        return weights(alpha), shares(stacked, densest=self.densest)

    def _radiance(self, slabs: Sequence[Slab], weight: Tensor, share: Tensor) -> Tensor:
        seen = weight.new_zeros((len(weight), self.features))
        for folded, slab, own in zip(self.folded, slabs, share, strict=True):
            taken = weight * own
            out, total = folded.field.out, taken.sum(dim=-1, keepdim=True)
            summed = functional.linear(slab.summed(taken), out.weight)
            rays = slice(None) if slab.rays is None else slab.rays
            seen[rays] += summed + total[rays] * out.bias
        return seen

    def _slab(self, part: Part, folded: Folded, rays: Rays, z: Tensor, radiance: bool) -> Slab:
        if part.number is not None:
            return _inside(part, folded, rays, z, radiance)
        key = (
            part.key(radiance=radiance)
            + z.shape[-1].to_bytes(4, "big")
            + len(rays).to_bytes(4, "big")
        )
        key += rays.directions[0].cpu().numpy().tobytes() if len(rays) else b""
        found = self.kept.get(key, rays)
        if found is None:
            found = _everywhere(part, folded, rays, z, radiance)
            self.kept.put(key, rays, found)
        return found


def _everywhere(part: Part, folded: Folded, rays: Rays, z: Tensor, radiance: bool) -> Slab:
    eye, ray = part.frame.ray(rays)
    d = ray / ray.norm(dim=-1, keepdim=True) if radiance else None
    sigma, hidden = folded(eye[:, None] + z[..., None] * ray[:, None], d)
    return Slab(None, None, sigma.relu(), hidden)


def _inside(part: Part, folded: Folded, rays: Rays, z: Tensor, radiance: bool) -> Slab:
    """A box is convex, so that a ray's samples inside of it are consecutive."""
    eye, ray = part.frame.ray(rays)
    points = eye[:, None] + z[..., None] * ray[:, None]
    inside = (points.abs() <= PADDED).all(dim=-1)
    counts = inside.sum(dim=-1)
    hit = counts.nonzero()[:, 0]
    most = int(counts.max()) if len(counts) else 0
    first = inside[hit].to(torch.uint8).argmax(dim=-1).clamp(max=z.shape[-1] - most)
    at = first[:, None] + torch.arange(most, device=z.device, dtype=torch.int64)
    d = ray[hit] / ray[hit].norm(dim=-1, keepdim=True) if radiance else None
    sigma, hidden = folded(points[hit[:, None], at], d)
    sigma = torch.where(inside[hit[:, None], at], sigma.relu(), torch.zeros_like(sigma))
    return Slab(hit, at, sigma, hidden)
