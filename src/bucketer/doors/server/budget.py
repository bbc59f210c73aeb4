"""What all connections of a worker may keep in its memory together, and who has to let go.

A bound for each connection alone says little: there may be ten thousand of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Holder = TypeVar("Holder")

#: One part of this many is freed when the bound is passed. Looking for who keeps most takes time
#: in proportion to their number; freeing a part of it all makes that rare.
_FREED_PART = 8


class Budget(Generic[Holder]):
    """Bytes kept by each holder, and a bound on their sum.

    Whoever keeps most lets go first: they are whom the shortage comes from, and who needs little
    gets it even then.

    Attributes:
        limit_bytes: the bound.
        total_bytes: what is kept now.
    """

    __slots__ = ("_kept", "_let_go", "limit_bytes", "total_bytes")

    def __init__(self, limit_bytes: int, let_go: Callable[[Holder], None]) -> None:
        """Begin with nothing; *let_go* makes a holder give up what it keeps, and say so here."""
        self.limit_bytes = limit_bytes
        self.total_bytes = 0
        self._let_go = let_go
        self._kept: dict[Holder, int] = {}

    def keep(self, holder: Holder, kept_bytes: int) -> None:
        """Take note of what *holder* keeps now, in the place of what it kept until now."""
        self.total_bytes += kept_bytes - self._kept.get(holder, 0)
        self._kept[holder] = kept_bytes
        if self.total_bytes > self.limit_bytes:
            self._make_room()

    def release(self, holder: Holder) -> None:
        """Take note that *holder* keeps nothing any more."""
        self.total_bytes -= self._kept.pop(holder, 0)

    def _make_room(self) -> None:
        enough = self.limit_bytes - self.limit_bytes // _FREED_PART
        for holder in sorted(self._kept, key=self._kept.__getitem__, reverse=True):
            self.release(holder)
            self._let_go(holder)
            if self.total_bytes <= enough:
                break
