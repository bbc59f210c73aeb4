"""Lambda's outbox until there is time: keeps events as they are, and opens the real one for them.

Whatever stands between an event and its sink (imports, its name, spelling it out, a lock or two) is
done when the caller has the answer, which so comes a third of a millisecond sooner at a cold start.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bucketer.core.events import Event

    from .counters import Counters
    from .outbox import Outbox


class LazyOutbox:
    """Stands for an outbox whose sink does nothing before the response. See `ports.Outbox`.

    Args:
        open_outbox: called once, after the first response to call for an event.
        new_uuid: makes the names of events that have none.
    """

    def __init__(self, open_outbox: Callable[[], Outbox], new_uuid: Callable[[], str]) -> None:
        self._open = open_outbox
        self._new_uuid = new_uuid
        self._outbox: Outbox | None = None
        self._given: deque[Sequence[Event]] = deque()
        self._lock = allocate_lock()

    @staticmethod
    def name_event() -> str:
        """Leave a new event without a name; it gets one before anybody reads it."""
        return ""

    def add(self, events: Sequence[Event]) -> None:
        """Keep *events* for `after_response`, or for `close` if that comes first."""
        self._given.append(events)

    def waits(self) -> bool:
        """Whether `after_response` has something to deliver."""
        return bool(self._given) or (self._outbox is not None and self._outbox.waits())

    def after_response(self, deadline_s: float) -> None:
        """Hand over what was kept, and use at most *deadline_s* seconds to deliver it."""
        self._up_to_date().after_response(deadline_s)

    def health(self) -> dict[str, object]:
        """The counters as /health shows them."""
        return self._up_to_date().health()

    @property
    def counters(self) -> Counters | None:
        """Its counters, once it had to be opened."""
        return None if self._outbox is None else self._outbox.counters

    def close(self) -> None:
        """Deliver or keep what is left; the process is about to end."""
        if self._given or self._outbox is not None:
            self._up_to_date().close()

    def _up_to_date(self) -> Outbox:
        """Return the outbox, with all in it that was given so far."""
        with self._lock:
            if self._outbox is None:
                self._outbox = self._open()
            while self._given:
                for event in self._given[0]:
                    event.uuid = event.uuid or self._new_uuid()
                # Only then off the list: at no moment are they nowhere.
                self._outbox.add(self._given[0])
                self._given.popleft()
        return self._outbox
