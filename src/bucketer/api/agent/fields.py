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
    from typing import Any, NoReturn

#: Types of fields, each with its value where nothing is given.
TEXT, FLAG, OBJECT, TEXTS, OBJECTS, TEXT_MAP = "text", "flag", "object", "texts", "objects", "map"

_SURROGATES = re.compile("[\ud800-\udfff]")
_MAY_HAVE_SURROGATES = re.compile(r"\\u[dD][89a-fA-F]|[^\x00-\x7f]")
#: The largest integer that a double holds exactly, with all below it.
_EXACT = 2**53
#: An integer of more digits is beyond a double.
_MAX_DIGITS = 309


class Unreadable(ValueError):
    """The body is not what the operation takes."""


class _Pairs(list[tuple[str, "Any"]]):
    """An object, as its members came."""


def read_fields(body: bytes, max_depth: int, shape: dict[str, str]) -> dict[str, Any]:
    """Return the fields of *shape* (name → type) that *body* gives, the others as nothing is.

    Raises:
        Unreadable: it is no JSON, too much of it, or has another type somewhere.
    """
    found = {name: _nothing(kind) for name, kind in shape.items()}
    if not body:
        return found
    parsed = _parse(body, max_depth)
    if parsed is None:
        return found
    if not isinstance(parsed, _Pairs):
        raise Unreadable
    fold(found, parsed, shape)
    return found


def fold(found: dict[str, Any], pairs: _Pairs, shape: dict[str, str]) -> None:
    """Put the members of an object into the fields that they name, in any case."""
    names = {name.casefold(): name for name in shape}
    for given, value in pairs:
        name = given if given in shape else names.get(given.casefold())
        if name is None:
            continue
        if value is None:  # leaves a text or a number as it is, and empties a map or list
            if shape[name] not in {TEXT, FLAG}:
                found[name] = _nothing(shape[name])
        else:
            found[name] = _typed(value, shape[name], found[name])


def objects(value: list[Any], shape: dict[str, str]) -> list[dict[str, Any]]:
    """Read each item of a field of OBJECTS as a structure.

    Raises:
        Unreadable: one of them is none.
    """
    read = []
    for each in value:
        found = {name: _nothing(kind) for name, kind in shape.items()}
        if each is not None:
            if not isinstance(each, _Pairs):
                raise Unreadable
            fold(found, each, shape)
        read.append(found)
    return read


def _parse(body: bytes, max_depth: int) -> Any:
    # Each byte that is no UTF-8 becomes a surrogate here, and U+FFFD below: one for each, as in Go.
    text = body.decode("utf-8", "surrogateescape")
    try:
        check_cost(body, max_depth)
        parsed = _DECODER.decode(text)
    except (InvalidRequest, ValueError, RecursionError) as error:
        raise Unreadable from error
    return _without_surrogates(parsed) if _MAY_HAVE_SURROGATES.search(text) else parsed


def _integer(digits: str) -> float:
    if len(digits) > _MAX_DIGITS:
        return _number(digits)
    number = int(digits)
    return number if -_EXACT <= number <= _EXACT else _number(digits)


def _number(text: str) -> float:
    """A double; whole ones as integers, which render alike."""
    number = float(text)
    if number - number != 0:
        raise ValueError(text[:20])
    return int(number) if number.is_integer() and -_EXACT <= number <= _EXACT else number


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


_DECODER = JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_integer, parse_float=_number, parse_constant=_no_constant
)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, _Pairs):
        return _Pairs((_SURROGATES.sub("\ufffd", k), _without_surrogates(v)) for k, v in value)
    if isinstance(value, list):
        return [_without_surrogates(each) for each in value]
    return value


def _nothing(kind: str) -> Any:
    if kind == TEXT:
        return ""
    if kind == FLAG:
        return False
    return {} if kind in {OBJECT, TEXT_MAP} else []


def _typed(value: Any, kind: str, before: Any) -> Any:
    """Return *value* as a field of *kind*, which was *before*.

    Raises:
        Unreadable: it is something else.
    """
    if kind == TEXT and isinstance(value, str):
        return value
    if kind == FLAG and isinstance(value, bool):
        return value
    if kind in {OBJECT, TEXT_MAP} and isinstance(value, _Pairs):
        # Into the same dict: of many objects by one name each entry is touched once.
        read = plain if kind == OBJECT else _text
        before.update((name, read(each)) for name, each in value)
        return before
    if kind in {TEXTS, OBJECTS} and isinstance(value, list) and not isinstance(value, _Pairs):
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
    if isinstance(value, _Pairs):
        return {name: plain(each) for name, each in value}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value
