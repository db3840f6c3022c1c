"""Programs that measure graf; run them with `python -m benchmarks.NAME`.

Threads wait for each other as they do in `graf`, which has to be said before PyTorch is loaded.
"""

from graf_cli.cli.main import yield_cores

yield_cores()
