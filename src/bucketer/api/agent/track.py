"""``POST /v1/track?eventKey=…``: a conversion.

Source: optimizely/agent 471fdcd, /v1/track as it answers.
"""

from __future__ import annotations

from bucketer.core.errors import UnknownEvent
from bucketer.core.events import track
from bucketer.core.user import User

from .call import Refused
from .fields import OBJECT, TEXT
from .go_json import Fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Reply

    from .call import Call

SHAPE = {"userId": TEXT, "userAttributes": OBJECT, "eventTags": OBJECT}
_NO_EVENT = "missing required path parameter: eventKey"


def answer(call: Call) -> Reply:
    """Send the conversion. An event that the datafile doesn't know is told of with status 200.

    Raises:
        Refused: 400.
    """
    key = call.value("eventKey")
    if not key:
        raise Refused(400, _NO_EVENT)
    fields = call.fields(SHAPE)
    user = User(fields["userId"], fields["userAttributes"])
    ruleset = call.edition.ruleset
    told = Fields(userId=user.id, eventKey=key)
    try:
        conversion = track(ruleset, key, user, fields["eventTags"])
    except UnknownEvent:
        told["error"] = f'event with key "{key}" not found'
        return call.reply(told)
    return call.reply(told, call.events((conversion,), user))
