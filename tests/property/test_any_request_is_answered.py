"""Law: any query, any body, any path gives a documented answer, and never a 500."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.editions import Client

CLIENT = Client()
NO_DATAFILE = Client(edition=None)
#: What docs/http-api.md lists for each status.
DOCUMENTED = {
    200: {None},
    204: {None},
    400: {"invalid_request"},
    404: {"not_found", "unknown_event", "unknown_experiment", "unknown_flag"},
    405: {"method_not_allowed"},
    413: {"too_large"},
    414: {"too_large"},
    503: {"no_datafile"},
}

#: Text that is nearly right reaches further than noise does.
PIECES = st.sampled_from(
    [
        *(
            "e=",
            "f=",
            "u=",
            "a=",
            "debug=",
            "track=",
            "user=",
            "userId=",
            "uid=",
            "tags=",
            "id=",
            "timestamp=",
            "&",
            "=",
            "+",
            "%",
            "%2",
            "%22",
            "%FF",
            "%00",
        ),
        *("checkout_flow_experiment", "checkout_flow", "search", "tier", "member_since_days"),
        *(
            '"',
            "\\",
            "\\u",
            "\\ud800",
            "\\n",
            ":",
            ",",
            "{",
            "}",
            "[",
            "]",
            " ",
            "\t",
            "1",
            "-",
            ".",
        ),
        *("e9", "1e999", "9" * 400, "true", "null", "NaN", "$opt_bucketing_id", "on", "off", "é"),
        *("\udcff", "\ud800", "\0", "😀", "#", ";", "//"),
        *('k:"\\ud800"', "k:1e999", 'k:"\\q"', 'k:"x"y', "k:[", '{"k":1}', '{"k":'),
    ]
)
QUERY = st.lists(PIECES | st.text(max_size=3), max_size=25).map("".join)
VALID_START = st.sampled_from(
    [
        "",
        "e=checkout_flow_experiment&",
        "f=search&u=x&",
        "e=checkout_flow_experiment&u=x&a=",
        "f=search&debug=1&a=",
        "ev=purchase&u=x&",
        "ev=purchase&tags=",
    ]
)
METHODS = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "PUT", "get", ""])
PATHS = st.sampled_from(
    ["/bucketer"] * 4
    + ["/track", "/track"]
    + ["/prod/bucketer/", "/health", "/", "", "/\udcff", "//"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
LEAVES |= st.sampled_from(["\ud800", 10**400, "checkout_flow_experiment", "search"])
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)
NAMES = ["e", "f", "u", "a", "debug", "track", "x", "", "experiment", "flag", "user", "userId"]
PARAMETERS = st.dictionaries(
    st.sampled_from([*NAMES, "user_id", "attributes", "uid", "User"]), JSON, max_size=6
)
GOALS = st.dictionaries(
    st.sampled_from(["ev", "event", *NAMES, "attributes", "tags", "id", "timestamp"]),
    JSON,
    max_size=6,
).map(lambda rest: {**rest, "event": "purchase"})
EXPERIMENT = st.just({"e": "checkout_flow_experiment", "u": "x"})
OBJECTS = PARAMETERS | st.builds(lambda right, rest: {**rest, **right}, EXPERIMENT, PARAMETERS)
ATTRIBUTES = st.dictionaries(
    st.text(max_size=3) | st.sampled_from(["tier", "\ud800"]), JSON, max_size=4
)
OBJECTS |= st.builds(lambda right, a: {**right, "a": a}, EXPERIMENT, ATTRIBUTES)


def check(reply, method):
    """Hold *reply* against what is documented; return its body, parsed."""
    response = reply.response
    assert reply.failure is None
    assert response.status in DOCUMENTED
    if method == "HEAD" or response.status == 204:
        assert response.body == b""
        assert reply.events == ()
        return None
    body = json.loads(response.body, parse_constant=_not_json)
    code = body.get("error", {}).get("code")
    assert code in DOCUMENTED[response.status]
    if code is not None:
        assert reply.events == ()
        response.body.decode("ascii")
    return body


def _not_json(constant):
    raise AssertionError(constant)


@settings(max_examples=500)
@given(VALID_START, QUERY, METHODS, PATHS)
def test_any_query_gives_a_documented_answer(start, rest, method, path):
    """Whatever stands in the URL."""
    for client in (CLIENT, NO_DATAFILE):
        check(client.ask(start + rest, method=method, path=path), method)


ITEMS = st.sampled_from(
    [
        *('k:"\\ud800"', "k:1e999", "k:" + "9" * 5_000, 'k:"\\q"', '"\\udfff":1', 'k:"x"', "k:1.0"),
        *(
            '"k":null',
            "k:NaN",
            ' k : "x,y" ',
            "k",
            ":1",
            'k:"',
            "k:[",
            '{"k":1',
            "}",
            "",
            "$opt_bucketing_id:1",
        ),
    ]
)


@settings(max_examples=500)
@given(st.lists(ITEMS | QUERY, min_size=1, max_size=3).map(",".join))
def test_any_attributes_give_a_documented_answer(text):
    """And are shown in debug as JSON."""
    query = "e=checkout_flow_experiment&u=x&debug=1&a=" + text

    check(CLIENT.ask(query), "GET")


@settings(max_examples=300)
@given(OBJECTS)
def test_any_json_object_gives_a_documented_answer(parameters):
    """Whatever its values are."""
    body = json.dumps(parameters).encode()

    check(CLIENT.ask(method="POST", body=body), "POST")


@settings(max_examples=300)
@given(GOALS | st.lists(GOALS, max_size=3))
def test_any_goals_give_a_documented_answer(goals):
    """Alone or in a list, whatever is told of them."""
    check(CLIENT.ask(path="/track", method="POST", body=json.dumps(goals).encode()), "POST")


@settings(max_examples=500)
@given(st.binary(max_size=60) | QUERY.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_as_a_body_give_a_documented_answer(body):
    """Be they JSON or not."""
    check(CLIENT.ask(method="POST", body=body), "POST")


@settings(max_examples=500)
@given(st.text(min_size=1))
def test_any_user_id_comes_back_as_it_was_sent(user):
    """By URL and by body; text with a lone surrogate in it can't be sent at all."""
    from urllib.parse import quote

    query = "e=checkout_flow_experiment&u=" + quote(user, errors="surrogatepass")
    by_url = CLIENT.ask(query)
    by_body = CLIENT.post(e="checkout_flow_experiment", u=user)

    if any("\ud800" <= character <= "\udfff" for character in user):
        assert by_url.response.status == by_body.response.status == 400
    else:
        assert json.loads(by_url.response.body)["user"] == user
        assert by_url.response.body == by_body.response.body
