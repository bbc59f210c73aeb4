"""Decide now, expose later: an impression that isn't sent yet, as a text that its caller keeps.

The text (a *token*) holds all that the event needs: the event's uuid, so that it counts once
however often it is exposed; what the decision contributes; the user's id and the attributes that
impressions carry; and the facts of the datafile that decided, which may be gone by then. No SDK
key is among them. It is signed and can be read: whoever may not see the attributes mustn't be
given it.
"""

from __future__ import annotations

from json import dumps, loads

from bucketer.core.decision import Impression
from bucketer.core.errors import InvalidRequest
from bucketer.core.events import Event, visitor_json
from bucketer.core.ruleset import Ruleset
from bucketer.core.user import User

from .problems import ExposureRefused, ExposureTooLarge
from .signed import EXPOSURE, MAX_CHARS, NotOurs, opened, sign, uuid_by

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .options import ApiOptions

#: Of what a token holds, and in which order; another one can't be read.
_FORM = 1
#: Parts of a token's life in which the same decision has the same token, where that is wanted.
_PARTS = 4
_OF_DATAFILE = (
    "account_id", "project_id", "revision", "region", "anonymize_ip", "bot_filtering",
)  # fmt: skip
_OF_DECISION = (
    "flag_key", "rule_key", "rule_type", "enabled", "campaign_id", "experiment_id",
    "variation_id", "variation_key", "cmab_uuid",
)  # fmt: skip
_OFF = (
    "Exposure tokens aren't given here: nothing is set to sign them with; "
    "set BUCKETER_SIGNING_SECRETS."
)


def expires_at(options: ApiOptions, now: float) -> int:
    """Return when a token ends that is to be the same for a while, in epoch seconds.

    It is good for as long as others, and for up to a quarter of that longer.
    """
    step_s = max(1, int(options.exposure_ttl_s // _PARTS))
    return (int(now) // step_s + _PARTS + 1) * step_s


def namer(options: ApiOptions, expires_s: int, user: User) -> Callable[[Impression], str]:
    """Return what names the events of *user* that are exposed by tokens until *expires_s*.

    The same decision has the same name as long as that is the same.

    Raises:
        InvalidRequest: nothing is set to sign with.
    """
    secret = check_given(options)

    def name(impression: Impression) -> str:
        facts = [getattr(impression, each) for each in _OF_DECISION]
        return uuid_by(secret, dumps([expires_s, user.id, facts]).encode("ascii"))

    return name


def check_given(options: ApiOptions) -> bytes:
    """Return the secret that tokens are signed with.

    Raises:
        InvalidRequest: there is none.
    """
    if not options.signing_secrets:
        raise InvalidRequest(_OFF, field="track")
    return options.signing_secrets[0]


def token_of(
    events: Sequence[Event], options: ApiOptions, now: float, expires_s: int | None = None
) -> str | None:
    """Return the token that exposes *events*, of one user and datafile; None for no events.

    Args:
        events: as they would be sent now.
        options: what to sign with, and how long it is good.
        now: epoch seconds.
        expires_s: when it ends; the usual time from now unless given.

    Raises:
        InvalidRequest: nothing is set to sign with.
        ExposureTooLarge: it would be longer than a token may be.
    """
    secret = check_given(options)
    if not events:
        return None
    ruleset, user = events[0].ruleset, events[0].user
    attributes = loads(visitor_json(events[0]))["attributes"]  # those that are sent
    if isinstance(ruleset.bot_filtering, bool):
        attributes.pop()
    payload = [
        _FORM,
        [getattr(ruleset, name) for name in _OF_DATAFILE],
        user.id,
        [[each["entity_id"], each["key"], each["value"]] for each in attributes],
        [[each.uuid, *(getattr(each.what, name) for name in _OF_DECISION)] for each in events],
    ]
    if expires_s is None:
        expires_s = int(now + options.exposure_ttl_s)
    text = dumps(payload, separators=(",", ":")).encode("ascii")
    token = sign(secret, EXPOSURE, text, expires_s) if len(text) < MAX_CHARS else None
    if token is None or len(token) > MAX_CHARS:
        raise ExposureTooLarge(MAX_CHARS)
    return token


def events_in(token: str, options: ApiOptions, now: float) -> list[Event]:
    """Return the events that *token* exposes, which happen *now* (epoch seconds).

    Raises:
        InvalidRequest: it is no token.
        ExposureRefused: it is none of ours, or has expired.
    """
    if not options.signing_secrets:
        raise ExposureRefused("nothing is set here to check it with")
    try:
        payload = loads(opened(options.signing_secrets, EXPOSURE, token, now))
    except NotOurs as error:
        if error.malformed:
            raise InvalidRequest(
                f"This is no exposure token: {error.why}.", field="token"
            ) from None
        raise ExposureRefused(error.why) from None
    if payload[0] != _FORM:
        raise ExposureRefused("another version made it")
    _, datafile, user_id, attributes, shown = payload
    facts = dict(zip(_OF_DATAFILE, datafile, strict=True))
    ruleset = Ruleset(
        version="",
        revision=facts["revision"],
        account_id=facts["account_id"],
        project_id=facts["project_id"],
    )
    ruleset.region, ruleset.anonymize_ip = facts["region"], facts["anonymize_ip"]
    ruleset.bot_filtering = facts["bot_filtering"]
    ruleset.attribute_ids = {key: id_ for id_, key, _ in attributes}
    user = User(user_id, {key: value for _, key, value in attributes})
    now_ms = round(now * 1000)
    return [
        Event(Impression(**dict(zip(_OF_DECISION, each, strict=True))), user, ruleset, now_ms, uuid)
        for uuid, *each in shown
    ]
