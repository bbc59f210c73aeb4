"""Requests that AWS refused for their time: the clock here is wrong, and fetching goes on."""

from __future__ import annotations

import json
import time

import pytest
from tests.fakes.origin import Origin, answer, ok
from tests.fakes.sources import Clock

from bucketer.core.errors import SourceError
from bucketer.sources.credentials import CredentialChain
from bucketer.sources.s3 import S3Source
from bucketer.sources.signing import Signer
from bucketer.wire import Answer

KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
SKEWED = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
#: 2026-11-24 08:00:00 UTC, as AWS has it.
NOW, DATE = 1_795_507_200.0, "Tue, 24 Nov 2026 08:00:00 GMT"


def _source(origin, clock):
    signer = Signer("s3", CredentialChain(KEYS), clock)
    return S3Source("b", "k", 10.0, region="x", signer=signer, endpoint=origin.url)


def _signed_at(origin):
    heads = [request.decode().lower() for request in origin.requests]
    return [head.partition("x-amz-date: ")[2].partition("\r\n")[0] for head in heads]


@pytest.mark.parametrize("off", [-7200.0, 7200.0, -901.0])
def test_a_clock_that_is_wrong_is_corrected_by_the_answer_and_stays_so(off):
    clock = Clock(NOW + off)
    with Origin(answer(403, SKEWED, Date=DATE), ok(b"{}"), ok(b"{}")) as origin:
        source = _source(origin, clock)
        first = source.fetch(None)
        clock.now += 60
        source.fetch(None)

    assert b"{}" == first.raw
    assert ["20261124t080000z", "20261124t080100z"] == _signed_at(origin)[1:]


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Tue, 24 Nov 2026 07:59:30 GMT",  # no difference that would explain it
        "Tue, 24 Nov 2020 08:00:00 GMT",  # a difference that nobody should be talked into
    ],
)
def test_an_answer_that_does_not_help_is_told_after_one_request(date):
    with Origin(answer(403, SKEWED, Date=date)) as origin:
        with pytest.raises(SourceError, match="RequestTimeTooSkewed"):
            _source(origin, Clock(NOW)).fetch(None)

        assert 1 == len(origin.requests)


def test_whoever_refuses_each_time_is_asked_twice():
    with Origin(answer(403, SKEWED, Date=DATE)) as origin:
        with pytest.raises(SourceError, match="RequestTimeTooSkewed"):
            _source(origin, Clock(NOW - 7200)).fetch(None)

        assert 2 == len(origin.requests)


def test_another_refusal_teaches_nothing():
    said = Answer(403, {"date": DATE}, b"<Error><Code>AccessDenied</Code></Error>")

    assert not Signer("s3", CredentialChain(KEYS), Clock(0.0)).learn(said)


@pytest.mark.parametrize(
    "said",
    [
        b'{"__type":"coral#InvalidSignatureException","message":"Signature expired: 1 is now 2"}',
        b'{"__type":"InvalidSignatureException","message":"Signature not yet current: \xe2\x80\xa6"}',
    ],
)
def test_sqs_says_it_in_other_words(said):
    signer = Signer("sqs", CredentialChain(KEYS), Clock(NOW - 7200))

    assert signer.learn(Answer(403, {"date": DATE}, said))
    assert not signer.learn(Answer(403, {"date": DATE}, said))  # it is corrected already


# -------------------------------------------------------------------------------- credentials


def _given(expires_at):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires_at))
    found = {"AccessKeyId": "id", "SecretAccessKey": "s", "Expiration": stamp}
    return ok(json.dumps(found).encode())


def test_credentials_are_renewed_in_time_though_the_clock_is_set_back():
    clock, monotonic = Clock(NOW), Clock(5.0)
    with Origin(_given(NOW + 3600)) as origin:
        environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": origin.url}
        chain = CredentialChain(environ, clock, monotonic)
        chain()
        clock.now -= 7200
        monotonic.now += 3299
        chain()
        early = len(origin.requests)
        monotonic.now += 2
        chain()

    assert (1, 2) == (early, len(origin.requests))


def test_credentials_that_aws_calls_ended_are_fetched_anew():
    """Our clock is two hours late, so they seem to be good for two hours more."""
    expired = answer(400, b"<Error><Code>ExpiredToken</Code></Error>")
    with Origin(_given(NOW)) as given, Origin(expired, ok(b"{}")) as origin:
        environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": given.url}
        signer = Signer("s3", CredentialChain(environ, Clock(NOW - 7200)), Clock(NOW - 7200))
        source = S3Source("b", "k", 10.0, region="x", signer=signer, endpoint=origin.url)

        assert b"{}" == source.fetch(None).raw
        assert 2 == len(given.requests)
