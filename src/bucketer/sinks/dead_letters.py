"""Events that the collector refused for good: kept as lines of JSON, to be looked at and replayed.

`<outbox>/dead/<lane>.jsonl`, one line per event: when and why it died, all that is needed to send
it again, and a checksum of what stands before it. Who edits a line takes its `crc32` out; lines
from before there were checksums have none, either. Every writer opens, locks, appends and closes,
so the command line may take the files away while servers run.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import time
from contextlib import contextmanager
from zlib import crc32

from .files import append_lines, listed, private_directory
from .records import batch_from, is_json_visitor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bucketer.core.envelope import Batch

    from .delivery import Verdict

_log = logging.getLogger("bucketer.outbox")

#: In front of a line's checksum, which ends it.
_CHECKSUM = ', "crc32": "'
_CHECKED = re.compile('([0-9a-f]{8})"}')
_FIELDS = {"at", "status", "why", "region", "head", "visitor"}
#: When the store is full, so many bytes of events go to the log in an hour.
LOGGED_BYTES = 1024 * 1024
_LOGGED_AGAIN_S = 3_600.0


class DeadLetter:
    """One event that was refused.

    Attributes:
        at: when, in seconds since 1970.
        status, why: the collector's answer.
        batch, visitor: the event, ready to be sent again.
    """

    __slots__ = ("at", "batch", "status", "visitor", "why")

    def __init__(self, at: float, status: int, why: str, batch: Batch, visitor: str) -> None:
        self.at = at
        self.status = status
        self.why = why
        self.batch = batch
        self.visitor = visitor

    def to_line(self) -> str:
        """One line of JSON; the visitor stays as it is, an object."""
        about = json.dumps(
            {
                "at": round(self.at, 3),
                "status": self.status,
                "why": self.why,
                "region": self.batch.region,
                "head": self.batch.head,
            }
        )
        line = f'{about[:-1]}, "visitor": {self.visitor}'
        return f'{line}{_CHECKSUM}{crc32(line.encode("ascii")):08x}"}}\n'


class DeadLetters:
    """The store, in *directory*; one per process, and one in the command line."""

    def __init__(self, directory: Path, name: str, limit_bytes: int) -> None:
        self._directory = directory
        self._path = directory / f"{name}.jsonl"
        self._limit_bytes = limit_bytes
        self._logged_bytes = 0
        self._logged_since = -_LOGGED_AGAIN_S

    def keep(self, batch: Batch, visitors: Sequence[str], verdict: Verdict, now: float) -> bool:
        """Keep what was refused; without room for it the log has it, as far as that is bounded.

        Returns:
            Whether it was kept.
        """
        try:
            if self.add(batch, visitors, verdict, now):
                return True
            why = f"the limit of {self._limit_bytes} bytes is reached"
        except OSError as error:
            why = error.strerror or type(error).__name__
        if time.monotonic() - self._logged_since >= _LOGGED_AGAIN_S:
            self._logged_since, self._logged_bytes = time.monotonic(), 0
        whole = 0
        for visitor in visitors:
            self._logged_bytes += len(visitor)
            if self._logged_bytes > LOGGED_BYTES:
                break
            whole += 1
            _log.error("outbox: dead letter without room: %s", json.dumps([*batch, visitor]))
        _log.error(
            "outbox: %d dead letters could not be kept (%s) and are lost; the log has %d of them",
            len(visitors), why, whole,
        )  # fmt: skip
        return False

    def add(self, batch: Batch, visitors: Sequence[str], verdict: Verdict, now: float) -> bool:
        """Keep what was refused, on the disk when this returns; False when there is no room.

        Raises:
            OSError: the disk refused; nothing of them is kept.
        """
        letters = [DeadLetter(now, verdict.status, verdict.why, batch, each) for each in visitors]
        data = "".join(letter.to_line() for letter in letters).encode("ascii")
        with self._alone():
            if sum(path.stat().st_size for path in self._files()) + len(data) > self._limit_bytes:
                return False
            append_lines(self._path, data, sync=True)
        return True

    def __iter__(self) -> Iterator[DeadLetter]:
        """All dead letters of all processes, file by file, oldest file first."""
        return (letter for letter in self.read() if isinstance(letter, DeadLetter))

    def read(self) -> Iterator[DeadLetter | bytes]:
        """The same, with the lines that are no letter as they were found."""
        for path in [*self._files(".taken"), *self._files()]:
            yield from read_letters(path)

    def take(self) -> list[Path]:
        """Set all files apart, so that no process adds to them any more, and return them.

        Read them with `read_letters` and delete each once its letters are safe elsewhere. Files
        that an earlier taker left behind are among them.
        """
        with self._alone():
            for path in self._files():
                # In containers every process may have the same number; a rename would replace.
                path.rename(path.with_suffix(f".{time.time_ns()}-{os.getpid()}.taken"))
        return self._files(".taken")

    def size_bytes(self) -> int:
        """Bytes of all files of the store."""
        return sum(path.stat().st_size for path in self._files())

    def _files(self, suffix: str = ".jsonl") -> list[Path]:
        return listed(self._directory, lambda entry: entry.name.endswith(suffix))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process adds or takes meanwhile."""
        private_directory(self._directory)
        fd = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def read_letters(path: Path) -> Iterator[DeadLetter | bytes]:
    """The letters of one file; a torn or edited line that is none comes as it was found."""
    try:
        with path.open("rb") as file:
            for line in file:
                yield _letter(line) or line
    except FileNotFoundError:  # taken and sent meanwhile
        return


def _letter(line: bytes) -> DeadLetter | None:
    try:
        text, _, checksum = line.decode("ascii").rstrip("\n").rpartition(_CHECKSUM)
        checked = _CHECKED.fullmatch(checksum)
        if checked and int(checked[1], 16) != crc32(text.encode("ascii")):
            return None
        found = json.loads(f"{text}}}" if checked else line)
        if found.keys() != _FIELDS:
            return None
        at, status, why = found["at"], found["status"], found["why"]
        batch = batch_from(found["region"], found["head"])
        visitor = json.dumps(found["visitor"])
        time.gmtime(at)
    except (ValueError, AttributeError, TypeError, OverflowError, OSError, RecursionError):
        return None
    if not (batch and isinstance(status, int) and isinstance(why, str)):
        return None
    return DeadLetter(at, status, why, batch, visitor) if is_json_visitor(visitor) else None
