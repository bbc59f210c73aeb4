"""Events of many answers in, one write for them all, then the answers go.

What makes a write durable costs nearly the same for one event as for fifty. So the events of one
turn of the loop, of whichever connections, are written together.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

    from bucketer.core.events import Event
    from bucketer.doors.server.held import HeldAnswer
    from bucketer.ports import Outbox

_log = logging.getLogger("bucketer.server")


class Grouping:
    """Stands between the connections and the outbox. On the loop's thread.

    Two ways, by what a write costs. Into the system's memory it takes microseconds and is done
    on the spot. Waiting for the disk takes milliseconds and is done by a thread of its own,
    while the loop serves on; what comes meanwhile makes the next group.
    """

    def __init__(
        self, outbox: Outbox, loop: asyncio.AbstractEventLoop, *, waits_for_disk: bool = False
    ) -> None:
        """Write to *outbox*; *waits_for_disk* says that `Outbox.add` takes its time."""
        self._outbox = outbox
        self._loop = loop
        self._thread = ThreadPoolExecutor(1, "bucketer-outbox") if waits_for_disk else None
        self._writing = False
        self._events: list[Event] = []
        self._answers: list[HeldAnswer] = []

    def accept(self, events: tuple[Event, ...], answer: HeldAnswer) -> None:
        """Release *answer* once *events* are in the outbox; on the loop's thread, in order.

        `call_soon` runs when the sockets that were ready in this turn have been read, and
        before the next look at them.
        """
        self._events += events
        self._answers.append(answer)
        if len(self._answers) == 1 and not self._writing:
            self._loop.call_soon(self._end_turn)

    def close(self) -> None:
        """Let the thread end; nothing may be accepted any more."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)

    def _end_turn(self) -> None:
        events, self._events = self._events, []
        answers, self._answers = self._answers, []
        if self._thread is None:
            self._write(events)
            _release_all(answers)
            return
        self._writing = True

        def written(_future: Future[None]) -> None:
            self._loop.call_soon_threadsafe(self._end_write, answers)

        self._thread.submit(self._write, events).add_done_callback(written)

    def _end_write(self, answers: list[HeldAnswer]) -> None:
        self._writing = False
        _release_all(answers)
        if self._answers:
            self._end_turn()

    def _write(self, events: list[Event]) -> None:
        try:
            self._outbox.add(events)
        except Exception:  # noqa: BLE001 -- it shouldn't raise; if it does, the answers still go
            _log.exception("%d events could not be kept", len(events))


def _release_all(answers: list[HeldAnswer]) -> None:
    for answer in answers:
        answer.release()
