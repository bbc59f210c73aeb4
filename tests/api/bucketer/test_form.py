"""What `sendBeacon`, forms and `curl -d` send: the same parameters, in other clothes."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from tests.fakes.editions import Client

from bucketer.api.bucketer.form import MAX_BYTES, MAX_FIELDS
from bucketer.core.events import visitor_json

FORM = "application/x-www-form-urlencoded"
PURCHASE = {"event": "purchase", "user": "ben", "attributes": {"country": "DE"}, "tags": {"revenue": 42}}  # fmt: skip
DECISION = {
    "e": "checkout_flow_experiment",
    "u": "zo\u00eb",
    "a": {"tier": "platinum", "member_since_days": 56},
}


def post(path, body, content_type=None, query=""):
    headers = {} if content_type is None else {"content-type": content_type}
    body = body if isinstance(body, bytes) else body.encode()
    reply = Client().ask(query, path=path, method="POST", body=body, headers=headers)
    return reply.response.status, json.loads(reply.response.body), reply.events


@pytest.mark.parametrize("told", [PURCHASE, [PURCHASE, PURCHASE]])
@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain;charset=UTF-8", "application/json", FORM, "text/plain", "x/y"],
)
def test_json_is_json_whatever_it_is_said_to_be(told, content_type):
    """A beacon with a string says text/plain, `curl -d` that it is a form."""
    for body in (json.dumps(told), f" \r\n\t{json.dumps(told)}"):
        status, answer, events = post("/track", body, content_type)

        assert status == 200, answer
        assert len(events) == len(told if isinstance(told, list) else [told])


@pytest.mark.parametrize(
    "content_type", [FORM, f"{FORM};charset=UTF-8", FORM.upper(), None, "text/plain;charset=UTF-8"]
)
@pytest.mark.parametrize(
    "fields",
    [
        {"ev": "purchase", "u": "ben", "a": "country:DE", "tags": '{"revenue": 42}'},
        {"event": "purchase", "userId": "ben", "attributes": '{"country": "DE"}', "tags": "revenue:42"},
    ],
)  # fmt: skip
def test_a_form_tracks_what_the_same_json_does(fields, content_type):
    status, answer, [event] = post("/track", urlencode(fields), content_type)
    _, same, [other] = post("/track", json.dumps(PURCHASE))

    assert (status, answer) == (200, same)
    assert visitor_json(event) == visitor_json(other)


@pytest.mark.parametrize("content_type", [FORM, None, "text/plain"])
def test_a_form_decides_what_the_same_json_does(content_type):
    form = urlencode({**DECISION, "a": "tier:platinum,member_since_days:56"})

    status, answer, events = post("/bucketer", form, content_type)
    _, same, others = post("/bucketer", json.dumps(DECISION))

    assert (status, answer) == (200, same)
    assert len(events) == len(others) == 1


def test_a_form_may_hold_switches_and_the_query_may_add_to_it():
    status, answer, events = post("/bucketer", "u=ben&debug=true&track=OFF", FORM, "e=checkout_flow_experiment")  # fmt: skip

    assert status == 200
    assert "debug" in answer
    assert events == ()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("ev=purchase&ev=purchase&u=x", "'ev' is given twice"),
        ("ev=purchase&u=x&%75=y", "'u' is given twice"),
        ("ev=purchase&visitor=x", "'visitor' isn't known"),
        ("ev=purchase&u=%FF", "not valid UTF-8"),
        ("ev=purchase&u=x&a=tier", "no colon after the key"),
        ("ev=purchase&u=x&tags={", "Parameter 'tags': it is not JSON"),
        ("u=x", "'event'"),
    ],
)
def test_a_bad_form_is_refused_with_a_reason(body, says):
    status, answer, events = post("/track", body, FORM)

    assert status == 400
    assert says in answer["error"]["message"]
    assert events == ()


def test_the_error_of_a_form_carries_what_was_understood():
    _, answer, _ = post("/bucketer", "e=chekout&u=ben", FORM)
    del answer["error"]

    assert answer == {"variation": None, "user": "ben", "experiment": "chekout"}


@pytest.mark.parametrize(
    ("body", "content_type", "says"),
    [
        (b"ev=purchase&u=x", "application/json", "say that it is one"),
        (b"------WebKitFormBoundary\r\n", "multipart/form-data; boundary=x", "multipart/form-data"),
        (b"purchase", "text/plain", "not JSON"),
        (b"purchase", FORM, "neither a JSON object nor a form"),
        (b'"purchase"', FORM, "neither a JSON object nor a form"),
        (b"a&b", FORM, "neither a JSON object nor a form"),
        (b"", FORM, "empty"),
        (b'"ev=purchase"', "text/plain", "must be a JSON object"),
    ],
)
def test_what_is_neither_json_nor_a_form_is_called_by_its_name(body, content_type, says):
    status, answer, _ = post("/track", body, content_type)

    assert status == 400
    assert says in answer["error"]["message"]


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 400)])
def test_a_form_has_as_many_bytes_as_a_beacon_and_no_more(more, status):
    """Percent signs cost more to read than to send."""
    body = "ev=purchase&u=x&pad="
    body += "%" * (MAX_BYTES - len(body) + more)

    assert post("/track", body, FORM)[0] == status


@pytest.mark.parametrize(("fields", "status"), [(MAX_FIELDS, 200), (MAX_FIELDS + 1, 400)])
def test_a_form_has_a_bounded_number_of_fields(fields, status):
    body = "&".join(["ev=purchase", "u=x", *(f"f{each}=" for each in range(fields - 2))])

    assert post("/track", body, FORM)[0] == status


@pytest.mark.parametrize(
    "content_type", [None, "text/plain;charset=UTF-8", FORM, "application/json"]
)
@pytest.mark.parametrize("path", ["/bucketer", "/track"])
def test_a_post_without_a_body_says_what_its_query_says(path, content_type):
    """`sendBeacon` with an address alone, or `curl -X POST`. A lost body is nobody's address."""
    names = "e=checkout_flow_experiment&u=ben" if path == "/bucketer" else "ev=purchase&u=ben"

    assert post(path, b"", content_type, names)[:2] == post(path, b"{}", None, names)[:2]
    assert post(path, b"", content_type, names)[0] == 200
    assert post(path, b"", content_type, names.replace("&u=", "&userid="))[0] == 400
    for query in ("", names.replace("&u=ben", ""), names.replace("=ben", "=")):
        assert "empty" in post(path, b"", content_type, query)[1]["error"]["message"]
