"""A user in, the segments that they are in out: from the cache, or from ODP.

Those who would ask the same at the same time share one answer, a failure too. In an outage one
request at a time asks, and the others fail at once instead of each holding a thread for ten
seconds.

Source: optimizely-sdk 5.7.0, odp/odp_segment_manager.py.
"""

from __future__ import annotations

import logging
import threading
import time

from bucketer.clock import SteadyClock

from .cache import Cache, account_of, key_of
from .client import NoSegments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.core.integration import Integration

    from .client import SegmentsClient

_log = logging.getLogger("bucketer")

#: After so many failures in a row it counts as an outage.
OUTAGE = 5
COUNTS = ("asked", "cached", "shared", "failed", "spared", "unknown_users")


class _Flight:
    """A question under way, for those who would ask the same."""

    __slots__ = ("found", "landed")

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.found: tuple[str, ...] | None = None


class CachedSegments:
    """Segments for one process. May be shared by threads.

    Attributes:
        asked: questions put to ODP.
        cached: answered from the cache.
        shared: answered by a question that was under way.
        failed: questions without an answer.
        spared: not asked, since ODP is failing and somebody is trying it already.
        unknown_users: ODP knew no such user.
        trouble: why it fails now; "" when it doesn't.
    """

    def __init__(
        self,
        client: SegmentsClient,
        cache: Cache | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Ask *client*; *clock* gives seconds, by which the cache ages: a `SteadyClock`'s."""
        self._client = client
        self._cache = Cache() if cache is None else cache
        self._clock = SteadyClock() if clock is None else clock
        self._lock = threading.Lock()  # cache, flights and counters; never held while asking
        self._flights: dict[tuple[tuple[str, str], tuple[str, ...]], _Flight] = {}
        self._asking = self._failures_in_a_row = 0
        self.asked = self.cached = self.shared = self.failed = self.spared = 0
        self.unknown_users = 0
        self.trouble = ""

    def fetch(
        self,
        odp: Integration,
        user_id: str,
        *,
        ignore_cache: bool = False,
        reset: bool = False,
        deadline: float | None = None,
    ) -> tuple[str, ...] | None:
        """Return the segments that the user is in, of those that the datafile asks about.

        Args:
            odp: the account, and what the datafile asks about.
            user_id: the visitor.
            ignore_cache: neither read the cache nor write it.
            reset: forget all users of the account first.
            deadline: by `time.monotonic`, until which the answer is worth waiting for.

        Returns:
            None when they can't be had.
        """
        if reset:
            self.forget(odp)
        if not odp.segments:
            return ()
        if ignore_cache:
            return self._ask(odp, user_id, deadline)
        key = key_of(account_of(odp), user_id)
        with self._lock:
            found = self._cache.lookup(key, odp.segments, self._clock())
            if found is not None:
                self.cached += 1
                return found
            under_way = None if reset else self._flights.get((key, odp.segments))
            if under_way is None:
                flight = self._flights[key, odp.segments] = _Flight()
        if under_way is not None:
            return self._share(under_way, deadline)
        try:
            flight.found = self._ask(odp, user_id, deadline)
        finally:
            with self._lock:
                if flight.found is not None:
                    self._cache.save(key, odp.segments, flight.found, self._clock())
                if self._flights.get((key, odp.segments)) is flight:
                    del self._flights[key, odp.segments]
            flight.landed.set()
        return flight.found

    def forget(self, odp: Integration) -> None:
        """Forget what was said of the users of one account."""
        with self._lock:
            self._cache.forget(account_of(odp))

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def to_json(self) -> dict[str, object]:
        """Return the counters, for /health."""
        told: dict[str, object] = {name: getattr(self, name) for name in COUNTS}
        told["requests"] = self._client.requests
        told["held"] = len(self._cache)
        if self.trouble:
            told["trouble"] = self.trouble
        return told

    def _share(self, flight: _Flight, deadline: float | None) -> tuple[str, ...] | None:
        """Wait for somebody else's answer."""
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        flight.landed.wait(left)
        with self._lock:
            self.shared += 1
        return flight.found

    def _ask(
        self, odp: Integration, user_id: str, deadline: float | None
    ) -> tuple[str, ...] | None:
        with self._lock:
            if self._failures_in_a_row >= OUTAGE and self._asking:
                self.spared += 1
                return None
            self._asking += 1
            self.asked += 1
        try:
            qualified = self._client.ask(odp.host, odp.public_key, user_id, odp.segments, deadline)
        except NoSegments as failure:
            self._note("" if failure.of_user else failure.why)
            if failure.of_user:
                with self._lock:
                    self.unknown_users += 1
            return None
        finally:
            with self._lock:
                self._asking -= 1
        self._note("")
        return tuple(each for each in odp.segments if each in qualified)

    def _note(self, trouble: str) -> None:
        """Count how a question went, and log when that changes."""
        with self._lock:
            before, failures = self.trouble, self._failures_in_a_row
            self.trouble = trouble
            self._failures_in_a_row = failures + 1 if trouble else 0
            self.failed += bool(trouble)
        if trouble and not before:
            _log.warning("segments: ODP can't be asked: %s", trouble)
        elif before and not trouble:
            _log.warning("segments: ODP answers again after %d failures", failures)
