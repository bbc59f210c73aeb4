"""What events have in common: which may travel together, and what a datafile gives to each."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


#: What stands for a region in batches that go to ODP, whose head names host and account.
ODP = "ODP"


class Batch(tuple[str, str]):
    """What events must have in common to travel in one payload. Hashable, and small to store.

    Attributes:
        region: "US" or "EU": whose endpoint; or "ODP".
        head: the payload's text up to its first visitor: account, project, revision, client,
            `anonymize_ip` and `enrich_decisions`. Two payloads differ in any of them exactly when
            their heads differ.
    """

    __slots__ = ()

    def __new__(cls, region: str, head: str) -> Self:
        """Pair them. To make the class of a named tuple would cost a cold start 0.1 ms."""
        return tuple.__new__(cls, (region, head))

    @property
    def region(self) -> str:
        """The first of the pair."""
        return self[0]

    @property
    def head(self) -> str:
        """The second."""
        return self[1]


#: Some 150 keys of the usual length, which is more than any caller has of them.
ROOM_BYTES = 64 * 1024


class Envelope:
    """What one ruleset contributes to each of its events, compiled on first use.

    Attributes:
        batch: which events may travel together.
        openings: attribute key → text up to the value, "" for attributes that aren't sent.
            Filled as keys are met, so it is bounded by `room`: keys come from outside.
        last: the bot-filtering attribute's text, or "".
        room: how many more bytes of keys that the datafile doesn't know may be remembered.
    """

    __slots__ = ("batch", "last", "openings", "room")

    def __init__(self, batch: Batch, openings: dict[str, str], last: str) -> None:
        self.batch = batch
        self.openings = openings
        self.last = last
        self.room = ROOM_BYTES
