"""When the disk has it: `Writer.sync` on a disk that is slow, or refuses."""

import os
import threading

import pytest

from bucketer.core.envelope import Batch
from bucketer.sinks.journal import LaneClosed, Writer
from bucketer.sinks.lanes import open_lane
from bucketer.sinks.quota import Quota

BATCH = Batch("US", '{"visitors": [')
VISITOR = '{"snapshots": []}'


class Disk:
    """Takes bytes when it is told to, or refuses them."""

    def __init__(self):
        self.may_go_on = threading.Event()
        self.asked = threading.Event()
        self.error = None
        self.taken = 0

    def take(self, fd):
        self.asked.set()
        self.may_go_on.wait(10)
        if self.error is not None:
            raise self.error
        os.fsync(fd)
        self.taken += 1


@pytest.fixture
def disk():
    return Disk()


@pytest.fixture
def writer(tmp_path, disk):
    lanes = tmp_path / "lanes"
    writer = Writer(open_lane(lanes, "lane"), Quota(lanes, 1 << 20), to_disk=disk.take)
    yield writer
    disk.error = None
    disk.may_go_on.set()
    writer.close()


def test_a_sync_returns_only_when_the_disk_has_it_though_another_thread_brings_it_there(
    writer, disk
):
    writer.append(BATCH, [VISITOR])
    first = threading.Thread(target=writer.sync)
    first.start()
    disk.asked.wait(10)

    second = threading.Thread(target=writer.sync)
    second.start()
    second.join(0.1)

    assert second.is_alive()
    disk.may_go_on.set()
    second.join(10)
    first.join(10)
    assert disk.taken == 1


def test_appending_goes_on_while_the_disk_works_and_is_synced_the_next_time(writer, disk):
    writer.append(BATCH, [VISITOR])
    first = threading.Thread(target=writer.sync)
    first.start()
    disk.asked.wait(10)

    writer.append(BATCH, [VISITOR])

    disk.may_go_on.set()
    first.join(10)
    assert writer.unsynced
    writer.sync()
    assert not writer.unsynced
    assert disk.taken == 2


def test_what_the_disk_has_refused_is_tried_again_and_not_taken_for_done(writer, disk):
    disk.may_go_on.set()
    disk.error = OSError(5, "Input/output error")
    writer.append(BATCH, [VISITOR])

    for _ in range(2):
        with pytest.raises(OSError, match="Input/output error"):
            writer.sync()

    assert writer.unsynced
    disk.error = None
    writer.sync()
    assert not writer.unsynced


def test_segments_that_are_closed_meanwhile_reach_the_disk_too(tmp_path, disk):
    quota = Quota(tmp_path, 1 << 20)
    writer = Writer(open_lane(tmp_path, "lane"), quota, to_disk=disk.take, segment_bytes=1)
    disk.may_go_on.set()
    for revision in "123":
        writer.append(Batch("US", f'{{"revision": "{revision}", "visitors": ['), [VISITOR])

    writer.sync()

    assert disk.taken == 3
    writer.append(BATCH, [VISITOR])
    writer.sync()
    assert disk.taken == 5  # the third, which was closed by it, once more


def test_a_sealed_lane_takes_no_more(writer, disk):
    disk.may_go_on.set()
    writer.append(BATCH, [VISITOR])
    writer.seal()

    with pytest.raises(LaneClosed):
        writer.append(BATCH, [VISITOR])


def test_letting_go_twice_closes_nothing_that_others_have_opened_since(tmp_path):
    lane = open_lane(tmp_path / "lanes", "lane")
    lane.release()
    with (tmp_path / "file").open("wb") as others:
        lane.release()

        assert 1 == others.write(b"x")


def test_environments_that_take_turns_share_a_segment(writer):
    for number in range(100):
        batch = Batch("US", f'{{"revision": "{number % 2}", "visitors": [')
        writer.append(batch, [VISITOR])

    assert writer.sequence == 1
    assert writer.committed < 100 * (len(VISITOR) + 200)
