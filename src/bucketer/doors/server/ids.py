"""Ids made on every request, cheaply: request ids and the UUIDs of events."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: UUIDs that count on from one another: two hexadecimal digits of them.
_IN_A_ROW = 256


def request_ids() -> Callable[[], str]:
    """Return what makes request ids, of plain characters and unique over processes.

    They are a random beginning of 48 bits and a count.
    """
    beginning = f"{os.urandom(6).hex()}-"
    count = itertools.count(1)

    def new_request_id() -> str:
        return f"{beginning}{next(count)}"

    return new_request_id


def uuids() -> Callable[[], str]:
    """Return what makes UUIDs in the form of version 4: lower case, with hyphens.

    The first of each 256 is random in its other 114 bits; the rest count on from it. They need be
    unique, not hard to guess, and randomness for each would cost four times as much. One maker per
    thread of use: it isn't locked.
    """
    return _uuids().__next__


def _uuids() -> Iterator[str]:
    while True:
        digits = os.urandom(16).hex()
        variant = "89ab"[int(digits[16], 16) % 4]
        head = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-"
        first = int(digits[20:30], 16) * _IN_A_ROW
        for number in range(first, first + _IN_A_ROW):
            yield f"{head}{number:012x}"
