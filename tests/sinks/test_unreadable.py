"""What can't be listed or read is never taken for empty: in processes with real limits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.collector import Collector
from tests.fakes.visitors import some_events

from bucketer.core.events import batch_of, visitor_json
from bucketer.sinks.journal import Writer
from bucketer.sinks.lanes import open_lane
from bucketer.sinks.quota import Quota

LANES = 120

MANY_LANES = """
import json, logging, resource, sys
from pathlib import Path
from bucketer.sinks import fault_finder
from bucketer.sinks.counters import Counters
from bucketer.sinks.delivery import Delivery
from bucketer.sinks.durable import Durable
from bucketer.sinks.outbox import Outbox
from bucketer.sinks.pace import Pace
from tests.fakes.visitors import some_events

logging.basicConfig()
fault_finder.SUSPICIOUS_FAILURES = 1_000_000  # who is sent ahead in a search comes twice
resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
counters = Counters()
outbox = Outbox(
    Durable(Path(sys.argv[1]), Delivery(sys.argv[2]), counters, limit_bytes=1 << 30,
            pace=Pace(interval_s=0.02, first_wait_s=0.02, longest_wait_s=0.05)),
    counters,
)
outbox.add(some_events(5, first=900_000))
print(json.dumps(counters.to_json(0)), flush=True)
input()
outbox.close()
"""

#: `sinks` over a directory in which it is told what to do without: descriptors, or rights.
WITHOUT = """
import errno, json, os, resource, sys
from pathlib import Path
from bucketer.sinks.backlog import Backlog
from bucketer.sinks.dead_letters import DeadLetters
from bucketer.sinks.lanes import adopt_lane, bytes_in, is_alive, lanes_in, segments_in
from bucketer.sinks.store import Store

what, folder = sys.argv[1], Path(".")  # by a relative path: the way there may be root's
os.chdir(sys.argv[2])
lane = folder / "outbox/lanes/000000"
backlog = Backlog(folder / "outbox", print)
store = Store(folder / "outbox", 1 << 20)
dead = DeadLetters(folder / "outbox/dead", "x", 1 << 20)
if what == "descriptors":
    held = adopt_lane(lane)
    for _ in range(5):
        os.environ.get("warm")
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        assert error.errno == errno.EMFILE
else:
    for each in ("outbox/lanes/000000", "outbox/lanes", "outbox/dead"):
        (folder / each).chmod(0)
    if os.geteuid() == 0:
        os.seteuid(65534)

def asked(question):
    try:
        question()
    except OSError as error:
        return error.errno
    return "an answer"

backlog.look("own")
found = {
    "lanes": asked(lambda: lanes_in(folder / "outbox/lanes")),
    "segments": asked(lambda: segments_in(lane)),
    "bytes": asked(lambda: bytes_in(lane)),
    "alive": asked(lambda: is_alive(lane)),
    "dead": asked(lambda: list(dead.read())),
    "taken": asked(dead.take),
    "added": asked(lambda: dead.size_bytes()),
    "next": asked(lambda: backlog.next(10, 1000)),
    "unread": len(store.status(0.0).unread),
}
if what == "descriptors":
    found["removed"] = asked(lambda: held.remove(folder / "damaged", 9))
os.seteuid(os.getuid())
print(json.dumps(found))
"""


def leave_lanes(home, count, per_lane=1):
    """Lanes of processes that are gone, each with some events."""
    number = 0
    for name in range(count):
        lane = open_lane(home / "lanes", f"{name:06}")
        writer = Writer(lane, Quota(home / "lanes", 1 << 30))
        for event in some_events(per_lane, first=number):
            writer.append(batch_of(event), [visitor_json(event)])
        number += per_lane
        writer.close()
        lane.release()


def test_lanes_are_opened_one_by_one_whatever_their_number(tmp_path):
    """24 descriptors for 120 lanes: it took two each, and more than there were."""
    leave_lanes(tmp_path / "outbox", LANES)
    with Collector() as collector:
        collector.mood = 503
        command = [sys.executable, "-c", MANY_LANES, str(tmp_path / "outbox"), collector.url]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            counters = json.loads(process.stdout.readline())
            assert (5, 0) == (counters["accepted"], counters["refused"])
            collector.mood = 204
            collector.wait_for(LANES + 5)
            _, log = process.communicate("\n", timeout=20)

        assert "Too many open files" not in log
        assert [f"{n:06}" for n in range(LANES)] == collector.uuids()[:LANES]
        assert [] == list((tmp_path / "outbox/lanes").iterdir())


@pytest.mark.parametrize(("what", "number"), [("descriptors", 24), ("rights", 13)])
def test_an_error_is_never_an_empty_answer(tmp_path, what, number):
    leave_lanes(tmp_path / "outbox", 2)
    (tmp_path / "outbox/dead").mkdir()
    (tmp_path / "outbox/dead/lane.jsonl").write_text("{}\n")
    before = sorted(path.name for path in (tmp_path / "outbox").rglob("0*.jsonl"))
    try:
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT, what, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for each in ("outbox/lanes", "outbox/lanes/000000", "outbox/dead"):
            (tmp_path / each).chmod(0o700)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("next") == "an answer"  # the lanes could not be listed: told, and tried again
    assert "can't be listed" in done.stderr
    assert found.pop("unread") >= 2
    assert set(found.values()) == {number}, found
    assert before == sorted(path.name for path in (tmp_path / "outbox").rglob("0*.jsonl"))


def test_a_segment_that_was_not_read_keeps_its_lane_from_being_deleted(tmp_path):
    leave_lanes(tmp_path, 1)
    lane = open_lane(tmp_path / "lanes", "lane")
    (lane.directory / "0000000003.jsonl").write_text("not read\n")

    with pytest.raises(OSError, match="a segment was not read"):
        lane.remove(tmp_path / "damaged", 2)

    assert (lane.directory / "0000000003.jsonl").exists()
    assert (lane.directory / "lock").exists()


def test_many_revisions_hold_no_more_descriptors_than_one(tmp_path):
    lane = open_lane(tmp_path / "lanes", "lane")
    writer = Writer(lane, Quota(tmp_path / "lanes", 1 << 30))

    def descriptors():
        return len(list((Path("/proc/self/fd")).iterdir()))

    [event] = some_events(1)
    batch, visitor = batch_of(event), visitor_json(event)
    writer.append(batch, [visitor])
    before = descriptors()
    for revision in range(200):
        writer.append(type(batch)("US", f'{{"revision": "{revision}", "visitors": ['), [visitor])

    assert before == descriptors()
    writer.close()
    lane.release()
