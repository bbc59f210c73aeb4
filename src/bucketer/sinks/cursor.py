"""How far delivery has come in a lane: one short line of its file `sent`, overwritten in place.

    <segment> <offset> <segment written> <its bytes> <checksum>

The last two numbers are how much had been written when the cursor was, so that a file that has
lost its end since is noticed. Before there were checksums, there were the first two only.
"""

from __future__ import annotations

import os
from zlib import crc32

from .lanes import segments_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

#: More than a cursor ever has.
_CURSOR_BYTES = 128
_NOWHERE = "its cursor points to where nothing is"
_UNREADABLE = "its cursor can't be read"


class Cursor:
    """A place in a lane.

    Attributes:
        sequence, offset: segment, and the byte in it, before which all is dealt with.
        written: the last segment and its bytes, as far as the writer of the cursor knew.
        is_vague: nobody knows what was dealt with, so the lane begins with what is there.
    """

    __slots__ = ("is_vague", "offset", "sequence", "written")

    def __init__(
        self, sequence: int, offset: int, written: tuple[int, int], *, is_vague: bool = False
    ) -> None:
        self.sequence = sequence
        self.offset = offset
        self.written = written
        self.is_vague = is_vague


def write_cursor(fd: int, cursor: Cursor) -> None:
    """Put *cursor* into the open file *fd*.

    Raises:
        OSError: it can't be written.
    """
    numbers = b"%010d %020d %010d %020d" % (cursor.sequence, cursor.offset, *cursor.written)
    # One write of less than a block in place: a process can't die in the middle of it.
    os.pwrite(fd, b"%b %08x\n" % (numbers, crc32(numbers)), 0)


def read_cursor(lane: Path) -> tuple[Cursor, str]:
    """Where delivery had come to; the beginning, and why, when in doubt.

    Repeats are harmless, while a cursor that is too high would cost all that lies before it. So
    it is believed only when it points into the lane: at the end of a line of a segment that is
    there, or behind the last one.

    Raises:
        OSError: it can't be read, or the lane can't.
    """
    try:
        with (lane / "sent").open("rb") as file:
            text = file.read(_CURSOR_BYTES)
    except FileNotFoundError:
        text = b""
    if not text:
        return _vague(), ""
    found = _parsed(text)
    if found is None:
        return _vague(), _UNREADABLE
    segments = segments_in(lane)
    at, offset = found.sequence, found.offset
    if not segments or at == offset == 0 or (offset == 0 and at <= int(segments[-1].stem) + 1):
        return found, ""
    if any(int(each.stem) == at and _ends_line(each, offset) for each in segments):
        return found, ""
    return _vague(found.written), _NOWHERE


def _vague(written: tuple[int, int] = (0, 0)) -> Cursor:
    return Cursor(0, 0, written, is_vague=True)


def _parsed(text: bytes) -> Cursor | None:
    """The cursor of that text; None when a byte of it isn't as it was."""
    fields = text.split()
    if not all(each.isalnum() and len(each) <= 20 for each in fields):  # noqa: PLR2004 -- as written
        return None
    try:
        if len(fields) == 2:  # noqa: PLR2004 -- from before there were checksums
            return Cursor(int(fields[0]), int(fields[1]), (0, 0), is_vague=not int(fields[0]))
        sequence, offset, last, size = map(int, fields[:4])
    except ValueError:
        return None
    numbers = b"%010d %020d %010d %020d" % (sequence, offset, last, size)
    if text != b"%b %08x\n" % (numbers, crc32(numbers)):
        return None
    return Cursor(sequence, offset, (last, size))


def _ends_line(segment: Path, offset: int) -> bool:
    """Whether *offset* lies behind a whole line of *segment*, or at its end."""
    with segment.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return offset == size or (offset < size and os.pread(file.fileno(), 1, offset - 1) == b"\n")
