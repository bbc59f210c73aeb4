"""A lane in, parcels of visitors out, oldest first; remembers how far delivery has come."""

from __future__ import annotations

import json
import os

from bucketer.core.events import Batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .journal import Lane, Writer

    #: Called with the segment's path and the bytes that are no visitor.
    SetAside = Callable[[Path, bytes], None]

_CURSOR = "sent"
_VISITOR_STARTS = b'{"snapshots": ['
_VISITOR_ENDS = b"}"


class Parcel:
    """Visitors of one batch, in the order in which they were accepted.

    Attributes:
        batch: what they have in common.
        visitors: their JSON.
        sequence, offset: where the lane's cursor stands once the parcel is dealt with.
        ends: where it stands once each of the visitors is.
    """

    __slots__ = ("batch", "ends", "offset", "sequence", "visitors")

    def __init__(
        self, batch: Batch, visitors: list[str], sequence: int, offset: int, ends: list[int]
    ) -> None:
        self.batch = batch
        self.visitors = visitors
        self.sequence = sequence
        self.offset = offset
        self.ends = ends


class Reader:
    """Reads one lane that this process holds. For one thread.

    Args:
        lane: the lane.
        writer: who appends to it, or None for a lane that somebody else left behind; there each
            line is checked to be JSON, since nobody knows what happened to that process.
        set_aside: takes what can't be read, so that the rest can be delivered.
    """

    def __init__(self, lane: Lane, writer: Writer | None, set_aside: SetAside) -> None:
        self.lane = lane
        self._writer = writer
        self._set_aside = set_aside
        self._sequence, self._offset = read_cursor(lane.directory / _CURSOR)
        self._cursor_fd = os.open(lane.directory / _CURSOR, os.O_WRONLY | os.O_CREAT, 0o600)
        self._fd = -1
        self._batch: Batch | None = None
        self._drop_delivered()

    def next(self, max_events: int, max_bytes: int) -> Parcel | None:
        """The oldest visitors not dealt with, or None when there are none now.

        Asking again without `done` gives the same visitors again (or more of them).
        """
        while True:
            end = self._writer.end() if self._writer else None
            if self._fd < 0 and not self._open(end):
                return None
            closed = end is None or self._sequence < end[0]
            limit = None if closed or end is None else end[1]
            visitors, offset, ends = self._read(max_events, max_bytes, limit)
            if visitors and self._batch is not None:
                return Parcel(self._batch, visitors, self._sequence, offset, ends)
            if offset > self._offset:  # nothing but damage there
                self._move(self._sequence, offset)
            elif not closed:
                return None
            else:
                self._leave_segment()

    def done(self, parcel: Parcel) -> None:
        """Remember, beyond the death of the process, that *parcel* was dealt with."""
        self._move(parcel.sequence, parcel.offset)

    def done_with(self, parcel: Parcel, count: int) -> None:
        """The same for the first *count* of its visitors; the others come again."""
        if count:
            self._move(parcel.sequence, parcel.ends[count - 1])

    def close(self) -> None:
        """Close the files; the lane stays as it is."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        os.close(self._cursor_fd)

    def _move(self, sequence: int, offset: int) -> None:
        # One write of 32 bytes in place: a process can't die in the middle of it.
        os.pwrite(self._cursor_fd, b"%010d %020d\n" % (sequence, offset), 0)
        self._sequence, self._offset = sequence, offset

    def _open(self, end: tuple[int, int] | None) -> bool:
        """Open the oldest segment that isn't delivered and read its header; False if none is."""
        if end is not None and end[0] == 0:
            return False
        for path in self.lane.segments():
            sequence = int(path.stem)
            if sequence < self._sequence:
                continue
            if end is not None and sequence == end[0] and end[1] == 0:
                return False  # its header is being written
            if sequence > self._sequence:
                self._move(sequence, 0)
            self._fd = os.open(path, os.O_RDONLY)
            self._read_header(path)
            return True
        return False

    def _read_header(self, path: Path) -> None:
        """Learn the segment's batch; None if nobody can: then all of its lines are damage."""
        line = os.pread(self._fd, 65_536, 0).partition(b"\n")[0]
        self._batch = read_header(line)
        if self._batch is None and self._offset == 0:
            self._set_aside(path, line[:1_000])
        elif self._batch is not None and self._offset == 0:
            self._offset = len(line) + 1

    def _read(
        self, max_events: int, max_bytes: int, limit: int | None
    ) -> tuple[list[str], int, list[int]]:
        """Up to *max_events* whole lines from the cursor; the offset behind all, and each."""
        size = max_bytes if limit is None else min(max_bytes, limit - self._offset)
        data = os.pread(self._fd, size, self._offset) if size > 0 else b""
        while data and b"\n" not in data and len(data) == size and limit is None:
            size *= 2  # one line longer than a whole parcel
            data = os.pread(self._fd, size, self._offset)
        lines = data.split(b"\n", max_events)
        rest = lines.pop()
        if rest and not lines and limit is None:  # the last line was torn when its process died
            self._damaged(rest)
            return [], self._offset + len(rest), []
        visitors, ends = self._visitors(lines)
        return visitors, self._offset + len(data) - len(rest), ends

    def _visitors(self, lines: list[bytes]) -> tuple[list[str], list[int]]:
        """The lines that are visitors, and where each of them ends."""
        check = _is_visitor if self._writer else _is_json_visitor
        visitors, ends = [], []
        end = self._offset
        for line in lines:
            end += len(line) + 1
            if self._batch is not None and check(line):
                visitors.append(line.decode("ascii"))
                ends.append(end)
            else:
                self._damaged(line)
        return visitors, ends

    def _damaged(self, line: bytes) -> None:
        self._set_aside(self.lane.directory / f"{self._sequence:010}.jsonl", line)

    def _leave_segment(self) -> None:
        """The segment is delivered: move on, then delete it."""
        os.close(self._fd)
        self._fd = -1
        self._move(self._sequence + 1, 0)
        self._drop_delivered()

    def _drop_delivered(self) -> None:
        """Delete segments before the cursor: the process may have died before it could."""
        for path in self.lane.segments():
            if int(path.stem) < self._sequence:
                if self._writer:
                    self._writer.released_bytes += path.stat().st_size
                path.unlink()


def read_header(line: bytes) -> Batch | None:
    """The batch that a segment's first line names, or None if it names none."""
    try:
        header = json.loads(line)
        return Batch(header["region"], header["head"])
    except (ValueError, TypeError, KeyError):
        return None


def read_cursor(path: Path) -> tuple[int, int]:
    """Where delivery had come to; the beginning when nobody knows (repeats are harmless)."""
    try:
        sequence, offset = path.read_bytes().split()
        return int(sequence), int(offset)
    except (FileNotFoundError, ValueError):
        return 0, 0


def _is_visitor(line: bytes) -> bool:
    """Cheap, for lines that this very process has written."""
    return line.startswith(_VISITOR_STARTS) and line.endswith(_VISITOR_ENDS) and line.isascii()


def _is_json_visitor(line: bytes) -> bool:
    if not _is_visitor(line):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
