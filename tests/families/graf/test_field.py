"""The field against a twin written in NumPy, in all its shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graf_cli.arrays import Array
from graf_cli.families.graf.field import RadianceField
from graf_cli.families.graf.scene import as_network
from graf_cli.families.graf.spec import LatentSpec, NetworkSpec
from graf_cli.scene.mlp import encode, encoded_length
from tests.conftest import Case, read_case, small_generator, small_spec
from tests.rendering.fields import conditioned

NETWORKS = {
    "released": NetworkSpec(width=12, multires=4, multires_views=2),
    "no directions": NetworkSpec(width=12, multires=4, use_viewdirs=False),
    "no encoding": NetworkSpec(width=12, encode=False),
    "no octaves": NetworkSpec(width=12, multires=0, multires_views=0),
    "shallow": NetworkSpec(width=12, depth=3, multires=4),
    "one layer": NetworkSpec(width=12, depth=1, multires=4),
    "deep": NetworkSpec(width=12, depth=11, multires=4),
    "odd width": NetworkSpec(width=7, multires=4),
    "two passes": NetworkSpec(width=12, multires=4, importance=8),
}
LATENTS = {
    "both codes": LatentSpec(dim=10, dim_appearance=4),
    "no appearance": LatentSpec(dim=6, dim_appearance=0),
}


def naive_encode(p: list[float], octaves: int) -> list[float]:
    result = list(p)
    for k in range(octaves):
        result += [math.sin(2**k * x) for x in p]
        result += [math.cos(2**k * x) for x in p]
    return result


def naive_field(
    field: RadianceField, point: Array, direction: Array, shape: Array, appearance: Array
) -> tuple[float, Array]:
    """REFERENCE, one point, from the state dict."""
    state = {name: tensor.double().numpy() for name, tensor in field.state_dict().items()}
    network = field.network

    def linear(name: str, x: Array) -> Array:
        return np.asarray(state[f"{name}.weight"] @ x + state[f"{name}.bias"])

    def encoded(p: Array, octaves: int) -> list[float]:
        return naive_encode(p.tolist(), octaves if network.encode else 0)

    u = np.concatenate([encoded(point, network.multires), shape])
    h = u
    layers = sum(name.startswith("pts_linears") for name in state) // 2
    for layer in range(layers):
        h = np.maximum(linear(f"pts_linears.{layer}", h), 0)
        if layer == 4:
            h = np.concatenate([u, h])
    if "output_linear.weight" in state:
        raw = linear("output_linear", h)
        return float(raw[3]), raw[:3]
    view = [linear("feature_linear", h)]
    if network.use_viewdirs:
        view.append(np.array(encoded(direction, network.multires_views)))
    view.append(appearance)
    colour = linear("rgb_linear", np.maximum(linear("views_linears.0", np.concatenate(view)), 0))
    return float(linear("alpha_linear", h)[0]), colour


def unit(rng: np.random.Generator, count: int) -> Array:
    d = rng.normal(size=(count, 3))
    return np.asarray(d / np.linalg.norm(d, axis=1, keepdims=True))


def tensor(values: Array) -> torch.Tensor:
    return torch.tensor(values, device="cpu", dtype=torch.float64)


@pytest.mark.parametrize("latent", LATENTS.values(), ids=LATENTS)
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_field_is_its_definition(network: NetworkSpec, latent: LatentSpec) -> None:
    field = as_network(small_generator(small_spec(network, latent)).network).coarse.double()
    rng = np.random.default_rng(1)
    points, directions = rng.normal(size=(5, 3)), unit(rng, 5)
    shape, appearance = rng.normal(size=latent.dim_shape), rng.normal(size=latent.dim_appearance)
    density, colour = field(tensor(points), tensor(directions), tensor(shape), tensor(appearance))
    assert density.shape == (5,)
    assert colour.shape == (5, 3)
    for k in range(5):
        raw, tint = naive_field(field, points[k], directions[k], shape, appearance)
        assert float(density[k]) == pytest.approx(raw, abs=1e-9)
        np.testing.assert_allclose(colour[k].numpy(), tint, atol=1e-9)


def test_a_measured_network_is_its_definition(case: Case) -> None:
    field, latent = as_network(case.generator.network).coarse, case.generator.spec.settings.latent
    rng = np.random.default_rng(2)
    points, directions = rng.normal(size=(3, 3)) / 2, unit(rng, 3)
    shape, appearance = np.split(case.z[0], [latent.dim_shape])
    density, colour = field(*(tensor(x).float() for x in (points, directions, shape, appearance)))
    for k in range(3):
        raw, tint = naive_field(field, points[k], directions[k], shape, appearance)
        assert float(density[k]) == pytest.approx(raw, rel=2e-3, abs=2e-3)
        np.testing.assert_allclose(colour[k].numpy(), tint, rtol=2e-3, atol=2e-3)


def test_the_second_pass_has_sizes_of_its_own() -> None:
    network = NetworkSpec(width=8, depth=8, width_fine=6, depth_fine=3, importance=4)
    generator = small_generator(small_spec(network))
    fine = as_network(generator.network).fine
    assert fine is not None
    assert len(fine.pts_linears) == 3
    assert fine.alpha_linear.in_features == 6


@pytest.mark.parametrize(("importance", "outputs"), [(0, 4), (8, 5)])
def test_without_direction_and_appearance_one_layer_gives_all(
    importance: int, outputs: int
) -> None:
    network = NetworkSpec(width=8, use_viewdirs=False, importance=importance)
    generator = small_generator(small_spec(network, LATENTS["no appearance"]))
    field = as_network(generator.network).coarse
    assert not field.has_view_branch
    assert field.output_linear.out_features == outputs


def test_the_released_size_has_the_released_number_of_parameters() -> None:
    field = RadianceField(NetworkSpec(), LatentSpec(), device="meta", dtype=torch.float32)
    assert sum(p.numel() for p in field.parameters()) == 677_764
    assert field.pts_linears[0].in_features == 191
    assert field.pts_linears[5].in_features == 191 + 256
    assert field.views_linears[0].in_features == 256 + 27 + 128


@pytest.mark.parametrize("name", ["cars", "birds"])
@torch.inference_mode()
def test_density_knows_neither_direction_nor_appearance(name: str) -> None:
    case = read_case(name)
    rng = np.random.default_rng(3)
    points = tensor(rng.normal(size=(64, 3))).float()
    one, other = case.latent(0), case.latent(1)
    first, second = (tensor(unit(rng, 64)).float() for _ in range(2))
    field = as_network(case.generator.network).coarse
    density, colour = field(points, first, one.shape, one.appearance)
    same, otherwise = field(points, second, one.shape, other.appearance)
    assert torch.equal(density, same)
    assert not torch.equal(colour, otherwise)
    assert not torch.equal(density, field(points, first, other.shape, one.appearance)[0])


def test_a_field_without_directions_ignores_them() -> None:
    generator = read_case("birds").generator
    query = conditioned(generator, read_case("birds").latent(0))
    points = torch.zeros((2, 3), device="cpu", dtype=torch.float32)
    assert torch.equal(query(points, None)[1], query(points, points)[1])


def test_a_field_with_directions_wants_them() -> None:
    spec = small_spec()
    field = as_network(small_generator(spec).network).coarse
    zeros = torch.zeros(4, device="cpu", dtype=torch.float32)
    with pytest.raises(ValueError, match="directions"):
        field(zeros[None, :3], None, zeros, zeros[:2])


def test_leading_dimensions_broadcast() -> None:
    field = as_network(small_generator().network).coarse.double()
    rng = np.random.default_rng(4)
    points, directions = tensor(rng.normal(size=(2, 1, 4, 3))), tensor(unit(rng, 3))[:, None]
    shape, appearance = tensor(rng.normal(size=4)), tensor(rng.normal(size=2))
    density, colour = field(points, directions, shape, appearance)
    assert colour.shape == (2, 3, 4, 3)
    assert density.shape == (2, 1, 4)  # of points and shape alone
    alone = field(points[1, 0, 2], directions[2, 0], shape, appearance)
    torch.testing.assert_close(colour[1, 2, 2], alone[1])


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=3), st.integers(0, 12))
def test_the_encoding_is_its_definition(p: list[float], octaves: int) -> None:
    found = encode(tensor(np.array(p)), octaves)
    assert len(found) == encoded_length(octaves, encode=True)
    np.testing.assert_allclose(found.numpy(), naive_encode(p, octaves), atol=1e-9)


def test_the_encoding_has_no_factor_pi() -> None:
    found = encode(tensor(np.array([1.0, 0, 0])), 1)
    np.testing.assert_allclose(found.numpy(), [1, 0, 0, math.sin(1), 0, 0, math.cos(1), 1, 1])


def test_the_octaves_are_exact() -> None:
    """A power of two made by `pow` may be off by a bit, which the last octave would show."""
    found = encode(torch.tensor([1.0, 1.0, 1.0], device="cpu", dtype=torch.float32), 20)
    expected = [math.sin(2.0**k) for k in range(20)]
    np.testing.assert_allclose(found[3::6].numpy(), expected, atol=1e-6)
