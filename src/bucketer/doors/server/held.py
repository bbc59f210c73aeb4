"""Answers that wait for their turn, in the order of their requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class Ordered(Protocol):
        """Whose answers keep an order."""

        def send_ready(self) -> None:
            """Send those that are ready, as far as the order allows."""
            ...


class HeldAnswer:
    """A place in a connection's order of answers, filled when the answer may go out."""

    __slots__ = ("_client", "data", "owed_bytes", "ready")

    def __init__(self, client: Ordered, data: bytes = b"", *, ready: bool = False) -> None:
        """Take the place; *data* may come later. *owed_bytes* is for who counts them."""
        self._client = client
        self.data = data
        self.ready = ready
        self.owed_bytes = 0

    def release(self) -> None:
        """Let the answer go, once those before it have gone. On the loop's thread."""
        self.ready = True
        self._client.send_ready()
