"""An outbox directory as a person at a terminal sees it: what waits, what died, what to do.

Reading takes no locks and changes nothing, so servers run on meanwhile.
"""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from .counters import NAMES, timestamp_of
from .dead_letters import DeadLetter, DeadLetters, read_letters
from .files import append_lines, private_directory
from .journal import Writer, is_alive, lanes_in, open_lane, segments_in
from .reader import read_cursor, read_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from bucketer.core.envelope import Batch

    from .journal import Lane


class Status(NamedTuple):
    """How an outbox stands.

    Attributes:
        processes: lanes whose process lives.
        waiting, waiting_bytes: events not delivered yet.
        oldest_age_s: of those, the longest since it was decided; 0 when none waits.
        dead, dead_bytes: the dead-letter store.
        unreadable: lines of the dead-letter store that are no letter.
        damaged_files: files with lines that were no event.
        counters: of the processes that live, summed up; each counts since it began.
        trouble: why delivery fails now, one line for each cause.
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


class Store:
    """The outbox in *home* (`<state>/outbox`); it need not exist."""

    def __init__(self, home: Path, limit_bytes: int) -> None:
        self._home = home
        self._lanes = home / "lanes"
        self._limit_bytes = limit_bytes
        self.dead = DeadLetters(home / "dead", "retry", limit_bytes)

    def status(self, now: float) -> Status:
        """Count everything; reads all that waits."""
        waiting = waiting_bytes = 0
        oldest_ms: int | None = None
        for _, visitor in self.waiting():
            waiting += 1
            waiting_bytes += len(visitor)
            decided_ms = timestamp_of(visitor)
            if decided_ms is not None and (oldest_ms is None or decided_ms < oldest_ms):
                oldest_ms = decided_ms
        living = [each for each in lanes_in(self._lanes) if is_alive(each)]
        reports = [_counters(each) for each in living]
        age_s = 0.0 if oldest_ms is None else max(0.0, now - oldest_ms / 1000)
        damaged = self._home / "damaged"
        letters = [isinstance(letter, DeadLetter) for letter in self.dead.read()]
        return Status(
            processes=len(living),
            waiting=waiting,
            waiting_bytes=waiting_bytes,
            oldest_age_s=round(age_s, 1),
            dead=sum(letters),
            dead_bytes=self.dead.size_bytes(),
            unreadable=len(letters) - sum(letters),
            damaged_files=len(list(damaged.iterdir())) if damaged.is_dir() else 0,
            counters={name: sum(each.get(name, 0) for each in reports) for name in NAMES},
            trouble=tuple(sorted({each["trouble"] for each in reports if each.get("trouble")})),
        )

    def waiting(self) -> Iterator[tuple[Batch, str]]:
        """What is not delivered yet, lane by lane, oldest first. May miss what moves meanwhile."""
        for lane in lanes_in(self._lanes):
            try:
                sequence, offset, _ = read_cursor(lane)
            except OSError:
                continue  # its process, or the next one, will say so
            for segment in segments_in(lane):
                if int(segment.stem) >= sequence:
                    start = offset if int(segment.stem) == sequence else 0
                    yield from _visitors(segment, start)

    def put_back(self) -> tuple[Lane, int]:
        """Make a lane of all dead letters, to be delivered like any other; return it held.

        Lines that are no letter go to `damaged/`.

        Raises:
            OutboxFull, OSError: there is no room; the letters that were not put back stay dead.
        """
        lane = open_lane(self._lanes, f"{int(time.time() * 1000):015}-retry")
        writer = Writer(lane, limit_bytes=self._limit_bytes)
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
        directory = self._home / "damaged"
        private_directory(directory)
        append_lines(directory / f"dead-{path.name}", line.rstrip(b"\n") + b"\n", sync=True)


def _visitors(segment: Path, start: int) -> Iterator[tuple[Batch, str]]:
    try:
        with segment.open("rb") as file:
            batch = read_header(file.readline())
            if batch is None:
                return
            file.seek(max(start, file.tell()))
            for line in file:
                if line.endswith(b"}\n"):
                    yield batch, line[:-1].decode("ascii", "replace")
    except OSError:  # delivered meanwhile
        return


def _counters(lane: Path) -> dict[str, Any]:
    """What the lane's process last wrote down; nothing in its first moments."""
    try:
        found = json.loads((lane / "counters.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
