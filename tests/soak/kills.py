"""Kill the server at random moments under load; count what was lost and what came twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.fakes.collector import Collector

from .server import Load, Server

#: A segment is an eighth of it at most: two MiB, some 3,200 events. With less room a quick machine
#: fills it, and what is refused (and told) for want of room is not what this is about.
_SMALL_SEGMENTS = {"BUCKETER_EVENTS_MAX_BYTES": str(16 << 20)}
#: So often a revision follows another, which begins a segment too.
_REVISION_EVERY_S = 0.1


class Killed(NamedTuple):
    """What came of it.

    Attributes:
        rounds: kills.
        revisions: of the datafile, as far as their events arrived.
        segments: the most that a lane had come to when its process was killed.
        answered, lost: users answered, and those of them whose event never arrived.
        doubled: how often an event arrived that had arrived already.
        refused: events that were not taken over for want of room, as the servers told before they
            were killed. Lost as well, but not by a kill.
    """

    rounds: int
    revisions: int
    segments: int
    answered: int
    lost: int
    doubled: int
    refused: int


def run_kills(
    folder: Path, rounds: int, seed: int = 1, longest_s: float = 0.6, **settings: str
) -> Killed:
    """Start, load, `kill -9`, start again, *rounds* times or more; then let all be delivered.

    In every second round revisions follow each other quickly; in two of three segments are small.
    """
    rng = random.Random(seed)
    answered: list[str] = []
    revision = segments = refused = 0
    with Collector() as collector:
        server = Server(folder, collector.url, **settings)
        for number in range(4 * rounds):
            if number >= rounds and segments > 1:
                break  # a machine that is slow takes more rounds, and longer ones, to fill a segment
            changing = number % 2 == 1
            small = _SMALL_SEGMENTS if number % 3 != 0 else {}
            server.start(DATAFILE_MAX_AGE="0.05", **small)
            # A collector that is slow in some rounds leaves more to be resumed.
            collector.delay_s = rng.choice((0.0, 0.0, 0.05, 0.3))
            with Load(server.port, f"round{number}") as load:
                lasts_s = rng.uniform(0.05, longest_s) * (1 + max(0, number - rounds))
                until = time.monotonic() + lasts_s
                while changing and time.monotonic() + _REVISION_EVERY_S < until:
                    revision += 1
                    server.publish(f"r{revision}")
                    time.sleep(_REVISION_EVERY_S)
                time.sleep(max(0.0, until - time.monotonic()))
                refused += server.events()["refused"]
                server.kill()
            segments = max(segments, *map(int, (p.stem for p in server.state.rglob("0*.jsonl"))), 0)
            answered += load.answered
        collector.delay_s = 0.0
        server.start()
        wait_for(collector, set(answered))
        server.stop()
        server.log.close()
        assert not list((server.state / "outbox/lanes").iterdir()), "delivered lanes are removed"
        revisions = len({payload["revision"] for payload in collector.payloads})
        arrived = Counter(visitor["visitor_id"] for visitor in collector.visitors())
    doubled = sum(times - 1 for times in arrived.values())
    lost = len(set(answered) - set(arrived))
    return Killed(rounds, revisions, segments, len(answered), lost, doubled, refused)


def wait_for(collector: Collector, users: set[str], timeout_s: float = 30.0) -> None:
    """Wait until all of *users* have arrived, or it is clear that they won't."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if users <= {visitor["visitor_id"] for visitor in collector.visitors()}:
            return
        time.sleep(0.1)
