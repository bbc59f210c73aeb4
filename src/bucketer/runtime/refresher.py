"""Keeps the datafiles of a server fresh: one thread looks what is due, a few fetch.

Several fetch, so that a source that is slow to answer for one environment holds up few others. The
default environment waits for none of them: it has a thread of its own. All are daemons: a fetch
that hangs when the process ends is left to itself.
"""

from __future__ import annotations

import logging
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .environment import Environment
    from .environments import Environments

_log = logging.getLogger("bucketer")

#: The longest until it is looked again whether something is due, or another process has fetched.
LOOK_EVERY_S = 1.0
#: How many are fetched at once, beside the default one.
FETCHING = 4
_LOOK_AGAIN_S = 0.01


class Refresher:
    """The threads. Started once, stopped once."""

    def __init__(self, environments: Environments) -> None:
        """Look after *environments*."""
        self._environments = environments
        self._stop = threading.Event()
        self._due: SimpleQueue[Environment | None] = SimpleQueue()
        self._default_due: SimpleQueue[Environment | None] = SimpleQueue()
        self._busy: set[int] = set()
        self._looking = threading.Thread(target=self._look, name="datafile", daemon=True)
        queues = [self._default_due, *([self._due] * FETCHING if environments.are_several else [])]
        self._fetching = [
            threading.Thread(target=self._fetch, args=[due], name=f"datafile-{n}", daemon=True)
            for n, due in enumerate(queues)
        ]

    def start(self) -> None:
        """Begin to look."""
        for thread in (*self._fetching, self._looking):
            thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._looking.join(timeout=1.0)
        self._default_due.put(None)
        for _ in range(FETCHING):
            self._due.put(None)
        for thread in self._fetching:
            thread.join(timeout=1.0 / len(self._fetching))

    def _look(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            pause = LOOK_EVERY_S
            for environment in self._environments:
                if id(environment) in self._busy:
                    continue
                if environment.is_due():
                    self._busy.add(id(environment))
                    is_default = environment is self._environments.default
                    (self._default_due if is_default else self._due).put(environment)
                else:
                    pause = min(pause, max(0.0, environment.due_in()))

    def wait_for_all(self, seconds: float) -> None:
        """Return when each listed environment was asked for once, or *seconds* have passed."""
        waiting = list(self._environments.listed)
        until = time.monotonic() + seconds
        while waiting and time.monotonic() < until and not self._stop.wait(_LOOK_AGAIN_S):
            waiting = [each for each in waiting if not each.freshness.refreshes]

    def _fetch(self, due: SimpleQueue[Environment | None]) -> None:
        while (environment := due.get()) is not None:
            try:
                environment.refresh()
            except Exception:  # noqa: BLE001 -- or nothing would ever be fetched again
                _log.exception("datafile: the refresh failed in a way that nobody foresaw")
            finally:
                self._busy.discard(id(environment))
