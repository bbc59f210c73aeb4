"""A collector that fails in every way for a while, under load; then it recovers."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import NamedTuple

from tests.fakes.collector import Collector, Mood

from .kills import wait_for
from .server import Load, Server

#: 400 comes first: behind the others it would wait for a back-off to end.
MOODS: tuple[Mood, ...] = (
    400, 500, (429, {"Retry-After": "1"}), "hang", "close", "midway", "garbage", 503, "gone", 408,
)  # fmt: skip


class Weathered(NamedTuple):
    """What came of it.

    Attributes:
        answered, lost: users answered, and those of them whose event never arrived.
        dead: events that were in the dead-letter store, until `bucketer events retry`.
        in_order: whether, until then, what was decided first arrived first.
        p50_calm_ms, p50_storm_ms, p99_storm_ms: how long callers waited.
        resident_mb: memory before the storm and after it.
    """

    answered: int
    lost: int
    dead: int
    in_order: bool
    p50_calm_ms: float
    p50_storm_ms: float
    p99_storm_ms: float
    resident_mb: tuple[float, float]


def run_storm(
    folder: Path, each_s: float, moods: tuple[Mood, ...] = MOODS, **settings: str
) -> Weathered:
    """Be in each mood for *each_s* seconds, then calm; "gone" is nobody listening at all."""
    collector = Collector()
    port = collector.port
    answered: list[str] = []
    arrived: list[dict] = []
    with Server(folder, collector.url, **settings) as server:
        with Load(server.port, "calm", pause_s=0.002) as calm:
            time.sleep(max(1.0, each_s))
        before_mb = server.resident_mb()
        with Load(server.port, "storm", pause_s=0.002) as storm:
            for mood in moods:
                if mood == "gone":
                    arrived += collector.visitors()
                    collector.close()
                    time.sleep(each_s)
                    collector = Collector(port)
                else:
                    collector.mood = mood
                    time.sleep(each_s)
        after_mb = server.resident_mb()
        collector.mood = 204
        answered = calm.answered + storm.answered
        known = {visitor["visitor_id"] for visitor in arrived}
        wait_until_calm(server)
        in_order = is_in_order(arrived + collector.visitors())
        dead = server.retry_dead_letters()["put_back"]
        wait_for(collector, set(answered) - known, timeout_s=120)
    arrived += collector.visitors()
    collector.close()
    users = {visitor["visitor_id"] for visitor in arrived}
    return Weathered(
        len(answered),
        len(set(answered) - users),
        dead,
        in_order,
        statistics.median(calm.latencies_ms),
        statistics.median(storm.latencies_ms),
        statistics.quantiles(storm.latencies_ms, n=100)[98],
        (before_mb, after_mb),
    )


def wait_until_calm(server: Server, timeout_s: float = 120.0) -> None:
    """Wait until everything that was accepted has left the outbox, one way or the other."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        events = server.events()
        if events["sent"] + events["dead"] >= events["accepted"]:
            return
        time.sleep(0.1)


def is_in_order(visitors: list[dict]) -> bool:
    """Whether first arrivals come in the order in which the events were decided."""
    seen: set[str] = set()
    newest = 0
    for visitor in visitors:
        [event] = visitor["snapshots"][0]["events"]
        if event["uuid"] in seen:
            continue
        seen.add(event["uuid"])
        if event["timestamp"] < newest:
            return False
        newest = event["timestamp"]
    return True
