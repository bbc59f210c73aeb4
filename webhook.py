"""Fetch the datafile and store it in the package, as the mission says.

    export DATAFILE_URL=…; python webhook.py

The same as `bucketer datafile pull`. Then ./build.sh, and push package.zip to Lambda; or let
`bucketer deploy` do all of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))  # a clone that isn't installed

from bucketer.doors.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["datafile", "pull", *sys.argv[1:]]))
