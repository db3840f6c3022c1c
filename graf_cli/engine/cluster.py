"""Shots become Frames in the workers of a Ray cluster.

Workers are Ray actors, one a GPU where the cluster has any, else one a share of the cores. Each
takes the model once and draws pictures one after the other; where it sees the folder that they
belong into it also puts them there, else it hands them back. Workers import this package, so the
same version of graf and of its libraries has to be installed on every machine of the cluster.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from graf_cli.engine.contract import Engine, Put, Work
from graf_cli.engine.dispatch import Delivery, Dispatch, Drawing, reason_of
from graf_cli.engine.pool import Pool, Share, share_of
from graf_cli.errors import EngineError

PATIENCE = 60.0  # seconds without any worker after which none is expected any more
REACHED_WITHIN = 5.0  # seconds in which a cluster answers

log = logging.getLogger("graf")


class RayEngine(Engine):
    """Draws pictures in the workers of a Ray cluster; one job at a time.

    Parameters
    ----------
    address : str, optional
        ``host:port`` of a cluster's head, or ``auto`` for the one that this machine belongs to;
        by default Ray is started on this machine, and ended on closing.
    workers : int, optional
        As many as the cluster holds.
    cpus : float, optional
        Cores of each worker; 1, or with a number of `workers` as many as all can have.
    patience : float
        Seconds to wait for the first worker, and on closing for the pictures in hand.
    """

    elsewhere = True

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        cpus: float | None = None,
        *,
        patience: float = PATIENCE,
    ) -> None:
        self._pool: Pool | None = None
        self._dispatch: Dispatch[Any] | None = None
        self._patience = patience
        self._asked = address, workers, cpus
        self._ray: Any = None
        self._connected = False
        self._share = Share(0, 0.0, 0)

    def opened(self) -> Self:
        """With the cluster joined, or begun on this machine.

        Raises
        ------
        EngineError
            When Ray is not installed, the cluster cannot be reached, or such workers can never be
            had.
        """
        if self._ray is not None:
            return self
        address, workers, cpus = self._asked
        self._ray = _ray()
        try:
            self._connected = connect(self._ray, address)
            nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            self._share = share_of(nodes, workers, cpus)
        except BaseException:
            self.close()
            raise
        return self

    def draw(self, work: Work) -> Drawing:
        """See `Engine`; ends the job before."""
        dispatch = Drawing(self._pool_for(work), work, None).begun()
        self._dispatch = dispatch
        return dispatch

    def deliver(self, work: Work, put: Put) -> Delivery:
        """See `Engine`; ends the job before.

        Workers that see the folder ``put.folder`` put there what they draw; without such an
        attribute, and for the others, it is put here.
        """
        dispatch = Delivery(self._pool_for(work), work, put).begun()
        self._dispatch = dispatch
        return dispatch

    def _pool_for(self, work: Work) -> Pool:
        if self._dispatch is not None:
            self._dispatch.close()
        pool = self._pool
        if pool is None or pool.generator is not work.generator or not pool.desks:
            if pool is not None:
                pool.close()
            pool = Pool(self._ray, self._share, work.generator, self._patience)
        self._pool = pool
        return pool

    def close(self) -> None:
        """Have the pictures in hand finished, let the workers go, and Ray if it was begun here."""
        try:
            if self._dispatch is not None:
                self._dispatch.close()
        finally:
            if self._pool is not None:
                self._pool.close()
            self._dispatch = self._pool = None
            if self._connected:
                self._connected = False
                self._ray.shutdown()


def _ray() -> Any:
    try:
        import ray  # noqa: PLC0415 - an extra, and slow
    except ImportError as error:
        raise EngineError(
            "The engine `ray` needs Ray, which is not installed; `pip install 'graf[ray]'` does."
        ) from error
    return ray


def connect(ray: Any, address: str | None) -> bool:
    """Join a cluster, or begin one on this machine; whether that was left to do.

    Raises
    ------
    EngineError
        When it cannot be reached.
    """
    if address is not None:
        _check_reached(address)
    if ray.is_initialized():
        return False
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        os.environ.setdefault(name, "0")  # the second as in newer versions, which do not warn
    logging.getLogger("ray").setLevel(logging.ERROR)
    # Ray prints what befalls a cluster to standard output, where only results belong.
    ray._private.worker.print_to_stdstream = _note
    own = {"address": "local", "include_dashboard": False}
    try:
        with _same_signals():
            ray.init(
                **(own if address is None else {"address": address}),
                log_to_driver=False,
                configure_logging=False,
            )
    except Exception as error:
        raise EngineError(
            f"The Ray cluster `{address or 'local'}` cannot be used: {reason_of(error)}."
        ) from error
    except BaseException:
        ray.shutdown()
        raise
    return True


def _note(data: dict[str, Any], **_: object) -> None:
    for text in data["lines"]:
        log.info("Ray: %s", text.partition("\n")[0])


def _check_reached(address: str) -> None:
    """Ray itself tries for minutes."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", address)
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACHED_WITHIN).close()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"No Ray cluster answers at `{address}` ({error}); name the host:port of its head, as "
            "`ray start --head` tells it, or no address for this machine alone."
        ) from error


@contextmanager
def _same_signals() -> Iterator[None]:
    """Ray takes over SIGTERM; what the program does then stays as it is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    ended = False
    try:
        yield
    except SystemExit as end:  # SIGTERM came while it was Ray's
        ended = end.code == signal.SIGTERM
        if not ended:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if ended:
        signal.raise_signal(signal.SIGTERM)
        raise SystemExit(signal.SIGTERM)
