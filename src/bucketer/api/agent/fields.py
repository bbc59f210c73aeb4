"""A body in, the fields of a structure out, as Go's decoder takes them.

Names match in any case, unknown ones are ignored, the last of two wins (two objects are joined), an
empty body and `null` are a structure without anything, and what has another type than the field is
no body at all. What a body may cost is `bucketer.api.body`'s business.

Source: Go's encoding/json, Unmarshal.
"""

from __future__ import annotations

import re
from json import JSONDecoder

from bucketer.api.body import check_cost
from bucketer.core.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TypeAlias

    #: An object, as its members came.
    _Members: TypeAlias = tuple[tuple[str, Any], ...]

#: Types of fields, each with its value where nothing is given.
TEXT, FLAG, OBJECT, TEXTS, OBJECTS, TEXT_MAP = "text", "flag", "object", "texts", "objects", "map"

_SURROGATES = re.compile("[\ud800-\udfff]")
#: The largest integer that a double holds exactly, with all below it.
_EXACT = 2**53
#: An integer of more digits is beyond a double.
_MAX_DIGITS = 309


class Unreadable(ValueError):
    """The body is not what the operation takes."""


class Shape:
    """The fields of a structure.

    Attributes:
        types: name → type.
        names: name in any case → name.
        empty: what no field is given as, for those that nobody changes.
        filled: the others, and what makes theirs.
    """

    __slots__ = ("empty", "filled", "names", "types")

    def __init__(self, **types: str) -> None:
        """Take the fields' types by their names."""
        self.types = types
        self.names = {name.casefold(): name for name in types}
        made = {name: _NOTHING[kind] for name, kind in types.items()}
        self.empty: dict[str, Any] = {name: make() for name, make in made.items()}
        self.filled = tuple((name, make) for name, make in made.items() if make in {dict, list})

    def nothing(self) -> dict[str, Any]:
        """Return all fields, with nothing given."""
        found = self.empty.copy()
        for name, make in self.filled:
            found[name] = make()
        return found


#: What makes the value of a field that isn't given.
_NOTHING: dict[str, Callable[[], Any]] = {
    TEXT: str,
    FLAG: bool,
    OBJECT: dict,
    TEXT_MAP: dict,
    TEXTS: list,
    OBJECTS: list,
}


def read_fields(body: bytes, max_depth: int, shape: Shape) -> dict[str, Any]:
    """Return the fields of *shape* that *body* gives, the others as nothing is.

    Raises:
        Unreadable: it is no JSON, too much of it, or has another type somewhere.
    """
    found = shape.nothing()
    if not body:
        return found
    parsed = _parse(body, max_depth)
    if parsed is None:
        return found
    if type(parsed) is not tuple:
        raise Unreadable
    fold(found, parsed, shape)
    return found


def fold(found: dict[str, Any], members: _Members, shape: Shape) -> None:
    """Put the members of an object into the fields that they name, in any case."""
    types = shape.types
    for given, value in members:
        name = given if given in types else shape.names.get(given.casefold())
        if name is None:
            continue
        kind = types[name]
        if kind == TEXT and type(value) is str:  # nearly every body has one
            found[name] = value
        elif value is not None:
            found[name] = _typed(value, kind, found[name])
        elif kind not in {TEXT, FLAG}:  # a text or a number stays as it is
            found[name] = _NOTHING[kind]()


def objects(value: list[Any], shape: Shape) -> list[dict[str, Any]]:
    """Read each item of a field of OBJECTS as a structure.

    Raises:
        Unreadable: one of them is none.
    """
    read = []
    for each in value:
        found = shape.nothing()
        if each is not None:
            if type(each) is not tuple:
                raise Unreadable
            fold(found, each, shape)
        read.append(found)
    return read


def _parse(body: bytes, max_depth: int) -> Any:
    """Return a JSON value, in which an object is the tuple of its members, as they came."""
    # Each byte that is no UTF-8 becomes a surrogate here, and U+FFFD below: one for each, as in Go.
    text = body.decode("utf-8", "surrogateescape")
    try:
        check_cost(body, max_depth)
        if text[0] == "{":  # without looking for blanks
            parsed, end = _DECODER.raw_decode(text)
        else:
            parsed, end = _DECODER.decode(text), len(text)
    except (InvalidRequest, ValueError, RecursionError) as error:
        raise Unreadable from error
    if end < len(text) and text[end:].strip(_BLANKS):
        raise Unreadable
    return parsed if text.isascii() and "\\u" not in text else _without_surrogates(parsed)


def _integer(digits: str) -> float:
    if len(digits) > _MAX_DIGITS:
        return _number(digits)
    number = int(digits)
    return number if 0 < abs(number) <= _EXACT else _number(digits)


def _number(text: str) -> float:
    """A double; whole ones as integers, which render alike, but for the zero that has a sign."""
    number = float(text)
    if number - number != 0:
        raise ValueError(text[:20])
    if not number.is_integer() or abs(number) > _EXACT or (not number and text[0] == "-"):
        return number
    return int(number)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


_BLANKS = " \t\n\r"
_DECODER = JSONDecoder(
    object_pairs_hook=tuple, parse_int=_integer, parse_float=_number, parse_constant=_no_constant
)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, tuple):
        return tuple((_SURROGATES.sub("\ufffd", k), _without_surrogates(v)) for k, v in value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    return value


def _typed(value: Any, kind: str, before: Any) -> Any:
    """Return *value* as a field of *kind*, which was *before*; texts are `fold`'s.

    Raises:
        Unreadable: it is something else.
    """
    given = type(value)
    if kind == OBJECT and given is tuple:
        # Into the same dict: of many objects by one name each entry is touched once.
        before.update([(name, each if type(each) is str else plain(each)) for name, each in value])
        return before
    if kind == FLAG and given is bool:
        return value
    if kind == TEXT_MAP and given is tuple:
        before.update([(name, _text(each)) for name, each in value])
        return before
    if kind in {TEXTS, OBJECTS} and given is list:
        return value if kind == OBJECTS else [_text(each) for each in value]
    raise Unreadable


def _text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unreadable
    return value


def plain(value: Any) -> Any:
    """Return a parsed value of any type as dicts and lists."""
    if isinstance(value, tuple):
        return {name: plain(each) for name, each in value}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value
