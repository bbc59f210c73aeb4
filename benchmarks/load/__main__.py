"""Compare requests per second by what is turned on, in turns; then load one at 70 % for minutes."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.requests.__main__ import ROOT, datafile_text
from benchmarks.requests.contestants import python_version
from benchmarks.requests.load import CONNECTIONS, Round, run_script

from .servers import GOALS, WAYS, Server, server

_SERVER_CORE, _LOAD_CORE = "0", "1"
_LOADED = "metrics, keys, JSON logs"
_SHARE = 0.7
_OTHER = "the other checkout"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--before", type=Path, help="the other checkout; without, `plain` is it")
    parser.add_argument("--rounds", type=int, default=12, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of each (default: %(default)s)")
    parser.add_argument("--minutes", type=int, default=10, help="of load (default: %(default)s)")
    parser.add_argument("--short", action="store_true", help="two rounds, three times ten seconds")
    parser.add_argument("--python", default=sys.executable, help="that runs all servers")
    parser.add_argument("--json", type=Path, help="write the results there")
    args = parser.parse_args(argv)
    if args.short:
        args.rounds, args.seconds = 2, 1
    directory = Path(tempfile.mkdtemp(prefix="bucketer-load-"))
    try:
        datafile = directory / "datafile.json"
        datafile.write_text(datafile_text(), encoding="utf-8")
        found = {
            "facts": {
                "python": python_version(args.python),
                "cores": os.cpu_count(),
                "connections": CONNECTIONS,
                "rounds": args.rounds,
                "seconds": args.seconds,
                "before": _commit(args.before or ROOT),
                "now": _commit(ROOT),
            },
            "throughput": _compare(args, directory, datafile),
            "load": _hold(args, directory, datafile),
        }
    finally:
        shutil.rmtree(directory)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def _compare(args: argparse.Namespace, directory: Path, datafile: Path) -> dict[str, Any]:
    """Load all in turns; in every other round the other way round."""
    other = server("plain", (args.before or ROOT).resolve(), args.python, directory, datafile)
    servers: dict[str, Server] = {_OTHER: other} | {
        name: server(name, ROOT, args.python, directory, datafile) for name in WAYS
    }
    rounds: dict[str, list[Round]] = {name: [] for name in servers}
    try:
        for each in servers.values():
            each.start(_SERVER_CORE, 1)
            run_script(each, each.script(0), directory, _LOAD_CORE, 1)  # warmed up
        for number in range(args.rounds):
            for name in list(servers) if number % 2 else reversed(servers):
                script = servers[name].script((number + 1) * 10_000_000)
                found = run_script(servers[name], script, directory, _LOAD_CORE, args.seconds)
                rounds[name].append(found)
    finally:
        for each in servers.values():
            each.stop()
    print(
        f"\n{'one worker, events off':28}{'requests/s':>12}{'ratio':>8}{'rounds':>14}{'CPU':>8}  goal"
    )
    summary = {}
    for name, found in rounds.items():
        pairs = list(zip(found, rounds[_OTHER], strict=True))
        ratios = [now.per_second / before.per_second for now, before in pairs]
        cpu_ratio = median(now.cpu_us / before.cpu_us for now, before in pairs)
        summary[name] = {
            "requests_per_second": round(median(each.per_second for each in found)),
            "p99_ms": round(median(each.p99_ms for each in found), 2),
            "ratio": round(median(ratios), 3),
            "cpu_us_per_request": round(median(each.cpu_us for each in found), 1),
            "cpu_ratio": round(cpu_ratio, 3),
            "ratios": [round(each, 3) for each in ratios],
        }
        spread = f"{min(ratios):.2f}..{max(ratios):.2f}"
        print(
            f"{name:28}{summary[name]['requests_per_second']:>12,}"
            f"{summary[name]['ratio']:>8.3f}{spread:>14}{cpu_ratio:>8.3f}  {GOALS.get(name, '')}",
            flush=True,
        )
    return summary


def _hold(args: argparse.Namespace, directory: Path, datafile: Path) -> dict[str, Any]:
    """Load one at 70 % of what it can; tell p99 and memory of each minute."""
    one = server(_LOADED, ROOT, args.python, directory, datafile)
    minutes, length_s = (3, 10) if args.short else (args.minutes, 60)
    told = []
    try:
        one.start(_SERVER_CORE, 1)
        run_script(one, one.script(0), directory, _LOAD_CORE, 2)
        most = run_script(one, one.script(10_000_000), directory, _LOAD_CORE, 4).per_second
        wanted = most * _SHARE
        # Each connection asks once in so many ms, at random; that makes the rate.
        delay_ms = 10
        connections = round(wanted * (delay_ms / 1000))
        print(f"\nit can {most:,.0f}/s; {wanted:,.0f}/s are wanted of {connections} connections")
        print(f"{'part':>6}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'MB':>9}")
        for number in range(minutes):
            script = one.script((number + 2) * 10_000_000, delay_ms)
            found = run_script(one, script, directory, _LOAD_CORE, length_s, connections)
            told.append(
                {
                    "requests_per_second": round(found.per_second),
                    "p50_ms": found.p50_ms,
                    "p99_ms": found.p99_ms,
                    "memory_mb": round(one.memory_mb(), 1),
                }
            )
            print(
                "{:>6}{:>12,}{:>10}{:>10}{:>9}".format(number + 1, *told[-1].values()), flush=True
            )
    finally:
        one.stop()
    return {"most_per_second": round(most), "wanted_per_second": round(wanted), "parts": told}


def _commit(tree: Path) -> str:
    command = ["git", "-C", str(tree), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
