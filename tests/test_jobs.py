"""The use case, by way of the library: the files are the very bytes of the command line's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

import graf_cli as graf
from graf_cli.engine.local import LocalEngine
from graf_cli.errors import OutputError, RecipeError, SurfaceError, UsageError
from graf_cli.jobs import Events, OutputOptions, job_of, target_for
from graf_cli.opening import Opened
from graf_cli.output.formats import Target
from graf_cli.recipe import Recipe
from graf_cli.stopping import Ending, Terminated
from graf_cli.surfaces.options import Extracted
from tests.cli.conftest import CARS, Run
from tests.cli.conftest import run as run  # noqa: PLC0414 - a fixture
from tests.conftest import read_case, small_generator
from tests.rendering.fast import crafted

T = TypeVar("T")
SMALL: dict[str, Any] = {"size": 8, "samples": 8}
WORDS = ("--size", "8", "--samples", "8")
GENERATOR = read_case("cars").generator

write = partial(graf.write, generator=GENERATOR)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def recipe(**view: Any) -> Recipe:
    return graf.sweep(GENERATOR, azimuth=(0, 90), frames=3, **{**SMALL, **view})


@pytest.mark.parametrize("suffix", ["mp4", "gif", "webp", "npz", "tar"])
def test_a_sweep_in_one_file(suffix: str, run: Run, tmp_path: Path) -> None:
    result = write(recipe(), f"a.{suffix}")
    run("render", *CARS, *WORDS, "--azimuth", "0:90", "--frames", 3, "--out", f"b.{suffix}")
    assert Path(f"a.{suffix}").read_bytes() == Path(f"b.{suffix}").read_bytes()
    assert (result.path, result.pictures, result.kept) == (Path(f"a.{suffix}"), 3, 0)


def test_how_a_file_is_packed(run: Run) -> None:
    write(recipe(), "a.bin", format="mp4", crf=40, codec="h264", metadata=False)
    words = ("--format", "mp4", "--crf", 40, "--codec", "h264", "--no-metadata", "--out", "b.bin")
    run("render", *CARS, *WORDS, "--azimuth", "0:90", "--frames", 3, *words)
    assert Path("a.bin").read_bytes() == Path("b.bin").read_bytes()


def test_a_sequence(run: Run) -> None:
    result = write(recipe(), "a/%02d.png")
    run("render", *CARS, *WORDS, "--azimuth", "0:90", "--frames", 3, "--out", "b/%02d.png")
    assert files(Path("a")) == files(Path("b"))
    assert [path.name for path in result.paths] == ["00.png", "01.png", "02.png"]


def test_samples_with_their_records(run: Run) -> None:
    result = write(graf.sample(GENERATOR, 3, 5, **SMALL), "a")
    run("sample", *CARS, *WORDS, "--n", 3, "--seed", 5, "--out", "b")
    assert files(Path("a")) == files(Path("b"))
    assert result.records == Path("a/samples.jsonl")


def test_a_sheet_of_samples(run: Run) -> None:
    write(graf.sample(GENERATOR, 3, **SMALL), "a.png")
    run("sample", *CARS, *WORDS, "--n", 3, "--out", "b.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_a_grid(run: Run) -> None:
    write(graf.grid(GENERATOR, shapes=2, appearances=3, seed=4, azimuth=30, **SMALL), "a.png")
    write(graf.grid(GENERATOR, shapes=[4, 5], appearances=[4, 5, 6], azimuth=30, **SMALL), "c.png")
    words = ("--shapes", 2, "--appearances", 3, "--seed", 4, "--azimuth", 30)
    run("grid", *CARS, *WORDS, *words, "--out", "b.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes() == Path("c.png").read_bytes()


@pytest.mark.parametrize(
    ("options", "words"), [({}, ()), ({"tar_size": 1}, ("--format", "webdataset", "--tar-size", 1))]
)
def test_a_data_set(options: dict[str, Any], words: tuple[Any, ...], run: Run) -> None:
    result = write(graf.dataset(GENERATOR, 2, 2, 3, **SMALL, **options), "a")
    run("dataset", *CARS, *WORDS, "--n", 2, "--views", 2, "--seed", 3, *words, "--out", "b")
    assert files(Path("a")) == files(Path("b"))
    assert result.pictures == 4


def test_a_replay(run: Run) -> None:
    write(recipe(), "a.gif")
    result = graf.replay("a.gif", generator=GENERATOR)
    assert result.path == Path("a-replay.gif")
    assert result.path.read_bytes() == Path("a.gif").read_bytes()
    write(graf.sample(GENERATOR, 2, **SMALL), "many/")
    graf.replay("many", "again/", generator=GENERATOR)
    assert files(Path("again")) == files(Path("many"))


def test_the_model_is_found_by_the_recipe(run: Run) -> None:
    """As long as it is on this machine; `toy-cars` always is."""
    cars = graf.load("toy-cars", device="cpu")
    result = graf.write(graf.sweep(cars, **SMALL), "a.png")
    again = graf.replay("a.png", "b.png")
    assert result.path is not None
    assert again.path is not None
    assert again.path.read_bytes() == result.path.read_bytes()
    with pytest.raises(RecipeError, match="is not on this machine"):
        graf.write(recipe(), "c.gif")


def test_another_model_is_refused(run: Run) -> None:
    with pytest.raises(RecipeError, match="is of `cars"):
        graf.write(recipe(), "a.gif", generator=small_generator())
    assert not Path("a.gif").exists()


def test_what_is_finished_is_kept(run: Run) -> None:
    first = write(recipe(), "a/", shard="1/2")
    rest = write(recipe(), "a/", resume=True)
    assert (first.pictures, rest.pictures, rest.kept) == (2, 3, 2)
    write(recipe(), "b/")
    assert files(Path("a")) == files(Path("b"))
    with pytest.raises(OutputError, match="another recipe"):
        write(recipe(seed=1), "a/", resume=True)


def test_shards_of_a_video_wait_for_each_other(run: Run) -> None:
    class Waits(Events):
        told: tuple[Any, ...] = ()

        def waiting(self, target: Target, missing: int, total: int) -> None:
            self.told = (str(target), missing, total)

    events = Waits()
    first = write(recipe(), "a.gif", shard="2/2", events=events)
    assert (first.path, events.told) == (None, ("a.gif", first.waiting, 3))
    assert write(recipe(), "a.gif", shard="1/2").path == Path("a.gif")
    write(recipe(), "b.gif")
    assert Path("a.gif").read_bytes() == Path("b.gif").read_bytes()


def test_what_is_there_stays_where_it_is_asked_to(run: Run) -> None:
    write(recipe(), "a.gif")
    with pytest.raises(OutputError, match=r"a\.gif"):
        write(recipe(), "a.gif", clobber=False)


def test_an_engine_is_used_and_left_open(run: Run) -> None:
    class Counted(LocalEngine):
        drawn = closed = 0

        def draw(self, work: Any) -> Any:
            self.drawn += 1
            return super().draw(work)

        def close(self) -> None:
            self.closed += 1

    engine = Counted()
    write(recipe(), "a.gif", engine=engine)
    write(recipe(), "b.gif", engine=engine)
    assert (engine.drawn, engine.closed) == (2, 0)


def test_a_format_that_cannot_hold_it_is_refused_before_anything_is_drawn(run: Run) -> None:
    with pytest.raises(UsageError, match=r"^`out` a\.png holds one picture, but 3 are asked for"):
        write(recipe(), "a.png")
    told = run("render", *CARS, *WORDS, "--azimuth", "0:9", "--out", "a.png", code=2).stderr
    assert "Error: --out a.png holds one picture" in told
    with pytest.raises(UsageError, match="suffix"):
        write(recipe(), "a.foo")


# events and endings, of a job itself


class Heard(Events):
    def __init__(self) -> None:
        self.warned: list[str] = []
        self.made = 0
        self.ended: bool | None = None
        self.shares: list[tuple[float, str]] = []

    def making(self, done: float, what: str) -> None:
        self.shares.append((done, what))

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def progress(self, pictures: Iterable[T], total: int) -> Iterator[T]:
        for self.made, picture in enumerate(pictures, 1):
            yield picture
        assert self.made == total

    def ended_early(self, *, kept: bool) -> None:
        self.ended = kept


def job(out: str, asked: Recipe | None = None, **output: Any) -> Any:
    asked = asked or recipe()
    opened, target = Opened.of(GENERATOR), target_for(asked, out)
    return job_of(opened, asked, target, output=OutputOptions(**output))


def test_events_tell_what_happens(run: Run) -> None:
    heard = Heard()
    job("a.gif", recipe(elevation=-40)).run(events=heard)
    assert heard.made == 3
    assert heard.ended is None
    assert [text.partition(" lie outside")[0] for text in heard.warned] == ["Some views"]


@pytest.mark.parametrize(
    ("kind", "words"), [("mesh", {"surface", "colours"}), ("page", {"baking"})]
)
def test_events_tell_how_far_a_shape_is(kind: Extracted, words: set[str], tmp_path: Path) -> None:
    heard = Heard()
    suffix = {"mesh": "glb", "page": "html"}[kind]
    generator = crafted.tent((0.1, -0.2, 0.05), (0.9, 0.6, 0.75))
    graf.export(generator, tmp_path / f"a.{suffix}", seed=3, resolution=12, events=heard)
    shares = [done for done, _ in heard.shares]
    assert shares == sorted(shares)
    assert len({*shares}) > 3
    assert heard.shares[-1] == (1.0, kind)
    assert {what for _, what in heard.shares[:-1]} == words


def test_a_shape_that_fails_is_told_to_have_ended(tmp_path: Path) -> None:
    heard = Heard()
    with pytest.raises(SurfaceError):
        graf.export(
            crafted.tent((0.1, -0.2, 0.05), (0.9, 0.6, 0.75)), tmp_path / "a.glb", seed=3,
            level=1e8, resolution=8, events=heard,
        )  # fmt: skip
    assert heard.shares[-1] == (1.0, "mesh")
    assert not [*tmp_path.iterdir()]


def told_to_end(signal: int, after: int, heard: Heard) -> AbstractContextManager[Ending]:
    class After(Ending):
        @property
        def asked(self) -> bool:
            if heard.made >= after:
                self.signal = signal
            return super().asked

    @contextmanager
    def patience() -> Iterator[Ending]:
        yield After()

    return patience()


@pytest.mark.parametrize(("signal", "error"), [(2, KeyboardInterrupt), (15, Terminated)])
def test_a_job_ends_after_the_picture_in_hand(
    signal: int, error: type[BaseException], run: Run
) -> None:
    heard = Heard()
    with pytest.raises(error):
        job("a/", resume=True).run(events=heard, patience=lambda: told_to_end(signal, 2, heard))
    assert heard.ended is True
    assert sorted(path.name for path in Path("a").glob("*.png")) == ["0000.png", "0001.png"]
    assert write(recipe(), "a/", resume=True).kept == 2


def test_nothing_is_kept_unless_it_is_asked_for(run: Run) -> None:
    class Stops(Heard):
        def progress(self, pictures: Iterable[T], total: int) -> Iterator[T]:
            raise KeyboardInterrupt

    heard = Stops()
    with pytest.raises(KeyboardInterrupt):
        job("a.gif").run(events=heard)
    assert heard.ended is False
    assert not any(path.suffix for path in Path.cwd().iterdir())


def test_a_job_knows_its_cost_before_it_begins(run: Run) -> None:
    cost = job("a.gif").cost()
    told = json.loads(
        run(
            "render", *CARS, *WORDS, "--azimuth", "0:90", "--frames", 3, "--dry-run", "--json"
        ).stdout
    )["cost"]
    assert told == {
        "frames": cost.frames, "samples": cost.samples, "download": None, "download_bytes": 0,
    }  # fmt: skip
    assert not Path("a.gif").exists()


def test_the_engine_is_opened_when_there_is_something_to_draw(run: Run) -> None:
    write(recipe(), "a/", resume=True)

    def never() -> AbstractContextManager[Any]:
        raise AssertionError

    assert job("a/", resume=True).run(engine=never).kept == 3
