"""Requests whose headers have come before: answered as the parser has them answered, without it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.serving import EchoHandler, FakeRuntime
from tests.fakes.transports import Loop, State, Transport

from bucketer.api.client_address import TrustedProxies
from bucketer.doors.server.connection import Connection
from bucketer.doors.server.known_heads import MAX_BYTES, MAX_HEADERS, MAX_HEADS
from bucketer.doors.server.limits import Limits
from bucketer.doors.server.reading import SLICE_BYTES, RequestReader
from bucketer.doors.server.repeated import TRIES
from bucketer.doors.server.worker import Worker

HOST = "Host: x\r\n"


class Counted(Connection):
    """Counts what the parser is fed."""

    fed = 0

    def _parse(self, data):
        self.fed += 1
        super()._parse(data)


class ByTheParser(Connection):
    """Lets the parser read everything."""

    def data_received(self, data):
        RequestReader.data_received(self, data)


class TellsHeaders(EchoHandler):
    """Answers with the headers, too, as it understood them."""

    def handle(self, request, now, new_uuid, known=None):
        reply = super().handle(request, now, new_uuid, known)
        reply.response.body += repr(request.headers).encode()
        return reply


def a_worker():
    return Worker(FakeRuntime(TellsHeaders()), Loop(), Limits(), TrustedProxies())


def connected(kind, worker):
    made = kind(None, State(), {"worker": worker})
    made.connection_made(Transport())
    return made


@pytest.fixture
def worker():
    made = a_worker()
    yield made
    made.close()


@pytest.fixture
def connection(worker):
    made = connected(Counted, worker)
    yield made
    made.connection_lost(None)


def get(target="/a?u=1", headers=HOST):
    return f"GET {target} HTTP/1.1\r\n{headers}\r\n".encode("latin-1")


def post(body, target="/a", headers=HOST):
    return get(target, f"{headers}Content-Length: {len(body)}\r\n").replace(b"GET", b"POST") + body


def answers(connection):
    """All that was answered, less the ids, which count on."""
    written = b"".join(connection._transport.written)
    return [part for part in written.split(b"\r\n") if not part.startswith(b"x-request-id")]


def asked(connection):
    """What was asked, as it was understood: a line for each answer, of requests that have no body."""
    return [
        part.split(b" 192.0.2.1 ")[0].decode()
        for part in answers(connection)
        if b" 192.0.2.1 " in part
    ]


def is_parsed(connection, *data):
    """Say of each of *data* whether the parser had to read it."""
    found = []
    for each in data:
        before = connection.fed
        connection.data_received(each)
        found.append(connection.fed > before)
    return found


# What is read at a glance, and that it is answered


def test_what_says_the_same_as_the_one_before_is_not_parsed(connection):
    assert is_parsed(connection, get("/a?u=1"), get("/a?u=2"), get("/b")) == [True, False, False]
    assert asked(connection) == ["GET /a u=1", "GET /a u=2", "GET /b -"]


def test_bodies_of_one_length_and_then_of_another(connection):
    one, two, other = post(b"1234"), post(b"5678"), post(b"56789")

    assert is_parsed(connection, one, two, other, one, other) == [True, False, True, False, False]
    assert answers(connection)[-1].startswith(b"POST /a - 192.0.2.1 56789{")
    assert connection.answered == 5


def test_a_body_may_hold_anything(connection):
    for body in (b"\r\n\r\n\0\xff", "äöü".encode(), b"GET / H"):
        connection.data_received(post(b"x" * len(body), "/first"))
        assert is_parsed(connection, post(body)) == [False]
        assert b"POST /a - 192.0.2.1 " + body + b"{" in connection._transport.written[-1]


def test_what_one_connection_sent_is_known_to_the_others_of_the_worker(worker):
    ours, theirs = connected(Counted, worker), connected(Counted, worker)
    key = HOST + "X-API-Key: one\r\n"

    assert is_parsed(ours, get(headers=key)) == [True]
    assert is_parsed(theirs, get(), get(headers=key)) == [True, False]

    another = connected(Counted, worker)
    assert is_parsed(another, get(headers=key)) == [True]
    assert ours._known is theirs._known is another._known


def test_headers_that_differ_by_one_byte_are_others(connection):
    for key in ("abc", "abd", "abc", "abd", "ab", "abcd"):
        connection.data_received(get(headers=f"{HOST}X-API-Key: {key}\r\n"))

        assert f"'x-api-key': '{key}'}}".encode() in connection._transport.written[-1]


@pytest.mark.parametrize("head", [get(), post(b"body")], ids=["GET", "POST"])
def test_every_byte_in_a_target_is_taken_or_refused_as_by_the_parser(worker, head):
    for byte in range(256):
        for target in (b"/%c", b"/a%cb", b"/a?%c", b"/a?u=%c#x%c", b"/%c/x?y"):
            sent = head.replace(b"/a?u=1", b"/a").replace(
                b"/a", target.replace(b"%c", bytes([byte]))
            )
            both = []
            for kind in (Counted, ByTheParser):
                connection = connected(kind, worker)
                connection.data_received(head)
                connection.data_received(sent)
                both.append((answers(connection), connection._last))
                connection.connection_lost(None)
            assert both[0] == both[1], sent


# What is the parser's


@pytest.mark.parametrize(
    "headers",
    [
        "Connection: keep-alive\r\n",
        "Connection: close\r\n",
        "Expect: 100-continue\r\n",
        "Upgrade: h2c\r\n",
        "Transfer-Encoding: chunked\r\n",
    ],
)
def test_what_says_more_than_headers_do_is_always_parsed(worker, headers):
    ours, theirs = connected(Counted, worker), connected(ByTheParser, worker)
    data = get(headers=HOST + headers)
    if "chunked" in headers:
        data += b"0\r\n\r\n"
    for each in (ours, theirs):
        each.data_received(data)
    fed = ours.fed
    for each in (ours, theirs):
        each.data_received(data)

    assert ours.fed > fed or ours._last
    assert answers(ours) == answers(theirs)


@pytest.mark.parametrize(
    "data",
    [
        get().replace(b"HTTP/1.1", b"HTTP/1.0"),
        get().replace(b"HTTP/1.1", b"HTTP/2.0"),
        get().replace(b"HTTP/1.1", b"http/1.1"),
        get().replace(b"GET", b"get"),
        get().replace(b"GET", b"HEAD"),
        get().replace(b"GET", b"PUT"),
        get().replace(b"GET ", b"GET  "),
        get().replace(b"GET", b" GET"),
        get().replace(b"GET", b"POST"),
        get("http://x/a"),
        get("*"),
        get("a"),
        get("/a b"),
        get("/a HTTP/1.1\r\nX: y\r\n\r\nGET /b"),
        get() + get("/b"),
        get() + b"\r\n",
        get() + b"GET",
        b"\r\n" + get(),
        get()[:-1],
        get()[:-4] + b"\n\n",
        get("/" + "a" * SLICE_BYTES),
        get("/ä"),
        post(b"body")[:-1],
        post(b"body") + b"y",
        post(b"body").replace(b"POST", b"GET"),
        b"",
        b"\r",
        b"x",
        b"x" * 50,
    ],
)
@pytest.mark.parametrize("first", [get(), post(b"body")], ids=["GET", "POST"])
def test_whatever_comes_next_is_answered_as_by_the_parser(worker, first, data):
    for then in (b"", first, b"\r\n\r\n", get("/last")):
        ours, theirs = connected(Counted, worker), connected(ByTheParser, worker)
        for each in (ours, theirs):
            for piece in (first, first, data, then):
                each.data_received(piece)
        assert answers(ours) == answers(theirs)
        assert (ours._last, ours.phase(), ours._unfed) == (
            theirs._last,
            theirs.phase(),
            theirs._unfed,
        )


def often(usual, *others):
    """Mostly what is usual, as most of the others end a connection; else one of them."""
    return st.integers(1, 12).flatmap(
        lambda n: st.sampled_from(others) if n == 12 else st.just(usual)
    )


LINES = st.builds(
    lambda method, target, version: f"{method} {target} {version}",
    often("GET", "POST", "HEAD", "PUT", "BREW", "CONNECT"),
    often("/a", "/a?u=1", "/event?u=1", "/failed", "/broken", "http://x/a", "*", "/ä", "/\x7f"),
    often("HTTP/1.1", "HTTP/1.0", "HTTP/2.0"),
)
MORE_HEADERS = st.lists(
    st.sampled_from(
        [
            "Host: x",
            "host:y",
            "X-API-Key: one",
            "X-API-Key: two",
            "X-Request-Id: mine",
            "X: ä",
            "Connection: close",
            "Connection: keep-alive",
            "Content-Length: 4",
            "Content-Length: 04",
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
            "Expect: 100-continue",
            "Upgrade: h2c",
            " folded",
            "Bad Name: x",
        ]
    ),
    max_size=3,
)


@st.composite
def sent(draw):
    """Requests, some of them broken, in the pieces in which they arrive."""
    pieces = []
    for _ in range(draw(st.integers(2, 6))):
        headers = draw(often([], ["X-API-Key: one"], ["X-API-Key: two"]) | MORE_HEADERS)
        end = draw(often("\r\n", "\n"))
        head = end.join([draw(LINES), "Host: x", *headers, "", ""]).encode("latin-1")
        whole = head + draw(often(b"", b"body", b"bodys", b"0\r\n\r\n", b"\r\n", b"GE"))
        cut = draw(often(None, *range(0, len(whole), 7), len(whole) - 1))
        pieces += [whole] if cut is None else [whole[:cut], whole[cut:]]
    if draw(often(False, True)):
        place = draw(st.integers(0, len(pieces) - 1))
        pieces[place : place + 2] = [b"".join(pieces[place : place + 2])]
    return pieces


@settings(max_examples=1_000)
@given(st.lists(sent(), min_size=1, max_size=3))
def test_a_connection_answers_as_one_that_parses_everything(clients):
    worker = a_worker()
    try:
        for pieces in clients:  # one after the other, as what one says is known to the next
            ours, theirs = connected(Counted, worker), connected(ByTheParser, worker)
            for piece in pieces:
                ours.data_received(piece)
                theirs.data_received(piece)

                assert answers(ours) == answers(theirs)
                assert (ours._last, ours.phase()) == (theirs._last, theirs.phase())
    finally:
        worker.close()


@pytest.mark.parametrize("before", [b"", get()], ids=["first", "behind another"])
def test_what_stood_in_a_header_of_a_request_in_pieces_is_not_learned(worker, before):
    connection = connected(Counted, worker)
    connection.data_received(before + b"GET /a HTTP/1.1\r\nX: ")
    connection.data_received(get("/b"))
    connection.data_received(get("/c"))

    assert asked(connection)[-2:] == ["GET /a -", "GET /c -"]
    assert b"{'host': 'x'}" in connection._transport.written[-1]


def test_what_was_refused_is_refused_again(worker):
    twice = get(headers=HOST + HOST)
    for _ in range(2):
        connection = connected(Counted, worker)
        connection.data_received(get("/b"))
        connection.data_received(twice)
        assert connection._last
        assert b" 400 " in connection._transport.written[-1]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /a HTTP/1.1\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\n\nGET /b HTTP/1.1\r\nX: y\r\n\r\n",
        b"GET /a HTTP/1.0\r\nHost: x\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nmore",
        b"GET /a HTTP/1.1\r\nHost: x\r\n",
        b"",
    ],
)
def test_a_head_of_which_a_kinder_parser_would_make_more_is_not_learned(worker, head):
    assert worker.known_heads.learn(get(), {"host": "x"})
    assert worker.known_heads.learn(head, {"host": "x"}) is None


def test_what_the_handler_never_foresaw_is_a_500_and_the_end(connection, caplog):
    connection.data_received(get())
    connection.data_received(get("/broken"))
    connection.data_received(get("/behind"))

    assert b" 500 " in connection._transport.written[-1]
    assert connection.fed == 1
    assert "broken on purpose" in caplog.text


def test_behind_the_last_request_nothing_is_answered(connection):
    connection.data_received(get())
    connection._leaving = True
    connection.data_received(get("/last"))
    connection.data_received(get("/behind"))

    assert asked(connection) == ["GET /a u=1", "GET /last -"]


def test_who_takes_no_answers_is_answered_later(connection):
    connection.data_received(get())
    connection.pause_writing()
    connection.data_received(get("/b"))
    assert connection.answered == 1

    connection.resume_writing()
    connection._worker.loop.turn()
    assert asked(connection) == ["GET /a u=1", "GET /b -"]


# What is remembered, and for how long it is tried


@pytest.mark.parametrize(("more", "parsed"), [(0, False), (1, True)])
def test_a_head_of_so_many_bytes_is_remembered(connection, more, parsed):
    room = MAX_BYTES - len(get(headers=HOST + "X: \r\n")) + len(b"GET /a?u=1")
    data = get(headers=f"{HOST}X: {'x' * (room + more)}\r\n")

    assert is_parsed(connection, data, data) == [True, parsed]


@pytest.mark.parametrize(("more", "parsed"), [(0, False), (1, True)])
def test_a_head_of_so_many_headers_is_remembered(connection, more, parsed):
    data = get(headers=HOST + "".join(f"X{n}: y\r\n" for n in range(MAX_HEADERS - 1 + more)))

    assert is_parsed(connection, data, data) == [True, parsed]


@pytest.mark.parametrize(("more", "parsed"), [(0, False), (1, True)])
def test_a_request_of_so_many_bytes_is_not_parsed(connection, more, parsed):
    body = b"x" * (SLICE_BYTES - len(post(b"x" * 1_000)) + 1_000)
    connection.data_received(post(body))
    connection.fed = 0
    longer = post(body, "/a" + "b" * more)

    assert is_parsed(connection, longer) == [parsed]
    assert connection.answered == 2


@pytest.mark.parametrize(("others", "parsed"), [(MAX_HEADS - 2, False), (MAX_HEADS - 1, True)])
def test_so_many_heads_are_remembered_and_the_oldest_makes_room(worker, others, parsed):
    first = get(headers=HOST + "X: first\r\n")
    connected(Counted, worker).data_received(first)
    for number in range(others):
        connected(Counted, worker).data_received(get(headers=f"{HOST}X: {number}\r\n"))

    assert is_parsed(connected(Counted, worker), get(), first) == [True, parsed]


@pytest.mark.parametrize(("unknown", "parsed"), [(TRIES - 1, False), (TRIES, True)])
def test_who_never_repeats_itself_is_soon_left_to_the_parser(connection, unknown, parsed):
    for number in range(unknown):
        connection.data_received(get(headers=f"{HOST}X-Request-Id: {number}\r\n"))
    learned = len(connection._worker.known_heads._known)

    assert is_parsed(connection, get(), get()) == [True, parsed]
    assert len(connection._worker.known_heads._known) == learned + (not parsed)


def test_one_hit_makes_up_for_all_misses(connection):
    for number in range(3 * TRIES):
        assert is_parsed(connection, get(headers=f"{HOST}X: {number}\r\n")) == [True]
        assert is_parsed(connection, get(headers=f"{HOST}X: {number}\r\n")) == [False]


def test_a_server_that_stops_closes_after_a_request_that_was_known(connection):
    connection.data_received(get())
    connection.data_received(get())
    connection._leaving = True
    connection.data_received(get("/last"))

    assert b"connection: close\r\n" in connection._transport.written[-1]
    assert not connection._transport.reading
