"""What the parser said of the headers of late requests, by their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeAlias

    #: From the blank behind the target to the body, as bytes; its headers; the length of the body.
    KnownHead: TypeAlias = tuple[bytes, dict[str, str], int]

#: Heads that a worker remembers, of which the oldest makes room; the longest; the most headers.
MAX_HEADS, MAX_BYTES, MAX_HEADERS = 256, 1_024, 32

#: What stands between a target and the headers.
VERSION = b" HTTP/1.1"
#: Of these the parser makes more than a header.
_FOR_THE_PARSER = frozenset(("connection", "expect", "transfer-encoding", "upgrade"))


class KnownHeads:
    """Heads that a worker has met of late. On the loop's thread."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._known: dict[bytes, KnownHead] = {}

    def find(self, data: bytes, start: int) -> KnownHead | None:
        """Return the head of *data* behind its target, which ends at *start*, if it is known."""
        return self._known.get(data[start : data.find(b"\r\n\r\n", start) + 4])

    def learn(self, data: bytes, headers: dict[str, str]) -> KnownHead | None:
        """Remember the head of *data*, if that is one whole request and a usual one.

        Args:
            data: a request began there, and the parser is through with all of it.
            headers: what that said of the request, by lower-case name.
        """
        line_end = data.find(b"\r\n")
        end = data.find(b"\r\n\r\n", line_end) + 4
        head = data[line_end - len(VERSION) : end]
        length = len(data) - end
        if (
            not head.startswith(VERSION + b"\r\n")
            or headers.get("content-length", "0") != str(length)
            or not _FOR_THE_PARSER.isdisjoint(headers)
            or head.count(b"\n") != head.count(b"\r\n")
            or len(head) > MAX_BYTES
            or len(headers) > MAX_HEADERS
        ):
            return None
        known = self._known.get(head)
        if known is None:
            if len(self._known) >= MAX_HEADS:
                del self._known[next(iter(self._known))]
            known = self._known[head] = head, headers, length
        return known
