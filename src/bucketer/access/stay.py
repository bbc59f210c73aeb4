"""Whether whoever listens would still be let in: their key may be revoked, their token expired.

A request is over before that matters; an answer that goes on isn't (docs/decisions/0185).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bucketer.api.access import token_of
from bucketer.api.http import Request, WorkNeeded
from bucketer.core.errors import BucketerError, KeysUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketer.api.access import Gate

#: The file of keys may have to be looked at, and published keys to be fetched.
_STEPS = 4


class Stay:
    """What one listener showed, of which no more is kept than the key or token."""

    __slots__ = ("_clock", "_gate", "_had", "_shown")

    def __init__(self, gate: Gate, clock: Callable[[], float], request: Request) -> None:
        """Ask *gate* by *clock*, epoch seconds, whether *request* would be let in again."""
        self._gate, self._clock, self._had = gate, clock, request.grant
        headers = {"authorization": f"Bearer {token_of(request.headers)}"}
        self._shown = Request("GET", "/", headers=headers)

    def is_good(self) -> bool:
        """Say whether they may do no less than then. May wait; any thread may ask.

        Where that can't be found out now, they may.
        """
        for _ in range(_STEPS):
            try:
                has = self._gate.grant(self._shown, self._clock())
            except WorkNeeded as needed:
                needed.work()
            except KeysUnavailable:
                return True
            except BucketerError:
                return False
            else:
                had = self._had
                same = (has.environments, has.sdk_keys) == (had.environments, had.sdk_keys)
                return same and has.role >= had.role
        return True


def stay_of(gate: Gate, clock: Callable[[], float], request: Request) -> Stay | None:
    """Return what tells of *request*; None where it had to show nothing."""
    return Stay(gate, clock, request) if hasattr(request, "grant") else None
