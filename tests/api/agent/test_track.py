"""`/v1/track`."""

import json

import pytest
from tests.fakes.agent_client import AgentClient

from bucketer.core.events import visitor_json


def test_a_conversion_is_sent_and_told():
    agent = AgentClient()
    event = next(iter(agent.edition.ruleset.events))
    body = {"userId": "ben", "userAttributes": {"tier": "gold"}, "eventTags": {"revenue": 100}}
    told = agent.told("/v1/track", body, query=f"eventKey={event}")
    assert told == (200, {"userId": "ben", "eventKey": event})
    visitor = json.loads(visitor_json(agent.reply.events[0]))
    assert visitor["visitor_id"] == "ben"
    assert visitor["snapshots"][0]["events"][0]["revenue"] == 100


def test_an_unknown_event_is_an_error_with_status_200_and_sends_nothing():
    agent = AgentClient()
    told = agent.told("/v1/track", {"userId": "ben"}, query="eventKey=x%22")
    assert told == (
        200,
        {"userId": "ben", "eventKey": 'x"', "error": 'event with key "x"" not found'},
    )
    assert agent.reply.events == ()


def test_without_an_event_key_it_is_refused():
    told = AgentClient().told("/v1/track", {"userId": "ben"}, query="eventKey=")
    assert told == (400, {"error": "missing required path parameter: eventKey"})


def test_a_body_that_is_none_is_refused():
    told = AgentClient().told("/v1/track", b"{", query="eventKey=a")
    assert told == (400, {"error": "error parsing request body"})


def test_a_body_that_is_none_is_refused_before_an_event_key_that_is_missing():
    told = AgentClient().told("/v1/track", b"{", query="eventKey=")
    assert told == (400, {"error": "error parsing request body"})


@pytest.mark.parametrize(
    ("tags", "counted"),
    [
        ({"revenue": 42.5}, {"revenue": 42}),
        ({"revenue": -1.9, "value": 3}, {"revenue": -1, "value": 3}),
        ({"revenue": 4200, "value": 1.5}, {"revenue": 4200, "value": 1.5}),
        ({"revenue": "4200", "value": "1.5"}, {}),
        ({"revenue": True, "value": False}, {}),
        ({"revenue": 1e300}, {}),
        ({"revenue": [1], "value": {"a": 1}}, {}),
    ],
)
def test_revenue_and_value_count_as_agent_counts_them_and_stay_in_the_tags_as_they_are(
    tags, counted
):
    agent = AgentClient()
    event = next(iter(agent.edition.ruleset.events))
    agent.told("/v1/track", {"userId": "ben", "eventTags": tags}, query=f"eventKey={event}")
    sent = json.loads(visitor_json(agent.reply.events[0]))["snapshots"][0]["events"][0]
    assert sent["tags"] == tags
    assert {name: sent[name] for name in ("revenue", "value") if name in sent} == counted


def test_without_tags_none_are_sent():
    agent = AgentClient()
    event = next(iter(agent.edition.ruleset.events))
    for body in ({"userId": "ben"}, {"userId": "ben", "eventTags": {}}):
        agent.told("/v1/track", body, query=f"eventKey={event}")
        visitor = json.loads(visitor_json(agent.reply.events[0]))
        assert "tags" not in visitor["snapshots"][0]["events"][0]
