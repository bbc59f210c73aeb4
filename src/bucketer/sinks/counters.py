"""What the outbox has done since the process began: for /health, the log and the command line."""

from __future__ import annotations

NAMES = ("accepted", "sent", "retried", "refused", "dead", "lost", "damaged", "repeated")


class Counters:
    """Events, counted. Each number is raised by one thread only, so none of them needs a lock.

    Attributes:
        accepted: taken over; from then on they are ours to deliver.
        sent: delivered (an event that had to be sent twice counts once).
        retried: attempts that failed and were put off, times their events.
        refused: not taken over, because there was no room. The caller was answered all the same.
        dead: refused by the collector, or given up; in the dead-letter store.
        lost: of those, the ones for which the store had no room. The log has the first of them.
        damaged: lines of an outbox file that were no event; set aside.
        repeated: left out by deduplication.
        oldest_ms: when the oldest event that waits was decided (ms since 1970), or None.
        trouble: why the last attempt failed, "" when it did not.
        refusing: why the last events were refused, "" when they were taken.
        stuck: what can't be read of what waits, and why; "" when all can.
    """

    __slots__ = (*NAMES, "oldest_ms", "refusing", "stuck", "trouble")

    def __init__(self) -> None:
        self.accepted = 0
        self.sent = 0
        self.retried = 0
        self.refused = 0
        self.dead = 0
        self.lost = 0
        self.damaged = 0
        self.repeated = 0
        self.oldest_ms: int | None = None
        self.trouble = ""
        self.refusing = ""
        self.stuck = ""

    def to_json(self, now: float) -> dict[str, object]:
        """The numbers, and the age of the oldest waiting event in seconds (0 when none waits)."""
        found: dict[str, object] = {name: getattr(self, name) for name in NAMES}
        oldest_ms = self.oldest_ms
        age_s = 0.0 if oldest_ms is None else max(0.0, now - oldest_ms / 1000)
        found["oldest_age_s"] = round(age_s, 3)
        if self.trouble:
            found["trouble"] = self.trouble
        if self.refusing:
            found["refusing"] = self.refusing
        if self.stuck:
            found["stuck"] = self.stuck
        return found


def timestamp_of(visitor: str) -> int | None:
    """When the event in this visitor's JSON was decided, ms since 1970; None if it doesn't say.

    Events for ODP don't: what stands in them is their sender's.
    """
    if not visitor.startswith('{"snapshots"'):
        return None
    _, found, rest = visitor.partition('"timestamp": ')
    digits = rest[:20].partition("}")[0].partition(",")[0]
    return int(digits) if found and digits.isdecimal() else None
