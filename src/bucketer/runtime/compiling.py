"""From the bytes of a datafile to a ruleset, as fast as it goes."""

from __future__ import annotations

import gc

from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.core.ruleset import Ruleset


def compile_quietly(raw: bytes) -> Ruleset:
    """Parse and compile without the cycle collector looking on.

    It would walk the growing ruleset again and again, and find nothing: compiling makes no
    garbage in cycles.

    Raises:
        DatafileError: the document can't be used at all.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return compile_datafile(parse_datafile(raw))
    finally:
        if was_enabled:
            gc.enable()
