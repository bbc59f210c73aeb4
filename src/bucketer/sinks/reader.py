"""A lane in, parcels of visitors out, oldest first; remembers how far delivery has come."""

from __future__ import annotations

import json
import logging
import os

from .cursor import Cursor, read_cursor, write_cursor
from .records import bytes_of, last_header, next_header, read_header, read_visitors, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bucketer.core.envelope import Batch

    from .journal import Writer
    from .lanes import Lane
    from .records import Header

    #: Called with the segment's path and its lines that are no visitors.
    SetAside = Callable[[Path, list[bytes]], None]

_log = logging.getLogger("bucketer.outbox")

_HEADER_BYTES = 65_536
#: Of a line, in which the next ones may be longer.
_SPARE_BYTES = 16


class Parcel:
    """Visitors, of one batch or several, in the order in which they were accepted.

    Attributes:
        visitors: their JSON.
        batches: to each, which others it may travel with.
        sequence, offset: where the lane's cursor stands once the parcel is dealt with.
        ends: where it stands once each of the visitors is.
        damaged: lines between them that are no visitor, each with where it ends.
        headers: those between them, each with where it ends.
        is_last: nothing waited behind it when it was read.
    """

    __slots__ = (
        "batches",
        "damaged",
        "ends",
        "headers",
        "is_last",
        "offset",
        "sequence",
        "visitors",
    )

    def __init__(self, sequence: int, offset: int) -> None:
        self.visitors: list[str] = []
        self.batches: list[Batch] = []
        self.sequence = sequence
        self.offset = offset
        self.ends: list[int] = []
        self.damaged: list[tuple[int, bytes]] = []
        self.headers: list[tuple[int, Header]] = []
        self.is_last = False

    def lines(self) -> int:
        """How many were read, whatever they are."""
        return len(self.visitors) + len(self.headers) + len(self.damaged)


class Reader:
    """Reads one lane that this process holds. For one thread.

    Args:
        lane: the lane.
        writer: who appends to it, or None for a lane that somebody else left behind.
        set_aside: takes what can't be read, so that the rest can be delivered.

    Raises:
        OSError: the lane can't be read, or its cursor not written.
    """

    def __init__(self, lane: Lane, writer: Writer | None, set_aside: SetAside) -> None:
        self.lane = lane
        self.writer = writer
        self._set_aside = set_aside
        cursor, doubt = read_cursor(lane.directory)
        if doubt:
            _log.error(
                "outbox: lane %s: %s; it is delivered from its beginning, so some may arrive twice",
                lane.name, doubt,
            )  # fmt: skip
        self._sequence, self._offset = cursor.sequence, cursor.offset
        #: What was written to the lane, for all that is known: segment and bytes.
        self._written = cursor.written
        #: What was read, or need not be; None as long as nobody knows where delivery had come to.
        self._read_to = None if cursor.is_vague else (self._sequence, self._offset)
        #: The last segment of which damage was told.
        self._told = 0
        self._cursor_fd = os.open(lane.directory / "sent", os.O_WRONLY | os.O_CREAT, 0o600)
        self._fd = -1
        self._header: Header | None = None
        #: What was read and waits for others to join it: only what came since is read, then.
        self._kept: Parcel | None = None
        self._forgetful = False
        #: What a line takes, by the last that were read, and some more; 0 before the first.
        self._line_bytes = 0
        try:
            self._move(self._sequence, self._offset)  # takes its room while there is some
            self._drop_delivered()
        except OSError:
            self.close()
            raise

    def next(self, max_events: int, max_bytes: int) -> Parcel | None:
        """The oldest visitors not dealt with, or None when there are none now.

        Asking again without `done` gives the same visitors again (or more of them). A visitor
        larger than *max_bytes* comes alone.

        Raises:
            OSError: nobody can tell what waits.
        """
        while True:
            end = self.writer.end() if self.writer else None
            if self._fd < 0 and not self._open(end):
                if end is None:
                    self._miss(*self._written)
                return None
            closed = end is None or self._sequence < end[0]
            limit = None if closed or end is None else end[1]
            parcel = self._read(max_events, max_bytes, limit)
            if parcel.visitors:
                parcel.is_last = parcel.offset == limit
                self._kept = parcel if parcel.is_last else None
                return parcel
            if parcel.offset > self._offset:  # nothing but damage there, or a header
                self.done(parcel)
            elif closed:
                self._leave_segment()
            elif not self._lost_its_end(limit or 0):
                return None

    def done(self, parcel: Parcel) -> None:
        """Remember, beyond the death of the process, that *parcel* was dealt with."""
        self._settle(parcel, parcel.offset)

    def done_with(self, parcel: Parcel, count: int) -> None:
        """The same for the first *count* of its visitors; the others come again."""
        if count:
            self._settle(parcel, parcel.ends[count - 1])

    def note_end(self) -> None:
        """Remember how much was written: should its end get lost, that will be noticed."""
        self._move(self._sequence, self._offset)

    def position(self) -> tuple[int, int]:
        """Segment and offset of what isn't dealt with."""
        return self._sequence, self._offset

    def last_read(self) -> int:
        """Number of the last segment that was read to its end."""
        return self._sequence if self._offset else self._sequence - 1

    def has_read_all(self) -> bool:
        """Whether the cursor stands where its writer stands: nothing in our own lane waits."""
        return self.writer is not None and self.position() == self.writer.end()

    def close(self) -> None:
        """Close the files; the lane stays as it is."""
        fds, self._fd, self._cursor_fd = (self._fd, self._cursor_fd), -1, -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)

    def _settle(self, parcel: Parcel, offset: int) -> None:
        """Only now is what was damaged set aside: a parcel is read again as long as it waits."""
        damaged = [line for end, line in parcel.damaged if end <= offset]
        if damaged:
            self._set_aside(self._path(parcel.sequence), damaged)
            self._told = parcel.sequence
            parcel.damaged = parcel.damaged[len(damaged) :]
        for end, header in parcel.headers:
            if end <= offset:
                self._header = header
        self._move(parcel.sequence, offset)
        self._read_to = parcel.sequence, offset

    def _move(self, sequence: int, offset: int) -> None:
        self._sequence, self._offset, self._kept = sequence, offset, None
        if self.writer is not None:
            self._written = max(self._written, self.writer.end())
        try:
            write_cursor(self._cursor_fd, Cursor(sequence, offset, self._written))
            self._forgetful = False
        except OSError as error:  # no reason to keep events back; on a full disk least of all
            if not self._forgetful:
                _log.error(
                    "outbox: lane %s: its cursor can't be written (%s); should this process die, "
                    "what it delivers now is delivered twice", self.lane.name, error.strerror,
                )  # fmt: skip
            self._forgetful = True

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
            self._begin(sequence, os.open(path, os.O_RDONLY))
            return True
        if end is not None and self.writer is not None and self._sequence <= end[0] and end[1]:
            # Somebody has deleted the file that is being written; its bytes are still there.
            fd = self.writer.descriptor(end[0])
            if fd is not None:
                self._begin(end[0], fd)
                return True
        return False

    def _begin(self, sequence: int, fd: int) -> None:
        """Read a segment from the cursor on, or from its first line when the cursor is before."""
        self._fd = fd
        line = text_of(os.pread(fd, _HEADER_BYTES, 0).partition(b"\n")[0])
        # Without a header nobody can say where its lines belong, so they and it are damage.
        self._header = read_header(line)
        if self._header is not None:
            self._miss(*self._header.after)
        if sequence > self._sequence:
            self._move(sequence, 0)
        if self._offset == 0 and self._header is not None:
            self._offset = len(line) + 1
        elif self._offset:
            self._header = last_header(text_of(os.pread(fd, self._offset, 0))) or self._header
        self._read_to = sequence, self._offset

    def _read(self, max_events: int, max_bytes: int, limit: int | None) -> Parcel:
        """Up to *max_events* whole lines from the cursor on, not beyond *limit*."""
        kept, self._kept = self._kept, None
        if kept is not None and limit is not None:
            count, size = max_events - kept.lines(), max_bytes - (kept.offset - self._offset)
            if count >= 0 and size >= 0:
                size = min(size, limit - kept.offset)
                data = os.pread(self._fd, size, kept.offset) if count and size > 0 else b""
                self._take(kept, text_of(data).split("\n", count)[:-1])
                return kept
        room = 1 << 62 if limit is None else max(0, limit - self._offset)
        size = min(max_bytes, room)
        if self._line_bytes:  # what is read beyond the last line is read for nothing
            size = min(size, max_events * self._line_bytes)
        data = os.pread(self._fd, size, self._offset) if size else b""
        while len(data) == size < room and b"\n" not in data:
            size = min(size * 2, room)  # one line longer than a whole parcel
            data = os.pread(self._fd, size, self._offset)
        lines = text_of(data).split("\n", max_events)
        rest = lines.pop()
        parcel = Parcel(self._sequence, self._offset)
        self._take(parcel, lines)
        if lines:
            self._line_bytes = _SPARE_BYTES + (parcel.offset - self._offset) * 9 // 8 // len(lines)
        if rest and not lines and limit is None:  # the last line was torn when its process died
            parcel.offset += len(rest)
            parcel.damaged.append((parcel.offset, bytes_of(rest)))
        return parcel

    def _take(self, parcel: Parcel, lines: list[str]) -> None:
        """Add *lines*, which stand behind those of *parcel*."""
        header = parcel.headers[-1][1] if parcel.headers else self._header
        waiting, end = iter(lines), parcel.offset
        while True:
            if header is None:
                line = next(waiting, None)
            else:
                known = len(parcel.visitors)
                line = read_visitors(waiting, header, parcel.visitors, parcel.ends, end)
                if found := len(parcel.visitors) - known:
                    parcel.batches += [header.batch] * found
                    end = parcel.ends[-1]
            if line is None:
                break
            end += len(line) + 1
            if another := next_header(line):
                header = another
                parcel.headers.append((end, another))
            else:
                parcel.damaged.append((end, bytes_of(line)))
        parcel.offset = end

    def _lost_its_end(self, limit: int) -> bool:
        """Whether the segment being written is shorter than what was written to it.

        Then nothing more goes there, and what is left of it is read as of any other.
        """
        if self.writer is None or os.fstat(self._fd).st_size >= limit:
            return False
        self.writer.abandon(self._sequence)
        return True

    def _leave_segment(self) -> None:
        """The segment is delivered: move on, then delete it."""
        if self.writer is not None:
            self._miss(self._sequence, self.writer.written_to(self._sequence))
        fd, self._fd = self._fd, -1
        os.close(fd)
        read_to = self._sequence, self._offset
        self._move(self._sequence + 1, 0)
        self._read_to = read_to
        self._drop_delivered()

    def _miss(self, sequence: int, size: int) -> None:
        """Tell of bytes that were written to a segment, and that weren't there to be read."""
        if self._read_to is None or (sequence, size) <= self._read_to:
            return
        read = self._read_to[1] if self._read_to[0] == sequence else 0
        self._read_to = sequence, size
        if sequence == self._told:
            return
        line = json.dumps({"lost": size - read, "of": size, "why": "the file lost its end"})
        self._set_aside(self._path(sequence), [line.encode("ascii")])

    def _path(self, sequence: int) -> Path:
        return self.lane.directory / f"{sequence:010}.jsonl"

    def _drop_delivered(self) -> None:
        """Delete segments before the cursor: the process may have died before it could."""
        for path in self.lane.segments():
            if int(path.stem) < self._sequence:
                try:
                    path.unlink(missing_ok=True)
                except OSError:  # what is behind it is not to wait for that; the lane can't go then
                    continue
                if self.writer:
                    self.writer.release(int(path.stem))
