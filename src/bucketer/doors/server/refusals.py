"""Answers to what never became a request: the handler isn't asked, as there is nothing to ask.

The body has the shape of every other error, so that a caller who only looks at ``variation``
falls back safely.
"""

from __future__ import annotations

import json

from bucketer.api.http import Response

_HEADERS = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
)
_HEADERS_LATER = (*_HEADERS, ("Retry-After", "1"))

#: Status to code and message of each refusal.
REFUSALS = {
    400: (
        "invalid_request",
        "This is no request of HTTP/1.1: its first line, a header or its framing is malformed.",
    ),
    408: ("timeout", "The request took too long to arrive. Send it again, at once and whole."),
    431: ("too_large", "The headers of the request are too big. Send fewer or shorter ones."),
    500: ("internal_error", "Something unforeseen happened. The server's log says what."),
    503: ("overloaded", "Too many connections are open. Try again in a second."),
}


def refusal(status: int, request_id: str) -> Response:
    """Return the answer for one of `REFUSALS`."""
    code, message = REFUSALS[status]
    body = {"variation": None, "user": None, "error": {"code": code, "message": message}}
    headers = _HEADERS_LATER if status == 503 else _HEADERS  # noqa: PLR2004 -- as in the table
    return Response(status, headers, json.dumps(body).encode(), request_id)
