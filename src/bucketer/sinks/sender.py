"""Takes what waits in the lanes of an outbox, oldest first, and delivers it: one thread.

    no full batch ──► sleep until `interval_s` is over or a batch is full
    2xx           ──► remember, go on
    may pass      ──► keep it at the head of the line, wait (back-off with jitter, or longer if
                      the collector asks), try again: what was decided first arrives first
    refused       ──► halve it until the visitors at fault are alone; those go to the dead letters

A lane whose process is gone is adopted, delivered before our own and removed. One that can't be
read or removed costs itself alone: it is told, let go of and looked at again later.
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
from .files import append_lines, private_directory
from .journal import adopt_lane, bytes_in, lanes_in
from .reader import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Protocol

    from bucketer.core.envelope import Batch

    from .counters import Counters
    from .dead_letters import DeadLetters
    from .delivery import Verdict
    from .journal import Writer
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
#: A wait that the collector asked for gets so much longer, at most: workers shouldn't come at once.
_JITTER = 0.1
#: So many bytes of what can't even be set aside are logged.
_LOGGED_BYTES = 2_000


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
        self._moves: list[Reader] = []
        self._adopted: list[Reader] = []
        self._looked_at = -ADOPT_EVERY_S
        #: Lanes whose trouble has been told.
        self._troubled: set[str] = set()
        #: Lanes that are delivered and can't be removed: not to be delivered again.
        self._spent: set[str] = set()
        #: When less than a full batch may leave.
        self._due_at = 0.0
        self._wake = threading.Event()
        self._stopping = False
        self._stop_at = 0.0
        self._failures = 0
        #: Visitors of the next parcel: less than a full one after a part was put off.
        self._at_most = pace.max_events
        self._published: dict[str, object] = {}
        self._published_at = 0.0
        self._publishing_fails = False

    def wake(self) -> None:
        """A batch is full: don't wait for the interval to end."""
        self._wake.set()

    def move_to(self, writer: Writer) -> None:
        """From now on our own lane is *writer*'s; what waits in the old one goes first.

        Called from another thread.

        Raises:
            OSError: the new lane can't be read.
        """
        self._moves.append(Reader(writer.lane, writer, self._set_aside))
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
        stopping = False
        while not stopping:
            stopping = self._stopping  # as it was before the last look at what waits
            try:
                self._deliver_all()
            except Exception:  # noqa: BLE001 -- a bug must not stop delivery for good
                _log.exception("outbox: the sender met something unforeseen; it goes on in 5 s")
                self._due_at = monotonic() + 5.0
            self._sleep()
        self._leave()

    def _sleep(self) -> None:
        """Until a batch is full, or the interval is over, or it is time to stop."""
        if not self._stopping:
            self._wake.wait(max(0.0, self._due_at - monotonic()))
        self._wake.clear()

    def _deliver_all(self) -> None:
        """Send until nothing waits, or nothing that has waited long enough or makes a batch."""
        while not (self._stopping and monotonic() >= self._stop_at):
            self._move()
            self._adopt()
            reader, parcel = self._next()
            if parcel is None:
                self._counters.oldest_ms = None
                self._publish()
                self._due_at = monotonic() + self._pace.interval_s
                return
            self._counters.oldest_ms = timestamp_of(parcel.visitors[0])
            if reader is self._own and parcel.is_last:
                # Others may join these, unless they have waited or are as many as may travel.
                if self._may_wait(parcel):
                    self._publish()
                    return
                self._due_at = monotonic() + self._pace.interval_s
                self._writer.count = 0
            if self._deliver(reader, parcel):
                self._failures = 0
            elif self._stopping:
                return
            self._publish()

    def _may_wait(self, parcel: Parcel) -> bool:
        full = len(parcel.visitors) >= self._pace.max_events
        return not (full or self._failures or self._stopping) and monotonic() < self._due_at

    def _move(self) -> None:
        """Begin with a new lane of our own, if there is one."""
        while self._moves:
            self._adopted.append(self._own)
            self._own = self._moves.pop(0)
            if self._own.writer is not None:
                self._writer = self._own.writer
            self._looked_at = -ADOPT_EVERY_S

    def _next(self) -> tuple[Reader, Parcel | None]:
        """The oldest parcel: adopted lanes first, since their processes are gone."""
        at_most, max_bytes = self._at_most, self._pace.max_bytes
        while self._adopted:
            reader = self._adopted[0]
            name = reader.lane.name
            try:
                parcel = reader.next(at_most, max_bytes)
                if parcel is not None:
                    return reader, parcel
            except Exception as error:  # noqa: BLE001 -- no lane may block the others
                self._tell(name, "can't be read", error)
                self._let_go(self._adopted.pop(0))
            else:
                self._remove(self._adopted.pop(0))
        return self._own, self._own.next(at_most, max_bytes)

    def _remove(self, reader: Reader) -> None:
        """End with a lane that is delivered."""
        lane = reader.lane
        if reader.writer is not None:
            self._let_go(reader)
            return
        try:
            reader.close()
            lane.remove(self._home / "damaged")
            _log.info("outbox: lane %s is delivered and removed", lane.name)
        except OSError as error:
            self._spent.add(lane.name)
            self._tell(lane.name, "is delivered and can't be removed", error)

    def _let_go(self, reader: Reader) -> None:
        """End with a lane as it is; somebody will find it. Unless it was ours, and deleted."""
        lane, writer = reader.lane, reader.writer
        if writer is not None and not reader.has_read_all():
            _log.error("outbox: events of lane %s went with its directory", lane.name)
        try:
            reader.close()
            if writer is not None:
                writer.close()
        except FileNotFoundError:  # no directory whose names could be brought to the disk
            pass
        except OSError as error:
            self._tell(lane.name, "can't be closed", error)
        lane.release()

    def _tell(self, name: str, what: str, error: Exception) -> None:
        """Log the trouble with a lane, once: it is looked at again every few seconds."""
        if name not in self._troubled:
            self._troubled.add(name)
            _log.error("outbox: lane %s %s (%r); the others go on", name, what, error)

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
        """Doubling, longer if the collector asks for it; with jitter so that workers spread out."""
        pace = self._pace
        ceiling = min(pace.longest_wait_s, pace.first_wait_s * 2 ** min(self._failures - 1, 30))
        wait_s = ceiling * random.uniform(0.5, 1.0)  # noqa: S311 -- not for secrets
        asked_s = verdict.wait_s or 0.0
        if asked_s > wait_s:  # a collector that asks for nothing must not get all we have
            wait_s = asked_s * random.uniform(1.0, 1.0 + _JITTER)  # noqa: S311 -- likewise
        return float(wait_s)

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

    def _set_aside(self, segment: Path, lines: list[bytes]) -> None:
        """Move what is no visitor out of the way, with its bytes as they were found."""
        self._counters.damaged += len(lines)
        data = b"\n".join(lines)
        what = f"{len(lines)} lines of {segment.parent.name}/{segment.name} are no event"
        directory = self._home / "damaged"
        try:
            private_directory(directory)
            name = f"{segment.parent.name}-{segment.name}"
            append_lines(directory / name, data + b"\n", sync=False)
        except OSError as error:  # it must not keep what is sound from being delivered
            _log.error(
                "outbox: %s and can't be set aside (%s): %d bytes that begin %r",
                what, error.strerror, len(data), data[:_LOGGED_BYTES],
            )  # fmt: skip
        else:
            _log.error("outbox: %s; set aside in %s", what, directory)

    def _adopt(self) -> None:
        """Take over lanes whose process is gone; look up how much room all lanes take."""
        if monotonic() - self._looked_at < ADOPT_EVERY_S:
            return
        self._looked_at = monotonic()
        lanes = self._home / "lanes"
        own = self._writer.lane.name
        mine = {own, *self._spent, *(reader.lane.name for reader in self._adopted)}
        for path in lanes_in(lanes):
            if path.name in mine:
                continue
            try:
                self._adopt_one(path)
            except Exception as error:  # noqa: BLE001 -- no lane may block the others
                self._tell(path.name, "can't be opened", error)
        self._writer.elsewhere_bytes = bytes_in(lanes, but=own)

    def _adopt_one(self, path: Path) -> None:
        lane = adopt_lane(path)
        if lane is None:
            return
        try:
            self._adopted.append(Reader(lane, None, self._set_aside))
        except BaseException:
            lane.release()
            raise
        if lane.name not in self._troubled:
            _log.info("outbox: resuming lane %s, left by a process that is gone", lane.name)

    def _publish(self) -> None:
        """Leave the counters in the lane, for `bucketer events status` in another process."""
        now = monotonic()
        counters = self._counters.to_json(time())
        if counters != self._published and now - self._published_at >= _PUBLISH_EVERY_S:
            self._published, self._published_at = counters, now
            self._write_counters(counters)

    def _leave(self) -> None:
        """Close everything; lanes that are delivered are removed, the rest waits for a process."""
        self._move()
        for reader in self._adopted:
            self._let_go(reader)
        self._delivery.close()
        lane = self._writer.lane
        try:
            self._writer.close()
            # "None" may also mean that something can't be read; it stays for the next process.
            empty = self._own.next(1, self._pace.max_bytes) is None and self._own.has_read_all()
            self._own.close()
            if empty:
                lane.remove(self._home / "damaged")
                return
            self._write_counters(self._counters.to_json(time()))
        except OSError:
            _log.exception("outbox: the lane could not be closed; the next process resumes it")
        lane.release()

    def _write_counters(self, counters: dict[str, object]) -> None:
        """For `bucketer events status`; a failure is told once, until it works again."""
        path = self._writer.lane.directory / "counters.json"
        new = path.with_suffix(".new")
        try:
            new.write_text(json.dumps({"pid": os.getpid(), **counters}))
            new.replace(path)
            self._publishing_fails = False
        except OSError as error:
            if not self._publishing_fails:
                _log.warning("outbox: counters can't be written: %s", error.strerror)
            self._publishing_fails = True
