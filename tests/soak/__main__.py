"""`make soak`: twenty kills, then half a minute of every failure; prints what came of it."""

import argparse
import sys
import tempfile
from pathlib import Path

from .kills import run_kills
from .storms import run_storm


def main() -> int:
    """Run both; 1 when something was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="rounds (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="of each failure (default: %(default)s)"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        killed = run_kills(Path(folder), asked.kills, longest_s=1.5)
        print(killed, flush=True)  # noqa: T201 -- a program
    with tempfile.TemporaryDirectory() as folder:
        weathered = run_storm(Path(folder), asked.seconds)
        print(weathered)  # noqa: T201 -- a program
    return 1 if killed.lost or killed.refused or weathered.lost or not weathered.in_order else 0


if __name__ == "__main__":
    sys.exit(main())
