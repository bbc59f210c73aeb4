"""The text around an answer: what many answers share is written once."""

import pytest

from bucketer.api.http import JSON_HEADERS, OneMore, Response
from bucketer.doors.server.heads import Heads

DEFAULT = [(b"date", b"today")]


def with_etag(etag, body=b"{}", status=200):
    return Response(status, OneMore((*JSON_HEADERS, ("ETag", etag))), body, "r1")


def lines(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    return sorted(head.split(b"\r\n")), body


@pytest.mark.parametrize("status", [200, 304])
@pytest.mark.parametrize("size", [0, 3, 511, 512, 100_000])
def test_an_answer_with_a_header_of_its_own_reads_like_any_other(status, size):
    answer = with_etag('"1"', b"x" * size, status)
    plain = Response(status, tuple(answer.headers), answer.body, "r1")

    assert lines(Heads().render(answer, DEFAULT, b"")) == lines(Heads().render(plain, DEFAULT, b""))


def test_each_has_its_own_and_what_is_kept_for_the_others_stays():
    heads = Heads()
    usual = Response(200, JSON_HEADERS, b"{}", "r2")
    heads.render(usual, DEFAULT, b"")
    kept = heads._prefix

    told = [heads.render(with_etag(f'"{number}"'), DEFAULT, b"") for number in range(3)]

    assert [f'etag: "{number}"'.encode() in raw for number, raw in enumerate(told)] == [True] * 3
    assert heads._prefix is kept
    assert b"etag" not in heads.render(usual, DEFAULT, b"")


def test_a_new_date_and_another_status_are_told_at_once():
    heads = Heads()
    heads.render(with_etag('"1"'), DEFAULT, b"")

    later = heads.render(with_etag('"1"'), [(b"date", b"tomorrow")], b"connection: close\r\n")
    other = heads.render(with_etag('"1"', b"", 304), DEFAULT, b"")

    assert b"date: tomorrow\r\n" in later
    assert b"connection: close\r\n" in later
    assert other.startswith(b"HTTP/1.1 304 Not Modified\r\n")
