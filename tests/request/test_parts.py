"""0 is a value and refused, not "nothing was said"; refusals name the library's arguments."""

from __future__ import annotations

from typing import Any

import pytest

from graf_cli.cli.main import option
from graf_cli.errors import UsageError
from graf_cli.request import dataset, sample, sweep
from tests.conftest import small_spec
from tests.output.frames import reference


def refused(ask: Any, *words: Any, **options: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        ask(reference(), small_spec(), *words, **options)
    return caught.value


@pytest.mark.parametrize("name", ["frames", "samples", "size", "fps"])
def test_zero_is_no_default(name: str) -> None:
    assert name in str(refused(sweep, azimuth=(0, 90), **{name: 0}))


@pytest.mark.parametrize("name", ["samples", "size"])
def test_zero_is_no_default_of_samples(name: str) -> None:
    assert name in str(refused(sample, 3, **{name: 0}))


@pytest.mark.parametrize("name", ["views", "samples", "size", "tar_size"])
def test_zero_is_no_default_of_a_data_set(name: str) -> None:
    assert name in str(refused(dataset, 1, **{name: 0}))


@pytest.mark.parametrize("name", ["show", "ease", "normals", "background"])
def test_nothing_at_all_is_no_default(name: str) -> None:
    refused(sweep, **{name: ""})


def test_arguments_are_named_as_whoever_reads_it_knows_them() -> None:
    error = refused(sweep, latents=[[0.0] * 6], seed=3)
    assert str(error).startswith("`latents` says which object; leave out `seed`, ")
    assert error.told(option).startswith("--latent says which object; leave out --seed, ")
    assert option("depth_range") == "--depth-range"


def test_the_message_travels_between_processes() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(UsageError("⟨azimuth⟩ it is.")))
    assert error.told(option) == "--azimuth it is."
