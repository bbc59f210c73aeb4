"""`/v1/decide`: options, forced decisions, reasons, and what it obliges to."""

import json

import pytest
from tests.fakes.agent_client import AgentClient
from tests.fakes.editions import AnEdition

from bucketer.api.http import Known, ProfileNeeded
from bucketer.api.options import ApiOptions
from bucketer.core.bandit import PredictionNeeded

NO_ID = '"invalid bucketing ID provided: \\"5\\""'
FORCED = "flag (checkout_flow){} and user (u) in the forced decision map."
PLATINUM = {"tier": "platinum", "member_since_days": 56}


@pytest.fixture
def agent():
    """A client of the demonstration."""
    return AgentClient()


def test_one_key_gives_one_object_in_agents_order(agent):
    response = agent.ask(
        "/v1/decide",
        {"userId": "h<", "userAttributes": {"b": 1.0, "a": [None]}},
        query="keys=search",
    )
    assert response.body.decode() == (
        '{"variationKey":"on","enabled":true,"ruleKey":"default-rollout-10000000702",'
        '"flagKey":"search","userContext":{"userId":"h\\u003c","attributes":{"a":[null],"b":1}},'
        '"reasons":[],"variables":{"max_results":20,"popularity_boost":1,'
        '"synonyms":{"enabled":false}},"isEveryoneElseVariation":false}\n'
    )


def test_no_key_decides_all_and_several_are_a_list_of_each_once(agent):
    _, told = agent.told("/v1/decide", {"userId": "ben"})
    assert [each["flagKey"] for each in told] == list(agent.edition.ruleset.flag_order)
    _, told = agent.told("/v1/decide", {"userId": "ben"}, query="keys=search&keys=search&keys=x")
    assert [each["flagKey"] for each in told] == ["search", "x"]


def test_a_query_with_a_broken_pair_has_no_keys(agent):
    _, told = agent.told("/v1/decide", {"userId": "ben"}, query="keys=search&x=%zz")
    assert len(told) == len(agent.edition.ruleset.flags)


def test_an_unknown_flag_is_a_decision_of_nothing(agent):
    _, told = agent.told("/v1/decide", {"userId": "ben"}, query="keys=x%22")
    assert told["reasons"] == ['No flag was found for key "x"".']
    assert (told["variationKey"], told["ruleKey"], told["enabled"]) == ("", "", False)
    assert "variables" not in told


def test_each_decision_of_a_decide_all_sends_its_impression(agent):
    agent.told("/v1/decide", {"userId": "qa_ben"})
    sent = {event.what.flag_key for event in agent.reply.events}
    assert "checkout_flow" in sent
    assert all(event.user.id == "qa_ben" for event in agent.reply.events)
    assert len({event.uuid for event in agent.reply.events}) == len(agent.reply.events)


def test_without_decision_events_nothing_is_sent(agent):
    agent.told("/v1/decide", {"userId": "qa_ben", "decideOptions": ["DISABLE_DECISION_EVENT"]})
    assert agent.reply.events == ()


def test_where_events_are_off_none_are_made():
    options = ApiOptions()
    options.makes_events = False
    agent = AgentClient(options=options)
    agent.told("/v1/decide", {"userId": "qa_ben"})
    assert agent.reply.events == ()


def test_enabled_flags_only_leaves_out_of_a_list_and_not_a_single_one(agent):
    body = {"userId": "ben", "decideOptions": ["ENABLED_FLAGS_ONLY"]}
    _, told = agent.told("/v1/decide", body)
    assert told
    assert all(each["enabled"] for each in told)
    _, told = agent.told("/v1/decide", body, query="keys=free_shipping")
    assert told["enabled"] is False


def test_variables_can_be_left_out(agent):
    body = {"userId": "ben", "decideOptions": ["EXCLUDE_VARIABLES"]}
    for _ in range(2):
        _, told = agent.told("/v1/decide", body, query="keys=search")
        assert "variables" not in told
    _, told = agent.told("/v1/decide", {"userId": "ben"}, query="keys=search")
    assert "variables" in told


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", 'missing "userId" in request payload'),
        ({"userId": ""}, 'missing "userId" in request payload'),
        ({"userId": 1}, "error parsing request body"),
        ({"userId": "a", "forcedDecisions": [1]}, "error parsing request body"),
        ({"userId": "a", "forcedDecisions": [{"flagKey": 1}]}, "error parsing request body"),
        ({"userId": "a", "decideOptions": ["x"]}, "invalid option: x"),
        ({"userId": "a", "decideOptions": [None]}, "invalid option: "),
    ],
)
def test_a_body_that_is_none_is_refused_in_agents_words(agent, body, error):
    assert agent.told("/v1/decide", body) == (400, {"error": error})


def test_a_forced_decision_decides_by_flag_and_by_rule_and_the_last_wins(agent):
    forced = [
        {"flagKey": "checkout_flow", "variationKey": "one_step_checkout"},
        {"flagKey": "checkout_flow", "variationKey": "current_checkout", "ruleKey": ""},
    ]
    body = {"userId": "u", "forcedDecisions": forced, "decideOptions": ["INCLUDE_REASONS"]}
    _, told = agent.told("/v1/decide", body, query="keys=checkout_flow")
    assert (told["variationKey"], told["ruleKey"]) == ("current_checkout", "")
    assert told["reasons"] == [
        f"Variation (current_checkout) is mapped to {FORCED.format('')}",
    ]
    forced[1] |= {"ruleKey": "checkout_flow_experiment", "variationKey": "nothing"}
    del forced[0]
    _, told = agent.told("/v1/decide", body, query="keys=checkout_flow")
    assert told["reasons"][3:4] == [
        f"Invalid variation is mapped to {FORCED.format(', rule (checkout_flow_experiment)')}",
    ]


def test_reasons_are_told_in_agents_sentences(agent):
    body = {
        "userId": "ben",
        "userAttributes": {"$opt_bucketing_id": 5},
        "decideOptions": ["INCLUDE_REASONS"],
    }
    _, told = agent.told("/v1/decide", body, query="keys=checkout_flow")
    assert told["reasons"] == [
        "Audiences for holdout holdout_2026 collectively evaluated to true.",
        "User ben meets conditions for holdout holdout_2026.",
        f'Error computing bucketing ID for holdout "holdout_2026": {NO_ID}',
        "User ben is in no holdout variation.",
        'an error occurred while evaluating nested tree for audience ID "10000000201"',
        "Audiences for experiment checkout_flow_experiment collectively evaluated to false.",
        'User "ben" does not meet conditions to be in experiment "checkout_flow_experiment".',
        "Audiences for experiment default-rollout-10000000701 collectively evaluated to true.",
        f'Error computing bucketing ID for experiment "default-rollout-10000000701": {NO_ID}',
        'User "ben" meets conditions for targeting rule "Everyone Else".',
    ]


def test_a_variable_of_the_wrong_type_is_its_zero_and_told_of(demonstration):
    flag = next(each for each in demonstration["featureFlags"] if each["key"] == "free_shipping")
    number = next(each for each in flag["variables"] if each["type"] in {"integer", "double"})
    number["defaultValue"] = "1_0"
    agent = AgentClient(AnEdition(demonstration))
    _, told = agent.told("/v1/decide", {"userId": "ben"}, query="keys=free_shipping")
    assert told["variables"][number["key"]] == 0
    assert told["reasons"] == [
        f'Variable value for key "{number["key"]}" is invalid or wrong type.'
    ]


def test_a_variable_that_json_has_no_word_for_is_told_in_plain_text(demonstration):
    flag = next(each for each in demonstration["featureFlags"] if each["key"] == "free_shipping")
    flag["variables"][0] |= {"type": "double", "defaultValue": "inf"}
    agent = AgentClient(AnEdition(demonstration))
    response = agent.ask("/v1/decide", {"userId": "ben"}, query="keys=free_shipping")
    assert (response.status, response.body) == (500, b"json: unsupported value: +Inf\n")


def test_profiles_are_asked_for_once_and_saved_whole():
    agent = AgentClient(options=ApiOptions(profiles=True))
    with pytest.raises(ProfileNeeded):
        agent.ask("/v1/decide", {"userId": "ben", "userAttributes": PLATINUM})
    body = {"userId": "cooper34523569", "userAttributes": PLATINUM}
    agent.told("/v1/decide", body, known=Known(profile={"1": "2"}))
    user_id, profile = agent.reply.profile
    assert user_id == "cooper34523569"
    assert profile["1"] == "2"
    assert len(profile) > 1


def test_a_profile_can_be_left_out():
    agent = AgentClient(options=ApiOptions(profiles=True))
    body = {
        "userId": "cooper34523569",
        "userAttributes": PLATINUM,
        "decideOptions": ["IGNORE_USER_PROFILE_SERVICE"],
    }
    assert agent.ask("/v1/decide", body).status == 200
    assert agent.reply.profile is None


def a_bandit(demonstration):
    """The demonstration with a contextual bandit in place of an experiment."""
    experiment = next(
        each for each in demonstration["experiments"] if each["key"] == "checkout_flow_experiment"
    )
    experiment["cmab"] = {"attributeIds": [], "trafficAllocation": 10000}
    experiment["audienceIds"], experiment["audienceConditions"] = [], []
    demonstration["holdouts"] = []
    return AgentClient(AnEdition(demonstration)), experiment


def test_a_contextual_bandit_is_asked_with_the_options_that_concern_its_cache(demonstration):
    agent, experiment = a_bandit(demonstration)
    body = {"userId": "somebody", "decideOptions": ["RESET_CMAB_CACHE"]}
    with pytest.raises(PredictionNeeded) as needed:
        agent.ask("/v1/decide", body, query="keys=checkout_flow")
    assert needed.value.rule_id == experiment["id"]
    assert "RESET_CMAB_CACHE" in needed.value.options


def test_a_contextual_bandit_that_fails_leaves_a_reason_alone(demonstration):
    agent, experiment = a_bandit(demonstration)
    known = Known(predictions={experiment["id"]: None})
    _, told = agent.told("/v1/decide", {"userId": "a"}, query="keys=checkout_flow", known=known)
    key = experiment["key"]
    assert told["reasons"] == [f"Failed to fetch CMAB data for experiment {key}."]
    assert (told["variationKey"], told["enabled"]) == ("", False)
    assert "variables" not in told
    assert agent.reply.events == ()


def test_what_is_kept_of_decisions_has_a_bound():
    options = ApiOptions()
    options.answers_bytes = 1_000
    agent = AgentClient(options=options)
    first = agent.ask("/v1/decide", {"userId": "ben"}).body
    assert agent.ask("/v1/decide", {"userId": "ben"}).body == first
    assert len(json.loads(first)) == len(agent.edition.ruleset.flags)


def test_a_user_who_is_too_long_to_be_told_with_each_flag_is_refused(monkeypatch, agent):
    body = {"userId": "a" * 100, "decideOptions": ["DISABLE_DECISION_EVENT"]}
    size = len('{"userId":"","attributes":{}}') + 100
    monkeypatch.setattr("bucketer.api.agent.decide._MOST_BYTES", size * 3)
    assert agent.ask("/v1/decide", body, query="keys=a&keys=b&keys=c&keys=c").status == 200
    assert agent.ask("/v1/decide", body, query="keys=a&keys=b&keys=c&keys=d").status == 413


def test_an_impression_that_cannot_be_sent_is_refused(agent):
    body = {"userId": "qa_ben", "userAttributes": {"tier": "x" * 250_000}}
    assert agent.ask("/v1/decide", body, query="keys=checkout_flow").status == 413
    body["decideOptions"] = ["DISABLE_DECISION_EVENT"]
    assert agent.ask("/v1/decide", body, query="keys=checkout_flow").status == 200


def test_a_user_who_is_too_long_to_be_told_with_all_reasons_is_refused(monkeypatch, agent):
    body = {"userId": "a" * 1_000, "decideOptions": ["INCLUDE_REASONS", "DISABLE_DECISION_EVENT"]}
    told = agent.told("/v1/decide", body, query="keys=checkout_flow")[1]
    size = sum(map(len, told["reasons"]))
    assert size > 4_000
    monkeypatch.setattr("bucketer.api.agent.decide._MOST_BYTES", size)
    assert agent.ask("/v1/decide", body, query="keys=checkout_flow").status == 200
    monkeypatch.setattr("bucketer.api.agent.decide._MOST_BYTES", size - 1)
    assert agent.ask("/v1/decide", body, query="keys=checkout_flow").status == 413


def test_a_whitelist_that_names_no_variation_is_told_without_its_name(demonstration):
    experiment = next(
        each for each in demonstration["experiments"] if each["key"] == "checkout_flow_experiment"
    )
    experiment["forcedVariations"] = {"ben": "gone"}
    agent = AgentClient(AnEdition(demonstration))
    body = {"userId": "ben", "decideOptions": ["INCLUDE_REASONS"]}
    _, told = agent.told("/v1/decide", body, query="keys=checkout_flow")
    assert (
        'User "ben" is whitelisted into variation "", which is not in the datafile.'
        in (told["reasons"])
    )
