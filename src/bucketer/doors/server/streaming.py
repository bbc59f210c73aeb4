"""One client's answer that goes on: head, then pieces as there are some, until either side leaves.

A client that doesn't take what it was sent gets nothing more until it does: what comes meanwhile
stays in the log of its topic, for as long as that has room for it (`streams.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

    from bucketer.doors.server.streams import Listener, Streams
    from bucketer.runtime.runtime import Stay

    class StreamClient(Protocol):
        """The connection of one who listens."""

        def takes_more(self) -> bool:
            """Say whether the client has taken what it was sent."""

        def send_more(self, data: bytes) -> None:
            """Write a piece of the answer."""

        def shutdown(self) -> None:
            """Leave, with what ends the answer."""


#: Pieces for one client in one turn of the loop; then others have theirs.
_PIECES = 4
#: What ends a chunked body.
_END = b"0\r\n\r\n"


class Streaming:
    """What a connection that streams has beside what each has.

    Attributes:
        listener: its place among those who listen; None before and after.
        stay: says whether its client may listen on; None where anybody may.
    """

    __slots__ = ("_beaten", "_chunked", "_client", "_loop", "_streams", "listener", "stay")

    def __init__(
        self,
        client: StreamClient,
        streams: Streams,
        loop: asyncio.AbstractEventLoop,
        *,
        chunked: bool,
    ) -> None:
        """Write to *client*, in chunks unless it is of HTTP/1.0, whose body ends where it ends."""
        self._client, self._streams, self._loop = client, streams, loop
        self._chunked = chunked
        self._beaten = False
        self.listener: Listener | None = None
        self.stay: Stay | None = None

    def opened(self, opening: bytes) -> bytes:
        """Return what is sent first, as a piece of the answer."""
        return self._piece(opening) if opening else b""

    def stream_ready(self) -> None:
        """Take from the listener what is new, if the client takes what it was sent."""
        for _ in range(_PIECES):
            listener = self.listener
            if listener is None or not listener.is_behind or not self._client.takes_more():
                return
            self._send(listener.take())
        self._loop.call_soon(self.stream_ready)

    def beat(self) -> None:
        """Send a heartbeat, if nothing else was sent since the last."""
        was_quiet, self._beaten = self._beaten, True
        if was_quiet and self.listener is not None and self._client.takes_more():
            self._send(self.listener.stream.heartbeat)
            self._beaten = True

    def dismiss(self) -> None:
        """Listen no more: the client may not."""
        if self.listener is not None:
            self._client.shutdown()

    def end(self) -> bytes:
        """Listen no more; return what ends the answer."""
        self.leave()
        return _END if self._chunked else b""

    def leave(self) -> None:
        """Listen no more: the client is gone."""
        listener, self.listener = self.listener, None
        if listener is not None:
            self._streams.leave(listener)

    def _send(self, data: bytes) -> None:
        if data:
            self._beaten = False
            self._client.send_more(self._piece(data))

    def _piece(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
