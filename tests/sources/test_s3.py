"""S3, from a server that checks signatures and policies."""

from __future__ import annotations

import gzip
import itertools
import json

import pytest
from tests.fakes.aws import Moto
from tests.fakes.origin import Origin, answer, ok

from bucketer.core.errors import SourceError
from bucketer.sources.credentials import CredentialChain
from bucketer.sources.s3 import AMAZON_ROOTS, S3Source


@pytest.fixture(scope="module")
def moto():
    server = Moto()
    yield server
    server.stop()


_numbers = itertools.count()


@pytest.fixture
def key(moto):
    """A key with a datafile under it, awkward enough to test its encoding."""
    name = f"a folder/ä+b&c={next(_numbers)}/datafile.json"
    moto.s3.put_object(Bucket="open", Key=name, Body=b'{"revision": "1"}')
    return name


def _source(moto, key, bucket="open", **environ):
    return S3Source.from_url(f"s3://{bucket}/{key}", 10.0, {**moto.environ, **environ})


def _why(source):
    with pytest.raises(SourceError) as caught:
        source.fetch(None)
    return caught.value.why


def test_an_object_is_read_and_asked_for_conditionally(moto, key):
    source = _source(moto, key)
    first = source.fetch(None)
    again = source.fetch(first.etag)
    moto.s3.put_object(Bucket="open", Key=key, Body=b'{"revision": "2"}')
    changed = source.fetch(first.etag)

    assert (b'{"revision": "1"}', None) == (first.raw, again)
    assert changed.raw == b'{"revision": "2"}'


def test_a_wrong_secret_is_refused(moto, key):
    assert "status 403 SignatureDoesNotMatch" == _why(
        _source(moto, key, AWS_SECRET_ACCESS_KEY="wrong")
    )


def test_an_unknown_key_id_is_refused(moto, key):
    assert "status 403 InvalidAccessKeyId" == _why(
        _source(moto, key, AWS_ACCESS_KEY_ID="AKIAUNKNOWN")
    )


def test_a_bucket_outside_the_policy_is_denied(moto):
    moto.s3.put_object(Bucket="closed", Key="d.json", Body=b"{}")

    assert "status 403 AccessDenied" == _why(_source(moto, "d.json", "closed"))


def test_a_403_says_which_rights_are_needed_and_that_the_key_may_be_wrong(moto):
    with pytest.raises(SourceError) as caught:
        _source(moto, "none.json", "closed").fetch(None)

    assert "is the key right?" in caught.value.detail
    assert "s3:GetObject, and s3:ListBucket" in caught.value.detail


def test_an_object_that_was_stored_packed_is_unpacked_though_nobody_asked_for_gzip(moto):
    packed = gzip.compress(b'{"revision": "1"}')
    moto.s3.put_object(Bucket="open", Key="p.json", Body=packed, ContentEncoding="gzip")

    assert b'{"revision": "1"}' == _source(moto, "p.json").fetch(None).raw


@pytest.mark.parametrize(
    ("bucket", "why", "missing"),
    [
        ("open", "status 404 NoSuchKey", True),
        ("closed", "status 403 AccessDenied", False),
    ],
)
def test_what_is_not_there_is_told_from_what_cannot_be_asked(moto, bucket, why, missing):
    with pytest.raises(SourceError) as caught:
        _source(moto, "none.json", bucket).fetch(None)

    assert (why, missing) == (caught.value.why, caught.value.missing)


def test_a_time_out_is_told():
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with Origin([2.0, ok(b"{}")]) as origin:
        source = S3Source.from_url(
            "s3://b/k", 10.0, {**environ, "AWS_ENDPOINT_URL": origin.url}, timeout_s=0.2
        )
        assert _why(source) == "no complete answer within 0.2 s"


def test_the_right_region_is_learnt_once():
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    wrong = answer(301, x_amz_bucket_region="eu-west-1")
    with Origin(wrong, ok(b"{}"), ok(b"{}")) as origin:
        source = S3Source.from_url("s3://b/k", 10.0, {**environ, "AWS_ENDPOINT_URL": origin.url})
        source.fetch(None)
        source.fetch(None)

    scopes = [origin.headers(n)["authorization"].split("/")[2] for n in range(3)]
    assert scopes == ["us-east-1", "eu-west-1", "eu-west-1"]


@pytest.mark.parametrize("url", ["s3://", "s3://bucket", "s3:///key"])
def test_a_url_without_bucket_or_key_is_refused(url):
    with pytest.raises(SourceError):
        S3Source.from_url(url, 10.0, {})


@pytest.mark.parametrize(
    ("bucket", "region", "host", "target"),
    [
        ("b", "eu-central-1", "b.s3.eu-central-1.amazonaws.com", "/k%20x"),
        ("b.c", "us-east-1", "s3.us-east-1.amazonaws.com", "/b.c/k%20x"),
        ("b", "cn-north-1", "b.s3.cn-north-1.amazonaws.com.cn", "/k%20x"),
    ],
)
def test_amazons_own_address_is_built_from_region_and_bucket(bucket, region, host, target):
    address = S3Source.from_url(f"s3://{bucket}/k x", 10.0, {"AWS_REGION": region})._address()

    assert (host, target, True) == (address.host, address.target, address.secure)


def test_amazons_roots_can_be_read_and_are_still_valid():
    import datetime as dt
    import ssl

    context = ssl.create_default_context(cafile=AMAZON_ROOTS)
    ends = [ssl.cert_time_to_seconds(each["notAfter"]) for each in context.get_ca_certs()]

    assert len(ends) == 6
    assert min(ends) > dt.datetime(2032, 1, 1, tzinfo=dt.UTC).timestamp()


def test_credentials_come_from_the_containers_endpoint_and_are_kept(tmp_path):
    found = {
        "AccessKeyId": "id",
        "SecretAccessKey": "secret",
        "Token": "token",
        "Expiration": "2099-01-01T00:00:00Z",
    }
    token = tmp_path / "token"
    token.write_text("sesame\n")
    with Origin(ok(json.dumps(found).encode())) as origin:
        chain = CredentialChain(
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{origin.url}/credentials",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
            }
        )
        first, second = chain(), chain()

    assert ("id", "secret", "token") == (first.key_id, first.secret, first.token)
    assert first is second
    assert len(origin.requests) == 1
    assert origin.headers()["authorization"] == "sesame"


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"AccessKeyId": "x"}'])
def test_an_endpoint_without_credentials_is_told(body):
    with Origin(ok(body)) as origin:
        chain = CredentialChain({"AWS_CONTAINER_CREDENTIALS_FULL_URI": origin.url})
        with pytest.raises(SourceError, match="AWS credentials"):
            chain()


@pytest.mark.parametrize(
    ("body", "missing"),
    [(b"<Error><Code>NoSuchBucket</Code></Error>", False), (b"", True)],
)
def test_a_bucket_that_is_not_there_is_no_missing_object(body, missing):
    environ = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with Origin(answer(404, body)) as origin:
        source = S3Source.from_url("s3://b/k", 1.0, {**environ, "AWS_ENDPOINT_URL": origin.url})
        with pytest.raises(SourceError) as caught:
            source.fetch(None)

    assert missing == caught.value.missing


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ("", "ProfileNotFound"),
        ("[profile nope]\nrole_arn = arn:aws:iam::1:role/x\n", "PartialCredentialsError"),
        ("[profile nope]\ncredential_process = /nowhere/hush\n", "FileNotFoundError"),
        ("[profile nope]\ncredential_process = echo hush\n", "JSONDecodeError"),
    ],
)
def test_a_profile_that_boto3_cannot_use_is_told_without_its_contents(
    config, error, tmp_path, monkeypatch
):
    (tmp_path / "config").write_text(config)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with pytest.raises(SourceError) as caught:
        CredentialChain({})()

    assert f"AWS credentials: boto3 fails with {error}; look at AWS_PROFILE and ~/.aws" == str(
        caught.value
    )


def test_credentials_about_to_end_are_fetched_again():
    found = {"AccessKeyId": "id", "SecretAccessKey": "s", "Expiration": "2020-01-01T00:00:00Z"}
    with Origin(ok(json.dumps(found).encode())) as origin:
        chain = CredentialChain({"AWS_CONTAINER_CREDENTIALS_FULL_URI": origin.url})
        chain()
        chain()

    assert len(origin.requests) == 2
