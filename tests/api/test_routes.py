"""What all routes have in common: methods, limits, CORS, headers, and the last resort."""

from __future__ import annotations

import json

import pytest
from tests.fakes.editions import NOW, Client

from bucketer.api.http import Request, Response, is_sane_request_id, one_value_each
from bucketer.api.options import ApiOptions
from bucketer.api.problems import STATUS, BodyTooLarge, describe, status_of
from bucketer.core import errors
from bucketer.core.errors import BucketerError

QUERY = "e=checkout_flow_experiment&u=x"


@pytest.fixture
def client():
    return Client()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "get", "", "X" * 100])
def test_other_methods_are_405_with_what_is_allowed(client, method):
    """Methods are case-sensitive."""
    reply = client.ask(QUERY, method=method)

    assert reply.response.status == 405
    assert ("Allow", "GET, HEAD, POST, OPTIONS") in reply.response.headers
    assert json.loads(reply.response.body)["error"]["code"] == "method_not_allowed"
    assert reply.events == ()


def test_each_route_has_methods_of_its_own(client):
    """Health takes no POST."""
    reply = client.ask(method="POST", path="/health")

    assert reply.response.status == 405
    assert ("Allow", "GET, HEAD, OPTIONS") in reply.response.headers


def test_options_of_an_unknown_path_is_404(client):
    """There is nothing to allow."""
    assert client.ask(method="OPTIONS", path="/x").response.status == 404


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/bucketer", QUERY),
        ("GET", "/bucketer", ""),
        ("GET", "/x", ""),
        ("PUT", "/bucketer", ""),
        ("OPTIONS", "/bucketer", ""),
        ("GET", "/health", ""),
        ("HEAD", "/bucketer", QUERY),
    ],
)
def test_no_answer_is_stored_and_each_has_its_request_id(client, method, path, query):
    """A cached decision would be somebody else's."""
    headers = dict(client.ask(query, method=method, path=path).response.all_headers())

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Request-Id"] == "request-1"


def test_answers_share_their_headers(client):
    """The server door keeps its rendering of them by identity."""
    assert client.ask(QUERY).response.headers is client.handler.json_headers


@pytest.mark.parametrize(
    ("webhook", "told"),
    [
        (None, "/bucketer, /track, /health"),
        (("", ""), "/bucketer, /track, /health"),
        (("hush", ""), "/bucketer, /track, /health, /webhooks/optimizely"),
    ],
)
def test_an_unknown_path_is_told_the_routes_that_can_be_used(webhook, told):
    """A webhook without a secret is refused, whatever it says."""
    options = ApiOptions()
    options.webhook = webhook

    error = Client(options=options).json(path="/x")["error"]

    assert f"There is nothing at '/x'. Try {told}." == error["message"]


# Paths


EVERYWHERE = ["/health", "/track", "/webhooks/optimizely", "/bucketer"]


@pytest.mark.parametrize("path", EVERYWHERE)
@pytest.mark.parametrize(
    "front", ["/x", "/..", "/.", "/", "/%2e%2e", "/prod", "/experiments/x", "/experimentsx"]
)
@pytest.mark.parametrize("prefix", ["", "/experiments", "/api/v1"])
def test_no_path_works_behind_anything_but_the_prefix_that_is_set(path, front, prefix):
    """A proxy's rules by path must not be passed by."""
    client = Client(options=options_with(prefix))

    for method in ("GET", "POST", "OPTIONS"):
        assert client.ask(QUERY, method=method, path=front + path).response.status == 404


@pytest.mark.parametrize("path", EVERYWHERE)
@pytest.mark.parametrize("slash", ["", "/"])
def test_with_a_prefix_each_path_works_behind_it_and_without(path, slash):
    client = Client(options=options_with("/api/v1"))

    bare, behind = (
        client.ask(QUERY, path=f"{front}{path}{slash}").response for front in ("", "/api/v1")
    )

    assert bare.status != 404
    assert (bare.status, bare.body.replace(path.encode(), b"")) == (
        behind.status,
        behind.body.replace(f"/api/v1{path}".encode(), b""),
    )


@pytest.mark.parametrize("path", ["/prod", "/prod/"])
def test_the_prefix_itself_is_the_index_and_with_a_query_the_decision(path):
    client = Client(options=options_with("/prod"))

    assert client.json(path=path)["service"] == "bucketer"
    assert client.json(QUERY, path=path) == client.json(QUERY)


def test_the_index_points_to_paths_that_work_behind_the_prefix():
    said = Client(options=options_with("/prod")).json(path="/prod/")

    assert said["health"] == "/prod/health"
    assert said["try"].startswith("/prod/bucketer?")


def options_with(prefix):
    options = ApiOptions()
    options.webhook = ("hush", "")
    options.path_prefix = prefix
    return options


# Limits


def url(size_bytes, character="x"):
    """A query that makes path and query *size_bytes* together."""
    fixed = len("/bucketer?") + len(QUERY) + len("&x=")
    return f"{QUERY}&x=" + character * ((size_bytes - fixed) // len(character.encode()))


@pytest.mark.parametrize(("size_bytes", "status"), [(8_192, 200), (8_193, 414)])
def test_url_may_be_8_kib_and_no_more(client, size_bytes, status):
    """Path, question mark and query together."""
    assert client.ask(url(size_bytes)).response.status == status


def test_url_is_counted_in_bytes(client):
    """A client may send UTF-8 raw."""
    query = url(8_400, "é")

    assert len(query) < 8_192
    assert client.ask(query).response.status == 414


def test_url_without_a_query_has_no_question_mark(client):
    """Both sides of the bound, to the byte."""
    assert client.ask(path="/" + "x" * 8_191).response.status == 404
    assert client.ask(path="/" + "x" * 8_192).response.status == 414


@pytest.mark.parametrize(("padding", "status"), [(0, 200), (1, 413)])
def test_body_may_be_1_mib_and_no_more(client, padding, status):
    """White space counts."""
    body = json.dumps({"e": "checkout_flow_experiment", "u": "x"}).encode()
    body += b" " * (1024 * 1024 - len(body) + padding)

    assert client.ask(method="POST", body=body).response.status == status


def test_too_large_has_one_code_for_both(client):
    """And still tells the caller to fall back."""
    for reply in (client.ask(url(9_000)), client.ask(method="POST", body=b" " * 1_048_577)):
        body = json.loads(reply.response.body)
        assert body["error"]["code"] == "too_large"
        assert body["variation"] is None


@pytest.mark.parametrize(("depth", "status"), [(32, 200), (33, 400)])
def test_body_may_be_32_deep_and_no_deeper(client, depth, status):
    """An unknown parameter may hold anything, within reason."""
    nested = "[" * (depth - 1) + "]" * (depth - 1)
    body = f'{{"e": "checkout_flow_experiment", "u": "x", "more": {nested}}}'.encode()

    assert client.ask(method="POST", body=body).response.status == status


# Errors


class Broken:
    """An engine with a fault in it."""

    def activate(self, *_):
        raise ZeroDivisionError("the secret inside")

    decide = activate


def test_unforeseen_error_is_500_and_only_the_shell_learns_why():
    """The caller gets a request id to ask with."""
    reply = Client(engine=Broken()).ask(QUERY)
    body = json.loads(reply.response.body)

    assert reply.response.status == 500
    assert body["error"]["code"] == "internal_error"
    assert body["variation"] is None
    assert b"secret" not in reply.response.body
    assert isinstance(reply.failure, ZeroDivisionError)


def test_expected_errors_are_no_failures(client):
    """They are the caller's, and would fill the log."""
    assert client.ask("e=unknown").failure is None


def test_door_may_refuse_before_there_is_a_whole_request(client):
    """A server knows from `Content-Length` that a body is too large, and doesn't read it."""
    request = Request("POST", "/bucketer", request_id="r")

    response = client.handler.refuse(request, BodyTooLarge(10)).response

    assert response.status == 413
    assert "limit of 10 bytes" in json.loads(response.body)["error"]["message"]


def every(kind):
    """*kind* and everything that derives from it."""
    return [kind, *(each for child in kind.__subclasses__() for each in every(child))]


#: Errors of commands and functions of their own: no handler meets them, though a test that was
#: collected before this one may have imported them.
ELSEWHERE = ("bucketer.doors.", "bucketer.publishing.")
LEAVES = sorted(
    {
        each
        for each in every(BucketerError)
        if not each.__subclasses__() and not each.__module__.startswith(ELSEWHERE)
    },
    key=lambda each: each.__name__,
)
assert len(LEAVES) > 10


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_error_has_a_status_of_its_own_or_its_parents(leaf):
    """A new leaf must be decided upon: the root's 500 is no decision."""
    nearest = next(each for each in leaf.__mro__ if each in STATUS)

    assert nearest is not BucketerError


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.InvalidRequest("x"), 400, "invalid_request"),
        (errors.InvalidUser("x"), 400, "invalid_request"),
        (errors.UnknownExperiment("x", "1"), 404, "unknown_experiment"),
        (errors.UnknownFlag("x", "1"), 404, "unknown_flag"),
        (errors.UnknownEvent("x", "1"), 404, "unknown_event"),
        (errors.NoDatafile(), 503, "no_datafile"),
        (errors.SourceError("host", "refused"), 503, "no_datafile"),
        (errors.InvalidDatafile("/x", "a list", "null"), 503, "no_datafile"),
        (errors.SettingsError(["X"]), 500, "internal_error"),
        (BucketerError(), 500, "internal_error"),
        (KeyError("x"), 500, "internal_error"),
    ],
)
def test_error_is_answered_by_the_table(error, status, code):
    """What stands inside is told to nobody outside."""
    assert status_of(error) == status
    assert describe(error)["code"] == code


def test_faults_of_the_inside_are_not_quoted():
    """A source's error names a host, a datafile's a place in it."""
    assert "refused" not in describe(errors.SourceError("host", "refused"))["message"]


# Health


def test_health_tells_the_datafile_in_use(client):
    """For load balancers (the status) and people (the rest)."""
    reply = client.ask(path="/health")
    body = json.loads(reply.response.body)

    assert reply.response.status == 200
    assert body["status"] == "ok"
    assert body["datafile"]["revision"] == "22"
    assert body["datafile"]["source"] == "url"
    assert body["datafile"]["age_s"] == 30
    assert body["datafile"]["content_age_s"] == 90
    assert body["datafile"]["errors"] == 0


def test_health_without_a_datafile_is_503():
    """So that nobody sends requests here yet."""
    reply = Client(edition=None).ask(path="/health")

    assert reply.response.status == 503
    assert json.loads(reply.response.body)["status"] == "no_datafile"
    assert "Retry-After" in dict(reply.response.headers)


@pytest.mark.parametrize("debug_allowed", [True, False])
@pytest.mark.parametrize(("show", "url"), [("full", "cdn.example"), ("host", "cdn.example"), ("off", None)])  # fmt: skip
def test_health_names_no_more_than_the_host_whatever_debug_may_show(show, url, debug_allowed):
    """The path holds the SDK key, and anybody may ask for health."""
    client = Client(options=ApiOptions(show_datafile=show, debug_allowed=debug_allowed))

    response = client.ask(path="/health").response

    assert json.loads(response.body)["datafile"].get("url") == url
    assert b"SDK-KEY" not in response.body


# Small parts


@pytest.mark.parametrize(
    "token", ["a", "a" * 128, "Root=1-5e66d96f;x".replace(";", ":"), "A_b-9.c/d+e@f"]
)
def test_sane_request_ids(token):
    """Up to 128 plain characters."""
    assert is_sane_request_id(token)


@pytest.mark.parametrize("token", ["", "a" * 129, "a b", "a\n", "ä", "a;b", '"', "<x>"])
def test_insane_request_ids(token):
    """Whatever could forge a header, a log line or a page."""
    assert not is_sane_request_id(token)


def test_headers_of_one_name_are_joined_in_order():
    """Whatever their case."""
    pairs = [("X-A", "1"), ("x-b", "2"), ("x-a", "3")]

    assert one_value_each(pairs) == {"x-a": "1, 3", "x-b": "2"}


def test_response_puts_the_request_id_last():
    """Doors send all of these."""
    response = Response(200, (("A", "1"),), b"", "r")

    assert response.all_headers() == (("A", "1"), ("X-Request-Id", "r"))


def test_every_request_has_the_time_it_was_given(client):
    """The handler reads no clock."""
    request = Request("GET", "/bucketer", f"{QUERY}&debug=1", ip="1.1.1.1", request_id="r")

    reply = client.handler.handle(request, NOW + 0.000001, lambda: "u")

    assert json.loads(reply.response.body)["debug"]["time"] == "2018-04-09 17:06:02.698755"
