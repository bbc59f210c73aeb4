"""`make soak`: twenty kills, then half a minute of every failure; prints what came of it.

python -m tests.soak [ROUNDS] [SECONDS_OF_EACH_FAILURE]
"""

import sys
import tempfile
from pathlib import Path

from .kills import run_kills
from .storms import run_storm


def main() -> int:
    """Run both; 1 when something was lost."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    each_s = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    with tempfile.TemporaryDirectory() as folder:
        killed = run_kills(Path(folder), rounds, longest_s=1.5)
        print(killed, flush=True)  # noqa: T201 -- a program
    with tempfile.TemporaryDirectory() as folder:
        weathered = run_storm(Path(folder), each_s)
        print(weathered)  # noqa: T201 -- a program
    return 1 if killed.lost or killed.refused or weathered.lost or not weathered.in_order else 0


if __name__ == "__main__":
    sys.exit(main())
