"""``POST /v1/send-odp-event``: an event for Optimizely Data Platform (ODP).

Source: optimizely/agent 471fdcd, /v1/send-odp-event as it answers.
"""

from __future__ import annotations

from bucketer.api.needs import OdpEventGiven
from bucketer.core.errors import InvalidRequest
from bucketer.core.events import MAX_VISITOR_BYTES
from bucketer.core.odp import odp_event

from .call import Refused
from .fields import OBJECT, TEXT, TEXT_MAP, Shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bucketer.api.http import Reply

    from .call import Call

SHAPE = Shape(type=TEXT, action=TEXT, identifiers=TEXT_MAP, data=OBJECT)
_NO_ACTION = 'missing "action" in request payload'
_NO_IDENTIFIERS = 'missing or empty "identifiers" in request payload'
_OFF = "ODP is not enabled"
_NOT_INTEGRATED = "ODP is not integrated"
_BAD_DATA = "ODP data is not valid"


def answer(call: Call) -> Reply:
    """Take the event; it is delivered behind the answer.

    Raises:
        Refused: 400; 500 where nothing is sent to ODP; 413.
        OdpEventGiven: the shell must take it.
    """
    fields = call.fields(SHAPE)
    if not fields["action"]:
        raise Refused(400, _NO_ACTION)
    if not fields["identifiers"]:
        raise Refused(400, _NO_IDENTIFIERS)
    options, ruleset = call.api.options, call.edition.ruleset
    if not (options.odp and options.makes_events):
        raise Refused(500, _OFF)
    if ruleset.odp is None:
        raise Refused(500, _NOT_INTEGRATED)
    if call.known is not None and call.known.asked:
        return call.reply({"success": True})
    now_ms = round(call.now * 1000)
    kind, action, identifiers, data = fields.values()
    try:
        event = odp_event(ruleset, kind, action, identifiers, data, now_ms, call.new_uuid())
    except InvalidRequest:
        raise Refused(500, _BAD_DATA) from None
    if len(event.text) > MAX_VISITOR_BYTES:
        raise Refused(413, f"the event is over the limit of {MAX_VISITOR_BYTES} bytes")
    raise OdpEventGiven(event)
