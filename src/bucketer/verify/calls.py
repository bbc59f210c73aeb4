"""One question put to both engines, and their answers brought to one comparable form.

Nothing here knows how a decision is made: each side is asked through its public functions, and
what comes back is only renamed. Where another answer than the SDK's is wanted
(duplicate keys: docs/parity.md), the SDK is asked the question that has the wanted answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from bucketer.core import decide as core
from bucketer.core import flags
from bucketer.core.conversions import track
from bucketer.core.decision import Decision
from bucketer.core.errors import UnknownKey
from bucketer.core.ruleset import Ruleset
from bucketer.core.user import User
from bucketer.reference.sdk import OfficialSdk, SentConversion, SentImpression

T = TypeVar("T")

#: In place of a value: the key asked for isn't in the datafile.
UNKNOWN_KEY = "no such key"
#: How the SDK says that the bandit could not be asked.
CMAB_FAILED = "Failed to fetch CMAB data"


class Seen(NamedTuple):
    """What one engine answered.

    Attributes:
        value: text that is equal exactly when the answers are (so that NaN equals itself and
            1 differs from True and 1.0).
        sent: impressions or conversions, in order.
        saved: the profile to be saved, or None.
    """

    value: str
    sent: tuple[SentImpression | SentConversion, ...]
    saved: dict[str, str] | None


class Call(NamedTuple):
    """One question.

    Attributes:
        name: the function of the SDK's public API.
        arguments: all but the user.
    """

    name: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.arguments))})"


def ask_core(call: Call, ruleset: Ruleset, user: User) -> Seen:
    """The core's answer."""
    try:
        return _CORE[call.name](ruleset, user, *call.arguments)
    except UnknownKey:
        return Seen(UNKNOWN_KEY, (), None)


def ask_sdk(call: Call, sdk: OfficialSdk, user: User) -> Seen:
    """The official SDK's answer. Whatever the SDK raises reaches the caller."""
    return _SDK[call.name](sdk, user, *call.arguments)


# --- the core -----------------------------------------------------------------------------------


def _impressions(decisions: Collection[Decision]) -> tuple[SentImpression, ...]:
    return tuple(
        SentImpression(
            each.rule_type,
            each.flag_key,
            each.rule_key,
            each.campaign_id,
            each.experiment_id,
            each.variation_id,
            each.variation_key,
            each.enabled,
            each.cmab_uuid,
        )
        for decision in decisions
        for each in decision.impressions
    )


def _saved(decisions: Collection[Decision], user: User) -> dict[str, str] | None:
    """The whole profile, as the SDK would save it; None when nothing is new."""
    new = dict(each.bucketed for each in decisions if each.bucketed is not None)
    return {**user.profile, **new} if new and user.profile is not None else None


def _core_seen(value: object, decisions: Collection[Decision], user: User) -> Seen:
    return Seen(repr(value), _impressions(decisions), _saved(decisions, user))


def _ordered(decisions: Mapping[str, T]) -> list[tuple[str, T]]:
    """By key; an odd datafile may have keys that are no text, so they compare as text."""
    return sorted(decisions.items(), key=lambda item: str(item[0]))


def _core_flag(decision: Decision) -> tuple[object, ...]:
    return (
        decision.variation_key,
        decision.enabled,
        dict(decision.variables),
        decision.rule_key,
        decision.error is not None,
    )


def _core_activate(ruleset: Ruleset, user: User, key: str) -> Seen:
    decision = core.activate(ruleset, key, user)
    return _core_seen(decision.variation_key, [decision], user)


def _core_get_variation(ruleset: Ruleset, user: User, key: str) -> Seen:
    decision = core.get_variation(ruleset, key, user)
    return _core_seen(decision.variation_key, [decision], user)


def _core_decide(ruleset: Ruleset, user: User, key: str, options: Sequence[str]) -> Seen:
    decision = core.decide(ruleset, key, user, frozenset(options))
    return _core_seen(_core_flag(decision), [decision], user)


def _core_flags(decisions: dict[str, Decision], user: User, options: Sequence[str]) -> Seen:
    shown = core.shown(decisions, options)
    value = {key: _core_flag(each) for key, each in _ordered(shown)}
    return _core_seen(value, decisions.values(), user)


def _core_decide_for_keys(
    ruleset: Ruleset, user: User, keys: Sequence[str], options: Sequence[str]
) -> Seen:
    decisions = core.decide_for_keys(ruleset, keys, user, frozenset(options))
    return _core_flags(decisions, user, options)


def _core_decide_all(ruleset: Ruleset, user: User, options: Sequence[str]) -> Seen:
    return _core_flags(core.decide_all(ruleset, user, frozenset(options)), user, options)


def _core_is_feature_enabled(ruleset: Ruleset, user: User, key: str) -> Seen:
    decision = flags.is_feature_enabled(ruleset, key, user)
    return _core_seen(decision.enabled, [decision], user)


def _core_get_enabled_features(ruleset: Ruleset, user: User) -> Seen:
    decisions = flags.get_enabled_features(ruleset, user)
    enabled = [key for key, each in decisions.items() if each.enabled]
    return _core_seen(enabled, decisions.values(), user)


def _core_variable(
    ruleset: Ruleset, user: User, flag_key: str, variable_key: str, kind: str | None
) -> Seen:
    value, decision = flags.get_feature_variable(ruleset, flag_key, variable_key, user, kind)
    return _core_seen(value, [decision] if decision else [], user)


def _core_variables(ruleset: Ruleset, user: User, flag_key: str) -> Seen:
    decision = flags.get_all_feature_variables(ruleset, flag_key, user)
    return _core_seen(dict(decision.variables), [decision], user)


def _core_track(ruleset: Ruleset, user: User, key: str, tags: dict[str, object] | None) -> Seen:
    conversion = track(ruleset, key, user, tags)
    sent = SentConversion(
        conversion.event_id,
        conversion.event_key,
        None if conversion.tags is None else dict(conversion.tags),
    )
    return Seen(repr(None), (sent,), None)


_CORE: dict[str, Callable[..., Seen]] = {
    "activate": _core_activate,
    "get_variation": _core_get_variation,
    "decide": _core_decide,
    "decide_for_keys": _core_decide_for_keys,
    "decide_all": _core_decide_all,
    "is_feature_enabled": _core_is_feature_enabled,
    "get_enabled_features": _core_get_enabled_features,
    "get_feature_variable": _core_variable,
    "get_all_feature_variables": _core_variables,
    "track": _core_track,
}


# --- the official SDK ---------------------------------------------------------------------------


def _config(sdk: OfficialSdk) -> Any:
    return sdk.client.config_manager.get_config()


def _sdk_experiment(ask: str, sdk: OfficialSdk, user: User, key: str) -> Seen:
    answer = getattr(sdk, ask)(key, user)
    known = key != "" and key in _config(sdk).experiment_key_map
    return Seen(repr(answer.value) if known else UNKNOWN_KEY, answer.sent, answer.saved)


def _sdk_activate(sdk: OfficialSdk, user: User, key: str) -> Seen:
    return _sdk_experiment("activate", sdk, user, key)


def _sdk_get_variation(sdk: OfficialSdk, user: User, key: str) -> Seen:
    return _sdk_experiment("get_variation", sdk, user, key)


def _sdk_flag(decision: Any) -> tuple[object, ...]:
    failed = any(reason.startswith(CMAB_FAILED) for reason in decision.reasons)
    return (
        decision.variation_key,
        bool(decision.enabled),
        decision.variables or {},
        decision.rule_key,
        failed,
    )


def _sdk_decide(sdk: OfficialSdk, user: User, key: str, options: Sequence[str]) -> Seen:
    answer = sdk.decide(key, user, options)
    if key not in _config(sdk).feature_key_map:
        return Seen(UNKNOWN_KEY, answer.sent, answer.saved)
    return Seen(repr(_sdk_flag(answer.value)), answer.sent, answer.saved)


def _sdk_decide_for_keys(
    sdk: OfficialSdk, user: User, keys: Sequence[str], options: Sequence[str]
) -> Seen:
    answer = sdk.decide_for_keys(list(dict.fromkeys(keys)), user, options)
    # Unknown keys have an empty entry there and none here, where the API answers for them.
    known = _config(sdk).feature_key_map
    value = {key: _sdk_flag(each) for key, each in _ordered(answer.value) if key in known}
    return Seen(repr(value), answer.sent, answer.saved)


def _sdk_decide_all(sdk: OfficialSdk, user: User, options: Sequence[str]) -> Seen:
    keys = [flag["key"] for flag in _config(sdk).feature_flags]
    if len(set(keys)) < len(keys):  # two impressions there, one here: section 6
        return _sdk_decide_for_keys(sdk, user, keys, options)
    answer = sdk.decide_all(user, options)
    value = {key: _sdk_flag(each) for key, each in _ordered(answer.value)}
    return Seen(repr(value), answer.sent, answer.saved)


def _sdk_is_feature_enabled(sdk: OfficialSdk, user: User, key: str) -> Seen:
    answer = sdk.is_feature_enabled(key, user)
    known = key != "" and key in _config(sdk).feature_key_map
    return Seen(repr(answer.value) if known else UNKNOWN_KEY, answer.sent, answer.saved)


def _sdk_get_enabled_features(sdk: OfficialSdk, user: User) -> Seen:
    answer = sdk.get_enabled_features(user)
    return Seen(repr(answer.value), answer.sent, answer.saved)


def _sdk_variable(
    sdk: OfficialSdk, user: User, flag_key: str, variable_key: str, kind: str | None
) -> Seen:
    answer = sdk.get_feature_variable(flag_key, variable_key, user, kind)
    flag = _config(sdk).feature_key_map.get(flag_key)
    known = flag is not None and variable_key in flag.variables
    return Seen(repr(answer.value) if known else UNKNOWN_KEY, answer.sent, answer.saved)


def _sdk_variables(sdk: OfficialSdk, user: User, flag_key: str) -> Seen:
    answer = sdk.get_all_feature_variables(flag_key, user)
    known = flag_key in _config(sdk).feature_key_map
    return Seen(repr(answer.value) if known else UNKNOWN_KEY, answer.sent, answer.saved)


def _sdk_track(sdk: OfficialSdk, user: User, key: str, tags: dict[str, object] | None) -> Seen:
    answer = sdk.track(key, user, tags)
    known = key in _config(sdk).event_key_map
    return Seen(repr(answer.value) if known else UNKNOWN_KEY, answer.sent, answer.saved)


_SDK: dict[str, Callable[..., Seen]] = {
    "activate": _sdk_activate,
    "get_variation": _sdk_get_variation,
    "decide": _sdk_decide,
    "decide_for_keys": _sdk_decide_for_keys,
    "decide_all": _sdk_decide_all,
    "is_feature_enabled": _sdk_is_feature_enabled,
    "get_enabled_features": _sdk_get_enabled_features,
    "get_feature_variable": _sdk_variable,
    "get_all_feature_variables": _sdk_variables,
    "track": _sdk_track,
}
