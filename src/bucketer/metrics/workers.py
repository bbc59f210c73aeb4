"""What each of several workers has counted, in a file of its own that the others read.

A worker holds the lock of its place as long as it lives; whoever takes the place of one that is
gone counts on from what that one wrote last, so no counter ever goes back. What was counted since
then (half a second) is lost with a process that is killed. A scrape writes the file of its own
worker first: nothing is told that hasn't been written (docs/decisions/0160).
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
from typing import TYPE_CHECKING

from .samples import from_data, kept, to_data, together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .samples import Samples

_log = logging.getLogger("bucketer.metrics")

#: How old the others' numbers may be, at the most.
EVERY_S = 0.5
#: There are 256 workers at most, and a few that leave while others come.
PLACES = 1_024


class NoPlace(Exception):
    """The directory can't be written to, so this worker's numbers are told by itself alone."""


class Place:
    """One worker's file in a directory that all of them share.

    Args:
        directory: the parent's, private.
        collect: gives what this worker has counted since it began.

    Raises:
        NoPlace: there is none.
    """

    def __init__(self, directory: Path, collect: Callable[[], Samples]) -> None:
        self._directory = directory
        self._collect = collect
        self._writing = threading.Lock()
        self._fails = False
        self._last = b""
        self._fd = -1
        try:
            self._number = self._take()
        except OSError as error:
            raise NoPlace(error.strerror or type(error).__name__) from error
        self._before = kept(self._read(self._number))
        self.publish()

    def publish(self) -> Samples:
        """Write what was counted up to now, and return it."""
        with self._writing:
            samples = together((self._before, self._collect()))
            data = json.dumps(to_data(samples), separators=(",", ":")).encode()
            if data != self._last:
                self._write(data)
            return samples

    def all(self) -> Samples:
        """Return what all workers have counted, this one up to now."""
        return together((self.publish(), *self._others()))

    def close(self) -> None:
        """Leave the place, with what was counted up to now."""
        self.publish()
        os.close(self._fd)

    def _take(self) -> int:
        """Hold the first place that nobody holds."""
        for number in range(PLACES):
            fd = os.open(self._path(number, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            self._fd = fd
            return number
        raise OSError("all places are taken")

    def _others(self) -> Iterator[Samples]:
        for path in sorted(self._directory.glob("*.json")):
            number = int(path.stem)
            if number != self._number:
                alive = self._is_held(number)  # asked first: who dies meanwhile is told as living
                samples = self._read(number)
                yield samples if alive else kept(samples)

    def _is_held(self, number: int) -> bool:
        """Say whether a living worker has the place."""
        try:
            fd = os.open(self._path(number, "lock"), os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def _read(self, number: int) -> Samples:
        try:
            with open(self._path(number, "json"), "rb") as file:  # noqa: PTH123 -- a path as text
                return from_data(json.load(file))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            _log.warning("metrics: what worker %d wrote can't be read: %r", number, error)
            return {}

    def _write(self, data: bytes) -> None:
        path = self._path(self._number, "json")
        try:
            with open(f"{path}.new", "wb") as file:  # noqa: PTH123 -- a path as text
                file.write(data)
            os.replace(f"{path}.new", path)  # noqa: PTH105 -- as above
            os.utime(self._fd)  # so that what tidies up sees that it is in use
            self._last, self._fails = data, False
        except OSError as error:
            if not self._fails:
                _log.warning("metrics: this worker's can't be written: %s", error.strerror)
            self._fails = True

    def _path(self, number: int, kind: str) -> str:
        return f"{self._directory}/{number}.{kind}"
