"""A broken part costs that part: what is set aside, what is said of it, and what still decides."""

import copy
import json

import pytest

from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User


def variation(number, *, on=True, **more):
    return {"id": str(number), "key": f"v{number}", "featureEnabled": on, "variables": [], **more}


def rule(number, **more):
    whole = {
        "id": str(number),
        "key": f"rule_{number}",
        "status": "Running",
        "layerId": f"9{number}",
        "audienceIds": [],
        "variations": [variation(number * 10)],
        "trafficAllocation": [{"entityId": str(number * 10), "endOfRange": 10_000}],
        "forcedVariations": {},
    }
    return {**whole, **more}


def flag(number, **more):
    whole = {
        "id": f"8{number}",
        "key": f"flag_{number}",
        "experimentIds": [str(number)],
        "rolloutId": "",
        "variables": [],
    }
    return {**whole, **more}


def two_flags(**more):
    """Flags 1 and 2, each with one experiment that everybody is in."""
    return {
        "version": "4",
        "revision": "1",
        "projectId": "11",
        "accountId": "12",
        "experiments": [rule(1), rule(2)],
        "groups": [],
        "events": [],
        "audiences": [],
        "attributes": [],
        "featureFlags": [flag(1), flag(2)],
        "rollouts": [],
        **more,
    }


def compiled(datafile):
    return compile_datafile(parse_datafile(json.dumps(datafile)))


def only_diagnostic(ruleset):
    errors = [each for each in ruleset.diagnostics if each.severity == "error"]
    assert errors, "nothing was said"
    return errors[0]


def answers(ruleset, user_id="u"):
    return [decide(ruleset, f"flag_{number}", User(user_id)).variation_key for number in (1, 2)]


def test_a_whole_datafile_says_nothing():
    ruleset = compiled(two_flags())

    assert ruleset.diagnostics == ()
    assert answers(ruleset) == ["v10", "v20"]


RULE_BREAKAGES = [
    ("id", None, "/experiments/0/id", "null"),
    ("key", 5, "/experiments/0/key", "a number"),
    ("status", ..., "/experiments/0/status", "nothing"),
    ("layerId", ..., "/experiments/0/layerId", "nothing"),
    ("audienceIds", "1", "/experiments/0/audienceIds", "a string"),
    ("variations", None, "/experiments/0/variations", "null"),
    ("variations", [{"id": "1"}], "/experiments/0/variations/0/key", "nothing"),
    ("variations", ["1"], "/experiments/0/variations/0", "a string"),
    (
        "variations",
        [variation(10, variables=[{"id": "1"}])],
        "/experiments/0/variations/0/variables/0/value",
        "nothing",
    ),
    ("forcedVariations", [], "/experiments/0/forcedVariations", "an array"),
    ("trafficAllocation", {}, "/experiments/0/trafficAllocation", "an object"),
    ("trafficAllocation", [5], "/experiments/0/trafficAllocation/0", "a number"),
    (
        "trafficAllocation",
        [{"entityId": "10", "endOfRange": "5000"}],
        "/experiments/0/trafficAllocation/0/endOfRange",
        "a string",
    ),
    (
        "trafficAllocation",
        [{"entityId": 10, "endOfRange": 5000}],
        "/experiments/0/trafficAllocation/0/entityId",
        "a number",
    ),
    ("cmab", {"attributeIds": []}, "/experiments/0/cmab/trafficAllocation", "null"),
    (
        "cmab",
        {"attributeIds": 5, "trafficAllocation": 1},
        "/experiments/0/cmab/attributeIds",
        "a number",
    ),
]


@pytest.mark.parametrize(("name", "value", "pointer", "found"), RULE_BREAKAGES)
def test_a_broken_rule_costs_its_flag_and_no_other(name, value, pointer, found):
    datafile = two_flags()
    if value is ...:
        del datafile["experiments"][0][name]
    else:
        datafile["experiments"][0][name] = value

    ruleset = compiled(datafile)

    assert only_diagnostic(ruleset).pointer == pointer
    assert only_diagnostic(ruleset).found == found
    assert answers(ruleset) == [None, "v20"]
    assert decide(ruleset, "flag_1", User("u")).impressions == ()


FLAG_BREAKAGES = [
    ({"experimentIds": ["404"]}, "/featureFlags/0/experimentIds/0"),
    ({"experimentIds": [5]}, "/featureFlags/0/experimentIds/0"),
    ({"experimentIds": None}, "/featureFlags/0/experimentIds"),
    ({"rolloutId": "404"}, "/featureFlags/0/rolloutId"),
    ({"rolloutId": None}, "/featureFlags/0/rolloutId"),
    ({"variables": None}, "/featureFlags/0/variables"),
    (
        {"variables": [{"id": "1", "key": "k", "defaultValue": "d"}]},
        "/featureFlags/0/variables/0/type",
    ),
]


@pytest.mark.parametrize(("change", "pointer"), FLAG_BREAKAGES)
def test_a_broken_flag_decides_nothing_and_the_other_goes_on(change, pointer):
    datafile = two_flags(featureFlags=[flag(1, **change), flag(2)])

    ruleset = compiled(datafile)

    assert only_diagnostic(ruleset).pointer == pointer
    assert "'flag_1' decides nothing" in only_diagnostic(ruleset).consequence
    assert answers(ruleset) == [None, "v20"]


def test_a_broken_audience_is_unknown_to_its_rule():
    broken = {"id": "5", "name": "a", "conditions": "not json"}
    datafile = two_flags(audiences=[broken])
    datafile["experiments"][0]["audienceIds"] = ["5"]

    ruleset = compiled(datafile)

    assert only_diagnostic(ruleset).pointer == "/audiences/0/conditions"
    assert answers(ruleset) == [None, "v20"]


def test_an_unknown_audience_id_is_a_warning_and_nobody_is_in_it():
    datafile = two_flags()
    datafile["experiments"][0]["audienceIds"] = ["404"]

    ruleset = compiled(datafile)

    [said] = ruleset.diagnostics
    assert (said.severity, said.pointer) == ("warning", "/experiments/0/audienceIds/0")
    assert answers(ruleset) == [None, "v20"]


@pytest.mark.parametrize(
    "section", ["typedAudiences", "featureFlags", "rollouts", "holdouts", "localHoldouts"]
)
def test_an_optional_section_that_is_no_array_is_taken_as_empty(section):
    datafile = two_flags()
    datafile[section] = "odd"

    ruleset = compiled(datafile)

    assert only_diagnostic(ruleset).pointer == f"/{section}"
    assert activate(ruleset, "rule_1", User("u")).variation_key == "v10"


def test_a_broken_holdout_keeps_nobody_out():
    ruleset = compiled(two_flags(holdouts=[{"id": "1", "key": "h"}]))

    assert "keeps nobody out" in only_diagnostic(ruleset).consequence
    assert answers(ruleset) == ["v10", "v20"]


def test_a_broken_group_costs_its_members_flags():
    members = [rule(1)]
    datafile = two_flags(
        experiments=[rule(2)],
        groups=[{"id": "7", "experiments": members, "trafficAllocation": []}],
    )

    ruleset = compiled(datafile)

    assert only_diagnostic(ruleset).pointer == "/groups/0/policy"
    assert answers(ruleset) == [None, "v20"]


def test_a_broken_experiment_still_answers_to_its_key():
    datafile = two_flags()
    del datafile["experiments"][0]["status"]

    ruleset = compiled(datafile)

    assert activate(ruleset, "rule_1", User("u")).variation_key is None


def test_the_datafile_itself_is_only_read():
    datafile = two_flags(
        experiments=[rule(1, type="fr"), rule(2)],
        featureFlags=[flag(1, rolloutId="r"), flag(2)],
        rollouts=[{"id": "r", "experiments": [rule(3)]}],
    )
    before = copy.deepcopy(datafile)

    compile_datafile(datafile)

    assert datafile == before


def test_a_diagnostic_is_one_line_for_people_and_an_object_for_programs():
    ruleset = compiled(two_flags(featureFlags=[flag(1, rolloutId="404"), flag(2)]))

    said = only_diagnostic(ruleset)

    assert str(said) == (
        "error: /featureFlags/0/rolloutId: expected the id of a usable rollout, "
        "found another id; flag 'flag_1' decides nothing"
    )
    assert said.to_json()["pointer"] == "/featureFlags/0/rolloutId"


@pytest.mark.parametrize("depth", [50, 150, 900])
def test_deep_audience_trees_neither_crash_nor_let_anybody_in_by_mistake(depth):
    tree = {"type": "custom_attribute", "match": "exact", "name": "a", "value": "x"}
    for _ in range(depth):
        tree = ["or", tree]
    datafile = two_flags(typedAudiences=[{"id": "5", "name": "deep", "conditions": tree}])
    datafile["experiments"][0]["audienceIds"] = ["5"]

    ruleset = compiled(datafile)

    allowed = depth <= 100
    answer = decide(ruleset, "flag_1", User("u", {"a": "x"})).variation_key
    assert answer == ("v10" if allowed else None)
    assert bool(ruleset.diagnostics) is not allowed
