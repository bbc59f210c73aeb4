"""Lines of a segment: text in, a line with its checksum out, and back.

A segment's first line is a header. Each other line is a visitor, whose batch the header before it
tells, or another header, where the visitors of another batch begin:

    [-2052838104302318340, {"bucketer": 4, "region": "US", "head": "…", "after": [4, 8388911]}]
    [7410954920913264482, {"snapshots": […], …, "visitor_id": "…"}]

In front stands the half of MurmurHash3's 128 bits of the text behind it: it finds a flipped bit, a
lost or foreign byte of a line, all but one in 2**64 times, in half the time of a CRC-32. A
visitor's begins with a number of its batch's, so that nobody's event is taken for one of another
project where a header is damaged. `after` is the segment before and how many bytes had been written
to it, so that one which has lost its end, or is gone, is noticed as well.

Format 1 had one header in a segment and no checksums; what is left of it from before an upgrade is
read as it was.
"""

from __future__ import annotations

import json

import mmh3

from bucketer.core.envelope import ODP, Batch
from bucketer.core.events import ENDPOINTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FORMAT = 4
#: From before there were checksums.
_BARE_FORMAT = 1
_HEADER_STARTS = '{"bucketer": '
#: An impression or a conversion; an event for ODP.
_VISITOR_STARTS = ('{"snapshots": [', '{"type": "')
_VISITOR_ENDS = "}"

_hash = mmh3.hash64


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
    """What the checksums of a batch's visitors begin with: of 32 bits, unsigned."""
    return mmh3.hash(f"{batch.region} {batch.head}", 0, False)


def seal(text: str, seed: int = 0) -> str:
    """One line, without its break, of *text* and its checksum, which begins with *seed*."""
    return f"[{_hash(text, seed)[0]}, {text}]"


def seal_all(visitors: Sequence[str], seed: int) -> bytes:
    """One line after the other, breaks included, each as `seal` makes it."""
    # Without a call for each: they are thousands a second.
    return "".join([f"[{_hash(text, seed)[0]}, {text}]\n" for text in visitors]).encode("ascii")


def unseal(line: str, seed: int = 0) -> str | None:
    """The text of *line* (without its break), or None when not each of its bytes is as it was."""
    text = line[line.find(" ") + 1 : -1]
    return text if line == f"[{_hash(text, seed)[0]}, {text}]" else None


def header_line(batch: Batch, after: tuple[int, int]) -> bytes:
    """The first line of a segment."""
    about = {"bucketer": FORMAT, "region": batch.region, "head": batch.head, "after": after}
    return f"{seal(json.dumps(about))}\n".encode("ascii")


def read_header(line: str) -> Header | None:
    """What a *line* says that is a header; None if it is none, or nobody can tell."""
    text = unseal(line)
    try:
        about = json.loads(line if text is None else text)
        batch = batch_from(about["region"], about["head"])
        known = _BARE_FORMAT if text is None else FORMAT
        if batch is None or about["bucketer"] != known:
            return None
        if text is None:
            return Header(batch, (0, 0), checked=False, seed=0)
        sequence, size = about["after"]
        return Header(batch, (int(sequence), int(size)), checked=True, seed=seed_of(batch))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def next_header(line: str) -> Header | None:
    """The header that a *line* further down is; None for every other line."""
    return read_header(line) if line.startswith(_HEADER_STARTS, line.find(" ") + 1) else None


def last_header(text: str) -> Header | None:
    """The last one in the lines of *text* after the first."""
    found = None
    for line in text.split("\n")[1:]:
        found = next_header(line) or found
    return found


def read_visitor(line: str, header: Header) -> str | None:
    """The visitor of a *line* (without its break); None when it is damaged or is none.

    Args:
        line: of a file that anything may have happened to, a character for each byte.
        header: what the line belongs to.
    """
    if not header.checked:
        return line if is_json_visitor(line) else None
    return unseal(line, header.seed)  # nothing but visitors is sealed with a batch's number


def read_visitors(
    lines: Iterator[str], header: Header, visitors: list[str], ends: list[int], end: int
) -> str | None:
    """Read on to the first of *lines* that is no visitor, and return that; None at their end.

    Does what `read_visitor` does for each, without a call for each: they are hundreds a payload.

    Args:
        lines: without their breaks, a character for each byte.
        header: what they belong to.
        visitors: takes them.
        ends: takes where each of them ends.
        end: where the line before them does.
    """
    add, add_end, seed = visitors.append, ends.append, header.seed
    if header.checked:
        for line in lines:
            text = line[line.find(" ") + 1 : -1]
            if line != f"[{_hash(text, seed)[0]}, {text}]":
                return line
            add(text)
            end += len(line) + 1
            add_end(end)
        return None
    for line in lines:
        if not is_json_visitor(line):
            return line
        add(line)
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
        header = read_header(text_of(first.removesuffix(b"\n")))
        end = 0 if header is None else len(first)
        file.seek(end)
        for line in file:
            end += len(line)
            text = text_of(line[:-1])
            if found := next_header(text):
                header = found
            elif line.endswith(b"\n") and end > start:
                visitor = header and read_visitor(text, header)
                yield (header.batch, visitor) if header and visitor else line


def text_of(found: bytes) -> str:
    """A character for each byte of a file that should be ASCII: what isn't has no checksum."""
    return found.decode("latin-1")


def bytes_of(text: str) -> bytes:
    """What `text_of` was made of."""
    return text.encode("latin-1")


def visitors_in(segment: Path, start: int) -> Iterator[tuple[Batch, str]]:
    """The sound ones of `lines_in`."""
    return (each for each in lines_in(segment, start) if not isinstance(each, bytes))


def is_json_visitor(line: str) -> bool:
    """Whether *line*, which has no checksum, is a visitor."""
    if not (line.startswith(_VISITOR_STARTS) and line.endswith(_VISITOR_ENDS) and line.isascii()):
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
