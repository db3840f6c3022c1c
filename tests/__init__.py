"""Tests; they share their machine as `graf` does, which has to be said before PyTorch is loaded."""

import os

from graf_cli.cli.main import SPINS

os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
