"""A caller's own name for a request in, the names of its events out: the same for each retry.

Optimizely counts events of one uuid once. The caller's key alone is not that uuid: two users, or
two goals, that come with one key are two events (docs/decisions/0092).
"""

from __future__ import annotations

from json import dumps

from bucketer.core.errors import InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bucketer.api.http import Request
    from bucketer.core.decision import Decision
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User

HEADER = "idempotency-key"
MAX_KEY_CHARS = 256
#: Drawn once, for these names alone (RFC 9562, 5.5).
_NAMESPACE = bytes.fromhex("f4383451f20a4130803c7c1c6e434d00")


def key_of(request: Request) -> str:
    """Return the request's `Idempotency-Key`, or "".

    Raises:
        InvalidRequest: it is too long.
    """
    key = request.headers.get(HEADER, "").strip()
    if len(key) > MAX_KEY_CHARS:
        raise key_too_long("Header 'Idempotency-Key'")
    return key


def key_too_long(what: str) -> InvalidRequest:
    """Return the error for a key that is no name any more."""
    return InvalidRequest(f"{what} has over {MAX_KEY_CHARS} characters; give it fewer.", field="id")


def impression_names(key: str, decision: Decision, user: User, ruleset: Ruleset) -> Iterator[str]:
    """Name the impressions of *decision*, in order, by the caller's *key*.

    What has no rule goes by its flag: one request may decide several flags without one.
    """
    for each in decision.impressions:
        shown = each.campaign_id, each.experiment_id, each.rule_key, each.variation_id
        of_flag = () if each.rule_key else (each.flag_key,)
        yield uuid_of(key, ruleset.account_id, "", user.id, *shown, *of_flag)


def uuid_of(key: str, *parts: str | None) -> str:
    """Return the uuid (version 5) of the event that *key* and *parts* name together."""
    from hashlib import sha1  # 3 ms of a cold start that few requests need

    name = _NAMESPACE + dumps((key, *parts)).encode("ascii")
    digits = sha1(name, usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
