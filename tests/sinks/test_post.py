"""The HTTP client against raw sockets that say whatever a test wants."""

import contextlib
import socket
import threading
import time

import pytest
from tests.fakes.ports import held_port

from bucketer.sinks.delivery import LATER, NEVER, SENT, judge
from bucketer.sinks.post import Poster
from bucketer.wire import ExchangeFailed


class Peer:
    """Answers each request with the next of *answers*; None closes, a float waits first."""

    def __init__(self, *answers, keep=True):
        self.requests = []
        self.connections = 0
        self._answers = list(answers)
        self._keep = keep
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/v1/events?x=1"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with self._server:
            while self._answers:
                connection, _ = self._server.accept()
                self.connections += 1
                with connection, contextlib.suppress(ConnectionError):
                    while self._answers and self._one(connection) and self._keep:
                        pass

    def _one(self, connection):
        data = b""
        while not data.endswith(b"BODY"):
            some = connection.recv(65536)
            if not some:
                return False
            data += some
        self.requests.append(data)
        answer = self._answers.pop(0)
        if answer is None:
            return False
        pieces = answer if isinstance(answer, list) else [answer]
        for piece in pieces:
            if isinstance(piece, float):
                time.sleep(piece)
            else:
                connection.sendall(piece)
        return True


def post(poster, timeout_s=2.0):
    return poster.post(b"BODY", {"X-One": "1"}, timeout_s)


@pytest.fixture
def to():
    opened = []

    def to_(peer):
        opened.append(Poster(peer.url))
        return opened[-1]

    yield to_
    for poster in opened:
        poster.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_the_request_is_what_http_wants(to):
    peer = Peer(OK)

    post(to(peer))

    head, _, body = peer.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/events?x=1 HTTP/1.1"
    assert lines[1] == f"Host: {peer.url.split('/')[2]}"
    assert lines[2:] == ["X-One: 1", "Content-Length: 4"]
    assert body == b"BODY"


def test_a_connection_is_kept_for_the_next_request(to):
    peer = Peer(OK, OK, OK)
    poster = to(peer)

    assert [post(poster).status for _ in range(3)] == [200, 200, 200]
    assert peer.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK, id="a length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nT: 1\r\n\r\n", id="chunks"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, id="continue first"),
        pytest.param([OK[:5], 0.01, OK[5:30], 0.01, OK[30:]], id="in pieces"),
    ],
)  # fmt: skip
def test_an_answer_is_read_whole_however_it_comes(to, answer):
    peer = Peer(answer, OK)
    poster = to(peer)

    found = post(poster)

    assert (found.status, found.body) == (200, b"ok")
    assert post(poster).status == 200
    assert peer.connections == 1


def test_an_answer_without_a_length_ends_with_the_connection(to):
    peer = Peer(b"HTTP/1.0 200 OK\r\n\r\nok", OK, keep=False)
    poster = to(peer)

    assert post(poster).body == b"ok"
    assert post(poster).status == 200
    assert peer.connections == 2


@pytest.mark.parametrize("status", [204, 304])
def test_some_answers_have_no_body(to, status):
    peer = Peer(f"HTTP/1.1 {status} X\r\n\r\n".encode(), OK)
    poster = to(peer)

    assert post(poster).status == status
    assert post(poster).status == 200


def test_a_kept_connection_that_was_closed_meanwhile_is_made_anew(to):
    peer = Peer(OK, None, OK)
    poster = to(peer)
    post(poster)

    assert post(poster).status == 200
    assert len(peer.requests) == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "before an answer"),
        (b"", "before an answer"),
        (b"HTTP/1.1 200", "in the middle"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", "in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad chunk size"),
        (b"220 smtp\r\n\r\n", "isn't HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "isn't HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "bad Content-Length"),
        (b"x" * 100_000, "bytes of headers"),
    ],
)
def test_what_is_no_answer_is_a_failure_that_says_why(to, answer, why):
    peer = Peer(answer, keep=False)

    with pytest.raises(ExchangeFailed) as failed:
        post(to(peer))

    assert why in failed.value.why
    assert "127.0.0.1" not in failed.value.why


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 99999999\r\n\r\nxxxx",
        b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\nxxxx",
        b"\r\n" + b"x" * 300_000,
    ],
)
def test_a_body_too_long_to_matter_is_not_read(to, body):
    peer = Peer(b"HTTP/1.1 413 X\r\n" + body, OK)
    poster = to(peer)

    assert (post(poster).status, post(poster).status) == (413, 200)
    assert peer.connections == 2


def test_time_is_bounded_for_the_whole_exchange(to):
    dribble = [b"HTTP/1.1 200 OK\r\n"] + [x for n in range(50) for x in (0.05, b"X: %d\r\n" % n)]
    peer = Peer(dribble)
    started = time.monotonic()

    with pytest.raises(ExchangeFailed, match="timed out"):
        post(to(peer), timeout_s=0.3)

    assert time.monotonic() - started < 2  # it takes 2.5


def test_nobody_there_is_a_failure(to):
    with held_port() as port, pytest.raises(ExchangeFailed, match="Connection refused"):
        Poster(f"http://127.0.0.1:{port}/").post(b"", {}, 1.0)


def test_tls_is_verified(to, tmp_path):
    """A server whose certificate nobody vouches for gets no events."""
    import ssl
    import subprocess

    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
         "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        for _ in range(2):
            plain, _address = server.accept()
            with contextlib.suppress(OSError), plain:
                secure = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                with secure:
                    secure.do_handshake()
                    secure.recv(65536)
                    secure.sendall(OK)
        server.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    url = f"https://localhost:{server.getsockname()[1]}/"

    with pytest.raises(ExchangeFailed, match="its certificate isn't trusted"):
        Poster(url).post(b"BODY", {}, 5.0)
    trusting = Poster(url, str(cert))
    assert trusting.post(b"BODY", {}, 5.0).status == 200
    trusting.close()
    thread.join(60)


@pytest.fixture
def full():
    """Addresses of loopback whose queues of connections are full: they answer nothing."""
    held = []

    def full_(*hosts):
        with socket.create_server(("127.0.0.1", 0)) as any_port:
            port = any_port.getsockname()[1]
        for host in hosts:
            server = socket.socket()
            server.bind((host, port))
            server.listen(0)
            held.append(server)
            for _ in range(3):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex((host, port))
                held.append(client)
        time.sleep(0.1)
        return port

    yield full_
    for each in held:
        each.close()


def resolving_to(monkeypatch, *hosts):
    """Let any name have these addresses: the system's resolver is the one part we can't run."""

    def look_up(_name, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in hosts]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_time_is_bounded_for_all_addresses_of_a_host_together(full, monkeypatch):
    hosts = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]
    port = full(*hosts)
    resolving_to(monkeypatch, *hosts)
    started = time.monotonic()

    with pytest.raises(ExchangeFailed, match="timed out"):
        Poster(f"http://several.test:{port}/").post(b"BODY", {}, 0.8)

    assert time.monotonic() - started < 2.4  # each for itself: 3.2


def test_a_dead_address_leaves_time_for_the_next(full, monkeypatch):
    port = full("127.0.0.2")
    peer = Peer(OK)
    peer_port = int(peer.url.split(":")[2].split("/")[0])
    real = [("127.0.0.2", port), ("127.0.0.1", peer_port)]
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in real],
    )
    poster = Poster("http://several.test/")

    assert poster.post(b"BODY", {}, 1.0).status == 200
    poster.close()


def test_a_look_up_that_takes_its_time_is_bounded_and_the_next_attempt_has_its_answer(monkeypatch):
    peer = Peer(OK)
    port = int(peer.url.split(":")[2].split("/")[0])
    answered, asked = threading.Event(), []

    def look_up(name, *_, **__):
        asked.append(name)
        answered.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    poster = Poster("http://slow.test/")
    started = time.monotonic()

    for _ in range(2):
        with pytest.raises(ExchangeFailed, match="timed out"):
            poster.post(b"BODY", {}, 0.1)

    assert time.monotonic() - started < 5  # the look-up takes ten
    answered.set()
    assert poster.post(b"BODY", {}, 2.0).status == 200
    assert asked == ["slow.test"]
    poster.close()


def test_a_name_that_nobody_knows_is_a_failure():
    with pytest.raises(ExchangeFailed, match=r"not known|resolution"):
        Poster("http://nobody.invalid/").post(b"BODY", {}, 5.0)


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_any_2xx_delivers(status):
    assert judge(status, None).kind == SENT


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 301, 302, 307, 600])
def test_what_may_pass_is_tried_again(status):
    assert judge(status, None).kind == LATER


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 415, 422, 451, 499])
def test_other_4xx_are_final(status):
    assert judge(status, None).kind == NEVER


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [
        (None, None), ("7", 7.0), ("1.5", 1.5), ("x", None), ("nan", None), ("", None),
        ("3600", 3600.0), ("3601", 3600.0), ("inf", None),
        ("0", None), ("-3", None), ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None), ("Mon, 01", None),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 3600.0), ("Fri, 99 Dec 2100 23:59:59 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_never_too_long(said, wait_s):
    assert judge(429, said).wait_s == wait_s


def test_a_date_of_retry_after_is_compared_with_the_answers_own_clock_not_with_ours():
    """Ours is years away from theirs."""
    until, date = "Tue, 24 Nov 2020 08:00:30 GMT", "Tue, 24 Nov 2020 08:00:00 GMT"

    assert judge(429, until, date=date).wait_s == 30
    assert judge(429, until, date="yesterday").wait_s is None
