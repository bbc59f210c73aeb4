"""Processes of one server share one fetch."""

from __future__ import annotations

import multiprocessing
import os
import stat
import threading
import time

import pytest
from tests.fakes.origin import Origin, answer, ok
from tests.fakes.sources import FakeSource, down, revision

from bucketer.core.errors import SourceError
from bucketer.sources.shared import SharedSource
from bucketer.sources.url import UrlSource


def test_two_processes_that_start_together_fetch_once(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    one, other = SharedSource(inner, tmp_path), SharedSource(inner, tmp_path)

    assert one.fetch(None).raw == other.fetch(None).raw == revision(1)
    assert inner.asked == [None]


def test_many_real_processes_fetch_once(tmp_path):
    with Origin([0.2, ok(revision(1), ETag='"1"')]) as origin:
        context = multiprocessing.get_context("spawn")
        with context.Pool(4) as pool:
            found = pool.starmap(_fetch, [(origin.url, str(tmp_path))] * 8)

    assert set(found) == {len(revision(1))}
    assert len(origin.requests) == 1


def _fetch(url, folder):
    from pathlib import Path

    return len(SharedSource(UrlSource(url, 60.0), Path(folder)).fetch(None).raw)


def test_a_change_that_one_fetched_is_news_for_the_other_without_a_request(tmp_path):
    inner = FakeSource(revision(1), '"1"', max_age_s=0.1)
    one, other = SharedSource(inner, tmp_path), SharedSource(inner, tmp_path)
    mark = one.fetch(None).mark
    other.fetch(None)
    inner.content, inner.etag = revision(2), '"2"'
    quiet = other.has_news()
    time.sleep(0.1)
    one.fetch(mark)
    asked = len(inner.asked)

    assert (False, True) == (quiet, other.has_news())
    assert other.fetch(mark).raw == revision(2)
    assert asked == len(inner.asked)
    assert not other.has_news()


def test_insisting_asks_the_source_however_fresh_the_copy_is(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    shared = SharedSource(inner, tmp_path)
    mark = shared.fetch(None).mark
    inner.content, inner.etag = revision(2), '"2"'
    before = shared.fetch(mark)
    shared.insist()

    assert before is None
    assert shared.fetch(mark).raw == revision(2)


def test_a_restart_while_the_source_is_down_has_the_copy(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    SharedSource(inner, tmp_path).fetch(None)
    inner.content = down()
    time.sleep(0.01)
    restarted = SharedSource(inner, tmp_path)
    restarted.insist()

    fetched = restarted.fetch(None)
    assert fetched.raw == revision(1)
    with pytest.raises(SourceError, match="Connection refused"):
        restarted.fetch(fetched.mark)  # but it is told as soon as there is an edition


def test_without_a_copy_the_trouble_is_told(tmp_path):
    with pytest.raises(SourceError, match="Connection refused"):
        SharedSource(FakeSource(down()), tmp_path).fetch(None)


def test_a_broken_datafile_does_not_replace_the_copy(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    shared = SharedSource(inner, tmp_path)
    mark = shared.fetch(None).mark
    inner.content, inner.etag = b"<html>", '"2"'
    shared.insist()
    with pytest.raises(SourceError, match=r"expected JSON.* \(6 bytes\)"):
        shared.fetch(mark)

    inner.content = down()
    assert SharedSource(inner, tmp_path).fetch(None).raw == revision(1)


def test_a_damaged_copy_is_fetched_again(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    shared = SharedSource(inner, tmp_path)
    shared.fetch(None)
    shared._files.copy.write_bytes(b"half")
    shared.insist()

    assert shared.fetch(None).raw == revision(1)


@pytest.mark.parametrize("damage", ["half", "no mark", "other content"])
def test_of_a_damaged_copy_and_a_source_that_fails_the_source_is_told(tmp_path, damage):
    inner = FakeSource(revision(1), '"1"')
    shared = SharedSource(inner, tmp_path)
    shared.fetch(None)
    whole = shared._files.copy.read_bytes()
    shared._files.copy.write_bytes(
        {
            "half": whole[: len(whole) // 2],
            "no mark": whole.replace(b'"mark"', b'"karm"'),
            "other content": whole.replace(b"checkout_flow", b"kassenfluss__"),
        }[damage]
    )
    inner.content = down("status 500")

    with pytest.raises(SourceError, match="status 500"):
        SharedSource(inner, tmp_path).fetch(None)
    assert inner.asked[-1] is None  # and what is damaged isn't asked for conditionally


def test_a_failure_that_one_process_met_is_taken_by_the_others_until_their_next_turn(tmp_path):
    """Three workers at their own times, for as long as it fails: one of them asks each time."""
    inner = FakeSource(revision(1), '"1"')
    now = [time.time()]
    clocks = {"clock": lambda: now[0], "monotonic": lambda: 0.0}
    workers = [SharedSource(inner, tmp_path, **clocks) for _ in range(3)]
    mark, *_ = [each.fetch(None).mark for each in workers]
    inner.content = down("status 500")
    before = len(inner.asked)
    told = []
    for _ in range(4):
        for each in workers:
            now[0] += 100.0
            with pytest.raises(SourceError) as caught:
                each.fetch(mark)
            told.append((str(caught.value), caught.value.heard))
            if not caught.value.heard:  # the file system goes by the same clock
                os.utime(each._files.failure, (now[0], now[0]))

    assert 4 == len(inner.asked) - before
    assert [("cdn.example: status 500", heard) for heard in (False, True, True)] * 4 == told


def test_a_broken_datafile_is_asked_for_once_for_all_and_once_told(tmp_path):
    inner = FakeSource(b"<html>", '"1"')
    workers = [SharedSource(inner, tmp_path) for _ in range(3)]
    told = []
    for each in workers:
        with pytest.raises(SourceError) as caught:
            each.fetch(None)
        told.append(caught.value)

    assert [None] == inner.asked
    assert [False, True, True] == [each.heard for each in told]
    assert 1 == len({str(each) for each in told})


def test_an_old_failure_is_nothing_to_a_process_that_starts(tmp_path):
    inner = FakeSource(down())
    with pytest.raises(SourceError):
        SharedSource(inner, tmp_path).fetch(None)
    inner.content = revision(1)
    late = SharedSource(inner, tmp_path)
    os.utime(late._files.failure, (time.time() - 2.1,) * 2)

    assert late.fetch(None).raw == revision(1)
    assert not late._files.failure.exists()


def test_a_failure_of_just_now_is_taken_by_a_process_that_starts(tmp_path):
    inner = FakeSource(down())
    for _ in range(2):
        with pytest.raises(SourceError):
            SharedSource(inner, tmp_path).fetch(None)

    assert [None] == inner.asked


def test_insisting_asks_though_another_process_has_just_failed(tmp_path):
    inner = FakeSource(down())
    one, other = SharedSource(inner, tmp_path), SharedSource(inner, tmp_path)
    with pytest.raises(SourceError):
        one.fetch(None)
    inner.content = revision(1)
    time.sleep(0.02)  # the file system's clock is coarse
    other.insist()

    assert other.fetch(None).raw == revision(1)


class _Hanging(FakeSource):
    """Gives nothing until it is let go, and then fails."""

    def __init__(self, content=None, etag=None):
        super().__init__(content or down("no complete answer within 10 s"), etag)
        self.entered, self.leave = threading.Event(), threading.Event()

    def fetch(self, mark):
        self.entered.set()
        self.leave.wait(10)
        return super().fetch(mark)


def _fails(shared, mark=None):
    started = time.monotonic()
    with pytest.raises(SourceError) as caught:
        shared.fetch(mark)
    return caught.value, time.monotonic() - started


@pytest.fixture
def hanging(tmp_path):
    """A source that another process is asking, in vain."""
    inner = _Hanging()
    asking = threading.Thread(target=_fails, args=(SharedSource(inner, tmp_path),))
    asking.start()
    inner.entered.wait(10)
    yield inner
    inner.leave.set()
    asking.join()


def test_a_start_that_could_begin_with_less_does_not_wait_for_another_process(hanging, tmp_path):
    error, took = _fails(SharedSource(hanging, tmp_path, has_makeshift=True))

    assert "cdn.example: another process of this server is still asking it" == str(error)
    assert error.heard
    assert took < 5


def test_starts_that_have_nothing_else_wait_and_take_what_the_first_was_told(hanging, tmp_path):
    threading.Timer(0.3, hanging.leave.set).start()
    told = [_fails(SharedSource(hanging, tmp_path))[0] for _ in range(3)]

    assert ["no complete answer within 10 s"] * 3 == [each.why for each in told]
    assert [None] == hanging.asked


def test_who_has_an_edition_does_not_wait_while_another_process_asks(tmp_path):
    mark = SharedSource(FakeSource(revision(1), '"1"'), tmp_path).fetch(None).mark
    slow = _Hanging(revision(2), '"2"')
    one = SharedSource(slow, tmp_path)
    time.sleep(0.02)  # the file system's clock is coarse
    one.insist()
    asking = threading.Thread(target=one.fetch, args=(mark,))
    asking.start()
    slow.entered.wait(10)
    other = SharedSource(slow, tmp_path)
    started = time.monotonic()
    meanwhile, started_anew = other.fetch(mark), SharedSource(slow, tmp_path).fetch(None)
    took = time.monotonic() - started
    slow.leave.set()
    asking.join()

    assert meanwhile is None
    assert started_anew.raw == revision(1)
    assert took < 5
    assert other.has_news()
    assert other.fetch(mark).raw == revision(2)
    assert 1 == len(slow.asked)


def test_a_newer_copy_serves_though_the_source_fails_by_now(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    one, other = SharedSource(inner, tmp_path), SharedSource(inner, tmp_path)
    mark = one.fetch(None).mark
    inner.content, inner.etag = revision(2), '"2"'
    other.insist()
    newer = other.fetch(mark).mark
    inner.content = down()
    other.insist()
    with pytest.raises(SourceError):
        other.fetch(newer)

    assert one.fetch(mark).raw == revision(2)
    with pytest.raises(SourceError):
        one.fetch(newer)


def test_each_revision_is_given_to_the_archive_once_and_the_one_that_is_there_at_first(tmp_path):
    kept = []
    inner = FakeSource(revision(1), '"1"')
    SharedSource(inner, tmp_path).fetch(None)
    shared = SharedSource(inner, tmp_path, keep=lambda name, raw: kept.append((name, raw)))
    mark = None
    for number in (1, 1, 2):
        inner.content, inner.etag = revision(number), f'"{number}"'
        time.sleep(0.02)  # the file system's clock is coarse
        shared.insist()
        fetched = shared.fetch(mark)
        mark = fetched.mark if fetched else mark

    assert [("1", revision(1)), ("2", revision(2))] == kept


def test_nobody_else_can_read_the_copy(tmp_path):
    shared = SharedSource(FakeSource(revision(1)), tmp_path / "state")
    shared.fetch(None)

    assert stat.S_IMODE(shared._files.copy.stat().st_mode) == 0o600


def test_a_source_without_etags_is_compared_by_content(tmp_path):
    with Origin(ok(revision(1)), ok(revision(1)), answer(500)) as origin:
        shared = SharedSource(UrlSource(origin.url, 60.0), tmp_path)
        first = shared.fetch(None)
        identity = shared._files.identity()
        shared.insist()
        again = shared.fetch(first.mark)

    assert again is None
    assert identity == shared._files.identity()
    # A mark of ours is no name that the origin gave it.
    assert (None, True) == (first.etag, bool(first.mark))


def test_the_etag_is_the_one_that_the_origin_gave(tmp_path):
    SharedSource(FakeSource(revision(1), '"1"'), tmp_path).fetch(None)

    other = SharedSource(FakeSource(down()), tmp_path).fetch(None)
    assert '"1"' == other.etag
