"""Our S3 source and signatures against OpenStack Swift, which shares no code with moto or boto3.

It answers as S3 does but for conditional writes (docs/decisions/0064), so it is only read from.
"""

from __future__ import annotations

import pytest
from tests.fakes.sources import revision
from tests.fakes.swift import BUCKET, swift
from tests.lab.aws_tools import or_skip, swift_folder

from bucketer.core.errors import SourceError
from bucketer.settings import read_settings
from bucketer.sources.s3 import S3Source
from bucketer.wiring import COMMAND, build

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with swift(or_skip(swift_folder), tmp_path_factory.mktemp("swift")) as started:
        yield started


def _source(store, key, **environ):
    return S3Source.from_url(f"s3://{BUCKET}/{key}", 10.0, {**store.environ, **environ})


@pytest.mark.parametrize(
    "key", ["d.json", "a folder/ä+b&c=1/d.json", "~.-_/(x)!*'/%41", "a//b", "€.json"]
)
def test_an_object_of_any_name_is_read_and_asked_for_conditionally(store, key):
    store.s3.put_object(Bucket=BUCKET, Key=key, Body=revision(1))
    source = _source(store, key)
    first = source.fetch(None)
    again = source.fetch(first.etag)
    store.s3.put_object(Bucket=BUCKET, Key=key, Body=revision(2))
    changed = source.fetch(first.etag)

    assert (revision(1), None, revision(2)) == (first.raw, again, changed.raw)


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "status 403 SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "test:nobody"}, "status 403 SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_signature_is_refused(store, environ, why):
    store.s3.put_object(Bucket=BUCKET, Key="d.json", Body=revision(1))
    with pytest.raises(SourceError) as caught:
        _source(store, "d.json", **environ).fetch(None)

    assert why == caught.value.why


def test_what_is_not_there_is_missing(store):
    with pytest.raises(SourceError) as caught:
        _source(store, "none.json").fetch(None)

    assert ("status 404 NoSuchKey", True) == (caught.value.why, caught.value.missing)


def test_a_runtime_decides_by_what_lies_there(store):
    store.s3.put_object(Bucket=BUCKET, Key="live.json", Body=revision(41))
    settings = read_settings({"BUCKETER_DATAFILE": f"s3://{BUCKET}/live.json"})
    runtime = build(settings, store.environ, mode=COMMAND)

    assert ("41", "s3") == (runtime.edition.ruleset.revision, runtime.edition.source)
