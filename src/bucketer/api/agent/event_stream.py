"""``GET /v1/notifications/event-stream``: what happens in an environment, as it happens.

Source: optimizely/agent 471fdcd, pkg/handlers/notification.go.
"""

from __future__ import annotations

from .call import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Reply

    from .call import Call

_OFF = "Notification stream not enabled"
#: Beside what all answers have. Without the last one, nginx keeps back what there is.
_STREAM = (("Content-Type", "text/event-stream"), ("X-Accel-Buffering", "no"))


def answer(call: Call) -> Reply:
    """Begin a stream of what `filter` names, of everything without one; `raw` for bare lines.

    Raises:
        Refused: 403, where nobody streams.
    """
    options = call.api.options
    if options.listened is None:
        why = f"{_OFF}: {options.no_streams}" if options.no_streams else _OFF
        raise Refused(403, why, text=True)
    from bucketer.api.streams import Stream, Telling  # which a server alone has

    from .notices import KINDS, topic_of

    given = call.values("filter")
    named = {each for value in given for each in value.split(",")}
    kinds = named.intersection(KINDS) if given else KINDS
    stream = Stream(
        (_STREAM[0], *call.api.bare_headers, _STREAM[1]),
        call.request.request_id,
        topic_of(call.sdk_key),
        kinds,
    )
    if call.values("raw"):
        stream.before, stream.after, stream.heartbeat = b"", b"\n", b""
        stream.lost = b'{"Type":"lost","Lost":%d}\n'
    return Telling(stream)
