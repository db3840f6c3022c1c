import torch
from hypothesis import given
from hypothesis import strategies as st

from tools.toycars.codes import (
    APPEARANCE_FACTOR_NAMES,
    APPEARANCE_SEED,
    SHAPE_FACTOR_NAMES,
    SHAPE_SEED,
    projections,
    shape_factors,
    with_factor,
)

CPU = torch.device("cpu")
COUNT = len(SHAPE_FACTOR_NAMES)


def random_codes(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator(device=CPU).manual_seed(seed)
    return torch.randn(count, 128, generator=generator, device=CPU, dtype=torch.float32)


def stacked(codes: torch.Tensor) -> torch.Tensor:
    factors = shape_factors(codes)
    return torch.cat([getattr(factors, name) for name in SHAPE_FACTOR_NAMES], dim=1)


def test_projections_are_orthonormal() -> None:
    rows = projections(COUNT, 128, SHAPE_SEED)
    assert torch.allclose(rows @ rows.T, torch.eye(COUNT, device=CPU, dtype=torch.float64))


def test_shape_and_appearance_read_different_directions() -> None:
    shape = projections(COUNT, 128, SHAPE_SEED)
    appearance = projections(len(APPEARANCE_FACTOR_NAMES), 128, APPEARANCE_SEED)
    assert (shape[: len(appearance)] - appearance).abs().max() > 0.1


def test_factors_of_the_prior_are_uniform_and_independent() -> None:
    factors = stacked(random_codes(20_000))
    quartiles = torch.tensor((0.25, 0.5, 0.75), device=CPU, dtype=torch.float32)
    found = torch.quantile(factors, quartiles, dim=0)
    assert torch.allclose(found, quartiles[:, None].expand_as(found), atol=0.02)
    correlation = torch.corrcoef(factors.T) - torch.eye(COUNT, device=CPU, dtype=torch.float32)
    assert correlation.abs().max() < 0.03


@given(index=st.integers(0, COUNT - 1), value=st.floats(0.01, 0.99))
def test_one_factor_moves_alone(index: int, value: float) -> None:
    codes = random_codes(2)
    before = stacked(codes)
    after = stacked(with_factor(codes, index, value, seed=SHAPE_SEED, count=COUNT))
    others = [other for other in range(COUNT) if other != index]
    assert torch.allclose(after[:, others], before[:, others], atol=1e-4)
    assert torch.allclose(after[:, index], torch.full_like(after[:, index], value), atol=1e-4)
