"""Which questions are put for which visitor, and what constructs they are made of."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from bucketer.core.user import BUCKETING_ID, User
from bucketer.verify.calls import Call
from bucketer.verify.visitors import knowing_visitor, made, plain_visitor
from bucketer.verify.vocabulary import Vocabulary

from .datafiles.coverage import ABSENT, kind_of

OPTIONS = (
    "DISABLE_DECISION_EVENT", "ENABLED_FLAGS_ONLY", "IGNORE_USER_PROFILE_SERVICE",
    "INCLUDE_REASONS", "EXCLUDE_VARIABLES", "NONSENSE",
)  # fmt: skip
KINDS = (None, None, "boolean", "double", "integer", "json", "string")
#: These take a user context; the others know no segments and no forced decisions.
CONTEXTUAL = frozenset({"decide", "decide_for_keys", "decide_all"})


class Visit:
    """One visitor with the questions put for them.

    Attributes:
        user: for the questions that take a user context.
        legacy: the same without segments and forced decisions, for those that take none.
        calls: the questions.
    """

    __slots__ = ("calls", "legacy", "user")

    def __init__(self, user: User, calls: list[Call]) -> None:
        self.user, self.calls = user, calls
        self.legacy = made(
            user.id,
            user.attributes,
            forced_variations=user.forced_variations,
            profile=user.profile,
            predictions=user.predictions,
        )

    def who(self, call: Call) -> User:
        """The visitor as *call* knows them."""
        return self.user if call.name in CONTEXTUAL else self.legacy


def draw_visit(rng: Random, vocabulary: Vocabulary, seen: Counter[str]) -> Visit:
    """A visitor and about a dozen questions."""
    user = (plain_visitor if rng.random() < 0.4 else knowing_visitor)(rng, vocabulary)
    note_user(user, seen)
    calls = [call for name in NAMES for call in _draw(rng, vocabulary, name)]
    for call in calls:
        note_call(call, vocabulary, seen)
    return Visit(user, calls)


#: As often as each is asked for one visitor.
NAMES = (
    "activate", "activate", "activate", "get_variation", "get_variation", "decide", "decide",
    "decide", "decide_for_keys", "decide_all", "is_feature_enabled", "is_feature_enabled",
    "get_enabled_features", "get_feature_variable", "get_feature_variable",
    "get_all_feature_variables", "track",
)  # fmt: skip


def _draw(rng: Random, vocabulary: Vocabulary, name: str) -> list[Call]:
    """One call by that name; none where the datafile offers nothing to ask for."""
    # The empty key is refused before anyone is asked: by the SDK's API and by ours.
    flags = [key for key in vocabulary.flags if key]
    experiments = [key for key in vocabulary.experiments if key]
    unknown = rng.random() < 0.03
    if name in {"activate", "get_variation"}:
        return [
            Call(name, ("unheard-of" if unknown or not experiments else rng.choice(experiments),))
        ]
    if name == "track":
        return [
            Call(name, (rng.choice((*filter(None, vocabulary.events), "unheard-of")), _tags(rng)))
        ]
    if name == "decide_all":
        return [Call(name, (_options(rng),))]
    if name == "get_enabled_features":
        return [Call(name, ())] if rng.random() < 0.3 else []
    if name == "decide_for_keys":
        keys = rng.choices((*flags, "unheard-of"), k=rng.choice((0, 1, 2, 3)))
        return [Call(name, (keys, _options(rng)))]
    flag = "unheard-of" if unknown or not flags else rng.choice(flags)
    if name == "decide":
        return [Call(name, (flag, _options(rng)))]
    if name == "get_feature_variable":
        known = [key for key in vocabulary.variables.get(flag, ()) if key]
        variable = rng.choice(known) if known and rng.random() < 0.95 else "unheard-of"
        return [Call(name, (flag, variable, rng.choice(KINDS)))]
    return [Call(name, (flag,))]


def _options(rng: Random) -> list[str]:
    if rng.random() < 0.5:
        return []
    return rng.sample(OPTIONS, rng.choice((1, 1, 2, 3)))


def _tags(rng: Random) -> dict[str, Any] | None:
    return rng.choice((None, {}, {"revenue": 100, "value": 1.5, "sku": "a"}))


def note_user(user: User, seen: Counter[str]) -> None:
    """Count what *user* is made of."""
    if user.known is None:
        seen["user of no note"] += 1
    if not user.id:
        seen["user empty id"] += 1
    if not user.id.isascii():
        seen["user not ASCII"] += 1
    if BUCKETING_ID in user.attributes:
        value = user.attributes[BUCKETING_ID]
        kind = ("" if value else " empty") if isinstance(value, str) else " not text"
        seen[f"user bucketing id{kind}"] += 1
    if user.segments is None:
        seen["user no segments"] += 1
    else:
        seen["user segments" if user.segments else "user segments empty"] += 1
    for _, rule_key in user.forced_decisions or ():
        seen[f"user forced decision for a {'flag' if rule_key is None else 'rule'}"] += 1
    if user.forced_variations:
        seen["user forced variation"] += 1
    if user.profile is not None:
        seen["user profile" if user.profile else "user profile empty"] += 1
    for prediction in (user.predictions or {}).values():
        seen["user prediction failed" if prediction is None else "user prediction"] += 1


def note_conditions(asked: set[tuple[str, str]], user: User, seen: Counter[str]) -> None:
    """Count which kind of value *user* has for the attributes that each match asks for."""
    for match, name in asked:
        if match == "qualified":
            continue  # it looks at segments
        value = user.attributes.get(name, ABSENT)
        seen[f"match {match} for a user's {kind_of(value)}"] += 1


def note_call(call: Call, vocabulary: Vocabulary, seen: Counter[str]) -> None:
    """Count what *call* is made of."""
    seen[f"call {call.name}"] += 1
    if call.name in CONTEXTUAL:
        for option in call.arguments[-1]:
            seen[f"option {'unknown' if option == 'NONSENSE' else option}"] += 1
    if call.name == "decide_for_keys":
        keys = call.arguments[0]
        if len(set(keys)) < len(keys):
            seen["key of two calls"] += 1
        if "unheard-of" in keys:
            seen["unknown flag"] += 1
    elif call.name == "get_feature_variable":
        if call.arguments[1] == "unheard-of":
            seen["unknown variable"] += 1
        elif call.arguments[2] is not None:
            seen["variable of another type"] += 1
    elif call.arguments and call.arguments[0] == "unheard-of":
        what = {"activate": "experiment", "get_variation": "experiment", "track": "event"}
        seen[f"unknown {what.get(call.name, 'flag')}"] += 1
