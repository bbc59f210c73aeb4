"""Twice a second: how late is the loop, and what do the other workers have to know?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

EVERY_S = 0.5
#: The most of so many beats is what is told: somebody who asks every 15 s misses none.
REMEMBERED = 60


class Pulse:
    """Beats on the loop until it is stopped."""

    def __init__(self, loop: asyncio.AbstractEventLoop, each: Callable[[], None]) -> None:
        """Call *each* at every beat; `start` begins."""
        self._loop = loop
        self._each = each
        self._due_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._lags = [0.0] * REMEMBERED
        self._beats = 0

    @property
    def lag_s(self) -> float:
        """The most that a beat was late, of the last half minute."""
        return max(self._lags)

    def start(self) -> None:
        """Beat after a while, and again and again."""
        self._due_at = self._loop.time() + EVERY_S
        self._timer = self._loop.call_at(self._due_at, self._beat)

    def stop(self) -> None:
        """Beat no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        self._lags[self._beats % REMEMBERED] = max(0.0, self._loop.time() - self._due_at)
        self._beats += 1
        self._each()
        self.start()
