"""A query in, its names and values out, as Go reads it: what can't be decoded isn't there.

Source: Go's net/url, ParseQuery.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NO_UTF8 = re.compile("[\ud800-\udfff]")


def parse_go_query(query: str) -> dict[str, list[str]]:
    """Return all values by name, in the order in which they stand.

    A pair with a semicolon or a broken escape is left out. A byte that isn't UTF-8 is U+FFFD.
    """
    found: dict[str, list[str]] = {}
    if query.isascii() and not ("%" in query or "+" in query or ";" in query):
        for pair in query.split("&"):
            if pair:
                name, _, value = pair.partition("=")
                found.setdefault(name, []).append(value)
        return found
    for pair in query.split("&"):
        if not pair or ";" in pair or ("%" in pair and _BAD_ESCAPE.search(pair)):
            continue
        name, _, value = pair.partition("=")
        found.setdefault(_decoded(name), []).append(_decoded(value))
    return found


def parses(query: str) -> bool:
    """Say whether no pair of *query* would be left out."""
    return ";" not in query and not ("%" in query and _BAD_ESCAPE.search(query))


def _decoded(text: str) -> str:
    if "%" not in text and "+" not in text and text.isascii():
        return text
    raw = text.replace("+", " ").encode("utf-8", "surrogateescape")
    raw = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), raw)
    return _NO_UTF8.sub("\ufffd", raw.decode("utf-8", "surrogateescape"))
