"""Leaves out impressions that were sent a moment ago. Off unless a setting gives a window."""

from __future__ import annotations

from bucketer.core.decision import Impression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.events import Event

#: Impressions remembered at a time: 20 MB at most, however long their users' ids are. The oldest
#: are forgotten first, which at worst sends an impression twice.
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
        #: By their hash, in the order in which they were seen, so the oldest come first. Ids may be
        #: kilobytes. A hash has 64 bits and its key is drawn at each start of Python, so nobody can
        #: look for two alike; that an event is one by chance is as likely as 1 in 10**14.
        self._seen: dict[int, int] = {}

    def is_repeat(self, event: Event) -> bool:
        """Whether its like was seen within the window; if not, remember it. Not thread-safe."""
        key = _key(event)
        if key is None:
            return False
        before = self._seen.pop(key, None)
        # A clock that was set back makes ages negative: then nobody knows, and it is sent.
        if before is not None and 0 <= event.timestamp_ms - before < self._window_ms:
            self._seen[key] = before
            return True
        self._seen[key] = event.timestamp_ms
        if len(self._seen) > self._max_remembered:
            del self._seen[next(iter(self._seen))]
        return False

    def forget(self, event: Event) -> None:
        """It was not taken after all: its like must not be left out for it."""
        key = _key(event)
        if key is not None:
            self._seen.pop(key, None)


def _key(event: Event) -> int | None:
    """What makes two impressions alike; None for what is no impression."""
    what = event.what
    if not isinstance(what, Impression):
        return None
    # Decisions outside any experiment have no id to go by, only their flag.
    where = what.experiment_id or what.flag_key
    revision = event.ruleset.revision
    return hash((event.user.id, where, what.variation_id, what.variation_key, revision))
