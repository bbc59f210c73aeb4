"""A disk that takes no more: in a process of its own, whose files may not grow beyond a size."""

import json
import subprocess
import sys

import pytest
from tests.fakes.collector import Collector

PROGRAM = """
import json, logging, resource, sys, time
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
home, url, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
counters = Counters()
outbox = Outbox(
    Durable(home, Delivery(url), counters, limit_bytes=1 << 30,
            pace=Pace(interval_s=0.02, first_wait_s=0.02, longest_wait_s=0.05)),
    counters,
)
for n in range(200):
    outbox.add(some_events(3, first=3 * n))
full = counters.to_json(0)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
outbox.add(some_events(3, first=10_000))
print(json.dumps([full, counters.to_json(0)]))
sys.stdout.flush()
input()
outbox.close()
"""


@pytest.mark.parametrize("limit", [20_000, 1_000, 100])
def test_decisions_go_on_and_what_was_taken_arrives_whole(tmp_path, limit):
    with Collector() as collector:
        collector.mood = 503
        command = [
            sys.executable,
            "-c",
            PROGRAM,
            str(tmp_path / "outbox"),
            collector.url,
            str(limit),
        ]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            full, after = json.loads(process.stdout.readline())
            collector.mood = 200
            collector.wait_for(after["accepted"])
            _, log = process.communicate("\n", timeout=20)

        assert full["refused"] > 300
        assert full["accepted"] + full["refused"] == 600
        assert after["accepted"] == full["accepted"] + 3
        assert "no room on the disk (File too large)" in log
        assert process.returncode == 0
        taken = [f"{n:06}" for n in range(full["accepted"])]
        assert [*taken, "010000", "010001", "010002"] == collector.uuids()
