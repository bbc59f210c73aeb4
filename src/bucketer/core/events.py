"""Decisions and conversions in, the exact text of Optimizely's Event API out.

An event is built when the decision is made, from values only, as one piece of JSON: the
*visitor*. Visitors that share a `Batch` travel together in one payload.

The text is put together from pieces that are known beforehand. What a decision contributes is
compiled once per `Impression`, what the datafile contributes once per `Ruleset`; an event adds
its uuid, its time, the user's attributes and the user's id. The result is, byte for byte, what
`json.dumps` makes of the SDK's payload (default separators, ASCII escapes), so a visitor never
holds a line break and can be one line of a file.

Source: optimizely-sdk 5.7.0, event/event_factory.py, event/payload.py, event/user_event_factory.py,
event/event_id_normalizer.py.
"""

from __future__ import annotations

from json import dumps
from json.encoder import encode_basestring_ascii as quote

from .envelope import Batch, Envelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .conversions import Conversion
    from .decision import Impression
    from .ruleset import Ruleset
    from .user import User

    #: What stands before the uuid, between it and the timestamp, and from there to the attributes.
    Wire = tuple[str, str, str]

#: Who built the event, as the Event API shows it.
CLIENT_NAME = "bucketer"

ENDPOINTS = {
    "US": "https://logx.optimizely.com/v1/events",
    "EU": "https://eu.logx.optimizely.com/v1/events",
}

#: The most that one event's text may have, so that with the head of its payload it fits into
#: one message of a queue and one line of a log, 256 KiB both.
MAX_VISITOR_BYTES = 240 * 1024

#: The largest number that an attribute may carry, either sign, bound included.
LARGEST_NUMBER = 2**53

#: A tuple, not `int | float`: the union would be built anew on each check.
_NUMBERS = (int, float)

#: What an entry of a dict takes beside its texts, and the most that a character may.
_ENTRY_BYTES, _CHAR_BYTES = 200, 4

_RESERVED = "$opt_"
_BOT_FILTERING = "$opt_bot_filtering"
_ATTRIBUTE = '{"entity_id": %s, "key": %s, "type": "custom", "value": '


class Event:
    """Something that happened: an impression or a conversion, of whom, when.

    Attributes:
        what: the static facts of it.
        user: of whom.
        ruleset: the datafile that was in use then, whatever is in use when the event leaves.
        timestamp_ms: milliseconds since 1970, when it was decided.
        uuid: its name for ever; a repeat under the same name counts once.
    """

    __slots__ = ("ruleset", "timestamp_ms", "user", "uuid", "what")

    def __init__(
        self,
        what: Impression | Conversion,
        user: User,
        ruleset: Ruleset,
        timestamp_ms: int,
        uuid: str,
    ) -> None:
        self.what = what
        self.user = user
        self.ruleset = ruleset
        self.timestamp_ms = timestamp_ms
        self.uuid = uuid


def visitor_json(event: Event, told: str | None = None) -> str:
    """The event's visitor as the Event API wants it: one line of ASCII.

    Never raises for what `User` and `track` let pass.

    Args:
        event: what happened.
        told: what `told_of` says of it, if that is known from another event of the same user.
    """
    what = event.what
    before, between, after = what.rendered or _compile_impression(what)
    if told is None:  # as `told_of`, without a call
        user = event.user
        envelope = event.ruleset.envelope or envelope_of(event.ruleset)
        return (
            f"{before}{event.uuid}{between}{event.timestamp_ms}{after}"
            f'{_attributes(user.attributes, envelope)}], "visitor_id": {quote(user.id)}}}'
        )
    return f"{before}{event.uuid}{between}{event.timestamp_ms}{after}{told}"


def told_of(event: Event) -> str:
    """The end of a visitor, which all events of one user and datafile have in common."""
    user = event.user
    envelope = event.ruleset.envelope or envelope_of(event.ruleset)
    return f'{_attributes(user.attributes, envelope)}], "visitor_id": {quote(user.id)}}}'


def largest_of(events: Sequence[Event]) -> int:
    """How many bytes the longest of *events*, all of one user and datafile, has; 0 for none."""
    told = told_of(events[0]) if events else ""
    return max((len(visitor_json(event, told)) for event in events), default=0)


def user_bytes(user: User, ruleset: Ruleset) -> int:
    """How much of each of the user's events is theirs: attributes and id, as they are sent."""
    envelope = ruleset.envelope or envelope_of(ruleset)
    return len(_attributes(user.attributes, envelope)) + len(quote(user.id))


def batch_of(event: Event) -> Batch:
    """Which events this one may travel with."""
    return (event.ruleset.envelope or envelope_of(event.ruleset)).batch


def payload(batch: Batch, visitors: Iterable[str]) -> bytes:
    """The body of one POST to the batch's endpoint."""
    return f"{batch.head}{', '.join(visitors)}]}}".encode("ascii")


def envelope_of(
    ruleset: Ruleset, client_name: str = CLIENT_NAME, client_version: str | None = None
) -> Envelope:
    """Compile what *ruleset* contributes to its events, and keep it there.

    The client's version is the package's unless told otherwise (to compare with another client).
    """
    if client_version is None:
        from bucketer import __version__ as client_version  # the package imports the core
    facts = {
        "account_id": ruleset.account_id,
        "project_id": ruleset.project_id,
        "revision": ruleset.revision,
        "client_name": client_name,
        "client_version": client_version,
        "anonymize_ip": ruleset.anonymize_ip,
        "enrich_decisions": True,
    }
    head = dumps(facts)[:-1] + ', "visitors": ['
    region = str(ruleset.region or "US").upper()
    openings = {
        key: _ATTRIBUTE % (dumps(id_), quote(key)) if id_ else ""
        for key, id_ in ruleset.attribute_ids.items()
    }
    last = ""
    if isinstance(ruleset.bot_filtering, bool):
        name = quote(_BOT_FILTERING)
        last = _ATTRIBUTE % (name, name) + dumps(ruleset.bot_filtering) + "}"
    batch = Batch(region if region in ENDPOINTS else "US", head)
    envelope = ruleset.envelope = Envelope(batch, openings, last)
    return envelope


def _compile_impression(impression: Impression) -> Wire:
    """Settle all of an impression's text that no user changes, and keep it there."""
    variation_id = impression.variation_id
    if not (variation_id and variation_id.isascii() and variation_id.isdigit()):
        variation_id = None
    metadata: dict[str, object] = {
        "flag_key": impression.flag_key,
        "rule_key": impression.rule_key or "",
        "rule_type": impression.rule_type,
        "variation_key": impression.variation_key or "",
        "enabled": impression.enabled,
    }
    if impression.cmab_uuid:
        metadata["cmab_uuid"] = impression.cmab_uuid
    decision = {
        "campaign_id": impression.campaign_id,
        "experiment_id": impression.experiment_id,
        "variation_id": variation_id,
        "metadata": metadata,
    }
    rendered = impression.rendered = (
        f'{{"snapshots": [{{"events": [{{"entity_id": {dumps(impression.campaign_id)}, "uuid": "',
        '", "key": "campaign_activated", "timestamp": ',
        f'}}], "decisions": [{dumps(decision)}]}}], "attributes": [',
    )
    return rendered


def _attributes(attributes: Mapping[str, object], envelope: Envelope) -> str:
    """The attribute objects in the user's order, bot filtering last, without their brackets.

    An attribute is sent when the datafile knows its key (or the key is reserved) and the value is
    a string, a boolean or a number of at most 2**53 either way.

    Source: optimizely-sdk 5.7.0, event_factory.py:build_attribute_list, validator.py.
    """
    if not attributes:
        return envelope.last
    parts = []
    openings = envelope.openings
    for key, value in attributes.items():
        opening = openings.get(key)
        if opening is None:
            opening = _remember(key, envelope)
        if opening:
            text = quote(value) if type(value) is str else _value(value)
            if text:
                parts.append(f"{opening}{text}}}")
    if envelope.last:
        parts.append(envelope.last)
    return ", ".join(parts)


def _value(value: object) -> str:
    """An attribute value's JSON, or "" for a value that isn't sent."""
    if type(value) is int and -LARGEST_NUMBER <= value <= LARGEST_NUMBER:  # most are
        return repr(value)
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, _NUMBERS):
        if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:  # NaN is not within, either
            return ""
        return int.__repr__(value) if isinstance(value, int) else float.__repr__(value)
    return quote(value) if isinstance(value, str) else ""


def _remember(key: str, envelope: Envelope) -> str:
    """The text before the value of an attribute that the datafile doesn't know."""
    if not isinstance(key, str):  # only callers inside the process can do that
        return ""
    opening = ""
    if key.startswith(_RESERVED):
        quoted = quote(key)
        opening = _ATTRIBUTE % (quoted, quoted)
    size = _ENTRY_BYTES + _CHAR_BYTES * len(key) + len(opening)
    if size <= envelope.room:
        envelope.room -= size
        envelope.openings[key] = opening
    return opening
