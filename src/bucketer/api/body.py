"""The bytes of a JSON body in, one JSON object out; bounded in depth before it is parsed."""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder

from bucketer.core.errors import InvalidRequest

from .query import given_twice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRINGS = re.compile(_STRING, re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")


def parse_object(body: bytes, max_depth: int) -> dict[str, Any]:
    """Parse *body*, which must be one JSON object in UTF-8.

    The last of two equal keys wins, except in the outermost object: a parameter given twice
    is refused there, as it is in a query.

    Raises:
        InvalidRequest: not UTF-8, not JSON, nested deeper than *max_depth*, not an object, or
            a parameter is given twice.
    """
    twice: list[str] = []

    def remember_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Objects end from the inside out, so the last call is the outermost object's.
        built = dict(pairs)
        names = [name for name, _ in pairs]
        twice[:] = (
            [name for name in built if names.count(name) > 1] if len(built) < len(names) else []
        )
        return built

    parsed = parse_json(body, max_depth, remember_twice)
    if not isinstance(parsed, dict):
        message = 'The body must be a JSON object such as {"e": "…", "u": "…", "a": {…}}.'
        raise InvalidRequest(message, field="body")
    if twice:
        raise given_twice(twice[0])
    return parsed


def parse_json(
    body: bytes, max_depth: int, make_object: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> Any:
    """Parse *body*, any JSON value in UTF-8; *make_object* sees the pairs of each object.

    Raises:
        InvalidRequest: not UTF-8, not JSON, or nested deeper than *max_depth*.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        message = f"The body is not valid UTF-8 at byte {error.start}."
        raise InvalidRequest(message, field="body", position=error.start) from None
    _check_depth(text, max_depth)
    decoder = JSONDecoder(object_pairs_hook=make_object, parse_constant=_no_constant)
    try:
        return decoder.decode(text)
    except JSONDecodeError as error:
        raise _no_json(text, error) from None
    except ValueError:  # an integer of thousands of digits, NaN or Infinity
        raise _no_number(text) from None


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _no_json(text: str, error: JSONDecodeError) -> InvalidRequest:
    """Say what came in the place of JSON."""
    if not text.strip():
        message = "The body is empty; send a JSON object."
    elif re.match(r"[\w.%+-]+=", text):
        message = "The body is a form, not JSON; send a JSON object."
    else:
        message = f"The body is not JSON: {error.msg} at position {error.pos}."
    return InvalidRequest(message, field="body", position=error.pos)


def _no_number(text: str) -> InvalidRequest:
    """Find the first number that is none, or too long for one."""
    for found in re.finditer(rf"{_STRING}|(NaN|-?Infinity)|(-?[0-9]{{4301,}})", text, re.DOTALL):
        position = found.start()
        if found.group(1):
            message = f"The body is not JSON: {found.group(1)} at position {position}."
            return InvalidRequest(message, field="body", position=position)
        if found.group(2):
            message = f"The body has a number out of range at position {position}."
            return InvalidRequest(message, field="body", position=position)
    return InvalidRequest("The body has a number out of range.", field="body")


def _check_depth(text: str, max_depth: int) -> None:
    """Refuse what is nested too deep, before a parser recurses into it."""
    if text.count("{") + text.count("[") <= max_depth:
        return
    depth = 0
    for bracket in _BRACKETS.finditer(_STRINGS.sub('""', text)):
        depth += 1 if bracket.group() in "[{" else -1
        if depth > max_depth:
            message = f"The body is nested deeper than {max_depth} levels."
            raise InvalidRequest(message, field="body")
