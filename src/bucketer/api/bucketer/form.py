"""A form in a body, as the JSON that says the same: `URLSearchParams` in a beacon, or `curl -d`.

A form may name what a URL's query may. Beacons have 64 KiB, so no form has more: what costs more
to read than to send is bounded by that.
"""

from __future__ import annotations

import re

from bucketer.api.query import given_twice, unquote
from bucketer.core.errors import InvalidRequest

from .attributes import parse_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bucketer.api.http import Request

#: As many bytes as a browser sends with `sendBeacon`.
MAX_BYTES = 64 * 1024
#: The most fields that a form may have; a request has six names of ours.
MAX_FIELDS = 256

_TYPE = "application/x-www-form-urlencoded"
_JSON = "application/json"
_LOOKS = re.compile(rb"[A-Za-z0-9_.%+-]{1,100}=")


def is_form(request: Request) -> bool:
    """Say whether the body of *request* is a form: by its type, or by its look.

    The type alone says little: `curl -d` sends JSON as a form, and a beacon with a string sends
    whatever it is as ``text/plain``.
    """
    body = request.body
    if body[:64].lstrip()[:1] in {b"{", b"["}:
        return False
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said == _TYPE:
        return bool(body)
    return said != _JSON and _LOOKS.match(body) is not None


def form_object(body: bytes, parse_tags: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of a form, decoded, with attributes and tags as objects.

    Args:
        body: percent-encoded, with ``+`` for blanks.
        parse_tags: reads tags as a query has them.

    Raises:
        InvalidRequest: no name has a value, too many bytes or fields, a field twice, not UTF-8,
            or a value that can't be read.
    """
    if b"=" not in body:
        message = "The body is neither a JSON object nor a form (name=value&...); send one of them."
        raise InvalidRequest(message, field="body")
    if len(body) > MAX_BYTES:
        message = f"The form is over {MAX_BYTES} bytes; send a JSON object."
        raise InvalidRequest(message, field="body")
    pieces = body.decode("utf-8", "surrogateescape").strip().split("&")
    if len(pieces) > MAX_FIELDS:
        message = f"The form has more than {MAX_FIELDS} fields; send less of them."
        raise InvalidRequest(message, field="body")
    fields: dict[str, Any] = {}
    for piece in filter(None, pieces):
        raw_name, _, raw_value = piece.partition("=")
        try:
            name, value = unquote(raw_name), unquote(raw_value)
        except UnicodeError:
            message = "The form is not valid UTF-8."
            raise InvalidRequest(message, field="body") from None
        if name in fields:
            raise given_twice(name)
        fields[name] = value
    for name in ("a", "attributes"):
        if fields.get(name):
            fields[name] = parse_attributes(fields[name])
    if fields.get("tags"):
        fields["tags"] = parse_tags(fields["tags"])
    return fields
