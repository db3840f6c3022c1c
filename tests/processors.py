"""Other processors, pretended in a process of its own by what its libraries are told to use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
# PyTorch's own kernels, oneDNN's and MKL's; MKL listens on its maker's processors only.
SETTINGS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")
PRETENDED = {
    "SSE4": ("default", "SSE41", "SSE4_2"),
    "AVX2": ("avx2", "AVX2", "AVX2"),
    "AVX-512": ("avx512", "AVX512_CORE", "AVX512"),
    "AMX": ("avx512", "AVX512_CORE_AMX", "AVX512"),
}
LEVELS = ("DEFAULT", "AVX2", "AVX512")  # as PyTorch calls what a processor can do


def possible() -> list[str]:
    """Those that this processor can pretend to be."""
    capability = torch.backends.cpu.get_cpu_capability()
    level = LEVELS.index(capability) if capability in LEVELS else 0
    ask: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    return list(PRETENDED)[: level + 1 + bool(level == 2 and ask().get("amx_bf16"))]


def run_as(processor: str, module: str, *arguments: str) -> str:
    """What a program of this repository prints on a pretended processor."""
    as_if = dict(zip(SETTINGS, PRETENDED[processor], strict=True))
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        # Threads that wait for each other sleep, since there may be more of them than cores.
        env=os.environ | as_if | {"PYTHONPATH": path, "OMP_WAIT_POLICY": "passive"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
