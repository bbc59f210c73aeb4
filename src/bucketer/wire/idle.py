"""Connections that wait for their next question, so that nobody connects anew for each."""

from __future__ import annotations

import threading

from bucketer.clock import SteadyClock

from .address import split_url
from .exchange import Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Connections that wait; and how long (seconds) one may have waited: a balancer drops idle ones
#: after a minute or so, and not all of them say it.
MAX_IDLE, MAX_IDLE_S = 16, 30.0


class IdleLines:
    """Lends lines to URLs, and keeps those that are given back. May be shared by threads."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        """Let *clock*, seconds, say how long a line has waited: a `SteadyClock` unless given."""
        self._clock = SteadyClock() if clock is None else clock
        self._idle: list[tuple[str, Line, float]] = []
        self._lock = threading.Lock()

    def take(self, url: str) -> Line:
        """Return the line to *url* that was used last, or a new one; close those that waited long.

        Raises:
            SourceError: *url* can't be asked.
        """
        oldest = self._clock() - MAX_IDLE_S
        with self._lock:
            stale = [each for each in self._idle if each[2] < oldest]
            self._idle = [each for each in self._idle if each[2] >= oldest]
            at = next((i for i in reversed(range(len(self._idle))) if self._idle[i][0] == url), -1)
            found = self._idle.pop(at)[1] if at >= 0 else None
        for _, line, _ in stale:
            line.close()
        return Line(split_url(url)) if found is None else found

    def put_back(self, url: str, line: Line) -> None:
        """Keep *line*, which was taken for *url*; where there are too many the oldest goes."""
        with self._lock:
            self._idle.append((url, line, self._clock()))
            surplus = self._idle.pop(0)[1] if len(self._idle) > MAX_IDLE else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Let go of the connections that wait."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, line, _ in idle:
            line.close()
