"""JSON as Go writes it: no blanks, keys of maps in order, `<`, `>` and `&` escaped, a line's end.

Source: Go's encoding/json, which Agent renders its answers with.
"""

from __future__ import annotations

import re
from json.encoder import encode_basestring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: What stands in Go's strings in another way than in Python's. None of it is JSON's structure.
_ESCAPED = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}
#: Lone surrogates, which no UTF-8 has.
_SURROGATES = re.compile("[\ud800-\udfff]")
#: From here on, and below, Go writes an exponent.
_LARGE, _SMALL = 1e21, 1e-6
#: Integers that a double holds exactly.
_EXACT = 2**53


class Fields(dict[str, object]):
    """A structure of Go's: written in its own order, where a map's keys are sorted."""


class NoJson(ValueError):
    """A number that JSON has no word for.

    Attributes:
        word: as Go writes it: `+Inf`, `-Inf`, `NaN`.
    """

    def __init__(self, number: float) -> None:
        """Name the number."""
        self.word = "+Inf" if number > 0 else "-Inf" if number < 0 else "NaN"
        super().__init__(self.word)


def document(value: object) -> bytes:
    """Render *value* as the body of an answer.

    Raises:
        NoJson: it holds a number that JSON lacks.
    """
    return f"{go_json(value)}\n".encode()


def go_json(value: object) -> str:
    """Render *value*: numbers as doubles, a dict as a map, `Fields` as a structure.

    Raises:
        NoJson: it holds a number that JSON lacks.
    """
    return _escaped(_written(value))


def go_object(value: Mapping[str, object]) -> str:
    """Render a map, or the fields of a structure."""
    return _escaped(_object(value))


def go_string(text: str) -> str:
    """Render a string, with its quotes."""
    return _escaped(encode_basestring(text))


def _escaped(written: str) -> str:
    """Write what Go writes in another way; what is written so already stays as it is."""
    if written.isascii() and "<" not in written and ">" not in written and "&" not in written:
        return written
    for sign, escaped in _ESCAPED.items():
        written = written.replace(sign, escaped)
    return _SURROGATES.sub("\\\\ufffd", written)


def _written(value: object) -> str:
    if type(value) is str:
        return encode_basestring(value)
    if type(value) is int and -_EXACT <= value <= _EXACT:
        return repr(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return go_number(value)
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_written, value))}]"
    raise TypeError(type(value).__name__)


def _object(value: Mapping[str, object]) -> str:
    quote = encode_basestring
    # Of a map's items no two have the same name, so values are never compared.
    items = value.items() if isinstance(value, Fields) else sorted(value.items())
    members = [
        f"{quote(name)}:{quote(each) if type(each) is str else _written(each)}"
        for name, each in items
    ]
    return f"{{{','.join(members)}}}"


def go_number(number: float) -> str:
    """Render a number as Go does a float64.

    Raises:
        NoJson: JSON lacks it.
    """
    if isinstance(number, int):
        if -_EXACT <= number <= _EXACT:
            return int.__repr__(number)
        number = float(number)
    if number - number != 0:
        raise NoJson(number)
    size = abs(number)
    text = float.__repr__(number)
    if size and not _SMALL <= size < _LARGE:
        digits, _, exponent = text.partition("e")
        return f"{digits.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"
    if "e" not in text:
        return text.removesuffix(".0")
    return _written_out(text)


def _written_out(text: str) -> str:
    """Write a number of 1e16 and more, or below 0.0001, without its exponent."""
    digits, _, exponent = text.partition("e")
    sign = "-" if digits.startswith("-") else ""
    digits = digits.removeprefix("-").replace(".", "")
    zeros = int(exponent)
    if zeros < 0:
        return f"{sign}0.{'0' * (-zeros - 1)}{digits}"
    return f"{sign}{digits}{'0' * (zeros - len(digits) + 1)}"
