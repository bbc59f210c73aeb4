"""Kill the server at random moments under load; count what was lost and what came twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.fakes.collector import Collector

from .server import Load, Server


class Killed(NamedTuple):
    """What came of it: users answered, events lost, events that arrived more than once."""

    rounds: int
    answered: int
    lost: int
    doubled: int


def run_kills(
    folder: Path, rounds: int, seed: int = 1, longest_s: float = 0.6, **settings: str
) -> Killed:
    """Start, load, `kill -9`, start again, *rounds* times; then let all be delivered."""
    rng = random.Random(seed)
    answered: list[str] = []
    with Collector() as collector:
        server = Server(folder, collector.url, **settings)
        for number in range(rounds):
            server.start()
            # A collector that is slow in some rounds leaves more to be resumed.
            collector.delay_s = rng.choice((0.0, 0.0, 0.05, 0.3))
            with Load(server.port, f"round{number}") as load:
                time.sleep(rng.uniform(0.05, longest_s))
                server.kill()
            answered += load.answered
        collector.delay_s = 0.0
        server.start()
        wait_for(collector, set(answered))
        server.stop()
        server.log.close()
        assert not list((server.state / "outbox/lanes").iterdir()), "delivered lanes are removed"
        arrived = Counter(visitor["visitor_id"] for visitor in collector.visitors())
    doubled = sum(times - 1 for times in arrived.values())
    return Killed(rounds, len(answered), len(set(answered) - set(arrived)), doubled)


def wait_for(collector: Collector, users: set[str], timeout_s: float = 30.0) -> None:
    """Wait until all of *users* have arrived, or it is clear that they won't."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if users <= {visitor["visitor_id"] for visitor in collector.visitors()}:
            return
        time.sleep(0.1)
