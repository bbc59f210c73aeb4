"""Compiling: time, and memory in a process of its own, on both sides."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.engine import rival

from bucketer.core.parse import parse_datafile
from bucketer.runtime.compiling import compile_quietly

ROOT = Path(__file__).parents[2]

#: Run in a process of its own: the datafile comes in, live and peak bytes go out.
_MEMORY = """
import gc, sys, tracemalloc
raw = sys.stdin.buffer.read()
{imports}
gc.collect()
tracemalloc.start()
kept = {make}
del raw
gc.collect()
print(*tracemalloc.get_traced_memory())
"""
_OURS = (
    "from bucketer.core.parse import parse_datafile\nfrom bucketer.runtime.compiling import compile_quietly",
    "compile_quietly(raw)",
)
_THEIRS = (
    "from benchmarks.engine import rival\ntext = raw.decode()",
    "rival.client(text)",
)


def memory(raw: bytes) -> dict[str, dict[str, int]]:
    """Live and peak bytes that a compiled datafile takes, for both."""
    return {"ours": _measured(raw, _OURS), "theirs": _measured(raw, _THEIRS)}


def _measured(raw: bytes, how: tuple[str, str]) -> dict[str, int]:
    program = _MEMORY.format(imports=how[0], make=how[1])
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, input=raw, capture_output=True, check=True, cwd=ROOT)
    live, peak = done.stdout.split()
    return {"live_bytes": int(live), "peak_bytes": int(peak)}


def compile_times(raw: bytes, rounds: int) -> dict[str, float]:
    """Milliseconds of CPU to make a datafile ready, in turn; and the median of the ratios."""
    assert parse_datafile(raw)["version"] == "4"
    text = raw.decode()
    ours, theirs = [], []
    for _ in range(rounds):
        started = time.process_time()
        compile_quietly(raw)
        ours.append((time.process_time() - started) * 1e3)
        started = time.process_time()
        rival.client(text)
        theirs.append((time.process_time() - started) * 1e3)
    return {
        "ours_ms": median(ours),
        "theirs_ms": median(theirs),
        "ratio": median(b / a for a, b in zip(ours, theirs, strict=True)),
    }
