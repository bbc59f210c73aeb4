"""Either naming scheme on either route, and nobody is taken for somebody else."""

import json
from urllib.parse import urlencode

import pytest
from tests.fakes.editions import Client

from bucketer.core.events import visitor_json

ADDRESS = "203.0.113.7"
#: How one caller names experiment or event, user and attributes, by route.
EXPERIMENTS = ("e", "experiment")
EVENTS = ("ev", "event")
USERS = ("u", "user", "userId", "user_id")
ATTRIBUTES = ("a", "attributes")
PLATINUM = {"tier": "platinum", "member_since_days": 56}


@pytest.fixture
def client():
    return Client()


def answer(reply):
    return json.loads(reply.response.body)


@pytest.mark.parametrize("attributes", ATTRIBUTES)
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_decision_is_asked_for_by_either_name(client, experiment, user, attributes):
    key = "checkout_flow_experiment"
    query = urlencode({experiment: key, user: "cooper34523569", attributes: json.dumps(PLATINUM)})
    posted = client.post(**{experiment: key, user: "cooper34523569", attributes: PLATINUM})

    for reply in (client.ask(query), posted):
        assert answer(reply)["variation"] == "one_step_checkout"
        assert answer(reply)["user"] == "cooper34523569"


@pytest.mark.parametrize("flag", ["f", "flag"])
def test_a_flag_is_asked_for_by_either_name(client, flag):
    assert answer(client.ask(f"{flag}=search&u=x")) == answer(
        client.post(**{flag: "search", "u": "x"})
    )


@pytest.mark.parametrize("attributes", ATTRIBUTES)
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("event", EVENTS)
def test_a_goal_is_told_by_either_name(client, event, user, attributes):
    goal = {event: "purchase", user: "ben", attributes: {"tier": "gold"}}
    query = urlencode({**goal, attributes: "tier:gold"})
    replies = [
        client.ask(query, path="/track"),
        client.ask(path="/track", method="POST", body=goal),
        client.ask(path="/track", method="POST", body=[goal]),
    ]

    for reply in replies:
        [visitor] = [json.loads(visitor_json(event)) for event in reply.events]
        assert visitor["visitor_id"] == "ben"
        assert visitor["attributes"][0]["value"] == "gold"


def both(client, body):
    """What either route says to *body*, which names a user in some way."""
    return [
        client.ask(method="POST", body={"e": "checkout_flow_experiment", **body}),
        client.ask(path="/track", method="POST", body={"ev": "purchase", **body}),
        client.ask(path="/track", method="POST", body=[{"event": "purchase", **body}]),
    ]


@pytest.mark.parametrize(
    "body",
    [
        *({name: "ben"} for name in ("userid", "USERID", "UserId", "user-id", "user.id", "uid")),
        *({name: "ben"} for name in ("U", "User", "userID", "visitorId", "visitor", "customer")),
        *({name: "ben"} for name in ("login", "who", "", "u ", "\u00fcser", "x" * 5_000)),
        {"visitor": {"id": "ben"}},
        {"visitorId": None},
        {"u": None, "uid": "ben"},
        {"u": "", "userid": "ben"},
        *({name: {"id": "ben"}} for name in USERS),
        *({name: ["ben"]} for name in USERS),
        {"u": True},
        {"u": False},
        {"u": 1.5},
        {"u": 5.0},
        {"user": []},
        {"userId": {}},
        {"u": "ben", "userid": "eve"},
        {"u": "ben", "User-ID": "eve"},
    ],
    ids=lambda body: json.dumps(body)[:40],
)
def test_a_user_named_in_a_way_that_is_not_understood_is_refused(client, body):
    for reply in both(client, body):
        assert reply.response.status == 400
        assert reply.events == ()
        assert answer(reply).get("user") != ADDRESS


@pytest.mark.parametrize("body", [{}, {"u": ""}, {"user": None}, {"userId": None, "u": ""}])
def test_a_user_who_is_not_named_is_the_address(client, body):
    for reply in both(client, body):
        assert reply.response.status == 200
        assert ADDRESS in reply.response.body.decode()


@pytest.mark.parametrize(
    ("given", "user"),
    [(5, "5"), (0, "0"), (-7, "-7"), (2**63, str(2**63)), (10**300, str(10**300))],
)
def test_an_integer_is_taken_by_its_decimal_text(client, given, user):
    for reply in both(client, {"userId": given}):
        assert reply.response.status == 200
        found = answer(reply)
        assert found.get("events", [found])[0]["user"] == user


@pytest.mark.parametrize(
    "query",
    [
        *("userid=ben", "USERID=ben", "user-id=ben", "user%2Did=ben", "user[id]=ben", "uid=ben"),
        *("visitorId=ben", "visitor_id=ben", "U=ben", "customerId=ben", "u=&uid=ben"),
    ],
)
def test_so_it_is_in_a_query(client, query):
    for reply in (
        client.ask(f"e=checkout_flow_experiment&{query}"),
        client.ask(f"ev=purchase&{query}", path="/track"),
        client.ask(query, method="POST", body={"e": "checkout_flow_experiment"}),
        client.ask(query, path="/track", method="POST", body={"event": "purchase"}),
    ):
        assert reply.response.status == 400
        assert "user" not in answer(reply)
        assert reply.events == ()


def test_other_names_in_a_query_are_nobodys_business(client):
    query = "e=checkout_flow_experiment&utm_source=mail&_=1&userAgent=x&%FF=1"

    assert answer(client.ask(query))["user"] == ADDRESS


def test_names_of_the_other_route_name_nobody(client):
    body = {"e": "checkout_flow_experiment", "revision": "22", "tags": {}, "timestamp": 1}

    assert answer(client.ask(method="POST", body=body))["user"] == ADDRESS
    assert client.ask(method="POST", body={**body, "id": "ben"}).response.status == 400
    assert client.ask("e=checkout_flow_experiment&id=ben").response.status == 400
    assert client.ask("e=checkout_flow_experiment&id=5&u=ben").response.status == 200


def test_other_names_in_a_body_are_ignored_where_the_user_is_named(client):
    for reply in both(client, {"u": "ben", "page": "/x", "customer": "c"}):
        assert reply.response.status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"u": "ben", "user": "ben", "userId": "ben"}, 200),
        ({"u": 5, "user": "5"}, 200),
        ({"u": "ben", "user": None}, 200),
        ({"u": "ben", "user": "eve"}, 400),
        ({"u": "ben", "a": {"x": 1, "y": 2}, "attributes": {"y": 2, "x": 1}}, 200),
        ({"u": "ben", "a": {"x": 1}, "attributes": {"x": True}}, 400),
        ({"u": "ben", "a": {"x": 1}, "attributes": {"x": 1.0}}, 400),
    ],
)
def test_two_names_for_one_thing_must_say_the_same(client, body, status):
    for reply in both(client, body):
        assert reply.response.status == status


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("u=ben", 200),
        ("userId=ben", 200),
        ("user=eve", 400),
        ("a=tier:gold", 400),
        ("tags=x:1", 200),
    ],
)
def test_the_query_beside_a_body_counts_on_either_route(client, query, status):
    body = {"u": "ben", "a": {"tier": "silver"}}

    assert (
        client.ask(
            query, method="POST", body={"e": "checkout_flow_experiment", **body}
        ).response.status
        == status
    )
    assert (
        client.ask(
            query, path="/track", method="POST", body={"ev": "purchase", **body}
        ).response.status
        == status
    )


def test_a_user_in_the_query_beside_a_body_is_the_user(client):
    for path, body in (
        ("/bucketer", {"e": "checkout_flow_experiment"}),
        ("/track", {"ev": "purchase"}),
    ):
        assert (
            answer(client.ask("user_id=ben", path=path, method="POST", body=body))["user"] == "ben"
        )


def test_beside_a_list_the_query_names_nothing(client):
    reply = client.ask("u=ben", path="/track", method="POST", body=[{"event": "purchase"}])

    assert (400, ()) == (reply.response.status, reply.events)


@pytest.mark.parametrize("word", ["True", "TRUE", "On", "YES", "1", True, 1])
def test_switches_are_on_in_any_case(client, word):
    body = {"e": "checkout_flow_experiment", "u": "x", "debug": word}

    assert "debug" in answer(client.ask(f"e=checkout_flow_experiment&u=x&debug={word}"))
    assert "debug" in answer(client.post(**body))
    assert "debug" in answer(
        client.ask(f"debug={word}", method="POST", body=body | {"debug": True})
    )


@pytest.mark.parametrize("word", ["False", "FALSE", "Off", "NO", "0", False, 0])
def test_switches_are_off_in_any_case(client, word):
    query = f"e=checkout_flow_experiment&u=cooper34523569&a=tier:platinum,member_since_days:56&track={word}"

    assert client.ask(query).events == ()
    assert (
        client.post(e="checkout_flow_experiment", u="cooper34523569", a=PLATINUM, track=word).events
        == ()
    )


@pytest.mark.parametrize("path", ["/bucketer", "/track"])
@pytest.mark.parametrize(
    ("user", "status"),
    [
        ("userId=ben", 200),
        ("user_id=ben&u=ben", 200),
        ("userid=ben", 400),
        ("who=ben", 400),
        ("u=ben&user=eve", 400),
    ],
)
def test_a_form_names_its_user_as_json_does(client, path, user, status):
    body = f"e=checkout_flow_experiment&event=purchase&{user}".encode()

    reply = client.ask(path=path, method="POST", body=body)

    assert reply.response.status == status
    assert answer(reply).get("user") in ({"ben"} if status == 200 else {"ben", None})
