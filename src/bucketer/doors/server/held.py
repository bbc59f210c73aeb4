"""Answers that wait for their turn, in the order of their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class HeldAnswer:
    """A place in a connection's order of answers, filled when the answer may go out."""

    __slots__ = ("_send_ready", "data", "owed_bytes", "ready")

    def __init__(
        self, send_ready: Callable[[], None], data: bytes = b"", *, ready: bool = False
    ) -> None:
        """Take the place; *data* may come later. *owed_bytes* is for who counts them."""
        self._send_ready = send_ready
        self.data = data
        self.ready = ready
        self.owed_bytes = 0

    def release(self) -> None:
        """Let the answer go, once those before it have gone. On the loop's thread."""
        self.ready = True
        self._send_ready()
