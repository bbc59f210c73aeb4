"""Processes of one server share one fetch."""

from __future__ import annotations

import multiprocessing
import stat
import time

import pytest
from tests.fakes.origin import Origin, answer, ok
from tests.fakes.sources import FakeSource, down, revision

from bucketer.core.errors import InvalidDatafile, SourceError
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
    with pytest.raises(InvalidDatafile):
        shared.fetch(mark)

    inner.content = down()
    assert SharedSource(inner, tmp_path).fetch(None).raw == revision(1)


def test_a_damaged_copy_is_fetched_again(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    shared = SharedSource(inner, tmp_path)
    shared.fetch(None)
    shared._copy.write_bytes(b"half")
    shared.insist()

    assert shared.fetch(None).raw == revision(1)


def test_nobody_else_can_read_the_copy(tmp_path):
    shared = SharedSource(FakeSource(revision(1)), tmp_path / "state")
    shared.fetch(None)

    assert stat.S_IMODE(shared._copy.stat().st_mode) == 0o600


def test_a_source_without_etags_is_compared_by_content(tmp_path):
    with Origin(ok(revision(1)), ok(revision(1)), answer(500)) as origin:
        shared = SharedSource(UrlSource(origin.url, 60.0), tmp_path)
        first = shared.fetch(None)
        identity = shared._identity()
        shared.insist()
        again = shared.fetch(first.mark)

    assert again is None
    assert identity == shared._identity()
    # A mark of ours is no name that the origin gave it.
    assert (None, True) == (first.etag, bool(first.mark))


def test_the_etag_is_the_one_that_the_origin_gave(tmp_path):
    SharedSource(FakeSource(revision(1), '"1"'), tmp_path).fetch(None)

    other = SharedSource(FakeSource(down()), tmp_path).fetch(None)
    assert '"1"' == other.etag
