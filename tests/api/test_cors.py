"""What pages of other origins are told: any of them, one, several, none."""

from __future__ import annotations

import pytest
from tests.fakes.editions import Client

from bucketer import wiring
from bucketer.settings import read_settings

QUERY = "e=checkout_flow_experiment&u=x"
SHOP, CHECKOUT, STRANGER = (
    "https://shop.example",
    "https://checkout.example",
    "https://evil.example",
)
ONE, TWO = SHOP, f"{SHOP}, {CHECKOUT}"
#: One of each kind of answer: decided, refused by a route, by none, by method, by size, health.
ASKED = [
    {"query": QUERY},
    {"query": "e=no"},
    {"path": "/nothing"},
    {"method": "PUT"},
    {"query": "x" * 9_000},
    {"path": "/health"},
    {"path": "/"},
    {"path": "/track", "method": "POST", "body": {"event": "purchase", "user": "x"}},
    {"method": "HEAD", "query": QUERY},
]


def client_of(origins, **environ):
    environ |= {"BUCKETER_CORS_ORIGIN": origins} if origins else {}
    return Client(options=wiring.api_options(read_settings(environ)))


def told(client, origin="", **asked):
    headers = client.ask(headers={"origin": origin} if origin else None, **asked).response.headers
    names = [name for name, _ in headers]

    assert len(set(names)) == len(names), "a header is there twice"

    return {
        name.removeprefix("Access-Control-"): value
        for name, value in headers
        if name.startswith("Access-Control-") or name == "Vary"
    }


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("origin", ["", SHOP, STRANGER, "null"])
def test_by_default_any_page_may_read_every_answer_and_none_that_came_with_cookies(asked, origin):
    assert told(client_of(""), origin, **asked) == {
        "Allow-Origin": "*",
        "Expose-Headers": "X-Request-Id, ETag, Retry-After",
    }


def test_by_default_all_usual_answers_share_their_headers():
    client = client_of("")
    usual = [client.ask(QUERY, headers={"origin": each}).response for each in (SHOP, STRANGER)]

    assert usual[0].headers is usual[1].headers is client.handler.json_headers


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("origin", ["", SHOP, STRANGER])
def test_one_named_origin_is_told_to_everybody_and_may_send_cookies(asked, origin):
    """Browsers compare; caches need no more than one answer, and yet must not mix it up."""
    assert told(client_of(ONE), origin, **asked) == {
        "Allow-Origin": SHOP,
        "Allow-Credentials": "true",
        "Expose-Headers": "X-Request-Id, ETag, Retry-After",
        "Vary": "Origin",
    }


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("origin", [SHOP, CHECKOUT])
def test_each_of_several_origins_is_told_itself(asked, origin):
    assert told(client_of(TWO), origin, **asked) == {
        "Allow-Origin": origin,
        "Allow-Credentials": "true",
        "Expose-Headers": "X-Request-Id, ETag, Retry-After",
        "Vary": "Origin",
    }


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(
    "origin",
    ["", STRANGER, "null", "https://shop.example.evil.example", "http://shop.example", TWO, "*"],
)
def test_of_several_origins_nobody_else_is_told_any(asked, origin):
    assert told(client_of(TWO), origin, **asked) == {"Vary": "Origin"}


def test_usual_answers_to_one_origin_share_their_headers():
    client = client_of(TWO)

    one, other = (client.ask(QUERY, headers={"origin": SHOP}).response.headers for _ in range(2))

    assert one is other
    assert one is client.handler.headers_for({"origin": SHOP})


@pytest.mark.parametrize("asked", [*ASKED, {"method": "OPTIONS"}])
def test_off_tells_nobody_anything(asked):
    assert told(client_of("off"), SHOP, **asked) == {}


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://Shop.Example", SHOP),
        ("https://shop.example:443 http://a.example:80", "http://a.example"),
        ("http://a.example:443 http://b.example", "http://a.example:443"),
        (f"{SHOP} {SHOP}", SHOP),
    ],
)
def test_an_origin_is_told_as_browsers_write_it(written, origin):
    assert told(client_of(written), origin, query=QUERY)["Allow-Origin"] == origin


# Preflights


def preflight(client, origin="", method="POST", path="/track"):
    headers = {"access-control-request-method": method} | ({"origin": origin} if origin else {})
    response = client.ask(method="OPTIONS", path=path, headers=headers).response

    assert response.status == 204
    assert response.body == b""

    names = dict(response.headers)
    assert len(names) == len(response.headers)
    return {name.removeprefix("Access-Control-"): value for name, value in names.items()}


@pytest.mark.parametrize("path", ["/track", "/bucketer"])
def test_by_default_any_page_may_post_a_beacon_though_those_bring_cookies(path):
    """A Blob of JSON needs a preflight, in which `*` would forbid cookies."""
    said = preflight(client_of(""), STRANGER, path=path)

    assert said["Allow-Origin"] == STRANGER
    assert said["Allow-Credentials"] == "true"
    assert said["Vary"] == "Origin"
    assert "POST" in said["Allow-Methods"]


@pytest.mark.parametrize(
    ("origin", "method"), [("", "POST"), (STRANGER, "GET"), ("a b", "POST"), ("é", "POST"), ("x" * 256, "POST")]
)  # fmt: skip
def test_what_is_no_page_that_posts_is_told_what_everybody_is(origin, method):
    said = preflight(client_of(""), origin, method)

    assert said["Allow-Origin"] == "*"
    assert "Allow-Credentials" not in said


DEFAULT = (
    "Content-Type, X-Request-Id, Idempotency-Key, Authorization, X-API-Key, X-Optimizely-SDK-Key, "
    "X-Requested-With, Cache-Control, If-None-Match, traceparent, tracestate, baggage, sentry-trace"
)


@pytest.mark.parametrize("origins", ["", ONE, TWO])
@pytest.mark.parametrize(("setting", "allowed"), [("", DEFAULT), ("X-Mine,  x-yours", "X-Mine, x-yours")])  # fmt: skip
def test_headers_that_tracing_adds_are_allowed_and_others_by_a_setting(origins, setting, allowed):
    said = preflight(client_of(origins, BUCKETER_CORS_HEADERS=setting), SHOP)

    assert said["Allow-Headers"] == allowed
    assert said["Max-Age"] == "86400"
    assert said["Allow-Origin"] == SHOP


@pytest.mark.parametrize("origin", ["", STRANGER])
def test_a_stranger_among_several_gets_no_leave(origin):
    assert preflight(client_of(TWO), origin).keys() == {
        "Allow", "Cache-Control", "X-Content-Type-Options", "Vary",
    }  # fmt: skip


def test_each_of_several_gets_leave_for_itself():
    said = preflight(client_of(TWO), CHECKOUT)

    assert said["Allow-Origin"] == CHECKOUT
    assert said["Allow-Credentials"] == "true"
    assert said["Vary"] == "Origin"


def test_one_named_origin_is_told_itself_whoever_asks():
    assert preflight(client_of(ONE), STRANGER)["Allow-Origin"] == SHOP


def test_options_without_a_browser_is_told_the_methods():
    assert preflight(client_of("off"), path="/health")["Allow"] == "GET, HEAD, OPTIONS"
