"""`/v1/activate`."""

import pytest
from tests.fakes.agent_client import AgentClient
from tests.fakes.editions import AnEdition

from bucketer.api.http import Known, ProfileNeeded
from bucketer.api.options import ApiOptions
from bucketer.core.bandit import PredictionNeeded

EXPERIMENT = "checkout_flow_experiment"


@pytest.fixture
def agent():
    """A client of the demonstration."""
    return AgentClient()


def test_an_experiment_is_decided_in_agents_order_and_sends_its_impression(agent):
    response = agent.ask("/v1/activate", {"userId": "qa_ben"}, query=f"experimentKey={EXPERIMENT}")
    assert response.body.decode() == (
        '[{"userId":"qa_ben","experimentKey":"checkout_flow_experiment","featureKey":"",'
        '"variationKey":"one_step_checkout","type":"experiment","enabled":true}]\n'
    )
    [event] = agent.reply.events
    assert (event.what.rule_type, event.what.flag_key) == ("experiment", "")


def test_a_flag_is_decided_with_its_variables(agent):
    _, told = agent.told("/v1/activate", {"userId": "qa_ben"}, query="featureKey=checkout_flow")
    [shown] = told
    assert shown["experimentKey"] == EXPERIMENT
    assert shown["variationKey"] == "one_step_checkout"
    assert shown["variables"]["steps"] == 1
    assert list(shown)[-3:] == ["type", "variables", "enabled"]


def test_a_delivery_rule_stays_unnamed(agent):
    _, told = agent.told("/v1/activate", {"userId": "ben"}, query="featureKey=search")
    [shown] = told
    assert (shown["experimentKey"], shown["variationKey"], shown["enabled"]) == ("", "", True)


def test_a_flag_without_a_variation_sends_nothing(demonstration):
    demonstration["sendFlagDecisions"] = True
    for rollout in demonstration["rollouts"]:
        rollout["experiments"] = []
    agent = AgentClient(AnEdition(demonstration))
    agent.told("/v1/activate", {"userId": "ben"}, query="featureKey=checkout_flow")
    assert agent.reply.events == ()
    agent.told("/v1/decide", {"userId": "ben"}, query="keys=checkout_flow")
    assert len(agent.reply.events) == 1


def test_all_of_a_type_are_decided_without_delivery_rules(agent):
    _, told = agent.told("/v1/activate", {"userId": "ben"}, query="type=experiment&type=feature")
    keys = [each["experimentKey"] for each in told if each["type"] == "experiment"]
    assert EXPERIMENT in keys
    assert not any(key.startswith("default-rollout") for key in keys)
    features = [each["featureKey"] for each in told if each["type"] == "feature"]
    assert features == list(agent.edition.ruleset.flag_order)


def test_a_key_counts_once_as_what_it_was_last_asked_for_as(agent):
    _, told = agent.told(
        "/v1/activate", {"userId": "ben"}, query="experimentKey=search&featureKey=search"
    )
    assert [each["type"] for each in told] == ["feature"]


def test_unknown_keys_are_told_of_with_status_200(agent):
    status, told = agent.told(
        "/v1/activate", {"userId": "ben"}, query="experimentKey=&featureKey=nothing"
    )
    assert status == 200
    assert [each["error"] for each in told] == ["experimentKey not found", "featureKey not found"]
    assert [each["type"] for each in told] == ["", ""]


@pytest.mark.parametrize(("enabled", "shown"), [("true", 1), ("false", 1), ("yes", 2), ("", 2)])
def test_decisions_can_be_filtered_by_enabled(agent, enabled, shown):
    query = f"featureKey=search&featureKey=free_shipping&enabled={enabled}"
    _, told = agent.told("/v1/activate", {"userId": "ben"}, query=query)
    assert len(told) == shown


@pytest.mark.parametrize(
    ("disabled", "sent"),
    [("true", 0), ("True", 1), ("false", 1), ("false&disableTracking=true", 1)],
)
def test_tracking_can_be_switched_off_by_exactly_true(agent, disabled, sent):
    query = f"experimentKey={EXPERIMENT}&disableTracking={disabled}"
    agent.told("/v1/activate", {"userId": "qa_ben"}, query=query)
    assert len(agent.reply.events) == sent


@pytest.mark.parametrize("kind", ["", "Experiment", "x%22"])
def test_another_type_is_refused(agent, kind):
    status, told = agent.told("/v1/activate", {"userId": "ben"}, query=f"type={kind}")
    assert status == 400
    assert told["error"] == f'type "{kind.replace("%22", chr(34))}" not supported'


def test_nobody_is_refused_before_a_wrong_type(agent):
    told = agent.told("/v1/activate", {"userId": ""}, query="type=x")
    assert told == (400, {"error": 'missing "userId" in request payload'})


def test_variables_that_are_none_are_refused_together_and_nothing_is_sent(demonstration):
    flag = next(each for each in demonstration["featureFlags"] if each["key"] == "free_shipping")
    flag["variables"][0] |= {"type": "integer", "defaultValue": "1_0"}
    flag["variables"][1] |= {"type": "boolean", "defaultValue": "again"}
    del flag["variables"][2:]
    agent = AgentClient(AnEdition(demonstration))
    query = "featureKey=free_shipping&featureKey=checkout_flow"
    status, told = agent.told("/v1/activate", {"userId": "qa_ben"}, query=query)
    assert status == 400
    assert told["error"] == (
        '2 errors occurred:\n\t* strconv.Atoi: parsing "1_0": invalid syntax'
        '\n\t* strconv.ParseBool: parsing "again": invalid syntax\n\n'
    )
    assert agent.reply.events == ()


def test_profiles_are_asked_for_and_saved():
    agent = AgentClient(options=ApiOptions(profiles=True))
    body = {"userId": "cooper34523569", "userAttributes": {"tier": "platinum"}}
    body["userAttributes"]["member_since_days"] = 56
    query = f"experimentKey={EXPERIMENT}"
    with pytest.raises(ProfileNeeded):
        agent.ask("/v1/activate", body, query=query)
    agent.told("/v1/activate", body, query=query, known=Known(profile={}))
    assert agent.reply.profile[0] == "cooper34523569"


def test_a_bandit_that_fails_is_no_variation(demonstration):
    experiment = next(e for e in demonstration["experiments"] if e["key"] == EXPERIMENT)
    experiment["cmab"] = {"attributeIds": [], "trafficAllocation": 10000}
    experiment["audienceIds"], experiment["audienceConditions"] = [], []
    demonstration["holdouts"] = []
    agent = AgentClient(AnEdition(demonstration))
    query = f"experimentKey={EXPERIMENT}&featureKey=checkout_flow"
    with pytest.raises(PredictionNeeded):
        agent.ask("/v1/activate", {"userId": "a"}, query=query)
    known = Known(predictions={experiment["id"]: None})
    _, told = agent.told("/v1/activate", {"userId": "a"}, query=query, known=known)
    assert [each["variationKey"] for each in told] == ["", ""]
    assert told[1]["variables"]["steps"] == 3


def test_a_user_id_that_is_too_long_to_be_told_with_each_is_refused(monkeypatch, agent):
    monkeypatch.setattr("bucketer.api.agent.activate._MOST_BYTES", 28)
    query = "featureKey=a&featureKey=b"
    assert agent.ask("/v1/activate", {"userId": "x" * 12}, query=query).status == 200
    assert agent.ask("/v1/activate", {"userId": "x" * 13}, query=query).status == 413
    assert agent.ask("/v1/activate", {"userId": "<" * 2}, query=query).status == 200
    assert agent.ask("/v1/activate", {"userId": "<" * 3}, query=query).status == 413
