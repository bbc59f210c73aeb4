"""What the official SDK was recorded to answer, asked of the core through its front door."""

import json
from itertools import groupby
from pathlib import Path

import pytest

from bucketer.core.bucketing import bucket_value
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import get_variation
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User

VECTORS = Path(__file__).parents[1] / "vectors"


def cases(name):
    found = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["cases"]
    assert found, f"no vectors in {name}.json"
    return found


BUCKETING, CONDITIONS, SEMVER = cases("bucketing"), cases("conditions"), cases("semver")
NOBODY = object()
#: What each comparison of the vectors is called as a match.
SEMVER_MATCHES = ("eq", "gt", "ge", "lt", "le")


def judge(conditions, attributes):
    """What one audience says of a user: True, False, or None for UNKNOWN.

    Asked as anybody would: one experiment wants the audience, another wants its opposite; the user
    is in neither when it is UNKNOWN.
    """
    datafile = {
        "version": "4", "revision": "1", "accountId": "1", "projectId": "1",
        "groups": [], "events": [], "attributes": [], "audiences": [],
        "typedAudiences": [{"id": "a", "name": "a", "conditions": conditions}],
        "experiments": [experiment("wants", ["or", "a"]), experiment("spurns", ["not", "a"])],
    }  # fmt: skip
    ruleset = compile_datafile(parse_datafile(json.dumps(datafile)))
    user = User("somebody", attributes)
    wants, spurns = (
        get_variation(ruleset, key, user).variation_key is not None for key in ("wants", "spurns")
    )
    return None if wants is spurns else wants


def experiment(key, audience_conditions):
    return {
        "id": key, "key": key, "status": "Running", "layerId": "1", "audienceIds": [],
        "audienceConditions": audience_conditions, "forcedVariations": {},
        "variations": [{"id": "1", "key": "in"}],
        "trafficAllocation": [{"entityId": "1", "endOfRange": 10_000}],
    }  # fmt: skip


def plain(value):
    """The value a vector stands for: numbers that JSON lacks are written {"float": "inf"}."""
    return float(value["float"]) if isinstance(value, dict) and "float" in value else value


def test_every_recorded_user_lands_in_the_bucket_that_the_sdk_gives_them():
    differing = [
        case
        for case in BUCKETING
        if bucket_value(case["bucketingId"], case["parentId"]) != case["bucket"]
    ]

    assert [] == differing


@pytest.mark.parametrize(
    "group",
    [list(group) for _, group in groupby(CONDITIONS, key=lambda case: case["match"])],
    ids=lambda group: group[0]["match"],
)
def test_every_recorded_condition_answers_as_the_sdk_does(group):
    differing = []
    for case in group:
        leaf = {
            "type": "custom_attribute", "name": "x", "match": case["match"],
            "value": plain(case["condition"]),
        }  # fmt: skip
        attributes = {} if case.get("absent") else {"x": plain(case["user"])}
        if judge(leaf, attributes) is not case["expect"]:
            differing.append(case)

    assert [] == differing


@pytest.mark.parametrize("comparison", SEMVER_MATCHES)
def test_every_recorded_version_compares_as_in_the_sdk(comparison):
    differing = []
    for case in SEMVER:
        expected = case["expect"][comparison]
        leaf = {
            "type": "custom_attribute", "name": "x", "match": f"semver_{comparison}",
            "value": case["target"],
        }  # fmt: skip
        wanted = None if isinstance(expected, dict) else expected  # it raises there: UNKNOWN here
        if judge(leaf, {"x": case["user"]}) is not wanted:
            differing.append(case)

    assert [] == differing
