"""Where the server's log lines go: trouble to standard error, access lines to standard output."""

from __future__ import annotations

import logging
import sys


def configure_logs() -> None:
    """Send our lines and uvicorn's warnings out, once per process.

    A program that embeds the server and has configured logging already keeps its own way.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    access = logging.getLogger("bucketer.access")
    access.setLevel(logging.INFO)
    access.propagate = False
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    access.addHandler(lines)
