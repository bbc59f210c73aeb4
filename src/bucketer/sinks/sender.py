"""Takes what waits in the lanes of an outbox, oldest first, and delivers it: one thread.

    nothing waits ──► sleep until `interval_s` is over or a batch is full
    2xx           ──► remember, go on
    may pass      ──► keep it at the head of the line, wait (back-off with jitter, or as long as
                      the collector asks), try again: what was decided first arrives first
    refused       ──► halve it until the visitors at fault are alone; those go to the dead letters

A lane whose process is gone is adopted, delivered before our own and removed.
"""

from __future__ import annotations

import json
import logging
import os
import random
import threading
from time import monotonic, time

from .counters import timestamp_of
from .delivery import deliver
from .journal import adopt_lane, bytes_in, lanes_in
from .reader import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Protocol

    from bucketer.core.events import Batch

    from .counters import Counters
    from .dead_letters import DeadLetters
    from .delivery import Verdict
    from .journal import Lane, Writer
    from .reader import Parcel

    class Courier(Protocol):
        """Makes one attempt: `delivery.Delivery`, or the queue's."""

        def send(self, batch: Batch, visitors: Sequence[str], timeout_s: float) -> Verdict:
            """Try once."""
            ...

        def abort(self) -> None:
            """Cut short an attempt that another thread is making."""
            ...

        def close(self) -> None:
            """Let go of connections."""
            ...


_log = logging.getLogger("bucketer.outbox")

#: Look for lanes that others left behind this often.
ADOPT_EVERY_S = 10.0
#: Write the counters down at most this often.
_PUBLISH_EVERY_S = 0.5


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


class Sender(threading.Thread):
    """Delivers one outbox directory's events until told to stop.

    Args:
        home: the outbox directory.
        writer: our own lane's.
        delivery: makes the attempts.
        dead: takes what is refused.
        counters: `sent`, `retried`, `dead`, `damaged`, `oldest_ms` and `trouble` are ours to keep.
        pace: how fast.
    """

    def __init__(
        self,
        home: Path,
        writer: Writer,
        delivery: Courier,
        dead: DeadLetters,
        counters: Counters,
        pace: Pace,
    ) -> None:
        super().__init__(name="bucketer-sender", daemon=True)
        self._home = home
        self._writer = writer
        self._delivery = delivery
        self._dead = dead
        self._counters = counters
        self._pace = pace
        self._own = Reader(writer.lane, writer, self._set_aside)
        self._adopted: list[Reader] = []
        self._looked_at = -ADOPT_EVERY_S
        self._wake = threading.Event()
        self._stopping = False
        self._stop_at = 0.0
        self._failures = 0
        #: Visitors of the next parcel: less than a full one after a part was put off.
        self._at_most = pace.max_events
        self._published: dict[str, object] = {}
        self._published_at = 0.0

    def wake(self) -> None:
        """A batch is full: don't wait for the interval to end."""
        self._wake.set()

    def stop(self, within_s: float) -> None:
        """Deliver what can be delivered within *within_s* seconds, then end. What is left stays.

        Called from another thread; returns when the thread has ended. An attempt that is still
        under way then is cut short, so its events may be delivered again by the next process.
        """
        self._stop_at = monotonic() + within_s
        self._stopping = True
        self._wake.set()
        self.join(within_s)
        if self.is_alive():
            self._delivery.abort()
            self.join(1.0)

    def run(self) -> None:
        """The thread: never ends for an error, since events would pile up in silence."""
        while True:
            try:
                waiting = self._deliver_all()
                if self._stopping:
                    break
                self._sleep(self._pace.interval_s if waiting else None)
            except Exception:  # noqa: BLE001 -- a bug must not stop delivery for good
                _log.exception("outbox: the sender met something unforeseen; it goes on in 5 s")
                self._wake.wait(5.0)
                if self._stopping:
                    break
        self._leave()

    def _sleep(self, seconds: float | None) -> None:
        seconds = self._pace.interval_s if seconds is None else seconds
        if not self._stopping:
            self._wake.wait(seconds)
        self._wake.clear()

    def _deliver_all(self) -> bool:
        """Send until nothing waits; False when nothing did."""
        found = False
        while not (self._stopping and monotonic() >= self._stop_at):
            self._adopt()
            reader, parcel = self._next()
            if parcel is None:
                self._counters.oldest_ms = None
                self._publish()
                return found
            found = True
            self._counters.oldest_ms = timestamp_of(parcel.visitors[0])
            if self._deliver(reader, parcel):
                self._failures = 0
            elif self._stopping:
                return True
            self._publish()
        return found

    def _next(self) -> tuple[Reader, Parcel | None]:
        """The oldest parcel: adopted lanes first, since their processes are gone."""
        at_most, max_bytes = self._at_most, self._pace.max_bytes
        while self._adopted:
            reader = self._adopted[0]
            parcel = reader.next(at_most, max_bytes)
            if parcel is not None:
                return reader, parcel
            reader.close()
            reader.lane.remove()
            _log.info("outbox: lane %s is delivered and removed", reader.lane.name)
            self._adopted.pop(0)
        return self._own, self._own.next(at_most, max_bytes)

    def _deliver(self, reader: Reader, parcel: Parcel) -> bool:
        """Deliver or bury the parcel's visitors; False when some of them have to wait."""
        outcome = deliver(self._attempt, parcel.batch, parcel.visitors)
        if outcome.settled:
            self._sent(outcome.sent)
        for visitors, verdict in outcome.dead:
            self._bury(parcel.batch, visitors, verdict)
        if outcome.later is None:
            reader.done(parcel)
            self._at_most = min(self._at_most * 2, self._pace.max_events)
            return True
        reader.done_with(parcel, outcome.settled)
        if outcome.put_off < len(parcel.visitors):
            # Go on with that part: a whole parcel would be refused, and halved, from its start.
            self._at_most = outcome.put_off
        self._put_off(outcome.later, len(parcel.visitors) - outcome.settled)
        return False

    def _attempt(self, batch: Batch, visitors: Sequence[str]) -> Verdict:
        return self._delivery.send(batch, visitors, self._timeout_s())

    def _timeout_s(self) -> float:
        if not self._stopping:
            return self._pace.timeout_s
        return max(0.05, min(self._pace.timeout_s, self._stop_at - monotonic()))

    def _sent(self, count: int) -> None:
        self._counters.sent += count
        if self._counters.trouble:
            _log.info(
                "outbox: the collector takes events again (it had been: %s)", self._counters.trouble
            )
            self._counters.trouble = ""

    def _put_off(self, verdict: Verdict, count: int) -> None:
        """Count, log the first failure and then each tenth, and wait."""
        self._failures += 1
        self._counters.retried += count
        self._counters.trouble = verdict.why
        wait_s = self._wait_s(verdict)
        if self._failures == 1 or self._failures % 10 == 0:
            _log.warning(
                "outbox: %d events could not be delivered (%s), attempt %d; next in %.1f s",
                count, verdict.why, self._failures, wait_s,
            )  # fmt: skip
        self._publish()
        if not self._stopping:
            self._pause(wait_s)

    def _pause(self, seconds: float) -> None:
        """Wait, though full batches ring: only `stop` may cut it short."""
        until = monotonic() + seconds
        while not self._stopping and (left := until - monotonic()) > 0:
            self._wake.wait(min(left, 0.2))
            self._wake.clear()
            self._publish()

    def _wait_s(self, verdict: Verdict) -> float:
        """As long as the collector asks, else doubling, with jitter so that workers spread out."""
        if verdict.wait_s is not None:
            return verdict.wait_s
        pace = self._pace
        ceiling = min(pace.longest_wait_s, pace.first_wait_s * 2 ** min(self._failures - 1, 30))
        return float(ceiling * random.uniform(0.5, 1.0))  # noqa: S311 -- not for secrets

    def _bury(self, batch: Batch, visitors: Sequence[str], verdict: Verdict) -> None:
        _log.error(
            "outbox: the collector refused %d events for good (%s); "
            "see `bucketer events list`, then `retry`", len(visitors), verdict.why,
        )  # fmt: skip
        try:
            kept = self._dead.add(batch, visitors, verdict, time())
        except OSError as error:
            _log.error("outbox: the dead-letter store can't be written: %s", error.strerror)
            kept = False
        if not kept:
            for visitor in visitors:  # never dropped in silence: the log has it whole
                _log.error("outbox: dead letter without room: %s", json.dumps([*batch, visitor]))
        self._counters.dead += len(visitors)

    def _set_aside(self, segment: Path, data: bytes) -> None:
        """Move what is no visitor out of the way, with its bytes as they were found."""
        self._counters.damaged += 1
        directory = self._home / "damaged"
        _log.error(
            "outbox: %d bytes of %s are no event; set aside in %s",
            len(data), f"{segment.parent.name}/{segment.name}", directory,
        )  # fmt: skip
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / f"{segment.parent.name}-{segment.name}").open("ab") as file:
            file.write(data + b"\n")

    def _adopt(self) -> None:
        """Take over lanes whose process is gone; look up how much room all lanes take."""
        if monotonic() - self._looked_at < ADOPT_EVERY_S:
            return
        self._looked_at = monotonic()
        lanes = self._home / "lanes"
        own = self._writer.lane.name
        mine = {own, *(reader.lane.name for reader in self._adopted)}
        for path in lanes_in(lanes):
            if path.name in mine:
                continue
            lane = adopt_lane(path)
            if lane is not None:
                _log.info("outbox: resuming lane %s, left by a process that is gone", lane.name)
                self._adopted.append(Reader(lane, None, self._set_aside))
        self._writer.elsewhere_bytes = bytes_in(lanes, but=own)

    def _publish(self) -> None:
        """Leave the counters in the lane, for `bucketer events status` in another process."""
        now = monotonic()
        counters = self._counters.to_json(time())
        if counters != self._published and now - self._published_at >= _PUBLISH_EVERY_S:
            self._published, self._published_at = counters, now
            _write_counters(self._writer.lane, counters)

    def _leave(self) -> None:
        """Close everything; lanes that are delivered are removed, the rest waits for a process."""
        for reader in self._adopted:
            reader.close()
            reader.lane.release()
        self._delivery.close()
        try:
            empty = self._own.next(1, 1_000_000) is None
            self._own.close()
            self._writer.close()
            if empty:
                self._writer.lane.remove()
            else:
                _write_counters(self._writer.lane, self._counters.to_json(time()))
                self._writer.lane.release()
        except OSError:
            _log.exception("outbox: the lane could not be closed; the next process resumes it")


def _write_counters(lane: Lane, counters: dict[str, object]) -> None:
    path = lane.directory / "counters.json"
    new = path.with_suffix(".new")
    try:
        new.write_text(json.dumps({"pid": os.getpid(), **counters}))
        new.replace(path)
    except OSError as error:
        _log.warning("outbox: counters can't be written: %s", error.strerror)
