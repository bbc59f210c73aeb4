"""HTTP/1.1 as it is on the wire: raw sockets against a real server with an echoing handler."""

from __future__ import annotations

import json
import socket
import time

import pytest
from tests.fakes.serving import EchoHandler, FakeRuntime, MemoryOutbox, serving
from tests.fakes.waiting import wait_until

from bucketer.doors.server.connection import MAX_HELD
from bucketer.doors.server.limits import Limits
from bucketer.doors.server.logs import note_access
from bucketer.doors.server.reading import SLICE_BYTES


@pytest.fixture(scope="module")
def server():
    """One server for the tests that don't need one of their own."""
    runtime = FakeRuntime()
    runtime.go_on.set()
    with serving(runtime) as served:
        yield served


def get(target="/a?b=1", *headers, version="1.1"):
    lines = [f"GET {target} HTTP/{version}", "Host: test", *headers]
    return "\r\n".join(lines) + "\r\n\r\n"


def post(body, target="/a", *headers):
    lines = [f"POST {target} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines) + "\r\n\r\n" + body


# -- connections and their order ---------------------------------------------------------


def test_a_connection_is_kept_for_the_next_request(server):
    with server.connect() as client:
        for number in range(3):
            client.send(get(f"/a?n={number}"))
            status, headers, body = client.answer()

            assert (status, body) == (200, f"GET /a n={number} 127.0.0.1 -".encode())
            assert "connection" not in headers


def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as client:
        client.send("".join(get(f"/a?n={number}") for number in range(200)))

        answers = [client.answer()[2] for _ in range(200)]

    assert [f"GET /a n={number} 127.0.0.1 -".encode() for number in range(200)] == answers


def test_pipelined_bodies_and_gets_keep_their_order(server):
    requests = [get("/a?n=0"), post("one"), get("/a?n=2"), post("three"), post(""), get("/a?n=5")]

    with server.connect() as client:
        client.send("".join(requests))
        bodies = [client.answer()[2].split()[-1] for _ in requests]

    assert [b"-", b"one", b"-", b"three", b"-", b"-"] == bodies


def test_a_request_may_come_byte_by_byte(server):
    with server.connect() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post("body", "/bytes?x=1", "X-Request-Id: one-by-one"):
            client.send(byte)
        status, headers, body = client.answer()

    assert (status, body) == (200, b"POST /bytes x=1 127.0.0.1 body")
    assert headers["x-request-id"] == "one-by-one"


def test_fast_answers_wait_for_a_slow_one_before_them():
    runtime = FakeRuntime()
    with serving(runtime) as server, server.connect() as client:
        client.send(get("/slow?n=0") + get("/a?n=1") + get("/slow?n=2") + get("/a?n=3"))
        client.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.sock.recv(1)
        runtime.go_on.set()
        client.sock.settimeout(5)
        # reading through the file object again after its socket timed out isn't allowed
        received = b""
        while received.count(b"\r\n\r\n") < 4 or not received.endswith(b"n=3 127.0.0.1 -"):
            received += client.sock.recv(65536)

    order = [received.index(f"n={number} ".encode()) for number in range(4)]
    assert sorted(order) == order


def test_a_slow_answer_holds_up_nobody_else():
    runtime = FakeRuntime()
    with serving(runtime) as server, server.connect() as slow, server.connect() as other:
        slow.send(get("/slow"))
        other.send(get("/a?quick=1"))

        assert other.answer()[2] == b"GET /a quick=1 127.0.0.1 -"

        runtime.go_on.set()

        assert slow.answer()[2] == b"GET /slow - 127.0.0.1 -"


def test_connection_close_is_obeyed_after_the_answer(server):
    with server.connect() as client:
        client.send(get("/a", "Connection: close") + get("/never"))
        status, headers, _ = client.answer()

        assert (status, headers["connection"]) == (200, "close")
        assert client.is_closed()


def test_http_1_0_is_closed_after_the_answer(server):
    with server.connect() as client:
        client.send("GET /old HTTP/1.0\r\n\r\n")
        status, headers, body = client.answer()

        assert (status, headers["connection"]) == (200, "close")
        assert body == b"GET /old - 127.0.0.1 -"
        assert client.is_closed()


def test_http_1_0_with_keep_alive_is_told_so_and_kept(server):
    with server.connect() as client:
        for _ in range(2):
            client.send("GET /old HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
            status, headers, _ = client.answer()

            assert (status, headers["connection"]) == (200, "keep-alive")


def test_a_client_that_closes_its_half_early_still_gets_its_answers():
    runtime = FakeRuntime()
    with serving(runtime) as server, server.connect() as client:
        client.send(get("/slow?n=1") + get("/a?n=2"))
        client.sock.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        runtime.go_on.set()
        answers = client.rest()

    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.endswith(b"GET /a n=2 127.0.0.1 -")


def test_a_client_that_leaves_before_its_slow_answer_harms_nothing(server):
    runtime = FakeRuntime()
    with serving(runtime) as own:
        client = own.connect()
        client.send(get("/slow"))
        time.sleep(0.1)
        client.__exit__()
        time.sleep(0.1)
        runtime.go_on.set()

        assert b"200 OK" in own.ask(get("/a", "Connection: close"))


def test_many_connections_at_once_are_all_answered(server):
    clients = [server.connect() for _ in range(300)]
    try:
        for number, client in enumerate(clients):
            client.send(get(f"/a?n={number}"))
        bodies = [client.answer()[2] for client in clients]
    finally:
        for client in clients:
            client.__exit__()

    assert [f"GET /a n={number} 127.0.0.1 -".encode() for number in range(300)] == bodies


def test_over_the_limit_of_connections_a_client_is_told_to_come_back():
    limits = Limits(connections=3)
    runtime = FakeRuntime()
    with serving(runtime, limits=limits) as server:
        clients = [server.connect() for _ in range(3)]
        for client in clients:
            client.send(get("/slow"))
        wait_until(lambda: runtime.slow == 3)
        with server.connect() as turned_away:
            status, headers, body = turned_away.answer()

            assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
            assert b'"overloaded"' in body
            assert turned_away.is_closed()
        runtime.go_on.set()
        for client in clients:
            assert client.answer()[0] == 200

            client.__exit__()
        time.sleep(0.2)

        assert b"200 OK" in server.ask(get("/a", "Connection: close"))


# -- methods, targets, headers -----------------------------------------------------------


def test_head_has_the_length_but_no_body(server):
    with server.connect() as client:
        client.send("HEAD /a?b=1 HTTP/1.1\r\nHost: test\r\n\r\n" + get("/next"))
        status, headers, _ = client.answer(head_only=True)
        next_body = client.answer()[2]

    assert (status, headers["content-length"]) == (200, str(len("HEAD /a b=1 127.0.0.1 -")))
    assert next_body == b"GET /next - 127.0.0.1 -"


def test_no_content_has_no_length(server):
    with server.connect() as client:
        client.send("OPTIONS /a HTTP/1.1\r\nHost: test\r\n\r\n")
        status, headers, _ = client.answer()

    assert status == 204
    assert "content-length" not in headers


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("/a", "/a -"),
        ("/a?", "/a -"),
        ("/a?x=1?y=2", "/a x=1?y=2"),
        ("/a%20b?c=%C3%A9", "/a%20b c=%C3%A9"),
        ('/a?a=tier:"platinum",n:56', '/a a=tier:"platinum",n:56'),
        ("http://test/a?b", "/a b"),
        ("http://test?b", "/ b"),
        ("https://test", "/ -"),
        ("/a?u=http://x/", "/a u=http://x/"),
    ],
)
def test_path_and_query_arrive_as_they_were_sent(server, target, seen):
    with server.connect() as client:
        client.send(get(target))

        assert client.answer()[2].decode() == f"GET {seen} 127.0.0.1 -"


def test_raw_bytes_beyond_ascii_in_a_target_arrive_unharmed(server):
    with server.connect() as client:
        client.send("GET /a?u=é HTTP/1.1\r\nHost: tést\r\n\r\n".encode())
        client.send(
            b"GET /a?u=\xff HTTP/1.1\r\nHost: test\r\n\r\n" + post("é\né").encode("latin-1")
        )
        client.send(b"GET /a?u=")
        time.sleep(0.1)
        client.send("€ HTTP/1.1\r\nHost: test\r\n\r\n".encode())

        assert client.answer()[2] == b"GET /a u=%C3%A9 127.0.0.1 -"
        assert client.answer()[2] == b"GET /a u=%FF 127.0.0.1 -"
        assert client.answer()[2] == b"POST /a - 127.0.0.1 \xe9\n\xe9"
        assert client.answer()[2] == b"GET /a u=%E2%82%AC 127.0.0.1 -"


def test_a_sane_request_id_is_echoed_and_another_replaced(server):
    with server.connect() as client:
        client.send(get("/a", "X-Request-ID: abc-1.2") + get("/a", "x-request-id: a b") + get())

        ids = [client.answer()[1]["x-request-id"] for _ in range(3)]

    assert ids[0] == "abc-1.2"
    assert " " not in ids[1]
    assert ids[1] != ids[2]


@pytest.mark.parametrize(
    ("proxies", "headers", "seen"),
    [
        ((), ["X-Forwarded-For: 6.6.6.6"], "127.0.0.1"),
        (("127.0.0.1",), ["X-Forwarded-For: 6.6.6.6, 192.0.2.7"], "192.0.2.7"),
        (("127.0.0.1",), ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 192.0.2.7"], "192.0.2.7"),
        (("127.0.0.1", "10.0.0.0/8"), ["X-Forwarded-For: 192.0.2.7, 10.1.2.3"], "192.0.2.7"),
        (("127.0.0.1",), [], "127.0.0.1"),
        (("::ffff:127.0.0.1",), ["X-Forwarded-For: 192.0.2.7:4711"], "192.0.2.7"),
        (("127.0.0.1",), ["X-Forwarded-For: ::FFFF:192.0.2.7"], "192.0.2.7"),
        (("127.0.0.1",), ["X-Forwarded-For: nobody"], "127.0.0.1"),
    ],
)
def test_the_visitors_address_is_the_peers_or_what_a_trusted_proxy_says(proxies, headers, seen):
    runtime = FakeRuntime()
    with serving(runtime, proxies=proxies) as server, server.connect() as client:
        client.send(get("/a", *headers))

        assert client.answer()[2].decode() == f"GET /a - {seen} -"


def test_every_answer_is_dated(server):
    with server.connect() as client:
        client.send(get())

        assert client.answer()[1]["date"].endswith("GMT")


# -- bodies ------------------------------------------------------------------------------


def chunked(*chunks, target="/a", trailer=""):
    body = "".join(f"{len(chunk):x}\r\n{chunk}\r\n" for chunk in chunks)
    head = f"POST {target} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    return f"{head}{body}0\r\n{trailer}\r\n"


def test_a_chunked_body_is_put_together(server):
    with server.connect() as client:
        client.send(chunked("one", "-", "two") + get("/next"))

        assert client.answer()[2] == b"POST /a - 127.0.0.1 one-two"
        assert client.answer()[2] == b"GET /next - 127.0.0.1 -"


def test_trailers_are_not_taken_for_headers_of_this_request_or_the_next():
    trailer = "X-Forwarded-For: 6.6.6.6\r\n"
    with serving(FakeRuntime(), proxies=["127.0.0.1"]) as server, server.connect() as client:
        client.send(chunked("x", trailer=trailer) + get("/next"))

        assert client.answer()[2] == b"POST /a - 127.0.0.1 x"
        assert client.answer()[2] == b"GET /next - 127.0.0.1 -"


def test_expect_100_continue_is_answered_before_the_body_comes(server):
    head = "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with server.connect() as client:
        client.send(head)

        assert client.answer()[0] == 100

        client.send("body")

        assert client.answer()[2] == b"POST /a - 127.0.0.1 body"


def test_expect_waits_for_its_turn_behind_a_slow_answer():
    runtime = FakeRuntime()
    head = "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    with serving(runtime) as server, server.connect() as client:
        client.send(get("/slow") + head)
        time.sleep(0.1)
        runtime.go_on.set()

        assert client.answer()[2] == b"GET /slow - 127.0.0.1 -"
        assert client.answer()[0] == 100

        client.send("body")

        assert client.answer()[2] == b"POST /a - 127.0.0.1 body"


def test_a_get_may_have_a_body(server):
    with server.connect() as client:
        client.send(f"GET /a HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody{get('/next')}")

        assert client.answer()[2] == b"GET /a - 127.0.0.1 body"
        assert client.answer()[2] == b"GET /next - 127.0.0.1 -"


# -- other protocols ---------------------------------------------------------------------


UPGRADE = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA")


def test_an_upgrade_is_ignored_and_the_request_answered(server):
    with server.connect() as client:
        client.send(get("/a?n=1", *UPGRADE) + get("/a?n=2"))

        assert client.answer()[2] == b"GET /a n=1 127.0.0.1 -"
        assert client.answer()[2] == b"GET /a n=2 127.0.0.1 -"


def test_the_body_of_an_ignored_upgrade_is_a_body_not_the_next_request(server):
    smuggled = get("/smuggled")
    with server.connect() as client:
        client.send(post(smuggled, "/a", *UPGRADE) + get("/next"))

        assert client.answer()[2].startswith(b"POST /a - 127.0.0.1 GET /smuggled")
        assert client.answer()[2] == b"GET /next - 127.0.0.1 -"


def test_an_upgrade_cut_into_pieces_is_ignored_as_well(server):
    data = post("body", "/a", *UPGRADE)
    with server.connect() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(data), 7):
            client.send(data[start : start + 7])

        assert client.answer()[2] == b"POST /a - 127.0.0.1 body"


def test_connect_is_answered_once_and_closed(server):
    answer = server.ask("CONNECT test:443 HTTP/1.1\r\nHost: test\r\n\r\nwhatever comes")

    assert answer.count(b"HTTP/1.1 ") == 1


# -- limits ------------------------------------------------------------------------------


@pytest.mark.parametrize("cut_at", [None, 9000])
def test_a_url_over_its_limit_is_414_whether_it_comes_whole_or_not(server, cut_at):
    data = get("/a?u=" + "x" * 8192, "Connection: close").encode()
    with server.connect() as client:
        client.send(data[:cut_at])
        if cut_at is not None:
            time.sleep(0.1)
            client.send(data[cut_at:])

        assert client.answer()[0] == 414


def test_a_url_at_its_limit_is_answered(server):
    query = "u=" + "x" * (8192 - len("/a?u="))
    with server.connect() as client:
        client.send(get(f"/a?{query}"))

        assert client.answer()[0] == 200


def test_a_url_without_end_is_refused_before_its_end(server):
    with server.connect() as client:
        client.send(b"GET /a?u=" + b"x" * 30_000)

        assert client.answer()[0] == 414
        assert client.is_closed()


@pytest.mark.parametrize("front", ["http://host.example", "http://" + "h" * 9_000])
@pytest.mark.parametrize("length", [8_192 - len("/a?u="), 8_193, 12_300, 30_000])
def test_a_target_with_a_host_that_is_too_long_is_never_answered_by_its_beginning(
    server, front, length
):
    """It was cut at the limit, host included, and what was left named another user."""
    with server.connect() as client:
        client.send(get(f"{front}/a?u={'x' * length}", "Connection: close"))
        status, _, body = client.answer()

    is_whole = (status, body) == (200, f"GET /a u={'x' * length} 127.0.0.1 -".encode())
    assert is_whole or status == 414
    assert is_whole is (length < 8_192 and len(front) < 100)


def test_zeros_in_front_of_a_length_say_nothing(server):
    """A number of over 4,300 digits is one that Python doesn't read: that was a 500."""
    with server.connect() as client:
        client.send(f"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: {'0' * 5_000}4\r\n\r\nbody")
        client.send(f"POST /b HTTP/1.1\r\nHost: test\r\nContent-Length: {'0' * 5_000}\r\n\r\n")

        assert client.answer()[2] == b"POST /a - 127.0.0.1 body"
        assert client.answer()[2] == b"POST /b - 127.0.0.1 -"


def test_chunks_in_http_1_0_are_refused_as_one_of_two_must_be_wrong(server):
    head = "POST /a HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n"
    answer = server.ask(
        f"{head}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n" + get("/b")
    )

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(("version", "first"), [("1.0", 200), ("1.1", 100)])
def test_only_http_1_1_is_told_to_go_on(server, version, first):
    with server.connect() as client:
        client.send(
            post("body", "/a", "Expect: 100-continue").replace("HTTP/1.1", f"HTTP/{version}")
        )

        assert client.answer()[0] == first


def test_a_body_announced_over_the_limit_is_refused_without_being_sent(server):
    with server.connect() as client:
        client.send("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 1048577\r\n")
        client.send("Expect: 100-continue\r\n\r\n")
        status, headers, _ = client.answer()

        assert (status, headers["connection"]) == (413, "close")
        assert client.is_closed()


def test_a_refusal_reaches_a_client_that_goes_on_sending(server):
    """A reset, which unread input would cause, could overtake the answer."""
    with server.connect() as client:
        client.send("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 8000000\r\n\r\n")
        for _ in range(100):
            client.send(b"x" * 80_000)

        assert client.answer()[0] == 413


def test_a_chunked_body_is_refused_once_it_is_over_the_limit(server):
    with server.connect() as client:
        client.send("POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(17):
            client.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")

        assert client.answer()[0] == 413
        assert client.is_closed()


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_at_its_limit_is_taken(server, framing):
    body = "x" * 1048576
    with server.connect() as client:
        client.send(post(body) if framing == "length" else chunked(body[:600_000], body[600_000:]))

        assert client.answer()[2] == b"POST /a - 127.0.0.1 1048576 bytes"


@pytest.mark.parametrize(
    "header", ["X-Long: " + "x" * 33_000, "\r\n".join(f"X-{n}: y" for n in range(8000))]
)
def test_headers_over_their_limit_are_431(server, header):
    with server.connect() as client:
        client.send(get("/a", header))
        status, headers, _ = client.answer()

        assert (status, headers["connection"]) == (431, "close")


def test_a_header_without_end_is_refused_before_its_end(server):
    with server.connect() as client:
        client.send(b"GET /a HTTP/1.1\r\nHost: test\r\nX-Long: " + b"x" * 100_000)

        assert client.answer()[0] == 431
        assert client.is_closed()


def test_headers_below_their_limit_are_taken(server):
    with server.connect() as client:
        client.send(get("/a", "X-Long: " + "x" * 31_000))

        assert client.answer()[0] == 200


# -- what isn't a request ----------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        "nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET /a HTTP/9.9\r\nHost: test\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: test\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: one\r\nHost: two\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: test\r\nBad Header: x\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost : test\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: test\r\nX: a\x00b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: test\r\nX: a\r\n folded\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /a HTTP/0.9\r\nHost: test\r\n\r\n",
        "GET /a HTTP/0.9\r\n\r\n",
        "GET /a HTTP/2.0\r\nHost: test\r\n\r\n",
        "GET /a HTTP/2.0\r\n\r\n",
        "GET /a HTTP/2.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n",
        "GET /a HTTP/2.0\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "POST /a HTTP/2.0\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
        "POST /a HTTP/0.9\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /a HTTP/2.0\r\nHost: test\r\nContent-Length: 99999999\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_malformed_gets_400_and_is_closed(server, data):
    with server.connect() as client:
        client.send(data)
        status, headers, body = client.answer()

        assert (status, headers["connection"]) == (400, "close")
        assert b'"invalid_request"' in body
        assert client.is_closed()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get("/a", "X-Request-Id: mine", "X-Long: " + "x" * 33_000), 431),
        ("GET /a HTTP/1.1\r\nX-Request-Id: mine\r\n\r\n", 400),
        (get("/a", "X-Request-Id: mine", "X-Other: x", "Bad Header: x"), 400),
    ],
)
def test_a_refusal_has_the_headers_of_any_answer_and_the_request_id_that_was_read(
    server, data, status
):
    with server.connect() as client:
        client.send(data)
        found, headers, body = client.answer()

    expected = {name.lower(): value for name, value in EchoHandler.json_headers}
    assert (found, "mine") == (status, headers["x-request-id"])
    assert expected.items() <= headers.items()
    assert {"variation", "error"} == json.loads(body).keys()


def test_a_refusal_is_for_the_page_that_asked():
    """Where several origins may read answers, each answer names the one that asked."""

    class Origins(EchoHandler):
        def headers_for(self, asked):
            return (("Access-Control-Allow-Origin", asked.get("origin", "none")),)

    with serving(FakeRuntime(Origins())) as server, server.connect() as client:
        client.send(get("/a", "Origin: https://shop.example", "X-Other: x", "Bad Header: x"))
        status, headers, _ = client.answer()

    assert (400, "https://shop.example") == (status, headers["access-control-allow-origin"])


def test_a_refusal_makes_a_request_id_where_none_can_be_echoed(server):
    ids = []
    for header in ("X-Request-Id: a b", "X-Other: x"):
        with server.connect() as client:
            client.send(f"GET /a HTTP/1.1\r\n{header}\r\n\r\n")
            ids.append(client.answer()[1]["x-request-id"])

    assert 2 == len({each for each in ids if each and " " not in each})


@pytest.mark.parametrize("method", ["FOO", "get", "PATCHX", "X-Y"])
def test_a_method_that_nobody_has_heard_of_reaches_the_handler_which_says_what_is_allowed(
    server, method
):
    head = f"{method} /a?b=1 HTTP/1.1\r\nHost: test\r\nX-Request-Id: mine\r\n"
    with server.connect() as client:
        client.send(f"{head}Content-Length: 4\r\n\r\nbody" + get("/never"))
        status, headers, body = client.answer()

        assert (status, body) == (200, f"{method} /a b=1 127.0.0.1 body".encode())
        assert ("mine", "close") == (headers["x-request-id"], headers["connection"])
        assert client.is_closed()


@pytest.mark.parametrize(
    "data",
    [
        "FOO /a HTTP/1.1\r\nBad Header: x\r\n\r\n",
        "FOO /a HTTP/9.9\r\nHost: test\r\n\r\n",
        "FOO\r\n\r\n",
        "F(O /a HTTP/1.1\r\nHost: test\r\n\r\n",
    ],
)
def test_a_method_that_nobody_has_heard_of_excuses_nothing_else(server, data):
    answer = server.ask(data)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_behind_other_requests_a_method_that_nobody_has_heard_of_is_malformed(server):
    """Nothing tells where it begins, and nothing that was answered may be answered again."""
    with server.connect() as client:
        client.send(get("/a?n=1") + "FOO /a?n=2 HTTP/1.1\r\nHost: test\r\n\r\n")

        assert client.answer()[2] == b"GET /a n=1 127.0.0.1 -"
        assert client.answer()[0] == 400
        assert client.is_closed()


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        (("P", post("body")[1:]), [200]),
        (("P", post("body")[1:] + "nonsense\r\n\r\n"), [200, 400]),
        ((get() + "P", post("body")[1:] + "nonsense\r\n\r\n"), [200, 200, 400]),
        (("F", "OO /a HTTP/1.1\r\nHost: test\r\n\r\n"), [400]),
        (("\r\nGE", "TX /a HTTP/1.1\r\nHost: test\r\n\r\n"), [400]),
        ((get() + "PO", "STX /a HTTP/1.1\r\nHost: test\r\n\r\n"), [200, 400]),
        ((get(), "FOO /a HTTP/1.1\r\nHost: test\r\n\r\n"), [200, 400]),
        (("P", "OST /slow HTTP/1.1\r\nHost: test\r\n\r\nnonsense\r\n\r\n"), [200, 400]),
    ],
)
def test_a_method_in_two_pieces_is_answered_once_and_not_by_its_second_half(
    server, pieces, statuses
):
    with server.connect() as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.send(piece)
            time.sleep(0.1)
        found = [client.answer()[0] for _ in statuses]

        assert statuses == found
        if statuses[-1] == 400:
            assert client.is_closed()


def test_an_ignored_upgrade_leaves_a_request_its_version(server):
    """One of HTTP/1.0 needs no Host, and its connection ends with it."""
    with server.connect() as client:
        client.send("GET /old HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
        status, headers, _ = client.answer()

        assert (status, headers["connection"]) == (200, "close")


def test_requests_before_a_malformed_one_are_answered(server):
    with server.connect() as client:
        client.send(get("/a?n=1") + "nonsense\r\n\r\n" + get("/never"))

        assert client.answer()[2] == b"GET /a n=1 127.0.0.1 -"
        assert client.answer()[0] == 400
        assert client.is_closed()


@pytest.mark.parametrize("target", ["/broken", "/slow?fails"])
def test_the_unforeseen_is_a_500_and_the_server_goes_on(server, target):
    with server.connect() as client:
        client.send(get(target))
        status, _, body = client.answer()

    assert status == 500
    assert b"on purpose" not in body
    assert b"200 OK" in server.ask(get("/a", "Connection: close"))


def test_a_failure_that_the_handler_answered_is_logged_under_its_request(server, caplog):
    with server.connect() as client:
        client.send(get("/failed", "X-Request-Id: find-me"))

        assert client.answer()[0] == 500

    assert "find-me" in caplog.text


# -- time-outs ---------------------------------------------------------------------------


QUICK = Limits(head_s=0.5, body_s=0.5, idle_s=0.5, stalled_s=0.5, linger_s=0.5)


@pytest.fixture(scope="module")
def quick():
    """A server that has little patience."""
    with serving(FakeRuntime(), limits=QUICK) as served:
        yield served


@pytest.mark.parametrize(
    ("first", "drip", "status"),
    [
        ("GET /a?", "x", 408),
        ("GET /a HTTP/1.1\r\nHost: test\r\nX: ", "x", 408),
        ("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n", "x", 408),
    ],
)
def test_a_request_that_drips_in_is_given_up(quick, first, drip, status):
    with quick.connect() as client:
        client.send(first)
        began = time.monotonic()
        client.sock.setblocking(False)
        answer = b""
        while not answer and time.monotonic() - began < 10:
            client.send(drip)
            time.sleep(0.1)
            try:
                answer = client.sock.recv(1000)
            except BlockingIOError:
                continue

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("first", ["", "G", "GET ", "\r\n"])
def test_a_first_request_that_does_not_begin_is_waited_for_as_long_as_for_a_head(first):
    limits = Limits(head_s=0.5, idle_s=60.0, linger_s=0.5)
    with serving(FakeRuntime(), limits=limits) as server, server.connect() as client:
        began = time.monotonic()
        client.send(first)

        assert client.rest() == b""
        assert 0.5 < time.monotonic() - began


def test_after_a_first_request_the_next_may_be_long_in_coming():
    limits = Limits(head_s=0.3, idle_s=60.0)
    with serving(FakeRuntime(), limits=limits) as server, server.connect() as client:
        client.send(get())
        client.answer()
        time.sleep(1.5)
        client.send(get())

        assert client.answer()[0] == 200


def test_an_idle_connection_is_closed_without_a_word(quick):
    with quick.connect() as client:
        client.send(get())
        client.answer()

        assert client.rest() == b""


def test_a_connection_that_is_used_now_and_then_stays_open():
    limits = Limits(idle_s=2.0)
    with serving(FakeRuntime(), limits=limits) as server, server.connect() as client:
        for _ in range(9):
            client.send(get())

            assert client.answer()[0] == 200

            time.sleep(0.4)


def test_a_client_that_takes_no_answers_is_not_read_from_and_then_cut_off():
    limits = Limits(stalled_s=3.0)
    with serving(FakeRuntime(), limits=limits) as server, server.connect(0.3) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with pytest.raises(TimeoutError):
            client.send(get("/big") * 1_000_000)
        (connection,) = server.server.server_state.connections

        # what one slice of requests asked for, at the most
        assert connection._transport.get_write_buffer_size() < 300_100 * SLICE_BYTES / len(
            get("/big")
        )

        wait_until(lambda: not server.server.server_state.connections)


def test_a_client_that_reads_late_gets_every_answer(server):
    with server.connect() as client:
        client.send(get("/big?last=0") * 150)
        time.sleep(0.5)
        sizes = {len(client.answer()[2]) for _ in range(150)}

    assert sizes == {300_000}


def test_no_more_than_so_many_slow_requests_of_one_connection_are_taken_at_once():
    """What a client pipelines beyond that stays unparsed, so it costs no thread and no answer."""
    runtime = FakeRuntime()
    with serving(runtime) as server, server.connect() as client:
        client.send(get("/slow") * 3000)
        wait_until(lambda: runtime.slow >= MAX_HELD)
        time.sleep(0.2)
        (connection,) = server.server.server_state.connections

        # one slice may overshoot the bound
        assert MAX_HELD <= len(connection._held) < MAX_HELD + SLICE_BYTES / len(get("/slow"))

        runtime.go_on.set()
        for _ in range(3000):
            assert client.answer()[2] == b"GET /slow - 127.0.0.1 -"


# -- events ------------------------------------------------------------------------------


def test_an_answer_goes_out_after_its_event_was_kept():
    outbox = MemoryOutbox()
    with serving(FakeRuntime(outbox=outbox)) as server, server.connect() as client:
        client.send(get("/event?n=1"))
        client.answer()

        assert outbox.events == ["event of n=1"]


def test_events_of_one_turn_are_written_together_and_answers_keep_their_order():
    outbox = MemoryOutbox()
    with serving(FakeRuntime(outbox=outbox)) as server, server.connect() as client:
        targets = [f"/event?n={n}" if n % 3 else f"/a?n={n}" for n in range(60)]
        client.send("".join(get(target) for target in targets))
        answers = [client.answer()[2].split()[2] for _ in targets]

    assert [f"n={n}".encode() for n in range(60)] == answers
    assert [f"event of n={n}" for n in range(60) if n % 3] == outbox.events
    assert outbox.writes <= 2


def test_while_the_disk_is_waited_for_others_are_served_and_the_next_group_forms():
    class SlowDisk(MemoryOutbox):
        def add(self, events):
            assert runtime.go_on.wait(10)
            super().add(events)

    outbox = SlowDisk()
    runtime = FakeRuntime(outbox=outbox)
    with serving(runtime, waits_for_disk=True) as server:
        clients = [server.connect() for _ in range(20)]
        for number, client in enumerate(clients):
            client.send(get(f"/event?n={number}") + get(f"/a?n={number}"))
        wait_until(lambda: runtime.handler.asked == 40)
        with server.connect() as other:
            other.send(get("/a?quick=1"))

            assert other.answer()[2] == b"GET /a quick=1 127.0.0.1 -"
            assert not outbox.events

        runtime.go_on.set()
        for number, client in enumerate(clients):
            assert f"GET /event n={number} 127.0.0.1 -".encode() == client.answer()[2]
            assert f"GET /a n={number} 127.0.0.1 -".encode() == client.answer()[2]
            client.__exit__()

    assert len(outbox.events) == 20
    assert outbox.writes == 2


def test_an_outbox_that_fails_costs_no_answer(caplog):
    class FullOutbox:
        def add(self, events):
            raise OSError("full on purpose")

    with serving(FakeRuntime(outbox=FullOutbox())) as server, server.connect() as client:
        client.send(get("/event") + get("/event"))

        assert [client.answer()[0], client.answer()[0]] == [200, 200]

    assert "could not be kept" in caplog.text


# -- the end -----------------------------------------------------------------------------


def test_at_the_end_answers_under_way_are_completed_and_idle_connections_closed():
    runtime = FakeRuntime()
    with serving(runtime) as server:
        idle, slow, sending = server.connect(), server.connect(), server.connect()
        idle.send(get())
        idle.answer()
        slow.send(get("/slow"))
        sending.send(post("body")[:-2])
        connections = server.server.server_state.connections
        wait_until(lambda: runtime.slow and any(each._head_done for each in list(connections)))
        server.server.should_exit = True

        assert idle.is_closed()

        sending.send("dy")
        runtime.go_on.set()
        status, _, body = sending.answer()

        assert (status, body) == (200, b"POST /a - 127.0.0.1 body")
        assert slow.answer()[2] == b"GET /slow - 127.0.0.1 -"
        assert slow.is_closed()
        assert sending.is_closed()
        for client in (idle, slow, sending):
            client.__exit__()

    assert runtime.closed


def test_access_lines_name_method_path_and_status_but_not_the_query(caplog):
    caplog.set_level("INFO", "bucketer.access")
    with serving(FakeRuntime(), watchers=[note_access]) as server, server.connect() as client:
        client.send(get("/a?u=secret-visitor"))
        client.answer()

    (line,) = [record.getMessage() for record in caplog.records if record.name == "bucketer.access"]
    assert '"GET /a"' in line
    assert " 200 " in line
    assert "secret-visitor" not in line


def test_a_refusal_has_its_access_line_too(caplog):
    caplog.set_level("INFO", "bucketer.access")
    with serving(FakeRuntime(), watchers=[note_access]) as server, server.connect() as client:
        client.send("GET /a?u=secret-visitor HTTP/1.1\r\nX-Request-Id: mine\r\n\r\n")
        _, _, body = client.answer()

    (line,) = [record.getMessage() for record in caplog.records if record.name == "bucketer.access"]
    assert f'127.0.0.1 "-" 400 {len(body)} mine 0.000000' == line


def test_the_handler_is_asked_anew_after_a_refresh():
    class Newer(EchoHandler):
        def handle(self, request, now, new_uuid, known=None):
            reply = super().handle(request, now, new_uuid, known)
            reply.response.body = b"newer"
            return reply

    runtime = FakeRuntime()
    with serving(runtime) as server, server.connect() as client:
        client.send(get())
        before = client.answer()[2]
        runtime.handler = Newer()
        client.send(get())

        assert (before, client.answer()[2]) == (b"GET /a b=1 127.0.0.1 -", b"newer")
