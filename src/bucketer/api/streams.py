"""An answer that goes on, and what those who take such answers are told. Plain values.

A route that streams answers with a `Telling` around a `Stream`. Whatever happens that a listener
may want to know stands in `Telling.notices` of the reply in which it happened. Who brings the two
together is the shell: `doors/server/streams.py`.
"""

from __future__ import annotations

from .http import Reply, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from bucketer.core.events import Event


class Notice:
    """Something that happened.

    Attributes:
        topic: what it concerns, an SDK key say: it is told to those who listen to that.
        kind: what it is, for those who want some kinds alone.
        data: as it is told, without what stands around it in a stream.
    """

    __slots__ = ("data", "kind", "topic")

    def __init__(self, topic: str, kind: str, data: bytes) -> None:
        """Keep the values."""
        self.topic, self.kind, self.data = topic, kind, data


class Room:
    """Whether one more can listen here; kept true by the door.

    Attributes:
        is_full: nobody can.
    """

    __slots__ = ("is_full",)

    def __init__(self) -> None:
        """Begin with room."""
        self.is_full = False


class Stream(Response):
    """An answer whose body goes on: each notice of a topic, as it comes.

    Attributes:
        topic: what is listened to.
        kinds: which notices are told.
        opening: is sent first, whatever happens.
        before, after: what stands around the data of each.
        heartbeat: is sent where nothing else was for a while; empty for nothing.
        lost: with one `%d`: is sent where a listener was too slow, and so many notices of its topic
            could not be told.
    """

    __slots__ = ("after", "before", "heartbeat", "kinds", "lost", "opening", "topic")

    def __init__(
        self,
        headers: tuple[tuple[str, str], ...],
        request_id: str,
        topic: str,
        kinds: Collection[str],
    ) -> None:
        """Begin with 200 and *headers*; the rest is server-sent events unless it is set."""
        super().__init__(200, headers, b"", request_id)
        self.topic, self.kinds = topic, frozenset(kinds)
        self.opening = b""
        self.before, self.after = b"data: ", b"\n\n"
        self.heartbeat = b":\n\n"
        self.lost = b'event: lost\ndata: {"lost":%d}\n\n'


class Telling(Reply):
    """A reply that streams, or in which something happened that is to be told.

    Attributes:
        notices: what happened, in order.
    """

    __slots__ = ("notices",)

    def __init__(
        self,
        response: Response,
        events: tuple[Event, ...] = (),
        profile: tuple[str, dict[str, str]] | None = None,
        notices: tuple[Notice, ...] = (),
    ) -> None:
        """Keep the values as they are."""
        super().__init__(response, events, profile)
        self.notices = notices
