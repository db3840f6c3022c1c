"""Subjects become scenes."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
import torch
from torch import Tensor

from graf_cli.errors import UsageError
from graf_cli.families.pigan import cameras, draws
from graf_cli.families.pigan.network import Film, Network
from graf_cli.families.pigan.scene import film_of, scene
from graf_cli.families.pigan.spec import Views, features
from graf_cli.rendering.integrator import integrate
from graf_cli.scene.codes import Code, Subject
from graf_cli.scene.volume import Scene
from tests.families.pigan.models import SMALL, camera, code, random_network, subject


@pytest.fixture(scope="module")
def network() -> Network:
    return random_network(SMALL)


def row(network: Network, given: Subject) -> Tensor:
    return film_of(SMALL, network, given, network.average).row


def picture(made: Scene, size: int = 6) -> Tensor:
    rays = cameras.rays(camera(size).pose, size, size, fov=20.0, near=0.7, far=1.3)
    drawn = None if made.draws is None else made.draws(camera(size))
    pixel = torch.arange(size * size, device="cpu", dtype=torch.int64)
    return integrate(made, rays, chunk=500, pixel=pixel, draws=drawn).radiance


# codes


def test_truncation_draws_towards_the_average(network: Network) -> None:
    raw = network.siren.film(code(SMALL)).row
    assert torch.equal(row(network, subject(SMALL, psi=0.0)), network.average.row)
    whole = row(network, subject(SMALL, psi=1.0))
    torch.testing.assert_close(whole, raw)
    half = row(network, subject(SMALL, psi=0.5))
    torch.testing.assert_close(half, (raw + network.average.row) / 2)


def test_rows_of_frequencies_and_phases_are_taken_as_they_are(network: Network) -> None:
    wanted = row(network, subject(SMALL, psi=0.7))
    given = Subject({"z": Code(wanted)}, "film", 0.3)
    assert torch.equal(row(network, given), wanted)
    first = picture(scene(SMALL, network, subject(SMALL, psi=0.7), samples=6))
    assert torch.equal(picture(scene(SMALL, network, given, samples=6)), first)


@pytest.mark.parametrize("space", ["z", "film"])
def test_between_two_codes_is_a_line_of_what_drives_the_layers(
    network: Network, space: str
) -> None:
    ends = [row(network, subject(SMALL, seed)) for seed in (1, 2)]
    first, second = ends if space == "film" else [code(SMALL, seed) for seed in (1, 2)]

    def at(t: float) -> Tensor:
        return row(network, Subject({"z": Code(first, second, t)}, space, 0.7))

    assert torch.equal(at(0), ends[0])
    assert torch.equal(at(1), ends[1])
    torch.testing.assert_close(at(0.25), 0.75 * ends[0] + 0.25 * ends[1])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Subject({}), "has one code"),
        (Subject({"shape": Code(torch.zeros(8))}), "has one code"),
        (Subject({"z": Code(torch.zeros(7))}), "holds 8 numbers and not 7"),
        (Subject({"z": Code(torch.zeros(8))}, "film"), "holds 288 numbers and not 8"),
        (Subject({"z": Code(torch.zeros(8))}, "w"), "no space `w`"),
        (Subject({"z": Code(torch.zeros(8))}, controls={"fog": 1}), "no control `fog`"),
        (Subject({"z": Code(torch.zeros(8))}, controls={"last_back": 0.5}), "0 or 1 and not 0.5"),
    ],
)
def test_other_subjects_are_refused(network: Network, given: Subject, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        scene(SMALL, network, given, samples=6)


# options


def test_the_last_sample_takes_what_is_missing(network: Network) -> None:
    first, second = (
        integrate(
            scene(SMALL, network, subject(SMALL, last_back=back), samples=6),
            cameras.rays(camera().pose, 6, 6, fov=20.0, near=0.7, far=1.3),
            chunk=500,
        )
        for back in (0.0, 1.0)
    )
    assert torch.equal(first.opacity, second.opacity)
    missing = 1 - first.opacity
    added = second.radiance - first.radiance
    assert float(missing.max()) > 0.1
    assert bool((added[missing > 1e-3] > 0).all())
    assert bool((added <= missing[:, None] + 1e-6).all())


def test_the_model_says_what_is_behind(network: Network) -> None:
    backed = msgspec.structs.replace(SMALL, last_back=True)
    assert scene(backed, network, subject(SMALL), samples=6).quadrature.last_back
    made = scene(backed, network, subject(SMALL, last_back=0.0), samples=6)
    assert not made.quadrature.last_back
    defaults = {control.name: control.default for control in features(backed).controls}
    assert defaults["last_back"] == 1


# the authors' random numbers


def test_a_seed_draws_as_the_authors_do(network: Network) -> None:
    made = scene(SMALL, network, replace(subject(SMALL), jitter=5), samples=6)
    source = draws.stream(5)
    draws.code(SMALL, source)
    drawn = next(draws.pictures(SMALL, source, pixels=36, samples=6))
    own = Network(network.siren, network.siren.averages(drawn.codes))
    plain = scene(SMALL, own, subject(SMALL), samples=6)
    assert plain.draws is None
    wanted = picture(replace(plain, draws=lambda _: drawn.draws))
    assert torch.equal(picture(made), wanted)
    assert not torch.equal(wanted, picture(plain))


def test_later_frames_go_on_in_the_stream(network: Network) -> None:
    source = draws.stream(5)
    draws.code(SMALL, source)
    frames = draws.pictures(SMALL, source, pixels=36, samples=6)
    second = [next(frames) for _ in range(2)][1]
    given = replace(subject(SMALL, jitter_frame=1.0), jitter=5)
    made = scene(SMALL, network, given, samples=6, camera=camera())
    assert made.draws is not None
    assert torch.equal(made.draws(camera()).jitter, second.draws.jitter)
    with pytest.raises(UsageError, match="picture's size"):
        scene(SMALL, network, given, samples=6)


def test_cameras_that_no_seed_gives_are_told() -> None:
    mixed = msgspec.structs.replace(SMALL, views=Views(distribution="hybrid"))
    with pytest.raises(UsageError, match="hybrid"):
        next(draws.pictures(mixed, draws.stream(0), pixels=4, samples=3))


def test_one_pass_draws_no_quantiles() -> None:
    single = msgspec.structs.replace(SMALL, two_passes=False)
    drawn = next(draws.pictures(single, draws.stream(0), pixels=4, samples=3, noise=2.0)).draws
    assert drawn.quantiles is None
    assert [one.shape for one in drawn.noise] == [(4, 3)]
    assert features(single).further == 0


def test_film_keeps_its_halves() -> None:
    made = Film(torch.ones(18), torch.zeros(18))
    assert torch.equal(Film.of(made.row).frequencies, made.frequencies)
    assert [len(scale) for scale, _ in made.layers()] == [2] * 9
    assert float(made.layers()[0][0][0]) == 45
