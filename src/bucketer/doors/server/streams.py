"""Notices in, each told once to all who listen to its topic: by a shared log, not by copies.

What a topic's listeners haven't taken yet is kept once, and each has a place in it. Whoever is so
far behind that its place is gone goes on at the oldest that is left, and is told how many it lost.
So telling costs the same for one listener as for thousands, a slow one costs the others nothing,
and what is kept has one bound for all.

Everything runs on the loop's thread; nothing in here waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from bucketer.api.streams import Room

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator

    from bucketer.api.streams import Notice, Stream
    from bucketer.runtime.runtime import Stay

    class Taker(Protocol):
        """A connection that streams.

        Attributes:
            stay: says whether its client may listen on; None where anybody may.
        """

        stay: Stay | None

        def dismiss(self) -> None:
            """Listen no more: the client may not."""

        def stream_ready(self) -> None:
            """Take from its listener what is new, if its client takes what it was sent."""

        def beat(self) -> None:
            """Send a heartbeat, if nothing else was sent since the last."""


#: What all topics may keep together for those who are behind, and what each may at least.
KEPT_BYTES, TOPIC_BYTES = 32 * 1024 * 1024, 4 * 1024
#: What a notice costs in memory beyond its data.
NOTICE_COST_BYTES = 150
#: Bytes that a listener takes at once, and notices that it looks at.
TAKEN_BYTES, LOOKED_AT = 16 * 1024, 1_000
#: Listeners that are told in one turn of the loop; then others have theirs.
AT_ONCE = 100
#: Between two rounds through the listeners of a topic: what comes meanwhile is told together.
ROUND_S = 0.05
#: After so long without anything a listener gets a heartbeat; within proxies' usual 60 s. As often
#: it is found out whether those who had to show a key would still be let in.
HEARTBEAT_S = 15.0


class _Topic:
    """What the listeners of one topic may still have to be told.

    Attributes:
        first: the number of the oldest notice that is kept; numbers go up by one.
        end: the number of the next one.
        kept_bytes: of all that are kept.
        listeners: in the order in which they came.
        told_at: when a round began, by the loop's clock.
        waits: a round has been asked for.
    """

    __slots__ = ("_gone", "_notices", "end", "first", "kept_bytes", "listeners", "told_at", "waits")

    def __init__(self) -> None:
        self.first = self.end = self.kept_bytes = 0
        self.listeners: dict[Listener, None] = {}
        self.told_at = float("-inf")
        self.waits = False
        self._notices: list[tuple[str, bytes | None]] = []
        self._gone = 0

    def add(self, kind: str, data: bytes, limit_bytes: int) -> None:
        """Keep one more; of what is over *limit_bytes* by itself, only that there was one."""
        kept = data if len(data) + NOTICE_COST_BYTES <= limit_bytes else None
        self._notices.append((kind, kept))
        self.end += 1
        self.kept_bytes += NOTICE_COST_BYTES + len(kept or b"")
        self.trim(limit_bytes)

    def trim(self, limit_bytes: int) -> None:
        """Let the oldest go until the rest is within *limit_bytes*."""
        while self.kept_bytes > limit_bytes:
            self._let_go(self.first + 1)

    def drop_taken(self) -> None:
        """Let go of what nobody has still to be told."""
        self._let_go(min((each.place for each in self.listeners), default=self.end))

    def _let_go(self, until: int) -> None:
        for at in range(self.first, until):
            place = self._gone + at - self.first
            self.kept_bytes -= NOTICE_COST_BYTES + len(self._notices[place][1] or b"")
            self._notices[place] = ("", None)
        if until > self.first:
            self._gone += until - self.first
            self.first = until
        if self._gone > len(self._notices) // 2:  # so each is moved once or twice, not each time
            del self._notices[: self._gone]
            self._gone = 0

    def notices(self, place: int) -> Iterator[tuple[str, bytes | None]]:
        """Go through those from the number *place* on, which is kept."""
        for at in range(self._gone + place - self.first, len(self._notices)):
            yield self._notices[at]


class Listener:
    """One who listens: a place in the topic's log.

    Attributes:
        stream: what is wanted, and how it is told.
        place: the number of the next notice that it hasn't been told.
    """

    __slots__ = ("_lost", "_topic", "place", "stream", "taker")

    def __init__(self, stream: Stream, taker: Taker, topic: _Topic) -> None:
        """Begin behind what is there: nobody is told what happened before."""
        self.stream, self.taker = stream, taker
        self.place = topic.end
        self._topic = topic
        self._lost = 0

    @property
    def is_behind(self) -> bool:
        """Whether there is something that it hasn't looked at."""
        return self.place < self._topic.end

    def take(self) -> bytes:
        """Return what is new and fits into `TAKEN_BYTES`, or one notice; empty for nothing."""
        topic, stream = self._topic, self.stream
        if self.place < topic.first:
            self._lost += topic.first - self.place
            self.place = topic.first
        parts: list[bytes] = []
        size = looked_at = 0
        for kind, data in topic.notices(self.place):
            if size >= TAKEN_BYTES or looked_at >= LOOKED_AT:
                break
            looked_at += 1
            if kind not in stream.kinds:
                continue
            if data is None:
                self._lost += 1
                continue
            parts += (stream.before, data, stream.after)
            size += len(data)
        self.place += looked_at
        if self._lost:
            parts.insert(0, stream.lost % self._lost)
            self._lost = 0
        return b"".join(parts)


class Streams:
    """All who listen at one worker, by topic.

    Attributes:
        listened: the topics that somebody listens to; others needn't be told of.
        count: how many listen.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        most: int,
        listened: set[str],
        room: Room | None = None,
    ) -> None:
        """Take up at most *most* listeners; keep *listened* and *room* true for others."""
        self._loop, self._most = loop, most
        self.listened = listened
        self._room = room or Room()
        self.count = 0
        self._topics: dict[str, _Topic] = {}
        self._heart: asyncio.TimerHandle | None = None
        self._asking = False

    @property
    def kept_bytes(self) -> int:
        """What is kept for those who are behind."""
        return sum(topic.kept_bytes for topic in self._topics.values())

    def join(self, stream: Stream, taker: Taker) -> Listener | None:
        """Take up a listener; None if there is no place for one more."""
        if self.count >= self._most:
            return None
        self.count += 1
        self._room.is_full = self.count >= self._most
        topic = self._topics.get(stream.topic)
        if topic is None:
            topic = self._topics[stream.topic] = _Topic()
            self.listened.add(stream.topic)
            for each in self._topics.values():
                each.trim(self._limit())
        listener = Listener(stream, taker, topic)
        topic.listeners[listener] = None
        if self._heart is None:
            self._heart = self._loop.call_later(HEARTBEAT_S, self._beat)
        return listener

    def leave(self, listener: Listener) -> None:
        """Let a listener go."""
        topic = self._topics.get(listener.stream.topic)
        if topic is None or listener not in topic.listeners:
            return
        self.count -= 1
        self._room.is_full = False
        del topic.listeners[listener]
        if not topic.listeners:
            del self._topics[listener.stream.topic]
            self.listened.discard(listener.stream.topic)
        if not self.count and self._heart is not None:
            self._heart.cancel()
            self._heart = None

    def tell(self, notices: Iterable[Notice]) -> None:
        """Tell each notice to those who listen to its topic, soon."""
        for notice in notices:
            topic = self._topics.get(notice.topic)
            if topic is None:
                continue
            topic.add(notice.kind, notice.data, self._limit())
            if not topic.waits:
                topic.waits = True
                pause_s = max(0.0, topic.told_at + ROUND_S - self._loop.time())
                self._loop.call_later(pause_s, self._round, topic)

    def _limit(self) -> int:
        """Return what each topic may keep."""
        return max(TOPIC_BYTES, KEPT_BYTES // max(1, len(self._topics)))

    def _round(self, topic: _Topic) -> None:
        topic.told_at = self._loop.time()
        topic.waits = False
        self._tell_some(topic, list(topic.listeners), 0)

    def _tell_some(self, topic: _Topic, listeners: list[Listener], start: int) -> None:
        """Have some listeners take what is new, then others in the next turn of the loop."""
        for listener in listeners[start : start + AT_ONCE]:
            if listener in topic.listeners:
                listener.taker.stream_ready()
        if start + AT_ONCE < len(listeners):
            self._loop.call_soon(self._tell_some, topic, listeners, start + AT_ONCE)
        else:
            topic.drop_taken()

    def _beat(self) -> None:
        self._heart = self._loop.call_later(HEARTBEAT_S, self._beat)
        everybody = [each for topic in self._topics.values() for each in topic.listeners]
        guarded = [each.taker for each in everybody if each.taker.stay is not None]
        if guarded and not self._asking:
            self._asking = True
            self._loop.run_in_executor(None, self._ask, guarded)
        self._beat_some(everybody, 0)

    def _ask(self, takers: list[Taker]) -> None:
        """Dismiss those who may listen no more; on a thread, since to find out may take long."""
        try:
            for taker in takers:
                if taker.stay is not None and not taker.stay.is_good():
                    self._loop.call_soon_threadsafe(taker.dismiss)
        finally:
            self._asking = False

    def _beat_some(self, listeners: list[Listener], start: int) -> None:
        for listener in listeners[start : start + AT_ONCE]:
            listener.taker.beat()
        if start + AT_ONCE < len(listeners):
            self._loop.call_soon(self._beat_some, listeners, start + AT_ONCE)

    def close(self) -> None:
        """Beat no more."""
        if self._heart is not None:
            self._heart.cancel()
            self._heart = None
