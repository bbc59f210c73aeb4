"""A door's own answers to what never became a request: the handler isn't asked, for want of one.

The body has the shape of every other error, so that a caller who only looks at ``variation``
falls back safely.
"""

from __future__ import annotations

import json

from bucketer.api.http import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    Headers = tuple[tuple[str, str], ...]

_LATER = (("Retry-After", "1"),)

#: Status to code and message of each refusal.
REFUSALS = {
    400: (
        "invalid_request",
        "This is no request of HTTP/1.1: its first line, a header or its framing is malformed.",
    ),
    408: ("timeout", "The request took too long to arrive. Send it again, at once and whole."),
    431: ("too_large", "The headers of the request are too big. Send fewer or shorter ones."),
    500: ("internal_error", "Something unforeseen happened. The server's log says what."),
    503: (
        "overloaded",
        "The server holds all the connections or unfinished requests that it can. Try again soon.",
    ),
}


def refusal(status: int, request_id: str, headers: Headers) -> Response:
    """Return the answer for one of `REFUSALS`, with the *headers* of other answers."""
    code, message = REFUSALS[status]
    body = {"variation": None, "error": {"code": code, "message": message}}
    if status == 503:  # noqa: PLR2004 -- as in the table
        headers += _LATER
    return Response(status, headers, json.dumps(body).encode(), request_id)
