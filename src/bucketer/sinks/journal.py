"""Events in, lines of a file out: the durable home of what is decided but not delivered.

One process writes one *lane*, a directory under `<state>/outbox/lanes/`:

    lock                  held (flock) as long as the process lives; the kernel lets go of it
    0000000001.jsonl      a segment: one header line (the batch), then one visitor per line
    sent                  "segment offset": what has been delivered, overwritten in place

A lane whose lock can be taken belonged to a process that is gone; whoever takes it delivers what
is left and removes it. A segment holds one batch, so events that may not travel together never
meet. An append is one `write` to the end of a file: once it has returned, the death of the
process can't take the events. Only a crash of the machine can, until the next `fdatasync`.
Whatever else lies in a lane is nobody's of ours: it is left alone, then moved away with the lane.

See docs/decisions/0050: why an append-only log and not SQLite.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import threading
from time import time

from .files import private_directory, sync_directory
from .outbox import OutboxFull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bucketer.core.envelope import Batch

#: A segment is closed at this size; what is delivered is deleted a segment at a time.
SEGMENT_BYTES = 8 * 1024 * 1024

_FORMAT = 1
#: Where a system has only the slower one, that.
_to_disk = getattr(os, "fdatasync", os.fsync)
_SEGMENT = re.compile(r"\d{10}\.jsonl")
#: What a delivered lane consists of, beside segments. Its lock goes last.
_BELONGINGS = ("sent", "counters.json", "counters.new", "lock")
#: A lane without a lock file is nobody's when nothing has changed in it for so long: the process
#: that wrote it would have seen within a second that its lock is gone, and have left.
_QUIET_S = 10.0


class LaneClosed(OutboxFull):
    """The lane takes no more, but another one may."""


class Lane:
    """A lane that this process holds the lock of. Made by `open_lane` and `adopt_lane`."""

    def __init__(self, directory: Path, lock_fd: int) -> None:
        self.directory = directory
        self._lock_fd = lock_fd

    @property
    def name(self) -> str:
        """Sorts by age: the time of its making comes first."""
        return self.directory.name

    def segments(self) -> list[Path]:
        """The lane's segments, oldest first."""
        return segments_in(self.directory)

    def is_there(self) -> bool:
        """Whether the lane can still be found, by this process and by those to come."""
        try:
            self.directory.stat()
            return os.fstat(self._lock_fd).st_nlink > 0
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # nobody can tell; as long as appending works, nothing is lost
            return True

    def remove(self, strays: Path) -> None:
        """Delete the lane, delivered or empty, and let go of its lock.

        Args:
            strays: a directory that takes what we have not put there; made if needed.

        Raises:
            OSError: something can't be deleted or moved; the lock is let go of all the same.
        """
        try:
            ours = {*_BELONGINGS, *(path.name for path in self.segments())}
            for path in self.directory.iterdir():
                if path.name not in ours:
                    private_directory(strays)
                    path.rename(strays / f"{self.name}-{path.name}")
            for path in [*self.segments(), *(self.directory / name for name in _BELONGINGS)]:
                path.unlink(missing_ok=True)
            self.directory.rmdir()
        finally:
            self.release()

    def release(self) -> None:
        """Let go of the lock: another process may take the lane over."""
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:  # somebody else may have its number by now
            os.close(fd)


def open_lane(lanes: Path, name: str) -> Lane:
    """Make a new lane and hold it.

    Args:
        lanes: the directory of all lanes; made if missing.
        name: unique, and greater than the names of older lanes.

    Raises:
        OSError: the directory can't be made or written.
    """
    # Locked under a name that nobody adopts, then renamed: there is no moment in which the lane
    # is visible and free.
    made = [each for each in (lanes, *lanes.parents) if not each.is_dir()]
    unborn = lanes / f".{name}"
    unborn.mkdir(parents=True)
    lock_fd = _lock(unborn / "lock", os.O_CREAT)
    if lock_fd is None:  # nobody else knows the name
        raise OSError(errno.EAGAIN, "lock taken on a lane just made", str(unborn))
    directory = lanes / name
    try:
        unborn.rename(directory)
        for each in (lanes, *(parent.parent for parent in made)):
            sync_directory(each)
    except OSError:
        os.close(lock_fd)
        raise
    return Lane(directory, lock_fd)


def adopt_lane(directory: Path) -> Lane | None:
    """Take over *directory* if the process that wrote it is gone, else return None.

    Raises:
        OSError: its lock can't be opened, so nobody can tell.
    """
    try:
        lock_fd = _lock(directory / "lock")
    except FileNotFoundError:  # somebody delivered and removed it, or has lost only its lock
        if not _is_quiet(directory):
            return None
        lock_fd = _lock(directory / "lock", os.O_CREAT)
    if lock_fd is None:
        return None
    if not directory.exists():
        os.close(lock_fd)
        return None
    return Lane(directory, lock_fd)


def is_alive(directory: Path) -> bool:
    """Whether the process that writes *directory* lives. Takes nothing over."""
    try:
        lock_fd = _lock(directory / "lock")
    except OSError:
        return False
    if lock_fd is None:
        return directory.exists()
    os.close(lock_fd)
    return False


def lanes_in(lanes: Path) -> list[Path]:
    """All lanes, oldest first, the living ones included."""
    if not lanes.is_dir():
        return []
    return sorted(path for path in lanes.iterdir() if path.is_dir() and path.name[0] != ".")


def bytes_in(lanes: Path, but: str = "") -> int:
    """Bytes of all segments, delivered parts included; the lane named *but* isn't counted."""
    total = 0
    for lane in lanes_in(lanes):
        if lane.name == but:
            continue
        for segment in segments_in(lane):
            try:
                total += segment.stat().st_size
            except OSError:  # delivered meanwhile
                continue
    return total


def segments_in(lane: Path) -> list[Path]:
    """The segments of the lane in this directory, oldest first; none if there is no directory."""
    try:
        found = [path for path in lane.iterdir() if _SEGMENT.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(path for path in found if path.is_file())


def _is_quiet(directory: Path) -> bool:
    """Whether a lane without a lock has segments, and nothing was done to it for a while."""
    try:
        segments = segments_in(directory)  # while a lane is removed, they go before the lock
        newest = max(path.stat().st_mtime for path in (directory, *segments))
    except OSError:
        return False
    # What lies in the future was done before the clock was set back: nobody knows when.
    return bool(segments) and not -1.0 <= time() - newest <= _QUIET_S


def _lock(path: Path, create: int = 0) -> int | None:
    """Hold *path* for the life of the process; None if another process does.

    A lane that is just being removed must stay empty, so *create* is for new lanes and lost locks.
    """
    lock_fd = os.open(path, os.O_RDWR | create, 0o600)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock_fd)
        return None
    return lock_fd


class Writer:
    """Appends to one lane. Any thread may append; the lock is hardly ever contended.

    Args:
        lane: held by this process.
        limit_bytes: of all lanes together.
        to_disk: brings a file's bytes to the disk itself, or raises OSError.

    Attributes:
        sequence: number of the segment being written; 0 before the first.
        committed: bytes of that segment that readers may see.
        unsynced: a `sync` has something to do.
        count: events appended since somebody last set it to 0.
    """

    def __init__(
        self, lane: Lane, *, limit_bytes: int, to_disk: Callable[[int], None] = _to_disk
    ) -> None:
        self.lane = lane
        self.sequence = 0
        self.committed = 0
        self.unsynced = False
        self.count = 0
        #: Bytes of segments that are closed, and of those deleted since: each has one writer.
        self._closed_bytes = 0
        self.released_bytes = 0
        #: Bytes of other lanes under the same limit; the sender looks now and then.
        self.elsewhere_bytes = 0
        self._limit_bytes = limit_bytes
        self._to_disk = to_disk
        # What is delivered counts until its segment is closed, so segments are a small part.
        self._segment_bytes = min(SEGMENT_BYTES, limit_bytes // 8)
        self._batch: Batch | None = None
        self._fd = -1
        self._retired: list[int] = []
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
        return self._closed_bytes + self.committed - self.released_bytes

    def append(self, batch: Batch, visitors: Sequence[str]) -> None:
        """Write *visitors*; when it returns, the death of the process can't take them.

        Raises:
            LaneClosed: nothing was written, nor will be.
            OutboxFull: nothing was written; what had been written stays.
            OSError: likewise, for any other reason than room.
        """
        data = ("\n".join(visitors) + "\n").encode("ascii")
        with self._lock:
            if self._sealed:
                raise LaneClosed("the outbox is closed")
            if self.held_bytes + self.elsewhere_bytes + len(data) > self._limit_bytes:
                why = f"the limit of {self._limit_bytes} bytes is reached"
                raise OutboxFull(why)
            if batch != self._batch or self.committed >= self._segment_bytes:
                self._open_segment(batch)
            self._write(data)
            self.count += len(visitors)

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
        header = json.dumps({"bucketer": _FORMAT, "region": batch.region, "head": batch.head})
        path = self.lane.directory / f"{self.sequence + 1:010}.jsonl"
        try:
            # For reading, too: see `descriptor`.
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutboxFull(f"no room on the disk ({os.strerror(error.errno)})") from error
            raise
        if self._fd >= 0:
            self._retired.append(self._fd)
        self._closed_bytes += self.committed
        self._fd = fd
        self._batch = None
        self._new_names = True
        self.committed = 0
        self.sequence += 1
        try:
            self._write((header + "\n").encode("ascii"))
        except (OutboxFull, OSError):
            self._fd = -1
            os.close(fd)
            path.unlink()
            raise
        self._batch = batch

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
                sequence, committed = self.sequence, self.committed
                retired, new_names = list(self._retired), self._new_names
                current = os.dup(self._fd) if self._fd >= 0 else -1
            try:
                for fd in (*retired, current):
                    if fd >= 0:
                        self._to_disk(fd)
                if new_names:
                    sync_directory(self.lane.directory)
            finally:
                if current >= 0:
                    os.close(current)
            with self._lock:
                self._retired = self._retired[len(retired) :]
                if self.sequence == sequence:
                    self._new_names = False
                    self.unsynced = self.committed > committed
            for fd in retired:
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
        """Take no more, bring everything to the disk and close the files; the lane stays.

        Raises:
            OSError: the disk refused; the files are closed.
        """
        self.seal()
        try:
            self.sync()
        finally:
            with self._lock:
                fds, self._fd, self._retired = [self._fd, *self._retired], -1, []
            for fd in fds:
                if fd >= 0:
                    os.close(fd)
