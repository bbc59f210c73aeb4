"""A parcel that doesn't get through: is the collector down, or is one of the visitors at fault?

See `suspects` for how that is told apart. Here an event is found that the collector takes, in the
outbox if none is known, and round follows round until everybody is delivered or given up.
"""

from __future__ import annotations

import logging
import random
from itertools import chain, islice

from bucketer.core.events import ENDPOINTS

from .delivery import SENT, Outcome
from .records import visitors_in
from .suspects import Suspects, visitor_id_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bucketer.core.envelope import Batch

    from .delivery import Verdict
    from .reader import Reader
    from .suspects import Send

_log = logging.getLogger("bucketer.outbox")

#: After so many failures in a row of a whole parcel, look who is at fault.
SUSPICIOUS_FAILURES = 5
_SEARCHES = 0.7
#: Where nobody is known who gets through, so many are asked at a time, of so many looked at.
_ASKED, _LOOKED_AT = 4, 1_000
#: Payloads aren't made smaller than this for a collector that takes none as large as ours.
_LEAST_BYTES = 64 * 1024


class FaultFinder:
    """Finds out why parcels don't get through. For one thread.

    Args:
        send: makes one attempt.
        pause: waits between two rounds, after the verdict it is told; False when it's time to end.
        max_bytes: of a payload.

    Attributes:
        max_bytes: likewise; less once the collector is known to take no more.
    """

    def __init__(self, send: Send, pause: Callable[[Verdict], bool], max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._send = send
        self._pause = pause
        #: Region → an event that its collector has taken: one may be down, and the other not.
        self._controls: dict[str, tuple[Batch, str]] = {}
        #: Region → failures in a row of all that was sent there at once.
        self._stuck = dict.fromkeys(ENDPOINTS, 0)
        #: Visitors that were dealt with before others in front of them.
        self._ahead: set[str] = set()

    def left_of(self, visitors: Sequence[str]) -> Sequence[int]:
        """Indices of those that are not dealt with, in order."""
        ahead = self._ahead
        if not ahead:
            return range(len(visitors))
        return [i for i, visitor in enumerate(visitors) if visitor not in ahead]

    def pass_ahead(self, visitors: Sequence[str]) -> None:
        """They are dealt with, perhaps before others in front of them."""
        self._ahead.update(visitors)

    def pass_over(self, visitors: Sequence[str]) -> None:
        """They are settled, and won't come again."""
        if self._ahead:
            self._ahead.difference_update(visitors)

    def note(self, batch: Batch, visitors: Sequence[str], outcome: Outcome) -> bool:
        """Hear what came of a parcel's visitors; True when it is time to `find`."""
        if outcome.taken is not None:
            self._controls[batch.region] = batch, outcome.taken
        moves = outcome.settled or outcome.put_off < len(visitors)
        stuck = self._stuck[batch.region] = 0 if moves else self._stuck[batch.region] + 1
        # Now and then only the parcel itself is tried: in step with a collector that takes each
        # seventh request, a search could take that one for itself for ever.
        return stuck >= SUSPICIOUS_FAILURES and random.random() < _SEARCHES  # noqa: S311

    def find(
        self, batch: Batch, visitors: Sequence[str], outcome: Outcome, lanes: Sequence[Reader]
    ) -> Outcome:
        """What comes of *visitors* if the collector takes others; else the same *outcome*.

        Args:
            batch: theirs.
            visitors: who failed together, as often before.
            outcome: what came of them.
            lanes: where others' events may be found.
        """
        control = self._controls.get(batch.region)
        if (
            control is None or self._stuck[batch.region] % 2
        ):  # it may be the one that is disliked by now
            control = self._find_control(batch, visitors, lanes) or control
        if control is None or outcome.later is None:
            return outcome
        suspects = Suspects(self._send, control)
        left = list(range(len(visitors)))
        found = Outcome()
        while left:
            came = suspects.ask(batch, [visitors[i] for i in left])
            found.sent += came.sent
            found.dead += came.dead
            if came.was_divided and not (came.down or came.left or came.dead):
                self.max_bytes = max(_LEAST_BYTES, min(self.max_bytes, came.largest))
                _log.warning("outbox: payloads have %d bytes from now on", self.max_bytes)
            left = [left[i] for i in came.left]
            found.later = came.down
            if came.down is None and left:
                _log.warning(
                    "outbox: %d events fail though others get through (%s); they are asked alone",
                    len(left), outcome.later.why,
                )  # fmt: skip
                found.later = None if self._pause(outcome.later) else outcome.later
            if found.later is not None:
                break
        found.settled = left[0] if left else len(visitors)
        found.put_off = len(visitors) - found.settled
        self._ahead.update(set(visitors[found.settled :]).difference(visitors[i] for i in left))
        return found

    def _find_control(
        self, batch: Batch, visitors: Sequence[str], lanes: Sequence[Reader]
    ) -> tuple[Batch, str] | None:
        """An event that the collector takes, sent ahead; None when it takes none of some.

        One of each visitor is enough to choose from: who is disliked is so with all their events.
        """
        others: dict[str, tuple[Batch, str]] = {}
        waiting = chain(((batch, visitor) for visitor in visitors), _waiting(lanes))
        try:
            for each in islice(waiting, _LOOKED_AT):
                if each[0].region == batch.region and each[1] != visitors[0]:
                    others[visitor_id_of(each[1])] = each
        except OSError as error:  # what was found so far will do
            _log.warning("outbox: a lane can't be read (%s)", error)
        for each in random.sample(list(others.values()), min(_ASKED, len(others))):
            if self._send(each[0], [each[1]]).kind == SENT:
                self._controls[batch.region] = each
                return each
        return None


def _waiting(lanes: Sequence[Reader]) -> Iterator[tuple[Batch, str]]:
    """What waits in *lanes*, one after the other."""
    for reader in dict.fromkeys(lanes):
        sequence, offset = reader.position()
        for path in reader.lane.segments():
            if int(path.stem) >= sequence:
                yield from visitors_in(path, offset if int(path.stem) == sequence else 0)
