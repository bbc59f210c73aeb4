"""Compare this checkout's server with another one's, by requests per second, in turns."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.requests.__main__ import ROOT, datafile_text
from benchmarks.requests.contestants import Contestant, free_port, python_version
from benchmarks.requests.load import CONNECTIONS, Round, run_script

from .cases import CASES, OTHER_KEY, Case

_SINK = Path(__file__).parents[1] / "events/sink.py"
_SERVER_CORE, _LOAD_CORE = "0", "1"
_CONFIG = """
[environments.main]
datafile = "{datafile}"
[environments.other]
sdk_key = "{key}"
datafile = "{datafile}"
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=24, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=2, help="of each (default: %(default)s)")
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--python", default=sys.executable, help="that runs both servers")
    parser.add_argument("--json", type=Path, help="write the results there")
    args = parser.parse_args(argv)
    trees = {"before": args.before.resolve(), "now": ROOT}
    facts = {
        "python": python_version(args.python),
        "cores": os.cpu_count(),
        "connections": CONNECTIONS,
        "rounds": args.rounds,
        "seconds": args.seconds,
        "before": _commit(trees["before"]),
        "now": _commit(trees["now"]),
    }
    print("  ".join(f"{name} {value}" for name, value in facts.items()))
    print(f"\n{'':42}{'before/s':>10}{'now/s':>10}{'ratio':>8}{'rounds':>14}{'CPU':>8}  goal")
    results = {}
    for case in CASES:
        if args.only in case.name:
            results[case.name] = found = _compare(case, trees, args)
            print(_line(case, found), flush=True)
    if args.json:
        text = json.dumps({"facts": facts, "results": results}, indent=2)
        args.json.write_text(text + "\n", encoding="utf-8")
    return 0


def _compare(case: Case, trees: dict[str, Path], args: argparse.Namespace) -> dict[str, Any]:
    """Load both servers in turns. The one that is first in a round is second in the next."""
    directory = Path(tempfile.mkdtemp(prefix="bucketer-versions-"))
    rounds: dict[str, list[Round]] = {which: [] for which in trees}
    collector = free_port()
    sink = subprocess.Popen(
        ["taskset", "-c", _LOAD_CORE, sys.executable, str(_SINK), str(collector)],
        stdout=subprocess.DEVNULL,
    )
    servers: dict[str, Contestant] = {}
    try:
        for which, tree in trees.items():
            servers[which] = _server(which, tree, case, directory, collector, args.python)
            servers[which].start(_SERVER_CORE, 1)
            run_script(servers[which], case.script(0), directory, _LOAD_CORE, 1)  # warmed up
        for number in range(args.rounds):
            order = list(trees) if number % 2 else list(trees)[::-1]
            for which in order:
                script = case.script((number + 1) * 10_000_000)
                rounds[which].append(_round(servers[which], script, directory, args.seconds))
    finally:
        for server in servers.values():
            server.stop()
        sink.terminate()
        sink.wait()
        shutil.rmtree(directory)
    return _summary(rounds)


def _round(server: Contestant, script: str, directory: Path, seconds: int) -> Round:
    """Load it, and let it send its events; its processor time counts until that is done."""
    _wait_until_quiet(server)
    before_s = server.cpu_s()
    found = run_script(server, script, directory, _LOAD_CORE, seconds)
    _wait_until_quiet(server)
    used_s = server.cpu_s() - before_s
    return replace(found, cpu_us=used_s / (found.per_second * seconds) * 1e6)


def _server(
    which: str, tree: Path, case: Case, directory: Path, collector: int, python: str
) -> Contestant:
    folder = directory / which
    folder.mkdir()
    datafile = folder / "datafile.json"
    datafile.write_text(datafile_text(), encoding="utf-8")
    environ = {
        "PYTHONPATH": str(tree / "src"),
        "BUCKETER_EVENTS": "outbox" if case.events else "off",
        "BUCKETER_EVENTS_ENDPOINT": f"http://127.0.0.1:{collector}/v1/events",
        "BUCKETER_STATE_DIR": str(folder / "state"),
    }
    if case.key:
        config = folder / "bucketer.toml"
        config.write_text(_CONFIG.format(datafile=datafile, key=OTHER_KEY), encoding="utf-8")
        environ["BUCKETER_CONFIG"] = str(config)
    command = [python, "-m", "bucketer", "serve", "--port", "{port}", "--workers", "{workers}"]
    return Contestant(which, "", [*command, "--datafile", str(datafile)], environ)


def _wait_until_quiet(server: Contestant) -> None:
    """Wait until it has nothing left to do, such as events to send."""
    used, deadline = -1.0, time.monotonic() + 60
    while server.cpu_s() - used > 0.01 and time.monotonic() < deadline:  # a tick, at the most
        used = server.cpu_s()
        time.sleep(0.25)


def _summary(rounds: dict[str, list[Round]]) -> dict[str, Any]:
    """Return medians, and the median of the rounds' ratios: a busy moment is busy for both."""
    pairs = list(zip(rounds["before"], rounds["now"], strict=True))
    ratios = [now.per_second / before.per_second for before, now in pairs]
    return {
        "ratio": round(median(ratios), 3),
        "ratios": [round(each, 3) for each in ratios],
        "cpu_ratio": round(median(now.cpu_us / before.cpu_us for before, now in pairs), 3),
    } | {
        which: {
            "requests_per_second": round(median(each.per_second for each in found)),
            "p99_ms": round(median(each.p99_ms for each in found), 2),
            "cpu_us_per_request": round(median(each.cpu_us for each in found), 1),
            "rounds": [round(each.per_second) for each in found],
        }
        for which, found in rounds.items()
    }


def _line(case: Case, found: dict[str, Any]) -> str:
    before, now = (found[which]["requests_per_second"] for which in ("before", "now"))
    spread = f"{min(found['ratios']):.2f}..{max(found['ratios']):.2f}"
    return (
        f"{case.name:42}{before:>10,}{now:>10,}{found['ratio']:>8.3f}{spread:>14}"
        f"{found['cpu_ratio']:>8.3f}  {case.goal}"
    )


def _commit(tree: Path) -> str:
    command = ["git", "-C", str(tree), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
