"""The datafiles that hostile inputs are tried on, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.engine.projects import project

_DEMO = Path(__file__).parents[2] / "src/bucketer/demo/datafile.json"

#: The conditions that name one attribute, in the experiment `crowded`.
NAMED = 28
#: How many archived revisions there are, and how many flags each of them has.
REVISIONS, FLAGS_OF_REVISION = 12, 100


def usual(named: int = NAMED) -> dict[str, Any]:
    """The demonstration as if it were somebody's, with an experiment of *named* conditions."""
    conditions = [_condition("note", f"value {number}", "substring") for number in range(named)]
    return _with_experiment(["or", *conditions])


def listed_often() -> dict[str, Any]:
    """An audience of 300 conditions, which one rule lists 300 times: 40 KB."""
    conditions = [
        _condition(f"attribute {number}", f"value {number}", "substring") for number in range(300)
    ]
    return _with_experiment(["or", *conditions], times=300)


def ids(count: int) -> dict[str, Any]:
    """An audience of so many user ids, each in an OR of its own, as the application nests them."""
    conditions = [
        ["or", _condition("member", f"user-{number:08d}", "exact")] for number in range(count)
    ]
    return _with_experiment(["or", *conditions])


def numbers(count: int) -> dict[str, Any]:
    """An audience of so many numbers."""
    conditions = [_condition("member", number, "exact") for number in range(count)]
    return _with_experiment(["or", *conditions])


def distinct(count: int) -> dict[str, Any]:
    """An audience of so many conditions, each of a kind and attribute that can't be put together."""
    kinds = ("substring", "exact", "semver_ge", "exists")
    conditions = [
        _condition(f"attribute {number}", f"1.{number}", kinds[number % len(kinds)])
        for number in range(count)
    ]
    return _with_experiment(["or", *conditions])


def versions(count: int) -> dict[str, Any]:
    """An audience of so many versions that one attribute is compared with."""
    conditions = [_condition("note", f"0.{number}.0", "semver_lt") for number in range(count)]
    return _with_experiment(["or", *conditions])


def revision(number: int) -> dict[str, Any]:
    """An older revision, for the archive."""
    return project(FLAGS_OF_REVISION) | {"revision": str(number)}


def _condition(name: str, value: str | int, match: str) -> dict[str, str | int]:
    return {"match": match, "name": name, "type": "custom_attribute", "value": value}


def _with_experiment(conditions: list[Any], times: int = 1) -> dict[str, Any]:
    datafile: dict[str, Any] = json.loads(_DEMO.read_text(encoding="utf-8"))
    datafile |= {"accountId": "81234567890", "projectId": "11234567890"}
    audience = {"id": "20000000001", "name": "crowd", "conditions": conditions}
    experiment = {
        "id": "20000000002",
        "key": "crowded",
        "layerId": "20000000003",
        "status": "Running",
        "audienceIds": [audience["id"]],
        "audienceConditions": ["or", *[audience["id"]] * times],
        "forcedVariations": {},
        "trafficAllocation": [{"endOfRange": 10_000, "entityId": "20000000004"}],
        "variations": [{"id": "20000000004", "key": "on", "variables": []}],
    }
    datafile["typedAudiences"] = [*datafile["typedAudiences"], audience]
    datafile["experiments"] = [*datafile["experiments"], experiment]
    return datafile


DATAFILES = {
    "usual": usual,
    "300 named": lambda: usual(300),
    "listed often": listed_often,
    "20,000 ids": lambda: ids(20_000),
    "60,000 numbers": lambda: numbers(60_000),
    "3,000 distinct": lambda: distinct(3_000),
    "300 versions": lambda: versions(300),
}
