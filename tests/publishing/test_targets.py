"""S3 and Lambda as targets: an older revision never replaces a newer one."""

from __future__ import annotations

import io
import itertools
import threading
import zipfile

import pytest
from botocore.exceptions import ClientError
from tests.fakes.aws import Moto
from tests.fakes.lambda_service import FakeLambda
from tests.fakes.origin import Origin, answer, ok
from tests.fakes.sources import revision

from bucketer.publishing.check import check
from bucketer.publishing.function import DATAFILE, FunctionCode, baked_revision
from bucketer.publishing.s3_store import PublishError, S3Store
from bucketer.sources.packaged import from_package
from bucketer.sources.s3 import S3Source


@pytest.fixture(scope="module")
def moto():
    server = Moto()
    yield server
    server.stop()


_numbers = itertools.count()


@pytest.fixture
def place(moto):
    """A folder of its own in the bucket."""
    return f"store-{next(_numbers)}"


def _store(moto, place, client=None):
    return S3Store(f"s3://open/{place}/datafile.json", client or moto.s3)


def _body(moto, key):
    return moto.s3.get_object(Bucket="open", Key=key)["Body"].read()


def _checked(number, **changes):
    return check(revision(number, **changes), "cdn.example")


def test_the_first_revision_is_published_and_archived_with_its_digest(moto, place):
    checked = _checked(5)

    assert "published revision 5" == _store(moto, place).publish(checked)
    archived = moto.s3.get_object(Bucket="open", Key=f"{place}/revisions/5.json")
    assert revision(5) == archived["Body"].read() == _body(moto, f"{place}/datafile.json")
    assert {"revision": "5", "sha256": checked.digest} == archived["Metadata"]


def test_a_newer_revision_replaces_an_older_and_the_archive_keeps_both(moto, place):
    store = _store(moto, place)
    store.publish(_checked(9))
    store.publish(_checked(10))

    assert revision(10) == _body(moto, f"{place}/datafile.json")
    assert revision(9) == _body(moto, f"{place}/revisions/9.json")


def test_the_replay_of_an_older_revision_replaces_nothing(moto, place):
    store = _store(moto, place)
    store.publish(_checked(10))

    assert "kept revision 10, which is not older" == store.publish(_checked(9))
    assert revision(10) == _body(moto, f"{place}/datafile.json")


def test_an_archived_revision_is_never_rewritten(moto, place):
    store = _store(moto, place)
    store.publish(_checked(5))
    store.publish(_checked(5, sdkKey="forged"))

    assert revision(5) == _body(moto, f"{place}/revisions/5.json")
    assert revision(5) == _body(moto, f"{place}/datafile.json")


def test_what_was_put_there_by_hand_is_read_for_its_revision(moto, place):
    moto.s3.put_object(Bucket="open", Key=f"{place}/datafile.json", Body=revision(7))
    store = _store(moto, place)

    assert "kept revision 7, which is not older" == store.publish(_checked(6))
    assert "published revision 8" == store.publish(_checked(8))


def test_rubbish_that_was_put_there_is_replaced(moto, place):
    moto.s3.put_object(Bucket="open", Key=f"{place}/datafile.json", Body=b"oops")

    assert "published revision 1" == _store(moto, place).publish(_checked(1))


class Meddler:
    """An S3 client between whose reading and writing somebody else publishes."""

    def __init__(self, client, meddle, times):
        self._client, self._meddle, self.left = client, meddle, times

    def get_object(self, **arguments):
        try:
            return self._client.get_object(**arguments)
        finally:
            if self.left:
                self.left -= 1
                self._meddle()

    def put_object(self, **arguments):
        return self._client.put_object(**arguments)


def test_who_loses_a_race_to_a_newer_revision_keeps_it(moto, place):
    honest = _store(moto, place)
    honest.publish(_checked(1))
    meddler = Meddler(moto.s3, lambda: honest.publish(_checked(3)), 1)

    assert "kept revision 3, which is not older" == _store(moto, place, meddler).publish(
        _checked(2)
    )
    assert revision(3) == _body(moto, f"{place}/datafile.json")


def test_who_loses_a_race_to_an_older_revision_tries_again(moto, place):
    honest = _store(moto, place)
    honest.publish(_checked(1))
    meddler = Meddler(moto.s3, lambda: honest.publish(_checked(2)), 1)

    assert "published revision 3" == _store(moto, place, meddler).publish(_checked(3))


def test_an_object_that_changes_again_and_again_is_given_up(moto, place):
    honest = _store(moto, place)
    honest.publish(_checked(1))
    numbers = itertools.count(2)
    meddler = Meddler(moto.s3, lambda: honest.publish(_checked(next(numbers))), 9)

    with pytest.raises(PublishError, match="changed 5 times"):
        _store(moto, place, meddler).publish(_checked(99))


def test_of_many_at_once_the_newest_wins(moto, place):
    store = _store(moto, place)
    failures = []

    def publish(number):
        try:
            store.publish(_checked(number))
        except PublishError as error:
            failures.append(error)

    threads = [threading.Thread(target=publish, args=(n,)) for n in (3, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == failures
    assert revision(3) == _body(moto, f"{place}/datafile.json")


def test_a_denied_write_names_bucket_and_code(moto, place):
    import boto3

    reader = boto3.client(
        "s3",
        endpoint_url=moto.url,
        region_name="eu-central-1",
        aws_access_key_id=moto.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=moto.environ["AWS_SECRET_ACCESS_KEY"],
    )
    with pytest.raises(PublishError) as caught:
        _store(moto, place, reader).publish(_checked(1))

    assert ("s3://open", "AccessDenied from S3") == (caught.value.where, caught.value.why)


def test_what_is_published_is_what_our_own_source_reads(moto, place):
    _store(moto, place).publish(_checked(5))
    source = S3Source.from_url(f"s3://open/{place}/datafile.json", 10.0, moto.environ)

    assert revision(5) == source.fetch(None).raw


# -- the function's code ----------------------------------------------------------------------


def _zip(**files):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return target.getvalue()


def _publish(code, number, *, aliases=("live",), name="bucketer:live"):
    with Origin(ok(code)) as origin:
        service = FakeLambda(code, f"{origin.url}/code.zip?X-Amz-Signature=x", aliases=aliases)
        service.pending = 2
        function = FunctionCode(name, service, sleep=lambda _: None)
        return function.publish(_checked(number), "https://cdn.example/d.json"), service


def test_a_new_datafile_is_baked_in_published_and_the_alias_moved():
    told, service = _publish(_zip(app="code", bucketer__x="more"), 5)

    with zipfile.ZipFile(io.BytesIO(service.code)) as archive:
        meta, raw = from_package(archive.read(DATAFILE), "zip")
        assert b"code" == archive.read("app")
        assert {"app", "bucketer/x", DATAFILE} == set(archive.namelist())
    assert ("5", "https://cdn.example/d.json", revision(5)) == (meta["revision"], meta["url"], raw)
    assert "revision 5 is in version 2, alias live moved" == told
    assert {"live": "2"} == service.alias
    assert ("update_function_code", "seen") in service.calls  # nobody else's change is overwritten


def test_an_older_or_equal_revision_touches_nothing():
    _, first = _publish(_zip(app="code"), 5)

    for number in (4, 5):
        told, service = _publish(first.code, number)
        assert "kept revision 5, which is not older" == told
        assert ["get_function"] == service.calls


def test_a_newer_revision_replaces_what_was_baked_in():
    _, first = _publish(_zip(app="code"), 5)
    _, second = _publish(first.code, 6)

    assert "6" == baked_revision(second.code)


def test_a_missing_alias_is_made_and_none_is_moved_without_a_name():
    _, service = _publish(_zip(app="code"), 5, aliases=())
    _, plain = _publish(_zip(app="code"), 5, name="bucketer")

    assert {"live": "2"} == service.alias
    assert {"live": "1"} == plain.alias


def test_code_that_cannot_be_had_or_read_is_told():
    with Origin(answer(403)) as origin:
        function = FunctionCode("f", FakeLambda(location=origin.url))
        with pytest.raises(PublishError, match="status 403"):
            function.publish(_checked(1), "")
    with pytest.raises(PublishError, match="no zip archive"):
        _publish(b"not a zip", 1)


def test_code_that_lambda_cannot_take_is_told():
    service = FakeLambda()
    service.failed = "too big"

    with pytest.raises(PublishError, match="too big"):
        FunctionCode("f", service, sleep=lambda _: None).update(b"zip")


def test_what_lambda_refuses_is_told_with_its_code():
    class Refusing(FakeLambda):
        def get_function(self, FunctionName):  # noqa: N803 -- as boto3 has it
            raise ClientError(
                {"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetFunction"
            )

    with pytest.raises(PublishError, match="AccessDeniedException from Lambda: no"):
        FunctionCode("f", Refusing()).publish(_checked(1), "")


def test_the_functions_runtime_and_architecture_are_what_is_built_for():
    assert ("3.12", "arm64") == FunctionCode("f", FakeLambda()).runtime()
