"""Answers that go on: told once to all who listen, whoever is slow, until either side leaves."""

import asyncio
import json
import socket
import time

import pytest
from tests.fakes.serving import JSON, EchoHandler, FakeRuntime, serving
from tests.fakes.waiting import wait_until

from bucketer.api.http import ProfileNeeded, Reply, Response
from bucketer.api.streams import Notice, Stream, Telling
from bucketer.doors.server import streams as module
from bucketer.doors.server.limits import Limits
from bucketer.doors.server.streams import (
    AT_ONCE,
    NOTICE_COST_BYTES,
    TAKEN_BYTES,
    TOPIC_BYTES,
    Streams,
)

SSE = (("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"))


# ---------------------------------------------------------------------------- the log of a topic


class Taker:
    """Takes what is new when it is ready, unless it is slow."""

    def __init__(self, slow=False):
        self.slow, self.taken, self.listener, self.beats = slow, [], None, 0
        self.stay, self.dismissed = None, 0

    def dismiss(self):
        self.dismissed += 1

    def stream_ready(self):
        while not self.slow and self.listener.is_behind:
            self.taken.append(self.listener.take())

    def beat(self):
        self.beats += 1

    @property
    def told(self):
        return b"".join(self.taken)


class Loop:
    """A loop whose time the test moves on."""

    def __init__(self):
        self.now, self.due, self.apart = 0.0, [], []

    def time(self):
        return self.now

    def call_later(self, after_s, call, *arguments):
        handle = Handle(self.now + after_s, call, arguments)
        self.due.append(handle)
        return handle

    def call_soon(self, call, *arguments):
        return self.call_later(0.0, call, *arguments)

    call_soon_threadsafe = call_soon

    def run_in_executor(self, executor, call, *arguments):
        self.apart.append((call, arguments))

    def run_apart(self):
        """Do what was given to threads; return how much that was."""
        given, self.apart = self.apart, []
        for call, arguments in given:
            call(*arguments)
        return len(given)

    def run(self, for_s=0.0):
        """Do what is due within *for_s*; return how many calls that were."""
        until, calls = self.now + for_s, 0
        while due := [each for each in self.due if each.at <= until and not each.cancelled]:
            first = min(due, key=lambda each: each.at)
            self.due.remove(first)
            self.now = max(self.now, first.at)
            first.call(*first.arguments)
            calls += 1
        self.now = until
        return calls


class Handle:
    def __init__(self, at, call, arguments):
        self.at, self.call, self.arguments, self.cancelled = at, call, arguments, False

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def streams(loop):
    return Streams(loop, 10_000, set())


def listen(streams, topic="AbC", kinds=("decision",), slow=False):
    taker = Taker(slow)
    taker.listener = streams.join(Stream(SSE, "r", topic, kinds), taker)
    return taker


def notice(data=b"1", kind="decision", topic="AbC"):
    return Notice(topic, kind, data)


def test_all_who_listen_to_a_topic_are_told_once_and_in_order(streams, loop):
    takers = [listen(streams) for _ in range(3)]
    streams.tell([notice(b"1"), notice(b"2")])
    loop.run()
    streams.tell([notice(b"3")])
    loop.run(1)

    assert [b"data: 1\n\ndata: 2\n\ndata: 3\n\n"] * 3 == [each.told for each in takers]


def test_nobody_is_told_what_is_for_others_or_was_before(streams, loop):
    early = listen(streams)
    streams.tell([notice(b"1")])
    late, other, track = listen(streams), listen(streams, "DeF"), listen(streams, kinds=("track",))
    streams.tell([notice(b"2"), notice(b"3", kind="track"), notice(b"4", topic="GhI")])
    loop.run(1)

    assert b"data: 1\n\ndata: 2\n\n" == early.told
    assert (b"data: 2\n\n", b"", b"data: 3\n\n") == (late.told, other.told, track.told)


def test_what_nobody_listens_to_is_not_kept(streams, loop):
    streams.tell([notice()])
    assert set() == streams.listened
    taker = listen(streams)
    assert {"AbC"} == streams.listened
    streams.tell([notice()])
    streams.leave(taker.listener)
    streams.leave(taker.listener)  # twice does no harm

    assert (set(), 0, 0) == (streams.listened, streams.count, streams.kept_bytes)
    loop.run(1)
    assert b"" == taker.told


def test_many_notices_at_once_are_one_round(streams, loop):
    taker = listen(streams)
    loop.run()
    for _ in range(50):
        streams.tell([notice()])

    assert 1 == loop.run()
    assert 1 == len(taker.taken)


def test_rounds_keep_a_distance(streams, loop):
    taker = listen(streams)
    streams.tell([notice(b"1")])
    loop.run()
    streams.tell([notice(b"2")])
    loop.run(module.ROUND_S * 0.9)
    assert b"data: 1\n\n" == taker.told
    loop.run(module.ROUND_S * 0.2)
    assert b"data: 1\n\ndata: 2\n\n" == taker.told


def test_thousands_are_told_in_turns(streams, loop):
    takers = [listen(streams) for _ in range(AT_ONCE * 20 + 1)]
    streams.tell([notice()])

    assert 21 == loop.run()
    assert {b"data: 1\n\n"} == {each.told for each in takers}


def test_telling_costs_the_same_however_many_listen(streams):
    """By what is kept: one text for all."""
    for _ in range(1_000):
        listen(streams, slow=True)
    streams.tell([notice(b"x" * 1_000)])

    assert 1_000 + NOTICE_COST_BYTES == streams.kept_bytes


@pytest.mark.parametrize("size", [1, 1_000, 100_000])
def test_a_slow_one_loses_its_oldest_and_is_told_how_many(streams, loop, monkeypatch, size):
    monkeypatch.setattr(module, "KEPT_BYTES", 1_000_000)
    slow, quick = listen(streams, slow=True), listen(streams)
    sent = 3_000_000 // size if size > 1 else 20_000
    for number in range(sent):
        streams.tell([notice(str(number).encode().rjust(size))])
        loop.run(0.1)
    assert streams.kept_bytes <= 1_000_000
    slow.slow = False
    slow.stream_ready()

    kept = [int(each) for each in told(slow) if each.isdigit()]
    [lost] = [json.loads(each)["lost"] for each in told(slow) if not each.isdigit()]
    assert slow.told.startswith(b"event: lost\ndata: ")
    assert list(range(sent)) == [*range(lost), *kept]
    assert list(range(sent)) == [int(each) for each in told(quick)]


def told(taker):
    """The data of each event that was taken."""
    return [
        line[6:].strip() for line in taker.told.decode().splitlines() if line.startswith("data: ")
    ]


def test_what_everybody_has_taken_is_let_go(streams, loop):
    listen(streams)
    for _ in range(1_000):
        streams.tell([notice(b"x" * 1_000)])
        loop.run(0.1)

    assert 0 == streams.kept_bytes


def test_many_topics_have_one_bound_together(streams, loop, monkeypatch):
    monkeypatch.setattr(module, "KEPT_BYTES", 1_000_000)
    for number in range(200):
        listen(streams, f"key{number}", slow=True)
        streams.tell([notice(b"x" * 1_000, topic=f"key{number}")] * 100)
        loop.run(0.1)
        assert streams.kept_bytes <= 1_000_000 + TOPIC_BYTES * (number + 1)


@pytest.mark.parametrize("size", [TOPIC_BYTES - NOTICE_COST_BYTES, TOPIC_BYTES])
def test_one_that_is_larger_than_all_may_be_is_told_as_lost(streams, loop, monkeypatch, size):
    monkeypatch.setattr(module, "KEPT_BYTES", 0)
    taker = listen(streams)
    streams.tell([notice(b"x" * size)])
    loop.run(1)

    fits = size + NOTICE_COST_BYTES <= TOPIC_BYTES
    assert (b"x" * size in taker.told) is fits
    assert (b'{"lost":1}' in taker.told) is not fits


def test_a_listener_takes_a_little_at_a_time(streams, loop):
    slow = listen(streams, slow=True)
    streams.tell([notice(b"x" * 1_000)] * 100)
    loop.run(1)

    assert len(slow.listener.take()) <= TAKEN_BYTES + 1_000 + 100


def test_there_is_a_place_for_so_many_only(loop):
    streams = Streams(loop, 2, set())
    first, second, third = (listen(streams) for _ in range(3))
    assert third.listener is None
    streams.leave(first.listener)
    assert listen(streams).listener is not None
    assert second.listener is not None


def test_hearts_beat_while_somebody_listens(streams, loop):
    takers = [listen(streams) for _ in range(AT_ONCE + 1)]
    loop.run(module.HEARTBEAT_S * 3)
    assert {3} == {each.beats for each in takers}
    for each in takers:
        streams.leave(each.listener)
    loop.run(module.HEARTBEAT_S * 3)
    assert {3} == {each.beats for each in takers}


class Stay:
    def __init__(self, good):
        self.good = good

    def is_good(self):
        return self.good


def test_who_may_listen_no_more_is_dismissed_and_nobody_is_asked_on_the_loop(streams, loop):
    anybody, welcome, revoked = takers = [listen(streams) for _ in range(3)]
    welcome.stay, revoked.stay = Stay(True), Stay(False)
    loop.run(module.HEARTBEAT_S * 3)
    assert [0, 0, 0] == [each.dismissed for each in takers]
    assert 1 == loop.run_apart()  # one at a time, however long it takes
    loop.run()
    assert [0, 0, 1] == [each.dismissed for each in takers]
    welcome.stay = Stay(False)
    loop.run(module.HEARTBEAT_S)
    loop.run_apart()
    loop.run()
    assert (0, 1) == (anybody.dismissed, welcome.dismissed)


def test_where_anybody_may_listen_nobody_is_asked(streams, loop):
    listen(streams)
    loop.run(module.HEARTBEAT_S)

    assert 0 == loop.run_apart()


# ---------------------------------------------------------------------------- over the wire


class Teller(EchoHandler):
    """Streams at ``/stream``, tells what the query says at ``/tell``."""

    def __init__(self):
        super().__init__()
        self.waits = False

    def handle(self, request, now, new_uuid, known=None):
        if request.path == "/stream":
            if self.waits:
                self.waits = False
                raise ProfileNeeded("somebody")
            stream = Stream(SSE, request.request_id, request.query or "AbC", ["decision"])
            return Telling(stream)
        if request.path == "/tell":
            count, _, size = request.query.partition("x")
            response = Response(200, JSON, b"told", request.request_id)
            data = [b"%d" % n + b"x" * int(size or 0) for n in range(int(count or 1))]
            return Telling(response, notices=tuple(Notice("AbC", "decision", x) for x in data))
        return super().handle(request, now, new_uuid, known)


@pytest.fixture
def server():
    with serving(FakeRuntime(Teller())) as running:
        yield running


def ask(server, target):
    return server.ask(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())


def listening(server, target="/stream", version="1.1", **headers):
    """A client whose stream has begun, and what came first."""
    client = server.connect()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    client.send(f"GET {target} HTTP/{version}\r\nHost: x\r\n{lines}\r\n")
    status, headers, _ = client.answer(head_only=True)
    assert 200 == status
    return client, headers


def chunk(client):
    size = int(client._read.readline(), 16)
    data = client._read.read(size)
    assert b"\r\n" == client._read.read(2)
    return data


def test_a_stream_begins_at_once_and_goes_on(server):
    client, headers = listening(server)
    with client:
        assert "text/event-stream" == headers["content-type"]
        assert "chunked" == headers["transfer-encoding"]
        assert "content-length" not in headers
        for _ in range(3):
            assert b"told" in ask(server, "/tell?2")
            assert b"data: 0\n\ndata: 1\n\n" == chunk(client)


def test_a_client_of_http_1_0_gets_it_until_the_end(server):
    client, headers = listening(server, version="1.0")
    with client:
        assert "close" == headers["connection"]
        assert "transfer-encoding" not in headers
        ask(server, "/tell")
        assert b"data: 0\n\n" == client._read.read(9)


def test_several_are_told(server):
    clients = [listening(server)[0] for _ in range(50)]
    ask(server, "/tell")
    assert {b"data: 0\n\n"} == {chunk(each) for each in clients}
    for each in clients:
        each.sock.close()
        each._read.close()
    wait_until(lambda: server.worker.streams.count == 0)


def test_who_leaves_is_forgotten(server):
    client, _ = listening(server)
    assert 1 == server.worker.streams.count
    with client:
        client.sock.shutdown(socket.SHUT_WR)
        wait_until(lambda: server.worker.streams.count == 0)
    assert set() == server.worker.streams.listened


def test_nothing_further_is_read_from_who_listens(server):
    client, _ = listening(server)
    with client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        ask(server, "/tell")
        assert b"data: 0\n\n" == chunk(client)


def test_requests_behind_one_that_streams_are_not_answered(server):
    with server.connect() as client:
        one = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"
        client.send(one % b"/first" + one % b"/stream" + one % b"/third")
        assert b"GET /first" in client.answer()[2]
        assert "chunked" == client.answer(head_only=True)[1]["transfer-encoding"]
        ask(server, "/tell")
        assert b"data: 0\n\n" == chunk(client)


class Provided(FakeRuntime):
    """A runtime that provides whatever is needed, and asks its handler again."""

    def answering(self, request, deadline=None):
        self.asked = request
        return self

    def provide(self, needed):
        """It is there."""

    def reply(self):
        return self.handler.handle(self.asked, 0.0, lambda: "u")


def test_a_stream_that_had_to_wait_for_something_begins_when_that_is_there():
    with serving(Provided(Teller())) as server, server.connect() as client:
        one = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"
        server.worker.runtime.handler.waits = True
        client.send(one % b"/stream" + one % b"/behind")
        assert "chunked" == client.answer(head_only=True)[1]["transfer-encoding"]
        ask(server, "/tell")
        assert b"data: 0\n\n" == chunk(client)


def test_a_client_that_takes_nothing_holds_up_nobody_and_loses_its_oldest(server, monkeypatch):
    monkeypatch.setattr(module, "KEPT_BYTES", 2_000_000)
    slow, _ = listening(server)
    quick, _ = listening(server)
    with slow, quick:
        for _ in range(40):  # more than the system keeps for a socket
            ask(server, "/tell?10x60000")
            while b"9xxxxx" not in chunk(quick):
                pass
        assert server.worker.streams.kept_bytes <= 2_000_000
        text = b""
        while b'"lost":' not in text:
            text += chunk(slow)
        assert b"event: lost\n" in text


def test_a_client_that_takes_nothing_for_long_is_cut_off():
    limits = Limits(stalled_s=0.5)
    with serving(FakeRuntime(Teller()), limits=limits) as server:
        slow, _ = listening(server)
        with slow:
            for _ in range(600):
                ask(server, "/tell?10x60000")
                if not server.worker.streams.count:
                    break
                time.sleep(0.01)
            wait_until(lambda: server.worker.streams.count == 0)


def test_who_listens_is_not_timed_out_nor_asked_to_make_way():
    limits = Limits(idle_s=0.1, head_s=0.1, linger_s=0.1, stalled_s=0.1, connections=4)
    with serving(FakeRuntime(Teller()), limits=limits) as server:
        client, _ = listening(server)
        with client:
            time.sleep(1.6)
            for _ in range(20):
                assert b"told" in ask(server, "/tell")
            assert b"data: 0" in chunk(client)


def test_a_full_server_turns_a_new_client_away_before_one_who_listens():
    runtime = FakeRuntime(Teller())
    with serving(runtime, limits=Limits(connections=4)) as server:
        listeners = [listening(server)[0] for _ in range(2)]
        busy = [server.connect() for _ in range(2)]
        for each in busy:
            each.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2.2)  # longer than what is stuck may stay when others want its place
        assert b" 503 " in ask(server, "/tell").partition(b"\r\n")[0]
        assert 2 == server.worker.streams.count
        runtime.go_on.set()
        for each in (*listeners, *busy):
            each._read.close()
            each.sock.close()


def test_half_of_the_places_stay_for_who_asks_and_goes():
    limits = Limits(connections=4)
    with serving(FakeRuntime(Teller()), limits=limits) as server:
        clients = [listening(server)[0] for _ in range(2)]
        assert b" 503 " in ask(server, "/stream").partition(b"\r\n")[0]
        assert b" 200 " in ask(server, "/tell").partition(b"\r\n")[0]
        for each in clients:
            each.sock.close()


def test_a_heartbeat_comes_where_nothing_else_did(monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.1)
    with serving(FakeRuntime(Teller())) as server:
        client, _ = listening(server)
        with client:
            assert b":\n\n" == chunk(client)
            assert b":\n\n" == chunk(client)


def test_the_stream_of_who_may_listen_no_more_ends(monkeypatch):
    monkeypatch.setattr(module, "HEARTBEAT_S", 0.1)
    runtime, stays = FakeRuntime(Teller()), {}
    runtime.stay_of = lambda request: stays.get(request.headers.get("x-api-key"))
    stays["welcome"], stays["revoked"] = Stay(True), Stay(True)
    with serving(runtime) as server:
        clients = [
            listening(server, **({"X-API-Key": key} if key else {}))[0]
            for key in ("revoked", "welcome", "")
        ]
        stays["revoked"].good = False
        with clients[0]:
            while chunk(clients[0]):
                pass
            assert b"" == clients[0]._read.read()
        wait_until(lambda: server.worker.streams.count == 2)
        for each in clients[1:]:
            with each:
                assert b":\n\n" == chunk(each)


def test_a_server_that_stops_ends_its_streams():
    with serving(FakeRuntime(Teller())) as server:
        client, _ = listening(server)
        old, _ = listening(server, version="1.0")
        server.server.should_exit = True
        with client, old:
            assert b"0\r\n\r\n" == client.rest()
            assert b"" == old.rest()


def test_an_ordinary_answer_pays_one_look():
    """A reply that tells nothing is of the plain kind, which is all that is asked of it."""
    assert Reply is type(Reply(Response(200, JSON, b"")))
    assert asyncio.iscoroutinefunction(Streams.tell) is False
