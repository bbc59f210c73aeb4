"""What the core needs to know in, a prediction out: from the cache, or from the service.

Source: optimizely-sdk 5.7.0, cmab/cmab_service.py. It lets one request at a time ask about a user
and rule, and the next find the answer in the cache; here those who would ask the same at the same
time share the one answer, a failure too.
"""

from __future__ import annotations

import logging
import threading
import time

from bucketer.clock import SteadyClock
from bucketer.core.decide import (
    IGNORE_CMAB_CACHE,
    INVALIDATE_USER_CMAB_CACHE,
    RESET_CMAB_CACHE,
)
from bucketer.core.user import Prediction

from .cache import Cache, fingerprint, key_of
from .client import NoPrediction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bucketer.core.bandit import PredictionNeeded

    from .client import PredictionClient

_log = logging.getLogger("bucketer")

#: After so many failures in a row it counts as an outage: only one request at a time asks then,
#: and the others fail at once instead of each holding a thread for twenty seconds.
OUTAGE = 5
_REFRESH = frozenset({RESET_CMAB_CACHE, INVALIDATE_USER_CMAB_CACHE})

COUNTS = ("asked", "cached", "shared", "failed", "spared")


class _Flight:
    """A question under way, for those who would ask the same."""

    __slots__ = ("landed", "prediction")

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.prediction: Prediction | None = None


class CachedPredictor:
    """Predictions for one process. May be shared by threads.

    Attributes:
        asked: questions put to the service (each may take two requests).
        cached: answered from the cache.
        shared: answered by a question that was under way.
        failed: questions without an answer.
        spared: not asked, since the service is failing and somebody is trying it already.
        trouble: why it fails now; "" when it doesn't.
    """

    def __init__(
        self,
        client: PredictionClient,
        new_uuid: Callable[[], str],
        cache: Cache | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Ask *client*; *clock* gives seconds, by which the cache ages: a `SteadyClock`'s."""
        self._client = client
        self._new_uuid = new_uuid
        self._cache = Cache() if cache is None else cache
        self._clock = SteadyClock() if clock is None else clock
        self._lock = threading.Lock()  # cache, flights and counters; never held while asking
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._asking = self._failures_in_a_row = 0
        self.asked = self.cached = self.shared = self.failed = self.spared = 0
        self.trouble = ""

    def predict(
        self,
        needed: PredictionNeeded,
        options: Collection[str] = (),
        deadline: float | None = None,
    ) -> Prediction | None:
        """Return the prediction, or None when it can't be had.

        Args:
            needed: the rule, the user and the attributes that the bandit may see.
            options: the decide options about the cache; others mean nothing here.
            deadline: by `time.monotonic`, until which the answer is worth waiting for.
        """
        attributes = dict(needed.attributes)  # an attribute listed twice counts once
        if IGNORE_CMAB_CACHE in options:
            return self._ask(needed, attributes, deadline)
        try:
            seen = fingerprint(attributes)
        except (TypeError, ValueError):
            self._note("an attribute's value can't be written as JSON")
            return None
        key = key_of(needed.user_id, needed.rule_id)
        refresh = not _REFRESH.isdisjoint(options)
        with self._lock:
            if RESET_CMAB_CACHE in options:
                self._cache.reset()
            if INVALIDATE_USER_CMAB_CACHE in options:
                self._cache.remove(key)
            found = self._cache.lookup(key, seen, self._clock())
            if found is not None:
                self.cached += 1
                return found
            under_way = None if refresh else self._flights.get((key, seen))
            if under_way is None:
                flight = self._flights[key, seen] = _Flight()
        if under_way is not None:
            return self._share(under_way, deadline)
        try:
            flight.prediction = self._ask(needed, attributes, deadline)
        finally:
            self._land(flight, key, seen)
        return flight.prediction

    def reset(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._cache.reset()

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

    def _share(self, flight: _Flight, deadline: float | None) -> Prediction | None:
        """Wait for somebody else's answer."""
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        flight.landed.wait(left)
        with self._lock:
            self.shared += 1
        return flight.prediction

    def _land(self, flight: _Flight, key: str, seen: str) -> None:
        with self._lock:
            got = flight.prediction
            if got is not None:
                remembered = Prediction(got.variation_id, got.cmab_uuid, cached=True)
                self._cache.save(key, seen, remembered, self._clock())
            if self._flights.get((key, seen)) is flight:
                del self._flights[key, seen]
        flight.landed.set()

    def _ask(
        self, needed: PredictionNeeded, attributes: dict[str, object], deadline: float | None
    ) -> Prediction | None:
        with self._lock:
            if self._failures_in_a_row >= OUTAGE and self._asking:
                self.spared += 1
                return None
            self._asking += 1
            self.asked += 1
        cmab_uuid = self._new_uuid()
        try:
            variation_id = self._client.ask(
                needed.rule_id, needed.user_id, attributes, cmab_uuid, deadline
            )
        except NoPrediction as failure:
            self._note(failure.why)
            return None
        finally:
            with self._lock:
                self._asking -= 1
        self._note("")
        return Prediction(variation_id, cmab_uuid)

    def _note(self, trouble: str) -> None:
        """Count how a question went, and log when that changes."""
        with self._lock:
            before, failures = self.trouble, self._failures_in_a_row
            self.trouble = trouble
            self._failures_in_a_row = failures + 1 if trouble else 0
            self.failed += bool(trouble)
        if trouble and not before:
            _log.warning("predictions: the service can't be asked: %s", trouble)
        elif before and not trouble:
            _log.warning("predictions: the service answers again after %d failures", failures)
