"""How fast a connection reads, by how its answers are taken; and what it is doing.

`PacedReader` stands between the half that reads and the one that answers; all three are one object.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from bucketer.doors.server.phases import (
    BODY,
    CLOSING,
    HEAD,
    IDLE,
    NEW,
    STALLED,
    STREAMING,
    WORKING,
)
from bucketer.doors.server.repeated import RepeatedReader

if TYPE_CHECKING:
    import asyncio

    from bucketer.doors.server.held import HeldAnswer
    from bucketer.doors.server.streaming import Streaming
    from bucketer.doors.server.worker import Worker

#: Answers that one connection may have waiting before we stop reading from it.
MAX_HELD = 64
#: Bytes of answers that a client may leave untaken before we stop reading from it, and count them.
UNTAKEN_BYTES = 16 * 1024
#: How long a client that holds up a full server has had nothing to show for, before it gives way.
_STUCK_S = 1.0


class PacedReader(RepeatedReader):
    """A reader that keeps pace with whoever takes the answers.

    Attributes:
        answered: how many answers, or pieces of one that goes on, have been written.
        mark, since: `Sweeper`'s: what it saw at its last look, and since when.
    """

    __slots__ = (
        "_held",
        "_open",
        "_owed_bytes",
        "_stalled",
        "_streaming",
        "_transport",
        "answered",
        "mark",
        "since",
    )

    def __init__(self, worker: Worker) -> None:
        """Wait for the first byte; nothing is owed yet."""
        super().__init__(worker)
        self._transport: asyncio.Transport
        self._open = False
        self._stalled = False
        self._streaming: Streaming | None = None
        self._held: deque[HeldAnswer] = deque()
        self._owed_bytes = 0
        self.answered = 0
        self.mark: tuple[int, str] | None = None
        self.since = 0.0

    def abort(self) -> None:
        """Cut the client off."""
        self._last = True
        self._open = False
        self._transport.abort()

    def gives_way(self) -> bool:
        """Leave to make room for another, if that costs nobody an answer.

        A connection between requests does. So does one that has sent or taken nothing whole for
        so long that it may be there to hold others up; the sweeper knows since when.
        """
        phase = self.phase()
        if phase in {NEW, IDLE}:
            self._last = True
            self._transport.close()
            return True
        stuck = phase not in {WORKING, STREAMING} and self.mark == (self.answered, phase)
        if stuck and self._worker.loop.time() - self.since > _STUCK_S:
            self.abort()
            return True
        return False

    def pause_writing(self) -> None:
        """Stop reading from a client who doesn't take its answers."""
        self._stalled = True
        self._owe(0)
        self._look_at_pressure()

    def resume_writing(self) -> None:
        """Go on."""
        self._stalled = False
        self._owe(0)
        self._look_at_pressure()
        if self._streaming is not None:
            self._streaming.stream_ready()

    def _owe(self, more_bytes: int) -> None:
        """Count the bytes of answers that wait here: *more_bytes* held, and what isn't taken."""
        self._owed_bytes += more_bytes
        owed = self._owed_bytes
        if self._stalled:
            owed += self._transport.get_write_buffer_size()
        if owed and self._open:
            self._worker.untaken.keep(self, owed)
        else:
            self._worker.untaken.release(self)

    def _look_at_pressure(self) -> None:
        """Read only from a client who takes its answers and isn't far ahead of them."""
        pause = self._stalled or len(self._held) >= MAX_HELD
        if pause == self._paused or not self._open:
            return
        self._paused = pause
        self._regulate_reading()
        if self._unfed and not pause:
            self._worker.turns.wait(self._feed_on)

    def _regulate_reading(self) -> None:
        """Read on, unless something has to be parsed or sent first."""
        if not self._open:
            return
        if self._paused or self._unfed:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _has_read(self) -> bool:
        """Say whether anything before what is being parsed has been read."""
        return bool(self.answered or self._held or self._head_bytes)

    def phase(self) -> str:
        """Say what this connection is doing."""
        if self._stalled:
            return STALLED
        if self._held:
            return WORKING
        if self._streaming is not None:
            return STREAMING
        if self._last:
            return CLOSING
        if self._body is not None:
            return BODY
        if self._url:
            return HEAD
        # The parser doesn't tell of bytes before a target. On a connection's first request they
        # needn't be told from none: both are waited for as long as for a head.
        return IDLE if self.answered else NEW

    def time_out(self, phase: str) -> None:
        """Give up on a client that has been in *phase* for too long."""
        if phase in {HEAD, BODY}:
            self._refuse(408)
        elif phase in {NEW, IDLE}:
            self._last = True
            self._transport.close()
        else:
            self.abort()
