"""What each of several workers finds out by itself, told once: by whichever holds a lock."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from typing import IO


class Speaker:
    """A filter of log records, one per worker process.

    A record that says `found_by_each` (of a file that isn't there, for one) passes in one of the
    processes only. When that one is gone, its lock is, and another speaks.
    """

    def __init__(self, path: str) -> None:
        """Agree with the others by *path*, a file that their parent keeps."""
        self._path = path
        self._lock: IO[bytes] | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether *record* is this process's to tell."""
        return not getattr(record, "found_by_each", False) or self._speaks()

    def close(self) -> None:
        """Let another one speak, as the end of the process does."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _speaks(self) -> bool:
        if self._lock is not None:
            return True
        try:
            lock = open(self._path, "rb")  # noqa: PTH123, SIM115 -- held as long as the process lives
        except OSError:  # better twice than never
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        except OSError:
            lock.close()
            return True
        self._lock = lock
        return True
