"""Takes what waits in the lanes of an outbox, oldest first, and delivers it: one thread.

    no full batch ──► sleep until `interval_s` is over or a batch is full
    2xx           ──► remember, go on
    may pass      ──► keep it at the head of the line, wait (back-off with jitter, or longer if
                      the collector asks), try again: what was decided first arrives first
    … and doesn't ──► after some failures find out who is at fault, if others get through
    refused       ──► halve it until the visitors at fault are alone; those go to the dead letters

Lanes whose processes are gone (`backlog`) are delivered before our own and removed.
"""

from __future__ import annotations

import errno
import logging
import threading
from time import monotonic, time

from .backlog import Backlog
from .counters import timestamp_of
from .damaged import Damaged
from .delivery import LATER, Outcome, Verdict, deliver
from .fault_finder import FaultFinder
from .published import Published
from .reader import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Protocol

    from bucketer.core.envelope import Batch

    from .counters import Counters
    from .dead_letters import DeadLetters
    from .journal import Writer
    from .pace import Pace
    from .reader import Parcel

    class Transport(Protocol):
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

#: After so many failures to read our own lane new events go to another one.
_UNREADABLE = 5


class Sender(threading.Thread):
    """Delivers one outbox directory's events until told to stop.

    Args:
        directory: the outbox directory.
        writer: our own lane's.
        delivery: makes the attempts.
        dead: takes what is refused.
        counters: `sent`, `retried`, `dead`, `lost`, `damaged`, `oldest_ms`, `trouble` and `stuck`
            are ours to keep.
        pace: how fast.
    """

    def __init__(
        self,
        directory: Path,
        writer: Writer,
        delivery: Transport,
        dead: DeadLetters,
        counters: Counters,
        pace: Pace,
    ) -> None:
        super().__init__(name="bucketer-sender", daemon=True)
        self._writer = writer
        self._delivery = delivery
        self._dead = dead
        self._counters = counters
        self._pace = pace
        self._damaged = Damaged(directory / "damaged", counters)
        self._own = Reader(writer.lane, writer, self._damaged.set_aside)
        self._moves: list[Reader] = []
        self._backlog = Backlog(directory, self._damaged.set_aside)
        #: When less than a full batch may leave.
        self._due_at = 0.0
        self._wake = threading.Event()
        self._stopping = False
        self._stop_at = 0.0
        self._failures = 0
        #: Visitors of the next parcel: less than a full one after a part was put off.
        self._at_most = pace.max_events
        self._finder = FaultFinder(self._attempt, self._pause_between_rounds, pace.max_bytes)
        self._published = Published()
        #: How often in a row our own lane could not be read.
        self._unreadable = 0

    def wake(self) -> None:
        """A batch is full: don't wait for the interval to end."""
        self._wake.set()

    def move_to(self, writer: Writer) -> None:
        """From now on our own lane is *writer*'s; what waits in the old one goes first.

        Called from another thread.

        Raises:
            OSError: the new lane can't be read.
        """
        self._moves.append(Reader(writer.lane, writer, self._damaged.set_aside))
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
                self._unreadable = 0
            except OSError as error:
                self._suffer(error)
            except Exception:  # noqa: BLE001 -- a bug must not stop delivery for good
                _log.exception("outbox: the sender met something unforeseen; it goes on in 5 s")
                self._due_at = monotonic() + 5.0
            self._sleep()
        self._leave()

    def _suffer(self, error: OSError) -> None:
        """Try our own lane again and, if it is the lane's fault, go on in another one."""
        self._unreadable += 1
        self._counters.stuck = f"our own lane can't be read ({error.strerror or error!r})"
        self._due_at = monotonic() + self._pace.interval_s
        if self._unreadable == 1:
            _log.error("outbox: what waits can't be read (%r); it is tried again", error)
        if self._unreadable >= _UNREADABLE and error.errno not in (errno.EMFILE, errno.ENFILE):
            self._writer.seal()  # the next event is written to a new lane; this one is let go of

    def _sleep(self) -> None:
        """Until a batch is full, or the interval is over, or it is time to stop."""
        if not self._stopping:
            self._wake.wait(max(0.0, self._due_at - monotonic()))
        self._wake.clear()

    def _deliver_all(self) -> None:
        """Send until nothing waits, or nothing that has waited long enough or makes a batch."""
        while not (self._stopping and monotonic() >= self._stop_at):
            self._move()
            self._backlog.look(self._writer.lane.name)
            reader, parcel = self._next()
            self._counters.stuck = self._backlog.stuck()
            if parcel is None:
                self._counters.oldest_ms = None
                self._published.refresh(self._writer.lane, self._counters)
                self._due_at = monotonic() + self._pace.interval_s
                return
            self._counters.oldest_ms = timestamp_of(parcel.visitors[0])
            if reader is self._own and parcel.is_last:
                # Others may join these, unless they have waited or are as many as may travel.
                if self._may_wait(parcel):
                    self._published.refresh(self._writer.lane, self._counters)
                    return
                self._due_at = monotonic() + self._pace.interval_s
                self._writer.count = 0
            if self._deliver(reader, parcel):
                self._failures = 0
            elif self._stopping:
                return
            self._published.refresh(self._writer.lane, self._counters)

    def _may_wait(self, parcel: Parcel) -> bool:
        full = len(parcel.visitors) >= self._pace.max_events
        return not (full or self._failures or self._stopping) and monotonic() < self._due_at

    def _move(self) -> None:
        """Begin with a new lane of our own, if there is one."""
        while self._moves:
            self._backlog.take_over(self._own)
            self._own = self._moves.pop(0)
            if self._own.writer is not None:
                self._writer = self._own.writer

    def _next(self) -> tuple[Reader, Parcel | None]:
        """The oldest parcel: what others have left behind comes first."""
        found = self._backlog.next(self._at_most, self._finder.max_bytes)
        return found or (self._own, self._own.next(self._at_most, self._finder.max_bytes))

    def _deliver(self, reader: Reader, parcel: Parcel) -> bool:
        """Deliver or bury the parcel's visitors, batch by batch; False when some have to wait.

        Where the collector of one region is down, those for the other one don't wait for it.
        """
        finder, put_off = self._finder, dict[str, tuple[Outcome, int]]()
        while True:
            left = finder.left_of(parcel.visitors)
            batch = next((b for i in left if (b := parcel.batches[i]).region not in put_off), None)
            if batch is None:
                break
            visitors = parcel.visitors
            if len(left) < len(visitors) or parcel.batches.count(batch) < len(visitors):
                visitors = [parcel.visitors[i] for i in left if parcel.batches[i] == batch]
            outcome = self._deliver_batch(reader, batch, visitors)
            if outcome.settled == len(parcel.visitors):  # nearly always: all of it at once
                left = []
                break
            finder.pass_ahead(visitors[: outcome.settled])
            if outcome.later is not None:
                put_off[batch.region] = outcome, len(visitors)
        if not left:
            reader.done(parcel)
            finder.pass_over(parcel.visitors)
            self._at_most = min(self._at_most * 2, self._pace.max_events)
            return True
        reader.done_with(parcel, left[0])
        finder.pass_over(parcel.visitors[: left[0]])
        reader.note_end()  # before the wait, in which the process may end
        self._wait_for(list(put_off.values()))
        return False

    def _deliver_batch(self, reader: Reader, batch: Batch, visitors: Sequence[str]) -> Outcome:
        """Deliver or bury *visitors*, all of one batch."""
        finder = self._finder
        outcome = deliver(self._attempt, batch, visitors)
        if finder.note(batch, visitors, outcome) and not self._stopping:
            outcome = finder.find(batch, visitors, outcome, (reader, self._own))
        if outcome.sent:
            self._sent(outcome.sent)
        self._bury(batch, outcome.dead)
        return outcome

    def _wait_for(self, put_off: Sequence[tuple[Outcome, int]]) -> None:
        """Wait before what was put off is tried again, each with how many had been tried."""
        first, tried = put_off[0]
        if first.put_off < tried:
            # Go on with that part: a whole parcel would be refused, and halved, from its start.
            self._at_most = first.put_off
        if first.later is not None:
            count = sum(tried - outcome.settled for outcome, tried in put_off)
            self._put_off(first.later, count)

    def _attempt(self, batch: Batch, visitors: Sequence[str]) -> Verdict:
        if self._stopping and monotonic() >= self._stop_at:
            return Verdict(LATER, 0, "the process ends", None, was_made=False)
        return self._delivery.send(batch, visitors, self._timeout_s())

    def _timeout_s(self) -> float:
        if not self._stopping:
            return self._pace.timeout_s
        return max(0.05, min(self._pace.timeout_s, self._stop_at - monotonic()))

    def _pause_between_rounds(self, verdict: Verdict) -> bool:
        """Wait as after any other failure; False when the thread is to end."""
        self._put_off(verdict, 0)
        return not self._stopping

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
        wait_s = self._pace.wait_s(self._failures, verdict)
        if self._failures == 1 or self._failures % 10 == 0:
            _log.warning(
                "outbox: %d events could not be delivered (%s), attempt %d; next in %.1f s",
                count, verdict.why, self._failures, wait_s,
            )  # fmt: skip
        self._published.refresh(self._writer.lane, self._counters)
        if not self._stopping:
            self._pause(wait_s)

    def _pause(self, seconds: float) -> None:
        """Wait, though full batches ring: only `stop` may cut it short."""
        until = monotonic() + seconds
        while not self._stopping and (left := until - monotonic()) > 0:
            self._wake.wait(min(left, 0.2))
            self._wake.clear()
            self._published.refresh(self._writer.lane, self._counters)

    def _bury(self, batch: Batch, dead: Sequence[tuple[Sequence[str], Verdict]]) -> None:
        """Keep them among the dead letters, all of one cause together."""
        causes: dict[tuple[int, str], tuple[Verdict, list[str]]] = {}
        for visitors, verdict in dead:
            causes.setdefault((verdict.status, verdict.why), (verdict, []))[1].extend(visitors)
        for verdict, visitors in causes.values():
            _log.error(
                "outbox: %d events can't be delivered (%s); "
                "see `bucketer events list`, then `retry`", len(visitors), verdict.why,
            )  # fmt: skip
            if not self._dead.keep(batch, visitors, verdict, time()):
                self._counters.lost += len(visitors)
            self._counters.dead += len(visitors)

    def _leave(self) -> None:
        """Close everything; lanes that are delivered are removed, the rest waits for a process."""
        self._move()
        self._backlog.close()
        self._delivery.close()
        lane = self._writer.lane
        try:
            self._writer.close()
            # "None" may also mean that something can't be read; it stays for the next process.
            empty = self._own.next(1, self._finder.max_bytes) is None and self._own.has_read_all()
            self._own.note_end()
            self._own.close()
            if empty:
                lane.remove(self._damaged.directory, self._own.last_read())
                return
            self._published.write(lane, self._counters)
        except OSError:
            _log.exception("outbox: the lane could not be closed; the next process resumes it")
        lane.release()
