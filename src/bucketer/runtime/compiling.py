"""From the bytes of a datafile to a ruleset, as fast as it goes."""

from __future__ import annotations

import gc
import threading

from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.ruleset import Ruleset


#: One at a time: each that compiles takes turns with the one that answers, who would have an
#: eighth of the processor beside eight of them.
_TURN = threading.Lock()


def compile_quietly(raw: bytes) -> Ruleset:
    """Parse and compile without the cycle collector looking on.

    It would walk the growing ruleset again and again, and find nothing: compiling makes no
    garbage in cycles.

    Raises:
        DatafileError: the document can't be used at all.
    """
    with _TURN:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            datafile = parse_datafile(raw)
            ruleset = compile_datafile(datafile)
            # Piece by piece: to let go of all of it at once keeps the other threads waiting.
            for section in datafile.values():
                while isinstance(section, list) and section:
                    section.pop()
            return ruleset
        finally:
            if was_enabled:
                gc.enable()
