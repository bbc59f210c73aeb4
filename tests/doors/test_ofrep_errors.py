"""Whatever goes wrong, OpenFeature's clients get JSON that all of them can read, from every door."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import unquote

import pytest
from tests.fakes.editions import NOW, AnEdition
from tests.fakes.serving import serving

from bucketer import wiring
from bucketer.access.gate import Gate
from bucketer.access.ring import Ring
from bucketer.api.grant import READ
from bucketer.api.http import Request
from bucketer.api.refusals import REFUSALS, refusal
from bucketer.api.routes import Handler
from bucketer.doors.asgi import BucketerApp
from bucketer.doors.aws_lambda import make_handler
from bucketer.settings import read_settings

FLAGS = "/ofrep/v1/evaluate/flags"
CODES = {
    "PARSE_ERROR",
    "TARGETING_KEY_MISSING",
    "INVALID_CONTEXT",
    "GENERAL",
    "FLAG_NOT_FOUND",
}


def check(status, headers, body, key):
    """Hold an error against what clients read of it; *headers* by lower-case name."""
    told = json.loads(body)
    assert list(told) == ["key", "errorCode", "errorDetails", "metadata"]
    assert (told["key"], told["metadata"]) == (key, {})
    assert told["errorCode"] in CODES
    assert isinstance(told["errorDetails"], str)
    assert told["errorDetails"]
    assert headers["content-type"] == "application/json"
    if status in {429, 503}:
        assert headers["retry-after"].isdigit()
    return told


class Broken:
    """An engine that fails in a way that nobody foresaw."""

    def __getattr__(self, name):
        raise RuntimeError("on purpose")


def lower(headers):
    return {name.lower(): value for name, value in dict(headers).items()}


def options(**environ):
    return wiring.api_options(read_settings(environ))


@pytest.mark.parametrize(("path", "key"), [(FLAGS, ""), (f"{FLAGS}/a%20b/c", "a b/c")])
class TestEveryError:
    def ask(self, handler, path, key, method="POST", body=b'{"context": {}}', **more):
        response = handler.handle(Request(method, path, body=body, **more), NOW, str).response
        return response.status, check(response.status, lower(response.headers), response.body, key)

    def test_of_something_unforeseen(self, path, key):
        flag = {"id": "1", "key": "a b/c", "rolloutId": "", "experimentIds": [], "variables": []}
        document = json.loads(AnEdition().raw) | {"featureFlags": [flag]}

        class Failing:
            def decide(self, *_):
                raise RuntimeError("on purpose")

            activate = decide

        status, told = self.ask(Handler(AnEdition(document), options(), Failing()), path, key)

        assert (status, told["errorCode"]) == (500, "GENERAL")
        assert "on purpose" not in told["errorDetails"]

    def test_without_a_datafile(self, path, key):
        assert self.ask(Handler(None, options()), path, key)[0] == 503

    def test_without_a_key(self, path, key):
        its = options()
        its.gate = Gate(Ring(()), None, READ)

        status, told = self.ask(Handler(AnEdition(), its), path, key)

        assert (status, told["errorCode"]) == (401, "GENERAL")

    def test_of_what_is_too_much(self, path, key):
        handler = Handler(AnEdition(), options(BUCKETER_MAX_BODY_BYTES="2000"))

        assert self.ask(handler, path, key, body=b"x" * 2_001)[0] == 413
        assert self.ask(handler, path, key, query="x" * 9_000)[0] == 414

    def test_of_what_is_no_context(self, path, key):
        handler = Handler(AnEdition(), options())

        for body in (b"{", b"[]", b"\xff", b'{"context": 3}', b"[" * 100):
            assert self.ask(handler, path, key, body=body)[0] == 400

    def test_of_another_method(self, path, key):
        assert self.ask(Handler(AnEdition(), options()), path, key, method="GET")[0] == 405

    @pytest.mark.parametrize("status", REFUSALS)
    def test_of_a_door(self, path, key, status):
        response = refusal(status, "r", (("Content-Type", "application/json"),), path)

        check(status, lower(response.headers), response.body, key)

    def test_of_lambda_when_something_fails_before_it_is_answered(self, path, key):
        runtime = wiring.build(read_settings({"BUCKETER_EVENTS": "off"}), {})
        runtime.serve = Broken().__getattr__  # what no request can do
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {},
            "requestContext": {"http": {"method": "POST", "path": path, "sourceIp": "192.0.2.1"}},
        }
        result = make_handler(runtime)(event, None)

        assert result["statusCode"] == 500
        check(500, lower(result["headers"]), result["body"], key)

    def test_of_asgi_when_too_much_waits(self, path, key):
        app = BucketerApp(
            wiring.build(read_settings({"BUCKETER_EVENTS": "off"}), {}), max_kept_bytes=0
        )
        app._kept_bytes = 1 << 40
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"x" * 5_000, "more_body": True}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": unquote(path), "raw_path": path.encode()}
        scope |= {"query_string": b"", "headers": [], "client": ("192.0.2.1", 1)}
        asyncio.run(app(scope, receive, send))

        headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        assert sent[0]["status"] == 503
        check(503, headers, sent[1]["body"], key)


def test_a_server_says_so_too_when_a_head_is_too_large():
    runtime = wiring.build(read_settings({"BUCKETER_EVENTS": "off"}), {})
    with serving(runtime) as server, server.connect() as client:
        client.send(f"POST {FLAGS}/a%20b HTTP/1.1\r\nHost: x\r\nx: {'x' * 40_000}\r\n\r\n")
        status, headers, body = client.answer()

    assert status == 431
    check(431, headers, body, "a b")


def test_other_paths_are_refused_as_ever():
    told = json.loads(refusal(503, "r", (), "/bucketer").body)

    assert told["variation"] is None
    assert told["error"]["code"] == "overloaded"
