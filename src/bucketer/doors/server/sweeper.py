"""Time-outs of all connections, by one timer: what each is doing in, who overstayed out.

A timer per connection and request would cost more than a decision. So once a second each
connection is looked at: has it answered something or gone on to another phase since the last
look? Only one that has done neither for longer than its phase allows is closed. A byte now and
then doesn't count as going on, which is what a slow attacker lives by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.doors.server.phases import BODY, CLOSING, HEAD, IDLE, NEW, STALLED

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection

    from bucketer.doors.server.limits import Limits
    from bucketer.doors.server.phases import Client

#: Seconds between two looks, so how much later than allowed a time-out may come.
SWEEP_S = 0.5
#: Time-outs of one look. Ten thousand that came at once overstay at once; a refusal takes 20 us.
TIMED_OUT_AT_ONCE = 200
#: Seconds until the next look when there are more: in between, others have their turn.
_SOON_S = 0.01


class Sweeper:
    """Looks at the connections of one worker, time and again."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connections: Collection[Client],
        limits: Limits,
    ) -> None:
        """Take the live collection of connections; `start` begins to look."""
        self._loop = loop
        self._connections = connections
        self._timer: asyncio.TimerHandle | None = None
        self._allowed_s = {
            CLOSING: limits.linger_s,
            STALLED: limits.stalled_s,
            BODY: limits.body_s,
            NEW: limits.head_s,
            HEAD: limits.head_s,
            IDLE: limits.idle_s,
        }

    def start(self, after_s: float = SWEEP_S) -> None:
        """Look after a while, and again and again."""
        self._timer = self._loop.call_later(after_s, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now = self._loop.time()
        timed_out = 0
        for connection in list(self._connections):  # a time-out takes connections out
            phase = connection.phase()
            mark = (connection.answered, phase)
            if mark != connection.mark:
                connection.mark, connection.since = mark, now
                continue
            allowed_s = self._allowed_s.get(phase)  # none for WORKING: that is up to us
            if allowed_s is not None and now - connection.since > allowed_s:
                connection.time_out(phase)
                timed_out += 1
                if timed_out == TIMED_OUT_AT_ONCE:
                    self.start(_SOON_S)
                    return
        self.start()
