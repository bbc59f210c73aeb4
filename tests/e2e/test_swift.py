"""Our S3 source and signatures against OpenStack Swift, which shares no code with moto or boto3.

It answers as S3 does but for conditional writes (docs/decisions/0064), so it is only read from.
"""

from __future__ import annotations

import pytest
from tests.fakes.sources import revision
from tests.fakes.swift import BUCKET, Swift
from tests.lab.aws_tools import or_skip, swift_folder

from bucketer.core.errors import SourceError
from bucketer.settings import read_settings
from bucketer.sources.s3 import S3Source
from bucketer.wiring import COMMAND, build

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def swift(tmp_path_factory):
    server = Swift(or_skip(swift_folder), tmp_path_factory.mktemp("swift"))
    yield server
    server.stop()


def _source(swift, key, **environ):
    return S3Source.from_url(f"s3://{BUCKET}/{key}", 10.0, {**swift.environ, **environ})


@pytest.mark.parametrize(
    "key", ["d.json", "a folder/ä+b&c=1/d.json", "~.-_/(x)!*'/%41", "a//b", "€.json"]
)
def test_an_object_of_any_name_is_read_and_asked_for_conditionally(swift, key):
    swift.s3.put_object(Bucket=BUCKET, Key=key, Body=revision(1))
    source = _source(swift, key)
    first = source.fetch(None)
    again = source.fetch(first.etag)
    swift.s3.put_object(Bucket=BUCKET, Key=key, Body=revision(2))
    changed = source.fetch(first.etag)

    assert (revision(1), None, revision(2)) == (first.raw, again, changed.raw)


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "status 403 SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "test:nobody"}, "status 403 SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_signature_is_refused(swift, environ, why):
    swift.s3.put_object(Bucket=BUCKET, Key="d.json", Body=revision(1))
    with pytest.raises(SourceError) as caught:
        _source(swift, "d.json", **environ).fetch(None)

    assert why == caught.value.why


def test_what_is_not_there_is_missing(swift):
    with pytest.raises(SourceError) as caught:
        _source(swift, "none.json").fetch(None)

    assert ("status 404 NoSuchKey", True) == (caught.value.why, caught.value.missing)


def test_a_runtime_decides_by_what_lies_there(swift):
    swift.s3.put_object(Bucket=BUCKET, Key="live.json", Body=revision(41))
    settings = read_settings({"BUCKETER_DATAFILE": f"s3://{BUCKET}/live.json"})
    runtime = build(settings, swift.environ, mode=COMMAND)

    assert ("41", "s3") == (runtime.edition.ruleset.revision, runtime.edition.source)
