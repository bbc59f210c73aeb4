"""An outbox directory as a person at a terminal sees it: what waits, what died, what to do.

Reading takes no locks and changes nothing, so servers run on meanwhile.
"""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from .counters import NAMES, timestamp_of
from .cursor import read_cursor
from .dead_letters import DeadLetter, DeadLetters, read_letters
from .files import append_lines, listed, private_directory
from .journal import Writer
from .lanes import is_alive, lanes_in, open_lane, segments_in
from .published import COUNTERS
from .quota import Quota
from .records import lines_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from bucketer.core.envelope import Batch

    from .lanes import Lane


class Status(NamedTuple):
    """How an outbox stands.

    Attributes:
        processes: lanes whose own process lives.
        waiting, waiting_bytes: events not delivered yet.
        oldest_age_s: of those, the longest since it was decided; 0 when none waits.
        dead, dead_bytes: the dead-letter store.
        unreadable: lines of the dead-letter store that are no letter.
        damaged_files: files with lines that were no event.
        counters: of the processes that live, summed up; each counts since it began.
        trouble: why delivery fails now, one line for each cause.
        unread: what could not be read, and so isn't counted, each with why.
    """

    processes: int
    waiting: int
    waiting_bytes: int
    oldest_age_s: float
    dead: int
    dead_bytes: int
    unreadable: int
    damaged_files: int
    counters: dict[str, int]
    trouble: tuple[str, ...]
    unread: tuple[str, ...]


class Store:
    """The outbox in *directory* (`<state>/outbox`); it need not exist."""

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory = directory
        self._lanes = directory / "lanes"
        self._limit_bytes = limit_bytes
        self.dead = DeadLetters(directory / "dead", "retry", limit_bytes)

    def status(self, now: float) -> Status:
        """Count everything; reads all that waits. What can't be read is named."""
        waiting = waiting_bytes = 0
        oldest_ms: int | None = None
        unread: list[str] = []
        damaged = 0
        for each in self.waiting(unread):
            if isinstance(each, bytes):
                damaged += 1
                continue
            visitor = each[1]
            waiting += 1
            waiting_bytes += len(visitor)
            decided_ms = timestamp_of(visitor)
            if decided_ms is not None and (oldest_ms is None or decided_ms < oldest_ms):
                oldest_ms = decided_ms
        if damaged:
            unread.append(f"{self._lanes}: {damaged} lines are damaged")
        reports = self._reports(unread)
        age_s = 0.0 if oldest_ms is None else max(0.0, now - oldest_ms / 1000)
        letters = [isinstance(letter, DeadLetter) for letter in self.letters(unread)]
        dead_bytes = damaged_files = 0
        try:
            dead_bytes = self.dead.size_bytes()
            damaged_files = len(listed(self._directory / "damaged", lambda _: True))
        except OSError as error:
            unread.append(_said(self._directory, error))
        return Status(
            processes=len(reports),
            waiting=waiting,
            waiting_bytes=waiting_bytes,
            oldest_age_s=round(age_s, 1),
            dead=sum(letters),
            dead_bytes=dead_bytes,
            unreadable=len(letters) - sum(letters),
            damaged_files=damaged_files,
            counters={name: sum(each.get(name, 0) for each in reports) for name in NAMES},
            trouble=tuple(sorted({each["trouble"] for each in reports if each.get("trouble")})),
            unread=tuple(dict.fromkeys(unread)),
        )

    def waiting(self, unread: list[str]) -> Iterator[tuple[Batch, str] | bytes]:
        """What is not delivered yet, lane by lane, oldest first. May miss what moves meanwhile.

        Damaged lines are among it, as they are.

        Args:
            unread: told what could not be read, and why.
        """
        for lane in self._lanes_in(unread):
            try:
                cursor, _ = read_cursor(lane)
                for segment in segments_in(lane):
                    sequence = int(segment.stem)
                    if sequence >= cursor.sequence:
                        start = cursor.offset if sequence == cursor.sequence else 0
                        yield from lines_in(segment, start)
            except OSError as error:
                unread.append(_said(lane, error))

    def letters(self, unread: list[str]) -> Iterator[DeadLetter | bytes]:
        """The dead letters, and lines that are none; *unread* is told what could not be read."""
        try:
            yield from self.dead.read()
        except OSError as error:
            unread.append(_said(self._directory, error))

    def _lanes_in(self, unread: list[str]) -> list[Path]:
        try:
            return lanes_in(self._lanes)
        except OSError as error:
            unread.append(_said(self._lanes, error))
            return []

    def _reports(self, unread: list[str]) -> list[dict[str, Any]]:
        """What the processes that live last wrote down."""
        reports = []
        for lane in self._lanes_in(unread):
            try:
                if is_alive(lane) and (report := _counters(lane)) is not None:
                    reports.append(report)
            except OSError as error:
                unread.append(_said(lane, error))
        return reports

    def put_back(self) -> tuple[Lane, int]:
        """Make a lane of all dead letters, to be delivered like any other; return it held.

        Lines that are no letter go to `damaged/`.

        Raises:
            OutboxFull, OSError: there is no room; the letters that were not put back stay dead.
        """
        lane = open_lane(self._lanes, f"{int(time.time() * 1000):015}-retry")
        writer = Writer(lane, Quota(self._lanes, self._limit_bytes))
        count = 0
        try:
            for path in self.dead.take():
                for letter in read_letters(path):
                    if isinstance(letter, bytes):
                        self._set_aside(path, letter)
                        continue
                    writer.append(letter.batch, [letter.visitor])
                    count += 1
                writer.sync()
                path.unlink()
        finally:
            writer.close()
        return lane, count

    def _set_aside(self, path: Path, line: bytes) -> None:
        directory = self._directory / "damaged"
        private_directory(directory)
        append_lines(directory / f"dead-{path.name}", line.rstrip(b"\n") + b"\n", sync=True)


def _counters(lane: Path) -> dict[str, Any] | None:
    """What the lane's process last wrote down; None in its first moments, and when it is gone.

    Whoever takes the lane over deletes the file, and holds the lock from then on.

    Raises:
        OSError: it can't be read.
    """
    try:
        found = json.loads((lane / COUNTERS).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _said(path: Path, error: OSError) -> str:
    return f"{error.filename or path}: {error.strerror or error}"
