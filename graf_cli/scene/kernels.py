"""What the libraries that multiply may be asked, so that a row's bits depend on the row alone.

They choose among their kernels by the shape of what they get, and kernels differ in the order in
which they sum. Measured on processors of two makers:

* a product with **one output** is a matrix–vector product in MKL, whose bits depend on the number
  of rows on both, and on the number of threads on one of them; oneDNN's do not;
* with **few rows**, one above all, the bits of MKL and of oneDNN depend on how many they are, and
  those of MKL on the number of threads;
* with **uneven numbers of outputs** MKL's bits depend on the number of threads, some of which are
  left with a few, or on that of rows;
* with a multiple of 16 outputs and at least eight rows, a row's bits were the same whatever stood
  beside it, for 1 to 128 threads.

So only such products are asked for: what is missing is filled up with zeros, which nobody sees.
Every product that a picture is made of is a `Linear`, an `Affine` or a `dot`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ALIGN = 16  # the matrix kernels like a multiple of this many inputs
ROWS = 128  # rows come to the libraries in multiples of this, far above what is few
# Rows of a product where kernels differ with their number. On an H100 a quarter as many took four
# times as long for a plain picture, and four times as many longer for a fast one, of few samples.
TILES = {"cuda": 1 << 15}
TILE = 512  # the same on other devices
OUTPUTS = 32  # of MKL likewise: the smallest such number that was good on both makers'
MKL = (torch.float32, torch.float64)  # what was measured of it
ONEDNN = (torch.float32, torch.bfloat16)
NUMBERS = 1024  # of a dot product; with four times as many MKL shares it among threads


@contextmanager
def full_precision() -> Iterator[None]:
    """Have CUDA compute float32 with all its digits, and in one order, while the block runs.

    From Ampere on, cuDNN rounds what goes into a convolution to TF32's 10 bits unless it is told
    not to, which shows as 1e-3 of a picture; matrix products do where a program has allowed it.
    Settings of the program come back afterwards.
    """
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, matmul.allow_tf32
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = False, True, False
    matmul.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, matmul.allow_tf32 = before


class Linear(nn.Linear):
    """PyTorch's layer, of the same names and with the same gradients; a row is a row's alone."""

    def forward(self, x: Tensor) -> Tensor:
        """Shape (…, inputs) to (…, outputs)."""
        return product(x, self.weight, self.bias)


def product(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``x @ weight.T + bias`` by the library that PyTorch multiplies with by default.

    Parameters
    ----------
    x : Tensor, shape = (…, inputs)
    weight : Tensor, shape = (outputs, inputs)
    bias : Tensor, shape = (outputs,)

    Returns
    -------
    Tensor, shape = (…, outputs)
    """
    if torch.is_autocast_enabled(x.device.type):  # of training, which no picture is made of
        return functional.linear(x, weight, bias)
    flat = x.reshape(-1, x.shape[-1])
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
        made: Tensor = _Product.apply(flat, weight, bias)  # type: ignore[no-untyped-call]
    else:
        made = _asked(flat, weight, bias)
    return made.reshape(*x.shape[:-1], len(weight))


class _Product(torch.autograd.Function):
    """The product, whose gradient is a product too: as many outputs as the layer has inputs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _asked(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, made: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        back = _asked(made, weight.T, torch.zeros_like(weight[0]))
        if not ctx.needs_input_grad[1]:
            return back, None, None
        return back, made.T @ x, made.sum(dim=0)


def _asked(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Shape (n, inputs) to (n, outputs), by a product of a shape that does no harm."""
    missing = -len(weight) % OUTPUTS
    wide = functional.pad(weight, (0, 0, 0, missing)) if missing else weight
    wide_bias = functional.pad(bias, (0, missing)) if missing else bias
    [made] = in_tiles(
        lambda rows: (functional.linear(rows, wide, wide_bias),), plain_tile(x.device, x.dtype), x
    )
    return made[:, : len(weight)]


class Affine:
    """``x @ weight.T + bias`` by oneDNN where it is there, without gradients.

    Parameters
    ----------
    weight : Tensor, shape = (outputs, inputs)
    bias : Tensor, shape = (outputs,)
    dtype : torch.dtype
    """

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self.weight, self.bias = weight.to(dtype).contiguous(), bias.to(dtype)
        self.fused = has_fused_product(weight.device, dtype)

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (n, inputs) to (n, outputs)."""
        return self._product(x, "none") if self.fused else product(x, self.weight, self.bias)

    def rectified(self, x: Tensor) -> Tensor:
        """The same, followed by the rectifier."""
        return self._product(x, "relu") if self.fused else self(x).relu_()

    def _product(self, x: Tensor, then: str) -> Tensor:
        """One output is as good as many to oneDNN; it is one row that is not."""

        def run(rows: Tensor) -> tuple[Tensor]:
            made: Tensor = torch.ops.mkldnn._linear_pointwise(
                rows, self.weight, self.bias, then, [], ""
            )
            return (made,)

        return in_tiles(run, None, x)[0]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar product of two vectors, shape = (n,), in parts too short for threads to share."""
    pairs = zip(torch.split(a, NUMBERS), torch.split(b, NUMBERS), strict=True)
    return torch.stack([p @ q for p, q in pairs]).sum()


def sigmoid(x: Tensor) -> Tensor:
    """``1 / (1 + exp(−x))``; PyTorch's own rounds differently at the end of a thread's part."""
    return torch.exp(-x).add(1).reciprocal()


def scouting_dtype(device: torch.device) -> torch.dtype:
    """What is good enough to look for emptiness: bfloat16 where it is fast, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu" and has_fused_product(device, torch.bfloat16):
        ask: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
        capabilities = ask()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return torch.bfloat16
    return torch.float32


def tile_of(device: torch.device, dtype: torch.dtype) -> int | None:
    """How many rows an `Affine` is given, so that no row's result depends on the others.

    oneDNN's sums are the same for a row whatever rows stand beside it. Other libraries choose
    among kernels by the number of rows, so that they have to meet one number alone; None is any.
    """
    return None if has_fused_product(device, dtype) else TILES.get(device.type, TILE)


def plain_tile(device: torch.device, dtype: torch.dtype) -> int | None:
    """The same of a `Linear`; MKL, too, minds few rows alone."""
    if device.type == "cpu" and dtype in MKL and torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return None
    return TILES.get(device.type, TILE)


def in_tiles(
    run: Callable[..., tuple[Tensor, ...]], tile: int | None, *rows: Tensor
) -> tuple[Tensor, ...]:
    """``run(*rows)`` with a number of rows that the matrix kernels know.

    Products see to their rows themselves; who asks for several in a row spares them the copies.

    Parameters
    ----------
    run : callable
        What makes row i of each of its results of the rows i of what it is given.
    tile : int or None
        See `tile_of`. With None the rows are filled up to a multiple of `ROWS`, which also keeps
        oneDNN quick: it compiles a kernel for each number of rows that it meets, which takes
        longer than the product itself.
    *rows : Tensor, shape = (n, …)
    """
    count = len(rows[0])
    missing = -count % (tile or ROWS)
    if missing:
        rows = tuple(functional.pad(one, (0, 0, 0, missing)) for one in rows)
    if tile is None or count <= tile:
        made = run(*rows)
        return tuple(one[:count] for one in made) if missing else made
    parts = [run(*part) for part in zip(*(torch.split(one, tile) for one in rows), strict=True)]
    return tuple(torch.cat(made)[:count] for made in zip(*parts, strict=True))


def has_fused_product(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN takes the product, with the rectifier in it.

    It uses AVX-512 wherever there is some; the library that PyTorch multiplies float32 with by
    default does so on one maker's processors only, and is half as fast on the others.
    """
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and dtype in ONEDNN
        and _takes(dtype)
    )


@cache
def _takes(dtype: torch.dtype) -> bool:
    """Whether oneDNN has a kernel for the processor: bfloat16 wants AVX-512."""
    x = torch.zeros((ROWS, ROWS), device="cpu", dtype=dtype)
    try:
        torch.ops.mkldnn._linear_pointwise(x, x, x[0], "relu", [], "")
    except RuntimeError:
        return False
    return True
