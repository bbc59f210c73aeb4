"""Which connections parse on what they have been sent at once, and how many in a turn of the loop.

One slice takes a connection a millisecond at the most. But two hundred that each have a slice
left would take a turn of two hundred, for which everybody else waits.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

#: How many connections parse a slice of more than that in one turn of the loop.
AT_ONCE = 16


class Turns:
    """Lets so many go on in each turn, those first that have waited longest."""

    __slots__ = ("_is_due", "_left", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with nobody waiting."""
        self._loop = loop
        self._left = AT_ONCE
        self._is_due = False
        self._waiting: deque[Callable[[], None]] = deque()

    def take(self, go_on: Callable[[], None]) -> bool:
        """Call *go_on* now if there is room in this turn; say whether there was. Else it waits."""
        if not self._left:
            self.wait(go_on)
            return False
        self._left -= 1
        self._plan()
        go_on()
        return True

    def wait(self, go_on: Callable[[], None]) -> None:
        """Call *go_on* in the next turn that has room for it."""
        self._waiting.append(go_on)
        self._plan()

    def _plan(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._is_due = False
        self._left = AT_ONCE
        for _ in range(min(AT_ONCE, len(self._waiting))):  # who waits again does for the next turn
            self._left -= 1
            self._waiting.popleft()()
        if self._waiting:
            self._plan()
