"""Lanes that something has happened to: each costs itself at most, and nothing that was accepted."""

import json
import os
import shutil
import time

import pytest
from tests.fakes.visitors import a_ruleset, some_events
from tests.fakes.waiting import wait_until

from bucketer.core.envelope import Batch
from bucketer.core.events import Event
from bucketer.core.user import User
from bucketer.sinks import lanes
from bucketer.sinks.journal import Writer
from bucketer.sinks.lanes import open_lane
from bucketer.sinks.quota import Quota
from bucketer.sinks.reader import Reader
from bucketer.sinks.store import Store


def uuids(first, end):
    return [f"{n:06}" for n in range(first, end)]


@pytest.fixture
def leave_lane(tmp_path, open_outbox):
    """Let a process end that could not deliver *count* events; return its lane."""

    def leave(count=20, first=0):
        before = set((tmp_path / "outbox/lanes").glob("*"))
        outbox = open_outbox(closing_s=0.02, url="http://127.0.0.1:9/nobody-listens")
        outbox.add(some_events(count, first=first))
        outbox.close()
        [lane] = set((tmp_path / "outbox/lanes").glob("*")) - before
        return lane

    return leave


def large(number, size):
    [event] = some_events(1, first=number)
    return Event(event.what, User("large", {"tier": "x" * size}), event.ruleset, 0, event.uuid)


@pytest.mark.parametrize("size", [999_000, 1_000_000, 2_500_000])
def test_an_event_larger_than_a_request_stops_none_behind_it(
    open_outbox, collector, tmp_path, size
):
    outbox = open_outbox()

    outbox.add([*some_events(3), large(3, size), *some_events(20, first=4)])

    collector.wait_for(24)
    assert uuids(0, 24) == collector.uuids()
    outbox.close()
    assert [] == list((tmp_path / "outbox/lanes").iterdir())


def test_only_a_lane_that_is_read_to_its_end_counts_as_delivered(tmp_path):
    lane = open_lane(tmp_path / "lanes", "lane")
    writer = Writer(lane, Quota(tmp_path / "lanes", 1 << 20))
    reader = Reader(lane, writer, print)
    assert reader.has_read_all()
    writer.append(Batch("US", '{"visitors": ['), ['{"snapshots": []}', '{"snapshots": [1]}'])

    parcel = reader.next(1, 1_000)

    assert not reader.has_read_all()
    reader.done(parcel)
    assert not reader.has_read_all()
    reader.done(reader.next(1, 1_000))
    assert reader.next(1, 1_000) is None
    assert reader.has_read_all()


@pytest.mark.parametrize(
    "cursor",
    [
        b"9999999999 00000000000000000000\n",
        b"0000000003 0\n",
        b"1 -5\n",
        b"-1 0\n",
        b"1 99999999\n",
        b"0000000001 00000000000000000301\n",  # in the middle of a line
        b"0000000001",
        b"1 2 3",
        b"\xff\xff",
        b"\0" * 32,
    ],
)
def test_a_cursor_that_points_nowhere_is_told_and_deletes_nothing(
    leave_lane, open_outbox, collector, caplog, cursor
):
    (leave_lane() / "sent").write_bytes(cursor)

    open_outbox()

    collector.wait_for(20)
    assert uuids(0, 20) == collector.uuids()
    assert "it is delivered from its beginning" in caplog.text


@pytest.mark.parametrize("cursor", [b"", b"0 0\n", b"0000000001 00000000000000000000\n"])
def test_a_cursor_at_the_beginning_is_none_to_talk_about(
    leave_lane, open_outbox, collector, caplog, cursor
):
    (leave_lane() / "sent").write_bytes(cursor)

    open_outbox()

    collector.wait_for(20)
    assert "cursor" not in caplog.text


def test_a_lane_whose_cursor_says_all_is_delivered_goes_without_a_repeat(
    leave_lane, open_outbox, collector
):
    lane = leave_lane()
    (lane / "sent").write_bytes(b"0000000002 00000000000000000000\n")

    open_outbox()

    wait_until(lambda: not lane.exists())
    assert [] == collector.uuids()


def test_what_nobody_of_us_has_put_into_a_lane_is_moved_away_with_it(
    leave_lane, open_outbox, collector, tmp_path
):
    lane = leave_lane()
    (lane / "a directory").mkdir()
    (lane / "0000000002.jsonl").mkdir()
    shutil.copy(lane / "0000000001.jsonl", lane / "0000000001 (copy).jsonl")

    open_outbox()

    collector.wait_for(20)
    wait_until(lambda: not lane.exists())
    assert uuids(0, 20) == collector.uuids()
    assert {"a directory", "0000000002.jsonl", "0000000001 (copy).jsonl"} == {
        path.name.removeprefix(f"{lane.name}-") for path in (tmp_path / "outbox/damaged").iterdir()
    }


@pytest.mark.parametrize("name", ["lock", "sent"])
def test_a_lane_that_cannot_be_opened_is_told_once_and_stops_no_other(
    leave_lane, open_outbox, collector, caplog, name
):
    lane = leave_lane()
    leave_lane(first=20)
    (lane / name).unlink()
    (lane / name).mkdir()

    outbox = open_outbox()
    outbox.add(some_events(5, first=40))

    collector.wait_for(25)
    assert uuids(20, 45) == collector.uuids()
    outbox.close()
    told = [r.getMessage() for r in caplog.records if "can't be opened" in r.getMessage()]
    assert len(told) == 1
    assert lane.name in told[0]


def test_a_lane_that_cannot_be_removed_is_not_delivered_again(
    leave_lane, open_outbox, collector, tmp_path, caplog
):
    lane = leave_lane()
    (lane / "stray").touch()
    (lane / "sent").unlink()
    (lane / "sent").symlink_to("/dev/full")  # nor can its cursor be written
    (tmp_path / "outbox/damaged").write_text("in the way")

    outbox = open_outbox()
    collector.wait_for(20)
    wait_until(lambda: "can't be removed" in caplog.text)
    outbox._sink._sender._backlog.look_again()  # as if ten seconds were over
    outbox.add(some_events(1, first=20))

    collector.wait_for(21)
    assert uuids(0, 21) == collector.uuids()


def test_a_lane_without_its_lock_is_taken_over_once_nothing_has_changed_for_a_while(
    leave_lane, open_outbox, collector
):
    fresh, quiet = leave_lane(), leave_lane(first=20)
    for lane in (fresh, quiet):
        (lane / "lock").unlink()
    before = time.time() - 60
    for path in (quiet, *quiet.iterdir()):
        os.utime(path, (before, before))

    open_outbox()

    collector.wait_for(20)
    wait_until(lambda: not quiet.exists())
    assert uuids(20, 40) == collector.uuids()
    assert fresh.exists()


@pytest.mark.parametrize(
    ("region", "head"), [("MOON", "{"), (["US"], "{"), ("US", 7), ("US", "{"), ("US", "\u00e9")]
)
def test_a_header_that_makes_no_payload_stops_no_other_lane(
    leave_lane, open_outbox, collector, region, head
):
    segment = leave_lane() / "0000000001.jsonl"
    leave_lane(first=20)
    _, _, rest = segment.read_text().partition("\n")
    segment.write_text(json.dumps({"bucketer": 1, "region": region, "head": head}) + "\n" + rest)

    outbox = open_outbox()

    collector.wait_for(20)
    assert uuids(20, 40) == collector.uuids()
    wait_until(lambda: outbox.counters.damaged == 21)


def test_a_segment_whose_process_died_before_its_first_line_is_no_damage(
    leave_lane, open_outbox, collector, tmp_path
):
    (leave_lane() / "0000000002.jsonl").touch()

    outbox = open_outbox()

    collector.wait_for(20)
    outbox.close()
    assert outbox.counters.damaged == 0
    assert not (tmp_path / "outbox/damaged").exists()


def test_a_damaged_line_is_set_aside_once_however_often_its_batch_is_tried(
    leave_lane, open_outbox, collector, tmp_path
):
    segment = leave_lane() / "0000000001.jsonl"
    lines = segment.read_bytes().split(b"\n")
    lines[10] = b'{"snapshots": [garbage}'
    segment.write_bytes(b"\n".join(lines))
    collector.mood = 503
    outbox = open_outbox()
    wait_until(lambda: outbox.counters.retried > 5 * 19)
    assert outbox.counters.damaged == 0
    collector.mood = 200

    collector.wait_for(19)

    outbox.close()
    assert (19, 1) == (outbox.counters.sent, outbox.counters.damaged)
    [damaged] = (tmp_path / "outbox/damaged").iterdir()
    assert b'{"snapshots": [garbage}\n' == damaged.read_bytes()
    assert (0o600, 0o700) == (
        damaged.stat().st_mode & 0o777,
        damaged.parent.stat().st_mode & 0o777,
    )


def test_damage_that_cannot_be_set_aside_is_logged_and_keeps_nothing_back(
    leave_lane, open_outbox, collector, tmp_path, caplog
):
    with (leave_lane() / "0000000001.jsonl").open("ab") as file:
        file.write(b"no event")
    (tmp_path / "outbox/damaged").write_text("in the way")

    open_outbox()

    collector.wait_for(20)
    wait_until(lambda: "8 bytes that begin b'no event'" in caplog.text)


def test_a_cursor_that_cannot_be_written_keeps_nothing_back(
    leave_lane, open_outbox, collector, caplog
):
    cursor = leave_lane() / "sent"
    cursor.unlink()
    cursor.symlink_to("/dev/full")

    open_outbox(max_events=5)

    collector.wait_for(20)
    assert uuids(0, 20) == collector.uuids()
    told = [r for r in caplog.records if "No space left on device" in r.getMessage()]
    assert len(told) == 1


def test_a_state_directory_that_is_deleted_is_made_anew_and_no_accepted_event_is_lost(
    nobody_is_suspected, open_outbox, collector, tmp_path, caplog
):
    collector.mood = 503
    outbox = open_outbox(closing_s=0.05)
    outbox.add(some_events(5))
    wait_until(lambda: outbox.counters.retried)

    shutil.rmtree(tmp_path / "outbox")
    outbox.add(some_events(5, first=5))
    wait_until(lambda: "was deleted while it was in use" in caplog.text)
    outbox.add(some_events(5, first=10))

    [lane] = (tmp_path / "outbox/lanes").iterdir()
    collector.mood = 200
    collector.wait_for(15)
    assert uuids(0, 15) == collector.uuids()
    wait_until(lambda: outbox.counters.sent == 15)
    assert outbox.counters.refused == 0
    outbox.close()
    assert not lane.exists()


def test_a_directory_that_was_deleted_is_noticed_by_the_next_event_that_needs_a_file(
    open_outbox, collector, tmp_path
):
    collector.mood = 503
    outbox = open_outbox(closing_s=0.05)
    outbox.add(some_events(5))
    shutil.rmtree(tmp_path / "outbox")

    outbox.add(some_events(5, a_ruleset("8"), first=5))  # another revision, another segment

    assert (10, 0) == (outbox.counters.accepted, outbox.counters.refused)
    collector.mood = 200
    collector.wait_for(10)


def test_counters_that_cannot_be_written_are_told_once(open_outbox, collector, tmp_path, caplog):
    outbox = open_outbox()
    wait_until(lambda: list((tmp_path / "outbox/lanes").glob("*/counters.json")))
    [lane] = (tmp_path / "outbox/lanes").iterdir()
    (lane / "counters.new").mkdir()

    for n in range(3):
        outbox.add(some_events(1, first=n))
        collector.wait_for(n + 1)
        time.sleep(0.6)

    assert 1 == caplog.text.count("counters can't be written")
    (lane / "counters.new").rmdir()


@pytest.mark.parametrize(("age_s", "quiet"), [(0, False), (9, False), (11, True), (-7200, True)])
def test_a_lane_is_quiet_after_ten_seconds_and_when_its_times_are_yet_to_come(
    tmp_path, age_s, quiet
):
    """After the clock was set back two hours nobody would take it over for as long."""
    segment = tmp_path / "0000000001.jsonl"
    lane = tmp_path
    segment.write_text("")
    assert [segment] == lanes.segments_in(lane)
    for path in (segment, lane):
        os.utime(path, (time.time() - age_s,) * 2)

    assert quiet == lanes._is_quiet(lane)


def test_a_lane_of_our_own_that_cannot_be_read_is_left_and_events_go_on_in_another(
    open_outbox, collector, tmp_path, caplog
):
    outbox = open_outbox()
    [sick] = (tmp_path / "outbox/lanes").iterdir()
    loop = sick / "0000000009.jsonl"
    loop.symlink_to(loop)  # nobody can say what it is, root included
    outbox.add(some_events(5))
    wait_until(lambda: "what waits can't be read" in caplog.text)
    time.sleep(0.3)

    outbox.add(some_events(5, first=5))

    collector.wait_for(5)
    assert uuids(5, 10) == collector.uuids()
    assert 1 == caplog.text.count("what waits can't be read")
    assert (sick / "0000000001.jsonl").exists()
    assert (10, 0) == (outbox.counters.accepted, outbox.counters.refused)
    outbox.close()
    loop.unlink()
    open_outbox()
    collector.wait_for(10)


def test_who_delivers_a_lane_for_a_process_that_is_gone_counts_once(
    leave_lane, open_outbox, tmp_path
):
    lane = leave_lane()
    told = lane / "counters.json"
    assert told.exists()
    outbox = open_outbox(url="http://127.0.0.1:9/nobody-listens")
    store = Store(tmp_path / "outbox", 1_000_000)

    wait_until(lambda: not (lane / "quota").exists() and store.status(0.0).processes)
    status = store.status(0.0)

    assert 1 == status.processes
    assert 20 == status.waiting
    assert not told.exists()
    outbox.close()


@pytest.mark.parametrize("name", ["sent", "lock", "0000000001.jsonl"])
def test_a_lane_that_cannot_be_read_is_told_of_until_somebody_has_mended_it(
    open_outbox, collector, leave_lane, name
):
    damaged = leave_lane(3) / name
    good = damaged.read_bytes()
    damaged.unlink()
    damaged.symlink_to(damaged)
    outbox = open_outbox()

    wait_until(lambda: outbox.counters.stuck)

    assert outbox.counters.stuck == (
        "1 lane of events can't be read (Too many levels of symbolic links)"
    )
    assert outbox.health()["stuck"] == outbox.counters.stuck
    assert [] == collector.payloads

    damaged.unlink()
    damaged.write_bytes(good)
    outbox._sink._sender._backlog.look_again()

    collector.wait_for(3)
    wait_until(lambda: not outbox.counters.stuck)


def test_how_much_was_written_is_known_before_delivery_waits(open_outbox, collector, tmp_path):
    collector.judge = lambda payload: 500
    outbox = open_outbox(first_wait_s=30.0, longest_wait_s=60.0)

    outbox.add(some_events(3))
    wait_until(lambda: outbox.counters.retried)

    [cursor] = tmp_path.glob("outbox/lanes/*/sent")
    [segment] = tmp_path.glob("outbox/lanes/*/*.jsonl")
    assert segment.stat().st_size == int(cursor.read_bytes().split()[3])
