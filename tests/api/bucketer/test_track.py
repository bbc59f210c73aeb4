"""Goals through the front door: Request → Reply."""

import json
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from tests.fakes.editions import NOW, Client

from bucketer.api.bucketer.track import MAX_EVENTS
from bucketer.api.http import Request
from bucketer.core.events import MAX_VISITOR_BYTES, visitor_json

GOAL = {
    "event": "purchase",
    "user": "cooper",
    "attributes": {"tier": "platinum"},
    "tags": {"revenue": 4200, "value": 9.5, "cart": {"items": [1, 2]}},
}


@pytest.fixture
def client():
    return Client()


def sent(reply):
    return [json.loads(visitor_json(event)) for event in reply.events]


def answer(reply):
    return json.loads(reply.response.body)


def post(client, body):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.ask(path="/track", method="POST", body=raw)


def test_a_posted_goal_becomes_one_conversion(client):
    reply = post(client, GOAL)

    assert reply.response.status == 200
    assert answer(reply) == {"event": "purchase", "user": "cooper"}
    [visitor] = sent(reply)
    [event] = visitor["snapshots"][0]["events"]
    assert (event["key"], event["revenue"], event["value"]) == ("purchase", 4200, 9.5)
    assert event["tags"] == GOAL["tags"]
    assert visitor["visitor_id"] == "cooper"
    assert visitor["attributes"][0]["value"] == "platinum"


def test_a_goal_in_a_query_is_the_same_as_a_posted_one(client):
    query = f"ev=purchase&u=cooper&a=tier:platinum&tags={quote(json.dumps(GOAL['tags']))}"

    reply = client.ask(path="/track", query=query)

    assert sent(reply)[0]["snapshots"][0]["events"][0]["tags"] == GOAL["tags"]
    assert answer(reply) == {"event": "purchase", "user": "cooper"}


def test_tags_in_a_query_may_be_a_list_as_attributes_are(client):
    reply = client.ask(path="/track", query="ev=purchase&u=c&tags=revenue:42,sku:a-1")

    assert sent(reply)[0]["snapshots"][0]["events"][0]["tags"] == {"revenue": 42, "sku": "a-1"}


def test_a_list_of_goals_becomes_as_many_conversions_in_order(client):
    reply = post(client, [GOAL, {"event": "add_to_cart", "user": "b"}])

    assert answer(reply) == {
        "events": [{"event": "purchase", "user": "cooper"}, {"event": "add_to_cart", "user": "b"}]
    }
    assert [visitor["visitor_id"] for visitor in sent(reply)] == ["cooper", "b"]
    assert len({event.uuid for event in reply.events}) == 2


def test_without_a_user_the_address_is_the_user(client):
    assert answer(client.ask(path="/track", query="ev=purchase"))["user"] == "203.0.113.7"
    assert answer(post(client, {"event": "purchase", "user": ""}))["user"] == "203.0.113.7"


def test_without_tags_none_are_sent_and_with_an_empty_object_an_empty_object(client):
    without = sent(post(client, {"event": "purchase", "tags": None}))[0]
    empty = sent(post(client, {"event": "purchase", "tags": {}}))[0]

    assert "tags" not in without["snapshots"][0]["events"][0]
    assert empty["snapshots"][0]["events"][0]["tags"] == {}
    assert (
        "tags"
        not in sent(client.ask(path="/track", query="ev=purchase&tags="))[0]["snapshots"][0][
            "events"
        ][0]
    )


def test_one_bad_goal_costs_the_whole_list(client):
    reply = post(client, [GOAL, {"event": "purchase", "tags": [1]}])

    assert reply.response.status == 400
    assert reply.events == ()
    message = answer(reply)["error"]["message"]
    assert (
        message
        == "Event 2 of 2: Parameter 'tags' must be a JSON object in a body, such as {\"revenue\": 4200}."
    )


def test_an_unknown_event_is_told_with_the_nearest(client):
    for reply in (
        client.ask(path="/track", query="ev=purchse&u=c"),
        post(client, [{"event": "purchse"}]),
    ):
        assert reply.response.status == 404
        assert answer(reply)["error"]["code"] == "unknown_event"
        assert "Did you mean 'purchase'?" in answer(reply)["error"]["message"]
        assert reply.events == ()


def test_in_a_list_an_unknown_event_is_told_with_its_place(client):
    reply = post(client, [GOAL, {"event": "purchse", "user": "c"}])

    assert (404, "unknown_event") == (reply.response.status, answer(reply)["error"]["code"])
    assert answer(reply)["error"]["message"].startswith("Event 2 of 2: No event has the key 'pur")


def test_a_key_twice_further_inside_is_the_last_one_in_a_list_too(client):
    body = b'[{"event": "purchase", "tags": {"x": 1, "x": 2}}]'

    assert sent(post(client, body))[0]["snapshots"][0]["events"][0]["tags"] == {"x": 2}


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 413)])
def test_an_event_too_large_to_be_sent_is_refused_before_anything_is_kept(client, over, status):
    """The limit is of the text that is sent, where each of these characters takes six."""
    small = len(visitor_json(post(client, {**GOAL, "tags": {"note": ""}}).events[0]))
    wide, narrow = divmod(MAX_VISITOR_BYTES - small + over, 6)
    large = {**GOAL, "tags": {"note": "é" * wide + "x" * narrow}}

    alone, in_a_list = post(client, large), post(client, [GOAL, large])

    assert (status, status) == (alone.response.status, in_a_list.response.status)
    if over:
        assert alone.events == in_a_list.events == ()
        assert answer(alone)["error"]["code"] == "too_large"
        message = answer(in_a_list)["error"]["message"]
        assert message.startswith("Event 2 of 2: The event is over the limit of 245760 bytes.")


def test_an_error_carries_what_was_understood(client):
    found = answer(client.ask(path="/track", query="ev=purchse&u=c"))

    assert (found["event"], found["user"]) == ("purchse", "c")
    assert "variation" not in found


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"user": "c"}, "'event'"),
        ({"event": ""}, "'event'"),
        ({"event": 5}, "'event'"),
        ({"event": "purchase", "user": 5.5}, "'user' must be a string"),
        ({"event": "purchase", "user": {"id": "c"}}, "'user' must be a string"),
        ({"event": "purchase", "user": False}, "'user' must be a string"),
        ({"event": "purchase", "user": []}, "'user' must be a string"),
        ({"event": "purchase", "attributes": [1]}, "'attributes' must be a JSON object"),
        ({"event": "purchase", "attributes": []}, "'attributes' must be a JSON object"),
        ({"event": "purchase", "attributes": 0}, "'attributes' must be a JSON object"),
        ({"event": "purchase", "attributes": False}, "'attributes' must be a JSON object"),
        ({"event": "purchase", "tags": []}, "'tags' must be a JSON object"),
        ({"event": "purchase", "tags": 0}, "'tags' must be a JSON object"),
        ({"event": "purchase", "attributes": "tier:x"}, "'attributes' must be a JSON object"),
        ({"event": "purchase", "tags": "a:1"}, "'tags' must be a JSON object"),
        (b'{"event": "purchase", "tags": {"value": 1e400}}', "The tag 'value' can't be sent"),
        (b'{"event": "purchase", "tags": {"value": NaN}}', "not JSON"),
        (b'{"event": "purchase", "event": "x"}', "given twice"),
        (
            b'[{"event": "purchase"}, {"user": "a", "event": "purchase", "user": "b"}]',
            "Event 2 of 2: Parameter 'user' is given twice",
        ),
        (b'{"event": "purchase", "user": "\\ud800"}', "lone surrogate"),
        (b'{"event": "\\ud800"}', "No event has the key"),
        (b"[]", "must have 1 to"),
        (b"[1]", "Event 1 of 1: it must be an object"),
        (b"null", "must be a JSON object"),
        (b"[", "not JSON"),
        (b"", "The body is empty"),
        (b"\xff", "not valid UTF-8"),
        (b"[" * 100_000, "nested deeper"),
        (json.dumps([GOAL] * (MAX_EVENTS + 1)).encode(), "must have 1 to 1000"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_a_reason(client, body, words):
    reply = post(client, body)

    assert reply.response.status in {400, 404}
    assert words in answer(reply)["error"]["message"]
    assert reply.events == ()


def test_as_many_goals_as_allowed_are_taken(client):
    assert len(post(client, [GOAL] * MAX_EVENTS).events) == MAX_EVENTS


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("u=c", "'event'"),
        ("ev=purchase&ev=purchase", "given twice"),
        ("ev=purchase&tags=x", "Parameter 'tags': bad tags at position 0: no colon after the key"),
        ("ev=purchase&tags={", "Parameter 'tags': it is not JSON"),
        ("ev=purchase&a=x", "position 0"),
    ],
)
def test_a_bad_query_is_refused_with_a_reason(client, query, words):
    reply = client.ask(path="/track", query=query)

    assert reply.response.status == 400
    assert words in answer(reply)["error"]["message"]


def test_nobody_can_be_tracked_whose_name_and_address_are_unknown():
    reply = Client(ip="").ask(path="/track", query="ev=purchase")

    assert reply.response.status == 400
    assert "'user'" in answer(reply)["error"]["message"]


def test_without_a_datafile_the_caller_is_asked_to_come_again():
    reply = Client(None).ask(path="/track", query="ev=purchase&u=c")

    assert reply.response.status == 503
    assert ("Retry-After", "5") in reply.response.headers


def test_other_methods_are_told_which_are_allowed(client):
    reply = client.ask("ev=purchase", path="/track", method="HEAD")

    assert reply.response.status == 405
    assert ("Allow", "GET, POST, OPTIONS") in reply.response.headers
    assert reply.events == ()


# Names of the caller's, times of the caller's


def asked(client, body, key="", query="", method="POST", now=NOW):
    headers = {"idempotency-key": key} if key else {}
    raw = json.dumps(body).encode() if method == "POST" else b""
    request = Request(method, "/track", query, headers, raw, "203.0.113.7", "r")
    return client.handler.handle(request, now, lambda: str(uuid4()))


def uuids(reply):
    assert reply.response.status == 200, reply.response.body
    return [event.uuid for event in reply.events]


@pytest.mark.parametrize("how", ["header", "body", "query"])
def test_a_retry_by_the_callers_own_name_is_the_same_event(client, how):
    """By a new worker, a day later, with other attributes: it counts once."""

    def told(client, now):
        goal = {"event": "purchase", "user": "ben", "attributes": {"x": now}}
        if how == "header":
            return asked(client, goal, key="order-17", now=now)
        if how == "body":
            return asked(client, {**goal, "id": "order-17"}, now=now)
        return asked(client, None, query="ev=purchase&u=ben&id=order-17", method="GET", now=now)

    [first], [second] = uuids(told(client, NOW)), uuids(told(Client(), NOW + 86_400))

    assert first == second
    assert UUID(first).version == 5


def test_header_body_and_query_give_one_name(client):
    goal = {"event": "purchase", "user": "ben"}
    found = {
        *uuids(asked(client, goal, key="17")),
        *uuids(asked(client, {**goal, "id": "17"})),
        *uuids(asked(client, {**goal, "id": 17}, key="17")),
        *uuids(asked(client, None, query="ev=purchase&u=ben&id=17", method="GET")),
    }

    assert len(found) == 1


def test_one_name_for_two_users_two_goals_or_two_requests_is_two_events(client):
    goal = {"event": "purchase", "user": "ben", "id": "17"}
    goals = [goal, {**goal, "user": "eve"}, {**goal, "event": "add_to_cart"}, {**goal, "id": "18"}]
    found = [each for one in goals for each in uuids(asked(client, one))]

    assert len(set(found)) == len(found)


def test_names_of_a_list_are_told_apart_by_their_place(client):
    goal = {"event": "purchase", "user": "ben"}
    first, again = (uuids(asked(client, [goal, goal, {**goal, "id": "x"}], key="k")) for _ in "ab")

    assert first == again
    assert len(set(first)) == 3
    assert first[2] == uuids(asked(client, {**goal, "id": "x"}))[0]


@pytest.mark.parametrize("id_", ["k 2", "k2", "k\n2", '["k", "2"]'])
def test_no_id_is_taken_for_a_place_in_a_list(client, id_):
    """Two purchases of one user that come with one uuid count as one."""
    goal = {"event": "purchase", "user": "ben"}
    found = uuids(asked(client, [{**goal, "id": id_}, goal], key="k"))

    assert len(set(found)) == 2


def test_without_a_name_each_event_is_another(client):
    goal = {"event": "purchase", "user": "ben"}

    assert uuids(asked(client, goal)) != uuids(asked(client, goal))
    assert uuids(asked(client, {**goal, "id": ""})) != uuids(asked(client, {**goal, "id": None}))


@pytest.mark.parametrize(
    ("body", "key", "said"),
    [
        ({"user": "ben", "id": "a"}, "b", "differ"),
        ({"user": "ben", "id": "a" * 257}, "", "'id' has over 256 characters"),
        ({"user": "ben"}, "a" * 257, "'Idempotency-Key' has over 256 characters"),
        ({"user": "ben", "id": True}, "", "'id' must be a string or an integer"),
        ({"user": "ben", "id": ["a"]}, "", "'id' must be a string or an integer"),
        ({"id": "ben"}, "", "name its user"),
        ({"user": "", "id": "ben"}, "", "name its user"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(client, body, key, said):
    reply = asked(client, {"event": "purchase", **body}, key=key)

    assert (400, ()) == (reply.response.status, reply.events)
    assert said in answer(reply)["error"]["message"]


@pytest.mark.parametrize("id_", ["a" * 256, "\u00e9\n", "\ud800", "0"])
def test_a_name_may_be_any_short_text(client, id_):
    assert UUID(uuids(asked(client, {"event": "purchase", "user": "b", "id": id_}))[0])


NOW_MS = round(NOW * 1000)
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("timestamp", "taken"),
    [
        (NOW_MS - 5_000, NOW_MS - 5_000),
        (str(NOW_MS - 5_000), NOW_MS - 5_000),
        (NOW_MS - 7 * DAY_MS, NOW_MS - 7 * DAY_MS),
        (NOW_MS + 600_000, NOW_MS + 600_000),
        ("2018-04-09T17:06:02.5Z", 1_523_293_562_500),
        ("2018-04-09T19:06:02+02:00", 1_523_293_562_000),
        (None, NOW_MS),
        ("", NOW_MS),
    ],
)
def test_a_timestamp_within_the_window_is_the_events(client, timestamp, taken):
    [event] = asked(client, {"event": "purchase", "user": "b", "timestamp": timestamp}).events

    assert event.timestamp_ms == taken
    assert f'"timestamp": {taken}' in visitor_json(event)


@pytest.mark.parametrize(
    ("timestamp", "said"),
    [
        (NOW_MS - 7 * DAY_MS - 1, "at most 7 days ago"),
        (NOW_MS + 600_001, "10 minutes ahead"),
        (round(NOW), "look like seconds"),
        (0, "at most 7 days ago"),
        (-1, "at most 7 days ago"),
        (10**300, "must be milliseconds"),
        (NOW, "must be a string or an integer"),
        (True, "must be a string or an integer"),
        ({}, "must be a string or an integer"),
        ("2018-04-09T17:06:02", "with a zone"),
        ("2018-04-09", "with a zone"),
        ("yesterday", "must be milliseconds"),
        ("1e12", "must be milliseconds"),
        ("9999-12-31T23:59:59-23:59", "at most 7 days ago"),
        ("0001-01-01T00:00:00+23:59", "m"),
        ("\u0661\u0662", "must be milliseconds"),
        ("1" * 100_000, "must be milliseconds"),
    ],
)
def test_any_other_timestamp_is_refused(client, timestamp, said):
    reply = asked(client, {"event": "purchase", "user": "b", "timestamp": timestamp})

    assert (400, ()) == (reply.response.status, reply.events)
    assert said in answer(reply)["error"]["message"]
    assert "timestamp" in answer(reply)["error"]["message"]


def test_a_timestamp_in_a_query_counts_too(client):
    query = f"ev=purchase&u=b&timestamp={NOW_MS - 1}"

    assert client.ask(query, path="/track").events[0].timestamp_ms == NOW_MS - 1


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"revenue": 42.5}, ["tags.revenue is 42.5, which is not an integer"]),
        ({"revenue": 42.0}, ["tags.revenue is 42.0"]),
        ({"revenue": "4200"}, ['tags.revenue is "4200"']),
        ({"revenue": True}, ["tags.revenue is true"]),
        ({"revenue": {"x": 1}}, ["tags.revenue is an object"]),
        ({"revenue": "9" * 50_000}, ["tags.revenue is a text of 50000 characters"]),
        ({"value": "much"}, ['tags.value is "much", which is not a number']),
        ({"value": True}, ["tags.value is true"]),
        ({"revenue": 1.5, "value": []}, ["tags.revenue is 1.5", "tags.value is an array"]),
        ({"Revenue": 4200}, ["tags.Revenue is not counted as revenue"]),
        ({"VALUE": 1, "revenue": 2}, ["tags.VALUE is not counted as value"]),
        ({"revenue": 4200, "value": 9.5}, []),
        ({"revenue": 0, "value": "9.5"}, []),
        ({"revenue": None, "value": None}, []),
        ({}, []),
    ],
)
def test_revenue_and_value_that_do_not_count_are_told(client, tags, said):
    """They are sent as tags all the same."""
    alone = answer(post(client, {"event": "purchase", "user": "b", "tags": tags}))
    listed = answer(post(client, [{"event": "purchase", "user": "b", "tags": tags}]))
    warnings = alone.get("warnings", [])

    assert listed == {"events": [alone]}
    assert len(warnings) == len(said)
    assert all(wanted in found for wanted, found in zip(said, warnings, strict=True))
    assert ("warnings" in alone) is bool(said)


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({"revenue": 4200}, ["'revenue' stands beside 'tags'"]),
        ({"revenue": 4200, "value": 1}, ["'revenue' stands", "'value' stands"]),
        ({"revenue": None, "page": "/x"}, []),
    ],
)
def test_revenue_and_value_beside_the_tags_are_told(client, beside, said):
    """They are no parameters, and are sent nowhere."""
    goal = {"event": "purchase", "user": "b", **beside}
    query = "&".join(f"{name}={value}" for name, value in goal.items() if value is not None)
    alone = answer(post(client, goal))
    warnings = alone.get("warnings", [])

    assert answer(post(client, [goal])) == {"events": [alone]}
    assert answer(client.ask(query, path="/track")) == alone
    assert len(warnings) == len(said)
    assert all(wanted in found for wanted, found in zip(said, warnings, strict=True))


def test_a_plus_that_a_query_takes_for_a_blank_is_told(client):
    query = "ev=purchase&u=b&timestamp=2018-04-09T19:06:02+02:00"

    assert "%2B" in answer(client.ask(query, path="/track"))["error"]["message"]
    assert client.ask(query.replace("+", "%2B"), path="/track").response.status == 200
