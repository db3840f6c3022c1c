import torch

from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from tools.toycars.forward import density_of, forward

CPU = torch.device("cpu")


def test_the_cheap_pass_gives_the_fields_own_numbers_and_gradients() -> None:
    latent = LatentSpec(dim=12, dim_appearance=5)
    field = RadianceField(NetworkSpec(width=16), latent, device=CPU, dtype=torch.float64)
    generator = torch.Generator(device=CPU).manual_seed(0)

    def drawn(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=generator, device=CPU, dtype=torch.float64)

    points, directions = drawn(3, 10, 3), torch.nn.functional.normalize(drawn(3, 6, 3), dim=-1)
    shape, appearance = drawn(3, 7), drawn(3, 5)
    density, colour = forward(field, points, directions, shape, appearance)
    codes = shape[:, None], appearance[:, None]
    own_density, _ = field(points, torch.zeros_like(points), *codes)
    _, own_colour = field(points[:, :6], directions, *codes)
    assert torch.allclose(density, own_density)
    assert torch.equal(density, density_of(field, points, shape))
    assert torch.allclose(colour, own_colour)
    parameters = list(field.parameters())
    ours = torch.autograd.grad(density.sum() + colour.sum(), parameters)
    own = torch.autograd.grad(own_density.sum() + own_colour.sum(), parameters)
    assert all(torch.allclose(a, b) for a, b in zip(ours, own, strict=True))
