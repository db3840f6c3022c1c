"""A line of a batch asks for what the command line asks for with the same options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graf_cli.cli.drawing import Drawing, Request, said
from graf_cli.cli.main import cli
from graf_cli.cli.values import Options

DEGREES = st.integers(-180, 180) | st.floats(-180, 180).map(lambda x: round(x, 3))
SWEEPS = DEGREES | st.lists(DEGREES, min_size=2, max_size=3)
SEEDS = st.integers(0, 99) | st.lists(st.integers(0, 99), min_size=2, max_size=3)
SIZES = st.integers(1, 64) | st.lists(st.integers(1, 64), min_size=2, max_size=2)

# What JSON may say of an option; a flag that is not set cannot be said by a command line.
SHARED: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from(["cars", "toy-cars:64"]),
    "device": st.just("cpu"),
    "truncation": st.floats(0.1, 1).map(lambda x: round(x, 2)),
    "control": st.dictionaries(st.sampled_from(["lamp", "turn"]), SWEEPS, min_size=1),
    "samples": st.integers(2, 64) | st.integers(2, 64).map(str),
    "exact": st.just(True),
    "clobber": st.booleans(),
    "resume": st.just(True),
    "out": st.sampled_from(["a", "b"]),
}
PICTURES = {"size": SIZES, "background": st.sampled_from(["white", "#102030", "model"])}
VIEWS = {"azimuth": SWEEPS, "elevation": SWEEPS, "fov": SWEEPS}
OBJECTS = {"seed": SEEDS, "code": st.dictionaries(st.just("shape"), SEEDS, min_size=1)}
OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "render": {**PICTURES, **VIEWS, **OBJECTS, "boomerang": st.booleans(),
               "show": st.just("rgb,depth") | st.just(["rgb", "depth"]),
               "depth_range": st.just([1, 2]), "save-cameras": st.just("c.json")},
    "sample": {**PICTURES, "n": st.integers(1, 9), "seed": st.integers(0, 9)},
    "grid": {**PICTURES, **VIEWS, "shapes": st.integers(1, 9), "rows": st.just("shape=0:4")},
    "dataset": {**PICTURES, **VIEWS, "views": st.integers(1, 9), "format": st.just("webdataset"),
                "split": st.just("train=0.9,val=0.1")},
    "export": {**OBJECTS, "as": st.just("mesh"), "resolution": st.integers(16, 64)},
}  # fmt: skip
JOINED = {"size": "x", "show": ","}


@pytest.fixture
def root() -> Iterator[click.Context]:
    with cli.make_context("graf", ["render"]) as context:
        yield context


def words(line: dict[str, Any]) -> list[str]:
    """A line as a command line has it."""
    found = []
    for key, value in line.items():
        option = "--" + key.replace("_", "-")
        if isinstance(value, bool):
            found.append(option if value else option.replace("--", "--no-"))
            continue
        named = value.items() if isinstance(value, dict) else [("", value)]
        for name, one in named:
            text = JOINED.get(key, ":").join(map(str, one if isinstance(one, list) else [one]))
            found.append(f"{option}={name}={text}" if name else f"{option}={text}")
    return found


def asked(root: click.Context, name: str, line: dict[str, Any]) -> Request:
    """The request of a command line."""
    assert isinstance(root.command, click.Group)
    command = root.command.get_command(root, name)
    assert isinstance(command, Drawing)
    context = command.make_context(name, words(line), parent=root)
    return command.request(context.params, said(context))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from([*OWN]))
def test_a_line_asks_for_what_the_command_line_does(
    root: click.Context, data: st.DataObject, name: str
) -> None:
    options = {**SHARED, **OWN[name]}
    line = data.draw(st.fixed_dictionaries({}, optional=options))
    request = Options.of(name).request({}, line)
    assert request == asked(root, name, line)
    assert type(request).__name__ == f"{name.title()}Request"


@pytest.mark.usefixtures("root")
def test_a_line_goes_before_the_batch_and_that_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SIZE", "CHUNK", "SAMPLES"):
        monkeypatch.setenv(f"GRAF_RENDER_{name}", "100")
    request = Options.of("render").request({"chunk": 200, "samples": 2}, {"samples": 3})
    picture = request.picture  # type: ignore[attr-defined]
    assert (picture.size, request.engine.chunk, picture.samples) == ((100, 100), 200, 3)
    assert request.said == {"chunk", "samples"}
    assert request.output.clobber  # by default


@pytest.mark.usefixtures("root")
def test_what_may_be_repeated_is_text_a_list_or_an_object() -> None:
    options = Options.of("render")
    wanted = (("lamp", (0.5,)), ("turn", (0, 1)))
    for text in ({"lamp": 0.5, "turn": [0, 1]}, ["lamp=0.5", "turn=0:1"]):
        assert options.request({}, {"control": text}).picture.controls == wanted  # type: ignore[attr-defined]
    one = options.request({}, {"control": "lamp=0.5"})
    assert one.picture.controls == wanted[:1]  # type: ignore[attr-defined]
    with pytest.raises(click.BadParameter):
        options.request({}, {"control": [1, 2]})
