"""How much an ordinary request is, counted in calls: time is reported, this is what fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.fakes.serving import MemoryOutbox
from tests.fakes.transports import Loop, State, Transport

from bucketer import demo, wiring
from bucketer.api.client_address import TrustedProxies
from bucketer.doors.server.connection import Connection
from bucketer.doors.server.limits import Limits
from bucketer.doors.server.worker import Worker
from bucketer.settings import read_settings

GET = "GET /bucketer?e=checkout_flow_experiment&u=%s&a=tier:%%22platinum%%22 HTTP/1.1\r\n%s\r\n"
BODY = '{"e":"checkout_flow_experiment","u":"%s","a":{"tier":"platinum","member_since_days":56}}'
GOAL = '{"event":"purchase","u":"%s","a":{"tier":"platinum"},"tags":{"revenue":4200}}'
AGENT = '{"userId":"%s","userAttributes":{"tier":"platinum","member_since_days":56}}'
CONTEXT = '{"context":{"targetingKey":"%s","tier":"platinum","member_since_days":56}}'
HOST = "Host: x\r\n"
OWN_KEY = f"{HOST}X-Optimizely-SDK-Key: demonstration\r\n"
OTHER_KEY = f"{HOST}X-Optimizely-SDK-Key: another\r\n"


def post(path, body):
    return f"POST {path} HTTP/1.1\r\n{HOST}Content-Length: {len(body)}\r\n\r\n{body}"


def agents(path, body):
    head = f"{OTHER_KEY}Content-Type: application/json\r\nContent-Length: {len(body)}"
    return f"POST {path} HTTP/1.1\r\n{head}\r\n\r\n{body}"


def calls_of(call):
    """How many functions *call* calls, of Python's and of C's."""
    calls = 0

    def profile(frame, event, arg):
        nonlocal calls
        del frame, arg
        calls += event in ("call", "c_call")

    old = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(old)
    return calls


@pytest.fixture
def connection(tmp_path):
    """A connection to a server of two environments, which have been asked before."""
    datafile = tmp_path / "datafile.json"
    facts = json.loads(Path(demo.PATH).read_text()) | {"accountId": "1", "projectId": "2"}
    datafile.write_text(json.dumps(facts))
    config = tmp_path / "bucketer.toml"
    environments = f"[environments.main]\ndatafile = '{datafile}'\n"
    environments += f"[environments.other]\ndatafile = '{datafile}'\nsdk_key = 'another'\n"
    config.write_text(environments)
    environ = {"BUCKETER_CONFIG": str(config), "BUCKETER_STATE_DIR": str(tmp_path / "state")}
    runtime = wiring.build(read_settings(environ), environ)
    runtime.outbox.close()
    runtime.outbox = MemoryOutbox()
    for environment in runtime.environments:
        environment.load()
    worker = Worker(runtime, Loop(), Limits(), TrustedProxies())
    made = Connection(None, State(), {"worker": worker})
    made.connection_made(Transport())
    yield made
    made.connection_lost(None)
    worker.close()


def answered(connection, request):
    connection.data_received(request.encode())
    connection._worker.loop.turn()
    return connection._transport.written[-1]


@pytest.mark.parametrize(
    ("name", "make", "most_calls"),
    [
        ("GET", lambda user: GET % (user, HOST), 70),
        ("GET with its own key", lambda user: GET % (user, OWN_KEY), 75),
        ("GET with another's key", lambda user: GET % (user, OTHER_KEY), 75),
        ("POST", lambda user: post("/bucketer", BODY % user), 128),
        ("a goal", lambda user: post("/track", GOAL % user), 205),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_ordinary_request_calls_no_more_functions_than_it_did(
    connection, name, make, most_calls
):
    del name
    for number in range(4):  # what is compiled or imported when first asked for
        assert b" 200 OK\r\n" in answered(connection, make(f"user{number}"))
    request = make("user9")

    assert calls_of(lambda: answered(connection, request)) <= most_calls
    assert b'"user9"' in connection._transport.written[-1]


@pytest.mark.parametrize(
    ("name", "make", "most_calls"),
    [
        ("decide", lambda user: agents("/v1/decide?keys=checkout_flow", AGENT % user), 170),
        ("decide all", lambda user: agents("/v1/decide", AGENT % user), 215),
        (
            "activate",
            lambda user: agents("/v1/activate?featureKey=checkout_flow", AGENT % user),
            175,
        ),
        ("one", lambda user: post("/ofrep/v1/evaluate/flags/checkout_flow", CONTEXT % user), 146),
        ("all", lambda user: post("/ofrep/v1/evaluate/flags", CONTEXT % user), 188),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_nor_does_one_in_the_words_of_agent_or_openfeature(connection, name, make, most_calls):
    del name
    for number in range(30):  # each rule has been asked, and written out
        assert b" 200 OK\r\n" in answered(connection, make(f"user{number}"))
    request = make("user9")

    assert calls_of(lambda: answered(connection, request)) <= most_calls
    assert b'"user9"' in connection._transport.written[-1]


def test_an_answer_that_has_not_changed_is_told_so_in_few_calls(connection):
    path, body = "/ofrep/v1/evaluate/flags", CONTEXT % "user1"
    told = answered(connection, post(path, body))
    [etag] = [line[6:].decode() for line in told.split(b"\r\n") if line.startswith(b"etag: ")]
    request = post(path, body).replace("Host", f"If-None-Match: {etag}\r\nHost")
    for _ in range(2):
        assert b" 304 " in answered(connection, request)

    assert calls_of(lambda: answered(connection, request)) <= 52
