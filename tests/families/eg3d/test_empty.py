"""What is known of a field to be empty, and the march that leaves it out."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import pytest
import torch
from torch import Tensor

from graf_cli.families.eg3d.empty import CELLS, Occupied, empty_below, occupied
from graf_cli.families.eg3d.family import FAMILY
from graf_cli.families.eg3d.fold import Marcher, longest_step
from graf_cli.families.eg3d.network import Generator
from graf_cli.families.eg3d.scene import scene_of
from graf_cli.scene.volume import Scene
from tests.families.eg3d.conftest import CPU, Model, model
from tests.families.eg3d.test_fold import assert_close, marched
from tests.families.eg3d.test_scene import camera

F32 = torch.float32
MANY = 1 << 30  # samples
BOX, RADIUS = 1.0, 0.2
STEP = 0.03


def ball(points: Tensor) -> Tensor:
    """Its raw density, which falls by 2 a hundredth."""
    density: Tensor = 200 * (RADIUS - points.norm(dim=0))
    return density


def test_only_what_no_picture_shows_counts_as_empty() -> None:
    found = occupied(ball, BOX, STEP, device=CPU)
    assert found is not None
    generator = torch.Generator(device="cpu").manual_seed(1)
    points = torch.rand((3, 20_000), generator=generator, device="cpu", dtype=F32) - 0.5
    filled = found(points)
    assert ball(points)[~filled].max() < empty_below(BOX)
    edge = RADIUS - empty_below(BOX) / 200
    assert filled[points.norm(dim=0) < edge + STEP].all()  # a step's reach is kept as well
    assert float((~filled).to(F32).mean()) == pytest.approx(found.empty, abs=0.02)
    assert found.empty > 0.5
    outside = torch.tensor([[0.6, 0.0, -0.1], [0.0, -0.6, 0.2], [0.1, 0.2, 0.51]], dtype=F32)
    assert found(outside).all()


def test_what_is_called_empty_takes_no_light_that_shows() -> None:
    for box in (1.0, 1.6):
        density = torch.tensor(empty_below(box) - 1, device="cpu", dtype=torch.float64)
        depth = torch.nn.functional.softplus(density) * math.sqrt(3) * box
        assert 1 - math.exp(-float(depth)) == pytest.approx(1e-5, rel=1e-3)


def test_fields_of_which_little_is_empty_are_asked_everywhere() -> None:
    assert occupied(lambda p: ball(p / 2.2), BOX, STEP, device=CPU) is None
    assert occupied(lambda p: torch.zeros_like(p[0]), BOX, STEP, device=CPU) is None


def test_what_lies_between_the_points_of_the_lattice_is_found() -> None:
    def sheets(points: Tensor) -> Tensor:
        """Two hundredths of every cell, which its middle misses."""
        within = ((points[0] / BOX + 0.5) * CELLS).frac()
        return torch.where(within < 0.02, 10.0, -40.0)

    assert occupied(sheets, BOX, STEP, device=CPU) is None


def test_places_are_those_of_the_lattice() -> None:
    cells = torch.zeros((4, 4, 4), dtype=torch.bool)
    cells[0, 1, 3] = True
    points = torch.tensor([[-0.7, -0.3, 0.7], [0.7, -0.3, -0.7], [-0.3, -0.3, 0.7]], dtype=F32).T
    assert Occupied(cells, 1.6)(points).tolist() == [True, False, False]


# the march


def object_in_the_middle(made: Model, bias: float = 0.0) -> Scene:
    """A ball in the middle of the box, with features of its own; `bias` is added to its density."""
    spec = msgspec.structs.replace(made.spec, samples=32, further=16)
    n = 64
    at = (torch.arange(n, device="cpu", dtype=F32) + 0.5) / n - 0.5
    generator = torch.Generator(device="cpu").manual_seed(0)
    planes = torch.randn((3, 32, n, n), generator=generator, device="cpu", dtype=F32)
    planes[:, 0] = (1 - 3 * at**2)[:, None]  # 1 − r² of the box, and less outside
    weights = {key: value.clone() for key, value in made.network.state_dict().items()}
    network = FAMILY.network(spec, {"generator": weights}, device=CPU)
    assert isinstance(network, Generator)
    hidden, out = network.decoder.hidden, network.decoder.out
    for row, to in ((hidden.weight[0], 10.0), (out.weight[0], 400.0)):
        row.zero_()
        row[0] = to
    hidden.bias[0] = 0
    out.bias[0] = bias - 400 * math.log1p(math.exp(10 * (1 - RADIUS**2)))
    row = torch.zeros(spec.rows, spec.w_dim, device=CPU, dtype=F32)
    return scene_of(spec, network, row, planes, key=b"")


@pytest.mark.parametrize("name", ["ffhq64", "auto4x"])
@pytest.mark.parametrize("bias", [0.0, 4000.0])  # of 4000, what is outside is opaque
@torch.inference_mode()
def test_a_march_without_what_is_empty_sees_the_same(name: str, bias: float) -> None:
    made = model(name)
    scene = object_in_the_middle(made, bias)
    assert isinstance(scene.march, Marcher)
    sparse = scene.march.sparse(MANY)
    assert (sparse is scene.march) == bool(bias)
    scene.march.evaluated = sparse.evaluated = 0
    for azimuth in (0.0, 20.0):
        view = camera(made, azimuth, n=16)
        assert_close(*marched(scene, view))
        assert_close(*marched(replace(scene, march=sparse), view))
    if not bias:
        assert sparse.evaluated < 0.9 * scene.march.evaluated


@torch.inference_mode()
def test_few_samples_do_not_repay_it_and_threads_share_it(faces: Model) -> None:
    march = object_in_the_middle(faces).march
    assert isinstance(march, Marcher)
    assert march.sparse(CELLS**3) is march
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(march.sparse, [MANY] * 8))
    assert len(found) == 1
    assert march not in found


def test_the_longest_step_is_told_where_it_is_known(faces: Model) -> None:
    spec = msgspec.structs.replace(faces.spec, near=1.0, far=3.0, disparity=False)
    assert longest_step(spec, 11) == pytest.approx(0.2)
    uneven = msgspec.structs.replace(spec, disparity=True)
    step = longest_step(uneven, 101)
    assert step is not None
    z = 1 / torch.linspace(1, 1 / 3, 101, device="cpu", dtype=torch.float64)
    assert z.diff().max() <= step < 1.5 * z.diff().max()
    boxed = msgspec.structs.replace(spec, near=None, far=None)
    assert longest_step(boxed, 11) == pytest.approx(math.sqrt(3) * spec.box / 10)
