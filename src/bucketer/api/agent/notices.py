"""What Agent's notification stream tells: decisions, conversions, new datafiles, in its words.

Source: go-sdk 2.3.1, pkg/notification/entities.go; optimizely/agent 471fdcd, as it streams.
"""

from __future__ import annotations

from bucketer.api.streams import Notice
from bucketer.core.decision import EXPERIMENT, FEATURE_TEST, ROLLOUT

from .go_json import Fields, NoJson, go_json
from .variables import rule_of, unreadable, variables_of, variation_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bucketer.core.decision import Decision
    from bucketer.core.ruleset import EventType, Flag, Ruleset
    from bucketer.core.user import User

DECISION, TRACK, CONFIG = "decision", "track", "project_config_update"
KINDS = (DECISION, TRACK, CONFIG)


def topic_of(sdk_key: str) -> str:
    """Return what those listen to who name an environment by *sdk_key*: the key without token."""
    return sdk_key.partition(":")[0]


def config_notices(keys: Iterable[str], revision: str) -> tuple[Notice, ...]:
    """Return what is told of a new datafile, to those who know its environment by *keys*."""
    told = go_json(Fields(Type=CONFIG, Revision=revision)).encode()
    return tuple(Notice(topic, CONFIG, told) for topic in {topic_of(key) for key in keys})


def flag_notice(
    topic: str,
    flag: Flag,
    decision: Decision,
    user: User,
    reasons: list[str],
    values: dict[str, object] | None,
    *,
    forced: bool,
) -> list[Notice]:
    """Return what is told of a flag's decision by `/v1/decide`, maybe *forced* upon a rule.

    Its variables are told unless there are *values*.
    """
    variation = variation_of(flag, None if forced else decision.rule_key, decision.variation_key)
    rule = None if decision.rule_key is None else rule_of(flag, decision.rule_key)
    if values is None:
        values, wrong = variables_of(flag, variation, enabled=decision.enabled)
        reasons = [*map(unreadable, wrong), *reasons]
    sent = decision.impressions[0] if decision.impressions else None
    info: dict[str, object] = {
        "decisionEventDispatched": bool(decision.impressions),
        "enabled": decision.enabled,
        "experimentId": sent.experiment_id if sent is not None else rule.id if rule else "",
        "flagKey": flag.key,
        "reasons": reasons,
        "ruleKey": decision.rule_key or "",
        "variables": values,
        "variationId": variation.id if variation is not None else "",
        "variationKey": decision.variation_key or "",
    }
    return _decision(topic, "flag", user, dict(user.attributes), info)


def experiment_notice(
    topic: str, ruleset: Ruleset, key: str, decision: Decision, user: User
) -> list[Notice]:
    """Return what is told of an experiment's decision by `/v1/activate`."""
    rules = (rule.id for flag in ruleset.flags.values() for rule in flag.experiments)
    kind = "feature-test" if ruleset.experiments[key].id in rules else "ab-test"
    info: dict[str, object] = {"experimentKey": key}
    if decision.variation_key is not None:
        info["variationKey"] = decision.variation_key
    return _decision(topic, kind, user, dict(user.attributes) or None, info)


def feature_notice(
    topic: str, flag: Flag, decision: Decision, user: User, values: dict[str, object]
) -> list[Notice]:
    """Return what is told of a flag's decision by `/v1/activate`; *values* are its variables."""
    source: dict[str, object] = {}
    if decision.source == FEATURE_TEST and decision.variation_key is not None:
        source = {"experimentKey": decision.rule_key or "", "variationKey": decision.variation_key}
    feature = {
        "featureEnabled": decision.enabled,
        "featureKey": flag.key,
        "source": decision.source if decision.source != EXPERIMENT else ROLLOUT,
        "sourceInfo": source,
        "variableValues": values,
    }
    kind, attributes = "all-feature-variables", dict(user.attributes) or None
    return _decision(topic, kind, user, attributes, {"feature": feature})


def track_notice(topic: str, event: EventType, user: User, tags: dict[str, object]) -> list[Notice]:
    """Return what is told of a conversion."""
    given = tags or None
    conversion = Fields(entity_id=event.id, key=event.key, Attributes=[], tags=given)
    for name in ("revenue", "value"):
        if name in tags:
            conversion[name] = tags[name]
    told = Fields(
        EventKey=event.key,
        UserContext=_user(user, dict(user.attributes) or None),
        EventTags=given,
        ConversionEvent=conversion,
    )
    return _notice(topic, TRACK, told)


def _user(user: User, attributes: dict[str, object] | None) -> Fields:
    """Return a user as Go spells one out; None is nothing given."""
    segments = None if user.segments is None else sorted(user.segments)
    return Fields(ID=user.id, Attributes=attributes, QualifiedSegments=segments)


def _decision(
    topic: str,
    kind: str,
    user: User,
    attributes: dict[str, object] | None,
    info: dict[str, object],
) -> list[Notice]:
    told = Fields(Type=kind, UserContext=_user(user, attributes), DecisionInfo=info)
    return _notice(topic, DECISION, told)


def _notice(topic: str, kind: str, told: Fields) -> list[Notice]:
    try:
        return [Notice(topic, kind, go_json(told).encode())]
    except NoJson:  # Go can't tell it either, and drops it
        return []
