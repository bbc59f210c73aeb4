"""The server's sink for events: written to a lane before the answer, sent behind it.

Threads: whoever adds (the loop) appends; *bucketer-sync* brings appended bytes to the disk each
second, and looks whether the lane is still there; *bucketer-sender* delivers.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress

from .dead_letters import DeadLetters
from .journal import LaneClosed, Writer
from .lanes import open_lane
from .outbox import OutboxFull
from .pace import Pace
from .quota import Quota
from .sender import Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from bucketer.core.envelope import Batch

    from .counters import Counters
    from .sender import Transport

_log = logging.getLogger("bucketer.outbox")

_SYNC_EVERY_S = 1.0
#: After the outbox could not be opened, try again this much later.
_REOPEN_AFTER_S = 5.0


class Durable:
    """A lane of our own in *directory*, and the threads behind it.

    Args:
        directory: `<state>/outbox`; made if missing.
        transport: makes the attempts to deliver.
        counters: shared with the outbox.
        limit_bytes: of everything that waits in *directory*, other processes' lanes included.
        sync_first: bring events to the disk before they count as taken: not even a crash of the
            machine can then take them, and the loop waits for the disk.
        pace: how fast to send.
        closing_s: how long `close` may deliver.
    """

    def __init__(
        self,
        directory: Path,
        transport: Transport,
        counters: Counters,
        *,
        limit_bytes: int,
        sync_first: bool = False,
        pace: Pace | None = None,
        closing_s: float = 5.0,
    ) -> None:
        self._directory = directory
        self._transport = transport
        self._counters = counters
        self._limit_bytes = limit_bytes
        self._sync_first = sync_first
        self._pace = pace or Pace()
        self._closing_s = closing_s
        self._writer: Writer | None = None
        self._sender: Sender | None = None
        self._reopen_at = 0.0
        self._why_not = ""
        self._opening = threading.Lock()
        self._ended = threading.Event()
        self._syncer = threading.Thread(target=self._sync, name="bucketer-sync", daemon=True)
        self._syncer.start()
        try:
            self._open()
        except OutboxFull as full:
            _log.error("outbox: %s; decisions go on, events are refused until it can", full.why)

    def write(self, batch: Batch, visitors: list[str]) -> None:
        """Append; from then on the death of this process can't take them."""
        writer = self._writer or self._open()
        try:
            self._append(writer, batch, visitors)
        except (LaneClosed, FileNotFoundError):  # the lane was deleted, perhaps found so already
            writer = self._replace(writer)
            self._append(writer, batch, visitors)
        if self._sender is not None and writer.count >= self._pace.max_events:
            writer.count = 0
            self._sender.wake()

    def waits(self) -> bool:
        """Delivery has its own thread."""
        return False

    def after_response(self, deadline_s: float) -> None:
        """Delivery has its own thread."""

    def close(self) -> None:
        """Deliver for a while; what is left waits in the lane for the next process."""
        self._ended.set()
        self._syncer.join()
        if self._sender is not None:
            self._sender.stop(self._closing_s)

    def _append(self, writer: Writer, batch: Batch, visitors: list[str]) -> None:
        writer.append(batch, visitors)
        if self._sync_first:
            writer.sync()

    def _replace(self, lost: Writer) -> Writer:
        """Go on in a new lane, unless another thread has begun one.

        Raises:
            OutboxFull: that's impossible now; it is tried again when the next events come.
        """
        with self._opening:
            if self._writer is lost:
                what = (
                    "can't be read" if lost.lane.is_there() else "was deleted while it was in use"
                )
                _log.error("outbox: lane %s %s; a new one is made", lost.lane.name, what)
                lost.seal()
                self._writer = None
        return self._open()

    def _open(self) -> Writer:
        with self._opening:
            if self._writer is not None:
                return self._writer
            if self._ended.is_set():
                raise OutboxFull("the outbox is closed")
            now = time.monotonic()
            if now < self._reopen_at:
                raise OutboxFull(self._why_not)
            self._reopen_at = now + _REOPEN_AFTER_S
            try:
                writer = self._begin()
            except OSError as error:
                self._why_not = f"{self._directory} can't be used: {error.strerror}"
                raise OutboxFull(self._why_not) from error
            self._reopen_at = 0.0
            self._writer = writer
            return writer

    def _begin(self) -> Writer:
        """Make a lane, and let the sender know."""
        name = f"{int(time.time() * 1000):015}-{os.getpid()}-{os.urandom(3).hex()}"
        lane = open_lane(self._directory / "lanes", name)
        try:
            writer = Writer(lane, Quota(self._directory / "lanes", self._limit_bytes))
            with suppress(OSError):  # the first event will tell
                writer.reserve()
            if self._sender is not None:
                self._sender.move_to(writer)
                return writer
            dead = DeadLetters(self._directory / "dead", name, self._limit_bytes)
            sender = Sender(
                self._directory, writer, self._transport, dead, self._counters, self._pace
            )
            sender.start()
        except BaseException:
            lane.release()
            raise
        self._sender = sender
        return writer

    def _sync(self) -> None:
        """Once a second; a disk that refuses is logged once until it takes bytes again."""
        failing = False
        while not self._ended.wait(_SYNC_EVERY_S):
            writer = self._writer
            if writer is None:
                continue
            try:
                if not writer.lane.is_there():
                    writer = self._replace(writer)
                writer.sync()
                failing = False
            except OutboxFull:  # told when events are refused for it
                continue
            except OSError as error:
                if not failing:
                    _log.error("outbox: events can't be brought to the disk: %s", error.strerror)
                failing = True
