"""Values as Go's `fmt` writes them: `%q` of a text, `%v` of what JSON can hold.

Source: Go's strconv, Quote; fmt, Printf.
"""

from __future__ import annotations

from .go_json import go_number

_SHORT = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}
#: Below this `%v` writes an exponent, of two digits as Python does; JSON later.
_SMALL = 1e-4
#: The last ones that are written with two digits, and with four.
_LAST_X, _LAST_U = 0x7F, 0xFFFF


def go_quoted(text: str) -> str:
    """Write *text* as `%q` does: in quotes, with escapes for what can't be seen."""
    return f'"{"".join(map(_character, text))}"'


def _character(character: str) -> str:
    short = _SHORT.get(character)
    if short is not None:
        return short
    if character.isprintable():
        return character
    code = ord(character)
    if code <= _LAST_X:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _LAST_U else f"\\U{code:08x}"


def go_value(value: object) -> str:
    """Write a value of JSON as `%v` does."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and 0 < abs(value) < _SMALL:
        return repr(value)
    if isinstance(value, (int, float)):
        return go_number(value)
    if isinstance(value, list):
        return f"[{' '.join(map(go_value, value))}]"
    if isinstance(value, dict):
        inner = (f"{name}:{go_value(value[name])}" for name in sorted(value))
        return f"map[{' '.join(inner)}]"
    raise TypeError(type(value).__name__)
