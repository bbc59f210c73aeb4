"""A door's own answers to what never became a request: the handler isn't asked, for want of one.

The body has the shape of every other error, so that a caller who only looks at ``variation``
falls back safely; for OpenFeature's clients that of their protocol, where the path is known.
"""

from __future__ import annotations

import json

from bucketer.api.http import Response
from bucketer.api.query import unquote_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    Headers = tuple[tuple[str, str], ...]

_OFREP = "/ofrep/v1/"
#: How much of a key an answer repeats.
_MOST_CHARS = 1_000
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


def refusal(status: int, request_id: str, headers: Headers, path: str = "") -> Response:
    """Return the answer for one of `REFUSALS`, with the *headers* of other answers.

    Args:
        status: one of the table.
        request_id: to be told.
        headers: of other answers.
        path: what was asked for, as far as it came.
    """
    code, message = REFUSALS[status]
    body = shaped(path, code, message)
    if status == 503:  # noqa: PLR2004 -- as in the table
        headers += _LATER
    return Response(status, headers, json.dumps(body).encode(), request_id)


def shaped(path: str, code: str, message: str) -> dict[str, object]:
    """Return the body of a refusal of *path*: with *code*, but in OpenFeature's protocol."""
    if _OFREP not in path:
        return {"variation": None, "error": {"code": code, "message": message}}
    key = unquote_path(path.partition(f"{_OFREP}evaluate/flags/")[2]) or ""
    told: dict[str, object] = {"key": key[:_MOST_CHARS], "errorCode": "GENERAL"}
    return {**told, "errorDetails": message, "metadata": {}}
