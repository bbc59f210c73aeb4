"""What clients together may keep of a worker: bytes of requests and answers, connections."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
from tests.fakes.serving import EchoHandler, FakeRuntime, MemoryOutbox, serving
from tests.fakes.waiting import wait_until

from bucketer.doors.server.budget import Budget
from bucketer.doors.server.connection import UNTAKEN_BYTES
from bucketer.doors.server.limits import Limits
from bucketer.doors.server.reading import FRAMING_PER_BYTE, SLICE_BYTES
from bucketer.runtime.apart import LARGE_BYTES

GET = b"GET /a?n=1 HTTP/1.1\r\nHost: test\r\n\r\n"
LAST = b"GET /a HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
CHUNKED = b"POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
HEADER_BYTES = Limits().header_bytes


@pytest.fixture(scope="module")
def server():
    with serving(FakeRuntime()) as served:
        yield served


def status_of(server, data, step=SLICE_BYTES):
    """Send *data*, slice by slice, and return the status of the first answer."""
    with server.connect() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):  # refused before its end
            for start in range(0, len(data), step):
                client.send(data[start : start + step])
        return client.answer()[0]


# -- whatever is read is counted ---------------------------------------------------------


@pytest.mark.parametrize(
    ("beginning", "endless", "status"),
    [
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"X-Trailer: x\r\n", 431),
        (CHUNKED + b"1\r\nx\r\n0\r\nX-Trailer: ", b"x", 431),
        (CHUNKED + b"1\r\nx\r\n0\r\nX-Trailer", b"x", 431),
        (CHUNKED + b"1;", b"x", 431),
        (CHUNKED + b"1;x=", b"x", 431),
        (CHUNKED + b"1;x=", b'"x"', None),
        (CHUNKED + b"1\r\nx\r\n0;", b"x", 431),
        (CHUNKED, b"0", 431),
        (b"", b"\r\n", 431),
        (b"", b"\n", 431),
        (b"GET ", b" ", 431),
        (b"GET /a HTTP/1.1\r\nHost: ", b" ", 431),
        (b"GET /a HTTP/1.1\r\nHost: test\r\n", b"a:\r\n", 431),
        (b"GET /a HTTP/1.1\r\nHost: test\r\n", b"a", 431),
    ],
)
def test_what_has_no_end_is_refused_whatever_part_of_a_request_it_is(
    server, beginning, endless, status
):
    """Either as too large, or as malformed, and after at most so many bytes."""
    data = beginning + endless * (100_000 // len(endless))

    assert status_of(server, data) in ({status} if status else {400, 431})


@pytest.mark.parametrize(("trailer_bytes", "status"), [(30_000, 200), (40_000, 431)])
def test_trailers_are_counted_as_a_head_is(server, trailer_bytes, status):
    trailer = b"X-Trailer: " + b"x" * trailer_bytes + b"\r\n\r\n"

    assert status == status_of(server, CHUNKED + b"1\r\nx\r\n0\r\n" + trailer)


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_body_of_many_tiny_chunks_is_taken(server, size):
    chunk = b"%x\r\n%b\r\n" % (size, b"x" * size)

    assert 200 == status_of(server, CHUNKED + chunk * min(30_000, 1_000_000 // size) + b"0\r\n\r\n")


def test_chunk_lines_may_not_outgrow_what_the_chunks_bring(server):
    """Each byte of the body pays for so many bytes around it."""
    fair = b"1".zfill(FRAMING_PER_BYTE - 4) + b"\r\nx\r\n"
    unfair = b"1".zfill(FRAMING_PER_BYTE) + b"\r\nx\r\n"
    count = HEADER_BYTES

    assert 200 == status_of(server, CHUNKED + fair * count + b"0\r\n\r\n")
    assert 431 == status_of(server, CHUNKED + unfair * count + b"0\r\n\r\n")


@pytest.mark.parametrize(("blank", "status"), [(b"\r\n" * 10_000, 200), (b"\r\n" * 30_000, 431)])
def test_some_blank_lines_before_a_request_are_skipped(server, blank, status):
    assert status == status_of(server, blank + GET)


def test_blank_lines_between_requests_count_for_one_request_only(server):
    with server.connect() as client:
        for _ in range(4):
            client.send(b"\r\n" * 6_000 + GET)

            assert client.answer()[0] == 200


def test_a_header_that_is_repeated_is_joined_in_order(server):
    lines = b"".join(b"X-Forwarded-For: 192.0.2.%d\r\n" % n for n in range(200))
    with serving(FakeRuntime(), proxies=["127.0.0.1"]) as own, own.connect() as client:
        client.send(b"GET /a HTTP/1.1\r\nHost: test\r\n" + lines + b"\r\n" + GET)

        assert client.answer()[2] == b"GET /a - 192.0.2.199 -"
        assert client.answer()[2] == b"GET /a n=1 127.0.0.1 -"


# -- one client's many requests ----------------------------------------------------------


def test_between_slices_of_pipelined_requests_others_have_their_turn():
    """A read holds thousands of them; they are not all answered before anybody else's."""
    turns = []
    both_are_sent = threading.Event()
    runtime = FakeRuntime()
    handle = runtime.handler.handle

    def noting(request, *rest):
        both_are_sent.wait(10)  # the loop stands, so that what comes next is its own choice
        turns.append(request.query)
        return handle(request, *rest)

    runtime.handler.handle = noting
    many = b"GET /a?n=many HTTP/1.1\r\nHost: test\r\n\r\n"
    with serving(runtime) as server, server.connect() as greedy, server.connect() as other:
        greedy.sock.setblocking(False)
        greedy.sock.send(many * 5_000)
        other.send(b"GET /a?n=other HTTP/1.1\r\nHost: test\r\n\r\n")
        both_are_sent.set()

        assert other.answer()[0] == 200

        wait_until(lambda: len(turns) > 2_000)

    # Of 5,000 in one read: a slice, and those of the turns in which the other one is taken up.
    assert turns.index("n=other") < 10 * SLICE_BYTES / len(many)


def test_a_half_closed_connection_gets_all_its_pipelined_answers(server):
    with server.connect() as client:
        client.send(GET * 3_000)
        client.sock.shutdown(socket.SHUT_WR)

        assert client.rest().count(b"HTTP/1.1 200 OK") == 3_000


class Thinking(EchoHandler):
    """Takes its time over large bodies, until it may go on."""

    def __init__(self):
        super().__init__()
        self.go_on = threading.Event()

    def handle(self, request, now, new_uuid, known=None):
        if len(request.body) > 1_000:
            assert self.go_on.wait(10)
        return super().handle(request, now, new_uuid, known)


def large(target, size=LARGE_BYTES + 1):
    head = b"POST %b HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"
    return head % (target, size) + b"x" * size


def test_a_large_body_is_decided_beside_the_loop_and_answered_in_its_turn():
    outbox = MemoryOutbox()
    handler = Thinking()
    runtime = FakeRuntime(handler, outbox)
    runtime.go_on.set()
    with serving(runtime) as server, server.connect() as client, server.connect() as other:
        client.send(large(b"/event?n=1") + GET + large(b"/slow") + large(b"/broken") + GET)
        other.send(GET)

        assert other.answer()[0] == 200

        handler.go_on.set()
        answers = [client.answer() for _ in range(5)]

    size = LARGE_BYTES + 1
    assert [200, 200, 200, 500, 200] == [status for status, _, _ in answers]
    assert answers[0][2] == b"POST /event n=1 127.0.0.1 %d bytes" % size
    assert answers[2][2] == b"POST /slow - 127.0.0.1 %d bytes" % size
    assert ["event of n=1"] == outbox.events


@pytest.mark.parametrize(("size", "apart"), [(LARGE_BYTES, False), (LARGE_BYTES + 1, True)])
def test_only_a_large_body_goes_to_the_thread(size, apart):
    names = []

    class Naming(EchoHandler):
        def handle(self, *args):
            names.append(threading.current_thread().name)
            return super().handle(*args)

    with serving(FakeRuntime(Naming())) as server, server.connect() as client:
        client.send(large(b"/a", size))

        assert client.answer()[0] == 200

    assert apart is names[0].startswith("bucketer-large")


# -- bytes of unfinished requests --------------------------------------------------------


def unfinished(body_bytes):
    head = b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % (body_bytes + 1)
    return head + b"x" * body_bytes


def test_the_bytes_of_unfinished_requests_are_bounded_and_who_holds_most_gets_503():
    limits = Limits(unfinished_bytes=1_000_000)
    with serving(FakeRuntime(), limits=limits) as server, contextlib.ExitStack() as stack:
        modest = stack.enter_context(server.connect())
        modest.send(unfinished(20_000))
        greedy = [stack.enter_context(server.connect()) for _ in range(30)]
        for client in greedy:
            client.send(unfinished(100_000))
        worker = server.worker
        wait_until(lambda: sum(each._last for each in worker.connections) > 18)

        assert worker.unfinished.total_bytes <= 1_000_000

        modest.send("x")

        assert modest.answer()[2] == b"POST /a - 127.0.0.1 20001 bytes"

        statuses = []
        for client in greedy:
            with contextlib.suppress(ConnectionError):
                client.send("x")
            statuses.append(client.answer()[0])

        assert {200, 503} == set(statuses)
        assert statuses.count(200) <= 10
        assert 0 == worker.unfinished.total_bytes


@pytest.mark.parametrize(
    "data",
    [
        b"GET /a HTTP/1.1\r\nHost: test\r\nX: " + b"x" * 30_000,
        b"GET /a HTTP/1.1\r\nHost: test\r\n" + b"".join(b"a%d:\r\n" % n for n in range(300)),
        CHUNKED + b"7530\r\n" + b"x" * 30_000,
        b"GET /big HTTP/1.1\r\nHost: test\r\n\r\n" * 2_000,
    ],
    ids=["a long header", "many headers", "a chunk", "pipelined behind answers not taken"],
)
def test_heads_chunks_and_queues_count_as_unfinished_too(data):
    limits = Limits(unfinished_bytes=200_000, untaken_bytes=10**9)
    with serving(FakeRuntime(), limits=limits) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(20)]
        for client in clients:
            client.send(data)
        connections = server.server.server_state.connections
        wait_until(lambda: any(each._last for each in list(connections)))
        worker = server.worker

        assert 0 < worker.unfinished.total_bytes <= 200_000


def test_a_small_request_is_answered_when_all_room_is_taken():
    limits = Limits(unfinished_bytes=50_000)
    with serving(FakeRuntime(), limits=limits) as server, contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(server.connect()).send(unfinished(49_000))
        with server.connect() as client:
            client.send(GET)

            assert client.answer()[0] == 200

            client.send(unfinished(3_000))
            time.sleep(0.1)
            client.send("x")

            assert client.answer()[0] == 200


def test_requests_that_wait_for_a_thread_are_bounded_too():
    """Their bodies have come whole, and yet they stay."""
    limits = Limits(unfinished_bytes=10 * 250_000, threads=1)  # a tenth for each kind
    runtime = FakeRuntime()
    slow = b"POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000
    with serving(runtime, limits=limits) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(8)]
        for client in clients[:3]:
            client.send(slow)
        wait_until(lambda: runtime.slow == 3)
        for client in clients[3:]:
            client.send(slow)

        assert [503] * 5 == [client.answer()[0] for client in clients[3:]]

        runtime.go_on.set()

        assert [200] * 3 == [client.answer()[0] for client in clients[:3]]

        with server.connect() as client:
            client.send(slow)

            assert client.answer()[0] == 200


# -- bytes of answers --------------------------------------------------------------------


def test_answers_that_nobody_takes_are_bounded_and_who_leaves_most_is_cut_off():
    limits = Limits(untaken_bytes=4_000_000)
    big = b"GET /big HTTP/1.1\r\nHost: test\r\n\r\n"
    with serving(FakeRuntime(), limits=limits) as server, contextlib.ExitStack() as stack:
        greedy = [stack.enter_context(server.connect()) for _ in range(12)]
        for client in greedy:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(big * 20)  # 6 MB each, of which the system takes some
        reader = stack.enter_context(server.connect())
        for _ in range(5):
            reader.send(big)

            assert len(reader.answer()[2]) == 300_000

        connections = server.server.server_state.connections
        wait_until(lambda: len(connections) < 13)
        worker = server.worker

        assert worker.untaken.total_bytes <= 4_000_000
        assert sum(each._transport.get_write_buffer_size() for each in connections) <= (
            4_000_000 + UNTAKEN_BYTES * 13
        )


def test_answers_that_wait_behind_a_slow_one_count_as_untaken():
    limits = Limits(untaken_bytes=4_000_000)
    runtime = FakeRuntime()
    data = (
        b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n" + b"GET /big HTTP/1.1\r\nHost: t\r\n\r\n" * 10
    )
    with serving(runtime, limits=limits) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(3)]
        for client in clients:
            client.send(data)
        # All three have asked, and then two of them were cut off.
        worker = server.worker
        wait_until(lambda: runtime.slow == 3)
        wait_until(lambda: len(server.server.server_state.connections) == 1)
        runtime.go_on.set()
        answered = 0
        for client in clients:
            with contextlib.suppress(ConnectionError):
                answered += client.rest_of(11)

        assert 11 == answered
        assert 0 == worker.untaken.total_bytes


# -- connections -------------------------------------------------------------------------


def test_an_idle_connection_gives_way_to_a_new_one():
    with serving(FakeRuntime(), limits=Limits(connections=10)) as server:
        idle = [server.connect() for _ in range(10)]
        for client in idle[:5]:  # the others have never said a word
            client.send(GET)
            client.answer()
        for _ in range(30):
            with server.connect() as client:
                client.send(GET)

                assert client.answer()[0] == 200

        assert len(server.server.server_state.connections) <= 11
        for client in idle:
            client.__exit__()


def test_who_is_being_answered_does_not_give_way():
    runtime = FakeRuntime()
    with serving(runtime, limits=Limits(connections=4)) as server, contextlib.ExitStack() as stack:
        busy = [stack.enter_context(server.connect()) for _ in range(3)]
        for client in busy:
            client.send(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_until(lambda: runtime.slow == 3)
        for _ in range(10):
            with server.connect() as client:
                client.send(GET)

                assert client.answer()[0] == 200

        runtime.go_on.set()

        assert [200] * 3 == [client.answer()[0] for client in busy]


def test_a_client_that_drips_a_request_gives_way_after_a_while():
    with serving(FakeRuntime(), limits=Limits(connections=5)) as server:
        slow = [server.connect() for _ in range(5)]
        for client in slow:
            client.send("GET /a?")
        time.sleep(2.2)
        wait_until(lambda: server.ask(LAST).startswith(b"HTTP/1.1 200 "))
        for client in slow:
            client.__exit__()


def test_many_who_find_no_place_are_closed_without_being_waited_for():
    """Each of them holds a descriptor, of which some are needed for files."""
    runtime = FakeRuntime()
    with serving(runtime, limits=Limits(connections=4)) as server, contextlib.ExitStack() as stack:
        for _ in range(4):
            busy = stack.enter_context(server.connect())
            busy.send(b"GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_until(lambda: runtime.slow == 4)
        turned_away = [stack.enter_context(server.connect()) for _ in range(200)]

        assert {503} == {client.answer()[0] for client in turned_away}

        wait_until(lambda: len(server.server.server_state.connections) <= 4 + 17)

        runtime.go_on.set()


# -- the bound itself --------------------------------------------------------------------


def test_a_budget_asks_those_who_keep_most_until_an_eighth_is_free():
    gone = []
    budget = Budget(800, gone.append)
    for holder, kept_bytes in (("small", 10), ("large", 390), ("medium", 200), ("other", 200)):
        budget.keep(holder, kept_bytes)

    assert (800, []) == (budget.total_bytes, gone)

    budget.keep("last straw", 1)

    assert (411, ["large"]) == (budget.total_bytes, gone)


def test_a_budget_counts_what_is_kept_now():
    budget = Budget(100, [].append)
    budget.keep("a", 60)
    budget.keep("a", 20)
    budget.keep("b", 70)
    budget.release("a")
    budget.release("a")

    assert 70 == budget.total_bytes


def test_making_room_looks_at_all_holders_once_per_freed_part():
    """Doubling the holders about doubles the looks: each look frees an eighth of everything."""
    looks = {}
    for holders in (1_000, 2_000):
        sorted_ = []

        class Counted(Budget):
            def _make_room(self, seen=sorted_):
                seen.append(len(self._kept))
                super()._make_room()

        budget = Counted(holders * 10, lambda _: None)
        for holder in range(holders * 3):
            budget.keep(holder, 10)
        looks[holders] = sum(sorted_)

    assert looks[2_000] <= 2.2 * looks[1_000]
    assert looks[1_000] <= 20 * 3 * 1_000
