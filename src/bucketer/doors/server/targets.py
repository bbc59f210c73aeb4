"""The first line of a request as bytes: its method, and its target in a form that can be read."""

from __future__ import annotations

import re

import httptools

#: The first line of a request, with its method taken out.
_FIRST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) [^ \r\n]+ HTTP/1\.[01]\r?\n")


def unknown_method(data: bytes) -> bytes:
    """Return the method that *data* begins with, if it is one that the parser can't know.

    Returns:
        Nothing where *data* doesn't begin with a whole first line of HTTP/1.x, or begins with
        one whose method isn't what the parser minds.
    """
    found = _FIRST_LINE.match(data)
    return b"" if found is None or _is_known(found[1]) else found[1]


def _is_known(method: bytes) -> bool:
    try:
        httptools.HttpRequestParser(None).feed_data(method + b" ")
    except httptools.HttpParserInvalidMethodError:
        return False
    return True


def origin_form(url: bytes) -> bytes:
    """Return path and query of a target in absolute form (``http://host/path``), else *url*."""
    scheme, found, rest = url.partition(b"://")
    if not found or scheme.lower() not in {b"http", b"https"}:
        return url
    cut = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    path = rest[cut:]
    return path if path.startswith(b"/") else b"/" + path


def quoted(line: bytes) -> bytes:
    """Return *line* with its bytes beyond ASCII percent-encoded."""
    if line.isascii():
        return line
    return b"".join(b"%%%02X" % byte if byte > 0x7F else bytes((byte,)) for byte in line)  # noqa: PLR2004 -- ASCII's end
