"""Tensors of a π-GAN stay on its device."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_nothing_leaves_the_device() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.families.pigan.on_fake_gpu"]
    found = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert found.stdout == "fine\n", found.stderr
