"""wrk: a new user with every request, and what came of it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .contestants import DAYS, PATH, Contestant

CONNECTIONS = 32

_SCRIPT = """
local user = {first}
function request()
  user = user + 1
  return "GET {before}" .. user .. "{middle}" .. user % {days} .. "{after}"
end
"""
_UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Round:
    """What one run of wrk measured."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of the server, per request


def run_load(
    contestant: Contestant, directory: Path, cores: str, seconds: int, first: int
) -> Round:
    """Load *contestant* from *cores*; users are numbered from *first*.

    Raises:
        RuntimeError: not every answer was a 200.
    """
    return run_script(contestant, _script(first), directory, cores, seconds)


def run_script(
    contestant: Contestant,
    text: str,
    directory: Path,
    cores: str,
    seconds: int,
    connections: int = CONNECTIONS,
) -> Round:
    """Load *contestant* with what a script of wrk asks.

    Raises:
        RuntimeError: not every answer was a 200.
    """
    script = directory / "load.lua"
    script.write_text(text)
    command = [
        "taskset",
        "-c",
        cores,
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--latency",
        "--timeout",
        "10s",
    ]
    url = f"http://127.0.0.1:{contestant.port}"
    before_s = contestant.cpu_s()
    done = subprocess.run(
        [*command, "-s", str(script), url], capture_output=True, text=True, check=True
    )
    said = done.stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"{contestant.key} failed under load:\n{said}")
    used_s = contestant.cpu_s() - before_s
    per_second = re.search(r"Requests/sec:\s+([\d.]+)", said)
    requests = re.search(r"(\d+) requests in", said)
    assert per_second is not None, said
    assert requests is not None, said
    return Round(
        float(per_second[1]),
        _latency(said, "50%"),
        _latency(said, "99%"),
        used_s / int(requests[1]) * 1e6,
    )


def _script(first: int) -> str:
    before, middle, after = PATH.format(user="|", days="|").split("|")
    after += " HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n"
    text = _SCRIPT.replace("{first}", str(first)).replace("{days}", str(DAYS))
    return text.replace("{before}", before).replace("{middle}", middle).replace("{after}", after)


def _latency(text: str, percentile: str) -> float:
    found = re.search(rf"^\s+{percentile}\s+([\d.]+)(us|ms|s)\s*$", text, re.MULTILINE)
    assert found is not None, text
    return float(found[1]) * _UNITS_MS[found[2]]
