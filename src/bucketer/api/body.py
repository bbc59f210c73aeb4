"""The bytes of a JSON body in, one JSON value out; what it may cost is settled before it is parsed.

Parsing takes time and memory by the value, not by the byte: a megabyte of brackets would cost
fifty times a megabyte of text. So values and levels are counted first, by a few passes in C over
the bytes (docs/decisions/0090).
"""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder, dumps

from bucketer.core.errors import InvalidRequest

from .query import given_twice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

    #: By the `id` of an object: the first name that stands twice in it, and the object itself, so
    #: that nothing else can get its `id`.
    Repeated = dict[int, tuple[str, dict[str, Any]]]

#: The most values that a body may hold, all levels together: numbers, strings, arrays, objects, …
#: A list of 1,000 events has twenty for each.
MAX_VALUES = 20_000

#: What tells JSON's structure, and everything else.
_STRUCTURE = b'"[]{},'
_THE_REST = bytes(set(range(256)) - set(_STRUCTURE))
#: An integer of more digits is beyond a double, and reading it takes time by their square.
_MAX_DIGITS = 309

# Possessive throughout, and a string that never ends is one too, up to the end: nothing is read
# a second time.
_LEXEME = (
    r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
    r"|(NaN|-?Infinity)"
    r"|-?([0-9]++)(\.[0-9]++)?+([eE][+-]?[0-9]++)?+"
)


class _NameRepeated(Exception):
    """A name stands twice in an object, which is rare: everything is decoded once more."""


def parse_object(body: bytes, max_depth: int) -> dict[str, Any]:
    """Parse *body*, which must be one JSON object in UTF-8.

    The last of two equal keys wins, except in the outermost object: a parameter given twice
    is refused there, as it is in a query.

    Raises:
        InvalidRequest: not UTF-8, not JSON, nested deeper than *max_depth*, of more than
            `MAX_VALUES`, not an object, or a parameter is given twice.
    """
    parsed, repeated = parse_json(body, max_depth)
    return as_parameters(parsed, repeated)


def parse_json(body: bytes, max_depth: int) -> tuple[Any, Repeated]:
    """Parse *body*, any JSON value in UTF-8.

    Returns:
        the value, and the objects in which a name stands twice, for `as_parameters`.

    Raises:
        InvalidRequest: not UTF-8, not JSON, nested deeper than *max_depth*, or of more than
            `MAX_VALUES`.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        message = f"The body is not valid UTF-8 at byte {error.start}."
        raise InvalidRequest(message, field="body", position=error.start) from None
    check_cost(body, max_depth)
    try:
        try:
            return (_DECODER_OF_SHORT if len(text) <= _MAX_DIGITS else _DECODER).decode(text), {}
        except _NameRepeated:
            return _decode_all(text)
    except JSONDecodeError as error:
        raise _no_json(text, error) from None
    except ValueError:  # an integer of thousands of digits, NaN or Infinity
        raise _no_number(text) from None


def _decode_all(text: str) -> tuple[Any, Repeated]:
    """Decode what has an object in which a name stands twice, and tell which."""
    repeated: Repeated = {}

    def remember_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) < len(pairs):
            repeated[id(built)] = first_repeated(name for name, _ in pairs), built
        return built

    decoder = JSONDecoder(
        object_pairs_hook=remember_repeated, parse_int=_integer, parse_constant=_no_constant
    )
    return decoder.decode(text), repeated


def as_parameters(parsed: object, repeated: Repeated) -> dict[str, Any]:
    """Take an object of a body for parameters.

    Raises:
        InvalidRequest: it is no object, or a parameter is given twice.
    """
    if not isinstance(parsed, dict):
        message = 'The body must be a JSON object such as {"e": "…", "u": "…", "a": {…}}.'
        raise InvalidRequest(message, field="body")
    if id(parsed) in repeated:
        raise given_twice(repeated[id(parsed)][0])
    return parsed


def first_repeated(names: Iterable[str]) -> str:
    """Return the first of *names* that was there before; "" if each is there once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def same_json(one: object, other: object) -> bool:
    """Say whether two parsed values are the same JSON; 1, 1.0 and true are three."""
    return dumps(one, sort_keys=True) == dumps(other, sort_keys=True)


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError
    return int(digits)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) < len(pairs):
        raise _NameRepeated
    return built


# Made once: to make one costs as much as to decode a usual body. In a short text no integer can be
# too long, so `int` itself reads them.
_DECODER = JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_constant=_no_constant)
_DECODER_OF_SHORT = JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def _no_json(text: str, error: JSONDecodeError) -> InvalidRequest:
    """Say what came in the place of JSON."""
    if not text.strip():
        message = "The body is empty; send a JSON object."
    elif re.match(r"[\w.%+-]++=", text):
        message = "The body is a form, not JSON; send a JSON object, or say that it is one."
    elif text.startswith("--"):
        message = "The body is multipart/form-data; send a JSON object, or URLSearchParams."
    else:
        message = f"The body is not JSON: {error.msg} at position {error.pos}."
    return InvalidRequest(message, field="body", position=error.pos)


def _no_number(text: str) -> InvalidRequest:
    """Find the first number that is none, or too long for one."""
    for found in re.finditer(_LEXEME, text, re.DOTALL):
        position = found.start()
        word, digits, fraction, exponent = found.groups()
        if word:
            message = f"The body is not JSON: {word} at position {position}."
            return InvalidRequest(message, field="body", position=position)
        if (
            digits
            and not fraction
            and not exponent
            and len(digits) + (text[position] == "-") > _MAX_DIGITS
        ):
            message = f"The body has a number out of range at position {position}."
            return InvalidRequest(message, field="body", position=position)
    return InvalidRequest("The body has a number out of range.", field="body")


def check_cost(body: bytes, max_depth: int) -> None:
    """Refuse what holds too many values, or is nested too deep, before a parser meets it.

    It sees strings as the parser does up to the first thing that isn't JSON, where that one stops.

    Raises:
        InvalidRequest: it is too much.
    """
    opened = body.count(b"{") + body.count(b"[")
    if opened <= max_depth and len(body) <= MAX_VALUES:
        return
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    skeleton = body.translate(None, _THE_REST)
    # Each string is a value or the name of one: of so many no more need be told apart.
    parts = skeleton.split(b'"', 4 * MAX_VALUES)
    outside = b"".join(parts[:-1:2] if len(parts) > 4 * MAX_VALUES else parts[::2])
    _check_depth(outside.translate(None, b",")[: 2 * MAX_VALUES], max_depth)
    values = outside.count(b",") + outside.count(b"{") + outside.count(b"[") + 1
    if values > MAX_VALUES or len(parts) > 4 * MAX_VALUES:
        message = f"The body has more than {MAX_VALUES} values; send less of them at once."
        raise InvalidRequest(message, field="body")


def _check_depth(brackets: bytes, max_depth: int) -> None:
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > max_depth:
            message = f"The body is nested deeper than {max_depth} levels."
            raise InvalidRequest(message, field="body")
