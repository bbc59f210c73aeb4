"""Times as Go writes them into JSON: RFC 3339 with as many digits as there are, in UTC."""

from __future__ import annotations

#: What Go says of a time that never came.
NEVER = "0001-01-01T00:00:00Z"
_DAY_S = 86_400
#: Epoch seconds of the year 10000.
_END_S = 253_402_300_800


def go_time(at: float) -> str:
    """Return *at*, epoch seconds, to the microsecond; years 1970 to 9999."""
    whole_us = min(max(round(at * 1_000_000), 0), _END_S * 1_000_000 - 1)
    seconds, micros = divmod(whole_us, 1_000_000)
    days, rest = divmod(seconds, _DAY_S)
    year, month, day = _date(days)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    return f"{year:04d}-{month:02d}-{day:02d}T{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}Z"


def _date(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a day since 1970.

    Source: the Gregorian calendar, counted in eras of 400 years from 1 March 0000.
    """
    days += 719_468
    era, of_era = divmod(days, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9  # noqa: PLR2004 -- March is the first
    return year + era * 400 + (month <= 2), month, day  # noqa: PLR2004
