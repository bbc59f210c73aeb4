"""One meaning, many doors: the same request gets the same answer, byte for byte.

Server on the wire, ASGI under uvicorn's own protocol and called by hand, Lambda's Function URL.
"""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from tests.fakes.datafiles import a_datafile
from tests.fakes.serving import Client, serving

from bucketer import wiring
from bucketer.doors.asgi import BucketerApp
from bucketer.doors.aws_lambda import make_handler
from bucketer.settings import read_settings

IP = "127.0.0.1"
EXPERIMENT = "e=checkout_flow_experiment"
JSON_BODY = json.dumps({"e": "checkout_flow_experiment", "u": "ü", "a": {"tier": "platinum"}})

#: method, path, query, body
REQUESTS = [
    ("GET", "/bucketer", f'{EXPERIMENT}&u=cooper34523569&a=tier:"platinum",n:56', b""),
    ("GET", "/bucketer", f"{EXPERIMENT}&u=cooper34523569&a=tier:%22platinum%22%2Cn:56", b""),
    ("GET", "/bucketer", f"{EXPERIMENT}&a=tier:platinum,,n:1", b""),
    ("GET", "/bucketer", f"{EXPERIMENT}&u=%C3%A9+%F0%9F%98%80", b""),
    ("GET", "/bucketer", f"{EXPERIMENT}&u=%FF", b""),
    ("GET", "/bucketer", f"{EXPERIMENT}&e=twice&u=x", b""),
    ("GET", "/bucketer", f"{EXPERIMENT}&u=x&track=off", b""),
    ("GET", "/bucketer", "e=chekout_flow_experiment&u=x", b""),
    ("GET", "/bucketer", "u=x", b""),
    ("GET", "/bucketer", "", b""),
    ("GET", "/bucketer", "f=no_such_flag&u=x", b""),
    ("GET", "/bucketer", 'e=checkout_flow_experiment&u=x&a="open', b""),
    ("GET", "/bucketer/", f"{EXPERIMENT}&u=x", b""),
    ("GET", "/bucketer/", f"{EXPERIMENT}&u=x", b""),
    ("GET", "/nothing", "", b""),
    ("GET", "/", "", b""),
    ("GET", "/", f"{EXPERIMENT}&u=x", b""),
    ("POST", "/bucketer", "", f"{EXPERIMENT}&u=form".encode()),
    ("GET", "/x/health", "", b""),
    ("GET", "/../bucketer", f"{EXPERIMENT}&u=x", b""),
    ("GET", "/%2e%2e/bucketer", f"{EXPERIMENT}&u=x", b""),
    ("GET", "//bucketer", f"{EXPERIMENT}&u=x", b""),
    ("GET", "/%2Fhealth", "", b""),
    ("POST", "/x/webhooks/optimizely", "", b"{}"),
    ("GET", "/bucketer", f"{EXPERIMENT}&u=" + "x" * 9000, b""),
    ("GET", "/health", "", b""),
    ("HEAD", "/bucketer", f"{EXPERIMENT}&u=x", b""),
    ("OPTIONS", "/bucketer", "", b""),
    ("DELETE", "/bucketer", "", b""),
    ("POST", "/bucketer", "", JSON_BODY.encode()),
    ("POST", "/bucketer", "u=also", JSON_BODY.encode()),
    ("POST", "/bucketer", "", b"{not json"),
    ("POST", "/bucketer", "", b'{"e": "\xff"}'),
    ("POST", "/bucketer", "", b"[" * 100_000),
    ("POST", "/bucketer", "", b" " * (1024 * 1024 + 1)),
    ("POST", "/bucketer", "e=x&u=of+the+query", b""),
    ("POST", "/bucketer/", "e=x&u=of+the+query", b" " * (1024 * 1024 + 1)),
    ("FOO", "/bucketer", EXPERIMENT, b""),
    ("GET", "/v1/config", "sdk_key=demonstration", b""),
    ("GET", "/v1/datafile", "sdk_key=demonstration", b""),
    ("HEAD", "/v1/config", "sdk_key=demonstration", b""),
    ("GET", "/v1/datafile", "", b""),
    ("GET", "/v1/decide", "sdk_key=demonstration", b""),
    ("POST", "/v1/decide", "sdk_key=demonstration", b'{"userId": "of no type"}'),
    ("POST", "/v1/activate", "sdk_key=demonstration", b""),
    ("POST", "/v1/track", "sdk_key=demonstration&eventKey=purchase", b""),
    ("GET", "/v1/nothing", "sdk_key=demonstration", b""),
    ("GET", "/v1/config", "sdk_key=a!", b""),
    ("POST", "/expose", "", b"no token"),
    ("POST", "/expose", "", b'{"token": "1.a.b"}'),
    ("GET", "/expose", "", b""),
]


@pytest.fixture(scope="module")
def runtime():
    return wiring.build(read_settings({"BUCKETER_EVENTS": "off"}), {})


@pytest.fixture(scope="module")
def server(runtime):
    with serving(runtime) as served:
        yield served


def by_server(server, method, path, query, body):
    with server.connect() as client:
        return by_wire(client, method, path, query, body)


def by_wire(client: Client, method, path, query, body):
    target = f"{path}?{query}" if query else path
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nX-Request-Id: same\r\n"
    client.send(f"{head}Content-Length: {len(body)}\r\n\r\n" if body else f"{head}\r\n")
    client.send(body)
    status, headers, answer = client.answer(head_only=method == "HEAD")
    for of_the_connection in ("date", "connection"):
        headers.pop(of_the_connection, None)
    return status, headers, answer


def by_asgi(runtime, method, path, query, body, headers=None):
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [
            (name.encode(), value.encode())
            for name, value in {"x-request-id": "same", **(headers or {})}.items()
        ],
        "client": (IP, 4711),
    }
    pieces = [body[start : start + 65536] for start in range(0, len(body), 65536)] or [b""]
    sent = []

    async def receive():
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message):
        sent.append(message)

    asyncio.run(BucketerApp(runtime)(scope, receive, send))
    start, rest = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, rest["body"]


def by_lambda(runtime, method, path, query, body, headers=None):
    event = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"x-request-id": "same", **(headers or {})},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": IP},
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    result = make_handler(runtime)(event, None)
    headers = {name.lower(): value for name, value in result["headers"].items()}
    return result["statusCode"], headers, result["body"].encode()


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: f"{each[0]} {each[2][:40]}")
def test_server_asgi_and_lambda_give_the_same_answer(server, runtime, request_):
    status, headers, body = by_server(server, *request_)
    asgi_status, asgi_headers, asgi_body = by_asgi(runtime, *request_)
    lambda_status, lambda_headers, lambda_body = by_lambda(runtime, *request_)
    for each in (headers, asgi_headers):  # Lambda's triggers say the length themselves
        each.pop("content-length", None)

    assert (status, body) == (asgi_status, asgi_body) == (lambda_status, lambda_body)
    assert headers == asgi_headers == lambda_headers
    assert headers["x-request-id"] == "same"


def test_the_server_and_asgi_tell_the_same_length(server, runtime):
    for request in REQUESTS:
        length = by_server(server, *request)[1].get("content-length")

        assert length == by_asgi(runtime, *request)[1].get("content-length")


def test_a_keep_alive_connection_gives_the_answers_that_single_ones_give(server):
    single = [by_server(server, *request) for request in REQUESTS[:13]]
    with server.connect() as client:
        kept = [by_wire(client, *request) for request in REQUESTS[:13]]

    assert single == kept


def test_every_status_that_a_request_can_get_is_in_the_table(server):
    statuses = {by_server(server, *request)[0] for request in REQUESTS}

    assert statuses == {200, 204, 400, 403, 404, 405, 413, 414, 415}


@pytest.mark.parametrize(
    "path", ["/x/health", "/../bucketer", "/%2e%2e/health", "//health", "/./health", "/%2fhealth"]
)
@pytest.mark.parametrize("door", ["server", "absolute form", "asgi", "lambda"])
def test_no_door_takes_a_path_for_another(server, runtime, door, path):
    if door == "asgi":
        status, _, _ = by_asgi(runtime, "GET", path, "", b"")
    elif door == "lambda":
        status, _, _ = by_lambda(runtime, "GET", path, "", b"")
    else:
        front = "http://bucketer.example" if door == "absolute form" else ""
        status, _, _ = by_server(server, "GET", f"{front}{path}", "", b"")

    assert status == 404


def test_a_token_of_one_door_is_exposed_once_through_each(capfd):
    secret = base64.b64encode(b"s" * 32).decode()
    environ = {"BUCKETER_EVENTS": "stdout", "BUCKETER_SIGNING_SECRETS": secret}
    runtime = wiring.build(read_settings(environ), {})
    decide = ("GET", "/bucketer", "f=search&u=ben&track=later", b"")
    with serving(runtime) as served:
        doors = {"server": (by_server, served), "asgi": (by_asgi, runtime)}
        doors["lambda"] = (by_lambda, runtime)
        tokens = [json.loads(by(door, *decide)[2])["exposure"] for by, door in doors.values()]
        capfd.readouterr()
        answers = [
            by(door, "POST", "/expose", "", token.encode())
            for token in tokens
            for by, door in doors.values()
        ]
    sent = [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    assert {(status, body) for status, _, body in answers} == {(200, b'{"exposed": 1}')}
    uuids = [each["visitors"][0]["snapshots"][0]["events"][0]["uuid"] for each in sent]
    assert (len(uuids), len(set(uuids))) == (9, 3)


#: Keys of flags that a path must be read with care for, and what clients make of them in a path.
ODD_KEYS = {
    "a/b": ["a/b", "a%2Fb", "a%2fb"],
    "a b": ["a%20b"],
    "a+b": ["a+b", "a%2Bb"],
    "100%": ["100%25", "100%"],
    "%2F": ["%252F"],
    "..": ["..", "%2e%2e", "%2E."],
    "../x": ["../x", "..%2Fx"],
    ".": ["."],
    "//": ["//", "%2F%2F"],
    "end/": ["end/", "end%2F"],
    "/start": ["/start", "%2Fstart"],
    "ü\N{GRINNING FACE}": ["%C3%BC%F0%9F%98%80"],
    "a?b#c": ["a%3Fb%23c"],
    "evaluate/flags": ["evaluate/flags"],
}
FLAGS, ASKED = "/ofrep/v1/evaluate/flags", b'{"context": {"targetingKey": "u"}}'


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A runtime with a flag of each of these keys, and the doors to it."""
    flag = {"rolloutId": "", "experimentIds": [], "variables": []}
    flags = [{"id": f"{n}", "key": key, **flag} for n, key in enumerate(ODD_KEYS)]
    path = tmp_path_factory.mktemp("odd") / "datafile.json"
    path.write_text(json.dumps(a_datafile(featureFlags=flags)))
    settings = {"BUCKETER_EVENTS": "off", "BUCKETER_DATAFILE": str(path)}
    runtime = wiring.build(read_settings(settings), {})
    with serving(runtime) as served:
        yield [(by_server, served), (by_asgi, runtime), (by_lambda, runtime)]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_every_door_finds_a_flag_whatever_its_key(odd, key):
    for by, door in odd:
        for written in ODD_KEYS[key]:
            status, _, body = by(door, "POST", f"{FLAGS}/{written}", "", ASKED)
            assert (status, json.loads(body)["key"]) == (200, key), written


@pytest.mark.parametrize(
    "written",
    ["", "a", "a%252Fb", "a%20b/", "%FF", "%", "...", "../flags", "x/../a/b", "a//b", "%00"],
)
def test_no_door_finds_another_route_behind_a_key(odd, written):
    answers = []
    for by, door in odd:
        status, headers, body = by(door, "POST", f"{FLAGS}/{written}", "", ASKED)
        told = json.loads(body)
        assert (status, told["errorCode"], told["metadata"]) == (404, "FLAG_NOT_FOUND", {})
        assert isinstance(told["key"], str)
        assert told["errorDetails"]
        answers.append((status, headers["content-type"], body))

    assert len(set(answers)) == 1
