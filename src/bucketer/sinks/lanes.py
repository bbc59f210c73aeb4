"""Lanes: the directories in which events wait, one for each process that writes.

A *lane* lies under `<state>/outbox/lanes/`:

    lock                  held (flock) as long as the process lives; the kernel lets go of it
    0000000001.jsonl      a segment: one header line (the batch), then one visitor per line
    sent                  how far delivery has come, overwritten in place
    quota                 bytes of the outbox's limit that this lane may use
    counters.json         what its process has counted, for the command line

A lane whose lock can be taken belonged to a process that is gone; whoever takes it delivers what
is left and removes it. Whatever else lies in a lane is nobody's of ours: it is left alone, then
moved away with the lane. What can't be listed or read is never taken for empty.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from time import time

from .files import listed, private_directory, sync_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

_SEGMENT = re.compile(r"\d{10}\.jsonl")
#: What a delivered lane consists of, beside segments. Its lock goes last.
_BELONGINGS = ("sent", "quota", "counters.json", "counters.new", "lock")
#: A lane without a lock file is nobody's when nothing has changed in it for so long: the process
#: that wrote it would have seen within a second that its lock is gone, and have left.
_QUIET_S = 10.0


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
        """The lane's segments, oldest first.

        Raises:
            OSError: they can't be listed.
        """
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

    def remove(self, strays: Path, read_to: int) -> None:
        """Delete the lane, delivered or empty, and let go of its lock.

        Args:
            strays: a directory that takes what we have not put there; made if needed.
            read_to: number of the last segment that was read to its end. With a later one in the
                lane nothing is deleted.

        Raises:
            OSError: something can't be listed, deleted or moved, or was not delivered; the lock
                is let go of all the same.
        """
        try:
            segments = self.segments()
            if segments and int(segments[-1].stem) > read_to:
                raise OSError(errno.ENOTEMPTY, "a segment was not read", str(segments[-1]))
            ours = {*_BELONGINGS, *(path.name for path in segments)}
            for path in listed(self.directory, lambda entry: entry.name not in ours):
                private_directory(strays)
                path.rename(strays / f"{self.name}-{path.name}")
            for path in [*segments, *(self.directory / name for name in _BELONGINGS)]:
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
    """Whether the process that writes *directory* lives. Takes nothing over.

    Raises:
        OSError: nobody can tell.
    """
    try:
        lock_fd = _lock(directory / "lock")
    except FileNotFoundError:
        return False
    if lock_fd is None:
        return directory.exists()
    os.close(lock_fd)
    return False


def lanes_in(lanes: Path) -> list[Path]:
    """All lanes, oldest first, the living ones included; none if there is no such directory.

    Raises:
        OSError: they can't be listed.
    """
    return listed(lanes, lambda entry: entry.name[0] != "." and entry.is_dir())


def segments_in(lane: Path) -> list[Path]:
    """The segments of the lane in this directory, oldest first; none if there is no directory.

    Raises:
        OSError: they can't be listed.
    """
    return listed(lane, lambda entry: bool(_SEGMENT.fullmatch(entry.name)) and entry.is_file())


def bytes_in(lane: Path) -> int:
    """Bytes of its segments, delivered parts included.

    Raises:
        OSError: nobody can tell.
    """
    total = 0
    for segment in segments_in(lane):
        try:
            total += segment.stat().st_size
        except FileNotFoundError:  # delivered meanwhile
            continue
    return total


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
    except OSError:
        os.close(lock_fd)
        raise
    return lock_fd
