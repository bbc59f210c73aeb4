"""`fetchSegments` of `/v1/decide`, and `/v1/send-odp-event`."""

import json

import pytest
from tests.fakes.agent_client import AgentClient
from tests.fakes.editions import AnEdition
from tests.fakes.odp import KEY, with_odp

from bucketer.api.http import Known
from bucketer.api.needs import OdpEventGiven, SegmentsNeeded
from bucketer.api.options import ApiOptions
from bucketer.core.events import MAX_VISITOR_BYTES

FETCH = {"userId": "ben", "fetchSegments": True}
EVENT = {"action": "bought", "identifiers": {"email": "a@b.c"}}


def agent(datafile=None, *, odp=True, makes_events=True):
    options = ApiOptions()
    options.odp, options.makes_events = odp, makes_events
    return AgentClient(AnEdition(with_odp() if datafile is None else datafile), options)


def known(segments):
    made = Known()
    made.segments, made.segments_asked = segments, True
    return made


def test_decide_fetches_segments_first():
    client = agent()
    with pytest.raises(SegmentsNeeded) as needed:
        client.ask("/v1/decide", FETCH, query="keys=vip")
    assert (KEY, "ben", False, False) == (
        needed.value.odp.public_key,
        needed.value.user_id,
        needed.value.ignore_cache,
        needed.value.reset,
    )

    for segments, variation in [(("gold",), "on"), (("silver",), "off"), ((), "off")]:
        told = client.told("/v1/decide", FETCH, query="keys=vip", known=known(segments))
        assert (200, variation) == (told[0], told[1]["variationKey"])


def test_its_options_are_about_the_cache_and_others_are_passed_over():
    for options, wanted in [
        (["IGNORE_CACHE"], (True, False)),
        (["RESET_CACHE"], (False, True)),
        (["RESET_CACHE", "IGNORE_CACHE", "IGNORE_CACHE", "nonsense"], (True, True)),
        (["ignore_cache"], (False, False)),
    ]:
        with pytest.raises(SegmentsNeeded) as needed:
            agent().ask("/v1/decide", FETCH | {"fetchSegmentsOptions": options})
        assert wanted == (needed.value.ignore_cache, needed.value.reset)


@pytest.mark.parametrize(
    "client",
    [
        lambda: (agent(), known(None)),
        lambda: (agent(odp=False), None),
        lambda: (AgentClient(), None),
    ],
)
def test_when_they_can_not_be_had_it_is_agents_error(client):
    made, fetched = client()
    told = made.told("/v1/decide", FETCH, known=fetched)

    assert (500, {"error": "failed to fetch qualified segments"}) == told


def test_without_being_asked_nobody_fetches():
    told = agent().told("/v1/decide", {"userId": "ben"}, query="keys=vip")

    assert (200, "off") == (told[0], told[1]["variationKey"])


def test_an_event_is_handed_to_the_outbox_and_told_of():
    client = agent()
    with pytest.raises(OdpEventGiven) as given:
        client.ask("/v1/send-odp-event", EVENT | {"data": {"n": 1.0, "x": None}})
    sent = json.loads(given.value.event.text)

    assert ("fullstack", "bought", {"email": "a@b.c"}) == (
        sent["type"],
        sent["action"],
        sent["identifiers"],
    )
    assert (1, None) == (sent["data"]["n"], sent["data"]["x"])
    answer = client.ask("/v1/send-odp-event", EVENT, known=Known(asked=True))
    assert (200, b'{"success":true}\n') == (answer.status, answer.body)


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, 'missing "action" in request payload'),
        (b" ", 400, "error parsing request body"),
        ({"action": None, "identifiers": {"a": "b"}}, 400, 'missing "action" in request payload'),
        ({"action": "a"}, 400, 'missing or empty "identifiers" in request payload'),
        (
            {"action": "a", "identifiers": {}},
            400,
            'missing or empty "identifiers" in request payload',
        ),
        ({"action": "a", "identifiers": {"b": 7}}, 400, "error parsing request body"),
        (EVENT | {"type": True}, 400, "error parsing request body"),
        (EVENT | {"data": [1]}, 400, "error parsing request body"),
        (EVENT | {"data": {"a": [1]}}, 500, "ODP data is not valid"),
        (EVENT | {"data": {"a": {"b": 1}}}, 500, "ODP data is not valid"),
        (EVENT | {"data": {"a": 2.0**53 + 2}}, 500, "ODP data is not valid"),
        (EVENT | {"data": {"a": -1e300}}, 500, "ODP data is not valid"),
    ],
)
def test_what_is_wrong_is_told_in_agents_words(body, status, error):
    assert (status, {"error": error}) == agent().told("/v1/send-odp-event", body)


@pytest.mark.parametrize("number", [2**53, -(2**53), -0.0])
def test_numbers_up_to_what_a_double_counts_to_are_taken(number):
    with pytest.raises(OdpEventGiven):
        agent().ask("/v1/send-odp-event", EVENT | {"data": {"a": number}})


def test_where_nothing_is_sent_to_odp_it_says_so():
    for client, error in [
        (AgentClient(options=agent().options), "ODP is not integrated"),
        (agent(odp=False), "ODP is not enabled"),
        (agent(makes_events=False), "ODP is not enabled"),
    ]:
        assert (500, {"error": error}) == client.told("/v1/send-odp-event", EVENT)
        # What is wrong with the body comes first, as in Agent.
        assert 400 == client.ask("/v1/send-odp-event", {}).status


def test_an_event_that_no_sink_can_take_is_refused():
    text = "x" * MAX_VISITOR_BYTES

    assert 413 == agent().ask("/v1/send-odp-event", EVENT | {"data": {"a": text}}).status


@pytest.mark.parametrize("spelling", ["fs-user-id", "FS_USER_ID", "Fs-User-Id"])
def test_the_users_identifier_has_one_spelling(spelling):
    with pytest.raises(OdpEventGiven) as given:
        agent().ask("/v1/send-odp-event", {"action": "a", "identifiers": {spelling: "ben"}})

    assert {"fs_user_id": "ben"} == json.loads(given.value.event.text)["identifiers"]
