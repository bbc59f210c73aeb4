"""A collector that only counts: as fast as one can be in Python, so that it isn't what is measured.

python benchmarks/events/sink.py PORT      prints events and requests per second while busy
"""

from __future__ import annotations

import asyncio
import sys
import time

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
COUNTED = b'"visitor_id": '


class Sink(asyncio.Protocol):
    """One connection: reads a body by its length, counts the visitors in it, says 204."""

    events = 0
    requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport
        self._head = b""
        self._parts: list[bytes] = []
        self._missing = -1

    def data_received(self, data: bytes) -> None:
        """Collect until the body is whole."""
        while data or self._missing == 0:
            if self._missing < 0:
                self._head += data
                head, found, data = self._head.partition(b"\r\n\r\n")
                if not found:
                    return
                self._head = b""
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                self._missing = int(length or 0)
            part, data = data[: self._missing], data[self._missing :]
            self._parts.append(part)
            self._missing -= len(part)
            if self._missing:
                return
            Sink.requests += 1
            # The client of Node puts no blank behind a colon.
            body = b"".join(self._parts)
            Sink.events += body.count(COUNTED) or body.count(b'"visitor_id":')
            self._parts, self._missing = [], -1
            self._transport.write(ANSWER)  # type: ignore[attr-defined]


async def serve(port: int) -> None:
    """Serve for ever; a line for each second in which something came."""
    loop = asyncio.get_running_loop()
    await loop.create_server(Sink, "127.0.0.1", port)
    events = requests = 0
    at = time.monotonic()
    while True:
        await asyncio.sleep(1)
        now = time.monotonic()
        if Sink.events != events:
            print(
                f"{(Sink.events - events) / (now - at):,.0f} events/s in "
                f"{(Sink.requests - requests) / (now - at):,.0f} requests/s; {Sink.events} so far",
                flush=True,
            )
        events, requests, at = Sink.events, Sink.requests, now


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
