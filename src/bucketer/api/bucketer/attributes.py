"""The text of `a` in, user attributes out: ``tier:"platinum",member_since_days:56``.

One pattern cuts the whole list in a single call. Where it finds no item, a slower reader
goes to the same place and says what is wrong there, so that a good request never pays for
the explanations of a bad one.
"""

from __future__ import annotations

import re
from functools import cache
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]  # not in typeshed

from bucketer.core.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: A number beyond a double can't be compared, nor shown to most JSON readers.
_LARGEST = 1.7976931348623157e308
_SHORT_DIGITS = 15
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}
#: How much of the text an error message shows.
_EXCERPT_CHARS = 24

# Possessive throughout: no input makes the pattern go back over what it has read.
_STRING = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_INTEGER = r"(-?(?:0|[1-9][0-9]*+))"
_REAL = r"(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+)"
_ITEM = rf"""
    \s*+ (?:
        (?: ([^\s":,][^:,]*+) | (?!"") {_STRING} \s*+ )          # 1 plain key, 2 quoted key
        : \s*+
        (?: {_STRING} \s*+ | {_INTEGER} \s*+ | {_REAL} \s*+      # 3, 4, 5
          | ([^\s"\[{{,][^,]*+)?+ )                              # 6 a word or plain string
        (?: , | \Z )
      | , | \Z                                                   # an empty item
      | (.++)                                                    # 7 the rest: unreadable
    )
    """


@cache
def _item() -> re.Pattern[str]:
    """The pattern of an item, compiled when first needed: a plain list does without."""
    return re.compile(_ITEM, re.VERBOSE | re.DOTALL)


# The object form is rare: its patterns too are compiled (and cached by `re`) when first used.
# Together that spares a cold start 2.5 ms.
_MEMBER = rf"""
    \s*+ (?!"") {_STRING} \s*+ : \s*+                            # 1 key
    (?: {_STRING} | {_INTEGER} | {_REAL}                         # 2, 3, 4
      | (true|false|null|NaN|-?Infinity) )                       # 5
    \s*+ ([,}}])                                                 # 6
    """
_MEMBER_KEY = rf"\s*+{_STRING}\s*+:\s*+"
_MEMBER_VALUE = rf"(?:{_REAL}|true|false|null|NaN|-?Infinity)(?=\s|\Z)"
_EMPTY_OBJECT = r"\s*+\{\s*+\}\s*+\Z"


def parse_attributes(text: str) -> dict[str, object]:
    """Parse the decoded text of `a`: a list of ``key:value``, or one JSON object.

    Returns:
        values of type str, int, float, bool or None; the last of two equal keys wins.

    Raises:
        InvalidRequest: with the position in *text*, counted from 0, and what stands there.
    """
    attributes = _parse_plain_list(text)
    if attributes is not None:
        return attributes
    if "{" in text and text.lstrip()[0] == "{":
        return _parse_object(text)
    return _parse_list(text)


def _parse_plain_list(text: str) -> dict[str, object] | None:
    """Parse the plainest kind of list, which is what programs send, at half of the cost.

    Returns:
        what `_parse_list` would; None when there is anything in *text* that takes a closer look.
    """
    attributes: dict[str, object] = {}
    if "\\" in text:
        return None
    for item in text.split(","):
        key, _, value = item.partition(":")
        if not key.isidentifier():
            return None
        if value.isidentifier():
            attributes[key] = _WORDS.get(value, value)
        elif value.isdigit():
            # Digits of other scripts are digits to Python, and a word to JSON.
            if len(value) > _SHORT_DIGITS or value[0] == "0" or not value.isascii():
                return None
            attributes[key] = int(value)
        else:
            string = value[1:-1]
            # Of a comma inside quotes there is only half a string here.
            if value != f'"{string}"' or '"' in string:
                return None
            attributes[key] = string
    return attributes


def _parse_list(text: str) -> dict[str, object]:
    """Parse a whole list at once: with commas inside strings, escapes, quoted keys."""
    attributes: dict[str, object] = {}
    try:
        for plain_key, quoted_key, string, integer, real, word, rest in _item().findall(text):
            if plain_key:
                key = plain_key.rstrip()
            elif quoted_key:
                key = _unescape(quoted_key)
            elif rest:
                raise _first_error(text)
            else:
                continue
            if string:
                attributes[key] = _unescape(string) if "\\" in string else string
            elif integer:
                attributes[key] = _number(int(integer), integer)
            elif real:
                attributes[key] = _number(float(real), real)
            else:
                plain = word.rstrip()
                attributes[key] = _WORDS.get(plain, plain)
    except ValueError:
        raise _first_error(text) from None
    return attributes


def check_attributes(given: Mapping[str, object], name: str = "a") -> None:
    """Check the attributes of a JSON body, which `json` has parsed already.

    Args:
        given: what stands in the body.
        name: under which name it stands there.

    Raises:
        InvalidRequest: with the JSON pointer of the value at fault.
    """
    for key, value in given.items():
        if not key:
            raise InvalidRequest(f"Attribute with an empty key at /{name}.", field=name)
        if not key.isascii() and not _is_unicode(key):
            raise _bad_attribute(key, name, "has a lone surrogate in it")
        if isinstance(value, str):
            if not value.isascii() and not _is_unicode(value):
                raise _bad_attribute(key, name, "has a lone surrogate in it")
        elif isinstance(value, (int, float)):
            if not -_LARGEST <= value <= _LARGEST:
                raise _bad_attribute(key, name, "is a number that is too large")
        elif value is not None:
            kind = "an object" if isinstance(value, dict) else "an array"
            raise _bad_attribute(key, name, f"is {kind}")


def _bad_attribute(key: str, name: str, problem: str) -> InvalidRequest:
    cut = key[: _EXCERPT_CHARS * 4].encode("ascii", "backslashreplace").decode()
    if _is_unicode(key):
        cut = key[: _EXCERPT_CHARS * 4]
    where = f"/{name}/{cut.replace('~', '~0').replace('/', '~1')}"
    message = (
        f"Attribute at {where[: _EXCERPT_CHARS * 4]} {problem}; "
        "give a string, a number, true, false or null."
    )
    return InvalidRequest(message, field=name)


def _parse_object(text: str) -> dict[str, object]:
    """Parse the JSON object form. It is flat, so nothing in here recurses."""
    attributes: dict[str, object] = {}
    if re.match(_EMPTY_OBJECT, text):
        return attributes
    position = text.index("{") + 1
    closing = ","
    match = re.compile(_MEMBER, re.VERBOSE | re.DOTALL).match
    while closing == ",":
        member = match(text, position)
        if member is None:
            raise _object_error(text, position)
        quoted_key, string, integer, real, word, closing = member.groups()
        try:
            key = _unescape(quoted_key)
            if string is not None:
                attributes[key] = _unescape(string)
            elif integer:
                attributes[key] = _number(int(integer), integer)
            elif real:
                attributes[key] = _number(float(real), real)
            else:
                attributes[key] = _WORDS.get(word, word)
        except ValueError as error:
            raise _value_error(text, member, (1, 2), (3, 4)) or error from None
        position = member.end()
    if text[position:].strip():
        raise _error(text, _skip_space(text, position), "text after the closing brace")
    return attributes


def _unescape(raw: str) -> str:
    """Decode the JSON escapes between two quotes.

    Raises:
        ValueError: a bad escape (JSONDecodeError) or a lone surrogate (UnicodeEncodeError).
    """
    if "\\" not in raw:
        return raw
    decoded: str = scanstring(raw + '"', 0, False)[0]
    if not decoded.isascii():
        decoded.encode()
    return decoded


def _number(value: float, digits: str) -> float:
    """Pass *value* on unless it is beyond a double.

    Raises:
        ValueError: it is. (`int` raises the same for numbers of thousands of digits.)
    """
    if len(digits) > 4 and not -_LARGEST <= value <= _LARGEST:  # noqa: PLR2004 -- "1e309"
        raise ValueError
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# The slow reader: only ever called when there is something to complain about


def _first_error(text: str) -> InvalidRequest:
    """Find what the fast reader tripped over, and where."""
    for item in _item().finditer(text):
        if item.group(7):
            return _item_error(text, item.start(7))
        if error := _value_error(text, item, (2, 3), (4, 5)):
            return error
    # The fast reader uses the same pattern and the same functions, so there is an error.
    raise AssertionError(text)  # pragma: no cover -- see above


def _value_error(
    text: str, item: re.Match[str], strings: tuple[int, ...], numbers: tuple[int, ...]
) -> InvalidRequest | None:
    """Say which string or number of *item* can't be decoded, if any."""
    for group in strings:
        raw = item.group(group) or ""
        try:
            _unescape(raw)
        except JSONDecodeError as error:
            backslash = raw.rfind("\\", 0, error.pos + 1)
            return _error(text, item.start(group) + backslash, "a bad escape in a string")
        except UnicodeEncodeError:
            return _error(text, item.start(group) - 1, "a lone surrogate in a string")
    for group in numbers:
        digits = item.group(group) or "0"
        if not -_LARGEST <= float(digits) <= _LARGEST:
            return _error(text, item.start(group), "a number that is too large")
    return None


def _item_error(text: str, start: int) -> InvalidRequest:
    """Say what is wrong with the item at *start*, which the pattern could not read."""
    if text[start] == ":" or text.startswith('""', start):
        return _error(text, start, "an empty key")
    if text[start] == '"':
        end = _end_of_string(text, start)
        if end is None:
            return _error(text, start, "an unterminated string")
        colon = _skip_space(text, end)
        if text[colon : colon + 1] not in {"", ",", ":"}:
            return _error(text, colon, "text after a closing quote")
    else:
        colon = min(text.find(each, start) % (len(text) + 1) for each in ":,")
    if text[colon : colon + 1] != ":":
        return _error(text, start, "no colon after the key")
    return _bad_value(text, _skip_space(text, colon + 1))


def _bad_value(text: str, start: int) -> InvalidRequest:
    first = text[start : start + 1]
    if first == "[":
        return _error(text, start, "an array as a value")
    if first == "{":
        return _error(text, start, "an object as a value")
    if first == '"':
        end = _end_of_string(text, start)
        if end is None:
            return _error(text, start, "an unterminated string")
        return _error(text, _skip_space(text, end), "text after a closing quote")
    return _error(text, start, "no JSON value")


def _object_error(text: str, start: int) -> InvalidRequest:
    """Say what is wrong with the member at *start* of the JSON object form."""
    key = re.compile(_MEMBER_KEY, re.DOTALL).match(text, start)
    start = _skip_space(text, start)
    if key is None:
        if text[start : start + 1] != '"':
            return _error(text, start, "no key in quotes")
        end = _end_of_string(text, start)
        if end is None:
            return _error(text, start, "an unterminated string")
        return _error(text, _skip_space(text, end), "no colon after the key")
    if not key.group(1):
        return _error(text, start, "an empty key")
    value = re.compile(_MEMBER_VALUE).match(text, key.end())
    if value is not None:
        return _error(text, _skip_space(text, value.end()), "no comma or closing brace")
    return _bad_value(text, key.end())


def _end_of_string(text: str, start: int) -> int | None:
    """Return the index behind the quote that closes the string at *start*, if one does."""
    found = re.compile(_STRING, re.DOTALL).match(text, start)
    return found.end() if found else None


def _skip_space(text: str, start: int) -> int:
    return len(text) - len(text[start:].lstrip())


def _error(text: str, position: int, what: str) -> InvalidRequest:
    there = text[position : position + _EXCERPT_CHARS]
    cut = "…" if len(text) > position + _EXCERPT_CHARS else ""
    found = f"'{there}{cut}'" if there else "the end of the text"
    message = f"Bad attributes in 'a' at position {position}: {what}; found {found}."
    return InvalidRequest(message, field="a", position=position)
