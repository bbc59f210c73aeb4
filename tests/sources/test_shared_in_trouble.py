"""The shared copy on a full or unusable disk, and while the clock is wrong: fetching goes on."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time

import pytest
from tests.fakes.disks import fill, small_disk
from tests.fakes.sources import Clock, FakeSource, down, revision

from bucketer.core.errors import SourceError
from bucketer.sources.shared import SharedSource


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="bucketer.datafile")
    return lambda: [record.getMessage() for record in caplog.records]


def _revision(fetched):
    return json.loads(fetched.raw)["revision"] if fetched else None


# ------------------------------------------------------------------------------ a full disk


def test_what_is_fetched_serves_though_a_full_disk_can_not_store_it(tmp_path, lines):
    inner = FakeSource(revision(1), '"1"')
    with small_disk(tmp_path / "state") as folder:
        SharedSource(inner, folder).fetch(None)
        filler = fill(folder)
        inner.content, inner.etag = revision(2), '"2"'
        time.sleep(0.02)  # the file system's clock is coarse
        restarted = SharedSource(inner, folder)
        restarted.insist()
        first = restarted.fetch(None)
        again = restarted.fetch(first.mark)
        filler.unlink()
        inner.content, inner.etag = revision(3), '"3"'
        restarted.insist()
        third = restarted.fetch(first.mark)
        inner.content = down()
        anew = SharedSource(inner, folder).fetch(None)

    assert ["2", None, "3"] == [_revision(each) for each in (first, again, third)]
    assert '"2"' == inner.asked[-2]  # what serves from memory is asked for conditionally
    assert "3" == _revision(anew)
    assert 2 == len(lines())
    assert "can't be stored (BUCKETER_STATE_DIR): No space left on device" in lines()[0]
    assert "can be stored again" in lines()[1]


def test_a_disk_that_is_full_from_the_start_keeps_nobody_from_serving(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    with small_disk(tmp_path / "state") as folder:
        fill(folder)
        workers = [SharedSource(inner, folder) for _ in range(2)]
        found = [_revision(each.fetch(None)) for each in workers]
        left = list(folder.glob("*.new"))

    assert ["1", "1"] == found
    assert [] == left


def test_a_failing_source_is_told_and_not_the_full_disk_and_an_old_copy_serves(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    with small_disk(tmp_path / "state") as folder:
        SharedSource(inner, folder).fetch(None)
        fill(folder)
        inner.content = down("status 500")
        restarted = SharedSource(inner, folder)
        restarted.insist()
        fetched = restarted.fetch(None)
        with pytest.raises(SourceError, match="status 500"):
            restarted.fetch(fetched.mark)

    assert "1" == _revision(fetched)


def test_a_worker_that_can_store_again_is_believed_by_one_that_could_not(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    with small_disk(tmp_path / "state") as folder:
        one, other = SharedSource(inner, folder), SharedSource(inner, folder)
        mark = one.fetch(None).mark
        other.fetch(None)
        filler = fill(folder)
        inner.content, inner.etag = revision(2), '"2"'
        one.insist()
        mark = one.fetch(mark).mark
        filler.unlink()
        inner.content, inner.etag = revision(3), '"3"'
        other.insist()
        other.fetch(None)
        news = one.has_news()
        asked = len(inner.asked)
        fetched = one.fetch(mark)

    assert (True, "3") == (news, _revision(fetched))
    assert asked == len(inner.asked)


FILES_OF_NO_SIZE = """
import json, resource, sys, signal
from pathlib import Path
from bucketer.sources.shared import SharedSource
from tests.fakes.sources import FakeSource, revision
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
inner = FakeSource(revision(1), '"1"')
shared = SharedSource(inner, Path(sys.argv[1]))
fetched = shared.fetch(None)
print(json.loads(fetched.raw)["revision"], shared.unusable, shared.fetch(fetched.mark))
"""


def test_a_limit_of_file_sizes_is_as_a_full_disk(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FILES_OF_NO_SIZE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "1 File too large None" == done.stdout.strip()
    assert [] == list(tmp_path.glob("*.new"))


# ------------------------------------------------------------- a directory that can't be used


def _file_in_the_way(tmp_path):
    (tmp_path / "state").write_text("")


def _lock_is_a_directory(tmp_path):
    (tmp_path / "state").mkdir()
    SharedSource(FakeSource(b""), tmp_path / "state")._files.lock.mkdir()


def _copy_is_a_directory(tmp_path):
    SharedSource(FakeSource(b""), tmp_path / "state")._files.copy.mkdir(parents=True)


@pytest.mark.parametrize("spoil", [_file_in_the_way, _lock_is_a_directory, _copy_is_a_directory])
def test_each_process_asks_for_itself_where_the_state_directory_is_spoilt_later(spoil, tmp_path):
    spoil(tmp_path)
    inner = FakeSource(revision(1), '"1"')
    shared = SharedSource(inner, tmp_path / "state")
    first = shared.fetch(None)
    inner.content, inner.etag = revision(2), '"2"'
    shared.insist()
    second = shared.fetch(first.mark)
    unusable = shared.unusable
    inner.content = down("status 500")
    with pytest.raises(SourceError, match="status 500"):
        shared.fetch(second.mark)

    assert ["1", "2"] == [_revision(first), _revision(second)]
    assert unusable


# ------------------------------------------------------------------------------------ clocks


def _in_the_future(shared):
    ahead = time.time() + 7200
    for path in (shared._files.lock, shared._files.failure, shared._files.copy):
        if path.exists():
            os.utime(path, (ahead, ahead))


def test_a_lock_file_from_the_future_does_not_stop_fetching(tmp_path):
    """The clock was set back two hours after the last fetch."""
    inner = FakeSource(revision(1), '"1"')
    shared = SharedSource(inner, tmp_path)
    mark = shared.fetch(None).mark
    _in_the_future(shared)
    inner.content, inner.etag = revision(2), '"2"'

    assert "2" == _revision(shared.fetch(mark))
    assert abs(shared._files.lock.stat().st_mtime - time.time()) < 60


def test_a_failure_from_the_future_does_not_stop_fetching(tmp_path):
    inner = FakeSource(revision(1), '"1"')
    shared = SharedSource(inner, tmp_path)
    mark = shared.fetch(None).mark
    inner.content = down()
    time.sleep(0.02)  # the file system's clock is coarse
    shared.insist()
    with pytest.raises(SourceError):
        shared.fetch(mark)
    _in_the_future(shared)
    inner.content, inner.etag = revision(2), '"2"'

    assert "2" == _revision(SharedSource(inner, tmp_path).fetch(mark))


@pytest.mark.parametrize("failing", [False, True])
def test_after_the_clock_is_set_back_workers_share_one_fetch_again(tmp_path, failing):
    """Each may ask once since it knows nothing; then one asks for all, as before."""
    ahead = time.time() + 7200  # the machine's clock is right again, ours was two hours ahead
    clock, monotonic = Clock(ahead), Clock(1.0)
    inner = FakeSource(revision(1), '"1"', max_age_s=60.0)
    workers = [SharedSource(inner, tmp_path, clock=clock, monotonic=monotonic) for _ in range(3)]
    marks = [each.fetch(None).mark for each in workers]
    workers[0].insist()
    _in_the_future(workers[0])
    clock.now -= 7200
    if failing:
        inner.content = down()
    asked = []
    for _ in range(3):
        clock.now = time.time()
        monotonic.now += 61
        for worker, mark in zip(workers, marks, strict=True):
            before = len(inner.asked)
            try:
                worker.fetch(mark)
            except SourceError:
                assert failing
            asked.append(len(inner.asked) - before)

    assert sum(asked[:3]) >= 1
    assert 3 >= sum(asked[:3])
    assert max(asked) == 1


def test_a_time_of_fetching_that_is_yet_to_come_is_not_told(tmp_path):
    clock = Clock(time.time() + 7200)
    inner = FakeSource(revision(1), '"1"')
    SharedSource(inner, tmp_path, clock=clock).fetch(None)
    inner.content = down()

    assert SharedSource(inner, tmp_path).fetch(None).fetched_at is None


# ------------------------------------------------------------------------- older revisions


def _shared(inner, folder, clock, **options):
    shared = SharedSource(inner, folder, clock=clock, monotonic=lambda: 0.0, **options)
    shared._files.asked_at = lambda: None  # each turn is one to ask
    return shared


def _turn(shared, clock, mark, seconds=60.0):
    clock.now += seconds
    shared.insist()
    try:
        fetched = shared.fetch(mark)
    except SourceError as error:
        return mark, str(error)
    return (fetched.mark if fetched else mark), _revision(fetched)


def test_a_source_that_alternates_never_puts_an_older_revision_on_the_disk(tmp_path):
    clock = Clock()
    inner = FakeSource(revision(5), '"5"')
    shared = _shared(inner, tmp_path, clock)
    mark = shared.fetch(None).mark
    told = []
    for number in [4, 5] * 15:  # half an hour
        inner.content, inner.etag = revision(number), f'"{number}"'
        mark, said = _turn(shared, clock, mark)
        told.append(said)
        restarted = SharedSource(FakeSource(down()), tmp_path, clock=clock)
        assert "5" == _revision(restarted.fetch(None))

    assert {None} == set(told[1::2])
    assert all("shows revision 4, older than 5" in each for each in told[::2])


def test_an_older_revision_that_stays_serves_though_the_server_is_restarted_meanwhile(tmp_path):
    clock = Clock()
    inner = FakeSource(revision(5), '"5"')
    shared = _shared(inner, tmp_path, clock)
    mark = shared.fetch(None).mark
    inner.content, inner.etag = revision(4), '"4"'
    for _ in range(5):
        _turn(shared, clock, mark)
    restarted = _shared(inner, tmp_path, clock)
    mark = restarted.fetch(None).mark
    said = [_turn(restarted, clock, mark)[1] for _ in range(5)]
    other = _shared(inner, tmp_path, clock)

    assert '"5"' == mark
    assert all("older than 5" in each for each in said)
    clock.now += 60
    assert ("4", True) == ((found := restarted.fetch(mark)) and _revision(found), found.admitted)
    assert "4" == _revision(other.fetch('"5"'))  # and the other workers follow


def test_what_was_seen_by_one_worker_counts_for_all(tmp_path):
    """One sees the older revision, another the newer one: nothing has stayed."""
    clock = Clock()
    inner = FakeSource(revision(5), '"5"')
    one, other = _shared(inner, tmp_path, clock), _shared(inner, tmp_path, clock)
    mark = one.fetch(None).mark
    for _ in range(15):
        inner.content, inner.etag = revision(4), '"4"'
        mark, _ = _turn(one, clock, mark)
        inner.content, inner.etag = revision(5), '"5"'
        _turn(other, clock, mark)

    assert '"5"' == mark


@pytest.mark.parametrize(("after", "turns"), [(0.0, 1), (100.0, 3), (1e9, None)])
def test_how_long_an_older_one_must_stay_is_a_setting(tmp_path, after, turns):
    clock = Clock()
    inner = FakeSource(revision(5), '"5"')
    shared = _shared(inner, tmp_path, clock, older_after_s=after)
    mark = shared.fetch(None).mark
    inner.content, inner.etag = revision(4), '"4"'
    served = [_turn(shared, clock, mark)[1] == "4" for _ in range(5)]

    assert turns == (served.index(True) + 1 if any(served) else None)


def test_an_older_revision_that_is_asked_for_serves_at_once_and_another_does_not(tmp_path):
    clock = Clock()
    inner = FakeSource(revision(5), '"5"')
    shared = _shared(inner, tmp_path, clock)
    mark = shared.fetch(None).mark
    inner.content, inner.etag = revision(4), '"4"'
    shared.insist("3")
    with pytest.raises(SourceError, match="older than 5"):
        shared.fetch(mark)
    shared.insist("4")

    assert "4" == _revision(shared.fetch(mark))


def test_an_older_revision_is_not_counted_from_the_future(tmp_path):
    clock = Clock()
    inner = FakeSource(revision(5), '"5"')
    shared = _shared(inner, tmp_path, clock)
    mark = shared.fetch(None).mark
    shared._files.older.write_text(json.dumps(clock.now + 7200))
    inner.content, inner.etag = revision(4), '"4"'
    told = [_turn(shared, clock, mark)[1] for _ in range(11)]

    assert "4" == told[-1]
    assert "4" not in told[:-1]


def test_on_a_full_disk_an_older_revision_is_counted_in_memory(tmp_path):
    clock, monotonic = Clock(), Clock()
    inner = FakeSource(revision(5), '"5"')
    with small_disk(tmp_path / "state") as folder:
        shared = SharedSource(inner, folder, clock=clock, monotonic=monotonic)
        mark = shared.fetch(None).mark
        fill(folder)
        inner.content, inner.etag = revision(4), '"4"'
        told = []
        for _ in range(11):
            monotonic.now += 60
            told.append(_turn(shared, clock, mark)[1])

    assert "4" == told[-1]
    assert "4" not in told[:-1]


def test_an_older_revision_that_somebody_accepts_serves_at_the_next_look(tmp_path):
    clock = Clock()
    inner = FakeSource(revision(5), '"5"')
    shared = _shared(inner, tmp_path, clock)
    mark = shared.fetch(None).mark
    inner.content, inner.etag = revision(4), '"4"'
    before = _turn(shared, clock, mark)[1]
    SharedSource(inner, tmp_path, clock=clock).accept_older()

    assert "older than 5" in before
    assert ('"4"', "4") == _turn(shared, clock, mark)


def test_what_was_accepted_is_void_once_something_newer_is_shown(tmp_path):
    clock = Clock()
    inner = FakeSource(revision(5), '"5"')
    shared = _shared(inner, tmp_path, clock)
    mark = shared.fetch(None).mark
    shared.accept_older()
    _turn(shared, clock, mark)
    inner.content, inner.etag = revision(4), '"4"'

    assert "older than 5" in _turn(shared, clock, mark)[1]
