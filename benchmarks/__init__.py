"""Programs that measure graf; run them with `python -m benchmarks.NAME`.

Threads wait for each other as they do in `graf`, which has to be said before PyTorch is loaded.
"""

import os

from graf_cli.cli.main import SPINS

os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
