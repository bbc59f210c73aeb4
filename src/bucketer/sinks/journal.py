"""Events in, lines of a file out: the durable home of what is decided but not delivered.

One process writes one *lane*, a directory under `<state>/outbox/lanes/`:

    lock                  held (flock) as long as the process lives; the kernel lets go of it
    0000000001.jsonl      a segment: one header line (the batch), then one visitor per line
    sent                  "segment offset": what has been delivered, overwritten in place

A lane whose lock can be taken belonged to a process that is gone; whoever takes it delivers what
is left and removes it. A segment holds one batch, so events that may not travel together never
meet. An append is one `write` to the end of a file: once it has returned, the death of the
process can't take the events. Only a crash of the machine can, until the next `fdatasync`.

See docs/decisions/0050: why an append-only log and not SQLite.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading

from .outbox import OutboxFull

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bucketer.core.events import Batch

#: A segment is closed at this size; what is delivered is deleted a segment at a time.
SEGMENT_BYTES = 8 * 1024 * 1024

_FORMAT = 1


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
        return sorted(self.directory.glob("*.jsonl"))

    def remove(self) -> None:
        """Delete the lane, delivered or empty, and let go of its lock."""
        for path in sorted(self.directory.iterdir(), key=lambda path: path.name == "lock"):
            path.unlink()
        self.directory.rmdir()
        self.release()

    def release(self) -> None:
        """Let go of the lock: another process may take the lane over."""
        os.close(self._lock_fd)


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
    unborn = lanes / f".{name}"
    unborn.mkdir(parents=True)
    lock_fd = _lock(unborn / "lock", os.O_CREAT)
    if lock_fd is None:  # nobody else knows the name
        raise OSError(errno.EAGAIN, "lock taken on a lane just made", str(unborn))
    directory = lanes / name
    unborn.rename(directory)
    return Lane(directory, lock_fd)


def adopt_lane(directory: Path) -> Lane | None:
    """Take over *directory* if the process that wrote it is gone, else return None."""
    try:
        lock_fd = _lock(directory / "lock")
    except FileNotFoundError:  # somebody adopted, delivered and removed it
        return None
    if lock_fd is None:
        return None
    if not directory.exists():
        os.close(lock_fd)
        return None
    return Lane(directory, lock_fd)


def is_alive(directory: Path) -> bool:
    """Whether the process that writes *directory* lives. Takes nothing over."""
    lane = adopt_lane(directory)
    if lane is None:
        return directory.exists()
    lane.release()
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
        for segment in lane.glob("*.jsonl"):
            try:
                total += segment.stat().st_size
            except FileNotFoundError:  # delivered meanwhile
                continue
    return total


def _lock(path: Path, create: int = 0) -> int | None:
    """Hold *path* for the life of the process; None if another process does.

    Only who makes a lane makes its lock: a lane that is just being removed must stay empty.
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

    Attributes:
        sequence: number of the segment being written; 0 before the first.
        committed: bytes of that segment that readers may see.
        unsynced: a `sync` has something to do.
        count: events appended since somebody last set it to 0.
    """

    def __init__(self, lane: Lane, *, limit_bytes: int) -> None:
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
        # What is delivered counts until its segment is closed, so segments are a small part.
        self._segment_bytes = min(SEGMENT_BYTES, limit_bytes // 8)
        self._batch: Batch | None = None
        self._fd = -1
        self._retired: list[int] = []
        self._lock = threading.Lock()

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
            OutboxFull: nothing was written; what had been written stays.
            OSError: likewise, for any other reason than room.
        """
        data = ("\n".join(visitors) + "\n").encode("ascii")
        with self._lock:
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
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutboxFull(f"no room on the disk ({os.strerror(error.errno)})") from error
            raise
        if self._fd >= 0:
            self._retired.append(self._fd)
        self._closed_bytes += self.committed
        self._fd = fd
        self._batch = None
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

        Raises:
            OSError: the disk refused.
        """
        with self._lock:
            if not self.unsynced:
                return
            self.unsynced = False
            waiting, self._retired = self._retired, []
            new_names = bool(waiting) or self.sequence == 1
            if self._fd >= 0:
                waiting.append(os.dup(self._fd))
        try:
            for fd in waiting:
                os.fdatasync(fd)
            if new_names:
                _sync_directory(self.lane.directory)
        finally:
            for fd in waiting:
                os.close(fd)

    def close(self) -> None:
        """Bring everything to the disk and close the files; the lane stays."""
        self.sync()
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            self._batch = None  # a later append would open a new segment


def _sync_directory(directory: Path) -> None:
    """Without this a crash of the machine may lose a new file's name, and its bytes with it."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
