"""``GET /v1/datafile``: the datafile that decides, with its names sorted, as Go writes it."""

from __future__ import annotations

from .described import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Reply

    from .call import Call


def answer(call: Call) -> Reply:
    """Show the datafile.

    Raises:
        DatafileNeeded: the shell must unpack it first.
    """
    return described(call, "datafile", lambda document: document)
