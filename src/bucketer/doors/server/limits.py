"""What a server bears: sizes, times and numbers, each with the reason for its default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what clients may ask of one worker.

    Attributes:
        url_bytes: path and query; more is 414.
        body_bytes: more is 413, and isn't read to its end.
        header_bytes: names and values of a request's headers together; more is 431. Browsers
            stay below 8 KiB, but a proxy in front may add cookies and tokens.
        connections: open at once. Beyond that, one that is idle or stuck gives way; where none
            is, the new one is answered 503 and closed.
        unfinished_bytes: of all requests that haven't come whole, and of those that wait for a
            thread; beyond that, those that have sent most are answered 503.
        untaken_bytes: of all answers that wait for their clients to take them, or behind others;
            beyond that, those that leave most are cut off.
        head_s: from the first byte of a request's target to the end of its headers; then 408.
            A new connection has as long to come to that byte; then it is closed without a word.
        body_s: from the end of the headers to the end of the body; then 408. A megabyte takes
            this long at 35 KB/s.
        idle_s: between requests; then the connection is closed without a word. More than the
            60 s after which AWS's load balancer and nginx drop it, so that they close first.
        stalled_s: that a client may leave an answer untaken; then it is cut off.
        linger_s: that a client has for closing its half after ours is closed.
        stop_s: that answers under way have at SIGTERM.
        threads: requests at once that may wait for a prediction or a stored profile.
        apart_s: from its arrival that such a request may wait for a free thread and for a
            prediction; then it is answered without one. The prediction's own time-outs, 20.1 s
            unless set otherwise, come first when there is a thread at once.
    """

    url_bytes: int = 8 * 1024
    body_bytes: int = 1024 * 1024
    header_bytes: int = 32 * 1024
    connections: int = 10_000
    unfinished_bytes: int = 64 * 1024 * 1024
    untaken_bytes: int = 64 * 1024 * 1024
    head_s: float = 10.0
    body_s: float = 30.0
    idle_s: float = 75.0
    stalled_s: float = 30.0
    linger_s: float = 3.0
    stop_s: int = 10
    threads: int = 16
    apart_s: float = 25.0
