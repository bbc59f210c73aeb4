"""Spans and events of a real server, as a receiver of OTLP reads them."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from tests.fakes.otlp import Receiver, attributes
from tests.fakes.process import bucketer_serve
from tests.fakes.waiting import wait_until

from bucketer import wiring
from bucketer.api.http import Request
from bucketer.api.routes import Handler
from bucketer.core.errors import SettingsError
from bucketer.tracing import spans
from bucketer.tracing.parents import parent_of

HER = "/bucketer?e=checkout_flow_experiment&u=cooper34523569&a=tier:platinum,member_since_days:56"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BLRP_SCHEDULE_DELAY": "50"}


@pytest.fixture(scope="module")
def receiver():
    with Receiver() as receiver:
        yield receiver
        assert [] == receiver.problems


@pytest.fixture(scope="module")
def server(receiver):
    environ = {
        "BUCKETER_TRACES": "otlp",
        "BUCKETER_TRACES_USERS": "on",
        "BUCKETER_PROFILES": "memory",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
    }
    with bucketer_serve(**environ, **SOON) as started:
        yield started


def ask(url, path=HER, **headers):
    request = urllib.request.Request(url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers["X-Request-Id"]
    except urllib.error.HTTPError as error:
        return error.headers["X-Request-Id"]


def span_of(receiver, request_id):
    """The one span that a request has."""

    def found():
        return [
            each for each in receiver.spans if attributes(each)["bucketer.request_id"] == request_id
        ]

    wait_until(found, 20)
    [span] = found()
    return span


def events_of(receiver, span, count):
    def found():
        return [each for each in receiver.events if each.span_id == span.span_id]

    wait_until(lambda: len(found()) >= count, 20)
    assert count == len(found())
    return found()


def test_a_request_is_one_span_whatever_it_waited_for(server, receiver):
    """The user's profile is fetched by another thread, and the request is handled twice."""
    span = span_of(receiver, ask(server.url))

    told = attributes(span)
    assert ("GET /bucketer", span.SPAN_KIND_SERVER) == (span.name, span.kind)
    assert ("GET", "/bucketer", "/bucketer", 200, "default") == tuple(
        told[each]
        for each in (
            "http.request.method",
            "http.route",
            "url.path",
            "http.response.status_code",
            "bucketer.environment",
        )
    )
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10e9
    assert b"" == span.parent_span_id


def test_its_decision_is_an_event_as_the_conventions_have_it(server, receiver):
    span = span_of(receiver, ask(server.url))
    [event] = events_of(receiver, span, 1)

    assert ("feature_flag.evaluation", span.trace_id) == (event.event_name, event.trace_id)
    assert {
        "feature_flag.set.id": "demonstration",
        "feature_flag.key": "checkout_flow_experiment",
        "feature_flag.provider.name": "Optimizely",
        "feature_flag.version": "22",
        "feature_flag.result.variant": "one_step_checkout",
        "feature_flag.result.reason": "split",
        "feature_flag.context.id": "cooper34523569",
    } == attributes(event)


def test_each_flag_of_a_request_has_its_event(server, receiver):
    span = span_of(receiver, ask(server.url, "/bucketer?f=*&u=her"))

    keys = {attributes(each)["feature_flag.key"] for each in events_of(receiver, span, 3)}
    assert 3 == len(keys)


def test_the_callers_span_is_the_parent(server, receiver):
    traceparent = f"00-{TRACE}-{PARENT}-01"
    span = span_of(receiver, ask(server.url, traceparent=traceparent, tracestate="a=b"))

    assert (TRACE, PARENT) == (span.trace_id.hex(), span.parent_span_id.hex())
    assert "a=b" == span.trace_state


def test_xrays_header_names_it_too_and_the_other_one_wins(server, receiver):
    xray = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    alone = span_of(receiver, ask(server.url, **{"X-Amzn-Trace-Id": xray}))
    both = span_of(
        receiver,
        ask(server.url, **{"X-Amzn-Trace-Id": xray, "traceparent": f"00-{TRACE}-{PARENT}-01"}),
    )

    assert "5759e988bd862e3fe1be46a994272793" == alone.trace_id.hex()
    assert ("53995c3f42cd8ad8", TRACE) == (alone.parent_span_id.hex(), both.trace_id.hex())


def test_a_caller_that_does_not_sample_is_heard(server, receiver):
    silent = ask(server.url, traceparent=f"00-{TRACE}-{PARENT}-00")
    span_of(receiver, ask(server.url))

    assert silent not in {attributes(each)["bucketer.request_id"] for each in receiver.spans}


def test_what_a_caller_sent_is_not_for_the_log(receiver):
    with bucketer_serve(
        BUCKETER_TRACES="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, **SOON
    ) as started:
        parent = f"00-{TRACE}-{PARENT}-01"
        for state in ("bk_0123456789", "=bk_0123456789", f"{'k' * 300}=bk_0123456789"):
            ask(started.url, traceparent=parent, tracestate=state)
        ask(started.url, traceparent=parent.ljust(5_000, "9"))
        _, _, told = started.stop()

    assert "" == told


def test_what_fails_says_so_and_what_is_unknown_has_no_route(server, receiver):
    missing = span_of(receiver, ask(server.url, "/bucketer?e=nobody-has-it&u=x"))
    nowhere = span_of(receiver, ask(server.url, "/nowhere"))

    assert 404 == attributes(missing)["http.response.status_code"]
    assert missing.status.STATUS_CODE_UNSET == missing.status.code  # a mistake of the caller's
    assert "http.route" not in attributes(nowhere)
    assert "GET" == nowhere.name


def test_the_service_has_its_name_and_version(server, receiver):
    span_of(receiver, ask(server.url))

    assert {"bucketer"} == {each["service.name"] for each in receiver.resources}
    assert all(each["service.version"] for each in receiver.resources)


def test_users_are_told_only_where_that_is_asked_for():
    with (
        Receiver() as receiver,
        bucketer_serve(
            BUCKETER_TRACES="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url, **SOON
        ) as started,
    ):
        ask(started.url)
        wait_until(lambda: receiver.events and receiver.spans, 20)
        told = [attributes(each) for each in (*receiver.events, *receiver.spans)]

    assert "cooper34523569" not in str(told)


def test_a_collector_that_is_not_there_costs_no_answer_and_the_end_is_bounded():
    with bucketer_serve(
        BUCKETER_TRACES="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", **SOON
    ) as started:
        for _ in range(20):
            assert ask(started.url)
        status, _, _ = started.stop(patience_s=30)

    assert 0 == status


def test_off_nothing_of_it_is_there():
    code = (
        "import sys\nfrom bucketer import wiring\nfrom bucketer.api.routes import Handler\n"
        "runtime = wiring.build(environ={'BUCKETER_EVENTS': 'off'})\n"
        "assert type(runtime.handler) is Handler\n"
        "assert runtime.traces is None\n"
        "found = [each for each in sys.modules if 'opentelemetry' in each or 'tracing' in each]\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_the_library_the_extra_is_named():
    code = (
        "import sys\nsys.modules['opentelemetry'] = None\nfrom bucketer import wiring\n"
        "wiring.build(environ={'BUCKETER_EVENTS': 'off', 'BUCKETER_TRACES': 'otlp'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert SettingsError.__name__ in done.stderr
    assert "pip install 'bucketer[otel]'" in done.stderr


# ------------------------------------------------------------------------- without a process


def test_spans_of_requests_that_nobody_asks_again_are_bounded(monkeypatch):
    monkeypatch.setattr(spans, "MOST_WAITING", 3)
    ended = []

    class Span(trace.NonRecordingSpan):
        def end(self, end_time=None):
            ended.append(self)

    class Tracer:
        def start_span(self, *_, **__):
            return Span(trace.INVALID_SPAN_CONTEXT)

    traces = spans.Traces(Tracer(), None, close=None, flush=None)
    requests = [Request("GET", f"/{number}") for number in range(5)]
    begun = [traces.begin(each) for each in requests]
    for request, span in zip(requests, begun, strict=True):
        traces.put_off(request, span)

    assert begun[:2] == ended
    assert begun[2:] == [traces.begin(each) for each in requests[2:]]


@given(
    st.dictionaries(
        st.sampled_from(["traceparent", "tracestate", "x-amzn-trace-id"]),
        st.text(max_size=300)
        | st.from_regex(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16}(;Sampled=[01])?"),
    )
)
def test_no_header_is_too_odd(headers):
    parent = parent_of(headers)

    if parent is not None:
        assert trace.get_current_span(parent).get_span_context().is_valid


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Root=1-5759e988-bd862e3fe1be46a994272793",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
        "Root=1-00000000-000000000000000000000000;Parent=53995c3f42cd8ad8;Sampled=1",
        "Root=2-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;" + "x" * 300,
    ],
)
def test_an_xray_header_without_a_caller_makes_no_parent(header):
    assert parent_of({"x-amzn-trace-id": header}) is None


def test_in_lambda_spans_are_sent_behind_the_answer():
    with Receiver() as receiver:
        code = (
            "from bucketer import wiring\nfrom bucketer.doors.aws_lambda import make_handler\n"
            "import json, os, sys\n"
            "runtime = wiring.build(mode=wiring.LAMBDA)\n"
            "event = json.loads(sys.stdin.read())\n"
            "make_handler(runtime, runtime.traces.flush)(event, None)\n"
            "os._exit(0)\n"
        )
        event = (
            '{"version": "2.0", "rawPath": "/bucketer", "rawQueryString": "f=search&u=her",'
            ' "headers": {"x-amzn-trace-id":'
            ' "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"},'
            ' "requestContext": {"http": {"method": "GET", "path": "/bucketer"}}}'
        )
        environ = {
            "BUCKETER_EVENTS": "off",
            "BUCKETER_TRACES": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        }
        subprocess.run(
            [sys.executable, "-c", code],
            input=event,
            text=True,
            env=environ,
            check=True,
            timeout=60,
        )

        [span] = receiver.spans
        [_] = receiver.events
        assert "5759e988bd862e3fe1be46a994272793" == span.trace_id.hex()


def test_a_command_traces_nothing():
    environ = {"BUCKETER_EVENTS": "off", "BUCKETER_TRACES": "otlp"}

    assert Handler is type(wiring.build(environ=environ, mode=wiring.COMMAND).handler)
