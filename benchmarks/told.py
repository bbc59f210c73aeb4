"""What a benchmark tells beside its ratios: of the machine, and the medians of its rounds."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.requests.load import CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.requests.load import Round


def facts_of(rounds: int, seconds: int) -> dict[str, Any]:
    """Return where and how it was measured."""
    return {
        "python": platform.python_version(),
        "processor": cpu_model(),
        "cores": os.cpu_count(),
        "connections": CONNECTIONS,
        "rounds": rounds,
        "seconds": seconds,
        "date": datetime.now(UTC).date().isoformat(),
    }


def medians_of(found: Sequence[Round]) -> dict[str, Any]:
    """Return the medians of rounds, and the requests a second of each."""
    return {
        "requests_per_second": round(median(each.per_second for each in found)),
        "p50_ms": round(median(each.p50_ms for each in found), 2),
        "p99_ms": round(median(each.p99_ms for each in found), 2),
        "cpu_us": round(median(each.cpu_us for each in found)),
        "rounds": [round(each.per_second) for each in found],
    }


def cpu_model() -> str:
    """The processor, as the kernel names it."""
    done = subprocess.run(["lscpu"], capture_output=True, text=True, check=True)
    lines = (line.partition(":") for line in done.stdout.splitlines())
    return next((value.strip() for name, _, value in lines if name == "Model name"), "unknown")
