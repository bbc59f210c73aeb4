"""Bytes in, a datafile out: a dict that is JSON, of a known version, with its required fields.

Anything deeper that is wrong is the compiler's business, which sets that part aside.

Source: optimizely-sdk 5.7.0, helpers/constants.py:JSON_SCHEMA, project_config.py.
"""

from __future__ import annotations

import json

from .errors import InvalidDatafile, UnsupportedVersion

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Datafile: TypeAlias = dict[str, Any]

SUPPORTED_VERSIONS = ("2", "3", "4")

_REQUIRED: dict[str, type] = {
    "version": str,
    "revision": str,
    "projectId": str,
    "accountId": str,
    "experiments": list,
    "groups": list,
    "events": list,
    "audiences": list,
    "attributes": list,
}

#: From here on a document is read in pieces.
LONG_CHARACTERS = 1_000_000
_WHITE = frozenset(" \t\n\r")

_NAMES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def json_type(value: object) -> str:
    """What JSON calls the type of *value*."""
    return _NAMES.get(type(value), type(value).__name__)


def parse_datafile(raw: bytes | str) -> Datafile:
    """Read a datafile.

    Args:
        raw: the document; bytes may be UTF-8 (with or without a byte order mark), 16 or 32.
            They are decoded strictly: `json` itself would let half a character through.

    Raises:
        InvalidDatafile: not JSON, not valid Unicode, nested too deeply, or a required top-level
            field is missing or has the wrong type.
        UnsupportedVersion: `version` is none of "2", "3" and "4".
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode(json.detect_encoding(raw))
        datafile = _load(text)
    except RecursionError:
        raise InvalidDatafile("", "JSON", "nesting too deep to read") from None
    except ValueError as error:
        raise InvalidDatafile("", "JSON", _why_not_json(raw, error)) from None
    if not isinstance(datafile, dict):
        raise InvalidDatafile("", "an object", json_type(datafile))
    for name, kind in _REQUIRED.items():
        if name not in datafile:
            raise InvalidDatafile(f"/{name}", _NAMES[kind], "nothing")
        if not isinstance(datafile[name], kind):
            raise InvalidDatafile(f"/{name}", _NAMES[kind], json_type(datafile[name]))
    if datafile["version"] not in SUPPORTED_VERSIONS:
        raise UnsupportedVersion(json.dumps(datafile["version"])[:20])
    _refuse_lone_surrogates(text, datafile)
    return datafile


#: What comes in place of a datafile, by its first bytes (lower-case): a download that was stored
#: packed, the page of a proxy or of a network that wants a log-in, the error of a storage.
_INTRUDERS = (
    (b"\x1f\x8b", "gzip; unpack it, or serve it with `Content-Encoding: gzip`"),
    (b"\x28\xb5\x2f\xfd", "zstd; it must be JSON, or gzip that says so"),
    (b"pk\x03\x04", "a zip archive"),
    (b"<?xml", "XML"),
    (b"<!doctype html", "an HTML page"),
    (b"<", "HTML or XML"),
)


def _load(text: str) -> Any:
    """Read JSON; a long document in pieces, between which other threads have their turn.

    One call of `json.loads` keeps all threads waiting until it is done: 10 ms for a megabyte.
    """
    if len(text) < LONG_CHARACTERS:
        return json.loads(text)
    try:
        return _load_in_pieces(text)
    except (ValueError, IndexError):
        return json.loads(text)  # which says what is wrong, and where


def _load_in_pieces(text: str) -> Any:
    """Read an object whose arrays are read element by element.

    Raises:
        ValueError, IndexError: it is no such thing, or no JSON at all.
    """
    scan = json.JSONDecoder().raw_decode
    document: dict[str, Any] = {}
    at = _expect(text, 0, "{")
    while True:
        key, at = scan(text, at)
        if not isinstance(key, str):
            raise ValueError  # noqa: TRY004 -- the text is wrong
        at = _expect(text, at, ":")
        if text[at] == "[" and text[_expect(text, at, "[")] != "]":
            document[key] = elements = []
            at = _expect(text, at, "[")
            while True:
                element, at = scan(text, at)
                elements.append(element)
                at = _skip(text, at)
                if text[at] == "]":
                    at += 1
                    break
                at = _expect(text, at, ",")
        else:
            document[key], at = scan(text, at)
        at = _skip(text, at)
        if text[at] == "}":
            break
        at = _expect(text, at, ",")
    if _skip(text, at + 1) != len(text):
        raise ValueError
    return document


def _expect(text: str, at: int, sign: str) -> int:
    """Return where what follows *sign* begins.

    Raises:
        ValueError, IndexError: it isn't there.
    """
    at = _skip(text, at)
    if text[at] != sign:
        raise ValueError
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    """Return where the white space at *at* ends."""
    while text[at : at + 1] in _WHITE:
        at += 1
    return at


def _why_not_json(raw: bytes | str, error: ValueError) -> str:
    text = raw.strip()
    if not text:
        return "nothing"
    start = text[:64].encode("utf-8", "replace") if isinstance(text, str) else text[:64]
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, name in _INTRUDERS:
        if start.startswith(signature):
            return name
    if isinstance(error, json.JSONDecodeError):
        # Python words it "Expecting value", "Unterminated string starting at".
        problem = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
        problem = problem.replace("expecting value", "expecting a value")
        return f"text that is not JSON: {problem} at line {error.lineno}, column {error.colno}"
    return "text that is not valid Unicode or a number too long to read"


def _refuse_lone_surrogates(text: str, datafile: Datafile) -> None:
    r"""JSON can spell half a character (`\ud800`); ids with one can't be hashed, keys not sent."""
    try:
        text.encode()  # a caller's own text may hold one as it is
        if "\\ud" in text or "\\uD" in text:
            for name, value in datafile.items():
                for each in (name, *(value if isinstance(value, list) else [value])):
                    json.dumps(each, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidDatafile("", "valid Unicode", "a lone surrogate") from None
    except RecursionError:
        raise InvalidDatafile("", "JSON", "nesting too deep to read") from None
