"""A broken part costs that part: what is set aside, what is said of it, and what still decides."""

import copy
import gc
import json

import pytest
from tests.fakes.datafiles import a_datafile

from bucketer.core.compile import compile_datafile
from bucketer.core.compile.draft import Draft
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
    ("cmab", {"attributeIds": []}, "/experiments/0/cmab/trafficAllocation", "nothing"),
    (
        "cmab",
        {"attributeIds": [], "trafficAllocation": "5000"},
        "/experiments/0/cmab/trafficAllocation",
        "a string",
    ),
    ("cmab", [1], "/experiments/0/cmab", "an array"),
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


# --- what is odd and read all the same ------------------------------------------------------------


def at(datafile, pointer):
    """The container and the last step of *pointer*."""
    *steps, last = pointer.strip("/").split("/")
    for step in steps:
        datafile = datafile[int(step) if isinstance(datafile, list) else step]
    return datafile, int(last) if isinstance(datafile, list) else last


def changed(pointer, value):
    """The two flags with a group, an event and a section of integrations, changed in one place."""
    datafile = two_flags(
        groups=[{"id": "7", "policy": "random", "experiments": [], "trafficAllocation": []}],
        events=[{"id": "6", "key": "buy", "experimentIds": []}],
        integrations=[{"key": "odp"}],
    )
    container, step = at(datafile, pointer)
    if value is ...:
        del container[step]
    else:
        container[step] = value
    return compiled(datafile)


LINE = "/experiments/0/trafficAllocation/0"
ODDITIES = [
    (f"{LINE}/endOfRange", ..., "error", "nothing"),
    (f"{LINE}/endOfRange", None, "error", "null"),
    (f"{LINE}/endOfRange", True, "warning", "a boolean"),
    (f"{LINE}/endOfRange", 10_000.0, "warning", "a number"),
    (f"{LINE}/entityId", ..., "error", "nothing"),
    (f"{LINE}/entityId", None, "error", "null"),
    ("/experiments/0/layerId", None, "warning", "null"),
    ("/experiments/0/layerId", 5, "warning", "a number"),
    ("/groups/0/policy", None, "error", "null"),
    ("/groups/0/policy", 5, "error", "a number"),
    ("/groups/0/policy", [], "error", "an array"),
    ("/featureFlags/0/id", ..., "warning", "nothing"),
    ("/featureFlags/0/id", {}, "warning", "an object"),
    ("/integrations", None, "warning", "null"),
    ("/integrations", 5, "warning", "a number"),
    ("/events/0/experimentIds", None, "warning", "null"),
    ("/events/0/experimentIds", ..., "warning", "nothing"),
    ("/events/0/experimentIds", [5], "warning", "an array"),
]


@pytest.mark.parametrize(("pointer", "value", "severity", "found"), ODDITIES)
def test_what_the_sdk_refuses_whole_is_told_where_it_still_decides(pointer, value, severity, found):
    ruleset = changed(pointer, value)

    [said] = ruleset.diagnostics
    assert (pointer, severity, found) == (said.pointer, said.severity, said.found)
    assert said.consequence.endswith("; the official SDK refuses the whole datafile")
    assert "v20" == answers(ruleset)[1]


@pytest.mark.parametrize("rest", [{"key": 5}, {"host": "h"}, {"key": "odp", "host": None}, 5])
def test_an_integration_of_another_shape_is_told(rest):
    [said] = changed("/integrations/0", rest).diagnostics

    assert ("/integrations", "warning") == (said.pointer, said.severity)


@pytest.mark.parametrize("integration", [{"key": "odp", "host": "h", "publicKey": "k", "x": 5}])
def test_a_whole_integration_is_not(integration):
    assert () == changed("/integrations/0", integration).diagnostics


def test_audience_ids_that_nobody_reads_are_told_where_the_schema_looks():
    datafile = two_flags()
    datafile["experiments"][0].update(audienceIds=["1", 5], audienceConditions=[])

    [said] = compiled(datafile).diagnostics

    assert ("/experiments/0/audienceIds/1", "warning") == (said.pointer, said.severity)


ODD_IN_DELIVERY = [
    ({"trafficAllocation": [{"entityId": "30"}]}, "/trafficAllocation/0/endOfRange"),
    ({"trafficAllocation": [{"endOfRange": 1}]}, "/trafficAllocation/0/entityId"),
    ({"trafficAllocation": [{"entityId": "30", "endOfRange": True}]}, None),
    ({"variations": [variation(30, variables=[{"id": 5, "value": "x"}])]}, None),
    ({"variations": [variation(30, variables=None)]}, "/variations/0/variables"),
    ({"layerId": None}, "/layerId"),
]


@pytest.mark.parametrize(("change", "pointer"), ODD_IN_DELIVERY)
def test_the_same_in_a_delivery_rule_is_a_warning_without_a_word_of_the_sdk(change, pointer):
    datafile = two_flags(rollouts=[{"id": "r", "experiments": [rule(3, **change)]}])

    [said] = compiled(datafile).diagnostics

    assert "warning" == said.severity
    assert "SDK" not in said.consequence
    assert pointer is None or f"/rollouts/0/experiments/0{pointer}" == said.pointer


@pytest.mark.parametrize("end", [1, 5000.0, 5000.5])
def test_a_fraction_is_nothing_odd_in_a_delivery_rule(end):
    line = [{"entityId": "30", "endOfRange": end}]
    rollouts = [{"id": "r", "experiments": [rule(3, trafficAllocation=line)]}]

    assert () == compiled(two_flags(rollouts=rollouts)).diagnostics


def typed(conditions, **more):
    return [{"id": "5", "name": "a", "conditions": conditions, **more}]


def leaf(**more):
    return {"type": "custom_attribute", "match": "exact", "name": "a", "value": "x", **more}


NEVER_WORKS = [
    ({"typedAudiences": typed(leaf(name=None))}, "/typedAudiences/0/conditions"),
    ({"typedAudiences": typed(["or", leaf(name=5)])}, "/typedAudiences/0/conditions/1"),
    (
        {"experiments": [rule(1, forcedVariations={"a/b~": "404"}), rule(2)]},
        "/experiments/0/forcedVariations/a~1b~0",
    ),
    (
        {
            "experiments": [
                rule(1, trafficAllocation=[{"entityId": "404", "endOfRange": 5}]),
                rule(2),
            ]
        },
        "/experiments/0/trafficAllocation/0/entityId",
    ),
    (
        {
            "groups": [
                {
                    "id": "7",
                    "policy": "random",
                    "experiments": [],
                    "trafficAllocation": [{"entityId": "404", "endOfRange": 5}],
                }
            ]
        },
        "/groups/0/trafficAllocation/0/entityId",
    ),
    *(
        (
            {
                "featureFlags": [
                    flag(
                        1,
                        variables=[{"id": "1", "key": "v", "type": kind, "defaultValue": default}],
                    ),
                    flag(2),
                ]
            },
            "/featureFlags/0/variables/0/defaultValue",
        )
        for kind, default in (
            ("integer", "12.0"),
            ("double", ""),
            ("json", "{"),
            ("boolean", "True"),
            ("json", {}),
        )
    ),
]


@pytest.mark.parametrize(("change", "pointer"), NEVER_WORKS)
def test_a_part_that_can_never_work_is_a_warning(change, pointer):
    [said] = compiled(two_flags(**change)).diagnostics

    assert ("warning", pointer) == (said.severity, said.pointer)


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("integer", " 7 "),
        ("double", "nan"),
        ("json", " null "),
        ("json", "[]"),
        ("boolean", "false"),
        ("string", ""),
        (["x"], "x"),
        ("other", None),
    ],
)
def test_a_default_that_its_type_can_read_is_nothing_to_tell(kind, default):
    variables = [{"id": "1", "key": "v", "type": kind, "defaultValue": default}]

    assert () == compiled(two_flags(featureFlags=[flag(1, variables=variables)])).diagnostics


def test_an_empty_part_of_the_line_and_the_name_of_a_segment_condition_are_nothing_to_tell():
    held = leaf(match="qualified", type="third_party_dimension")
    del held["name"]
    nobody = [{"entityId": "", "endOfRange": 5}, {"entityId": "10", "endOfRange": 9}]
    datafile = two_flags(
        typedAudiences=typed(held), experiments=[rule(1, trafficAllocation=nobody), rule(2)]
    )

    assert () == compiled(datafile).diagnostics


@pytest.mark.parametrize("conditions", [{}, 0, False, 5, ["or", 5]])
def test_a_rule_whose_audience_is_no_id_lets_nobody_in_and_says_so(conditions):
    datafile = two_flags()
    datafile["experiments"][0]["audienceConditions"] = conditions

    ruleset = compiled(datafile)

    [said] = ruleset.diagnostics
    assert said.pointer.startswith("/experiments/0/audienceConditions")
    assert ("error", [None, "v20"]) == (said.severity, answers(ruleset))


@pytest.mark.parametrize("conditions", [None, []])
def test_no_conditions_are_nothing_to_tell(conditions):
    datafile = two_flags()
    datafile["experiments"][0]["audienceConditions"] = conditions

    assert () == compiled(datafile).diagnostics


# --- what a broken part must not touch ------------------------------------------------------------


def test_a_broken_typed_audience_is_not_judged_by_its_twin():
    datafile = two_flags(
        audiences=[{"id": "5", "name": "a", "conditions": json.dumps(leaf())}],
        typedAudiences=[{"id": "5", "conditions": leaf()}],
    )
    datafile["experiments"][0]["audienceIds"] = ["5"]

    ruleset = compiled(datafile)

    answer = decide(ruleset, "flag_1", User("u", {"a": "x"})).variation_key
    assert answer is None
    assert ["/typedAudiences/0/name", "/typedAudiences/0"] == [
        each.pointer for each in ruleset.diagnostics
    ]


def test_a_broken_flag_gives_no_feature_rollout_to_others():
    broken = rule(3)
    del broken["status"]
    shared = rule(1, type="fr", trafficAllocation=[])
    rollouts = [
        {"id": "r4", "experiments": [rule(4)]},
        {"id": "r5", "experiments": [rule(5)]},
    ]
    dead = flag(1, experimentIds=["1", "3"], rolloutId="r4")
    alive = flag(2, experimentIds=["1"], rolloutId="r5")
    datafile = two_flags(
        experiments=[shared, broken], rollouts=rollouts, featureFlags=[dead, alive]
    )

    assert [None, "v50"] == answers(compiled(datafile))


def test_a_broken_rule_leaves_a_shared_key_to_the_whole_one():
    broken = rule(3, key="rule_1")
    del broken["status"]
    datafile = two_flags(rollouts=[{"id": "r", "experiments": [broken]}])
    datafile["experiments"][0]["forcedVariations"] = {"white": "v10"}
    datafile["experiments"][0]["trafficAllocation"] = []

    assert "v10" == activate(compiled(datafile), "rule_1", User("white")).variation_key


def _without(name, whole):
    return {key: value for key, value in whole.items() if key != name}


GROUP = {"id": "7", "policy": "random", "experiments": [rule(3)], "trafficAllocation": []}


@pytest.mark.parametrize(
    "change",
    [
        {"experiments": [rule(1), rule(2), _without("id", rule(3))]},
        {"experiments": [rule(1), rule(2), _without("status", rule(3))]},
        {"groups": [_without("policy", GROUP)]},
        {"groups": [{**GROUP, "experiments": [rule(3), _without("id", rule(4)), 5]}]},
        {"groups": [{**_without("id", GROUP), "experiments": [_without("id", rule(3)), 5, {}]}]},
        {"rollouts": [{"experiments": [rule(3)]}]},
        {"rollouts": [{"id": "r", "experiments": [_without("layerId", rule(3)), 5]}]},
    ],
)
def test_the_key_of_a_broken_rule_is_known_and_answers_no_variation(change):
    trace = []

    decision = activate(compiled(two_flags(**change)), "rule_3", User("u"), trace)

    assert (None, ()) == (decision.variation_key, decision.impressions)
    assert ["experiment_broken"] == [each.code for each in trace]


def test_a_flag_with_a_member_of_a_broken_group_is_told_which_part_is_broken():
    datafile = two_flags(
        groups=[_without("policy", GROUP)], featureFlags=[flag(1, experimentIds=["3"]), flag(2)]
    )

    told = {each.pointer: each.consequence for each in compiled(datafile).diagnostics}

    assert "flag 'flag_1' decides nothing" == told["/groups/0"]


def test_a_holdout_with_a_broken_line_keeps_nobody_out_and_takes_no_key():
    holdout = _without("layerId", rule(1, key="rule_2"))
    holdout["trafficAllocation"] = [{"entityId": "10", "endOfRange": "5"}]

    ruleset = compiled(two_flags(holdouts=[holdout]))

    [said] = ruleset.diagnostics
    assert "the holdout keeps nobody out" == said.consequence
    assert ["v10", "v20"] == answers(ruleset)
    assert "v20" == activate(ruleset, "rule_2", User("u")).variation_key


# --- depth ------------------------------------------------------------------------------------


def nested(depth, innermost, operator="or"):
    for _ in range(depth):
        innermost = [operator, innermost, "404"]
    return innermost


@pytest.mark.parametrize("depth", [100, 101, 480, 900])
def test_a_deep_rule_tree_is_the_same_for_decision_and_explanation(depth):
    text = json.dumps(two_flags(typedAudiences=typed(leaf())))
    tree = '["or",' * depth + '"5"' + ', "404"]' * depth
    text = text.replace('"audienceIds": []', f'"audienceIds": [], "audienceConditions": {tree}', 1)
    ruleset = compile_datafile(parse_datafile(text))
    trace = []

    decision = decide(ruleset, "flag_1", User("u", {"a": "x"}), trace=trace)

    met = depth <= 100
    [about] = [each for each in trace if each.code.startswith("audience_")]
    assert ("v10" if met else None) == decision.variation_key
    assert ("audience_met" if met else "audience_missed") == about.code
    assert ("TRUE" if met else "UNKNOWN") == about.children[0].values["outcome"]
    assert len(json.dumps([each.to_json() for each in trace])) > depth
    deep = [each for each in ruleset.diagnostics if each.found == "a deeper tree"]
    assert ([] if met else ["error"]) == [each.severity for each in deep]


@pytest.mark.parametrize(("depth", "outcome"), [(100, "TRUE"), (101, "UNKNOWN"), (150, "UNKNOWN")])
def test_a_deep_audience_is_the_same_for_decision_and_explanation(depth, outcome):
    tree = leaf()
    for _ in range(depth):
        tree = ["or", tree]
    datafile = two_flags(typedAudiences=typed(tree))
    datafile["experiments"][0]["audienceIds"] = ["5"]
    trace = []

    decision = decide(compiled(datafile), "flag_1", User("u", {"a": "x"}), trace=trace)

    [about] = [each for each in trace if each.code.startswith("audience_")]
    [told] = about.children
    [innermost] = told.children
    assert ("v10" if outcome == "TRUE" else None) == decision.variation_key
    assert (outcome, outcome) == (told.values["outcome"], innermost.values["outcome"])


def test_trees_as_deep_as_allowed_within_one_another_are_explained():
    inner = nested(100, leaf(), "not")
    datafile = two_flags(typedAudiences=typed(inner))
    datafile["experiments"][0]["audienceConditions"] = nested(100, "5", "not")
    trace = []

    ruleset = compiled(datafile)
    decision = decide(ruleset, "flag_1", User("u", {"a": "x"}), trace=trace)

    assert "v10" == decision.variation_key
    assert len(json.dumps([each.to_json() for each in trace])) > 200


@pytest.mark.parametrize("value", ["[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900])
def test_a_deep_value_is_no_value_and_can_be_shown(value):
    conditions = json.dumps(leaf(value="@")).replace('"@"', value)
    text = json.dumps(two_flags(typedAudiences=typed("@"))).replace('"@"', conditions)
    text = text.replace('"audienceIds": []', '"audienceIds": ["5"]', 1)
    trace = []

    decision = decide(
        compile_datafile(parse_datafile(text)), "flag_1", User("u", {"a": "x"}), trace=trace
    )

    assert decision.variation_key is None
    assert "audience_missed" in json.dumps([each.to_json() for each in trace])


def test_an_object_for_an_audience_id_may_be_deep():
    text = json.dumps(two_flags())
    value = '["or", ' + '{"a":' * 900 + "1" + "}" * 900 + "]"
    text = text.replace('"audienceIds": []', f'"audienceIds": [], "audienceConditions": {value}', 1)

    assert [None, "v20"] == answers(compile_datafile(parse_datafile(text)))


# ---------------------------------------------------------------------------- what nobody reads


def without(entity, *names):
    return {name: value for name, value in entity.items() if name not in names}


def delivering(delivery):
    """Flag 1, with no experiment and one delivery rule."""
    rollout = {"id": "77", "experiments": [delivery]}
    return two_flags(featureFlags=[flag(1, experimentIds=[], rolloutId="77")], rollouts=[rollout])


@pytest.mark.parametrize("found", [None, [], "white", 5])
def test_a_delivery_rule_decides_whatever_stands_for_its_whitelist(found):
    ruleset = compiled(delivering(rule(3, forcedVariations=found)))

    assert "v30" == decide(ruleset, "flag_1", User("white")).variation_key
    assert ["warning"] == [each.severity for each in ruleset.diagnostics]


def test_a_delivery_rule_decides_without_a_whitelist_and_lint_says_who_refuses_that():
    ruleset = compiled(delivering(without(rule(3), "forcedVariations")))

    assert "v30" == decide(ruleset, "flag_1", User("her")).variation_key
    (told,) = ruleset.diagnostics
    assert "/rollouts/0/experiments/0/forcedVariations" == told.pointer
    assert "warning" == told.severity
    assert "the official SDK refuses the whole datafile" in told.consequence


@pytest.mark.parametrize("name", ["experiments", "groups"])
def test_an_experiment_needs_its_whitelist(name):
    lone = without(rule(1), "forcedVariations")
    group = {"id": "5", "policy": "random", "trafficAllocation": [], "experiments": [lone]}
    ruleset = compiled(two_flags(**{name: [lone if name == "experiments" else group]}))

    assert decide(ruleset, "flag_1", User("her")).variation_key is None
    assert only_diagnostic(ruleset).pointer.endswith("/forcedVariations")


@pytest.mark.parametrize("ids", [{}, {"audienceIds": None}, {"audienceIds": "404"}])
def test_audience_conditions_need_no_audience_ids_beside_them(ids):
    lone = {**without(rule(1), "audienceIds"), "audienceConditions": ["or"], **ids}
    ruleset = compiled(two_flags(experiments=[lone, rule(2)]))

    assert activate(ruleset, "rule_1", User("her")).variation_key is None  # OR of nothing: nobody
    assert ["/experiments/0/audienceIds"] == [each.pointer for each in ruleset.diagnostics]
    assert "warning" == ruleset.diagnostics[0].severity


@pytest.mark.parametrize("conditions", [{}, {"audienceConditions": None}])
def test_without_conditions_the_audience_ids_are_needed(conditions):
    lone = {**without(rule(1), "audienceIds"), **conditions}
    ruleset = compiled(two_flags(experiments=[lone, rule(2)]))

    assert activate(ruleset, "rule_1", User("her")).variation_key is None
    assert "error" == only_diagnostic(ruleset).severity


def test_what_is_needed_while_compiling_goes_when_it_is_done_and_waits_for_no_collection():
    gc.collect()
    gc.disable()
    try:
        ruleset = compile_datafile(a_datafile())
        left = [each for each in gc.get_objects() if isinstance(each, Draft)]
    finally:
        gc.enable()

    assert ruleset.revision
    assert [] == left
