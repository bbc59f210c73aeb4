"""``POST /v1/track?eventKey=…``: a conversion.

Source: optimizely/agent 471fdcd, /v1/track as it answers.
"""

from __future__ import annotations

from bucketer.core.conversions import track
from bucketer.core.errors import UnknownEvent
from bucketer.core.user import User

from .call import Refused
from .fields import OBJECT, TEXT, Shape
from .go_json import Fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeGuard

    from bucketer.api.http import Reply

    from .call import Call

SHAPE = Shape(userId=TEXT, userAttributes=OBJECT, eventTags=OBJECT)
_INT64 = 2**63
_NO_EVENT = "missing required path parameter: eventKey"


def answer(call: Call) -> Reply:
    """Send the conversion. An event that the datafile doesn't know is told of with status 200.

    Raises:
        Refused: 400.
    """
    fields = call.fields(SHAPE)
    key = call.value("eventKey")
    if not key:
        raise Refused(400, _NO_EVENT)
    user = User(fields["userId"], fields["userAttributes"])
    ruleset = call.edition.ruleset
    told = Fields(userId=user.id, eventKey=key)
    try:
        tags = fields["eventTags"]
        # No tags are none at all: Agent leaves an empty object out.
        conversion = track(ruleset, key, user, tags or None, _counted(tags))
    except UnknownEvent:
        told["error"] = f'event with key "{key}" not found'
        return call.reply(told)
    if call.topic:
        from .notices import track_notice

        call.notices += track_notice(call.topic, ruleset.events[key], user, fields["eventTags"])
    return call.reply(told, call.events((conversion,), user))


def _counted(tags: dict[str, object]) -> dict[str, object]:
    """Return `revenue` and `value` as Agent counts them: numbers alone, revenue without a fraction.

    Source: go-sdk 2.3.1, pkg/event/event_tag_utils: as Agent's events show it.
    """
    counted: dict[str, object] = {}
    revenue, value = tags.get("revenue"), tags.get("value")
    if _is_number(revenue) and -_INT64 <= revenue < _INT64:
        counted["revenue"] = int(revenue)
    if _is_number(value):
        counted["value"] = value
    return counted


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
