"""One line of JSON per event on standard output, for whoever collects logs."""

from __future__ import annotations

import fcntl
import os
import sys
from contextlib import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from bucketer.core.envelope import Batch


class Lines:
    """Writes each event as a payload of its own, ready to be posted by somebody else.

    Several processes may write to one pipe: each takes it for itself for the length of a write.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    def write(self, batch: Batch, visitors: list[str]) -> None:
        """Print them; when it returns, whoever is at the other end has them in full lines.

        Waits as long as nobody reads there.

        Raises:
            OSError: nobody is there any more.
        """
        out = self._out or sys.stdout
        region, head = batch
        text = "".join([f'{{"region": "{region}", {head[1:]}{each}]}}\n' for each in visitors])
        out.flush()
        try:
            fd = out.fileno()
        except (OSError, AttributeError):  # some program has put its own object there
            out.write(text)
            out.flush()
            return
        with _alone(fd):
            _write_all(fd, text.encode("ascii"))

    def waits(self) -> bool:
        """Nothing waits."""
        return False

    def after_response(self, deadline_s: float) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def _alone(fd: int) -> Iterator[None]:
    """No other process that does likewise writes meanwhile. `write` alone is whole up to 4 KiB."""
    with suppress(OSError):  # something that can't be locked; so be it
        fcntl.lockf(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.lockf(fd, fcntl.LOCK_UN)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # somebody who shares it has made it so; half a line is no choice
            import select

            select.select([], [fd], [])
