"""The Lambda door on recorded events, with a real runtime on the demonstration datafile."""

from __future__ import annotations

import copy
import json
import sys
from types import SimpleNamespace

import pytest
from tests.fakes.recorded_events import RECORDED, check_result, headers_of

from bucketer import wiring
from bucketer.api.client_address import TrustedProxies
from bucketer.api.http import Response
from bucketer.api.problems import STATUS
from bucketer.api.routes import Handler
from bucketer.doors.aws_lambda import make_handler, run_after_restore, to_request, to_result

CONTEXT = SimpleNamespace(aws_request_id="5e66d96f-7491-4f09-b2a7-d18acf3d0500")


@pytest.fixture(scope="module")
def runtime():
    return wiring.build(environ={"BUCKETER_EVENTS": "off"}, mode=wiring.LAMBDA)


@pytest.fixture(scope="module")
def lambda_handler(runtime):
    return make_handler(runtime)


def event(name):
    return copy.deepcopy(RECORDED[name]["event"])


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_event_is_answered_as_its_recording_says(lambda_handler, name):
    """Each trigger, with its own idea of a query string, means the same request."""
    result = lambda_handler(event(name), CONTEXT)

    check_result(result, RECORDED[name]["expected"])


@pytest.mark.parametrize("name", RECORDED)
def test_every_answer_is_json_that_lambda_can_send(lambda_handler, name):
    """The runtime client serialises the answer; a tuple or bytes in it would be an error there."""
    result = lambda_handler(event(name), CONTEXT)

    assert json.loads(json.dumps(result)) == result
    assert headers_of(result)["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["alb_single", "alb_single_duplicates", "alb_health_check"])
def test_load_balancer_gets_a_status_description_and_single_headers(lambda_handler, name):
    """Without `statusDescription` a load balancer answers 502."""
    result = lambda_handler(event(name), CONTEXT)

    assert result["statusDescription"] == "200 OK"
    assert result["headers"]["Content-Type"] == "application/json"
    assert "multiValueHeaders" not in result


def test_load_balancer_that_sent_lists_gets_lists(lambda_handler):
    """The balancer ignores the form that its target group isn't set to."""
    result = lambda_handler(event("alb_multi"), CONTEXT)

    assert result["multiValueHeaders"]["Content-Type"] == ["application/json"]
    assert "headers" not in result


@pytest.mark.parametrize("name", ["rest_multi", "http_api", "function_url"])
def test_gateways_get_no_status_description(lambda_handler, name):
    """It is the load balancer's alone."""
    result = lambda_handler(event(name), CONTEXT)

    assert "statusDescription" not in result
    assert "multiValueHeaders" not in result


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("abc-123", "abc-123"),
        ("a" * 128, "a" * 128),
        ("a" * 129, CONTEXT.aws_request_id),
        ("", CONTEXT.aws_request_id),
        ("two words", CONTEXT.aws_request_id),
        ("line\nbreak", CONTEXT.aws_request_id),
        ("ümlaut", CONTEXT.aws_request_id),
    ],
)
def test_sane_request_id_is_echoed_and_lambdas_own_stands_in_otherwise(
    lambda_handler, given, expected
):
    """An insane one could forge log lines or headers."""
    asked = event("http_api")
    asked["headers"]["x-request-id"] = given

    result = lambda_handler(asked, CONTEXT)

    assert result["headers"]["X-Request-Id"] == expected


@pytest.mark.parametrize("place", ["rawPath", "rawQueryString", "body"])
def test_part_that_is_no_string_is_named_by_its_kind(lambda_handler, place):
    """400, with what was expected."""
    asked = event("http_api_post_text")
    asked[place] = {"not": "text"}

    result = lambda_handler(asked, CONTEXT)

    assert result["statusCode"] == 400
    assert "expected a string, found dict" in json.loads(result["body"])["error"]["message"]


def test_a_missing_context_is_no_reason_to_crash(lambda_handler):
    """Test tools invoke with None."""
    result = lambda_handler(event("http_api"), None)

    assert result["statusCode"] == 200


@pytest.mark.parametrize(
    ("forwarded_for", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("6.6.6.6,203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7:443", "203.0.113.7"),
        ("6.6.6.6, 2001:db8::7", "2001:db8::7"),
        ("6.6.6.6, [2001:db8::7]:443", "2001:db8::7"),
    ],
)
def test_behind_a_load_balancer_only_the_last_hop_is_believed(forwarded_for, expected):
    """Everything before it came with the request."""
    asked = event("alb_single")
    asked["headers"]["x-forwarded-for"] = forwarded_for

    assert to_request(asked, "id").ip == expected


def test_repeated_forwarded_headers_of_a_load_balancer_count_in_order():
    """In the multi-value form a client's own header may stand in an item of its own."""
    asked = event("alb_multi")
    asked["multiValueHeaders"]["x-forwarded-for"] = ["6.6.6.6", "203.0.113.7"]

    assert to_request(asked, "id").ip == "203.0.113.7"


@pytest.mark.parametrize("name", ["rest_multi", "http_api", "function_url"])
def test_gateways_own_word_for_the_address_wins_over_a_header(name):
    """The recordings carry a forged `X-Forwarded-For`."""
    assert to_request(event(name), "id").ip == "203.0.113.7"


#: Name of a recording → where its gateway says what address it saw.
SEEN = {
    "rest_multi": ("requestContext", "identity", "sourceIp"),
    "rest_single": ("requestContext", "identity", "sourceIp"),
    "rest_custom_domain": ("requestContext", "identity", "sourceIp"),
    "http_api": ("requestContext", "http", "sourceIp"),
    "http_api_named_stage": ("requestContext", "http", "sourceIp"),
    "function_url": ("requestContext", "http", "sourceIp"),
    "alb_single": ("headers", "x-forwarded-for"),
    "alb_multi": ("multiValueHeaders", "x-forwarded-for"),
}


def seen_from(name, peer, **headers):
    """The recording *name*, from *peer*, with *headers* that came along."""
    asked = event(name)
    *way, last = SEEN[name]
    place = asked
    for step in way:
        place = place[step]
    for single in filter(None, (asked.get("headers"), asked.get("multiValueHeaders"))):
        for header in [each for each in single if each.lower() == "x-forwarded-for"]:
            del single[header]
    for header, value in headers.items():
        name_of_it = header.replace("_", "-")
        if asked.get("headers") is not None:
            asked["headers"][name_of_it] = value
        if asked.get("multiValueHeaders") is not None:
            asked["multiValueHeaders"][name_of_it] = [value]
    if last == "x-forwarded-for":
        told = headers.get("x_forwarded_for")
        peer = f"{told}, {peer}" if told else peer
    place[last] = [peer] if way == ["multiValueHeaders"] else peer
    return asked


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize(
    ("peer", "visitor"),
    [
        ("10.1.22.195:32554", "10.1.22.195"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("test-invoke-source-ip", ""),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_whatever_the_gateway_writes_a_visitor_is_one_visitor(name, peer, visitor):
    """With its port each connection would be somebody new."""
    assert to_request(seen_from(name, peer), "id").ip == visitor


CLOUDFRONT = {"x_forwarded_for": "6.6.6.6, 198.51.100.9", "cloudfront_viewer_address": "198.51.100.9:4711"}  # fmt: skip


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize("header", ["X-Forwarded-For", "CloudFront-Viewer-Address"])
@pytest.mark.parametrize("peer", ["64.252.64.1", "64.252.64.1:443", "::ffff:64.252.64.1"])
def test_behind_cloudfront_the_visitor_is_who_it_says(name, header, peer):
    proxies = TrustedProxies(["64.252.64.0/18"], header)

    assert to_request(seen_from(name, peer, **CLOUDFRONT), "id", proxies).ip == "198.51.100.9"


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize("header", ["X-Forwarded-For", "CloudFront-Viewer-Address"])
@pytest.mark.parametrize("trusted", [(), ("64.252.64.0/18",)])
def test_headers_that_a_stranger_sends_are_never_believed(name, header, trusted):
    """Neither by default, nor past the proxies that are trusted."""
    asked = seen_from(name, "203.0.113.7", **CLOUDFRONT)

    assert to_request(asked, "id", TrustedProxies(trusted, header)).ip == "203.0.113.7"


# Paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/prod/bucketer", "/bucketer"),
        ("/prod/", "/"),
        ("/prod", "/"),
        ("/bucketer", "/bucketer"),
        ("/prod/prod/bucketer", "/prod/bucketer"),
        ("/production/x", "/production/x"),
        ("/prod//bucketer", "//bucketer"),
        ("/../prod/bucketer", "/../prod/bucketer"),
    ],
)
def test_named_stage_is_taken_off_once_where_no_route_tells_the_path(path, expected):
    """The default route matches everything, so only the stage's name says what to take off."""
    asked = event("http_api_named_stage")
    asked["routeKey"], asked["rawPath"] = "$default", path

    assert to_request(asked, "id").path == expected


def rest(path, resource, proxy, whole):
    asked = event("rest_multi")
    asked |= {"path": path, "resource": resource, "pathParameters": proxy and {"proxy": proxy}}
    asked["requestContext"] |= {"path": whole, "resourcePath": resource}
    return asked


@pytest.mark.parametrize(
    ("path", "resource", "proxy", "whole", "expected"),
    [
        ("/bucketer", "/bucketer", None, "/prod/bucketer", "/bucketer"),
        ("/bucketer", "/{proxy+}", "bucketer", "/prod/bucketer", "/bucketer"),
        ("/", "/", None, "/prod/", "/"),
        # A custom domain: the mapping stands in front, the stage nowhere.
        ("/decisions/v1/bucketer", "/bucketer", None, "/decisions/v1/bucketer", "/bucketer"),
        ("/decisions/v1/bucketer", "/{proxy+}", "bucketer", "/decisions/v1/bucketer", "/bucketer"),
        ("/bucketer", "/bucketer", None, "/bucketer", "/bucketer"),
        # The stage has been taken off already: what looks like it is the client's.
        ("/prod/bucketer", "/{proxy+}", "prod/bucketer", "/prod/prod/bucketer", "/prod/bucketer"),
        ("/../bucketer", "/{proxy+}", "../bucketer", "/prod/../bucketer", "/../bucketer"),
        ("/x/health", "/{proxy+}", "x/health", "/prod/x/health", "/x/health"),
        # An emulator, and an HTTP API in format 1.0, leave it there.
        ("/prod/bucketer/", "/{proxy+}", "prod/bucketer/", "/prod/bucketer/", "/bucketer/"),
        ("/prod/bucketer", "$default", None, "/prod/bucketer", "/bucketer"),
        ("/prod", "$default", None, "/prod", "/"),
    ],
)
def test_rest_path_is_what_the_gateways_route_matched(path, resource, proxy, whole, expected):
    assert to_request(rest(path, resource, proxy, whole), "id").path == expected


def test_a_stage_that_is_called_as_a_path_is_not_taken_for_one():
    asked = rest("/bucketer", "/bucketer", None, "/bucketer")
    asked["requestContext"]["stage"] = "bucketer"

    assert to_request(asked, "id").path == "/bucketer"


@pytest.mark.parametrize(
    "name",
    ["http_api_custom_domain", "rest_custom_domain", "rest_custom_domain_proxy", "http_api"],
)
def test_behind_a_custom_domain_the_prefix_can_be_set_where_the_event_says_nothing(name):
    settings = {"BUCKETER_EVENTS": "off", "BUCKETER_PATH_PREFIX": "/decisions"}
    handler = make_handler(wiring.build(environ=settings, mode=wiring.LAMBDA))

    assert handler(event(name), CONTEXT)["statusCode"] == 200


@pytest.mark.parametrize("name", ["function_url", "alb_single", "http_api_custom_domain"])
@pytest.mark.parametrize(
    "path", ["/../bucketer", "/x/health", "/x/webhooks/optimizely", "//bucketer", "/%2e%2e/health"]
)
def test_no_other_prefix_works_in_lambda(lambda_handler, name, path):
    asked = event(name)
    asked["path" if "elb" in asked["requestContext"] else "rawPath"] = path

    assert lambda_handler(asked, CONTEXT)["statusCode"] == 404


def test_decoded_query_is_no_longer_than_what_the_client_sent():
    """The URL limit must not hit earlier behind the one gateway that decodes."""
    asked = event("rest_multi")
    asked["multiValueQueryStringParameters"] = {"a": ['tier:"platinum",x:1']}

    assert to_request(asked, "id").query == 'a=tier:"platinum",x:1'


def test_url_over_the_limit_is_414_in_this_door_too(lambda_handler):
    """Limits hold in every door."""
    asked = event("http_api")
    asked["rawQueryString"] += "&x=" + "y" * 8_192

    assert lambda_handler(asked, CONTEXT)["statusCode"] == 414


def test_body_over_the_limit_is_413_in_this_door_too(lambda_handler):
    """Limits hold in every door."""
    asked = event("http_api_post_text")
    asked["body"] = " " * (1024 * 1024 + 1)

    assert lambda_handler(asked, CONTEXT)["statusCode"] == 413


class BrokenRuntime:
    """A runtime with a fault of our own making in it."""

    handler = Handler(None)

    @property
    def default(self):
        return self

    def serve(self, request, deadline=None):
        raise RuntimeError("the secret inside")


@pytest.mark.parametrize("name", ["http_api", "alb_multi"])
def test_fault_inside_is_a_500_that_tells_only_the_log(caplog, name):
    """The caller learns the request id, the log learns why."""
    result = make_handler(BrokenRuntime())(event(name), CONTEXT)

    assert result["statusCode"] == 500
    assert json.loads(result["body"])["error"]["code"] == "internal_error"
    assert "secret" not in result["body"]
    assert "the secret inside" in caplog.text
    assert CONTEXT.aws_request_id in caplog.text


@pytest.mark.parametrize("name", ["http_api", "broken_types", "broken_body"])
def test_what_is_refused_has_the_headers_of_any_answer_and_the_callers_request_id(name):
    """Whoever may read answers may read why there is none."""
    asked = event(name)
    asked["headers"] = {"X-Request-Id": "mine"}
    asked.pop("multiValueHeaders", None)

    result = make_handler(BrokenRuntime())(asked, CONTEXT)

    assert result["statusCode"] in {400, 500}
    assert dict(BrokenRuntime.handler.json_headers) | {"X-Request-Id": "mine"} == result["headers"]
    assert result["headers"]["Access-Control-Allow-Origin"] == "*"
    assert "user" not in json.loads(result["body"])


def test_extension_is_told_after_each_answer(runtime):
    """Also after one that isn't an answer to a request: Lambda waits for the extension."""
    told = []
    handler = make_handler(runtime, answered=lambda: told.append(True))

    handler(event("http_api"), CONTEXT)
    handler(event("unknown_sqs"), CONTEXT)

    assert len(told) == 2


def test_a_restored_snapshot_runs_the_hooks(monkeypatch):
    hooks = []
    library = SimpleNamespace(register_after_restore=hooks.append)
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", library)

    run_after_restore(print, repr)

    assert hooks == [print, repr]


def test_without_the_hooks_library_there_is_nothing_to_do(monkeypatch):
    """Anywhere but in Lambda."""
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)

    run_after_restore(print)


def test_unknown_status_still_has_a_description():
    """A door must not break on a status that it hasn't met."""

    class Teapot:
        def serve(self, request, deadline=None):
            return Response(418, (("Cache-Control", "no-store"),), b"{}", request.request_id)

    result = make_handler(Teapot())(event("alb_single"), CONTEXT)

    assert result["statusDescription"] == "418 Unknown"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"X-Request-Id": "mine", "HOST": "h"}, {"x-request-id": "mine", "host": "h"}),
        ({"A": "1", "a": "2"}, {"a": "1, 2"}),
        ({"A": None, "b": "2"}, {"b": "2"}),
        ({}, {}),
        (None, {}),
    ],
)
def test_single_headers_are_read_with_small_names_and_equal_ones_joined(given, read):
    request = to_request({**event("http_api"), "headers": given}, "r")

    assert request.headers == read


@pytest.mark.parametrize("value", [1, ["key"], {}, True])
@pytest.mark.parametrize(
    "name",
    ["x-request-id", "x-optimizely-sdk-key", "origin", "content-type", "idempotency-key", "other"],
)
@pytest.mark.parametrize("trigger", ["http_api", "http_api_post_text", "alb_single", "rest_single"])
def test_a_header_that_is_no_text_is_refused(lambda_handler, trigger, name, value):
    """A list where a key was looked up was a 500."""
    asked = {**event(trigger), "multiValueHeaders": None, "headers": {name: value}}
    result = lambda_handler(asked, CONTEXT)

    assert result["statusCode"] == 400
    assert "expected a string" in json.loads(result["body"])["error"]["message"]


def test_every_status_of_ours_has_a_description_for_load_balancers():
    for status in {*STATUS.values(), 200, 202, 204}:
        result = to_result(event("alb_single"), Response(status, (), b"{}", "r"))
        assert "Unknown" not in result["statusDescription"]
