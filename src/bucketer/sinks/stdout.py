"""One line of JSON per event on standard output, for whoever collects logs."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from bucketer.core.events import Batch


class Lines:
    """Writes each event as a payload of its own, ready to be posted by somebody else."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    def write(self, batch: Batch, visitors: list[str]) -> None:
        """Print them, flushed."""
        out = self._out or sys.stdout
        region, head = batch
        out.write("".join([f'{{"region": "{region}", {head[1:]}{each}]}}\n' for each in visitors]))
        out.flush()

    def waits(self) -> bool:
        """Nothing waits."""
        return False

    def after_response(self, deadline_s: float) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""
