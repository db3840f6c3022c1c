"""What PyTorch is loaded with, and that the collector is as it was afterwards."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, sys
from graf_cli.cli.loading import loading
with loading():
    assert not gc.isenabled()
assert gc.isenabled() and gc.get_freeze_count()
gc.unfreeze()
try:
    with loading():
        raise OSError
except OSError:
    assert gc.isenabled() and not gc.get_freeze_count()
sys.modules["torch"] = sys
with loading():
    assert gc.isenabled()
assert not gc.get_freeze_count()
"""


def test_the_collector_waits_until_pytorch_is_loaded_and_works_again() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)
