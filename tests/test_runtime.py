"""Which edition serves, and when the sources are asked."""

from __future__ import annotations

import itertools
import json
import logging
import re
import threading
import time
import uuid

import pytest
from tests.fakes.runtimes import a_runtime
from tests.fakes.sources import Clock, FakeSource, down, revision

from bucketer.api.http import Request
from bucketer.api.options import ApiOptions
from bucketer.core.errors import InvalidDatafile, RevisionUnavailable, SourceError
from bucketer.ports import Fetched
from bucketer.runtime.freshness import Freshness
from bucketer.runtime.ids import new_uuid
from bucketer.wiring.http import agent_api


def _runtime(*sources, clock=None, **options):
    return a_runtime(*sources, clock=clock or Clock(), **options)


def _revision(runtime):
    return runtime.edition.ruleset.revision if runtime.edition else None


def _get(runtime, path, query=""):
    response = runtime.serve(Request("GET", path, query, request_id="r"))
    return response.status, json.loads(response.body), dict(response.headers)


@pytest.fixture
def warnings(caplog):
    """The lines of the log that are warnings, and the news that there is no more to warn of."""
    caplog.set_level(logging.WARNING, logger="bucketer")
    caplog.handler.setLevel(logging.INFO)  # as the loggers themselves let it through
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_new_datafile_serves_once_the_old_one_is_too_old():
    clock = Clock()
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock)
    runtime.load()
    source.content, source.etag = revision(2), '"2"'

    clock.now += 59.9
    runtime.after_response(1.0)
    young = _revision(runtime)
    clock.now += 0.2
    runtime.after_response(1.0)

    assert ("1", "2") == (young, _revision(runtime))
    assert source.asked == [None, '"1"']


def test_new_content_is_taken_whatever_its_revision_says():
    """Trap 41: the SDK looks at the revision alone, and keeps what it has."""
    clock = Clock()
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock)
    runtime.load()
    changed = {**json.loads(revision(1)), "accountId": "another"}
    source.content, source.etag = json.dumps(changed).encode(), '"changed"'

    clock.now += 1000
    runtime.after_response(1.0)

    ruleset = runtime.edition.ruleset
    assert ("1", "another") == (ruleset.revision, ruleset.account_id)


class Outbox:
    """An outbox that notes when it was called, and may raise."""

    def __init__(self, seen, error=None):
        self.seen, self.error = seen, error

    def after_response(self, deadline_s):
        self.seen.append(("events", deadline_s))
        if self.error:
            raise self.error

    def close(self):
        self.seen.append(("close",))


def test_events_come_before_a_datafile_that_is_slow_to_come_and_have_all_of_their_time():
    clock, seen = Clock(), []
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock, outbox=Outbox(seen))
    runtime.load()
    fetch = source.fetch
    source.fetch = lambda mark: seen.append(("datafile",)) or fetch(mark)
    clock.now += 1000

    runtime.after_response(1.0)

    assert seen == [("events", 1.0), ("datafile",)]


def test_events_that_fail_unforeseen_do_not_keep_the_datafile_from_being_fetched():
    clock = Clock()
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock, outbox=Outbox([], KeyError("odd")))
    runtime.load()
    clock.now += 1000

    with pytest.raises(KeyError):
        runtime.after_response(1.0)

    assert source.asked == [None, '"1"']


def test_whatever_a_profile_store_does_at_the_end_the_outbox_is_closed():
    class Odd:
        def close(self):
            raise KeyError("odd")

    seen = []
    runtime = _runtime(FakeSource(revision(1)), outbox=Outbox(seen), profiles=Odd())

    with pytest.raises(KeyError):
        runtime.close()

    assert seen == [("close",)]


def test_the_same_content_under_no_etag_is_not_compiled_again():
    source = FakeSource(revision(1))
    compiled = []
    runtime = _runtime(source, compile_raw=lambda raw: compiled.append(raw) or _compile(raw))
    runtime.load()
    first = runtime.edition

    assert runtime.default.refresh() is False
    assert runtime.edition is first
    assert len(compiled) == 1


def _compile(raw):
    from bucketer.runtime.compiling import compile_quietly

    return compile_quietly(raw)


@pytest.mark.parametrize(
    "broken",
    [b"", b"{", b"[]", b"<html>", b"\xff\xfe", b'{"version": "9"}', revision(2)[:-5], b"[" * 10**6],
    ids=["empty", "cut", "list", "html", "bytes", "version", "truncated", "deep"],
)
def test_a_broken_datafile_never_replaces_a_good_one(broken, warnings):
    clock = Clock()
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock)
    runtime.load()
    source.content, source.etag = broken, '"broken"'

    for _ in range(5):
        clock.now += 1000
        runtime.after_response(1.0)

    status, report, _ = _get(runtime, "/health")
    assert (200, "1") == (status, report["datafile"]["revision"])
    assert report["refresh"]["failures"] == 5
    assert report["refresh"]["trouble"].startswith("cdn.example: ")
    assert len(warnings()) == 1  # once per change of state
    assert source.asked == [None, '"1"', '"broken"', '"broken"', '"broken"', '"broken"']


def test_a_source_that_fails_and_recovers_is_logged_twice(warnings, caplog):
    clock = Clock()
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock)
    runtime.load()
    good, source.content = source.content, down()
    for _ in range(4):
        clock.now += 1000
        runtime.after_response(1.0)
    source.content = good
    clock.now += 1000
    runtime.after_response(1.0)

    assert warnings() == [
        "datafile: cdn.example: Connection refused",
        "datafile: after 4 failures revision 1 from cdn.example serves",
    ]
    assert [logging.WARNING, logging.INFO] == [each.levelno for each in caplog.records]
    assert runtime.default.freshness.failures_in_a_row == 0
    assert runtime.default.freshness.failures == 4


def test_trouble_that_differs_in_its_numbers_alone_is_logged_once(warnings):
    clock = Clock()
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock)
    runtime.load()
    for size in (28, 29, 30):
        source.content = SourceError("cdn.example", "status 500", f"{size} bytes")
        clock.now += 1000
        runtime.after_response(1.0)
    source.content = down()
    clock.now += 1000
    runtime.after_response(1.0)

    assert warnings() == [
        "datafile: cdn.example: status 500 (28 bytes)",
        "datafile: cdn.example: Connection refused",
    ]


def test_what_another_process_logs_is_shown_and_not_logged(warnings):
    clock = Clock()
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock)
    runtime.load()
    good, source.content = source.content, down()
    source.content.heard = True
    clock.now += 61
    runtime.after_response(1.0)
    _, report, _ = _get(runtime, "/health")
    source.content = good
    clock.now += 1000
    runtime.after_response(1.0)

    assert "cdn.example: Connection refused" == report["refresh"]["trouble"]
    assert [] == warnings()
    assert "" == runtime.default.freshness.trouble


def test_debug_shows_the_trouble_and_the_log_never_the_path(warnings):
    clock = Clock()
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock)
    runtime.load()
    source.content = down("status 503")
    clock.now += 61
    runtime.after_response(1.0)

    _, report, _ = _get(runtime, "/bucketer", "e=checkout_flow_experiment&u=x&debug=1")

    assert report["debug"]["datafile"]["trouble"] == "cdn.example: status 503"
    assert not re.search("SDK-KEY", " ".join(warnings()))


def test_after_failures_the_sources_are_asked_less_often_but_at_least_each_minute():
    clock = Clock()
    source = FakeSource(revision(1), '"1"', max_age_s=10.0)
    runtime = _runtime(source, clock=clock)
    runtime.load()
    source.content = down()
    asked_at = []
    for _ in range(400):
        clock.now += 1
        before = len(source.asked)
        runtime.after_response(1.0)
        if len(source.asked) > before:
            asked_at.append(clock.now - 1_000_000.0)

    pauses = [b - a for a, b in itertools.pairwise(asked_at)]
    assert pauses == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0, 60.0, 60.0]


def test_without_any_datafile_requests_get_503_and_the_source_is_tried_again():
    clock = Clock()
    source = FakeSource(down())
    runtime = _runtime(source, clock=clock)
    runtime.load()

    status, report, headers = _get(runtime, "/bucketer", "e=checkout_flow_experiment&u=x")
    assert (503, "no_datafile") == (status, report["error"]["code"])
    assert int(headers["Retry-After"]) >= 1
    assert len(source.asked) == 1  # not once per request

    source.content = revision(3)
    clock.now += 1.1
    status, report, _ = _get(runtime, "/bucketer", "e=checkout_flow_experiment&u=x")
    assert 200 == status


def test_the_pause_without_a_datafile_grows_to_half_a_minute():
    clock = Clock()
    source = FakeSource(down())
    runtime = _runtime(source, clock=clock)
    runtime.load()
    for _ in range(200):
        clock.now += 0.5
        _get(runtime, "/health")

    assert len(source.asked) == 1 + 5 + 2  # after 1, 2, 4, 8, 16, then 30, 30 seconds


def test_health_tells_why_there_is_no_datafile():
    runtime = _runtime(FakeSource(down("status 404")))
    runtime.load()

    status, report, _ = _get(runtime, "/health")

    assert (503, "cdn.example: status 404") == (status, report["refresh"]["trouble"])


def test_after_a_start_with_every_source_down_the_packaged_datafile_serves():
    packaged = FakeSource(revision(4), kind="package", max_age_s=0.0, where="package")
    first = FakeSource(down(where="s3://b"), kind="s3", max_age_s=10.0)
    second = FakeSource(down())
    runtime = _runtime(first, second, packaged)
    runtime.load()

    assert ("4", "package") == (_revision(runtime), runtime.edition.source)
    assert (
        runtime.default.freshness.trouble
        == "s3://b: Connection refused; cdn.example: Connection refused"
    )


def test_the_first_source_takes_over_when_it_comes_back():
    clock = Clock()
    packaged = FakeSource(revision(9), kind="package", max_age_s=0.0)
    first = FakeSource(down(), kind="s3", max_age_s=10.0)
    runtime = _runtime(first, packaged, clock=clock)
    runtime.load()
    first.content = revision(9)  # the same as is packaged: what is published first counts
    clock.now += 11
    runtime.after_response(1.0)

    assert ("9", "s3") == (_revision(runtime), runtime.edition.source)


def _turn(runtime, clock, seconds=60.0):
    clock.now += seconds
    runtime.after_response(1.0)
    return _revision(runtime)


def test_a_source_that_alternates_between_two_revisions_does_not_turn_the_datafile_back(warnings):
    clock = Clock()
    source = FakeSource(revision(5))
    compiled = []
    runtime = _runtime(
        source, clock=clock, compile_raw=lambda raw: compiled.append(raw) or _compile(raw)
    )
    runtime.load()
    first = runtime.edition
    served = []
    for number in [4, 5] * 15:  # half an hour
        source.content = revision(number)
        served.append(_turn(runtime, clock))

    assert {"5"} == set(served)
    assert runtime.edition is first  # nor is what serves compiled again and again
    assert len(compiled) == 16
    assert warnings()[0].startswith(
        "datafile: cdn.example: shows revision 4, older than 5, which goes on serving"
    )


@pytest.mark.parametrize(("minutes", "served"), [(9, "5"), (10, "5"), (11, "4")])
def test_an_older_revision_serves_when_nothing_newer_was_shown_for_ten_minutes(minutes, served):
    """Counted from when it was seen first, a minute after the start."""
    clock = Clock()
    source = FakeSource(revision(5), '"5"')
    runtime = _runtime(source, clock=clock)
    runtime.load()
    source.content, source.etag = revision(4), '"4"'  # then: not modified
    found = [_turn(runtime, clock) for _ in range(minutes)][-1]

    assert served == found
    assert (served == "4") == (runtime.default.freshness.trouble == "")


def test_several_older_revisions_in_turn_count_together():
    clock = Clock()
    source = FakeSource(revision(5))
    runtime = _runtime(source, clock=clock)
    runtime.load()
    for minute in range(11):
        source.content = revision(3 + minute % 2)
        _turn(runtime, clock)

    assert "3" == _revision(runtime)


@pytest.mark.parametrize(
    ("old", "new", "serves"),
    [
        ({"number": 10}, {"number": 9}, "10"),  # numbers, not text
        ({"number": "1" + "0" * 5000}, {"number": 3}, None),  # of any length
        ({"number": 5}, {"number": 4, "projectId": "another"}, "4"),
        ({"number": 5, "sdkKey": "a"}, {"number": 4, "sdkKey": "b"}, "4"),
        ({"number": 5, "sdkKey": "a"}, {"number": 4, "sdkKey": "a"}, "5"),
        (
            {"number": 5, "sdkKey": "", "environmentKey": "a"},
            {"number": 4, "sdkKey": "", "environmentKey": "b"},
            "4",
        ),
        ({"number": 5}, {"number": "four"}, "four"),  # no number has no order
        ({"number": 5}, {"number": "\u0664"}, "\u0664"),  # nor has an Arabic four
    ],
)
def test_revisions_are_compared_as_numbers_within_one_environment(old, new, serves):
    clock = Clock()
    source = FakeSource(revision(**old))
    runtime = _runtime(source, clock=clock)
    runtime.load()
    first = _revision(runtime)
    source.content = revision(**new)

    assert (serves or first) == _turn(runtime, clock)


def test_an_older_revision_in_a_file_was_put_there_by_somebody_and_serves_at_once():
    clock = Clock()
    source = FakeSource(revision(5), kind="file")
    runtime = _runtime(source, clock=clock)
    runtime.load()
    source.content = revision(4)

    assert "4" == _turn(runtime, clock)


def test_what_is_packaged_and_newer_is_not_replaced_by_what_a_cache_still_has():
    clock = Clock()
    remote = FakeSource(revision(8), max_age_s=10.0)
    runtime = _runtime(remote, FakeSource(revision(9), kind="package", max_age_s=0.0), clock=clock)
    runtime.load(local_first=True)
    early, late = _turn(runtime, clock, 11), _turn(runtime, clock, 601)

    assert ("9", "8") == (early, late)


def test_a_clock_that_is_set_back_two_hours_stops_no_fetching():
    clock, monotonic = Clock(), Clock(50.0)
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock, monotonic=monotonic)
    runtime.load()
    source.content, source.etag = revision(2), '"2"'
    clock.now -= 7200
    runtime.after_response(1.0)
    young = _revision(runtime)
    monotonic.now += 61
    clock.now += 61
    waits = runtime.has_work()
    runtime.after_response(1.0)

    assert ("1", True, "2") == (young, waits, _revision(runtime))


def test_a_datafile_ages_while_lambda_is_frozen_and_the_monotonic_clock_stands_still():
    clock, monotonic = Clock(), Clock(50.0)
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock, monotonic=monotonic)
    runtime.load()
    source.content, source.etag = revision(2), '"2"'

    assert "2" == _turn(runtime, clock, 3600)


def test_after_failures_a_clock_that_is_set_back_does_not_stretch_the_pause():
    clock, monotonic = Clock(), Clock()
    source = FakeSource(down())
    runtime = _runtime(source, clock=clock, monotonic=monotonic)
    runtime.load()
    clock.now -= 7200
    monotonic.now += 31
    source.content = revision(1)

    assert 200 == _get(runtime, "/health")[0]


def test_a_later_source_only_replaces_an_edition_by_a_newer_one():
    clock = Clock()
    first = FakeSource(revision(5), kind="s3", max_age_s=10.0)
    second = FakeSource(revision(4), '"4"')
    runtime = _runtime(first, second, clock=clock)
    runtime.load()
    first.content = down()
    clock.now += 11
    runtime.after_response(1.0)
    kept = _revision(runtime)
    second.content, second.etag = revision(6), '"6"'
    clock.now += 61
    runtime.after_response(1.0)

    assert ("5", "6") == (kept, _revision(runtime))


def test_a_cold_start_serves_what_is_packaged_and_asks_behind_the_first_answer():
    remote = FakeSource(revision(8), kind="s3", max_age_s=10.0)
    packaged = FakeSource(revision(7), kind="package", max_age_s=0.0)
    runtime = _runtime(remote, packaged)
    runtime.load(local_first=True)
    before = (_revision(runtime), list(remote.asked))
    runtime.after_response(1.0)

    assert ("7", []) == before
    assert "8" == _revision(runtime)


def test_a_cold_start_without_anything_packaged_asks_at_once():
    remote = FakeSource(revision(8), kind="s3", max_age_s=10.0)
    runtime = _runtime(remote)
    runtime.load(local_first=True)

    assert "8" == _revision(runtime)


def test_where_nothing_comes_after_a_response_a_request_refreshes_before():
    clock = Clock()
    source = FakeSource(revision(1), '"1"', max_age_s=10.0)
    runtime = _runtime(source, clock=clock, inline=True)
    runtime.load()
    source.content, source.etag = revision(2), '"2"'
    clock.now += 11

    _, report, _ = _get(runtime, "/health")

    assert "2" == report["datafile"]["revision"]


def test_a_thread_keeps_a_server_fresh_and_stops():
    source = FakeSource(revision(1), '"1"', max_age_s=0.05)
    runtime = _runtime(source, clock=time.time)
    runtime.load()
    runtime.keep_fresh()
    source.content, source.etag = revision(2), '"2"'
    deadline = time.monotonic() + 5
    while _revision(runtime) != "2" and time.monotonic() < deadline:
        time.sleep(0.01)
    runtime.close()
    asked = len(source.asked)
    time.sleep(0.2)

    assert "2" == _revision(runtime)
    assert asked == len(source.asked)
    assert "datafile" not in {thread.name for thread in threading.enumerate()}


def test_an_unforeseen_error_does_not_end_the_thread(warnings):
    source = FakeSource(revision(1), '"1"', max_age_s=0.05)
    runtime = _runtime(source, clock=time.time)
    runtime.load()
    source.content = ZeroDivisionError("a bug")
    runtime.keep_fresh()
    deadline = time.monotonic() + 5
    while len(source.asked) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    source.content, source.etag = revision(2), '"2"'
    while _revision(runtime) != "2" and time.monotonic() < deadline:
        time.sleep(0.01)
    runtime.close()

    assert "2" == _revision(runtime)
    assert 2 <= len(warnings()) <= 100  # it goes on at its own pace, and doesn't spin


def test_a_refresh_that_is_under_way_is_not_doubled():
    entered, leave = threading.Event(), threading.Event()

    class Slow(FakeSource):
        def fetch(self, etag):
            if etag is not None:
                entered.set()
                leave.wait(60)
            return super().fetch(etag)

    source = Slow(revision(1), '"1"')
    runtime = _runtime(source)
    runtime.load()
    thread = threading.Thread(target=runtime.default.refresh)
    thread.start()
    entered.wait(60)

    assert runtime.default.refresh() is False
    assert _get(runtime, "/health")[0] == 200  # and nobody waits for it
    leave.set()
    thread.join()


def test_a_request_sees_one_edition_whatever_is_swapped_meanwhile():
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source)
    runtime.load()
    seen = set()
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            _, report, _ = _get(runtime, "/bucketer", "e=checkout_flow_experiment&u=x&debug=1")
            block = report["debug"]["datafile"]
            seen.add((block["revision"], block["etag"]))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(2, 40):
        source.content, source.etag = revision(number), f'"{number}"'
        runtime.default.refresh()
    stop.set()
    for thread in threads:
        thread.join()

    assert len(seen) > 1
    assert all(etag == f'"{number}"' for number, etag in seen)


def test_an_unusable_datafile_error_names_the_place():
    source = FakeSource(json.dumps({"version": "4"}).encode())
    runtime = _runtime(source)
    runtime.load()

    assert runtime.default.freshness.trouble.startswith("cdn.example: /revision: expected a string")
    assert issubclass(InvalidDatafile, Exception)


@pytest.mark.parametrize("name", ["revision", "revisio%6E", "%72evision"])
def test_an_archive_that_cannot_be_asked_is_503_and_not_an_unknown_revision(name):
    def archive(revision):
        raise RevisionUnavailable(revision)

    facts = ApiOptions()
    facts.revisions = True
    runtime = _runtime(FakeSource(revision(1)), options=facts, archive=archive)
    runtime.load()

    query = f"e=checkout_flow_experiment&u=x&{name}=7"
    status, report, headers = _get(runtime, "/bucketer", query)
    assert (503, "revision_unavailable") == (status, report["error"]["code"])
    assert "Revision '7' can't be had from the archive now" in report["error"]["message"]
    assert {"variation": None, "user": "x"}.items() <= report.items()
    assert "Retry-After" in headers


def test_new_uuids_are_random_and_of_version_4():
    made = {new_uuid() for _ in range(1000)}

    assert len(made) == 1000
    assert {(uuid.UUID(each).version, uuid.UUID(each).variant) for each in made} == {
        (4, uuid.RFC_4122)
    }


def test_health_tells_the_seconds_since_the_last_good_answer_and_since_the_content_came():
    clock = Clock()
    source = FakeSource(revision(1), '"1"')
    runtime = _runtime(source, clock=clock)
    runtime.load()

    def ages():
        said = _get(runtime, "/health")[1]["datafile"]
        return said["age_s"], said["content_age_s"]

    clock.now += 100
    assert ages() == (100, 100)

    runtime.default.refresh()  # the same, says the source
    assert ages() == (0, 100)

    clock.now += 50
    source.content = down()
    runtime.default.refresh()
    assert ages() == (50, 150)


def test_a_stored_copy_was_confirmed_when_it_was_fetched_and_not_when_it_was_read():
    clock = Clock()
    source = FakeSource(revision(1), '"1"')
    source.fetch = lambda _mark: Fetched(source.content, source.etag, clock.now - 500)
    runtime = _runtime(source, clock=clock)
    runtime.load()

    assert _get(runtime, "/health")[1]["datafile"]["age_s"] == 500


@pytest.mark.parametrize(
    ("fails", "every_s", "told"),
    [
        ("yn" * 20, 60, ["WARNING", "INFO"]),  # it comes and goes: a CDN whose caches differ
        ("ynyy" + "y" * 20 + "n", 60, ["WARNING", "INFO", "WARNING", "INFO"]),
        ("ynyn", 3_600, ["WARNING", "INFO", "WARNING", "INFO"]),
        ("ynYnynYn", 60, ["WARNING", "INFO"] * 2),  # something else fails
    ],
)
def test_a_trouble_that_comes_and_goes_is_told_once_an_hour(caplog, fails, every_s, told):
    caplog.set_level("INFO", "bucketer.datafile")
    freshness = Freshness()
    whys = {"y": "shows revision 21", "Y": "status 503"}
    for number, letter in enumerate(fails):
        troubles = [SourceError("h", whys[letter])] if letter != "n" else []
        freshness.note(troubles, 1e9 + number * every_s, "revision 22")

    assert told == [record.levelname for record in caplog.records]
    assert freshness.failures == len(fails) - fails.count("n")


@pytest.mark.parametrize("packs", [True, False])
def test_the_text_of_a_datafile_is_had_as_it_came_packed_or_not(packs):
    raw = revision(1)
    runtime = _runtime(FakeSource(raw), packs=packs)
    runtime.load()
    assert runtime.edition.datafile() == raw
    runtime.edition.pack()
    assert runtime.edition.datafile() == raw


def test_what_is_said_of_a_datafile_as_a_whole_follows_the_edition():
    options, clock = ApiOptions(), Clock()
    options.apis = (("/v1/", agent_api),)
    source = FakeSource(revision(1, sdkKey="KEY"), '"1"')
    runtime = _runtime(source, clock=clock, options=options)
    runtime.load()

    def ask(path):
        headers = {"x-optimizely-sdk-key": "KEY"}
        return json.loads(runtime.serve(Request("GET", path, "", headers, request_id="r")).body)

    before = ask("/v1/config"), ask("/v1/datafile")
    source.content, source.etag = revision(2, sdkKey="KEY"), '"2"'
    clock.now += 1000
    runtime.after_response(1.0)

    assert [each["revision"] for each in before] == ["1", "1"]
    assert [ask(path)["revision"] for path in ("/v1/config", "/v1/datafile")] == ["2", "2"]
