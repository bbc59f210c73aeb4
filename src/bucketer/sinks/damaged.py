"""What was found in a lane and is no event: set aside, with its bytes as they were found."""

from __future__ import annotations

import logging

from .files import append_lines, private_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from .counters import Counters

_log = logging.getLogger("bucketer.outbox")

#: So many bytes of what can't even be set aside are logged.
_LOGGED_BYTES = 2_000


class Damaged:
    """Takes lines that can't be delivered, so that the others can.

    Args:
        directory: made if needed; a file for each segment.
        counters: `damaged` is kept here.
    """

    def __init__(self, directory: Path, counters: Counters) -> None:
        self.directory = directory
        self._counters = counters

    def set_aside(self, segment: Path, lines: list[bytes]) -> None:
        """Keep *lines* of *segment*, or at least tell of them."""
        self._counters.damaged += len(lines)
        data = b"\n".join(lines)
        what = f"{len(lines)} lines of {segment.parent.name}/{segment.name} are no event"
        try:
            private_directory(self.directory)
            name = f"{segment.parent.name}-{segment.name}"
            append_lines(self.directory / name, data + b"\n", sync=False)
        except OSError as error:  # it must not keep what is sound from being delivered
            _log.error(
                "outbox: %s and can't be set aside (%s): %d bytes that begin %r",
                what, error.strerror, len(data), data[:_LOGGED_BYTES],
            )  # fmt: skip
        else:
            _log.error("outbox: %s; set aside in %s", what, self.directory)
