"""One limit of bytes for all lanes of an outbox, whichever processes write them.

Each lane is allotted bytes, a part of what is free, and written to without asking anybody until
they are used. Only then is everything that waits added up, one process at a time. How much a lane
was allotted stands in its file `quota`; of a lane whose process is gone only its bytes count.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
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
#: So many lanes of processes that are gone are looked at again when it is added up.
_LOOKED_AT_AGAIN = 50
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
        #: What lanes held whose processes are gone. They only shrink, so not all of them are
        #: looked at each time: there may be thousands, and the loop waits for it.
        self._gone: dict[Path, int] = {}
        #: What was granted without adding up, since the last time that it could be.
        self._unasked_bytes = 0

    def allot(self, lane: Path, held_bytes: int, wanted_bytes: int) -> int:
        """How much *lane* may hold from now on: all it wants and some more, or what it holds.

        Args:
            lane: the caller's own.
            held_bytes: what it holds.
            wanted_bytes: what it wants to add.

        While another process keeps the lock it is all it wants, up to one part more than its due.

        Raises:
            OSError: nobody can tell how much is free.
        """
        try:
            with self._alone():
                free = self.limit_bytes - held_bytes - self._elsewhere(lane)
                more = max(wanted_bytes, min(self.part_bytes, free // 2))
                allotted = held_bytes + (more if more <= free else 0)
                write_quota(lane, allotted)
                self._unasked_bytes = 0
        except BlockingIOError:
            # Another process adds up, and was stopped in the middle of it: on a machine that has
            # too much to do, that must not cost an event.
            self._unasked_bytes += wanted_bytes
            if self._unasked_bytes > self.part_bytes:
                raise
            return held_bytes + wanted_bytes
        return allotted

    def _elsewhere(self, but: Path) -> int:
        """Bytes that all other lanes hold or, while their processes live, may come to hold."""
        again = set(random.sample(list(self._gone), min(_LOOKED_AT_AGAIN, len(self._gone))))
        known = {lane: held for lane, held in self._gone.items() if lane not in again}
        self._gone = {}
        total = 0
        for lane in lanes_in(self._lanes):
            if lane in known:
                self._gone[lane] = known[lane]
                total += known[lane]
            elif lane != but:
                total += self._look_at(lane)
        return total

    def _look_at(self, lane: Path) -> int:
        """The bytes with which one of the others counts."""
        try:
            held, allotted = bytes_in(lane), _read_quota(lane)
            if is_alive(lane):
                return max(held, allotted)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            return self.part_bytes  # it costs itself alone, and no other its events
        self._gone[lane] = held
        return held

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process adds up meanwhile.

        Raises:
            OSError: one does, and doesn't come to an end.
        """
        private_directory(self._lanes.parent)
        fd = os.open(self._lanes.parent / _QUOTA, os.O_RDWR | os.O_CREAT, 0o600)
        # Who has waited in vain once doesn't wait again before it was let in.
        until = monotonic() + (0.0 if self._unasked_bytes else _LONGEST_WAIT_S)
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
