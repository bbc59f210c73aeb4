"""How Agent writes times: `1m30s`, `100ms`; a bare number counts nanoseconds.

Source: Go, package time, ParseDuration.
"""

from __future__ import annotations

import re

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")


def seconds_of(value: object) -> float:
    """Return the seconds that *value* says.

    Raises:
        ValueError: it says none.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) / 1e9
    text = str(value).strip()
    if re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text) / 1e9
    sign = -1.0 if text.startswith("-") else 1.0
    text = text[1:] if text.startswith(("+", "-")) else text
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError
    return sign * sum(float(number) * _UNITS_S[unit] for number, unit in parts)
