"""Files of earlier versions, and the command line to replay them with."""

from __future__ import annotations

from tests.cli.conftest import run

__all__ = ["run"]
