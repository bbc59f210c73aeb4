"""The body of a request to our own API: JSON, or a form; and tags, which may be text in either."""

from __future__ import annotations

from bucketer.api.body import parse_json, parse_object
from bucketer.api.query import OF_BUCKETER, parse_query
from bucketer.core.errors import InvalidRequest

from .attributes import parse_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bucketer.api.body import Repeated
    from bucketer.api.http import Request

_OF_USER = {name: key for name, key in OF_BUCKETER.items() if key == "u"}


def parsed_body(request: Request, max_depth: int) -> tuple[Any, Repeated]:
    """Parse the body of *request*, JSON or a form: once, however often it is asked for.

    Without a body the query says it all, if it names the user: a beacon may be an address alone.
    Else the body may have been lost, and the user with it.

    A request is answered anew when something had to be fetched for it, and an error's answer
    tells what was understood.
    """
    found: tuple[Any, Repeated] | InvalidRequest | None = request.parsed
    if found is None:
        try:
            if request.body[:1] in {b"{", b"["}:  # nearly always
                found = parse_json(request.body, max_depth)
            else:
                found = _parse_form_or_json(request, max_depth)
        except InvalidRequest as error:
            found = error
        request.parsed = found
    if isinstance(found, InvalidRequest):
        raise found.with_traceback(None)
    return found


def _parse_form_or_json(request: Request, max_depth: int) -> tuple[Any, Repeated]:
    from .form import form_object, is_form

    if not request.body and parse_query(request.query, _OF_USER).get("u"):
        return {}, {}
    if is_form(request):
        return form_object(request.body, lambda text: parse_tags(text, max_depth)), {}
    return parse_json(request.body, max_depth)


def parse_tags(text: str, max_depth: int) -> dict[str, Any]:
    """Parse tags in a query or form: one JSON object, of any depth, or `key:value` items as in `a`.

    Raises:
        InvalidRequest: they are neither.
    """
    try:
        if text.lstrip().startswith("{"):
            return parse_object(text.encode(), max_depth)
        return parse_attributes(text)
    except InvalidRequest as error:
        said = str(error).replace("Bad attributes in 'a' at", "bad tags at", 1)
        message = f"Parameter 'tags': {said.replace('The body is', 'it is', 1)}"
        raise InvalidRequest(message, field="tags", position=error.position) from None
