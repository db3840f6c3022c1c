"""Types are learnt once, whichever threads want them."""

from __future__ import annotations

import subprocess
import sys

# A struct in a struct, as msgspec's own functions die of: each type is wanted by three threads at
# once, which take turns as often as Python lets them.
WANTED = """
import sys, threading
import msgspec
from graf_cli.decoding import convert, decode

sys.setswitchinterval(1e-6)
for k in range(20):
    inner = msgspec.defstruct(f"Inner{k}", [(f"x{i}", "list[int] | None", None) for i in range(30)])
    outer = msgspec.defstruct(f"Outer{k}", [("a", inner), ("b", inner), ("c", int)])
    begun, made = threading.Barrier(3), []

    def want():
        begun.wait()
        made.append(convert({"a": {}, "b": {}, "c": 1}, outer))
        made.append(decode('{"a": {}, "b": {}, "c": 1}', outer))

    threads = [threading.Thread(target=want) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert all(one == made[0] for one in made)
"""


def test_threads_that_want_one_type_at_once_all_get_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WANTED], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
