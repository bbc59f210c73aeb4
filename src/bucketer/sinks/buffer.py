"""Lambda's sink for events: memory, emptied after each response and before the end.

A flush is bounded in time and starts no attempt that it can't finish; what is left is carried over
to the next. What can't be delivered by the end of the environment goes to the log, whole: one line
of JSON per event, which `bucketer events export` would have printed.

At the end there is half a second for all of it, and little processor time. So no more is kept than
can be written then, and it is written past the log's formatting, in one piece.
"""

from __future__ import annotations

import logging
import os
import threading
from itertools import islice
from time import monotonic

from bucketer.clock import SteadyClock

from .counters import timestamp_of
from .delivery import LATER, SENT, Verdict, deliver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bucketer.core.envelope import Batch

    from .counters import Counters
    from .sender import Transport
    from .suspects import Suspects

_log = logging.getLogger("bucketer.outbox")

#: More than this is not kept in memory: the oldest go to the log. Measured: docs/decisions/0055.
MAX_BYTES = 1024 * 1024
#: At the end, how long each transport may deliver before what is left goes to the log.
CLOSING_S = 0.1
#: After so many flushes that failed on the same events, look who is at fault.
_SUSPICIOUS_FLUSHES = 3
#: An attempt is not begun with less time than this.
_LEAST_S = 0.05
#: When more comes at once than memory takes, it may take this long to deliver before the oldest
#: leave. Where a queue refuses events, which are then kept here, their caller waits for that.
_MAKE_ROOM_S = 1.0
_STANDARD_ERROR = 2
_OTHERS_GET_THROUGH = Verdict(LATER, 0, "they fail, though others get through", None)


class Buffer:
    """Visitors in memory, oldest first.

    Args:
        counters: shared with the outbox.
        transport: makes the attempts.
        max_events: of one payload.
        max_bytes: of all that is kept.
        attempt_s: bound of one attempt.
        last_resort: a transport for what is left at the end, or None.
        clock: seconds, by which a collector that asked for time is left alone; a `SteadyClock`
            unless given, since it goes on while Lambda is frozen.
    """

    def __init__(
        self,
        counters: Counters,
        transport: Transport,
        *,
        max_events: int = 500,
        max_bytes: int = MAX_BYTES,
        attempt_s: float = 5.0,
        last_resort: Transport | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._counters = counters
        self._clock = SteadyClock() if clock is None else clock
        self._transport = self._first = transport
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._attempt_s = attempt_s
        self._last_resort = last_resort
        self._waiting: list[tuple[Batch, str]] = []
        self._bytes = 0
        self._not_before = 0.0
        #: Of the next payload: less than a full one after a part of one was put off.
        self._at_most = max_events
        self._deadline = 0.0
        #: Flushes in a row that failed on the first events.
        self._stuck = 0
        #: An event that the collector has taken.
        self._control: tuple[Batch, str] | None = None
        self._suspects: Suspects | None = None
        #: One thread may append while another delivers. Reentrant, since SIGTERM may interrupt the
        #: handler's thread while it holds it, and closes in that same thread.
        self._lock = threading.RLock()
        self._flushing = threading.Lock()

    def waits(self) -> bool:
        """Whether there is something to deliver, and the collector may be asked again."""
        return bool(self._waiting) and self._clock() >= self._not_before

    def write(self, batch: Batch, visitors: list[str]) -> None:
        """Keep them. Without room for all the oldest leave: delivered, or else logged whole."""
        with self._lock:
            self._waiting += [(batch, visitor) for visitor in visitors]
            self._bytes += sum(map(len, visitors))
            too_much = self._bytes > self._max_bytes
        if too_much:
            if not self._counters.trouble:  # the collector isn't known to fail: it is only a lot
                self._flush(_MAKE_ROOM_S)
            spilt = self._too_much()
            _write_whole(spilt, "no room in memory while the collector fails")
            self._forget(spilt)

    def after_response(self, deadline_s: float) -> None:
        """Deliver for at most *deadline_s* seconds; what is left waits for the next call."""
        if self.waits():
            self._flush(deadline_s)

    def close(self, deadline_s: float = CLOSING_S) -> None:
        """The last chance: deliver for *deadline_s* seconds, then log what is left.

        The last resort, where there is one, has as long again. Whatever happens meanwhile, the log
        isn't late: delivery has a thread of its own, which is left behind when its time is up.
        """
        try:
            if self._waiting:
                total_s = deadline_s * (1 if self._last_resort is None else 2)
                last = threading.Thread(target=self._deliver_last, args=(deadline_s,), daemon=True)
                last.start()
                last.join(total_s)
        finally:
            with self._lock:
                left = self._waiting[:]
            _write_whole(left, "not delivered before the environment ended")
            self._forget(left)
        for transport in filter(None, (self._first, self._last_resort)):
            transport.abort()
            transport.close()

    def _deliver_last(self, deadline_s: float) -> None:
        try:
            self._flush(deadline_s)
        finally:
            if self._last_resort is not None and self._waiting:
                self._transport, self._not_before = self._last_resort, 0.0
                self._flush(deadline_s)

    def _flush(self, deadline_s: float) -> None:
        self._deadline = monotonic() + deadline_s
        if not self._flushing.acquire(timeout=deadline_s):
            return  # another thread is at it, and has used the time up
        try:
            while self._deadline - monotonic() > _LEAST_S:
                part = self._head()
                if not part or not self._deliver(part):
                    return
        finally:
            self._flushing.release()

    def _head(self) -> list[tuple[Batch, str]]:
        """The oldest events that may travel together."""
        with self._lock:
            if not self._waiting:
                self._counters.oldest_ms = None
                return []
            batch = self._waiting[0][0]
            # Environments take turns: those behind that are of this one's travel with it.
            together = (each for each in self._waiting if each[0] == batch)
            part = list(islice(together, self._at_most))
        self._counters.oldest_ms = timestamp_of(part[0][1])
        return part

    def _deliver(self, part: list[tuple[Batch, str]]) -> bool:
        batch, control = part[0][0], self._control
        if control is not None and control[0].region != batch.region:
            control = None  # its collector may be up, and ours down
        if self._stuck >= _SUSPICIOUS_FLUSHES and control is not None:
            return self._find_fault(part, control)
        outcome = deliver(self._attempt, batch, [visitor for _, visitor in part])
        counters = self._counters
        counters.sent += outcome.sent
        self._bury(batch, outcome.dead)
        # Only now: SIGTERM may end the process at any line, then this is logged twice, not never.
        self._forget(part[: outcome.settled])
        if outcome.taken is not None:
            self._control = batch, outcome.taken
        if outcome.later is None:
            counters.trouble = ""
            self._stuck = 0
            self._at_most = min(self._at_most * 2, self._max_events)
            return True
        if outcome.put_off < len(part):
            # Go on with that part: all of it would be refused, and halved, from its start.
            self._at_most = outcome.put_off
        elif outcome.later.was_made and not outcome.settled:
            self._stuck += 1
            if self._stuck >= _SUSPICIOUS_FLUSHES and control is None:
                self._find_control(part[0])
        self._carry_over(len(part) - outcome.settled, outcome.later)
        return False

    def _carry_over(self, count: int, why: Verdict) -> None:
        self._counters.retried += count
        self._counters.trouble = why.why
        if why.wait_s:
            self._not_before = self._clock() + why.wait_s
        _log.warning("outbox: %d events wait (%s); carried over", len(self._waiting), why.why)

    def _find_fault(self, part: list[tuple[Batch, str]], control: tuple[Batch, str]) -> bool:
        """One round with events that fail, flush after flush; see `suspects`.

        Returns:
            Whether none of them is left.
        """
        from .suspects import Suspects

        if self._suspects is None or self._suspects.control != control:
            self._suspects = Suspects(self._attempt, control)
        batch = part[0][0]
        came = self._suspects.ask(batch, [visitor for _, visitor in part])
        self._counters.sent += came.sent
        self._bury(batch, came.dead)
        left = set(came.left)
        self._forget([each for index, each in enumerate(part) if index not in left])
        if not left:
            self._stuck, self._counters.trouble = 0, ""
            return True
        if came.down is not None and came.down.was_made:
            self._control = None  # it may be the one that is disliked by now
        elif came.down is not None:  # time was too short to divide so many
            self._at_most = max(1, len(part) // 4)
        self._carry_over(len(left), came.down or _OTHERS_GET_THROUGH)
        return False

    def _find_control(self, suspect: tuple[Batch, str]) -> None:
        """Send one of the others ahead: if the collector takes it, it isn't down."""
        from random import choice

        with self._lock:
            waiting = [each for each in self._waiting if each is not suspect]
        others = [each for each in waiting if each[0].region == suspect[0].region]
        if others:
            batch, visitor = choice(others)  # noqa: S311 -- not for secrets
            if self._attempt(batch, [visitor]).kind == SENT:
                self._control = batch, visitor

    def _bury(self, batch: Batch, dead: Sequence[tuple[Sequence[str], Verdict]]) -> None:
        """Log them whole: Lambda has no other place for dead letters."""
        for visitors, verdict in dead:
            self._counters.dead += len(visitors)
            lines = [(batch, visitor) for visitor in visitors]
            _write_whole(lines, f"refused by the collector: {verdict.why}")

    def _forget(self, part: list[tuple[Batch, str]]) -> None:
        """Take *part* out; a spill may have taken some of it meanwhile."""
        if not part:
            return
        with self._lock:
            done = {id(each) for each in part}
            self._waiting = [each for each in self._waiting if id(each) not in done]
            self._bytes = sum(len(visitor) for _, visitor in self._waiting)

    def _attempt(self, batch: Batch, visitors: Sequence[str]) -> Verdict:
        left = self._deadline - monotonic()
        if left < _LEAST_S:  # in the middle of a division, which goes on in the next flush
            return Verdict(LATER, 0, "the time for a flush is over", None, was_made=False)
        return self._transport.send(batch, visitors, min(left, self._attempt_s))

    def _too_much(self) -> list[tuple[Batch, str]]:
        """The oldest, without which the rest fits."""
        with self._lock:
            excess, count = self._bytes - self._max_bytes, 0
            while excess > 0:
                excess -= len(self._waiting[count][1])
                count += 1
            return self._waiting[:count]


def _write_whole(events: list[tuple[Batch, str]], why: str) -> None:
    """A line for each that holds all that is needed to send it: the last resort.

    To standard error, which Lambda takes line by line into the log. A call of `logging` for each
    would take thirty times as long.
    """
    if not events:
        return
    said = " ".join(why.split())  # an answer of the collector's may hold line breaks
    text = "".join(
        [
            f'outbox: undelivered ({said}): {{"region": "{batch.region}", '
            f"{batch.head[1:]}{visitor}]}}\n"
            for batch, visitor in events
        ]
    )
    data = text.encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(_STANDARD_ERROR, data) :]
