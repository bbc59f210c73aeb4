"""A `POST /bucketer` in, its parameters out: the body's, and the query's beside them.

A module of its own, with all that it needs, so that a cold start goes without and a request
imports one thing.
"""

from __future__ import annotations

from bucketer.api.body import as_parameters
from bucketer.api.query import OF_BUCKETER, parse_query

from .attributes import parse_attributes
from .body import parsed_body
from .names import add_query, check_user, fields_of, switch_of, tracking_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bucketer.api.http import Request


def fields_of_post(request: Request, max_depth: int) -> dict[str, Any]:
    """Read the parameters of a POST by the names of `OF_BUCKETER`, as `names.fields_of` does.

    Args:
        request: a POST, whose body is JSON or a form.
        max_depth: open brackets of the body.

    Raises:
        InvalidRequest: body or query can't be read, or give two values for one thing, or the user
            is named in a way that isn't understood.
    """
    body = as_parameters(*parsed_body(request, max_depth))
    fields = fields_of(body, OF_BUCKETER)
    if request.query:
        given: dict[str, Any] = {**parse_query(request.query, OF_BUCKETER)}
        if given.get("a"):
            given["a"] = parse_attributes(given["a"])
        for name in ("debug", "segments"):
            if given.get(name):
                given[name] = switch_of(given[name], name)
        if given.get("track"):
            given["track"] = tracking_of(given["track"])
        add_query(fields, given)
    check_user(body, OF_BUCKETER, named="u" in fields)
    return fields
