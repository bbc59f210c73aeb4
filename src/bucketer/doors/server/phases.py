"""What a connection can be doing, and what those that look at all connections know of one."""

from __future__ import annotations

from typing import Protocol

STALLED = "the client doesn't take what we write"
WORKING = "answers are held: for an event to be written, for a prediction, for an earlier one"
STREAMING = "an answer goes on, for as long as both sides stay"
CLOSING = "nothing further is read, and our half is closed"
BODY = "a request's body is being read"
HEAD = "a request's head is being read"
NEW = "nothing that makes a request has come yet"
IDLE = "between two requests"


class Sender(Protocol):
    """Who is sending a request that hasn't come whole."""

    def give_up_request(self) -> None:
        """Refuse what it is sending."""


class Client(Sender, Protocol):
    """A connection, as the sweeper and the worker see it.

    Attributes:
        answered: how many answers have been written.
        mark, since: the sweeper's: what it saw at its last look, and since when.
    """

    answered: int
    mark: tuple[int, str] | None
    since: float

    def phase(self) -> str:
        """Say what it is doing: one of the above."""

    def time_out(self, phase: str) -> None:
        """Give up on it, as it has been in *phase* for too long."""

    def abort(self) -> None:
        """Cut it off."""

    def gives_way(self) -> bool:
        """Leave to make room for another, if that costs nobody an answer; say whether it did."""
