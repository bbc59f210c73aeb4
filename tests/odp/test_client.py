"""One question to ODP, against a server that may do anything."""

import json
import time

import pytest
from optimizely.odp.odp_segment_api_manager import OdpSegmentApiManager
from tests.fakes.odp import KEY

from bucketer.odp.client import MAX_BYTES, QUERY, NoSegments

HOST = "https://odp.example"


def ask(client, user_id="ben", segments=("gold", "silver"), **keywords):
    return client.ask(HOST, KEY, user_id, segments, **keywords)


def test_it_asks_as_the_sdk_does(client, odp):
    assert {"gold"} == ask(client)

    [asked] = odp.questions
    assert "/v3/graphql" == asked.path
    assert KEY == asked.headers["x-api-key"]
    assert "application/json" == asked.headers["content-type"]
    variables = {"userId": "ben", "audiences": ["gold", "silver"]}
    assert {"query": QUERY, "variables": variables} == asked.json


def test_the_question_is_the_sdks(client, odp):
    OdpSegmentApiManager().fetch_segments(KEY, odp.url, "fs_user_id", "ben", ["gold", "silver"])
    ask(client)

    theirs, ours = odp.questions
    assert (theirs.path, theirs.headers["x-api-key"]) == (ours.path, ours.headers["x-api-key"])
    assert theirs.json["variables"] == ours.json["variables"]
    assert "".join(theirs.json["query"].split()) == "".join(ours.json["query"].split())


def test_what_a_user_id_has_in_it_stays_a_variable(client, odp):
    hostile = '"}) {hack}\r\nX-Evil: 1\N{GRINNING FACE}\ud800'

    ask(client, hostile)

    assert hostile == odp.questions[0].json["variables"]["userId"]


def test_one_connection_serves_many_questions(client, odp):
    for _ in range(5):
        ask(client)

    assert (5, 1) == (len(odp.questions), odp.connections)


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        (500, "status 500"),
        (404, "status 404"),
        (301, "status 301"),
        (b"<html>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"null", "no data.customer"),
        (b"[]", "no data.customer"),
        (b'{"data": {"customer": {"audiences": {"edges": {}}}}}', "no data.customer"),
        (b'{"data": {"customer": null}}', "no data.customer"),
        (b'{"errors": [{"extensions": {"classification": "Oh\\nno"}}]}', r"error: 'Oh\nno'"),
        (b'{"errors": [7]}', "no reason"),
        (b'{"errors": {"a": 1}}', "no reason"),
        ("close", "closed the connection"),
        ("huge", f"more than {MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_answer_is_told_in_a_clause(client, odp, mood, why):
    odp.mood = mood

    with pytest.raises(NoSegments) as refused:
        ask(client)

    assert why in refused.value.why
    assert not refused.value.of_user
    assert "ben" not in refused.value.why
    assert KEY not in refused.value.why


def test_an_unknown_user_is_none_of_odps_faults(client, odp):
    odp.mood = "unknown"

    with pytest.raises(NoSegments) as refused:
        ask(client)

    assert refused.value.of_user


@pytest.mark.parametrize("mood", ["hang", "drip"])
def test_the_time_out_is_for_all_of_it(odp, mood, a_client):
    odp.mood = mood
    client = a_client(odp.url, timeout_s=0.3)
    began = time.monotonic()

    with pytest.raises(NoSegments, match="timed out"):
        ask(client)

    assert 0.2 < time.monotonic() - began < 3


def test_nobody_waits_beyond_the_requests_deadline(client, odp):
    odp.mood = "hang"

    with pytest.raises(NoSegments, match="timed out"):
        ask(client, deadline=time.monotonic() + 0.2)
    with pytest.raises(NoSegments, match="no time was left"):
        ask(client, deadline=time.monotonic() - 1)

    assert 1 == len(odp.questions)


def test_odd_edges_are_passed_over(client, odp):
    odp.mood = json.dumps(
        {
            "data": {
                "customer": {
                    "audiences": {
                        "edges": [
                            {"node": {"name": "gold", "state": "qualified"}},
                            {"node": {"name": "silver", "state": "not_qualified"}},
                            {"node": {"name": 7, "state": "qualified"}},
                            {"node": None},
                            {},
                            7,
                        ]
                    }
                }
            }
        }
    ).encode()

    assert {"gold"} == ask(client)


@pytest.mark.parametrize(
    ("host", "key", "why"),
    [
        ("http://169.254.169.254", KEY, "no https:// URL"),
        ("file:///etc/passwd", KEY, "no https:// URL"),
        ("https://", KEY, "must begin with https://"),
        ("https://a b", KEY, "no usable host"),
        ("https://user:pass@host", KEY, "no usable host"),
        ("https://odp.example", "a\r\nX-Evil: 1", "can't stand in a header"),
        ("https://odp.example", "\N{GRINNING FACE}", "can't stand in a header"),
    ],
)
def test_a_datafile_can_not_have_anything_asked(host, key, why, a_client):
    client = a_client()

    with pytest.raises(NoSegments) as refused:
        client.ask(host, key, "ben", ("gold",))

    assert why in refused.value.why


def test_the_operators_host_stands_in_for_every_datafiles(odp, a_client):
    client = a_client(f"{odp.url}/odp/")

    assert {"gold"} == client.ask("http://169.254.169.254", KEY, "ben", ("gold",))
    assert "/odp/v3/graphql" == odp.questions[0].path


def test_a_connection_that_is_kept_is_young(odp, a_client):
    now = [0.0]
    client = a_client(odp.url, clock=lambda: now[0])
    ask(client)
    now[0] += 31
    ask(client)

    assert 2 == odp.connections
