"""What the fast march found along rays, and backgrounds that are kept from frame to frame."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor

from graf_cli.scene.camera import Rays

KEPT_BYTES = 1 << 27  # of backgrounds; one of the released size takes 4 MB


@dataclass(frozen=True, eq=False)
class Slab:
    """One field along n rays: consecutive samples of some of them.

    Attributes
    ----------
    rays : Tensor of int64, shape = (m,), or None
        Which they are; None is all.
    at : Tensor of int64, shape = (m, k), or None
        Which samples; None is all.
    sigma : Tensor, shape = (m, k)
    hidden : Tensor, shape = (m, k, width), or None
        What the last layer takes.
    """

    rays: Tensor | None
    at: Tensor | None
    sigma: Tensor
    hidden: Tensor | None

    def spread(self, samples: int, count: int) -> Tensor:
        """Densities at all samples of all rays, shape = (count, samples)."""
        if self.rays is None or self.at is None:
            return self.sigma
        everywhere = self.sigma.new_zeros((count, samples))
        everywhere[self.rays[:, None], self.at] = self.sigma
        return everywhere

    def summed(self, weight: Tensor) -> Tensor:
        """``Σ w g``, shape = (m, width), of weights (n, samples)."""
        assert self.hidden is not None
        if self.rays is not None and self.at is not None:
            weight = weight[self.rays[:, None], self.at]
        return torch.bmm(weight[:, None], self.hidden)[:, 0]


class Kept:
    """Slabs of backgrounds by what they depend on, least recently used ones forgotten."""

    def __init__(self) -> None:
        self._slabs: OrderedDict[bytes, tuple[Rays, Slab]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes, rays: Rays) -> Slab | None:
        """The slab of the same background along the same rays."""
        with self._lock:
            found = self._slabs.get(key)
            if found is None or not _same(found[0], rays):
                return None
            self._slabs.move_to_end(key)
            return found[1]

    def put(self, key: bytes, rays: Rays, slab: Slab) -> None:
        """Keep a slab, and forget as many as there is no room for."""
        with self._lock:
            self._slabs[key] = rays, slab
            self._slabs.move_to_end(key)
            while sum(_bytes(one) for _, one in self._slabs.values()) > KEPT_BYTES:
                self._slabs.popitem(last=False)


def _same(a: Rays, b: Rays) -> bool:
    pairs = ((a.origins, b.origins), (a.directions, b.directions), (a.near, b.near), (a.far, b.far))
    return all(one.shape == two.shape and torch.equal(one, two) for one, two in pairs)


def _bytes(slab: Slab) -> int:
    tensors = (slab.sigma, slab.hidden)
    return sum(t.numel() * t.element_size() for t in tensors if t is not None)
