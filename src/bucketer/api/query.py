"""Raw query string in, the few parameters that a route knows out; nothing is decoded twice.

Split by hand: a library's parser costs several times the decision it serves (docs/decisions/0020).
"""

from __future__ import annotations

from functools import cache

from bucketer.core.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_HEX = "0123456789abcdefABCDEF"
_PRINTABLE = range(0x20, 0x7F)
#: What may stand in a query as it is.
_LITERAL = frozenset(range(0x21, 0x7F)) - frozenset(b"%&+=#")
#: Looked for in the query as it is: decoding each name for it would cost every request.
_ENVIRONMENT = "sdk_key"
#: How much of a value an error message shows.
_EXCERPT_BYTES = 24

#: Name that a caller may use → name that the routes know it by (docs/decisions/0091).
_SHARED = {
    **dict.fromkeys(("u", "user", "userId", "user_id"), "u"),
    **dict.fromkeys(("a", "attributes"), "a"),
}
OF_BUCKETER = {
    **dict.fromkeys(("e", "experiment"), "e"),
    **dict.fromkeys(("f", "flag"), "f"),
    **_SHARED,
    "debug": "debug",
    "track": "track",
    "segments": "segments",
    "forced": "forced",
}
OF_TRACK = {
    **dict.fromkeys(("ev", "event"), "ev"),
    **_SHARED,
    "tags": "tags",
    "id": "id",
    "timestamp": "timestamp",
}


def parse_query(query: str, names: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of *query* that mean something, decoded; empty values are kept.

    Args:
        query: what follows the ``?``, percent-encoded; bytes that were sent raw come as
            UTF-8 with ``surrogateescape``.
        names: name that a caller may use → name that it is returned by; others are ignored, and
            not even decoded.

    Raises:
        InvalidRequest: a parameter is given twice (by two names it may be, with the same value),
            or isn't valid UTF-8: with the position in its decoded text, counted from 0.
    """
    found: dict[str, str] = {}
    # Asked once for the whole query: most have percent signs, few a plus or raw bytes.
    only_percent = "+" not in query and query.isascii()
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        if name not in names:
            name = _decoded_name(name)
            if name not in names:
                if name == _ENVIRONMENT:
                    raise _encoded_environment()
                continue
        key = names[name]
        if only_percent:
            if "%" in value:
                # The three that attributes are full of, done by C. None of them can be a part
                # of another escape, nor make one, so what is left still means the same.
                value = value.replace("%22", '"')
                if "%" in value:
                    value = value.replace("%3A", ":").replace("%2C", ",")
                    if "%" in value:
                        value = _decoded_value(name, value)
        else:
            value = _decoded_value(name, value)
        if key in found:
            _check_two(query, names, key, same=value == found[key])
        found[key] = value
    return found


def _encoded_environment() -> InvalidRequest:
    """Return the error for `sdk%5Fkey`, which must not be answered by another environment."""
    message = f"Parameter '{_ENVIRONMENT}' must be written without percent signs in its name."
    return InvalidRequest(message, field=_ENVIRONMENT)


def _check_two(query: str, names: Mapping[str, str], key: str, *, same: bool) -> None:
    """Refuse a parameter that is there twice, unless by two names and with the *same* value."""
    used: list[str] = []
    for piece in query.split("&"):
        name = piece.partition("=")[0]
        name = name if name in names else _decoded_name(name)
        if names.get(name) != key:
            continue
        if name in used:
            raise given_twice(name)
        used.append(name)
    if not same:
        raise given_by_two(used[0], used[1])


@cache
def _bytes_of_pairs() -> dict[bytes, bytes]:
    """What stands behind a percent sign, to the byte it means; made when first needed."""
    return {(a + b).encode(): bytes((int(a + b, 16),)) for a in _HEX for b in _HEX}


def _decoded_name(name: str) -> str:
    """Decode *name* where that can make it a known one; no name of ours is empty."""
    if "%" not in name and "+" not in name:
        return ""
    try:
        return unquote(name)
    except UnicodeError:
        return ""


def _decoded_value(name: str, value: str) -> str:
    try:
        return unquote(value)
    except UnicodeDecodeError as error:
        raise _no_utf8(name, error.object, error.start) from None
    except UnicodeError:
        message = f"Parameter '{name}' is not valid UTF-8: it holds a lone surrogate."
        raise InvalidRequest(message, field=name) from None


def _no_utf8(name: str, decoded: bytes, start: int) -> InvalidRequest:
    """Name the first byte at fault, by its place among the characters, and what stands there."""
    position = len(decoded[:start].decode())
    there = decoded[start : start + _EXCERPT_BYTES]
    found = "".join(chr(byte) if byte in _PRINTABLE else f"%{byte:02X}" for byte in there)
    cut = "…" if len(decoded) > start + _EXCERPT_BYTES else ""
    message = f"Parameter '{name}' is not valid UTF-8 at position {position}; found '{found}{cut}'."
    return InvalidRequest(message, field=name, position=position)


def given_twice(name: str) -> InvalidRequest:
    """Return the error for a parameter that is given more than once."""
    return InvalidRequest(f"Parameter '{name}' is given twice; give it once.", field=name)


def given_by_two(one: str, other: str) -> InvalidRequest:
    """Return the error for one thing that two names give different values for."""
    message = f"Parameters '{one}' and '{other}' are one, and their values differ; give it once."
    return InvalidRequest(message, field=other)


def unquote(text: str) -> str:
    """Decode the percent signs and pluses of one name or value.

    A percent sign without two hexadecimal digits behind it stands for itself, as in browsers.

    Raises:
        UnicodeError: the bytes are not UTF-8, or *text* holds a lone surrogate.
    """
    first, *parts = text.replace("+", " ").encode("utf-8", "surrogateescape").split(b"%")
    byte_of = _bytes_of_pairs().get
    decoded = [first]
    for part in parts:
        byte = byte_of(part[:2])
        if byte is None:
            decoded += (b"%", part)
        else:
            decoded += (byte, part[2:])
    return b"".join(decoded).decode()


def unquote_path(text: str) -> str | None:
    """Decode the percent signs of a part of a path, where a plus is a plus; None for no UTF-8."""
    try:
        return unquote(text.replace("+", "%2B"))
    except UnicodeError:
        return None


def quote(text: str, literal: Collection[int] = _LITERAL) -> str:
    """Encode *text* for a query, as `unquote` decodes it; for doors that are given decoded text.

    Only what isn't *literal* is encoded: without that, only what must be, so that the result is no
    longer than what the client sent. Letters and digits of ASCII are always literal.
    A lone surrogate becomes bytes that aren't UTF-8, so that it ends as a 400, not in a user id.
    """
    if text.isalnum() and text.isascii():
        return text
    encoded = text.encode("utf-8", "surrogatepass")
    return "".join(chr(byte) if byte in literal else f"%{byte:02X}" for byte in encoded)
