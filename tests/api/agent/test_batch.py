"""`/v1/batch`: operations in order, each with its own key, its own status and its own trouble."""

import datetime as dt
import itertools
import json
import random

import pytest

from bucketer import wiring
from bucketer.api.agent.go_time import go_time
from bucketer.api.http import Request
from bucketer.runtime import answering

KEY = {"X-Optimizely-SDK-Key": "demonstration"}
JSON = {**KEY, "Content-Type": "application/json"}
NEVER = "0001-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def runtime():
    """A whole runtime over the demonstration."""
    return wiring.build(environ={"BUCKETER_EVENTS": "off", "BUCKETER_AGENT_BATCH_MAX": "20"})


def post(runtime, body, path="/v1/batch", method="POST", **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return runtime.serve(Request(method, path, "", headers, raw, request_id="outer"))


def batch(runtime, *operations):
    """What is told of the operations."""
    answer = post(runtime, {"operations": list(operations)})
    assert 200 == answer.status
    assert ("Content-Type", "application/json; charset=utf-8") in answer.headers
    return json.loads(answer.body)


def operation(method="POST", url="/v1/decide", headers=None, **more):
    return {"method": method, "url": url, "headers": JSON if headers is None else headers, **more}


def decide(flag="search", user="ben", **more):
    return operation(params={"keys": flag}, body={"userId": user}, operationID=flag, **more)


def test_operations_are_answered_in_their_order(runtime):
    flags = ["search", "checkout_flow", "free_shipping", "search"]
    told = batch(runtime, *map(decide, flags))

    assert ["startedAt", "endedAt", "errorCount", "response"] == list(told)
    assert 0 == told["errorCount"]
    assert flags == [each["body"]["flagKey"] for each in told["response"]]
    assert flags == [each["operationID"] for each in told["response"]]
    names = ["status", "requestID", "operationID", "method", "url", "body", "startedAt", "endedAt"]
    assert [names] * 4 == [list(each) for each in told["response"]]
    starts = [each["startedAt"] for each in told["response"]]
    assert sorted(starts) == starts


def test_each_answer_is_what_the_operation_gives_alone(runtime):
    [item] = batch(runtime, decide(url="/v1/decide?keys=checkout_flow"))["response"]
    alone = runtime.serve(
        Request(
            "POST",
            "/v1/decide",
            "keys=checkout_flow&keys=search",
            {name.lower(): value for name, value in JSON.items()},
            b'{"userId": "ben"}',
        )
    )

    assert json.loads(alone.body) == item["body"]
    assert "/v1/decide?keys=checkout_flow" == item["url"]


def test_the_request_id_is_given_or_made(runtime):
    given, made = batch(
        runtime, decide(headers={**JSON, "X-Request-Id": "inner"}), decide(headers=JSON)
    )["response"]

    assert "inner" == given["requestID"]
    assert made["requestID"] not in {"", "outer"}


@pytest.mark.parametrize(
    ("wrong", "status", "body"),
    [
        (decide(headers={}), 400, {"error": "missing required X-Optimizely-SDK-Key header"}),
        (decide(headers=KEY), 415, None),
        (operation("GET", "/v1/nothing"), 404, None),
        (operation("get", "/v1/config"), 405, None),
        (operation("B AD", "/v1/config"), 400, None),
        (operation("GET", ":"), 400, None),
        (operation("GET", "http://[x"), 400, None),
        (operation("GET", "/v1/con\nfig"), 400, None),
        (operation("POST", "v1/decide"), 404, None),
        (operation("GET", "/health"), 404, None),
        (operation("GET", "/bucketer?e=search&u=ben"), 404, None),
        (operation("POST", "/v1/batch", body={"operations": []}), 404, None),
        (operation("POST", "/v1/other/BATCH"), 404, None),
        (operation("POST", "/v1/batch", headers={}), 400, ...),
        (operation("GET", "/v1/notifications/event-stream"), 403, None),
        (decide(headers={**JSON, "X-Optimizely-SDK-Key": "Unknown"}), 403, ...),
        (operation(body=None), 400, {"error": 'missing "userId" in request payload'}),
        (operation(body={}), 400, {"error": 'missing "userId" in request payload'}),
    ],
)
def test_trouble_is_the_operations_own(runtime, wrong, status, body):
    told = batch(runtime, decide(), wrong, decide())
    first, item, last = told["response"]

    assert (1, 200, 200) == (told["errorCount"], first["status"], last["status"])
    assert status == item["status"]
    assert body is ... or body == item["body"]
    if item["body"] is None:
        assert "" == item["requestID"]


@pytest.mark.parametrize(("url", "ends"), [(":", False), ("/health", True), ("v1/decide", True)])
def test_only_what_is_no_request_never_ends(runtime, url, ends):
    [item] = batch(runtime, operation("GET", url))["response"]

    assert ends is (item["endedAt"] != NEVER)
    assert item["startedAt"] != NEVER


@pytest.mark.parametrize("broken", ["a=%zz", "a;b", "%"])
def test_beside_params_only_what_can_be_read_of_the_urls_query_counts(runtime, broken):
    url = f"/v1/decide?keys=search&{broken}"
    with_params, without = batch(
        runtime,
        operation(url=url, params={"keys": "checkout_flow"}, body={"userId": "ben"}),
        operation(url=url, params={}, body={"userId": "ben"}),
    )["response"]

    assert ["search", "checkout_flow"] == [each["flagKey"] for each in with_params["body"]]
    assert len(without["body"]) > 2  # a query that is broken names no keys, which is all of them


def test_another_host_in_the_url_is_no_matter(runtime):
    [item] = batch(runtime, decide(url="http://other.example/v1/decide"))["response"]

    assert "search" == item["body"]["flagKey"]


@pytest.mark.parametrize("body", [{}, {"operations": None}, {"operations": []}, None])
def test_nothing_to_do_is_done(runtime, body):
    told = json.loads(post(runtime, body).body)

    assert (NEVER, 0, []) == (told["endedAt"], told["errorCount"], told["response"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        {"operations": {}},
        {"operations": [1]},
        {"operations": [{"operationID": 1}]},
        {"operations": [{"params": {"keys": 1}}]},
        {"operations": [{"headers": []}]},
        {"operations": [{"body": "text"}]},
    ],
)
def test_what_can_not_be_read_is_refused_in_agents_words(runtime, body):
    answer = post(runtime, body)

    assert (400, b'{"error": "cannot decode the operation body"}\n') == (answer.status, answer.body)
    assert ("Content-Type", "text/plain; charset=utf-8") in answer.headers


@pytest.mark.parametrize(("count", "status"), [(20, 200), (21, 422)])
def test_there_may_be_so_many(runtime, count, status):
    answer = post(runtime, {"operations": [decide()] * count})

    assert status == answer.status
    if status == 422:
        assert b'{"error": "too many operations, exceeding 20 operations"}\n' == answer.body


def test_neither_key_nor_type_is_asked_of_the_batch(runtime):
    assert 200 == post(runtime, {}, **{"content-type": "text/plain"}).status
    assert 200 == post(runtime, {}, path="/v1/some/BATCH").status


@pytest.mark.parametrize(
    ("key", "status"), [("demonstration", 200), ("Unknown", 403), ("no key at all", 400)]
)
def test_a_key_that_the_batch_itself_has_must_be_one(runtime, key, status):
    """Where Agent ignores it: docs/agent-differences.md."""
    answer = post(runtime, {"operations": []}, **{"x-optimizely-sdk-key": key})
    assert status == answer.status


def test_only_posts_are_batches(runtime):
    headers = {"x-optimizely-sdk-key": "demonstration"}
    for method in ("GET", "PUT", "DELETE"):
        answer = post(runtime, {}, method=method, **headers)
        assert (404, b"404 page not found\n") == (answer.status, answer.body)


def test_what_the_answers_come_to_is_bounded(runtime, monkeypatch):
    monkeypatch.setattr(answering, "MAX_ANSWERED_BYTES", 1)
    told = batch(runtime, decide(), decide())

    assert [200, 413] == [each["status"] for each in told["response"]]
    assert 1 == told["errorCount"]


def test_tokens_are_asked_of_each_operation():
    closed = wiring.build(
        environ={"BUCKETER_EVENTS": "off", "BUCKETER_AUTH_HMAC_SECRETS": "c2VjcmV0"}
    )
    told = batch(closed, decide())

    assert [401] == [each["status"] for each in told["response"]]


def test_times_are_written_as_go_does():
    chosen = random.Random(7)
    days = [-1, 0, 58, 59, 60, 365, 11_016, 11_017, 19_000, 2_932_896]
    for day, second in itertools.product([max(each, 0) for each in days], (0, 1, 86_399)):
        at = day * 86_400 + second
        expected = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert expected == go_time(at)
    for _ in range(2_000):
        at = chosen.randrange(4_000_000_000)
        moment = dt.datetime.fromtimestamp(at, dt.UTC)
        assert moment.strftime("%Y-%m-%dT%H:%M:%SZ") == go_time(at)
    assert "1970-01-01T00:00:00.25Z" == go_time(0.25)
    assert "1970-01-01T00:00:00.000001Z" == go_time(0.000001)
    assert "1970-01-01T00:00:00Z" == go_time(-5)
    assert go_time(1e30).startswith("9999-12-31")
