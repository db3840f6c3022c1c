"""Tests; they share their machine as `graf` does, which has to be said before PyTorch is loaded."""

from graf_cli.cli.main import yield_cores

yield_cores()
