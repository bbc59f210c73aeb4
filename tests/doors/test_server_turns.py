"""How much of one client's input is parsed before others have their turn, counted."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.fakes.serving import FakeRuntime
from tests.fakes.transports import Loop, State, Transport

from bucketer.api.client_address import TrustedProxies
from bucketer.doors.server.connection import Connection
from bucketer.doors.server.limits import Limits
from bucketer.doors.server.phases import HEAD
from bucketer.doors.server.reading import SLICE_BYTES, TURN_BYTES
from bucketer.doors.server.sweeper import SWEEP_S, TIMED_OUT_AT_ONCE, Sweeper
from bucketer.doors.server.turns import AT_ONCE
from bucketer.doors.server.worker import Worker


class Counted(Connection):
    """Counts the bytes that the parser is fed."""

    fed_bytes = 0

    def _parse(self, data):
        self.fed_bytes += len(data)
        super()._parse(data)


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def connection(loop):
    worker = Worker(FakeRuntime(), loop, Limits(), TrustedProxies())
    made = Counted(None, State(), {"worker": worker})
    made.connection_made(Transport())
    yield made
    made.connection_lost(None)
    worker.close()


GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "most_bytes"),
    [
        (GET * 10_000, SLICE_BYTES),
        (CHUNKED + b"1\r\nx\r\n" * 40_000, TURN_BYTES),
        (CHUNKED + b"ffffff\r\n" + b"x" * 250_000, TURN_BYTES),
    ],
    ids=["requests", "tiny chunks", "a body"],
)
def test_in_one_turn_only_so_much_is_parsed_and_nothing_is_read_until_all_is(
    connection, loop, data, most_bytes
):
    connection.data_received(data)
    turns = [connection.fed_bytes]

    assert not connection._transport.reading

    while loop.soon:
        loop.turn()
        turns.append(connection.fed_bytes - sum(turns))

    assert max(turns) <= most_bytes
    assert len(data) == sum(turns)
    assert connection._transport.reading


@pytest.mark.parametrize("clients", [AT_ONCE, AT_ONCE + 1, 200])
def test_of_many_who_send_much_at_once_a_few_have_their_turn_and_then_others(loop, clients):
    worker = Worker(FakeRuntime(), loop, Limits(), TrustedProxies())
    many = [Counted(None, State(), {"worker": worker}) for _ in range(clients)]
    data = GET * (5 * SLICE_BYTES // len(GET))
    for each in many:
        each.connection_made(Transport())
        each.data_received(data)
    turns = [[each.fed_bytes for each in many]]

    assert not any(each._transport.reading for each in many)

    while loop.soon:
        loop.turn()
        turns.append([each.fed_bytes for each in many])
    for before, after in pairwise([[0] * clients, *turns]):
        parsed = [b - a for a, b in zip(before, after, strict=True) if b > a]

        assert len(parsed) <= AT_ONCE
        assert max(parsed, default=0) <= SLICE_BYTES
        assert max(after) - min(after) <= 2 * SLICE_BYTES  # nobody is far ahead of another
    assert all(each.fed_bytes == len(data) and each._transport.reading for each in many)
    worker.close()


def test_all_requests_of_a_read_are_answered_over_the_turns(connection, loop):
    connection.data_received(GET * 1_000)
    while loop.soon:
        loop.turn()

    assert 1_000 == len(connection._transport.written)


@pytest.mark.parametrize("count", [3, 800, 1_600])
def test_headers_of_one_name_are_kept_as_they_came_and_joined_once_at_the_end(connection, count):
    """Joining each to those before it would copy four times as much for twice as many."""
    head = b"GET /a HTTP/1.1\r\nHost: x\r\n" + b"cookie: 0123456789\r\n" * count
    for start in range(0, len(head), SLICE_BYTES):
        connection.data_received(head[start : start + SLICE_BYTES])
    kept = connection._repeated.get("cookie", [])
    seen = []
    handle = connection._worker.runtime.handler.handle

    def noting(request, *rest):
        seen.append(request.headers["cookie"])
        return handle(request, *rest)

    connection._worker.runtime.handler.handle = noting
    connection.data_received(b"\r\n")

    assert {"0123456789"} >= set(kept)
    assert len(kept) >= count - 1  # the parser tells of the last with the end
    assert [", ".join(["0123456789"] * count)] == seen


class Dripping:
    """A client that never completes its head."""

    answered = 0
    mark = None
    since = 0.0

    def __init__(self, clients):
        self._clients = clients
        clients.append(self)

    def phase(self):
        return HEAD

    def time_out(self, phase):
        assert phase == HEAD
        self._clients.remove(self)


class Clock(Loop):
    """A loop whose time goes on to the next timer."""

    now = 0.0

    def time(self):
        return self.now

    def call_later(self, delay_s, call):
        self.next = (delay_s, call)

    def tick(self):
        delay_s, call = self.next
        self.now += delay_s
        call()
        return delay_s


def test_many_time_outs_at_once_are_shared_out_over_several_turns():
    clients = []
    for _ in range(5 * TIMED_OUT_AT_ONCE):
        Dripping(clients)
    clock = Clock()
    Sweeper(clock, clients, Limits(head_s=1.0)).start()
    left = [len(clients)]
    while clients:
        clock.tick()
        left.append(len(clients))

    assert max(before - after for before, after in pairwise(left)) == 200
    assert clock.now < 1.0 + 3 * SWEEP_S
    assert clock.tick() > 0  # and it goes on looking
