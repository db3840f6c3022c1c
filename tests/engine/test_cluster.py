"""What is particular to the Ray engine, on a real cluster of two nodes on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from graf_cli.engine import dispatch
from graf_cli.engine.cluster import RayEngine
from graf_cli.engine.contract import Engine
from graf_cli.engine.local import LocalEngine
from graf_cli.engine.pool import Share, share_of
from graf_cli.errors import EngineError
from graf_cli.rendering.renderer import Frame
from tests.engine.conftest import NODE, work
from tests.engine.files import Shared

PATIENCE = 60.0  # seconds until a test gives up


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Have something done while a job runs, which needs its driver all the time."""
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(act)
        yield
        done.result()


def crew(engine: Engine, folder: Path) -> set[int]:
    """The two processes that a job runs in, which does not go on before both have come."""
    folder.mkdir()
    put = Shared(folder, held_from=0)

    def let_go() -> None:
        wait_until(lambda: len(put.holders()) == 2)
        put.go_on()

    with engine.deliver(work(range(8)), put) as delivery, meanwhile(let_go):
        assert list(delivery) == list(range(8))
    return put.processes()


@pytest.fixture(scope="module")
def drawn() -> list[Frame]:
    """What this machine alone makes of it."""
    return list(LocalEngine().draw(work()))


# which workers there are


@pytest.mark.parametrize(
    ("nodes", "workers", "cpus", "wanted"),
    [
        ([4, 2], None, None, Share(6, 1, 0)),
        ([4, 2], None, 2, Share(3, 2, 0)),
        ([4, 2], None, 3, Share(1, 3, 0)),
        ([4, 2], 1, None, Share(1, 4, 0)),
        ([4, 2], 3, None, Share(3, 2, 0)),
        ([4, 2], 4, None, Share(4, 1, 0)),
        ([1], 2, 0.5, Share(2, 0.5, 0)),
        ([(8, 2), 4], None, None, Share(2, 1, 1)),
        ([(8, 4)], 3, 2, Share(3, 2, 1)),
        ([(8, 4)], 2, None, Share(2, 1, 1)),
    ],
)
def test_a_pool_is_what_the_cluster_holds(
    nodes: list[Any], workers: int | None, cpus: float | None, wanted: Share
) -> None:
    assert share_of([resources(node) for node in nodes], workers, cpus) == wanted


def resources(node: int | tuple[int, int]) -> dict[str, float]:
    cpus, gpus = node if isinstance(node, tuple) else (node, 0)
    return {"CPU": cpus, "memory": 1e9} | ({"GPU": gpus} if gpus else {})


@pytest.mark.parametrize(
    ("nodes", "workers", "cpus", "message"),
    [
        ([2, 2], None, 3, r"1 × \(3 CPU\) can never .* 2 \+ 2 CPU, has room for 0 of them"),
        ([2, 2], 5, None, r"5 × \(1 CPU\) can never .* has room for 4"),
        ([2, 2], 3, 2, r"3 × \(2 CPU\) can never .* has room for 2"),
        ([(8, 2)], 3, None, r"3 × \(1 GPU and 1 CPU\) .* 8 CPU and 2 GPU, has room for 2"),
        ([], None, None, "no CPU"),
        ([2], 0, None, "at least one worker"),
        ([2], None, -1, "more than no cores"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(
    nodes: list[Any], workers: int | None, cpus: float | None, message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        share_of([resources(node) for node in nodes], workers, cpus)


def test_without_ray_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match=r"pip install 'graf\[ray\]'"):
        RayEngine().opened()


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nowhere", "ray://127.0.0.1:9"])
def test_a_cluster_that_does_not_answer_is_told_at_once(address: str) -> None:
    pytest.importorskip("ray")
    before = time.monotonic()
    with pytest.raises(EngineError, match=address):
        RayEngine(address).opened()
    assert time.monotonic() - before < 10


def test_a_pool_is_refused_by_what_the_cluster_has(cluster: Any, ray_engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"7 × \(1 CPU\) can never .* 3 \+ 3 CPU"):
        RayEngine(cluster.address, workers=7).opened()
    with (
        RayEngine(cluster.address, workers=1, cpus=3, patience=0.5) as engine,
        ray_engine.draw(work()) as elsewhere,
    ):
        next(elsewhere)
        with pytest.raises(EngineError, match=r"within 0\.5 s: 1 × \(3 CPU\) .* of 6 CPU free"):
            next(engine.draw(work()))


# where pictures are put


def test_workers_put_where_they_see_the_folder(
    ray_engine: Engine, tmp_path: Path, drawn: list[Frame]
) -> None:
    assert os.getpid() not in crew(ray_engine, tmp_path / "put")
    assert Shared(tmp_path / "put").holds(drawn[:8])


def test_frames_are_handed_back_where_they_do_not(
    ray_engine: Engine, tmp_path: Path, drawn: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_token", lambda put: tmp_path / "elsewhere" / "token")
    put = Shared(tmp_path)
    with ray_engine.deliver(work(), put) as delivery:
        list(delivery)
    assert put.processes() == {os.getpid()}
    assert put.holds(drawn)


# what dies


def test_a_worker_that_dies_is_replaced(
    ray_engine: Engine, tmp_path: Path, drawn: list[Frame]
) -> None:
    put = Shared(tmp_path, dies_at=5)
    with ray_engine.deliver(work(), put) as delivery:
        assert list(delivery) == list(range(24))
    assert isinstance(delivery, dispatch.Delivery)
    assert delivery.again == 1
    assert set(put.puts()) == set(range(24))
    assert put.holds(drawn)


def test_a_picture_that_no_worker_survives_ends_the_job(
    ray_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "TRIES", 1)
    with (
        ray_engine.deliver(work(), Shared(tmp_path, dies_at=2)) as delivery,
        pytest.raises(EngineError, match=r"^Picture 2 was lost 1 times with the worker"),
    ):
        list(delivery)
    with ray_engine.draw(work([0])) as drawing:
        assert len(list(drawing)) == 1


def test_a_node_is_killed_in_the_middle(
    cluster: Any,
    ray_engine: Engine,
    tmp_path: Path,
    drawn: list[Frame],
    capfd: pytest.CaptureFixture[str],
) -> None:
    put = Shared(tmp_path, held_from=6)

    def kill_a_node() -> None:
        wait_until(lambda: len(put.holders()) == 2)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        wait_until(lambda: not all(map(alive, put.holders())))
        put.go_on()

    with ray_engine.deliver(work(), put) as delivery, meanwhile(kill_a_node):
        taken = list(delivery)
    assert isinstance(delivery, dispatch.Delivery)
    assert taken == list(range(24))
    assert delivery.again == 1
    assert set(put.puts()) == set(range(24))
    assert put.holds(drawn)
    assert capfd.readouterr().out == ""

    cluster.add_node(**NODE)
    assert crew(ray_engine, tmp_path / "after") - put.processes()


# the driver is interrupted


@pytest.mark.parametrize(
    ("number", "code", "own"), [(signal.SIGTERM, 143, False), (signal.SIGINT, 130, True)]
)
def test_an_interrupt_leaves_all_in_order(
    cluster: Any,
    tmp_path: Path,
    drawn: list[Frame],
    *,
    number: signal.Signals,
    code: int,
    own: bool,
) -> None:
    put = Shared(tmp_path, held_from=2)
    command = [sys.executable, "-m", "tests.engine.driver", "" if own else cluster.address]
    driver = subprocess.Popen(
        [*command, str(tmp_path)], stdout=subprocess.PIPE, start_new_session=True
    )
    with driver:
        try:
            wait_until(lambda: bool(put.holders()) or driver.poll() is not None)
            # A terminal sends ^C to all that it started.
            (os.killpg if own else os.kill)(driver.pid, number)
            put.go_on()
            out, _ = driver.communicate(timeout=PATIENCE)
        finally:
            driver.kill()
    assert driver.returncode == code
    assert put.puts() == dict.fromkeys(range(put.puts().total()), 1)
    assert put.puts().total() in (3, 4)  # the one in hand, and one that waited for the worker
    assert put.holds(drawn[: put.puts().total()])
    assert not [*tmp_path.glob(".*"), *tmp_path.glob("*.part")]
    assert out.decode().split() == [str(k) for k in range(len(out.split()))]
    wait_until(lambda: not any(map(alive, put.processes())))


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
