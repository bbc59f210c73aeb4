"""The ASGI application: mounted, under a server with and without lifespan, and on its own."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from tests.fakes.serving import EchoHandler, FakeRuntime, MemoryOutbox

from bucketer import wiring
from bucketer.doors.asgi import BucketerApp
from bucketer.runtime.apart import LARGE_BYTES
from bucketer.settings import read_settings


def ask(app, path, root_path="", headers=None, client=("192.0.2.1", 1), **request):
    async def talk():
        transport = httpx.ASGITransport(app=app, root_path=root_path, client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as session:
            return await session.request(
                request.get("method", "GET"), path, headers=headers, content=request.get("content")
            )

    return asyncio.run(talk())


def test_the_application_of_the_module_answers_from_the_environments_settings(monkeypatch):
    monkeypatch.setenv("BUCKETER_EVENTS", "off")
    monkeypatch.delenv("DATAFILE_URL", raising=False)
    app = BucketerApp()

    answer = ask(app, "/bucketer?e=checkout_flow_experiment&u=x")

    assert answer.status_code == 200
    assert answer.json()["experiment"] == "checkout_flow_experiment"

    app.close()


@pytest.mark.parametrize(
    ("root_path", "path", "seen"),
    [
        ("", "/a", "/a"),
        ("/here", "/here/a", "/a"),
        ("/here/", "/here/a", "/a"),
        ("/here", "/a", "/a"),
        ("/here", "/here", "/"),
        ("/here", "/here/", "/"),
        ("/here", "/hereafter", "/hereafter"),
        ("/here", "/here/here/a", "/here/a"),
        ("/here", "/here//a", "//a"),
    ],
)
def test_where_it_is_mounted_is_no_part_of_the_path(root_path, path, seen):
    app = BucketerApp(FakeRuntime())

    assert ask(app, path, root_path).text.split()[1] == seen


def test_a_proxy_is_believed_only_when_it_is_trusted():
    headers = {"X-Forwarded-For": "6.6.6.6, 198.51.100.9"}

    assert ask(BucketerApp(FakeRuntime()), "/a", headers=headers).text.split()[3] == "192.0.2.1"

    trusting = BucketerApp(FakeRuntime(), proxies=["192.0.2.0/24"])

    assert ask(trusting, "/a", headers=headers).text.split()[3] == "198.51.100.9"


@pytest.mark.parametrize(
    ("client", "seen"),
    [
        (("::ffff:192.0.2.1", 1), "192.0.2.1"),
        (("::FFFF:c000:201", 1), "192.0.2.1"),
        (("fe80::1%eth0", 1), "fe80::1"),
        (("2001:DB8::1", 1), "2001:db8::1"),
        (("testclient", 1), ""),
        (("/run/app.sock", None), ""),
        (None, ""),
    ],
)
def test_a_peer_has_one_spelling_and_what_is_no_address_is_none(client, seen):
    answer = ask(BucketerApp(FakeRuntime()), "/a", client=client)

    assert answer.text.split(" ")[3] == seen


def test_events_are_in_the_outbox_when_the_answer_is_there():
    outbox = MemoryOutbox()

    assert ask(BucketerApp(FakeRuntime(outbox=outbox)), "/event?n=1").status_code == 200
    assert outbox.events == ["event of n=1"]


def test_what_needs_a_lookup_is_served_in_a_thread():
    runtime = FakeRuntime()
    runtime.go_on.set()

    assert ask(BucketerApp(runtime), "/slow").text == "GET /slow - 192.0.2.1 -"


def test_a_failure_is_logged_under_its_request(caplog):
    answer = ask(BucketerApp(FakeRuntime()), "/failed", headers={"X-Request-Id": "find-me"})

    assert answer.status_code == 500
    assert "find-me" in caplog.text


def test_a_body_over_the_limit_is_not_read_to_its_end():
    pieces_read = 0

    async def receive():
        nonlocal pieces_read
        pieces_read += 1
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/a", "headers": []}
    runtime = FakeRuntime(EchoHandler())
    asyncio.run(BucketerApp(runtime, max_body_bytes=2500)(scope, receive, send))

    assert pieces_read == 3
    assert sent[1]["body"].endswith(b"2501 bytes")


def test_a_client_that_leaves_in_the_middle_of_its_body_gets_no_answer():
    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        raise AssertionError(message)

    scope = {"type": "http", "method": "POST", "path": "/a", "headers": []}
    asyncio.run(BucketerApp(FakeRuntime())(scope, receive, send))


def lifespan(app):
    said = []
    asked = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive():
        return {"type": next(asked)}

    async def send(message):
        said.append(message)

    asyncio.run(app({"type": "lifespan"}, receive, send))
    return said


def test_a_lifespan_closes_the_runtime_at_its_end():
    runtime = FakeRuntime()
    said = lifespan(BucketerApp(runtime))

    assert [each["type"] for each in said] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert runtime.closed


def test_impossible_settings_stop_the_server_at_its_start(monkeypatch):
    monkeypatch.setenv("BUCKETER_PORT", "eighty")
    (said,) = lifespan(BucketerApp())

    assert said["type"] == "lifespan.startup.failed"
    assert "BUCKETER_PORT" in said["message"]


def test_a_websocket_is_turned_away():
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    asyncio.run(BucketerApp(FakeRuntime())({"type": "websocket"}, receive, send))

    assert sent == ["websocket.close"]


def test_a_path_without_its_raw_form_is_quoted_again():
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/a b", "headers": [], "client": None}
    asyncio.run(BucketerApp(FakeRuntime())(scope, receive, send))

    assert sent[1]["body"].startswith(b"GET /a%20b ")
    assert json.dumps(sent[0]["status"]) == "200"


def test_bodies_that_do_not_come_whole_are_bounded_together_and_small_ones_taken():
    """As many as there is room for are waited for; then a larger one gets 503, and is forgotten."""
    limits = {"max_body_bytes": 120_000, "max_kept_bytes": 500_000}
    runtime = FakeRuntime()
    runtime.go_on.set()
    app = BucketerApp(runtime, proxies=(), **limits)
    go_on = asyncio.Event()

    async def ask(size):
        """Send *size* bytes and hold back the last one until all have sent theirs."""
        pieces = [(b"x" * (size - 1), True), (b"x", False)]
        sent = []

        async def receive():
            if len(pieces) == 1:
                await go_on.wait()
            body, more = pieces.pop(0)
            return {"type": "http.request", "body": body, "more_body": more}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/a", "headers": [], "client": None}
        await app(scope, receive, send)
        return sent[0]["status"], sent[1]["body"]

    async def all_at_once():
        large = [asyncio.create_task(ask(100_000)) for _ in range(8)]
        await asyncio.sleep(0.05)
        small = asyncio.create_task(ask(4_000))
        await asyncio.sleep(0.05)
        go_on.set()
        return [(await each) for each in large], (await small), (await ask(100_000))

    large, small, after = asyncio.run(all_at_once())

    assert [200] * 5 + [503] * 3 == [status for status, _ in large]
    assert b'"overloaded"' in large[-1][1]
    assert (200, 200) == (small[0], after[0])


@pytest.mark.parametrize(("size", "apart"), [(LARGE_BYTES, False), (LARGE_BYTES + 1, True)])
def test_a_large_body_is_decided_in_a_thread(size, apart):
    runtime = FakeRuntime()
    runtime.go_on.set()
    served = []
    answering = runtime.answering

    def noting(request, deadline):
        served.append(len(request.body))
        return answering(request, deadline)

    runtime.answering = noting
    answer = ask(BucketerApp(runtime), "/a", method="POST", content=b"x" * size)

    assert answer.text.endswith(f" {size} bytes")
    assert ([size] if apart else []) == served


def test_what_goes_on_for_ever_is_refused_and_never_an_empty_answer():
    environ = {"BUCKETER_EVENTS": "off", "BUCKETER_AGENT_NOTIFICATIONS": "on"}
    app = BucketerApp(wiring.build(read_settings(environ), {}))
    headers = {"X-Optimizely-SDK-Key": "demonstration"}

    answer = ask(app, "/v1/notifications/event-stream", headers=headers)

    assert answer.status_code == 403
    assert "only `bucketer serve`" in answer.text


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setenv("BUCKETER_EVENTS", "off")
    monkeypatch.setenv("BUCKETER_METRICS", "local")
    made = BucketerApp()
    yield made
    made.close()


def test_metrics_tell_of_what_the_application_has_answered(counting):
    for path in (
        "/here/bucketer?e=checkout_flow_experiment&u=x",
        "/here/bucketer",
        "/here/nowhere",
    ):
        ask(counting, path, "/here")
    here = ("127.0.0.1", 1)
    told = ask(counting, "/here/metrics", "/here", {"Host": "localhost"}, client=here).text

    assert 'bucketer_requests_total{route="/bucketer",status="200"} 1\n' in told
    assert 'bucketer_requests_total{route="/bucketer",status="400"} 1\n' in told
    assert 'bucketer_requests_total{route="other",status="404"} 1\n' in told
    assert 'bucketer_request_duration_seconds_count{route="/bucketer"} 2\n' in told
    assert 'flag="",variation=' not in told
    assert "bucketer_decisions_total{" in told
    assert "bucketer_datafile_" in told


def test_what_the_application_refuses_unread_is_counted_without_a_time(counting):
    counting._kept_bytes = 1 << 40
    answer = ask(counting, "/bucketer", method="POST", content=chunks())
    counting._kept_bytes = 0
    here = ("127.0.0.1", 1)
    told = ask(counting, "/metrics", headers={"Host": "localhost"}, client=here).text

    assert answer.status_code == 503
    assert 'bucketer_requests_total{route="other",status="503"} 1\n' in told
    assert 'bucketer_request_duration_seconds_count{route="other"} 0\n' in told


async def chunks():
    for _ in range(2):
        yield b"x" * 5_000


def test_metrics_of_the_application_are_this_machines_alone_and_off_unless_wanted(
    counting, monkeypatch
):
    assert ask(counting, "/metrics").status_code == 403
    monkeypatch.setenv("BUCKETER_METRICS", "off")
    off = BucketerApp()
    assert ask(off, "/metrics", client=("127.0.0.1", 1)).status_code == 404
    off.close()
