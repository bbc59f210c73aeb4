"""One limit of bytes for all lanes of an outbox, whichever processes write them.

Each lane is allotted bytes, a part of what is free, and written to without asking anybody until
they are used. Only then is everything that waits added up, one process at a time. How much a lane
was allotted stands in its file `quota`; of a lane whose process is gone only its bytes count.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from time import monotonic, sleep

from .files import private_directory
from .lanes import bytes_in, is_alive, lanes_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_QUOTA = "quota"
#: A lane is allotted so much of the limit at a time: what one process has and doesn't use, the
#: others can't.
_PARTS = 64
#: Nobody adds up for longer; a process that was stopped in the middle of it is not waited for.
_LONGEST_WAIT_S = 0.05


class Quota:
    """Who may keep how much.

    Args:
        lanes: the directory of all lanes. The lock lies beside it.
        limit_bytes: of all lanes together.

    Attributes:
        limit_bytes: likewise.
        part_bytes: what is allotted at a time.
    """

    def __init__(self, lanes: Path, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.part_bytes = limit_bytes // _PARTS
        self._lanes = lanes

    def allot(self, lane: Path, held_bytes: int, wanted_bytes: int) -> int:
        """How much *lane* may hold from now on: all it wants and some more, or what it holds.

        Args:
            lane: the caller's own.
            held_bytes: what it holds.
            wanted_bytes: what it wants to add.

        Raises:
            OSError: nobody can tell how much is free.
        """
        with self._alone():
            free = self.limit_bytes - held_bytes - self._elsewhere(lane)
            more = max(wanted_bytes, min(self.part_bytes, free // 2))
            allotted = held_bytes + (more if more <= free else 0)
            write_quota(lane, allotted)
        return allotted

    def _elsewhere(self, but: Path) -> int:
        """Bytes that all other lanes hold or, while their processes live, may come to hold."""
        total = 0
        for lane in lanes_in(self._lanes):
            if lane == but:
                continue
            try:
                held, allotted = bytes_in(lane), _read_quota(lane)
                total += allotted if allotted > held and is_alive(lane) else held
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    raise
                total += self.part_bytes  # it costs itself alone, and no other its events
        return total

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process adds up meanwhile.

        Raises:
            OSError: one does, and doesn't come to an end.
        """
        private_directory(self._lanes.parent)
        fd = os.open(self._lanes.parent / _QUOTA, os.O_RDWR | os.O_CREAT, 0o600)
        until = monotonic() + _LONGEST_WAIT_S
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if monotonic() > until:
                        raise
                    sleep(0.001)
            yield
        finally:
            os.close(fd)


def write_quota(lane: Path, allotted: int) -> None:
    """Say how much *lane* may hold.

    Raises:
        OSError: it can't be written.
    """
    fd = os.open(lane / _QUOTA, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(fd, b"%020d\n" % allotted, 0)
    finally:
        os.close(fd)


def give_up_quota(lane: Path) -> None:
    """Nothing more is written to *lane*: from now on it counts with what it holds.

    Raises:
        OSError: that can't be said.
    """
    (lane / _QUOTA).unlink(missing_ok=True)


def _read_quota(lane: Path) -> int:
    """What *lane* was allotted; 0 if nothing, or nothing that makes sense."""
    try:
        text = (lane / _QUOTA).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return int(text) if text[:-1].isdigit() and len(text) <= 21 else 0  # noqa: PLR2004 -- as written
