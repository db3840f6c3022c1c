import torch

from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from tools.toycars.codes import (
    APPEARANCE_FACTOR_NAMES,
    APPEARANCE_SEED,
    SHAPE_FACTOR_NAMES,
    SHAPE_SEED,
    projections,
)
from tools.toycars.settle import settle

CPU = torch.device("cpu")


def within(codes: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    directions = projections(count, codes.shape[-1], seed)
    return codes @ directions.T @ directions


def test_a_settled_field_hears_the_factors_and_nothing_else() -> None:
    latent = LatentSpec(dim=40, dim_appearance=18)
    field = RadianceField(NetworkSpec(width=16), latent, device=CPU, dtype=torch.float64)
    generator = torch.Generator(device=CPU).manual_seed(0)

    def drawn(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=generator, device=CPU, dtype=torch.float64)

    points, directions = drawn(9, 3), torch.nn.functional.normalize(drawn(9, 3), dim=-1)
    shape, appearance = drawn(9, 22), drawn(9, 18)
    heard = within(shape, len(SHAPE_FACTOR_NAMES), SHAPE_SEED)
    heard_appearance = within(appearance, len(APPEARANCE_FACTOR_NAMES), APPEARANCE_SEED)
    before = field(points, directions, heard, heard_appearance)
    assert not torch.allclose(field(points, directions, shape, appearance)[0], before[0])
    settle(field)
    for settled in (
        field(points, directions, heard, heard_appearance),
        field(points, directions, shape, appearance),
    ):
        assert torch.allclose(settled[0], before[0])
        assert torch.allclose(settled[1], before[1])
