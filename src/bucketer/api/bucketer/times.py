"""A caller's `timestamp` in, milliseconds since 1970 out, within a window around now."""

from __future__ import annotations

from bucketer.core.errors import InvalidRequest

_MINUTE_MS = 60_000
#: How late an event may come: a queue of a phone's, or of a server's that was away for a weekend.
MAX_AGE_MS = 7 * 24 * 60 * _MINUTE_MS
#: How far ahead of ours the caller's clock may be.
MAX_AHEAD_MS = 10 * _MINUTE_MS
_MOST_CHARS = 40
#: As milliseconds, seconds of any year since 1973 are days of 1970.
_LARGEST_SECONDS = 100_000_000_000


def parse_timestamp(text: str, now_ms: int) -> int:
    """Read when an event happened; now, if *text* is empty.

    Args:
        text: milliseconds since 1970, or ISO 8601 with a zone: ``2026-11-28T08:00:00.5Z``.
        now_ms: milliseconds since 1970.

    Raises:
        InvalidRequest: it is neither, more than seven days ago, or more than ten minutes ahead.
    """
    if not text:
        return now_ms
    found = _milliseconds(text)
    if found is None:
        message = (
            "Parameter 'timestamp' must be milliseconds since 1970, or ISO 8601 with a zone, "
            "such as 2026-11-28T08:00:00Z."
        )
        if "T" in text[:_MOST_CHARS] and " " in text[:_MOST_CHARS]:
            message += " In a query and in a form a + is written %2B."
        raise InvalidRequest(message, field="timestamp")
    if now_ms - MAX_AGE_MS <= found <= now_ms + MAX_AHEAD_MS:
        return found
    hint = " These look like seconds." if 0 < found < _LARGEST_SECONDS else ""
    message = (
        "Parameter 'timestamp' must be at most 7 days ago and 10 minutes ahead, in milliseconds "
        f"since 1970 or ISO 8601.{hint}"
    )
    raise InvalidRequest(message, field="timestamp")


def _milliseconds(text: str) -> int | None:
    if len(text) > _MOST_CHARS:
        return None
    if text.isascii() and text.removeprefix("-").isdigit():
        return int(text)
    from datetime import datetime  # what only such a text needs

    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
