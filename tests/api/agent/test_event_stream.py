"""`/v1/notifications/event-stream`: who gets a stream of what, and what is told of whom."""

import json

import pytest
from tests.fakes.agent_client import KEY, AgentClient

from bucketer.api.agent.notices import config_notices
from bucketer.api.streams import Stream, Telling

PATH = "/v1/notifications/event-stream"


@pytest.fixture
def agent():
    """A client of an environment that somebody listens to."""
    client = AgentClient()
    client.options.listened = {KEY}
    return client


def stream(agent, query="", **headers):
    response = agent.ask(PATH, query=query, method="GET", **headers)
    assert isinstance(response, Stream)
    assert isinstance(agent.reply, Telling)
    return response


def told(agent, path, body, **more):
    """What those who listen are told of one call."""
    assert agent.ask(path, body, **more).status == 200
    notices = getattr(agent.reply, "notices", ())
    assert {KEY} >= {each.topic for each in notices}
    return [json.loads(each.data) for each in notices]


def test_where_nobody_streams_it_is_refused_in_agents_words_and_with_the_reason():
    agent = AgentClient()
    response = agent.ask(PATH, method="GET")
    assert (403, b"Notification stream not enabled\n") == (response.status, response.body)
    agent.options.no_streams = "nobody can"
    assert b"Notification stream not enabled: nobody can\n" == agent.ask(PATH, method="GET").body


def test_it_is_one_of_server_sent_events(agent):
    headers = dict(stream(agent).headers)

    assert "text/event-stream" == headers["Content-Type"]
    assert "no" == headers["X-Accel-Buffering"]
    assert (b"data: ", b"\n\n") == (stream(agent).before, stream(agent).after)


@pytest.mark.parametrize("query", ["raw", "raw=", "raw=1", "filter=track&raw"])
def test_raw_is_one_json_per_line(agent, query):
    one = stream(agent, query)

    assert (b"", b"\n", b"") == (one.before, one.after, one.heartbeat)
    assert {"Type": "lost", "Lost": 3} == json.loads(one.lost % 3)


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("", {"decision", "track", "project_config_update"}),
        ("filter=decision", {"decision"}),
        ("filter=decision,track", {"decision", "track"}),
        ("filter=decision&filter=track", {"decision", "track"}),
        ("filter=decision,nothing", {"decision"}),
        ("filter=nothing", set()),
        ("filter=", set()),
        ("filter=DECISION", set()),
    ],
)
def test_the_filter_says_what_is_told(agent, query, kinds):
    assert kinds == stream(agent, query).kinds


def test_a_token_is_no_part_of_what_is_listened_to():
    agent = AgentClient(keys=frozenset({f"{KEY}:token"}))
    agent.options.listened = set()

    assert KEY == stream(agent, x_optimizely_sdk_key=f"{KEY}:token").topic


def test_nothing_is_told_where_nobody_listens(agent):
    agent.options.listened = {"other"}
    agent.ask("/v1/decide", {"userId": "ben"})

    assert not isinstance(agent.reply, Telling)


def test_a_decision_is_told_of_each_flag(agent):
    body = {"userId": "ben", "userAttributes": {"tier": "gold"}}
    [one] = told(agent, "/v1/decide", body, query="keys=search")
    answer = json.loads(agent.reply.response.body)

    assert "flag" == one["Type"]
    expected = {"ID": "ben", "Attributes": {"tier": "gold"}, "QualifiedSegments": None}
    assert expected == one["UserContext"]
    info = one["DecisionInfo"]
    assert sorted(info) == list(info)
    for name in ("flagKey", "ruleKey", "variationKey", "enabled", "reasons"):
        assert answer[name] == info[name]
    assert info["experimentId"]
    assert info["variationId"]
    assert bool(agent.reply.events) is info["decisionEventDispatched"]
    flags = told(agent, "/v1/decide", body)
    assert {each["flagKey"] for each in json.loads(agent.reply.response.body)} == {
        each["DecisionInfo"]["flagKey"] for each in flags
    }


def test_an_unknown_flag_is_not_told_of(agent):
    assert [] == told(agent, "/v1/decide", {"userId": "ben"}, query="keys=nothing")


def test_without_variables_none_are_told(agent):
    body = {"userId": "ben", "decideOptions": ["EXCLUDE_VARIABLES", "DISABLE_DECISION_EVENT"]}
    [one] = told(agent, "/v1/decide", body, query="keys=checkout_flow")

    assert ({}, False) == (
        one["DecisionInfo"]["variables"],
        one["DecisionInfo"]["decisionEventDispatched"],
    )


def test_an_activated_experiment_and_flag_are_told_of(agent):
    experiment, flag = told(
        agent,
        "/v1/activate",
        {"userId": "ben"},
        query="experimentKey=checkout_flow_experiment&featureKey=search",
    )

    assert experiment["Type"] in {"ab-test", "feature-test"}
    assert "checkout_flow_experiment" == experiment["DecisionInfo"]["experimentKey"]
    assert experiment["UserContext"]["Attributes"] is None
    assert "all-feature-variables" == flag["Type"]
    names = ["featureEnabled", "featureKey", "source", "sourceInfo", "variableValues"]
    assert names == list(flag["DecisionInfo"]["feature"])


def test_a_conversion_is_told_of(agent):
    body = {"userId": "ben", "eventTags": {"revenue": 100, "size": "xl"}}
    [one] = told(agent, "/v1/track", body, query="eventKey=purchase")

    assert ["EventKey", "UserContext", "EventTags", "ConversionEvent"] == list(one)
    assert ("purchase", body["eventTags"]) == (one["EventKey"], one["EventTags"])
    assert 100 == one["ConversionEvent"]["revenue"]
    assert [] == told(agent, "/v1/track", body, query="eventKey=nothing")


def test_a_new_datafile_is_told_once_to_those_of_each_key_without_its_token():
    notices = config_notices(["AbC", "AbC:token", "DeF"], "42")

    assert {"AbC", "DeF"} == {each.topic for each in notices}
    assert 2 == len(notices)
    assert {b'{"Type":"project_config_update","Revision":"42"}'} == {each.data for each in notices}
