"""The counters of a process in a file of its lane, for `bucketer events status` in another."""

from __future__ import annotations

import json
import logging
import os
from time import monotonic, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from .counters import Counters
    from .lanes import Lane

_log = logging.getLogger("bucketer.outbox")

#: Written at most this often.
_EVERY_S = 0.5
#: In the lane of the process.
COUNTERS = "counters.json"


class Published:
    """Writes the file; a failure is told once, until it works again."""

    def __init__(self) -> None:
        self._last: dict[str, object] = {}
        self._at = 0.0
        self._fails = False

    def refresh(self, lane: Lane, counters: Counters) -> None:
        """Write what has changed, if the last time was a while ago."""
        found = counters.to_json(time())
        if found != self._last and monotonic() - self._at >= _EVERY_S:
            self.write(lane, counters)

    def write(self, lane: Lane, counters: Counters) -> None:
        """Write it in any case."""
        self._last, self._at = counters.to_json(time()), monotonic()
        path = lane.directory / COUNTERS
        new = path.with_suffix(".new")
        try:
            new.write_text(json.dumps({"pid": os.getpid(), **self._last}))
            new.replace(path)
            self._fails = False
        except OSError as error:
            if not self._fails:
                _log.warning("outbox: counters can't be written: %s", error.strerror)
            self._fails = True


def withdraw(lane: Path) -> None:
    """The process of *lane* is gone, and counts no more.

    Raises:
        OSError: that can't be said.
    """
    (lane / COUNTERS).unlink(missing_ok=True)
