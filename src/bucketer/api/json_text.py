"""JSON out: ASCII, on one line, and never what JSON doesn't have."""

from __future__ import annotations

from json import JSONEncoder, dumps

#: Made once: `dumps` would make one each time that it is told to refuse NaN.
_encode = JSONEncoder(allow_nan=False).encode


def to_json(value: object) -> str:
    """Render *value* as JSON in ASCII; NaN and infinities, which JSON lacks, become null."""
    try:
        return _encode(value)
    except ValueError:
        return dumps(_finite(value))


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value
