"""S3 and Lambda as targets: an older revision never replaces a newer one."""

from __future__ import annotations

import io
import itertools
import threading
import zipfile

import pytest
from tests.fakes.aws import Moto
from tests.fakes.lambda_service import FakeLambda, refusal
from tests.fakes.origin import Origin, answer
from tests.fakes.sources import revision

from bucketer.publishing.check import check
from bucketer.publishing.function import DATAFILE, FunctionCode, bake, carry_over, packaged_in
from bucketer.publishing.pull import envelope
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
    assert ("5", checked.digest, "11") == tuple(
        archived["Metadata"][name] for name in ("revision", "sha256", "project")
    )


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


def test_an_older_revision_is_archived_even_where_a_newer_one_serves(moto, place):
    store = _store(moto, place)
    store.publish(_checked(10))
    store.publish(_checked(9))

    assert revision(9) == _body(moto, f"{place}/revisions/9.json")


def test_the_same_revision_with_other_content_serves_and_is_what_the_archive_has(moto, place):
    store = _store(moto, place)
    store.publish(_checked(5))
    told = store.publish(_checked(5, botFiltering=True))

    assert "published revision 5 again, with other content" == told
    for key in ("datafile.json", "revisions/5.json"):
        assert revision(5, botFiltering=True) == _body(moto, f"{place}/{key}")


def test_the_same_content_again_is_not_written_again(moto, place):
    store = _store(moto, place)
    store.publish(_checked(5))
    before = moto.s3.get_object(Bucket="open", Key=f"{place}/datafile.json")["LastModified"]

    assert "kept revision 5, which is not older" == store.publish(_checked(5))
    after = moto.s3.get_object(Bucket="open", Key=f"{place}/datafile.json")["LastModified"]
    assert before == after


@pytest.mark.parametrize(
    ("moved_to", "told"),
    [
        ({"projectId": "12"}, "in place of revision 40 of project 11"),
        ({"sdkKey": "staging"}, "in place of revision 40 of another environment"),
    ],
)
def test_when_the_url_has_moved_a_lower_revision_replaces_the_higher(moto, place, moved_to, told):
    store = _store(moto, place)
    store.publish(_checked(12))
    store.publish(_checked(40))

    assert f"published revision 12, {told}" == store.publish(_checked(12, **moved_to))
    assert revision(12, **moved_to) == _body(moto, f"{place}/datafile.json")
    assert revision(12, **moved_to) == _body(moto, f"{place}/revisions/12.json")
    assert "published revision 13" == store.publish(_checked(13, **moved_to))


def test_an_object_of_an_older_version_of_this_project_is_read_for_whose_it_is(moto, place):
    moto.s3.put_object(
        Bucket="open",
        Key=f"{place}/datafile.json",
        Body=revision(40, projectId="12"),
        Metadata={"revision": "40", "sha256": "0"},
    )

    assert "published revision 7, in place of revision 40 of project 12" == _store(
        moto, place
    ).publish(_checked(7))


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


@pytest.fixture
def lambda_():
    """Makes services, and closes them."""
    made = []

    def make(*arguments, **options):
        made.append(FakeLambda(*arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


APP = _zip(app="code", bucketer__x="more")
URL = "https://cdn.example/d.json"


def _function(service, name="bucketer:live", **options):
    return FunctionCode(name, service, sleep=lambda _: None, **options)


def _baked(code):
    """The revision in an archive."""
    found = packaged_in(code)
    return found and found.standing.revision


def _with(number, **changes):
    """An archive with a datafile in it."""
    return bake(APP, envelope(_checked(number, **changes), URL, 1.0))


def test_a_new_datafile_is_baked_in_published_and_the_alias_moved(lambda_):
    service = lambda_(APP, aliases=("live",))
    told = _function(service).publish(_checked(5), URL)

    with zipfile.ZipFile(io.BytesIO(service.code)) as archive:
        meta, raw = from_package(archive.read(DATAFILE), "zip")
        assert b"code" == archive.read("app")
        assert {"app", "bucketer/x", DATAFILE} == set(archive.namelist())
    assert ("5", URL, revision(5)) == (meta["revision"], meta["url"], raw)
    assert "revision 5 is in version 2, alias live moved" == told
    assert {"live": "2"} == service.alias


def test_an_older_or_equal_revision_touches_nothing(lambda_):
    for number in (4, 5):
        service = lambda_(_with(5), aliases=("live",))
        told = _function(service).publish(_checked(number), URL)

        assert "kept revision 5, which is not older" == told
        assert [] == service.calls


def test_a_newer_revision_replaces_what_was_baked_in(lambda_):
    service = lambda_(_with(5), aliases=("live",))
    _function(service).publish(_checked(6), URL)

    assert "6" == _baked(service.serving())


def test_a_lower_revision_of_another_project_replaces_what_was_baked_in(lambda_):
    service = lambda_(_with(40), aliases=("live",))
    told = _function(service).publish(_checked(12, projectId="12"), URL)

    assert "12" == _baked(service.serving())
    assert told.endswith(", in place of revision 40 of project 11")


def test_a_missing_alias_is_made_and_none_is_moved_without_a_name(lambda_):
    without, plain = lambda_(APP), lambda_(APP, aliases=("live",))
    _function(without).publish(_checked(5), URL)
    told = _function(plain, "bucketer").publish(_checked(5), URL)

    assert {"live": "2"} == without.alias
    assert {"live": "1"} == plain.alias
    assert "revision 5 is in version 2" == told


@pytest.mark.parametrize("step", ["publish_version", "update_alias"])
def test_a_try_after_one_that_died_halfway_moves_the_alias(lambda_, step):
    service = lambda_(_with(4), aliases=("live",))
    service.failing[step] = [refusal()]
    with pytest.raises(PublishError, match="ServiceException from Lambda: try later"):
        _function(service).publish(_checked(5), URL)
    assert "4" == _baked(service.serving())

    assert "revision 5 is in version 2, alias live moved" == _function(service).publish(
        _checked(5), URL
    )
    assert "5" == _baked(service.serving())
    assert 1 == service.calls.count("update_function_code")  # the code was there already


def test_what_a_newer_try_left_behind_is_finished_by_an_older_one(lambda_):
    service = lambda_(_with(4), aliases=("live",))
    service.failing["publish_version"] = [refusal()]
    with pytest.raises(PublishError):
        _function(service).publish(_checked(6), URL)

    assert "revision 6 is in version 2, alias live moved" == _function(service).publish(
        _checked(5), URL
    )
    assert "6" == _baked(service.serving())


@pytest.mark.parametrize("step", ["update_function_code", "publish_version", "update_alias"])
@pytest.mark.parametrize("overtaker", [6, 5])
def test_who_is_overtaken_never_moves_the_alias_back(lambda_, step, overtaker):
    service = lambda_(_with(4), aliases=("live",))
    service.before[step] = lambda: _function(service).publish(_checked(overtaker), URL)
    told = _function(service).publish(_checked(5), URL)

    assert f"kept revision {overtaker}, which is not older" == told
    assert str(overtaker) == _baked(service.serving())


@pytest.mark.parametrize("step", ["update_function_code", "publish_version", "update_alias"])
def test_who_is_overtaken_by_an_older_revision_sees_the_newer_serve_in_the_end(lambda_, step):
    service = lambda_(_with(4), aliases=("live",))
    service.before[step] = lambda: _function(service).publish(_checked(5), URL)
    _function(service).publish(_checked(6), URL)  # or the other has finished it for us

    assert "6" == _baked(service.serving())


def test_code_that_somebody_else_uploads_meanwhile_is_not_overwritten(lambda_):
    service = lambda_(_with(4), aliases=("live",))
    new = _zip(app="new")
    service.before["update_function_code"] = lambda: service.update_function_code("f", new)
    _function(service).publish(_checked(5), URL)

    with zipfile.ZipFile(io.BytesIO(service.serving())) as archive:
        assert b"new" == archive.read("app")
    assert "5" == _baked(service.serving())


def test_what_is_published_is_what_was_told(lambda_):
    service = lambda_(_with(4), aliases=("live",))
    service.before["publish_version"] = lambda: service.update_function_code("f", _with(6))
    told = _function(service).publish(_checked(5), URL)

    assert "revision 6 is in version 2, alias live moved" == told
    assert "6" == _baked(service.serving())


def test_two_that_make_the_alias_at_once_agree_on_the_newer(lambda_):
    service = lambda_(APP)
    service.before["create_alias"] = lambda: _function(service).publish(_checked(6), URL)

    assert "kept revision 6, which is not older" == _function(service).publish(_checked(5), URL)
    assert "6" == _baked(service.serving())


def test_an_update_in_progress_is_waited_for(lambda_):
    service = lambda_(_with(4), aliases=("live",))
    busy = refusal("ResourceConflictException", "An update is in progress")
    service.failing["update_function_code"] = [busy, busy]

    assert _function(service).publish(_checked(5), URL).startswith("revision 5")


def test_a_function_that_changes_again_and_again_is_given_up(lambda_):
    service = lambda_(_with(4), aliases=("live",))
    service.failing["update_function_code"] = [refusal("PreconditionFailedException")] * 6

    with pytest.raises(PublishError, match="again and again"):
        _function(service).publish(_checked(5), URL)
    assert 6 == service.calls.count("update_function_code")


def test_the_alias_moves_only_to_a_version_that_is_ready(lambda_):
    service = lambda_(_with(4), aliases=("live",))
    service.unfinished = 3  # twice for the code, then twice for the version
    seen = []
    service.before["update_alias"] = lambda: seen.extend(service.asked_until_ready)
    _function(service).publish(_checked(5), URL)

    assert ["$LATEST"] * 4 + ["2"] == seen

    service.unready = "SnapStart snapshot failed"
    with pytest.raises(PublishError, match="could not make version 3 ready: SnapStart"):
        _function(service).publish(_checked(6), URL)
    assert "5" == _baked(service.serving())


def test_a_version_that_is_not_ready_in_time_is_moved_to_by_a_later_try(lambda_):
    service = lambda_(_with(4), aliases=("live",))
    service.before["publish_version"] = lambda: setattr(service, "unfinished", 10)
    with pytest.raises(PublishError, match="did not make version 2 ready within 2 s; try again"):
        _function(service, patience_s=2.0).publish(_checked(5), URL)
    assert "4" == _baked(service.serving())

    service.unfinished = 0
    assert "revision 5 is in version 2, alias live moved" == _function(service).publish(
        _checked(5), URL
    )


def test_code_that_cannot_be_had_or_read_is_told(lambda_):
    service = lambda_(APP)
    with Origin(answer(403)) as origin:
        service.location = origin.url
        with pytest.raises(PublishError, match="status 403"):
            _function(service, "f").publish(_checked(1), "")
    with pytest.raises(PublishError, match="no zip archive"):
        _function(lambda_(b"not a zip"), "f").publish(_checked(1), "")


def test_code_that_lambda_cannot_take_is_told(lambda_):
    service = lambda_(APP)
    service.failed = "too big"

    with pytest.raises(PublishError, match="could not take the code in: too big"):
        _function(service, "f").publish(_checked(1), "")


def test_what_lambda_refuses_is_told_with_its_code(lambda_):
    service = lambda_(APP)
    service.failing["get_function"] = [refusal("AccessDeniedException", "no")]

    with pytest.raises(PublishError, match="AccessDeniedException from Lambda: no"):
        _function(service).publish(_checked(1), "")


def test_the_functions_runtime_and_architecture_are_what_is_built_for(lambda_):
    assert ("3.12", "arm64") == _function(lambda_()).runtime()


# -- new code for a function that may have a datafile -----------------------------------------


@pytest.mark.parametrize(
    ("serving", "own", "after", "told"),
    [
        (None, None, None, "no datafile is packaged"),
        (None, 5, "5", "revision 5 is packaged"),
        (5, None, "5", "revision 5 is packaged, as it was before"),
        (5, 6, "6", "revision 6 is packaged"),
        (6, 6, "6", "revision 6 is packaged"),
        (7, 6, "7", "revision 7 is packaged, as it was before: it is newer than 6"),
    ],
)
def test_new_code_keeps_a_datafile_that_is_newer_than_its_own(lambda_, serving, own, after, told):
    service = lambda_(APP if serving is None else _with(serving), aliases=("live",))
    new = _zip(app="new") if own is None else bake(_zip(app="new"), _document(own))

    assert f"bucketer is at version 2; {told}" == _function(service).push(new)
    with zipfile.ZipFile(io.BytesIO(service.serving())) as archive:
        assert b"new" == archive.read("app")
    assert after == _baked(service.serving())


def test_new_code_with_a_datafile_of_another_project_brings_that(lambda_):
    service = lambda_(_with(40), aliases=("live",))
    told = _function(service).push(_with(12, projectId="12"))

    assert "12" == _baked(service.serving())
    assert told.endswith("revision 12 is packaged, in place of revision 40 of project 11")


def test_the_same_code_and_datafile_make_the_same_archive_whenever_it_was_fetched():
    first = bake(APP, envelope(_checked(5), URL, 1.0))
    again, _ = carry_over(bake(APP, envelope(_checked(5), URL, 2.0)), packaged_in(first))

    assert first == again


def test_new_code_does_not_drop_what_a_webhook_bakes_in_meanwhile(lambda_):
    service = lambda_(_with(5), aliases=("live",))
    service.before["update_function_code"] = lambda: _function(service).publish(_checked(6), URL)

    _function(service).push(_zip(app="new"))
    assert "6" == _baked(service.serving())


def test_what_is_packaged_is_what_the_alias_serves(lambda_):
    service = lambda_(_with(4), aliases=("live",))
    service.failing["publish_version"] = [refusal()]
    with pytest.raises(PublishError):
        _function(service).publish(_checked(5), URL)

    assert "4" == _function(service).packaged().standing.revision
    assert "5" == _function(service, "bucketer").packaged().standing.revision


def test_a_function_that_is_not_there_has_nothing_packaged(lambda_):
    service = lambda_(APP)
    service.failing["get_function"] = [refusal("ResourceNotFoundException")]

    assert _function(service, "gone").packaged() is None


def _document(number):
    return envelope(_checked(number), URL, 1.0)
