"""How fast the outbox is sent, and how patiently: sizes of a payload, bounds of waiting."""

from __future__ import annotations

import random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .delivery import Verdict

#: A wait that the collector asked for gets so much longer, at most: workers shouldn't come at once.
_JITTER = 0.1


class Pace:
    """How fast to send, and how patiently.

    Attributes:
        max_events, max_bytes: of one payload.
        interval_s: the longest that an event waits for others to travel with.
        timeout_s: of one attempt.
        first_wait_s, longest_wait_s: bounds of the back-off, which doubles.
    """

    __slots__ = (
        "first_wait_s",
        "interval_s",
        "longest_wait_s",
        "max_bytes",
        "max_events",
        "timeout_s",
    )

    def __init__(
        self,
        *,
        max_events: int = 500,
        max_bytes: int = 1_000_000,
        interval_s: float = 1.0,
        timeout_s: float = 10.0,
        first_wait_s: float = 0.5,
        longest_wait_s: float = 60.0,
    ) -> None:
        self.max_events = max_events
        self.max_bytes = max_bytes
        self.interval_s = interval_s
        self.timeout_s = timeout_s
        self.first_wait_s = first_wait_s
        self.longest_wait_s = longest_wait_s

    def wait_s(self, failures: int, verdict: Verdict) -> float:
        """How long to wait after so many *failures* in a row, of which *verdict* is the last.

        Doubling, longer if the collector asks for it; with jitter so that workers spread out.
        """
        ceiling = min(self.longest_wait_s, self.first_wait_s * 2 ** min(failures - 1, 30))
        wait_s = ceiling * random.uniform(0.5, 1.0)  # noqa: S311 -- not for secrets
        asked_s = verdict.wait_s or 0.0
        if asked_s > wait_s:  # a collector that asks for nothing must not get all we have
            wait_s = asked_s * random.uniform(1.0, 1.0 + _JITTER)  # noqa: S311 -- likewise
        return float(wait_s)
