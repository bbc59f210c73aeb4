"""Memory of many environments against as many compiled rulesets: python -m benchmarks.environments.

Each kind has a process of its own, in which Python counts the bytes. The environments have the
server's own parts, fetch their datafiles from a CDN on this machine, and have answered a request
each. What their requests take is in benchmarks.versions.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.fakes.cdn import Cdn

from .datafiles import datafile_of, key_of

ROOT = Path(__file__).parents[2]
_KINDS = ("rulesets", "listed", "unlisted")
_GOAL = 1.3


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.environments", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, help="write the results there")
    args = parser.parse_args(argv)
    raws = {f"/{key_of(n)}.json": datafile_of(n) for n in range(args.count)}
    size = sum(map(len, raws.values())) / args.count
    with Cdn({path: (raw, None) for path, raw in raws.items()}) as cdn:
        found = {kind: _measured(kind, args.count, cdn.url) for kind in _KINDS}
    print(f"{args.count} datafiles of {size:,.0f} bytes; Python {platform.python_version()}")
    print(f"\n{'':12}{'KB each':>10}{'ratio':>8}{'RSS MB':>10}{'ratio':>8}")
    for kind in _KINDS:
        ratios = {
            what: found[kind][what] / found["rulesets"][what]
            for what in ("live_bytes", "rss_bytes")
        }
        found[kind]["ratio"] = round(ratios["live_bytes"], 3)
        each = found[kind]["live_bytes"] / args.count / 1024
        print(
            f"{kind:12}{each:>10.1f}{ratios['live_bytes']:>8.3f}"
            f"{found[kind]['rss_bytes'] / 2**20:>10.0f}{ratios['rss_bytes']:>8.3f}"
        )
    print(f"\nthe goal: at most {_GOAL}")
    if args.json:
        facts = {"python": platform.python_version(), "count": args.count, "datafile_bytes": size}
        args.json.write_text(json.dumps({"facts": facts, "results": found}, indent=2) + "\n")
    return 0


def _measured(kind: str, count: int, url: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="bucketer-environments-") as folder:
        command = [
            sys.executable,
            "-m",
            "benchmarks.environments.one",
            kind,
            str(count),
            url,
            folder,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
