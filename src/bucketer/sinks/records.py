"""Lines of a segment: text in, a line with its checksum out, and back.

A segment's first line is a header. Each other line is a visitor, whose batch the header before it
tells, or another header, where the visitors of another batch begin:

    ["1c291ca3", {"bucketer": 3, "region": "US", "head": "…", "after": [4, 8388911]}]
    ["9a02c5f1", {"snapshots": […], …, "visitor_id": "…"}]

In front stands the CRC-32 of the text behind it: it finds each flipped bit, each lost or foreign
byte of a line, and costs less than the write. A visitor's goes on from that of its batch, so that
nobody's event is taken for one of another project where a header is damaged. `after` is the segment
before and how many bytes had been written to it, so that one which has lost its end, or is gone, is
noticed as well.

Format 2 had one header in a segment, format 1 had no checksums, either; what is left of them from
before an upgrade is read as it was.
"""

from __future__ import annotations

import json
from zlib import crc32

from bucketer.core.envelope import ODP, Batch
from bucketer.core.events import ENDPOINTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FORMAT = 3
#: From before there were several batches in a segment; from before there were checksums.
_SINGLE_FORMAT, _BARE_FORMAT = 2, 1
_BEFORE = b'["%08x", '
_LINE = _BEFORE + b"%b]\n"
#: How many bytes of that stand in front of the text.
_IN_FRONT = 13
_HEADER_STARTS = b'{"bucketer": '
#: An impression or a conversion; an event for ODP.
_VISITOR_STARTS = (b'{"snapshots": [', b'{"type": "')
_VISITOR_ENDS = b"}"
_SEALED_ENDS = b"}]"


class Header:
    """What a header says of the lines behind it.

    Attributes:
        batch: which all of them belong to.
        checked: each has its checksum.
        seed: what their checksums go on from.
        after: number of the segment before and the bytes written to it; (0, 0) for the first.
    """

    __slots__ = ("after", "batch", "checked", "seed")

    def __init__(self, batch: Batch, after: tuple[int, int], *, checked: bool, seed: int) -> None:
        self.batch = batch
        self.after = after
        self.checked = checked
        self.seed = seed


def seed_of(batch: Batch) -> int:
    """What the checksums of a batch's visitors go on from."""
    return crc32(f"{batch.region} {batch.head}".encode("ascii"))


def seal(text: bytes, seed: int = 0) -> bytes:
    """One line, its break included, of *text* and its checksum, which goes on from *seed*."""
    return _LINE % (crc32(text, seed), text)


def seal_all(visitors: Sequence[str], seed: int) -> bytes:
    """One line after the other, each as `seal` makes it."""
    if len(visitors) == 1:  # nearly always
        text = visitors[0].encode("ascii")
        return _LINE % (crc32(text, seed), text)
    texts = [visitor.encode("ascii") for visitor in visitors]
    return b"".join([_LINE % (crc32(text, seed), text) for text in texts])


def unseal(line: bytes, seed: int = 0) -> bytes | None:
    """The text of *line* (without its break), or None when not each of its bytes is as it was."""
    text = line[_IN_FRONT:-1]
    is_whole = line[:_IN_FRONT] == _BEFORE % crc32(text, seed) and line[-1:] == b"]"
    return text if is_whole else None


def header_line(batch: Batch, after: tuple[int, int]) -> bytes:
    """The first line of a segment."""
    about = {"bucketer": FORMAT, "region": batch.region, "head": batch.head, "after": after}
    return seal(json.dumps(about).encode("ascii"))


def read_header(line: bytes) -> Header | None:
    """What a *line* says that is a header; None if it is none, or nobody can tell."""
    text = unseal(line)
    try:
        about = json.loads(line if text is None else text)
        batch = batch_from(about["region"], about["head"])
        known = (_BARE_FORMAT,) if text is None else (_SINGLE_FORMAT, FORMAT)
        if batch is None or about["bucketer"] not in known:
            return None
        if text is None:
            return Header(batch, (0, 0), checked=False, seed=0)
        sequence, size = about["after"]
        seed = seed_of(batch) if about["bucketer"] == FORMAT else 0
        return Header(batch, (int(sequence), int(size)), checked=True, seed=seed)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def next_header(line: bytes) -> Header | None:
    """The header that a *line* further down is; None for every other line."""
    return read_header(line) if line.startswith(_HEADER_STARTS, _IN_FRONT) else None


def last_header(text: bytes) -> Header | None:
    """The last one in the lines of *text* after the first."""
    found = None
    for line in text.split(b"\n")[1:]:
        found = next_header(line) or found
    return found


def read_visitor(line: bytes, header: Header) -> str | None:
    """The visitor of a *line* (without its break); None when it is damaged or is none.

    Args:
        line: of a file that anything may have happened to.
        header: what the line belongs to.
    """
    if not header.checked:
        return line.decode("ascii") if is_json_visitor(line) else None
    text = unseal(line, header.seed)
    return text.decode("ascii") if text is not None and _is_visitor(text) else None


def read_visitors(
    lines: Iterator[bytes], header: Header, visitors: list[str], ends: list[int], end: int
) -> bytes | None:
    """Read on to the first of *lines* that is no visitor, and return that; None at their end.

    Does what `read_visitor` does for each, without a call for each: they are hundreds a payload.

    Args:
        lines: without their breaks.
        header: what they belong to.
        visitors: takes them.
        ends: takes where each of them ends.
        end: where the line before them does.
    """
    seed, checked = header.seed, header.checked
    add, add_end = visitors.append, ends.append
    for line in lines:
        text = line[_IN_FRONT:-1]
        if (
            checked
            and line.startswith(_BEFORE % crc32(text, seed))
            and line.endswith(_SEALED_ENDS)
            and text.startswith(_VISITOR_STARTS)
            and text.isascii()
        ):
            add(text.decode("ascii"))
        elif checked or (visitor := read_visitor(line, header)) is None:
            return line
        else:
            add(visitor)
        end += len(line) + 1
        add_end(end)
    return None


def batch_from(region: object, head: object) -> Batch | None:
    """The batch of these, read from a file, or None if no payload can be made with them."""
    if not (isinstance(region, str) and (region in ENDPOINTS or region == ODP)):
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
        first = file.readline()
        header = read_header(first.removesuffix(b"\n"))
        end = 0 if header is None else len(first)
        file.seek(end)
        for line in file:
            end += len(line)
            if found := next_header(line[:-1]):
                header = found
            elif line.endswith(b"\n") and end > start:
                visitor = header and read_visitor(line[:-1], header)
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
