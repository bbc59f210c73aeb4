"""What is sent away, by POST: events to Optimizely, messages to SQS.

The connection is kept from one request to the next, as long as the collector allows it.
"""

from __future__ import annotations

from time import monotonic

from bucketer.wire import Line, split_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.wire import Answer

#: Of an answer nobody needs more; of a longer one only the status is read.
_MAX_BODY_BYTES = 256 * 1024


class Poster:
    """Keeps one connection to one URL. For one thread at a time, but for `abort`.

    Args:
        url: ``http://`` or ``https://``.
        ca_file: a PEM file of trusted roots in place of the system's, or None.

    Raises:
        SourceError: *url* is no such URL.
    """

    def __init__(self, url: str, ca_file: str | None = None) -> None:
        self._line = Line(split_url(url), ca_file)
        self.close = self._line.close
        self.abort = self._line.abort

    def post(self, body: bytes, headers: dict[str, str], timeout_s: float) -> Answer:
        """Send *body* and wait for the answer, both within *timeout_s* seconds.

        Raises:
            ExchangeFailed: refused, cut off, not HTTP, or too slow.
        """
        deadline = monotonic() + timeout_s
        return self._line.ask(
            headers,
            method="POST",
            body=body,
            deadline=deadline,
            max_bytes=_MAX_BODY_BYTES,
            cut=True,
        )
