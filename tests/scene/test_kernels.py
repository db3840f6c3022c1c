"""What is asked of the libraries that multiply, and what a row's bits depend on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from graf_cli.scene.kernels import (
    NUMBERS,
    OUTPUTS,
    ROWS,
    TILE,
    Affine,
    Linear,
    dot,
    full_precision,
    in_tiles,
    plain_tile,
    product,
    sigmoid,
    tile_of,
)
from tests.conftest import CPU, small_generator
from tests.scene.layers import differing, gradient, layers, networks, subjects

WITHOUT = "graf_cli.scene.kernels.has_fused_product"


def numbers(*shape: int) -> Tensor:
    source = torch.Generator(device="cpu").manual_seed(len(shape))
    return torch.randn(shape, generator=source, device="cpu", dtype=torch.float32)


# bits


def test_a_row_is_its_own_in_every_layer_of_every_model() -> None:
    with torch.inference_mode():
        found = {name: differing(run, inputs) for name, inputs, run in subjects()}
    assert {name.rpartition(" ")[2] for name in found} > {"alpha_linear", "head", "rectified"}
    assert {name: bad for name, bad in found.items() if bad} == {}


def test_a_row_is_its_own_where_there_is_no_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WITHOUT, lambda *_: False)
    with torch.inference_mode():
        for name, inputs, run in subjects():
            if name.endswith(("head", "out", "rectified")):
                assert differing(run, inputs, threads=(1, 3)) == [], name


def test_a_gradient_is_its_row_s_own() -> None:
    [spec, *_] = networks().values()
    for name, inputs, run in layers(small_generator(spec)):
        if not name.startswith("folded"):
            assert differing(gradient(run), inputs, threads=(1, 3, 4), rows=(1, 127)) == [], name


@pytest.mark.parametrize("outputs", [1, 2, 3, 7, 16, 17, 27, 33, 65])
def test_a_row_is_its_own_with_any_number_of_outputs(outputs: int) -> None:
    layer = Linear(32, outputs, device="cpu", dtype=torch.float32).requires_grad_(False)
    assert differing(layer, 32, rows=(1, 127, 513)) == []
    back = Linear(outputs, 32, device="cpu", dtype=torch.float32).requires_grad_(False)
    assert differing(gradient(back), outputs, rows=(1, 127, 513)) == []


@pytest.mark.parametrize("length", [1, 256, NUMBERS, 4096])
def test_a_dot_product_knows_no_threads(length: int) -> None:
    a, b = numbers(length), numbers(1, length)[0]
    before, found = torch.get_num_threads(), set()
    try:
        for threads in (1, 2, 3, 4):
            torch.set_num_threads(threads)
            found.add(float(dot(a, b)))
    finally:
        torch.set_num_threads(before)
    [value] = found
    assert value == pytest.approx(float((a.double() * b.double()).sum()), abs=1e-4)
    if length <= NUMBERS:
        assert value == float(a @ b)


def test_a_sigmoid_knows_no_neighbours() -> None:
    raw = 4 * numbers(1001)
    whole = sigmoid(raw)
    torch.testing.assert_close(whole, raw.sigmoid(), rtol=0, atol=2e-7)
    for start in range(0, 1001, 7):
        for stop in (start + 1, start + 5, 1001):
            assert torch.equal(sigmoid(raw[start:stop].clone()), whole[start:stop])
    extremes = torch.tensor([-200.0, 0.0, 200.0], device="cpu", dtype=torch.float32)
    assert sigmoid(extremes).tolist() == [0.0, 0.5, 1.0]


# values


@pytest.mark.parametrize("outputs", [1, 2, 3, 7])
@pytest.mark.parametrize("lead", [(), (1,), (5,), (2, 3), (0,)])
def test_a_product_is_its_definition(outputs: int, lead: tuple[int, ...]) -> None:
    layer = Linear(9, outputs, device="cpu", dtype=torch.float32)
    x = numbers(*lead, 9).requires_grad_(True)
    made = layer(x)
    expected = x.double() @ layer.weight.double().T + layer.bias.double()
    torch.testing.assert_close(made.double(), expected, rtol=1e-5, atol=1e-5)
    made.square().sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is not None
    by_hand = 2 * made.detach() @ layer.weight.detach()
    torch.testing.assert_close(x.grad, by_hand, rtol=1e-4, atol=1e-4)
    flat = made.detach().reshape(-1, outputs)
    torch.testing.assert_close(
        layer.weight.grad, 2 * flat.T @ x.detach().reshape(-1, 9), rtol=1e-4, atol=1e-4
    )


def test_a_linear_layer_is_pytorch_s_to_a_state_dict() -> None:
    theirs = torch.nn.Linear(4, 1, device="cpu", dtype=torch.float32)
    ours = Linear(4, 1, device="cpu", dtype=torch.float32)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(numbers(6, 4)), theirs(numbers(6, 4)))


@pytest.mark.parametrize("tile", [None, 4])
def test_tiles_are_full_and_give_what_was_asked(tile: int | None) -> None:
    met: list[int] = []

    def run(rows: Tensor, more: Tensor) -> tuple[Tensor, Tensor]:
        met.append(len(rows))
        return rows + more, rows[:, 0]

    rows = torch.arange(18, device="cpu", dtype=torch.float32).view(9, 2)
    both, first = in_tiles(run, tile, rows, rows)
    assert torch.equal(both, 2 * rows)
    assert torch.equal(first, rows[:, 0])
    assert met == ([4, 4, 4] if tile else [ROWS])


# what is asked


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Rows and outputs of every product that PyTorch's default library is asked from now on."""
    real: Callable[..., Tensor] = functional.linear
    met: list[tuple[int, int]] = []

    def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        met.append((x.shape[:-1].numel(), len(weight)))
        return real(x, weight, bias)

    monkeypatch.setattr(functional, "linear", linear)
    return met


@pytest.mark.parametrize("rows", [1, 2, 127, 128, 700])
def test_no_library_meets_one_row_or_one_output(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    met = recorded(monkeypatch)
    weight, bias = numbers(1, 5), numbers(1)
    product(numbers(rows, 5), weight, bias)
    monkeypatch.setattr(WITHOUT, lambda *_: False)
    Affine(weight, bias, torch.float32)(numbers(rows, 5))
    assert met
    for asked, outputs in met:
        assert asked % ROWS == 0
        assert outputs == OUTPUTS


def test_libraries_that_were_not_measured_meet_one_number_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    met = recorded(monkeypatch)
    for rows in (1, 127, 512, 1500):
        x = numbers(rows, 5)
        made = product(x, numbers(4, 5), numbers(4))
        assert len(made) == rows
    assert {asked for asked, _ in met} == {TILE}
    assert plain_tile(CPU, torch.float32) == TILE


def test_what_onednn_has_no_kernel_for_is_multiplied_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As bfloat16 on processors without AVX-512."""
    monkeypatch.setattr("graf_cli.scene.kernels._takes", lambda dtype: dtype == torch.float32)
    assert tile_of(CPU, torch.bfloat16) == TILE
    affine = Affine(numbers(4, 8), numbers(4), torch.bfloat16)
    assert not affine.fused
    x = numbers(5, 8)
    found = affine(x.to(torch.bfloat16)).to(torch.float32)
    torch.testing.assert_close(found, x @ numbers(4, 8).T + numbers(4), rtol=0.1, atol=0.2)
    assert torch.equal(affine.rectified(x.to(torch.bfloat16)).to(torch.float32), found.relu())


# digits


def test_full_precision_allows_no_tf32_and_leaves_a_programs_settings() -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before, matmul.allow_tf32 = matmul.allow_tf32, True
    try:
        assert cudnn.allow_tf32  # PyTorch's default, which this is about
        with full_precision():
            assert not (cudnn.allow_tf32 or matmul.allow_tf32)
            assert cudnn.deterministic
            assert cudnn.enabled
        assert cudnn.allow_tf32
        assert matmul.allow_tf32
        assert not cudnn.deterministic
    finally:
        matmul.allow_tf32 = before
