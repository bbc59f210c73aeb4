"""What holding conversations with a real Agent has shown, and was mended: each once, by hand."""

from __future__ import annotations

import json

import pytest
from tests.fakes.agent_client import KEY, AgentClient
from tests.fakes.editions import AnEdition

from bucketer.api.agent.go_format import go_quoted, go_value
from bucketer.api.http import Known
from bucketer.api.options import ApiOptions
from bucketer.core.user import Prediction

FLAG, EXPERIMENT = "checkout_flow", "checkout_flow_experiment"
REASONS = {"userId": "ben", "decideOptions": ["INCLUDE_REASONS"]}


@pytest.fixture
def datafile(demonstration):
    """The demonstration without holdouts and audiences, so that rules decide."""
    demonstration["holdouts"] = []
    for rule in demonstration["experiments"]:
        rule["audienceIds"], rule["audienceConditions"] = [], []
    return demonstration


def _flag(datafile, key=FLAG):
    return next(each for each in datafile["featureFlags"] if each["key"] == key)


def _experiment(datafile):
    return next(each for each in datafile["experiments"] if each["key"] == EXPERIMENT)


def _variable(datafile, **changed):
    flag = _flag(datafile)
    flag["variables"].append({"id": "9", "key": "odd", **changed})


def _reasons(datafile, body=REASONS, key=FLAG, **more):
    _, told = AgentClient(AnEdition(datafile), **more).told("/v1/decide", body, query=f"keys={key}")
    return told["reasons"]


def test_a_variable_that_is_null_is_an_empty_text(datafile):
    _experiment(datafile)["variations"] = []
    _experiment(datafile)["trafficAllocation"] = []
    _variable(datafile, type="string", defaultValue=None)
    _, told = AgentClient(AnEdition(datafile)).told("/v1/decide", REASONS, query=f"keys={FLAG}")
    assert told["variables"]["odd"] == ""


@pytest.mark.parametrize(("kind", "zero"), [("boolean", False), ("integer", 0), ("double", 0)])
def test_a_number_or_boolean_that_is_null_is_its_types_zero_and_told(datafile, kind, zero):
    _variable(datafile, type=kind, defaultValue=None)
    _, told = AgentClient(AnEdition(datafile)).told("/v1/decide", REASONS, query=f"keys={FLAG}")
    assert told["variables"]["odd"] == zero
    assert 'Variable value for key "odd" is invalid or wrong type.' in told["reasons"]


def test_a_flag_that_is_left_out_may_have_what_no_json_has(datafile):
    _experiment(datafile)["trafficAllocation"] = []
    for rollout in datafile["rollouts"]:
        for rule in rollout["experiments"]:
            for variation in rule["variations"]:
                variation["featureEnabled"] = False
    _variable(datafile, type="double", defaultValue="inf")
    agent = AgentClient(AnEdition(datafile))
    body = {"userId": "ben", "decideOptions": ["ENABLED_FLAGS_ONLY"]}
    assert agent.told("/v1/decide", body) == (200, [])
    assert agent.told("/v1/decide", body, query="keys=x&keys=y") == (200, [])
    assert agent.ask("/v1/decide", {"userId": "ben"}).status == 500
    query = f"featureKey={FLAG}&enabled="
    assert agent.told("/v1/activate", body, query=f"{query}true") == (200, [])
    assert agent.ask("/v1/activate", body, query=f"{query}false").status == 500


def test_a_variable_of_the_wrong_type_comes_before_one_that_json_has_no_word_for(datafile):
    _variable(datafile, type="double", defaultValue="inf")
    for variable in _flag(datafile, "search")["variables"]:
        variable |= {"type": "integer", "defaultValue": "x"}
    query = f"featureKey={FLAG}&featureKey=search"
    agent = AgentClient(AnEdition(datafile))
    assert agent.ask("/v1/activate", {"userId": "ben"}, query=query).status == 400


def test_a_rollout_without_rules_is_there_and_one_that_is_not_set_is_not(datafile):
    missing = 'Rollout with ID "" is not in the datafile.'
    _experiment(datafile)["trafficAllocation"] = []
    for rollout in datafile["rollouts"]:
        rollout["experiments"] = []
    assert missing not in _reasons(datafile)
    _flag(datafile)["rolloutId"] = ""
    assert missing in _reasons(datafile)


def test_rules_of_a_rollout_that_no_flag_has_are_no_experiments(datafile):
    [rule] = [e for r in datafile["rollouts"][:1] for e in r["experiments"][:1]]
    idle = {**rule, "id": "idle", "key": "idle"}
    datafile["rollouts"].append({"id": "nobodys", "experiments": [idle]})
    agent = AgentClient(AnEdition(datafile))
    _, told = agent.told("/v1/activate", {"userId": "ben"}, query="type=experiment")
    assert EXPERIMENT in [each["experimentKey"] for each in told]
    assert "idle" not in [each["experimentKey"] for each in told]
    _, told = agent.told("/v1/activate", {"userId": "ben"}, query="experimentKey=idle")
    assert told[0]["error"] == "experimentKey not found"


def test_a_forced_variation_brings_the_variables_of_the_first_that_the_flag_has(datafile):
    rollout = next(e for e in datafile["rollouts"] if e["id"] == _flag(datafile)["rolloutId"])
    first, delivered = _experiment(datafile)["variations"][0], rollout["experiments"][-1]
    steps = _flag(datafile)["variables"][0]["id"]
    first["featureEnabled"], first["variables"] = True, [{"id": steps, "value": "7"}]
    for variation in delivered["variations"]:
        variation |= {"key": first["key"], "featureEnabled": True}
        variation["variables"] = [{"id": steps, "value": "8"}]
    forced = {"flagKey": FLAG, "ruleKey": delivered["key"], "variationKey": first["key"]}
    _experiment(datafile)["trafficAllocation"] = []
    agent = AgentClient(AnEdition(datafile))
    for body, expected in (({"forcedDecisions": [forced]}, 7), ({}, 8)):
        _, told = agent.told("/v1/decide", {"userId": "ben", **body}, query=f"keys={FLAG}")
        assert told["ruleKey"] == delivered["key"]
        assert told["variables"]["steps"] == expected


def test_a_stored_variation_that_is_not_there_is_told_but_not_of_a_bandit(datafile):
    experiment = _experiment(datafile)
    said = (
        'User "ben" was previously bucketed into variation with ID "999" for experiment '
        f'"{EXPERIMENT}", but no matching variation was found.'
    )
    known = Known(profile={experiment["id"]: "999"}, predictions={experiment["id"]: None})
    for bandit, is_told in ((None, True), ({"attributeIds": [], "trafficAllocation": 0}, False)):
        if bandit:
            experiment["cmab"] = bandit
        agent = AgentClient(AnEdition(datafile), ApiOptions(profiles=True))
        _, told = agent.told("/v1/decide", REASONS, query=f"keys={FLAG}", known=known)
        assert (said in told["reasons"]) is is_told


def test_a_bandit_that_its_group_keeps_out_is_told_of_as_traffic(datafile):
    [group] = [each for each in datafile["groups"] if each["policy"] == "random"]
    group["trafficAllocation"] = []
    rule = group["experiments"][0]
    rule["audienceIds"], rule["audienceConditions"] = [], []
    flag = next(e["key"] for e in datafile["featureFlags"] if rule["id"] in e["experimentIds"])
    said = f"User ben not in CMAB experiment {rule['key']} due to traffic allocation"
    assert said not in _reasons(datafile, key=flag)
    rule["cmab"] = {"attributeIds": [], "trafficAllocation": 10_000}
    assert said in _reasons(datafile, key=flag)


def test_activating_a_bandits_experiment_sends_the_predictions_id(datafile):
    experiment = _experiment(datafile)
    experiment["cmab"] = {"attributeIds": [], "trafficAllocation": 10_000}
    variation = experiment["variations"][0]["id"]
    known = Known(predictions={experiment["id"]: Prediction(variation, "the-id")})
    agent = AgentClient(AnEdition(datafile))
    agent.told("/v1/activate", {"userId": "ben"}, query=f"experimentKey={EXPERIMENT}", known=known)
    assert [event.what.cmab_uuid for event in agent.reply.events] == ["the-id"]


def test_notices_tell_what_an_experiment_is_of_and_what_has_no_value(datafile):
    _variable(datafile, type="integer", defaultValue="x")
    lone = {**_experiment(datafile), "id": "lone", "key": "lone"}
    datafile["experiments"].append(lone)
    options = ApiOptions()
    options.listened = {KEY}
    agent = AgentClient(AnEdition(datafile), options)
    agent.told("/v1/activate", {"userId": "ben"}, query=f"experimentKey={EXPERIMENT}")
    assert [json.loads(each.data)["Type"] for each in agent.reply.notices] == ["feature-test"]
    agent.told("/v1/activate", {"userId": "ben"}, query="experimentKey=lone")
    assert [json.loads(each.data)["Type"] for each in agent.reply.notices] == ["ab-test"]
    agent.told("/v1/decide", {"userId": "ben"}, query=f"keys={FLAG}")
    [notice] = agent.reply.notices
    told = json.loads(notice.data)["DecisionInfo"]["reasons"]
    assert told == ['Variable value for key "odd" is invalid or wrong type.']


def test_blanks_around_a_key_are_not_its_own(demonstration):
    agent = AgentClient(AnEdition(demonstration))
    for key in (f" {KEY}", f"{KEY} ", f"\t{KEY} "):
        assert agent.ask("/v1/decide", REASONS, x_optimizely_sdk_key=key).status == 200
    assert agent.ask("/v1/decide", REASONS, x_optimizely_sdk_key=f"{KEY} x").status == 400


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a", '"a"'),
        ('<é"\\', '"<é\\"\\\\"'),
        ("\a\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'),
        ("\x00\x7f\x85\xa0\u2028\U000e0001", '"\\x00\\x7f\\u0085\\u00a0\\u2028\\U000e0001"'),
        ("日本\U0001f600", '"日本\U0001f600"'),
    ],
)
def test_a_text_is_quoted_as_go_quotes(value, written):
    assert go_quoted(value) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "<nil>"),
        (True, "true"),
        ("<a>", "<a>"),
        (5, "5"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-1e-7, "-1e-07"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        ([1, "a", None], "[1 a <nil>]"),
        ({"b": [], "a": {"c": False}}, "map[a:map[c:false] b:[]]"),
    ],
)
def test_a_value_is_written_as_go_writes_it(value, written):
    assert go_value(value) == written
