"""A datafile behind a URL, from a server that says exactly what it is told to."""

from __future__ import annotations

import contextlib
import gzip
import socket
import time

import pytest
from tests.fakes.origin import Origin, answer, ok
from tests.fakes.ports import held_port

from bucketer import wire
from bucketer.core.errors import SourceError
from bucketer.sources.url import UrlSource, _is_same_host, _next_address
from bucketer.wire.connect import reach


def _source(origin, path="/datafiles/SDK-KEY.json", **options):
    return UrlSource(origin.url + path, 60.0, **options)


def _why(source, etag=None):
    with pytest.raises(SourceError) as caught:
        source.fetch(etag)
    assert "SDK-KEY" not in str(caught.value)
    return caught.value.why


def _told(said, **options):
    """The whole message, sizes and all."""
    with Origin(said) as origin, pytest.raises(SourceError) as caught:
        _source(origin, **options).fetch(None)
    return str(caught.value)


def test_a_datafile_comes_with_its_etag():
    with Origin(ok(b"{}", ETag='"1"')) as origin:
        fetched = _source(origin).fetch(None)

    assert (b"{}", '"1"') == (fetched.raw, fetched.etag)
    assert "if-none-match" not in origin.headers()


def test_the_second_question_is_conditional_and_304_means_nothing_new():
    with Origin(answer(304)) as origin:
        assert _source(origin).fetch('"1"') is None

    assert origin.headers()["if-none-match"] == '"1"'


def test_304_to_a_question_without_a_condition_is_no_datafile():
    with Origin(answer(304)) as origin:
        assert _why(_source(origin)) == "status 304"
    assert "127.0.0.1: status 304 (0 bytes)" == _told(answer(304))


def test_gzip_is_unpacked():
    with Origin(ok(gzip.compress(b'{"a": 1}'), Content_Encoding="gzip")) as origin:
        assert _source(origin).fetch(None).raw == b'{"a": 1}'

    assert origin.headers()["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"not gzip", "an answer whose gzip is damaged"),
        (gzip.compress(b"x" * 100, mtime=0)[:-9], "an answer whose gzip ends too soon"),
    ],
)
def test_bad_gzip_is_refused(body, why):
    with Origin(ok(body, Content_Encoding="gzip")) as origin:
        assert _why(_source(origin)) == why


def test_a_gzip_bomb_is_stopped_at_the_limit():
    with Origin(ok(gzip.compress(b"x" * 100_000), Content_Encoding="gzip")) as origin:
        assert _why(_source(origin, max_bytes=1000)) == "an answer of more than 1000 bytes unpacked"


@pytest.mark.parametrize("named", ["gzip", "GZip", "x-gzip", "identity, gzip", " gzip ,"])
def test_gzip_has_several_spellings(named):
    with Origin(ok(gzip.compress(b"{}"), Content_Encoding=named)) as origin:
        assert b"{}" == _source(origin).fetch(None).raw


@pytest.mark.parametrize("named", ["br", "gzip, br", "gzip, gzip"])
def test_another_encoding_is_refused(named):
    with Origin(ok(b"x", Content_Encoding=named)) as origin:
        assert _why(_source(origin)) == f"an answer in the encoding '{named}'"


def test_a_body_may_come_in_chunks():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: 1\r\n\r\n"
    with Origin([chunked[:30], 0.01, chunked[30:55], 0.01, chunked[55:]]) as origin:
        assert _source(origin).fetch(None).raw == b"abcde"


def test_a_body_may_end_with_the_connection():
    with Origin(b"HTTP/1.0 200 OK\r\nETag: x\r\n\r\nabc") as origin:
        assert _source(origin).fetch(None).raw == b"abc"


def test_an_interim_answer_is_skipped():
    with Origin(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(b"abc")) as origin:
        assert _source(origin).fetch(None).raw == b"abc"


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-",
    ],
)
def test_a_truncated_answer_is_no_datafile(said):
    with Origin(said) as origin:
        assert _why(_source(origin)) == "it closed the connection in the middle of an answer"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer(404, b"x" * 28), "status 404 (28 bytes)"),
        (answer(500), "status 500 (0 bytes)"),
        (
            answer(403, b"x"),
            "status 403 (1 bytes; first of all, is the SDK key in the URL right? If it is, a secure environment needs DATAFILE_ACCESS_TOKEN)",
        ),
        (answer(401), "status 401 (0 bytes; a secure environment needs DATAFILE_ACCESS_TOKEN)"),
        (answer(511), "status 511 (0 bytes; this network wants a log-in first)"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
            "it closed the connection in the middle of an answer (status 200, 3 of 10 bytes)",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            "it closed the connection in the middle of an answer (status 200, 5 bytes)",
        ),
        (
            b"HTTP/1.1 200 OK\r\nConte",
            "it closed the connection in the middle of an answer",
        ),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 2.0],
            "no complete answer within 0.4 s (status 200, 3 of 10 bytes)",
        ),
        ([2.0], "no complete answer within 0.4 s"),
        (
            ok(b"not gzip", Content_Encoding="gzip"),
            "an answer whose gzip is damaged (status 200, 8 bytes)",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "an answer of more than 67108864 bytes (status 200, 0 of 99999999999 bytes)",
        ),
    ],
)
def test_a_message_has_the_status_and_how_much_came(said, told):
    assert f"127.0.0.1: {told}" == _told(said, timeout_s=0.4)


def test_the_time_limit_is_for_all_redirects_and_is_told_as_it_was_set():
    hop = [0.3, answer(302, Location="/b")]
    with Origin(hop, hop, [0.3, ok(b"{}")]) as origin:
        assert "no complete answer within 0.7 s" == _why(_source(origin, timeout_s=0.7))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"SSH-2.0-x\r\n\r\n", "an answer that isn't HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "an answer with a bad Content-Length"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "an answer with a bad chunk size",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
            "an answer with a bad chunk size",
        ),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000, "more than 65536 bytes of headers"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 70_000,
            "an answer with an endless line",
        ),
        (answer(404), "status 404"),
        (answer(403), "status 403"),
    ],
)
def test_what_is_no_datafile_is_told_in_a_clause(said, why):
    with Origin(said) as origin:
        assert _why(_source(origin)) == why


def test_too_long_a_body_is_not_read():
    with Origin(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n") as origin:
        assert _why(_source(origin, max_bytes=1000)) == "an answer of more than 1000 bytes"
    with Origin(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1001) as origin:
        assert _why(_source(origin, max_bytes=1000)) == "an answer of more than 1000 bytes"
    with Origin(ok(b"x" * 1000)) as origin:
        assert len(_source(origin, max_bytes=1000).fetch(None).raw) == 1000


def test_the_time_limit_is_for_the_whole_answer_not_for_each_byte():
    trickle = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", *([b"x", 0.05] * 100)]
    with Origin(trickle) as origin:
        started = time.monotonic()
        why = _why(_source(origin, timeout_s=0.3))

    assert "no complete answer within 0.3 s" == why
    assert time.monotonic() - started < 4  # it takes five


@contextlib.contextmanager
def _a_place_that_never_answers():
    """An address whose connections are never made: its queue is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield (socket.AF_INET, socket.SOCK_STREAM, 0, "", listener.getsockname())


def test_the_time_limit_is_for_all_addresses_of_a_host():
    with _a_place_that_never_answers() as place:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            reach([place] * 4, started + 0.8)

    assert 0.7 < time.monotonic() - started < 3  # each for itself: 3.2


def test_an_address_that_never_answers_leaves_time_for_the_next():
    with _a_place_that_never_answers() as place, socket.create_server(("127.0.0.1", 0)) as server:
        there = (*place[:4], server.getsockname())
        started = time.monotonic()
        with reach([place, there], started + 3.0) as connection:
            assert connection.getpeername() == server.getsockname()

    assert 1.4 < time.monotonic() - started < 3.0


def test_of_several_addresses_the_last_ones_trouble_is_told():
    with held_port() as port, _a_place_that_never_answers() as place:
        nobody = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        with pytest.raises(ConnectionRefusedError):
            reach([place, nobody], time.monotonic() + 0.4)


def test_nobody_there_is_told_by_host():
    with held_port() as port, pytest.raises(SourceError) as caught:
        UrlSource(f"http://127.0.0.1:{port}/SDK-KEY.json", 60.0).fetch(None)

    assert (caught.value.where, caught.value.why) == ("127.0.0.1", "Connection refused")


def test_a_redirect_is_followed_within_the_scheme():
    with Origin(ok(b"abc")) as target, Origin(answer(302, Location=target.url + "/b")) as origin:
        assert _source(origin).fetch(None).raw == b"abc"

    assert target.requests[0].startswith(b"GET /b ")


def test_a_relative_redirect_stays_on_the_host():
    with Origin(answer(301, Location="/b?c"), ok(b"abc")) as origin:
        assert _source(origin).fetch(None).raw == b"abc"

    assert origin.requests[1].startswith(b"GET /b?c ")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("c", "/datafiles/c"),
        ("../c?d", "/c?d"),
        ("?d", "/datafiles/SDK-KEY.json?d"),
        ("//{host}/c", "/c"),
        ("HTTP://{host}/c", "/c"),
    ],
)
def test_a_redirect_is_read_as_browsers_read_it(location, target):
    with Origin(ok(b"abc")) as origin:
        place = location.replace("{host}", f"127.0.0.1:{origin.port}")
        origin.answers.insert(0, answer(302, Location=place))
        _source(origin).fetch(None)

    assert origin.requests[1].startswith(f"GET {target} ".encode())


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://h/x", "http://h:99999/", "http://["]
)
def test_a_redirect_to_what_cannot_be_asked_is_refused(place):
    told = _told(answer(302, Location=place))

    assert "127.0.0.1: a redirect to what is no https:// or http:// URL (status 302)" == told


@pytest.mark.parametrize("headers", [{}, {"Location": ""}])
def test_a_redirect_that_leads_nowhere_is_told(headers):
    assert "127.0.0.1: a redirect without a Location (status 301)" == _told(answer(301, **headers))


@pytest.mark.parametrize("location", ["http://h/x", "HTTP://h:443/x"])
def test_a_redirect_from_https_to_http_is_refused(location):
    said = wire.Answer(302, {"location": location}, b"")
    with pytest.raises(SourceError, match="from https to http"):
        _next_address(wire.split_url("https://h/a"), said, "h")


def test_a_redirect_from_http_to_https_is_followed():
    said = wire.Answer(302, {"location": "https://h/x"}, b"")
    found = _next_address(wire.split_url("http://h/a"), said, "h")

    assert (True, "h", 443, "/x") == (found.secure, found.host, found.port, found.target)


@pytest.mark.parametrize(
    ("first", "then", "same"),
    [
        ("http://h/", "http://H/x", True),
        ("http://h/", "https://h/", True),  # the usual upgrade
        ("http://h:8080/", "https://h/", False),
        ("http://h/", "https://h:8443/", False),
        ("https://h/", "https://h:8443/", False),
        ("https://h/", "https://g/", False),
    ],
)
def test_which_redirects_stay_with_the_host_that_the_token_is_for(first, then, same):
    assert same == _is_same_host(wire.split_url(first), wire.split_url(then))


def test_redirects_in_a_circle_end():
    with Origin(answer(302, Location="/a")) as origin:
        assert _why(_source(origin)) == "more than 3 redirects"

    assert len(origin.requests) == 4


def test_the_token_goes_to_its_host_and_to_no_other():
    with Origin(ok(b"abc")) as target, Origin(answer(302, Location=target.url + "/b")) as origin:
        _source(origin, token="t0ken").fetch(None)

    assert origin.headers()["authorization"] == "Bearer t0ken"
    assert "authorization" not in target.headers()


def test_a_403_is_first_of_all_a_wrong_sdk_key_with_a_token_too():
    told = _told(answer(403), token="t0ken")

    assert told.index("is the SDK key in the URL right?") < told.index("check DATAFILE_ACCESS_TOK")


def test_a_refused_token_is_named():
    assert "check DATAFILE_ACCESS_TOKEN" in _told(answer(401), token="t0ken")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host/x",
        "ftp://host/x",
        "https:/host",
        "https://",
        "http://user:password@host/x",
        "http://host:0/x",
        "http://host:65536/x",
        "http://host:x/",
        "http://ho st/",
        "http://host/a b",
        "http://host/a\r\nX: y",
        "http://höst/",
        "http://ho\x00st/",
    ],
)
def test_what_is_no_url_is_refused_before_anything_is_sent(text):
    with pytest.raises(SourceError):
        wire.split_url(text)


@pytest.mark.parametrize(
    ("text", "host", "port", "target", "host_header"),
    [
        ("https://cdn.example/a?b=c#d", "cdn.example", 443, "/a?b=c", "cdn.example"),
        ("HTTP://h", "h", 80, "/", "h"),
        ("https://h:/x", "h", 443, "/x", "h"),
        ("http://h:81?x=/y#z", "h", 81, "/?x=/y", "h:81"),
        ("http://h?x", "h", 80, "/?x", "h"),
        ("http://h:8080/a", "h", 8080, "/a", "h:8080"),
        ("https://[::1]:9/a", "::1", 9, "/a", "[::1]:9"),
        ("http://[::1]/a", "::1", 80, "/a", "[::1]"),
    ],
)
def test_a_url_is_taken_apart(text, host, port, target, host_header):
    address = wire.split_url(text)

    assert (host, port, target) == (address.host, address.port, address.target)
    assert host_header == address.host_header
