"""What waits in lanes whose processes are gone, oldest lane first.

One lane is open at a time, however many there are: descriptors are scarce, and requests need them.
A lane that can't be listed, opened, read or removed costs itself alone: it is told, let go of and
looked at again later. Nothing is deleted that was not read.
"""

from __future__ import annotations

import logging
from collections import deque
from time import monotonic

from .lanes import adopt_lane, lanes_in
from .published import withdraw
from .quota import give_up_quota
from .reader import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from .reader import Parcel, SetAside

_log = logging.getLogger("bucketer.outbox")

#: Look for lanes that others left behind this often.
LOOK_EVERY_S = 10.0


class Backlog:
    """The lanes of an outbox that are to be delivered before our own. For one thread.

    Args:
        directory: the outbox directory.
        set_aside: takes lines that are no event.
    """

    def __init__(self, directory: Path, set_aside: SetAside) -> None:
        self._directory = directory
        self._set_aside = set_aside
        #: Lanes of our own that were deleted while they were in use; they come first.
        self._ours: list[Reader] = []
        self._open: Reader | None = None
        #: Found, and not tried to open yet.
        self._found: deque[Path] = deque()
        self._looked_at = -LOOK_EVERY_S
        #: Lanes whose trouble has been told.
        self._troubled: set[str] = set()
        #: Lanes that can't be read now, each with why.
        self._unread: dict[str, str] = {}
        #: Lanes that are delivered and can't be removed: not to be delivered again.
        self._spent: set[str] = set()

    def take_over(self, reader: Reader) -> None:
        """Deliver what is left of a lane of our own that another one has taken the place of."""
        self._ours.append(reader)
        self.look_again()

    def look_again(self) -> None:
        """Look for lanes at the next occasion, whenever that was done last."""
        self._looked_at = -LOOK_EVERY_S

    def look(self, own: str) -> None:
        """Look for lanes, if it is time; the one named *own* is in use."""
        if monotonic() - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = monotonic()
        mine = {own, *self._spent, *(reader.lane.name for reader in self._readers())}
        try:
            found = lanes_in(self._directory / "lanes")
        except OSError as error:
            self._tell("lanes/", "can't be listed", error)
            self._unread["lanes/"] = _why(error)
            return
        self._troubled.discard("lanes/")
        self._found = deque(path for path in found if path.name not in mine)
        there = {path.name for path in found}
        self._unread = {name: why for name, why in self._unread.items() if name in there}

    def stuck(self) -> str:
        """What waits and can't be read, and why; "" if all can."""
        if not self._unread:
            return ""
        whys = ", ".join(sorted(set(self._unread.values())))
        lanes = len(self._unread)
        return f"{lanes} {'lane' if lanes == 1 else 'lanes'} of events can't be read ({whys})"

    def next(self, max_events: int, max_bytes: int) -> tuple[Reader, Parcel] | None:
        """The oldest parcel and whose it is; None when nothing is left that can be read."""
        while (reader := self._oldest()) is not None:
            try:
                parcel = reader.next(max_events, max_bytes)
            except Exception as error:  # noqa: BLE001 -- no lane may block the others
                self._cannot_read(reader.lane.name, "can't be read", error)
                self._drop(reader)
                self.let_go(reader)
                continue
            self._unread.pop(reader.lane.name, None)
            if parcel is not None:
                return reader, parcel
            self._drop(reader)
            self._remove(reader)
        return None

    def let_go(self, reader: Reader) -> None:
        """End with a lane as it is; somebody will find it. Unless it was ours, and deleted."""
        lane, writer = reader.lane, reader.writer
        if writer is not None and not lane.is_there() and not reader.has_read_all():
            _log.error("outbox: events of lane %s went with its directory", lane.name)
        try:
            reader.close()
            if writer is not None:
                writer.close()
        except FileNotFoundError:  # no directory whose names could be brought to the disk
            pass
        except OSError as error:
            self._tell(lane.name, "can't be closed", error)
        lane.release()

    def close(self) -> None:
        """Let go of everything; what is not delivered waits for a process."""
        for reader in self._readers():
            self.let_go(reader)

    def _readers(self) -> list[Reader]:
        return [*self._ours, *([] if self._open is None else [self._open])]

    def _oldest(self) -> Reader | None:
        """The reader whose turn it is; opens the next lane when the one before is done with."""
        if self._ours:
            return self._ours[0]
        while self._open is None and self._found:
            path = self._found.popleft()
            try:
                self._open = self._adopt(path)
            except Exception as error:  # noqa: BLE001 -- no lane may block the others
                self._cannot_read(path.name, "can't be opened", error)
        return self._open

    def _adopt(self, path: Path) -> Reader | None:
        """Open the lane if its process is gone."""
        lane = adopt_lane(path)
        if lane is None:
            return None
        try:
            give_up_quota(path)
            withdraw(path)
            reader = Reader(lane, None, self._set_aside)
        except BaseException:
            lane.release()
            raise
        if lane.name not in self._troubled:
            _log.info("outbox: resuming lane %s, left by a process that is gone", lane.name)
        return reader

    def _drop(self, reader: Reader) -> None:
        if reader is self._open:
            self._open = None
        else:
            self._ours.remove(reader)

    def _remove(self, reader: Reader) -> None:
        """End with a lane that is delivered."""
        lane = reader.lane
        if reader.writer is not None:
            self.let_go(reader)
            return
        try:
            reader.close()
            lane.remove(self._directory / "damaged", reader.last_read())
            _log.info("outbox: lane %s is delivered and removed", lane.name)
        except OSError as error:
            self._spent.add(lane.name)
            self._tell(lane.name, "is delivered and can't be removed", error)

    def _cannot_read(self, name: str, what: str, error: Exception) -> None:
        self._unread[name] = _why(error)
        self._tell(name, what, error)

    def _tell(self, name: str, what: str, error: Exception) -> None:
        """Log the trouble with a lane, once: it is looked at again every few seconds."""
        if name not in self._troubled:
            self._troubled.add(name)
            _log.error("outbox: lane %s %s (%r); the others go on", name, what, error)


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
