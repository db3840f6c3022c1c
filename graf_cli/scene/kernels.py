"""Matrix products whose rows do not depend on each other: what a product may be asked."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

ROWS = 128  # points come to the matrix kernels in multiples of this
TILES = {"cuda": 1 << 13}  # points of a product where kernels differ with the number of rows
TILE = 512  # the same on other devices
ALIGN = 16  # the matrix kernels like a multiple of this many inputs


class Affine:
    """``x @ weight.T + bias``.

    Parameters
    ----------
    weight : Tensor, shape = (outputs, inputs)
    bias : Tensor, shape = (outputs,)
    dtype : torch.dtype
    """

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self.weight, self.bias = weight.to(dtype).contiguous(), bias.to(dtype)
        self.fused = _has_fused_product(weight.device, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (n, inputs) to (n, outputs)."""
        return self._product(x, "none") if self.fused else self._plain(x)

    def rectified(self, x: Tensor) -> Tensor:
        """The same, followed by the rectifier."""
        return self._product(x, "relu") if self.fused else self._plain(x).relu_()

    def _plain(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)

    def _product(self, x: Tensor, then: str) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(  # type: ignore[no-any-return]
            x, self.weight, self.bias, then, [], ""
        )


def _has_fused_product(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN takes the product, with the rectifier in it.

    It uses AVX-512 wherever there is some; the library that PyTorch multiplies float32 with by
    default does so on one maker's processors only, and is half as fast on the others.
    """
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and dtype in (torch.float32, torch.bfloat16)
    )


def scouting_dtype(device: torch.device) -> torch.dtype:
    """What is good enough to look for emptiness: bfloat16 where it is fast, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu" and _has_fused_product(device, torch.bfloat16):
        ask: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
        capabilities = ask()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return torch.bfloat16
    return torch.float32


def tile_of(device: torch.device, dtype: torch.dtype) -> int | None:
    """How many points a product is made of, so that no point's result depends on the others.

    oneDNN's sums are the same for a row whatever rows stand beside it. Other libraries choose
    among kernels by the number of rows, so that they have to meet one number alone; None is any.
    """
    return None if _has_fused_product(device, dtype) else TILES.get(device.type, TILE)


def in_tiles(
    run: Callable[..., tuple[Tensor, ...]], tile: int | None, *rows: Tensor
) -> tuple[Tensor, ...]:
    """``run(*rows)`` with a number of rows that the matrix kernels know.

    Parameters
    ----------
    run : callable
        What makes row i of each of its results of the rows i of what it is given.
    tile : int or None
        See `tile_of`. With None the rows are padded: the kernels are compiled for each number of
        rows they meet, which takes longer than the product itself; let them meet few.
    *rows : Tensor, shape = (n, …)
    """
    count = len(rows[0])
    missing = -count % (tile or ROWS)
    if missing:
        rows = tuple(functional.pad(one, (0, 0, 0, missing)) for one in rows)
    if tile is None or count <= tile:
        return tuple(made[:count] for made in run(*rows))
    parts = [run(*part) for part in zip(*(torch.split(one, tile) for one in rows), strict=True)]
    return tuple(torch.cat(made)[:count] for made in zip(*parts, strict=True))


def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + exp(−x))``, written out: PyTorch's rounds differently at the end of a tensor."""
    return torch.exp(-x).add(1).reciprocal()
