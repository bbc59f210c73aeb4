"""One limit for all that write to an outbox: processes, lanes that wait, and the command line."""

import contextlib
import fcntl
import json
import os
import subprocess
import sys

import pytest

from bucketer.core.envelope import Batch
from bucketer.sinks.backlog import Backlog
from bucketer.sinks.journal import Writer
from bucketer.sinks.lanes import bytes_in, lanes_in, open_lane
from bucketer.sinks.outbox import OutboxFull
from bucketer.sinks.quota import Quota

BATCH = Batch("US", '{"visitors": [')
VISITOR = '{"snapshots": [], "visitor_id": "' + "u" * 500 + '"}'

#: A worker that takes as many events as it can for a while.
WORKER = """
import json, sys, time
from pathlib import Path
from bucketer.core.envelope import Batch
from bucketer.sinks.backlog import Backlog
from bucketer.sinks.journal import Writer
from bucketer.sinks.lanes import open_lane
from bucketer.sinks.outbox import OutboxFull
from bucketer.sinks.quota import Quota

lanes, name, limit, visitor = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
writer = Writer(open_lane(lanes, name), Quota(lanes, limit))
print("ready", flush=True)
input()
taken = refused = 0
while refused < 20:
    try:
        writer.append(Batch("US", '{"visitors": ['), [visitor] * 3)
        taken += 3
    except OutboxFull:
        refused += 1
        time.sleep(0.02)
    except BlockingIOError:  # another adds up, and has been stopped in the middle of it
        time.sleep(0.02)
print(json.dumps(taken), flush=True)
input()
"""


@pytest.fixture
def lanes(tmp_path):
    return tmp_path / "lanes"


@pytest.fixture
def clock(monkeypatch):
    """The writers' clock, which stands still; an item is the seconds it shows."""
    seconds = [1_000.0]
    monkeypatch.setattr("bucketer.sinks.journal.monotonic", lambda: seconds[0])
    return seconds


def fill(writer):
    count = 0
    while True:
        try:
            writer.append(BATCH, [VISITOR])
        except OutboxFull:
            return count
        count += 1


def all_bytes(lanes):
    return sum(map(bytes_in, lanes_in(lanes)))


@pytest.mark.parametrize("limit", [20_000, 1_000_000])
def test_four_processes_keep_no_more_than_one_limit_between_them(lanes, limit):
    command = [sys.executable, "-c", WORKER, str(lanes)]
    workers = [
        subprocess.Popen(
            [*command, f"lane-{n}", str(limit), VISITOR],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(4)
    ]
    try:
        for worker in workers:
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            worker.stdin.write("\n")
            worker.stdin.flush()
        taken = [json.loads(worker.stdout.readline()) for worker in workers]
        used = all_bytes(lanes)
    finally:
        for worker in workers:
            worker.stdin.write("\n")
            worker.communicate()

    assert used <= limit
    assert used > 0.85 * limit
    assert sum(taken) * len(VISITOR) < used


def test_a_process_that_stopped_while_it_added_up_costs_no_event_until_a_part_is_full(lanes):
    limit = 6_400_000
    writer = Writer(open_lane(lanes, "busy"), Quota(lanes, limit))
    with open(lanes.parent / "quota", "w") as held:  # noqa: PTH123 -- a descriptor to be locked
        fcntl.flock(held, fcntl.LOCK_EX)
        count = 0
        with contextlib.suppress(BlockingIOError):
            while count < 10_000:
                writer.append(BATCH, [VISITOR])
                count += 1
        kept = all_bytes(lanes)
    more = fill(Writer(open_lane(lanes, "other"), Quota(lanes, limit)))

    assert 50 < count < 10_000
    assert kept <= limit // 64 + 4 * len(VISITOR)
    assert more > count


def test_what_a_process_does_not_use_the_others_may_all_but_its_part(lanes):
    limit = 1_000_000
    idle = Writer(open_lane(lanes, "idle"), Quota(lanes, limit))
    idle.append(BATCH, [VISITOR])
    busy = Writer(open_lane(lanes, "busy"), Quota(lanes, limit))

    fill(busy)

    assert all_bytes(lanes) > limit - 2 * limit // 64 - 2 * len(VISITOR)


def test_what_a_lane_has_delivered_is_free_for_the_others(lanes, clock):
    limit = 1_000_000
    first = Writer(open_lane(lanes, "first"), Quota(lanes, limit))
    second = Writer(open_lane(lanes, "second"), Quota(lanes, limit))
    fill(first)
    assert fill(second) == 0
    for path in sorted(first.lane.directory.glob("*.jsonl"))[:-1]:
        path.unlink()
        first.release(int(path.stem))
    assert fill(second) == 0
    clock[0] += 0.1  # it asks again after a moment

    assert fill(second) > 1_000
    assert all_bytes(lanes) <= limit


def test_lanes_that_wait_for_somebody_count_with_what_they_hold(lanes):
    limit = 1_000_000
    gone = Writer(open_lane(lanes, "gone"), Quota(lanes, limit))
    for _ in range(500):
        gone.append(BATCH, [VISITOR])
    gone.close()
    held = bytes_in(gone.lane.directory)
    gone.lane.release()
    mine = Writer(open_lane(lanes, "mine"), Quota(lanes, limit))

    fill(mine)

    assert limit - held - 2 * len(VISITOR) < bytes_in(mine.lane.directory) <= limit - held


@pytest.mark.parametrize("text", [b"", b"garbage", b"9" * 500, b"-1\n"])
def test_a_damaged_note_of_what_a_lane_may_hold_costs_no_other_its_room(lanes, text):
    other = open_lane(lanes, "other")
    (other.directory / "quota").write_bytes(text)
    mine = Writer(open_lane(lanes, "mine"), Quota(lanes, 100_000))

    fill(mine)

    assert bytes_in(mine.lane.directory) > 90_000


def test_a_full_outbox_is_not_added_up_for_each_event(lanes, clock, monkeypatch):
    writer = Writer(open_lane(lanes, "lane"), Quota(lanes, 100_000))
    fill(writer)
    asked = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: asked.append(path) or scandir(path))

    for _ in range(1_000):
        with pytest.raises(OutboxFull, match="the limit of 100000 bytes is reached"):
            writer.append(BATCH, [VISITOR])
    assert asked == []
    clock[0] += 0.1
    fill(writer)
    once = len(asked)
    fill(writer)

    assert 0 < once == len(asked)


def test_a_lane_that_is_taken_over_counts_with_what_it_holds_though_its_lock_is_held(tmp_path):
    lanes = tmp_path / "lanes"
    gone = Writer(open_lane(lanes, "gone"), Quota(lanes, 1 << 30))
    gone.append(BATCH, [VISITOR])
    gone.close()
    gone.lane.release()
    backlog = Backlog(tmp_path, print)
    backlog.look("mine")
    assert backlog.next(10, 1_000) is not None
    mine = Writer(open_lane(lanes, "mine"), Quota(lanes, 1_000_000))

    fill(mine)

    assert bytes_in(mine.lane.directory) > 990_000
    backlog.close()


def test_a_thousand_lanes_that_wait_are_not_all_looked_at_each_time(lanes, monkeypatch):
    for n in range(200):
        lane = open_lane(lanes, f"{n:06}")
        (lane.directory / "0000000001.jsonl").write_bytes(b"x" * 100)
        lane.release()
    mine = open_lane(lanes, "mine").directory
    quota = Quota(lanes, 1_000_000)
    assert quota.allot(mine, 0, 980_000) == 980_000
    assert quota.allot(mine, 0, 980_001) == 0
    looked_at = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked_at.append(path) or scandir(path))

    assert quota.allot(mine, 0, 980_000) == 980_000

    assert len(looked_at) <= 51
    for n in range(200):
        (lanes / f"{n:06}" / "0000000001.jsonl").unlink()
    while quota.allot(mine, 0, 1_000_000) == 0:  # what was delivered is seen by and by
        assert len(looked_at) < 200_000
