"""A program that has pictures put in a cluster, until it is interrupted."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import NoReturn

from graf_cli.engine.cluster import RayEngine
from tests.engine.conftest import work
from tests.engine.files import Shared


class Terminated(BaseException):
    """SIGTERM came."""


def terminate(*_: object) -> NoReturn:
    raise Terminated


def main(address: str, folder: str) -> int:
    signal.signal(signal.SIGTERM, terminate)
    try:
        with RayEngine(address or None, workers=1, cpus=1) as engine:
            assert signal.getsignal(signal.SIGTERM) is terminate
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            with engine.deliver(work(), Shared(Path(folder), held_from=2)) as delivery:
                for k in delivery:
                    print(k, flush=True)
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
