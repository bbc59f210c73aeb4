"""What is said of a datafile as a whole: made once for an edition, beside the loop, and kept."""

from __future__ import annotations

from bucketer.api.http import DatafileNeeded, Reply, Response
from bucketer.core.parse import parse_datafile

from .go_json import document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .call import Call

#: Of the room for answers, what each of the two may take.
_PART = 4


def described(call: Call, name: str, make: Callable[[dict[str, Any]], object]) -> Reply:
    """Answer with what *make* says of the datafile, rendered by whoever asks for *name* first.

    Raises:
        DatafileNeeded: the text isn't at hand.
    """
    body: bytes | None = call.api.kept.get(name)
    if body is None:
        raw = None if call.known is None else call.known.datafile
        if raw is None:
            raise DatafileNeeded(call.edition)
        body = document(make(parse_datafile(raw)))
        if len(body) * _PART <= call.api.options.answers_bytes:
            call.api.kept[name] = body
    return Reply(Response(200, call.api.headers, body, call.request.request_id))
