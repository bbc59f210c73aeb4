"""Fetch the datafile and store it in the package.

    export DATAFILE_URL=…; python webhook.py

The same as `bucketer datafile pull`. Then ./build.sh, and push package.zip to Lambda; or let
`bucketer deploy` do all of it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def run() -> int:
    """Run the command; in the environment that `make setup` made if this one lacks a library."""
    sys.path.insert(0, str(ROOT / "src"))  # a clone that isn't installed
    try:
        from bucketer.doors.cli.main import main
        from bucketer.publishing import pull  # noqa: F401 -- needs mmh3, which may not be here
    except (ImportError, SyntaxError) as error:  # a library is missing, or Python is too old
        return _run_in_venv(error)
    return main(["datafile", "pull", *sys.argv[1:]])


def _run_in_venv(error: Exception) -> int:
    """Start once more with the Python of `.venv`, which has all that is needed."""
    python = ROOT / ".venv" / "bin" / "python"
    if python.exists() and Path(sys.prefix).resolve() != python.parents[1].resolve():
        os.execv(python, [str(python), __file__, *sys.argv[1:]])  # noqa: S606 -- our own
    told = f"webhook.py: {error}; run `make setup`, which puts all that it needs into .venv"
    print(told, file=sys.stderr)  # noqa: T201 -- to the person who started it
    return 1


if __name__ == "__main__":
    sys.exit(run())
