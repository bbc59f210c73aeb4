"""Visitors that fail together, again and again: which of them are at fault, if any is?

A collector that hangs up or answers 500 may be down. It may also dislike one visitor, and then
everybody behind that one would wait for ever. The difference is whether others get through:

    a control, an event that the collector has taken before, is sent again   fails ──► it is down
    what failed is divided to the end, whatever the answers: most is delivered
    the control once more                                                    fails ──► it is down

Only who has failed alone in several such rounds is given up. Whatever else happens, a round that
the collector did not get through says nothing, and everything goes on waiting. An event keeps its
uuid, and a uuid counts once, so a control that is sent again counts for nothing.
"""

from __future__ import annotations

from .delivery import DIVISIBLE, LATER, NEVER, SENT, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bucketer.core.envelope import Batch

    Send = Callable[[Batch, Sequence[str]], Verdict]

#: In so many rounds somebody has to fail alone before they are given up.
ROUNDS = 3
#: After so many have failed alone and none got through, the control is asked whether the collector
#: is still there; then after twice as many.
_ASK_CONTROL_AFTER = 8


class Round:
    """What came of one round.

    Attributes:
        sent: how many were delivered.
        dead: those that were refused or given up, each with the verdict.
        left: indices of the visitors that are neither, in order.
        down: why the round says nothing of anybody; None when it does.
        largest: bytes of the largest part that was taken.
        was_divided: they were not all taken at once.
    """

    __slots__ = ("dead", "down", "largest", "left", "sent", "was_divided")

    def __init__(self) -> None:
        self.sent = 0
        self.dead: list[tuple[Sequence[str], Verdict]] = []
        self.left: list[int] = []
        self.down: Verdict | None = None
        self.largest = 0
        self.was_divided = False


class Suspects:
    """Remembers, from round to round, who has failed alone.

    Args:
        send: makes one attempt.
        control: an event that was taken before.
    """

    def __init__(self, send: Send, control: tuple[Batch, str]) -> None:
        self._send = send
        self.control = control
        self._failures: dict[str, int] = {}

    def ask(self, batch: Batch, visitors: Sequence[str]) -> Round:
        """One round with *visitors*, all of which had failed together."""
        found = Round()
        found.left = list(range(len(visitors)))
        found.down = self._is_down()
        if found.down is not None:
            return found
        failed = self._divide(batch, visitors, found)
        if failed and found.down is None:
            found.down = self._is_down()
        if found.down is not None:
            return found
        counts = {visitors[i]: self._failures.get(visitors[i], 0) + 1 for i in failed}
        self._failures = counts
        for index, verdict in failed.items():
            if counts[visitors[index]] >= ROUNDS:
                why = f"given up, since others get through: {verdict.why}"
                given_up = Verdict(NEVER, verdict.status, why, None)
                found.dead.append(([visitors[index]], given_up))
                found.left.remove(index)
        return found

    def _is_down(self) -> Verdict | None:
        """Why the collector takes nobody's events now; None when it takes the control."""
        batch, visitor = self.control
        verdict = self._send(batch, [visitor])
        return None if verdict.kind == SENT else verdict

    def _divide(self, batch: Batch, visitors: Sequence[str], found: Round) -> dict[int, Verdict]:
        """Send them in parts, to the end; return who failed alone."""
        failed: dict[int, Verdict] = {}
        lonely, ask_at = 0, _ASK_CONTROL_AFTER
        waiting = [(0, len(visitors))]
        while waiting and found.down is None:
            start, end = waiting.pop()
            part = visitors[start:end]
            verdict = self._send(batch, part)
            if not verdict.was_made:
                found.down = verdict
            elif verdict.kind == SENT:
                found.sent += len(part)
                found.largest = max(found.largest, sum(map(len, part)))
                _take(found.left, start, end)
                lonely, ask_at = 0, _ASK_CONTROL_AFTER
            elif len(part) > 1 and (verdict.kind == LATER or verdict.status in DIVISIBLE):
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
                found.was_divided = True
            elif verdict.kind == NEVER:
                found.dead.append((part, verdict))
                _take(found.left, start, end)
            else:
                failed[start] = verdict
                lonely += 1
                if lonely >= ask_at:
                    ask_at *= 2
                    found.down = self._is_down()
        return failed


def _take(left: list[int], start: int, end: int) -> None:
    """Take the indices from *start* to *end* out of *left*."""
    left[:] = [index for index in left if not start <= index < end]


def visitor_id_of(visitor: str) -> str:
    """Whose event it is, as it is written in the visitor's JSON."""
    return visitor.rpartition('"visitor_id": ')[2]
