"""What events cost the caller of a Lambda function, in an environment that freezes.

    python -m benchmarks.events.lambda_latency [INVOCATIONS]

Environments with and without events take turns; medians over all their warm invocations, and over
their cold starts. The collector takes 50 ms, as one across a network would.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from tests.fakes.collector import Collector
from tests.fakes.datafiles import write_datafile
from tests.lab.minirapid import Minirapid
from tests.lab.prepare import PYTHON_VERSIONS, Lab, LabUnavailable, prepare
from tests.lab.test_lambda_events import HANDLER, activation

ROUNDS = 8
COLLECTOR_S = 0.05
HOMES = ("off", "flush")


def measure(lab: Lab, task: Path, invocations: int) -> None:
    """Print one line per home."""
    init: dict[str, list[float]] = {home: [] for home in HOMES}
    cold: dict[str, list[float]] = {home: [] for home in HOMES}
    warm: dict[str, list[float]] = {home: [] for home in HOMES}
    billed: dict[str, list[float]] = {home: [] for home in HOMES}
    arrived = expected = 0
    for _ in range(ROUNDS):
        for home in HOMES:
            with Collector() as collector:
                collector.delay_s = COLLECTOR_S
                environment = {
                    "BUCKETER_DATAFILE": "datafile.json",
                    "BUCKETER_EVENTS_ENDPOINT": collector.url,
                    "BUCKETER_EVENTS": home,
                }
                with Minirapid(lab, task, HANDLER, environment=environment) as function:
                    init[home].append(function.init_ms)
                    for n in range(invocations):
                        function.invoke(activation(f"{home}-{n}"))
                        (warm if n else cold)[home].append(function.duration_ms)
                        billed[home].append(function.wait_until_done())
                        if home == "off":
                            # As long a rest between invocations as the flush gives: a process
                            # that has slept longer answers more slowly, events or not.
                            time.sleep(COLLECTOR_S)
                        else:
                            arrived += len(collector.visitors()) == n + 1
                            expected += 1
    for home in HOMES:
        p95 = statistics.quantiles(warm[home], n=20)[18]
        print(
            f"{lab.version} {home:6} init {statistics.median(init[home]):6.1f} ms, "
            f"first answer {statistics.median(cold[home]):5.2f}, "
            f"warm p50 {statistics.median(warm[home]):5.2f} p95 {p95:5.2f}, "
            f"billed p50 {statistics.median(billed[home]):5.1f}"
        )
    print(f"{lab.version} arrived before the next invocation: {arrived} of {expected}")


def asked_invocations(about: str | None) -> int:
    """Return how many the command line asks for."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--invocations", type=int, default=30, help="(default: %(default)s)")
    return int(parser.parse_args().invocations)


def main(invocations: int) -> None:
    """Measure on every Python there is."""
    for version in PYTHON_VERSIONS:
        try:
            lab = prepare(version)
        except LabUnavailable as reason:
            print(f"{version}: {reason}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            task = lab.make_task(Path(folder) / "task")
            write_datafile(task / "datafile.json")
            measure(lab, task, invocations)


if __name__ == "__main__":
    main(asked_invocations(__doc__))
