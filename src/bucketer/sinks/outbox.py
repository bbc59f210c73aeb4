"""Events in, text out, into the sink that the operator chose; counts what happened.

Whatever sink it is, `add` never raises and never keeps the caller from an answer: an event that
can't be taken is counted and logged.
"""

from __future__ import annotations

import logging
import threading
from time import monotonic, time

from bucketer.core.events import batch_of, told_of, visitor_json
from bucketer.demo import is_demonstration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from bucketer.core.envelope import Batch
    from bucketer.core.events import Event
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User

    from .counters import Counters
    from .dedup import Deduplication

    class Sink(Protocol):
        """Where visitors wait, or go."""

        def write(self, batch: Batch, visitors: list[str]) -> None:
            """Take them over: when it returns, they are the sink's.

            Raises:
                OutboxFull, OSError: they could not be taken; nothing of them was.
            """
            ...

        def waits(self) -> bool:
            """Whether `after_response` has something to deliver."""
            ...

        def after_response(self, deadline_s: float) -> None:
            """Use at most *deadline_s* seconds to deliver."""
            ...

        def close(self) -> None:
            """The process is about to end."""
            ...


_log = logging.getLogger("bucketer.outbox")

_LOG_EVERY_S = 10.0


class OutboxFull(Exception):
    """A sink has no room for more.

    Attributes:
        why: one clause for the log.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Outbox:
    """What the shell hands its events to.

    Attributes:
        counters: what has happened so far.

    Args:
        sink: takes the text.
        counters: shared with the sink, which counts what becomes of it.
        deduplication: leaves out repeats, or None.
        with_demonstration: take events of the demonstration datafile too. Only for sinks that
            send nothing anywhere.
        log_every_s: refusals are told at once, then summed up so often.
    """

    #: How an event is spelled out; those for ODP have another way.
    _batch_of = staticmethod(batch_of)
    _told_of = staticmethod(told_of)
    _visitor_json: Callable[[Event, str | None], str] = staticmethod(visitor_json)

    def __init__(
        self,
        sink: Sink,
        counters: Counters,
        deduplication: Deduplication | None = None,
        *,
        with_demonstration: bool = False,
        log_every_s: float = _LOG_EVERY_S,
    ) -> None:
        self.counters = counters
        self._sink = sink
        self._deduplication = deduplication
        self._with_demonstration = with_demonstration
        self._demonstration: Ruleset | None = None
        self._checked: Ruleset | None = None
        self._told_demonstration = False
        self._unlogged = 0
        self._why = ""
        self._log_every_s = log_every_s
        self._logged_at = -log_every_s
        self._timer: threading.Timer | None = None
        #: A server adds from its loop and from threads; it is hardly ever contended.
        self._lock = threading.Lock()

    def add(self, events: Sequence[Event]) -> None:
        """Take *events*, in order. When it returns the sink has them, or their loss is counted."""
        with self._lock:
            self._add(events)

    def waits(self) -> bool:
        """Whether `after_response` has something to deliver."""
        return self._sink.waits()

    def after_response(self, deadline_s: float) -> None:
        """Use at most *deadline_s* seconds to deliver, now that the caller has an answer."""
        self._sink.after_response(deadline_s)

    def close(self) -> None:
        """Deliver or keep what is left; the process is about to end."""
        with self._lock:
            self._log_refusals()
        self._sink.close()

    def health(self) -> dict[str, object]:
        """The counters as /health shows them."""
        return self.counters.to_json(time())

    def _add(self, events: Sequence[Event]) -> None:
        batch: Batch | None = None
        its_batch: Batch | None = None
        ruleset: Ruleset | None = None
        user: User | None = None
        told: str | None = None
        together: list[Event] = []
        visitors: list[str] = []
        spell, looks_for_repeats = self._visitor_json, self._deduplication is not None
        for event in events:
            try:
                if event.ruleset is not self._checked:
                    self._check(event.ruleset)
                if event.ruleset is self._demonstration or (
                    looks_for_repeats and self._is_repeat(event)
                ):
                    continue
                if event.ruleset is not ruleset:
                    its_batch, ruleset, user = self._batch_of(event), event.ruleset, None
                if event.user is not user:
                    told, user = None, event.user
                elif told is None:
                    told = self._told_of(event)
                visitor = spell(event, told)
            except Exception as error:  # noqa: BLE001 -- it must cost neither the answer nor the others
                _log.exception("outbox: an event met something unforeseen")
                self._refuse([event], type(error).__name__)
                continue
            if its_batch is not batch:
                if visitors and batch is not None:
                    self._write(batch, visitors, together)
                batch, visitors, together = its_batch, [], []
            visitors.append(visitor)
            together.append(event)
        if visitors and batch is not None:
            self._write(batch, visitors, together)

    def _write(self, batch: Batch, visitors: list[str], events: list[Event]) -> None:
        try:
            self._sink.write(batch, visitors)
        except OutboxFull as full:
            self._refuse(events, full.why)
        except OSError as error:
            self._refuse(events, error.strerror or type(error).__name__)
        except Exception as error:  # noqa: BLE001 -- it must cost neither the answer nor the count
            _log.exception("outbox: a sink met something unforeseen")
            self._refuse(events, type(error).__name__)
        else:
            self.counters.accepted += len(visitors)
            self.counters.refusing = ""

    def _refuse(self, events: list[Event], why: str) -> None:
        """Count them; tell the first at once, and the rest a while after, though no more come."""
        self.counters.refused += len(events)
        self.counters.refusing = why
        if self._deduplication is not None:
            for event in events:
                self._deduplication.forget(event)
        self._unlogged += len(events)
        self._why = why
        wait_s = self._logged_at + self._log_every_s - monotonic()
        if wait_s <= 0:
            self._log_refusals()
        elif self._timer is None:
            self._timer = threading.Timer(wait_s, self._time_to_log)
            self._timer.daemon = True
            self._timer.start()

    def _time_to_log(self) -> None:
        with self._lock:
            self._log_refusals()

    def _log_refusals(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        if not self._unlogged:
            return
        _log.error(
            "outbox: events could not be kept: %d now, %d since the start (%s); "
            "the callers were answered all the same",
            self._unlogged, self.counters.refused, self._why,
        )  # fmt: skip
        self._unlogged = 0
        self._logged_at = monotonic()

    def _is_repeat(self, event: Event) -> bool:
        if self._deduplication is None or not self._deduplication.is_repeat(event):
            return False
        self.counters.repeated += 1
        return True

    def _check(self, ruleset: Ruleset) -> None:
        """When the edition changes: is it the demonstration, whose events go nowhere?"""
        self._checked = ruleset
        self._demonstration = None
        demonstration = is_demonstration(ruleset.account_id, ruleset.project_id)
        if demonstration and not self._with_demonstration:
            self._demonstration = ruleset
            if not self._told_demonstration:  # environments take turns
                self._told_demonstration = True
                message = "outbox: the demonstration datafile is in use; its events are not sent"
                _log.warning(message, extra={"found_by_each": True})
