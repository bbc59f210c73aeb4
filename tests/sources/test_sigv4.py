"""Our signatures are botocore's, on thousands of generated requests."""

from __future__ import annotations

import datetime as dt
import random
from urllib.parse import quote

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from bucketer.sources import sigv4
from bucketer.wire import Address, split_url

CASES = 2_000
KEYS = "abcXYZ0129-._~/ +=&%$@:,;!'()*äß中🙂"


def _requests(seed, service):
    draw = random.Random(seed)

    def text(alphabet, longest):
        return "".join(draw.choice(alphabet) for _ in range(draw.randrange(longest)))

    for _ in range(CASES):
        path = "/" + sigv4.quote(text(KEYS, 30).lstrip("/")) if service == "s3" else "/"
        if service != "s3" and draw.random() < 0.5:
            path = f"/{draw.randrange(10**12):012}/{text('abcXYZ-_', 20) or 'queue'}"
        pairs = [(text(KEYS, 8) or "x", text(KEYS, 12)) for _ in range(draw.randrange(4))]
        query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs)
        headers = {
            name: text('abc  XYZ019/;=*"', 20).strip()
            for name in draw.sample(("If-None-Match", "Content-Type", "X-Amz-Target", "Range"), 2)
        }
        if draw.random() < 0.3:
            headers["User-Agent"] = "bucketer"
        yield (
            draw.choice(("GET", "PUT", "POST", "HEAD")),
            draw.choice(("b.s3.eu-central-1.amazonaws.com", "localhost:4566", "127.0.0.1:9000")),
            path + (f"?{query}" if query else ""),
            headers,
            draw.randbytes(draw.randrange(50)),
            draw.choice(("eu-central-1", "us-east-1", "cn-north-1")),
            draw.choice((None, "temporary//token==")),
            draw.randrange(1_400_000_000, 2_000_000_000),
        )


@pytest.mark.parametrize("service", ["s3", "sqs"])
def test_every_signature_is_the_one_that_botocore_makes(service, monkeypatch):
    signer = botocore.auth.S3SigV4Auth if service == "s3" else botocore.auth.SigV4Auth
    compared = 0

    for method, host, target, headers, body, region, token, now in _requests(7, service):
        moment = dt.datetime.fromtimestamp(now, dt.UTC)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, m=moment, **__: m)
        request = botocore.awsrequest.AWSRequest(
            method=method, url=f"https://{host}{target}", headers=dict(headers), data=body
        )
        theirs = botocore.credentials.Credentials("AKIDEXAMPLE", "very+secret/key", token)
        signer(theirs, service, region).add_auth(request)

        signed = sigv4.sign(
            method,
            split_url(f"https://{host}{target}"),
            headers,
            body,
            service=service,
            region=region,
            credentials=sigv4.Credentials("AKIDEXAMPLE", "very+secret/key", token),
            now=now,
        )

        assert request.headers["Authorization"] == signed["Authorization"], (method, target)
        assert request.headers["X-Amz-Date"] == signed["X-Amz-Date"]
        compared += 1
    assert compared == CASES


def test_the_signature_covers_the_body_and_the_condition():
    def signature(body=b"", headers=None):
        return sigv4.sign(
            "GET",
            Address(True, "bucket.example", 443, "/key"),
            headers or {},
            body,
            service="s3",
            region="eu-central-1",
            credentials=sigv4.Credentials("id", "secret"),
            now=1_700_000_000,
        )["Authorization"]

    assert len({signature(), signature(b"x"), signature(headers={"If-None-Match": '"1"'})}) == 3
