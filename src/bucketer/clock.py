"""A clock to pace by: its seconds only go forward, whatever becomes of the machine's time.

The wall clock can be set back, and whatever waited for a moment of it waits for hours. The
monotonic clock can't, but it stands still while Lambda is frozen or a machine sleeps, and what
should have grown old is young. So whichever of the two has gone further counts.
"""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class SteadyClock:
    """Seconds since it was made. Call it to read it. May be shared by threads.

    A wall clock that is set forward counts as time that has passed: something is then done once
    too early, which is harmless; set back, it counts for nothing.
    """

    __slots__ = ("_at", "_lock", "_monotonic", "_passed", "_wall")

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Go by *wall*, which may jump, and *monotonic*, which may stand still; both in seconds."""
        self._wall, self._monotonic = wall, monotonic
        self._at = wall(), monotonic()
        self._passed = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """Return the seconds that have passed."""
        with self._lock:
            wall, monotonic = self._wall(), self._monotonic()
            self._passed += max(wall - self._at[0], monotonic - self._at[1], 0.0)
            self._at = wall, monotonic
            return self._passed
