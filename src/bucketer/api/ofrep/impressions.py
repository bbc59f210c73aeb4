"""That a user has seen what was decided: the impressions of an evaluation."""

from __future__ import annotations

from bucketer.api.problems import ImpressionTooLarge
from bucketer.core.events import MAX_VISITOR_BYTES, Event, user_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bucketer.core.decision import Decision, Impression
    from bucketer.core.ruleset import Ruleset
    from bucketer.core.user import User


#: Of what a body of fewer bytes brings no event can come that is too large.
_LONG_BODY = 4 * 1024


def events_of(
    decisions: Iterable[Decision],
    user: User,
    ruleset: Ruleset,
    now: float,
    new_uuid: Callable[[], str],
    *,
    body_bytes: int | None = None,
) -> tuple[Event, ...]:
    """Return one event for each impression that *decisions* call for, each of them once.

    Raises:
        ImpressionTooLarge: the user's id and attributes are more than an event can carry; looked at
            unless they came in a body of so few *body_bytes* that they can't be.
    """
    impressions: dict[Impression, None] = {}
    for decision in decisions:
        for each in decision.impressions:
            impressions[each] = None
    may_be_long = impressions and (body_bytes is None or body_bytes > _LONG_BODY)
    if may_be_long and user_bytes(user, ruleset) > MAX_VISITOR_BYTES:
        raise ImpressionTooLarge(MAX_VISITOR_BYTES)
    now_ms = round(now * 1000)
    return tuple([Event(each, user, ruleset, now_ms, new_uuid()) for each in impressions])
