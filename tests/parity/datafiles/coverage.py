"""The constructs that a parity run must meet. One that it never meets fails the run.

Three families: what a datafile has (marked while it is generated), what a visitor or a call has
(marked while it is drawn), and what a decision came to (read from the SDK's own reasons).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

MATCHES = (
    "exact", "exists", "substring", "gt", "ge", "lt", "le",
    "semver_eq", "semver_gt", "semver_ge", "semver_lt", "semver_le", "qualified",
)  # fmt: skip

#: What JSON tells apart, numbers that count as none, and no value at all.
KINDS = (
    "absence", "null", "boolean", "text", "number", "number beyond", "list", "object",
)  # fmt: skip
ABSENT = object()
_LARGEST = 2**53


def kind_of(value: object) -> str:
    """One of `KINDS`."""
    if value is ABSENT:
        return "absence"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number" if abs(value) <= _LARGEST else "number beyond"
    return {str: "text", list: "list", dict: "object"}[type(value)]


def combination(condition: Mapping[str, Any], attributes: Mapping[str, object]) -> str:
    """A condition's match and kind of value, with the kind of value that a user has for it."""
    wanted = kind_of(condition.get("value", ABSENT))
    have = kind_of(attributes.get(condition["name"], ABSENT))
    return f"{condition['match']} {wanted} against {have}"


def refuses(match: str, wanted: str) -> bool:
    """Whether the SDK refuses a datafile for a condition with that kind of value."""
    return (match, wanted) == ("qualified", "list")  # it collects the names of all segments


#: One of each, met one by one: see `conditions.py`.
COMBINATIONS = frozenset(
    f"{match} {wanted} against {have}"
    for match in MATCHES
    for wanted in KINDS
    for have in KINDS
    if not refuses(match, wanted)
)


def conditions_of(datafile: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Match and attribute of every condition that can be judged."""
    found = set()
    for section in ("audiences", "typedAudiences"):
        for each in datafile.get(section, ()):
            tree = each["conditions"]
            for leaf in _leaves(json.loads(tree) if section == "audiences" else tree):
                match, name = leaf.get("match"), leaf.get("name")
                if isinstance(match, str) and match in MATCHES and isinstance(name, str):
                    found.add((match, name))
    return found


def _leaves(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for each in node if isinstance(node, list) else ():
        yield from _leaves(each)


IN_DATAFILES = frozenset({
    *(f"match {match}" for match in MATCHES),
    *(f"condition value {kind}" for kind in (
        "str", "int", "float", "bool", "NoneType", "list", "dict", "nan", "inf", "beyond 2^53",
    )),
    *(f"match {kind}" for kind in ("absent", "null", "unknown", "not a string")),
    *(f"condition type {kind}" for kind in (
        "custom_attribute", "third_party_dimension", "custom_dimension", "absent",
    )),
    "condition name absent", "condition name not a string",
    "operator and", "operator or", "operator not", "operator implicit or", "operator upper case",
    "choice", "choice of mixed kinds", "choice of many", "choice denied", "choice beside others",
    "choice with wrapped values", "more than is written out", "rule lists audiences again and again",
    "operator alone", "not with two operands", "nested operators",
    "empty list in an audience", "leaf not an object", "leaf a number in range",
    "audience conditions empty", "audience bare object", "audience null",
    "audience typed", "audience as JSON text", "audience dummy twin", "audience typed as text",
    "audience listed twice", "audience without a name",
    "rule audienceIds", "rule audienceConditions", "rule audienceConditions null",
    "rule audienceConditions [] over audienceIds", "rule audienceConditions text",
    "rule unknown audience", "rule not unknown audience", "rule empty list",
    "status Running", "status Paused", "status odd",
    "whitelist", "whitelist unknown variation", "whitelist in a delivery rule",
    "group random", "group overlapping", "group other policy", "group empty range",
    "group entity unknown", "group member empty id", "explicit groupPolicy", "explicit groupPolicy, group unknown",
    "allocation partial", "allocation unsorted", "allocation equal ends", "allocation empty",
    "allocation empty entity", "allocation unknown entity", "allocation beyond 10000",
    "allocation null end", "allocation absent end", "allocation float end",
    "allocation null entity",
    "blank key", "experiment id twice", "experiment key twice", "variation key twice",
    "variation id twice", "variation id in two experiments", "flag key twice",
    "rule key of another flag", "delivery rule key of an experiment", "group id of an experiment",
    "delivery rule id of an experiment", "experiment in two flags", "rollout in two flags",
    "no rollout", "rollout empty", "rollout 1 rules", "rollout 2 rules", "rollout 3 rules",
    "rollout 4 rules", "rollout 5 rules", "delivery rule paused", "delivery rule id twice",
    "type ab", "type mab", "type td", "type fr", "type odd", "type absent",
    "fr without rollout", "fr in two flags", "fr key collision",
    "cmab", "cmab empty", "cmab in a delivery rule", "cmab 0 traffic", "cmab that can't be asked",
    "cmab attributeIds no list", "cmab attributeIds of no attribute", "cmab traffic odd",
    "holdout global", "holdout local", "holdout td excluded", "holdout not running",
    "holdout local td excluded", "holdout with includedRules", "holdout without includedRules",
    "holdout no rules", "holdout enabled", "holdout layerId", "holdout includedFlags",
    "holdout id of an experiment", "holdout key of an experiment", "holdout everybody",
    "holdout cmab", "holdout groupPolicy",
    "featureEnabled true", "featureEnabled false", "featureEnabled odd", "featureEnabled absent",
    *(f"variable {kind}" for kind in ("boolean", "integer", "double", "string", "json", "other")),
    "variable subType json", "variable odd value", "variable not text", "variable key twice",
    "override", "override unknown variable", "override twice", "override id no text", "variables null",
    "sendFlagDecisions on", "sendFlagDecisions off", "sendFlagDecisions odd",
    "botFiltering", "anonymizeIP", "region EU", "region odd", "integrations",
    "version 2", "version 3", "version 4", "sections absent",
    "attribute twice", "attribute reserved", "attribute empty id", "event twice",
    "layerId empty", "id not ASCII",
})  # fmt: skip

IN_CALLS = frozenset({
    *(f"call {name}" for name in (
        "activate", "get_variation", "decide", "decide_for_keys", "decide_all",
        "is_feature_enabled", "get_enabled_features", "get_feature_variable",
        "get_all_feature_variables", "track",
    )),
    "unknown experiment", "unknown flag", "unknown variable", "unknown event", "key of two calls",
    "variable of another type",
    "option DISABLE_DECISION_EVENT", "option ENABLED_FLAGS_ONLY",
    "option IGNORE_USER_PROFILE_SERVICE", "option INCLUDE_REASONS", "option EXCLUDE_VARIABLES",
    "option unknown",
    "user empty id", "user not ASCII", "user bucketing id", "user bucketing id empty",
    "user bucketing id not text", "user segments", "user segments empty", "user no segments",
    "user forced decision for a flag", "user forced decision for a rule",
    "user forced variation", "user profile", "user profile empty", "user prediction",
    "user prediction failed", "user of no note",
    *(f"match {match} for a user's {kind}" for match in MATCHES for kind in KINDS
      if match != "qualified"),
})  # fmt: skip

IN_DECISIONS = frozenset({
    "source experiment", "source feature-test", "source rollout", "source holdout",
    "impression of a holdout before another", "impression with cmab_uuid",
    "impression with null variation", "impression of nothing", "profile saved",
    "profile kept", "answer enabled", "answer not enabled", "answer nothing",
    "the SDK raises where we answer", "flag decides nothing", "error decision",
    "reason not running", "reason forced variation", "reason whitelisted", "reason stored",
    "reason forced decision for a flag", "reason forced decision for a rule",
    "reason forced decision invalid", "reason audience failed", "reason empty range",
    "reason no experiment of the group", "reason other experiment of the group",
    "reason in the group", "reason bucketed", "reason holdout", "reason holdout missed",
    "reason holdout audience failed", "reason holdout lets td through",
    "reason local holdout of an experiment", "reason local holdout of a delivery rule",
    "reason delivery rule", "reason everyone else next", "reason everyone else",
    "reason rollout empty", "reason bucketing id not text", "reason no cmab traffic",
    "reason cmab failed",
})  # fmt: skip

CONSTRUCTS = IN_DATAFILES | IN_CALLS | IN_DECISIONS
