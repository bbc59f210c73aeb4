"""Events in, lines of a file out: what is decided and not delivered, where no crash takes it.

A segment of a lane (see `lanes`) says before each event, where that changes, which batch it belongs
to: environments that take turns share a file. An append is one `write` to the end of a file: once
it has returned, the death of the process can't take the events. Only a crash of the machine can,
until the next `fdatasync`.

See docs/decisions/0050: why an append-only log and not SQLite.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import suppress
from time import monotonic

from .files import sync_directory
from .outbox import OutboxFull
from .quota import write_quota
from .records import header_line, seal_all, seed_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bucketer.core.envelope import Batch

    from .lanes import Lane
    from .quota import Quota

#: A segment is closed at this size; what is delivered is deleted a segment at a time.
SEGMENT_BYTES = 8 * 1024 * 1024

#: Where a system has only the slower one, that.
_to_disk = getattr(os, "fdatasync", os.fsync)
#: The most that a header has beside the head of its batch, in which each byte may become two.
_HEADER_BYTES = 120
#: When there was no room, it is asked for again after this, or after so many times what asking
#: took: a directory of thousands of lanes must not keep the loop busy with being full.
_ASK_AGAIN_S, _ASK_AGAIN_TIMES = 0.05, 20


class LaneClosed(OutboxFull):
    """The lane takes no more, but another one may."""


class Writer:
    """Appends to one lane. Any thread may append; the lock is hardly ever contended.

    Args:
        lane: held by this process.
        quota: of all lanes together.
        to_disk: brings a file's bytes to the disk itself, or raises OSError.
        segment_bytes: a segment is closed at this size.

    Attributes:
        sequence: number of the segment being written; 0 before the first.
        committed: bytes of that segment that readers may see.
        unsynced: a `sync` has something to do.
        count: events appended since somebody last set it to 0.
    """

    def __init__(
        self,
        lane: Lane,
        quota: Quota,
        *,
        to_disk: Callable[[int], None] = _to_disk,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self.lane = lane
        self.sequence = 0
        self.committed = 0
        self.unsynced = False
        self.count = 0
        self._quota = quota
        self._allotted = 0
        self._ask_again_at = 0.0
        #: Bytes of segments that are closed and not deleted yet, by their number.
        self._closed: dict[int, int] = {}
        self._closed_bytes = 0
        self._to_disk = to_disk
        # What is delivered counts until its segment is closed, so segments are a small part.
        self._segment_bytes = min(segment_bytes, quota.limit_bytes // 8)
        self._batch: Batch | None = None
        #: The last batch and what its checksums go on from; one value, for any thread.
        self._seed: tuple[Batch | None, int] = (None, 0)
        self._fd = -1
        #: The last segment that has a header, and its bytes: the next one's says so.
        self._last = (0, 0)
        #: The first segment that isn't on the disk whole, for all we know.
        self._unsynced_from = 1
        self._new_names = False
        self._sealed = False
        self._lock = threading.Lock()
        #: Held as long as the disk works, so that whoever comes second waits for it, too.
        self._syncing = threading.Lock()

    def end(self) -> tuple[int, int]:
        """Segment and offset up to which readers may read."""
        with self._lock:
            return self.sequence, self.committed

    @property
    def held_bytes(self) -> int:
        """Bytes in this lane's segments."""
        return self._closed_bytes + self.committed

    def append(self, batch: Batch, visitors: Sequence[str]) -> None:
        """Write *visitors*; when it returns, the death of the process can't take them.

        Raises:
            LaneClosed: nothing was written, nor will be.
            OutboxFull: nothing was written; what had been written stays.
            OSError: likewise, for any other reason than room.
        """
        sealed_for, seed = self._seed
        if batch is not sealed_for:
            seed = seed_of(batch)
            self._seed = batch, seed
        data = seal_all(visitors, seed)
        with self._lock:
            if self._sealed:
                raise LaneClosed("the outbox is closed")
            begins = self._batch is None or self.committed >= self._segment_bytes
            changes = begins or (batch is not self._batch and batch != self._batch)
            size = len(data)
            if changes:
                size += _HEADER_BYTES + 2 * len(batch.head)
            if self._closed_bytes + self.committed + size > self._allotted:
                self._ask_for_quota(size)
            if begins:
                self._open_segment(batch)
            elif changes:
                data = header_line(batch, self._last) + data
            self._write(data)
            self._batch = batch
            self.count += len(visitors)

    def reserve(self) -> None:
        """Ask for a first part of the quota, and get to know the other lanes, ahead of events.

        Raises:
            OSError: nobody can tell how much there is.
        """
        with self._lock:
            held = self.held_bytes
            self._allotted = self._quota.allot(self.lane.directory, held, 0)

    def release(self, sequence: int) -> None:
        """The segment of this number is delivered and deleted: others may have its room."""
        with self._lock:
            self._closed_bytes -= self._closed.pop(sequence, 0)
            enough = self.held_bytes + self._quota.part_bytes
            if self._allotted > enough + self._quota.part_bytes:
                with suppress(OSError):  # then it stays ours
                    write_quota(self.lane.directory, enough)
                    self._allotted = enough

    def written_to(self, sequence: int) -> int:
        """Bytes of a segment that is closed and not deleted yet; 0 for any other."""
        with self._lock:
            return self._closed.get(sequence, 0)

    def abandon(self, sequence: int) -> None:
        """The segment of this number isn't what was written to it: go on in another one."""
        with self._lock:
            if self.sequence == sequence:
                self._close_segment()
                self.sequence += 1

    def _ask_for_quota(self, wanted: int) -> None:
        began = monotonic()
        if began >= self._ask_again_at:
            self._allotted = self._quota.allot(self.lane.directory, self.held_bytes, wanted)
        if self.held_bytes + wanted > self._allotted:
            now = monotonic()
            if began >= self._ask_again_at:
                took = now - began
                self._ask_again_at = now + max(_ASK_AGAIN_S, _ASK_AGAIN_TIMES * took)
            why = f"the limit of {self._quota.limit_bytes} bytes is reached"
            raise OutboxFull(why)

    def _write(self, data: bytes) -> None:
        """All of *data* or nothing: a part that fitted is cut off again."""
        try:
            written = os.write(self._fd, data)
            while written < len(data):  # a disk with little room takes a part, then refuses
                written += os.write(self._fd, data[written:])
        except OSError as error:
            self._cut_off()
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise OutboxFull(f"no room on the disk ({os.strerror(error.errno)})") from error
            raise
        self.committed += len(data)
        self.unsynced = True

    def _cut_off(self) -> None:
        try:
            os.ftruncate(self._fd, self.committed)
        except OSError:
            # The torn line stays in this segment, so nothing may follow it there. Readers of a
            # segment that is not the last set a torn line aside.
            self._batch = None

    def _open_segment(self, batch: Batch) -> None:
        path = self._path(self.sequence + 1)
        try:
            # For reading, too: see `descriptor`.
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutboxFull(f"no room on the disk ({os.strerror(error.errno)})") from error
            raise
        self._close_segment()
        self._fd = fd
        self._new_names = True
        self.sequence += 1
        try:
            self._write(header_line(batch, self._last))
        except (OutboxFull, OSError):
            self._fd = -1
            os.close(fd)
            path.unlink()
            raise
        self._batch = batch

    def _close_segment(self) -> None:
        """Nothing more is written to the segment; `sync` opens it again if it must."""
        fd, self._fd = self._fd, -1
        self._batch = None
        if fd < 0:
            return
        os.close(fd)
        self._last = self.sequence, self.committed
        self._closed[self.sequence] = self.committed
        self._closed_bytes += self.committed
        self.committed = 0

    def _path(self, sequence: int) -> Path:
        return self.lane.directory / f"{sequence:010}.jsonl"

    def sync(self) -> None:
        """Bring everything appended before this call to the disk. Slow; not for the loop.

        When it returns, the disk has it, whichever thread brought it there. After a failure all
        of it is tried again the next time. What the failure concerned may be lost in a crash of
        the machine even if that succeeds: the system may take for written what it has given up.

        Raises:
            OSError: the disk refused.
        """
        with self._syncing:
            with self._lock:
                if not self.unsynced:
                    return
                first, sequence, committed = self._unsynced_from, self.sequence, self.committed
                new_names = self._new_names
                current = os.dup(self._fd) if self._fd >= 0 else -1
            try:
                for number in range(first, sequence):
                    self._sync_closed(number)
                if current >= 0:
                    self._to_disk(current)
                if new_names:
                    sync_directory(self.lane.directory)
            finally:
                if current >= 0:
                    os.close(current)
            with self._lock:
                self._unsynced_from = sequence
                if self.sequence == sequence:
                    self._new_names = False
                    self.unsynced = self.committed > committed

    def _sync_closed(self, sequence: int) -> None:
        """Bring one segment to the disk that isn't written to any more, unless it is delivered."""
        try:
            fd = os.open(self._path(sequence), os.O_RDWR)
        except FileNotFoundError:
            return
        try:
            self._to_disk(fd)
        finally:
            os.close(fd)

    def descriptor(self, sequence: int) -> int | None:
        """A file descriptor to read that segment with, if it is the one being written.

        For when its file was deleted, and can't be opened any more. The caller closes it.
        """
        with self._lock:
            return os.dup(self._fd) if sequence == self.sequence and self._fd >= 0 else None

    def seal(self) -> None:
        """Take no more; what was appended can still be read."""
        with self._lock:
            self._sealed = True

    def close(self) -> None:
        """Take no more, bring everything to the disk and close the file; the lane stays.

        Raises:
            OSError: the disk refused; the file is closed.
        """
        self.seal()
        try:
            self.sync()
        finally:
            with self._lock:
                fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)
