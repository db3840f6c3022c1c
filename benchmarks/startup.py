"""How soon `graf` answers, and draws a small picture, beside Python alone and `import torch`.

    python benchmarks/startup.py [RUNS]

Each command is a process of its own; the commands take turns, so that a busy machine slows all
of them alike. Medians of wall-clock seconds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "graf --help": ["-m", "graf_cli", "--help"],
    "graf models": ["-m", "graf_cli", "models"],
    "import torch": ["-c", "import torch"],
    "graf render": ["-m", "graf_cli", "render", "--size", "16", "--out", "-"],
}


def seconds(words: list[str]) -> float:
    """Wall-clock time of one process."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begin


def main(runs: int) -> None:
    """Print a table."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs):
        for name, words in COMMANDS.items():
            times[name].append(seconds(words))
    for name, values in times.items():
        print(f"{name:<16}{statistics.median(values):7.3f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
