"""Law: any JSON that Lambda may be invoked with gets an HTTP answer, and never raises."""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.recorded_events import RECORDED, headers_of

from bucketer import wiring
from bucketer.doors.aws_lambda import make_handler

HANDLER = make_handler(wiring.build(environ={"BUCKETER_EVENTS": "off"}, mode=wiring.LAMBDA))
CONTEXT = SimpleNamespace(aws_request_id="context-1")
STATUSES = {200, 204, 400, 404, 405, 413, 414}

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
)
LEAVES |= st.sampled_from(["\ud800", "GET", "POST", "/bucketer", "e=x&u=y", "2.0", "%FF", "A"])
NAMES = st.sampled_from(
    [
        *("version", "requestContext", "http", "elb", "identity", "sourceIp", "method", "stage"),
        *("rawPath", "rawQueryString", "routeKey", "httpMethod", "path", "resource", "headers"),
        *("multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters"),
        *("body", "isBase64Encoded", "pathParameters", "proxy", "e", "u", "a", "warmup", "source"),
    ]
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=6)
)


def places(value, path=()):
    """Every path into the JSON *value*."""
    children = value.items() if isinstance(value, dict) else ()
    children = enumerate(value) if isinstance(value, list) else children
    yield path
    for key, child in children:
        yield from places(child, (*path, key))


PLACES = [
    (name, path)
    for name, recording in RECORDED.items()
    for path in places(recording["event"])
    if path
]


def check(event):
    """Hold the answer to *event* against what every trigger can digest."""
    result = HANDLER(event, CONTEXT)

    assert result["statusCode"] in STATUSES, result
    assert headers_of(result)["X-Request-Id"]
    json.loads(json.dumps(result))
    if result["body"]:
        json.loads(result["body"])


@settings(max_examples=200)
@given(JSON)
def test_any_json_is_answered(event):
    """Mostly 400."""
    check(event)


@settings(max_examples=600)
@given(st.sampled_from(PLACES), JSON, st.booleans())
def test_recorded_event_with_one_part_changed_or_missing_is_answered(place, value, missing):
    """A gateway of tomorrow, a test tool of today, a hand that slipped."""
    name, path = place
    event = copy.deepcopy(RECORDED[name]["event"])
    parent = event
    for key in path[:-1]:
        parent = parent[key]
    if missing and isinstance(parent, dict):
        del parent[path[-1]]
    else:
        parent[path[-1]] = value

    check(event)
