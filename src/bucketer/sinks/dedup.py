"""Leaves out impressions that were sent a moment ago. Off unless a setting gives a window."""

from __future__ import annotations

from bucketer.core.ruleset import Impression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.events import Event

#: Impressions remembered at a time: some 30 MB. The oldest are forgotten first, which at worst
#: sends an impression twice.
MAX_REMEMBERED = 100_000


class Deduplication:
    """One impression per user, experiment, variation and revision in a window of time.

    Conversions are never left out: two purchases are two purchases.

    Args:
        window_s: seconds after an impression in which its like is left out.
        max_remembered: bound of memory.
    """

    def __init__(self, window_s: float, max_remembered: int = MAX_REMEMBERED) -> None:
        self._window_ms = int(window_s * 1000)
        self._max_remembered = max_remembered
        #: In the order in which they were seen, so the oldest come first.
        self._seen: dict[tuple[object, ...], int] = {}

    def is_repeat(self, event: Event) -> bool:
        """Whether its like was seen within the window; if not, remember it. Not thread-safe."""
        what = event.what
        if not isinstance(what, Impression):
            return False
        # Decisions outside any experiment have no id to go by, only their flag.
        where = what.experiment_id or what.flag_key
        key = (event.user.id, where, what.variation_id, what.variation_key, event.ruleset.revision)
        before = self._seen.get(key)
        if before is not None:
            if event.timestamp_ms - before < self._window_ms:
                return True
            del self._seen[key]
        self._seen[key] = event.timestamp_ms
        if len(self._seen) > self._max_remembered:
            del self._seen[next(iter(self._seen))]
        return False
