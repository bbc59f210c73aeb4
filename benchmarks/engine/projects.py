"""Synthetic projects for the benchmarks: shaped like real exports, the same for every engine.

A project of 200 flags is about 700 KB: 296 experiments (20 exclusion groups), 600 delivery rules,
31 audiences, 5 variables a flag. Everything is drawn from a seed.
"""

from __future__ import annotations

import json
import random
from typing import Any

AUDIENCES = 30
#: `(operator, count)` of the audiences of flag 0, 1, 2 and 3, of flag 4, 5, ...
AUDIENCES_OF_FLAG = (("or", 0), ("or", 1), ("and", 2), ("or", 2))
_NOBODY_LEFT_OUT = ("or", 0)
_DELIVERIES = 3
_ATTRIBUTES = ("tier", "member_since_days", "app_version", "country", "plan")
#: What stands in `audiences` for each typed audience, for SDKs that know no types.
_DUMMY = (
    '["or", {"match": "exact", "name": "$opt_dummy_attribute", '
    '"type": "custom_attribute", "value": "$opt_dummy_value"}]'
)
_TIERS = ("platinum", "gold", "silver", "basic")
_COUNTRIES = ("DE", "FR", "US", "GB", "JP", "BR")
_KINDS = (
    ("boolean", "true"),
    ("integer", "42"),
    ("double", "3.25"),
    ("string", "a title for the page"),
    ("json", '{"colour": "blue", "sizes": [1, 2, 3]}'),
)


def _audience(index: int, draw: random.Random) -> dict[str, Any]:
    """An audience as the application exports it: an AND of ORs of ORs; most visitors qualify."""
    kinds: list[list[dict[str, Any]]] = [
        [{"match": "exact", "name": "tier", "value": each} for each in draw.sample(_TIERS, 3)],
        [{"match": "ge", "name": "member_since_days", "value": draw.randrange(5, 20)}],
        [{"match": "semver_ge", "name": "app_version", "value": f"{draw.randrange(1, 3)}.2"}],
        [{"match": "exists", "name": "country", "value": None}],
        [{"match": "substring", "name": "plan", "value": "pro"}],
        [
            {"match": "exact", "name": "country", "value": each}
            for each in draw.sample(_COUNTRIES, 5)
        ],
    ]
    conditions = [
        ["or", ["or", *({**each, "type": "custom_attribute"} for each in alternatives)]]
        for alternatives in draw.sample(kinds, 2)
    ]
    return {
        "id": str(30_000 + index),
        "name": f"audience {index}",
        "conditions": ["and", *conditions],
    }


def _variations(base: int, overrides: list[dict[str, str]], count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": str(base + index),
            "key": f"variation_{index}",
            "featureEnabled": index > 0,
            "variables": overrides if index else [],
        }
        for index in range(count)
    ]


def _allocation(base: int, count: int, reach: int = 10_000) -> list[dict[str, Any]]:
    return [
        {"entityId": str(base + index), "endOfRange": reach * (index + 1) // count}
        for index in range(count)
    ]


def _rule(
    number: int,
    key: str,
    draw: random.Random,
    overrides: list[dict[str, str]],
    audiences: tuple[str, int],
) -> dict[str, Any]:
    """A running rule: two variations, 90 % of the traffic, `(operator, count)` of audiences."""
    base = 1_000_000 + number * 10
    operator, count = audiences
    ids = [str(30_000 + each) for each in draw.sample(range(AUDIENCES), count)]
    return {
        "id": str(500_000 + number),
        "key": key,
        "status": "Running",
        "layerId": str(700_000 + number),
        "audienceIds": ids,
        "audienceConditions": [operator, *ids] if ids else [],
        "variations": _variations(base, overrides, 2),
        "trafficAllocation": _allocation(base, 2, 9_000),
        "forcedVariations": {},
        "type": "ab",
    }


def _flag(
    index: int, rules: int, draw: random.Random, first_rule: int
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """One flag with its experiments and its delivery rules."""
    variables = [
        {
            "id": str(200_000 + index * 5 + place),
            "key": f"{kind}_variable",
            "type": kind,
            "defaultValue": value,
        }
        for place, (kind, value) in enumerate(_KINDS)
    ]
    overrides = [{"id": each["id"], "value": each["defaultValue"]} for each in variables]
    experiments = [
        _rule(
            first_rule + place,
            f"flag_{index}_experiment_{place}",
            draw,
            overrides,
            AUDIENCES_OF_FLAG[index % len(AUDIENCES_OF_FLAG)],
        )
        for place in range(rules)
    ]
    deliveries = [
        _rule(
            first_rule + rules + place,
            f"flag_{index}_delivery_{place}",
            draw,
            overrides,
            _NOBODY_LEFT_OUT if place == _DELIVERIES - 1 else ("or", 1),
        )
        for place in range(_DELIVERIES)
    ]
    flag = {
        "id": str(100_000 + index),
        "key": f"flag_{index}",
        "experimentIds": [rule["id"] for rule in experiments],
        "rolloutId": str(400_000 + index),
        "variables": variables,
    }
    return flag, experiments, deliveries


def _group(number: int, pair: list[dict[str, Any]]) -> dict[str, Any]:
    """Two experiments that exclude one another, half of the traffic each."""
    return {
        "id": str(600_000 + number),
        "policy": "random",
        "experiments": pair,
        "trafficAllocation": [
            {"entityId": rule["id"], "endOfRange": 5_000 * (place + 1)}
            for place, rule in enumerate(pair)
        ],
    }


def project(flags: int = 200, seed: int = 1) -> dict[str, Any]:
    """A version 4 datafile of *flags* flags. A larger one begins with the flags of a smaller."""
    draw = random.Random(seed)
    datafile = _without_flags([_audience(index, draw) for index in range(AUDIENCES)])
    number = pairs = 0
    for index in range(flags):
        rules = 2 if index * 12 % 25 < 12 else 1  # 48 % of the flags have two
        flag, experiments, deliveries = _flag(index, rules, draw, number)
        number += rules + _DELIVERIES
        pairs += rules == 2
        if rules == 2 and pairs % 5 == 1:  # every fifth pair shares a group
            datafile["groups"].append(_group(len(datafile["groups"]), experiments))
        else:
            datafile["experiments"].extend(experiments)
        datafile["rollouts"].append({"id": flag["rolloutId"], "experiments": deliveries})
        datafile["featureFlags"].append(flag)
    return datafile


def failing(rules: int) -> dict[str, Any]:
    """A datafile with one flag whose *rules* experiments all fail for every visitor."""
    draw = random.Random(3)
    nobody = {"match": "exact", "name": "tier", "value": "none", "type": "custom_attribute"}
    datafile = _without_flags(
        [
            {"id": str(30_000 + index), "name": "nobody", "conditions": ["or", ["or", nobody]]}
            for index in range(AUDIENCES)
        ]
    )
    flag, experiments, _ = _flag(1, rules, draw, 0)
    datafile["experiments"] = experiments
    datafile["featureFlags"] = [{**flag, "key": "flag", "rolloutId": ""}]
    return datafile


def _without_flags(audiences: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "version": "4",
        "revision": "42",
        "accountId": "12001",
        "projectId": "11001",
        "anonymizeIP": True,
        "botFiltering": False,
        "sendFlagDecisions": True,
        "region": "US",
        "experiments": [],
        "groups": [],
        "events": [{"id": "9001", "key": "purchase", "experimentIds": []}],
        "attributes": [{"id": str(8_000 + n), "key": key} for n, key in enumerate(_ATTRIBUTES)],
        "audiences": [
            *({"id": e["id"], "name": e["name"], "conditions": _DUMMY} for e in audiences),
            {"id": "$opt_dummy_audience", "name": "dummy", "conditions": _DUMMY},
        ],
        "typedAudiences": audiences,
        "featureFlags": [],
        "rollouts": [],
        "integrations": [],
        "variables": [],
    }


def visitors(count: int, seed: int = 2) -> list[tuple[str, dict[str, Any]]]:
    """Visitors with five attributes each."""
    draw = random.Random(seed)
    return [
        (
            f"user{draw.randrange(10**9)}",
            {
                "tier": draw.choice(_TIERS),
                "member_since_days": draw.randrange(90),
                "app_version": f"{draw.randrange(1, 6)}.{draw.randrange(5)}.{draw.randrange(9)}",
                "country": draw.choice(_COUNTRIES),
                "plan": draw.choice(("pro", "pro plus", "pro plus", "free")),
            },
        )
        for _ in range(count)
    ]


def as_bytes(datafile: dict[str, Any]) -> bytes:
    """The document as Optimizely's CDN would serve it."""
    return json.dumps(datafile, separators=(",", ":")).encode()
