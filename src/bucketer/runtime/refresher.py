"""Keeps the datafiles of a server fresh: one thread looks what is due, a few fetch.

Several fetch, so that a source that is slow to answer for one environment holds up no other. All
are daemons: a fetch that hangs when the process ends is left to itself.
"""

from __future__ import annotations

import logging
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .environment import Environment
    from .environments import Environments

_log = logging.getLogger("bucketer")

#: The longest until it is looked again whether something is due, or another process has fetched.
LOOK_EVERY_S = 1.0
#: How many are fetched at once.
FETCHING = 4


class Refresher:
    """The threads. Started once, stopped once."""

    def __init__(self, environments: Environments) -> None:
        """Look after *environments*."""
        self._environments = environments
        self._stop = threading.Event()
        self._due: SimpleQueue[Environment | None] = SimpleQueue()
        self._busy: set[int] = set()
        self._looking = threading.Thread(target=self._look, name="datafile", daemon=True)
        self._fetching = [
            threading.Thread(target=self._fetch, name=f"datafile-{number}", daemon=True)
            for number in range(FETCHING if environments.are_several else 1)
        ]

    def start(self) -> None:
        """Begin to look."""
        for thread in (*self._fetching, self._looking):
            thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._looking.join(timeout=1.0)
        for _ in self._fetching:
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
                    self._due.put(environment)
                else:
                    pause = min(pause, max(0.0, environment.due_in()))

    def _fetch(self) -> None:
        while (environment := self._due.get()) is not None:
            try:
                environment.refresh()
            except Exception:  # noqa: BLE001 -- or nothing would ever be fetched again
                _log.exception("datafile: the refresh failed in a way that nobody foresaw")
            finally:
                self._busy.discard(id(environment))
