"""The same flags for all three: as Optimizely's datafile, flagd's file and GO Feature Flag's file.

A quarter each: on for everybody; a text by one attribute; a number by a list of countries; an object for
one half of the users or the other, which each server draws by a hash of its own.
"""

from __future__ import annotations

import json
from typing import Any

COUNTRIES = ("DE", "FR", "GB")
#: What user *number* is asked about with; `|` is the number.
CONTEXT = {
    "targetingKey": "user|",
    "tier": "gold",
    "country": "DE",
    "plan": "pro plus",
    "app_version": "3.1.4",
    "member_since_days": 42,
}
_ON, _TEXT, _NUMBER, _SPLIT = range(4)
_SIDES = {"a": {"colour": "blue", "columns": 3}, "b": {"colour": "green", "columns": 4}}
_ATTRIBUTES = ("tier", "country", "plan", "app_version", "member_since_days")
_TIER_AUDIENCE, _COUNTRY_AUDIENCE = "30001", "30002"


def key_of(index: int) -> str:
    """The key of a flag."""
    return f"flag_{index}"


def allowed(index: int) -> list[Any]:
    """The values that the user of `CONTEXT` may have of a flag: one, or two of which a hash decides."""
    kind = index % 4
    if kind == _SPLIT:
        return list(_SIDES.values())
    return [{_ON: True, _TEXT: "for gold", _NUMBER: 2.5}[kind]]


# -- Optimizely ---------------------------------------------------------------------------


def datafile(count: int) -> bytes:
    """As the CDN serves it."""
    made = [_flag(index) for index in range(count)]
    return json.dumps(
        {
            "version": "4",
            "revision": "1",
            "accountId": "1",
            "projectId": "2",
            "environmentKey": "bench",
            "anonymizeIP": True,
            "sendFlagDecisions": True,
            "attributes": [{"id": str(i), "key": key} for i, key in enumerate(_ATTRIBUTES, 1)],
            "audiences": [],
            "typedAudiences": [
                _audience(_TIER_AUDIENCE, "tier", "gold"),
                _audience(_COUNTRY_AUDIENCE, "country", *COUNTRIES),
            ],
            "events": [],
            "groups": [],
            "experiments": [each for _, rules, _ in made for each in rules],
            "featureFlags": [flag for flag, _, _ in made],
            "rollouts": [rollout for _, _, rollout in made],
        }
    ).encode()


def _audience(audience_id: str, name: str, *values: str) -> dict[str, Any]:
    leaves = [
        {"match": "exact", "name": name, "type": "custom_attribute", "value": value}
        for value in values
    ]
    return {"id": audience_id, "name": name, "conditions": ["and", ["or", ["or", *leaves]]]}


def _flag(index: int) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """A flag, its experiments, and its rollout."""
    kind, base = index % 4, 1_000_000 + index * 100
    variables: list[dict[str, str]] = []
    deliveries = [_rule(base + 10, [], [("on", [])])]
    experiments: list[dict[str, Any]] = []
    if kind == _SPLIT:
        variables = [_variable(base, "json", "{}")]
        sides = [(key, [_override(base, json.dumps(value))]) for key, value in _SIDES.items()]
        experiments = [_rule(base + 20, [], sides)]
    elif kind != _ON:
        type_, default, own, audience = {
            _TEXT: ("string", "plain", "for gold", _TIER_AUDIENCE),
            _NUMBER: ("double", "1.5", "2.5", _COUNTRY_AUDIENCE),
        }[kind]
        variables = [_variable(base, type_, default)]
        deliveries.insert(0, _rule(base + 30, [audience], [("own", [_override(base, own)])]))
    flag = {
        "id": str(base),
        "key": key_of(index),
        "experimentIds": [rule["id"] for rule in experiments],
        "rolloutId": str(base + 5),
        "variables": variables,
    }
    return flag, experiments, {"id": str(base + 5), "experiments": deliveries}


def _variable(base: int, kind: str, default: str) -> dict[str, str]:
    made = {"id": str(base + 1), "key": "value", "type": kind, "defaultValue": default}
    return made | ({"type": "string", "subType": "json"} if kind == "json" else {})


def _override(base: int, value: str) -> dict[str, str]:
    return {"id": str(base + 1), "value": value}


def _rule(
    rule_id: int, audiences: list[str], variations: list[tuple[str, list[dict[str, str]]]]
) -> dict[str, Any]:
    count = len(variations)
    return {
        "id": str(rule_id),
        "key": f"rule_{rule_id}",
        "layerId": str(rule_id + 1),
        "status": "Running",
        "audienceIds": audiences,
        "audienceConditions": ["or", *audiences] if audiences else [],
        "forcedVariations": {},
        "variations": [
            {"id": str(rule_id + 2 + i), "key": key, "featureEnabled": True, "variables": values}
            for i, (key, values) in enumerate(variations)
        ],
        "trafficAllocation": [
            {"entityId": str(rule_id + 2 + i), "endOfRange": 10_000 * (i + 1) // count}
            for i in range(count)
        ],
    }


# -- flagd --------------------------------------------------------------------------------


def for_flagd(count: int) -> bytes:
    """As its file has them."""
    gold = {"if": [{"==": [{"var": "tier"}, "gold"]}, "own", "default"]}
    countries = {"if": [{"in": [{"var": "country"}, list(COUNTRIES)]}, "own", "default"]}
    kinds: dict[int, dict[str, Any]] = {
        _ON: {"variants": {"on": True, "off": False}, "defaultVariant": "on"},
        _TEXT: {
            "variants": {"own": "for gold", "default": "plain"},
            "defaultVariant": "default",
            "targeting": gold,
        },
        _NUMBER: {
            "variants": {"own": 2.5, "default": 1.5},
            "defaultVariant": "default",
            "targeting": countries,
        },
        _SPLIT: {
            "variants": _SIDES,
            "defaultVariant": "a",
            "targeting": {"fractional": [["a", 50], ["b", 50]]},
        },
    }
    flags = {key_of(index): {"state": "ENABLED", **kinds[index % 4]} for index in range(count)}
    return json.dumps({"flags": flags}).encode()


# -- GO Feature Flag ----------------------------------------------------------------------


def for_goff(count: int) -> bytes:
    """As its file has them (JSON is YAML)."""
    countries = ", ".join(f'"{each}"' for each in COUNTRIES)
    kinds: dict[int, dict[str, Any]] = {
        _ON: {"variations": {"on": True, "off": False}, "defaultRule": {"variation": "on"}},
        _TEXT: {
            "variations": {"own": "for gold", "default": "plain"},
            "targeting": [{"name": "own", "query": 'tier eq "gold"', "variation": "own"}],
            "defaultRule": {"variation": "default"},
        },
        _NUMBER: {
            "variations": {"own": 2.5, "default": 1.5},
            "targeting": [
                {"name": "own", "query": f"country in [{countries}]", "variation": "own"}
            ],
            "defaultRule": {"variation": "default"},
        },
        _SPLIT: {
            "variations": _SIDES,
            "defaultRule": {"percentage": {"a": 50, "b": 50}},
        },
    }
    return json.dumps({key_of(index): kinds[index % 4] for index in range(count)}).encode()
