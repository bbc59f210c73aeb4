"""Lines of a segment: text in, a line with its checksum out, and back.

A segment's first line is its header, each other line a visitor:

    ["1c291ca3", {"bucketer": 2, "region": "US", "head": "…", "after": [4, 8388911]}]
    ["9a02c5f1", {"snapshots": […], …, "visitor_id": "…"}]

In front stands the CRC-32 of the text behind it: it finds each flipped bit, each lost or foreign
byte of a line, and costs less than the write. `after` is the segment before and how many bytes
had been written to it, so that one which has lost its end, or is gone, is noticed as well.

Format 1 had neither; what is left of it from before an upgrade is read as it was.
"""

from __future__ import annotations

import json
from zlib import crc32

from bucketer.core.envelope import Batch
from bucketer.core.events import ENDPOINTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT = 2
#: From before there were checksums.
_BARE_FORMAT = 1
_LINE = b'["%08x", %b]\n'
#: How many bytes of that stand in front of the text.
_IN_FRONT = 13
_VISITOR_STARTS = b'{"snapshots": ['
_VISITOR_ENDS = b"}"


class Header:
    """What a segment's first line says of the others.

    Attributes:
        batch: which all of them belong to.
        checked: each has its checksum.
        after: number of the segment before and the bytes written to it; (0, 0) for the first.
    """

    __slots__ = ("after", "batch", "checked")

    def __init__(self, batch: Batch, after: tuple[int, int], *, checked: bool) -> None:
        self.batch = batch
        self.after = after
        self.checked = checked


def seal(text: bytes) -> bytes:
    """One line, its break included, of *text* and its checksum."""
    return _LINE % (crc32(text), text)


def unseal(line: bytes) -> bytes | None:
    """The text of *line* (without its break), or None when not each of its bytes is as it was."""
    text = line[_IN_FRONT:-1]
    return text if line + b"\n" == seal(text) else None


def header_line(batch: Batch, after: tuple[int, int]) -> bytes:
    """The first line of a segment."""
    about = {"bucketer": FORMAT, "region": batch.region, "head": batch.head, "after": after}
    return seal(json.dumps(about).encode("ascii"))


def read_header(line: bytes) -> Header | None:
    """What a segment's first *line* says; None if nobody can tell."""
    text = unseal(line)
    try:
        about = json.loads(line if text is None else text)
        batch = batch_from(about["region"], about["head"])
        if batch is None or about["bucketer"] != (_BARE_FORMAT if text is None else FORMAT):
            return None
        if text is None:
            return Header(batch, (0, 0), checked=False)
        sequence, size = about["after"]
        return Header(batch, (int(sequence), int(size)), checked=True)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def read_visitor(line: bytes, *, checked: bool) -> str | None:
    """The visitor of a *line* (without its break); None when it is damaged or is none.

    Args:
        line: of a file that anything may have happened to.
        checked: what the header says of it.
    """
    if not checked:
        return line.decode("ascii") if is_json_visitor(line) else None
    text = unseal(line)
    return text.decode("ascii") if text is not None and _is_visitor(text) else None


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


def lines_in(segment: Path, start: int) -> Iterator[tuple[Batch, str] | bytes]:
    """Visitors of a segment from the byte *start* on, and damaged lines as they are.

    Nothing when it is gone; a last line without its break isn't shown, as it may be half written.

    Raises:
        OSError: it can't be read.
    """
    try:
        file = segment.open("rb")
    except FileNotFoundError:  # delivered meanwhile
        return
    with file:
        header = read_header(file.readline().removesuffix(b"\n"))
        file.seek(max(start, 0 if header is None else file.tell()))
        for line in file:
            if line.endswith(b"\n"):
                visitor = header and read_visitor(line[:-1], checked=header.checked)
                yield (header.batch, visitor) if header and visitor else line


def visitors_in(segment: Path, start: int) -> Iterator[tuple[Batch, str]]:
    """The sound ones of `lines_in`."""
    return (each for each in lines_in(segment, start) if not isinstance(each, bytes))


def is_json_visitor(line: bytes) -> bool:
    """Whether *line*, which has no checksum, is a visitor."""
    if not _is_visitor(line):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_visitor(line: bytes) -> bool:
    return line.startswith(_VISITOR_STARTS) and line.endswith(_VISITOR_ENDS) and line.isascii()
