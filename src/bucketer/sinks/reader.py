"""A lane in, parcels of visitors out, oldest first; remembers how far delivery has come."""

from __future__ import annotations

import json
import logging
import os

from bucketer.core.envelope import Batch
from bucketer.core.events import ENDPOINTS

from .journal import segments_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .journal import Lane, Writer

    #: Called with the segment's path and its lines that are no visitors.
    SetAside = Callable[[Path, list[bytes]], None]

_log = logging.getLogger("bucketer.outbox")

_CURSOR = "sent"
#: More than a cursor ever has.
_CURSOR_BYTES = 64
_VISITOR_STARTS = b'{"snapshots": ['
_VISITOR_ENDS = b"}"
#: Of a segment whose header can't be read; no visitor has it.
_NO_BATCH = Batch("", "")


class Parcel:
    """Visitors of one batch, in the order in which they were accepted.

    Attributes:
        batch: what they have in common.
        visitors: their JSON.
        sequence, offset: where the lane's cursor stands once the parcel is dealt with.
        ends: where it stands once each of the visitors is.
        damaged: lines between them that are no visitor, each with where it ends.
        is_last: nothing waited behind it when it was read.
    """

    __slots__ = ("batch", "damaged", "ends", "is_last", "offset", "sequence", "visitors")

    def __init__(self, batch: Batch, sequence: int, offset: int) -> None:
        self.batch = batch
        self.visitors: list[str] = []
        self.sequence = sequence
        self.offset = offset
        self.ends: list[int] = []
        self.damaged: list[tuple[int, bytes]] = []
        self.is_last = False


class Reader:
    """Reads one lane that this process holds. For one thread.

    Args:
        lane: the lane.
        writer: who appends to it, or None for a lane that somebody else left behind; there each
            line is checked to be JSON, since nobody knows what happened to that process.
        set_aside: takes what can't be read, so that the rest can be delivered.

    Raises:
        OSError: the lane can't be read, or its cursor not written.
    """

    def __init__(self, lane: Lane, writer: Writer | None, set_aside: SetAside) -> None:
        self.lane = lane
        self.writer = writer
        self._set_aside = set_aside
        self._sequence, self._offset, doubt = read_cursor(lane.directory)
        if doubt:
            _log.error(
                "outbox: lane %s: %s; it is delivered from its beginning, so some may arrive twice",
                lane.name, doubt,
            )  # fmt: skip
        self._cursor_fd = os.open(lane.directory / _CURSOR, os.O_WRONLY | os.O_CREAT, 0o600)
        self._fd = -1
        self._batch: Batch | None = None
        self._forgetful = False
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
        """
        while True:
            end = self.writer.end() if self.writer else None
            if self._fd < 0 and not self._open(end):
                return None
            closed = end is None or self._sequence < end[0]
            limit = None if closed or end is None else end[1]
            parcel = self._read(max_events, max_bytes, limit)
            if parcel.visitors:
                parcel.is_last = parcel.offset == limit
                return parcel
            if parcel.offset > self._offset:  # nothing but damage there
                self.done(parcel)
            elif not closed:
                return None
            else:
                self._leave_segment()

    def done(self, parcel: Parcel) -> None:
        """Remember, beyond the death of the process, that *parcel* was dealt with."""
        self._settle(parcel, parcel.offset)

    def done_with(self, parcel: Parcel, count: int) -> None:
        """The same for the first *count* of its visitors; the others come again."""
        if count:
            self._settle(parcel, parcel.ends[count - 1])

    def has_read_all(self) -> bool:
        """Whether the cursor stands where its writer stands: nothing in our own lane waits."""
        return self.writer is not None and (self._sequence, self._offset) == self.writer.end()

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
            self._set_aside(self.lane.directory / f"{parcel.sequence:010}.jsonl", damaged)
        self._move(parcel.sequence, offset)

    def _move(self, sequence: int, offset: int) -> None:
        self._sequence, self._offset = sequence, offset
        try:
            # One write of 32 bytes in place: a process can't die in the middle of it.
            os.pwrite(self._cursor_fd, b"%010d %020d\n" % (sequence, offset), 0)
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
        if sequence > self._sequence:
            self._move(sequence, 0)
        line = os.pread(fd, 65_536, 0).partition(b"\n")[0]
        # Without a header nobody can say where its lines belong, so they and it are damage.
        self._batch = read_header(line)
        if self._offset == 0 and self._batch is not None:
            self._offset = len(line) + 1

    def _read(self, max_events: int, max_bytes: int, limit: int | None) -> Parcel:
        """Up to *max_events* whole lines from the cursor on, not beyond *limit*."""
        room = 1 << 62 if limit is None else max(0, limit - self._offset)
        size = min(max_bytes, room)
        data = os.pread(self._fd, size, self._offset) if size else b""
        while len(data) == size < room and b"\n" not in data:
            size = min(size * 2, room)  # one line longer than a whole parcel
            data = os.pread(self._fd, size, self._offset)
        lines = data.split(b"\n", max_events)
        rest = lines.pop()
        parcel = Parcel(
            self._batch or _NO_BATCH, self._sequence, self._offset + len(data) - len(rest)
        )
        if rest and not lines and limit is None:  # the last line was torn when its process died
            parcel.offset += len(rest)
            parcel.damaged.append((parcel.offset, rest))
        check = _is_visitor if self.writer else is_json_visitor
        end = self._offset
        for line in lines:
            end += len(line) + 1
            if self._batch is not None and check(line):
                parcel.visitors.append(line.decode("ascii"))
                parcel.ends.append(end)
            else:
                parcel.damaged.append((end, line))
        return parcel

    def _leave_segment(self) -> None:
        """The segment is delivered: move on, then delete it."""
        fd, self._fd = self._fd, -1
        os.close(fd)
        self._move(self._sequence + 1, 0)
        self._drop_delivered()

    def _drop_delivered(self) -> None:
        """Delete segments before the cursor: the process may have died before it could."""
        for path in self.lane.segments():
            if int(path.stem) < self._sequence:
                size = path.stat().st_size
                try:
                    path.unlink()
                except OSError:  # what is behind it is not to wait for that; the lane can't go then
                    continue
                if self.writer:
                    self.writer.released_bytes += size


def read_header(line: bytes) -> Batch | None:
    """The batch that a segment's first line names, or None if it names none."""
    try:
        header = json.loads(line)
        return batch_from(header["region"], header["head"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def batch_from(region: object, head: object) -> Batch | None:
    """The batch of these, read from a file, or None if no payload can be made with them."""
    if not (isinstance(region, str) and region in ENDPOINTS):
        return None
    if not (isinstance(head, str) and head.isascii()):
        return None
    try:
        json.loads(head + "]}")
    except (ValueError, RecursionError):
        return None
    return Batch(region, head)


def read_cursor(lane: Path) -> tuple[int, int, str]:
    """Where delivery had come to: segment and offset; the beginning, and why, when in doubt.

    Repeats are harmless, while a cursor that is too high would cost all that lies before it. So
    it is believed only when it points into the lane: at the end of a line of a segment that is
    there, or behind the last one.

    Raises:
        OSError: it can't be read.
    """
    try:
        with (lane / _CURSOR).open("rb") as file:
            text = file.read(_CURSOR_BYTES)
    except FileNotFoundError:
        return 0, 0, ""
    segments = segments_in(lane)
    fields = text.split()
    if not text or not segments:
        return (*_numbers(fields), "")
    sequence, offset = _numbers(fields)
    if sequence == offset == 0:
        zero = [each.strip(b"0") for each in fields] == [b"", b""]
        return 0, 0, "" if zero else "its cursor can't be read"
    if offset == 0 and sequence <= int(segments[-1].stem) + 1:
        return sequence, 0, ""
    if any(int(each.stem) == sequence and _ends_line(each, offset) for each in segments):
        return sequence, offset, ""
    return 0, 0, "its cursor points to where nothing is"


def _numbers(fields: list[bytes]) -> tuple[int, int]:
    """The two numbers of a cursor, (0, 0) if it has anything else."""
    if len(fields) == 2 and all(each.isdigit() and len(each) <= 20 for each in fields):  # noqa: PLR2004
        return int(fields[0]), int(fields[1])
    return 0, 0


def _ends_line(segment: Path, offset: int) -> bool:
    """Whether *offset* lies behind a whole line of *segment*, or at its end."""
    with segment.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return offset == size or (offset < size and os.pread(file.fileno(), 1, offset - 1) == b"\n")


def _is_visitor(line: bytes) -> bool:
    """Cheap, for lines that this very process has written."""
    return line.startswith(_VISITOR_STARTS) and line.endswith(_VISITOR_ENDS) and line.isascii()


def is_json_visitor(line: bytes) -> bool:
    """Whether *line*, of a file that anything may have happened to, is a visitor."""
    if not _is_visitor(line):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
