"""SQLite against an append-only log, as home for events; and how fast what waits is sent.

    python -m benchmarks.events.journal

A *turn* is what one turn of the server's loop writes at once. Beside it a second thread takes
what was written and forgets it, as the sender does, and brings bytes to the disk each second.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.fakes.visitors import some_events

from bucketer.core.events import batch_of, visitor_json
from bucketer.sinks.counters import Counters
from bucketer.sinks.delivery import Delivery
from bucketer.sinks.durable import Durable
from bucketer.sinks.journal import Writer
from bucketer.sinks.lanes import open_lane
from bucketer.sinks.outbox import Outbox
from bucketer.sinks.pace import Pace
from bucketer.sinks.quota import Quota
from bucketer.sinks.reader import Reader

SINK = Path(__file__).with_name("sink.py")
EVENT = some_events(1)[0]
BATCH, VISITOR = batch_of(EVENT), visitor_json(EVENT)
TURNS = {1: 10_000, 4: 10_000, 16: 4_000, 32: 4_000}
ROUNDS = 3


class Measured(NamedTuple):
    """Microseconds that a turn took, and what was left on the disk."""

    p50: float
    p99: float
    longest: float
    bytes: int


def log(folder: Path, turns: int, events: int) -> Measured:
    """The outbox's own journal."""
    lane = open_lane(folder / "lanes", "lane")
    writer = Writer(lane, Quota(folder / "lanes", 1 << 40))
    reader = Reader(lane, writer, lambda _path, _data: None)

    def take() -> bool:
        parcel = reader.next(500, 1_000_000)
        if parcel is not None:
            reader.done(parcel)
        return parcel is not None

    visitors = [VISITOR] * events
    return _race(lambda: writer.append(BATCH, visitors), take, writer.sync, turns, folder)


def sqlite(folder: Path, turns: int, events: int) -> Measured:
    """One row per turn; WAL, NORMAL; the other thread deletes and makes the checkpoints."""
    path = folder / "outbox.sqlite"

    def connect() -> sqlite3.Connection:
        found = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        for pragma in ("journal_mode=wal", "synchronous=normal", "wal_autocheckpoint=0"):
            found.execute(f"PRAGMA {pragma}")
        return found

    ours, theirs = connect(), connect()
    ours.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, batch INT, body TEXT)")

    def append() -> None:
        text = "\n".join([VISITOR] * events)
        ours.execute("INSERT INTO events (batch, body) VALUES (1, ?)", (text,))

    def take() -> bool:
        query = "SELECT id, body FROM events ORDER BY id LIMIT ?"
        rows = theirs.execute(query, (max(1, 500 // events),)).fetchall()
        if rows:
            [row[1].split("\n") for row in rows]
            theirs.execute("DELETE FROM events WHERE id <= ?", (rows[-1][0],))
        return bool(rows)

    def sync() -> None:
        theirs.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    return _race(append, take, sync, turns, folder)


def _race(
    append: Callable[[], None],
    take: Callable[[], bool],
    sync: Callable[[], None],
    turns: int,
    folder: Path,
) -> Measured:
    """Time *append* while another thread takes and syncs."""
    ended = threading.Event()

    def behind() -> None:
        synced = time.monotonic()
        while not ended.is_set():
            if not take():
                ended.wait(0.005)
            if time.monotonic() - synced > 1.0:
                sync()
                synced = time.monotonic()

    thread = threading.Thread(target=behind)
    thread.start()
    times = []
    for _ in range(turns):
        started = time.perf_counter()
        append()
        times.append((time.perf_counter() - started) * 1e6)
        time.sleep(0)  # a server's loop has other things to do, too
    ended.set()
    thread.join()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    ordered = sorted(times)
    return Measured(ordered[turns // 2], ordered[turns * 99 // 100], ordered[-1], size)


def drain(events: int = 200_000) -> None:
    """How many events per second the sender delivers to a sink that only counts."""
    with tempfile.TemporaryDirectory() as folder:
        counters = Counters()
        nobody = "http://127.0.0.1:9/"
        waiting = Durable(
            Path(folder), Delivery(nobody), counters, limit_bytes=1 << 40, closing_s=0.0
        )
        outbox = Outbox(waiting, counters)
        made = some_events(1_000)
        for _ in range(events // 1_000):
            outbox.add(made)
        outbox.close()
        sink = subprocess.Popen([sys.executable, str(SINK), "9556"], stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        counters = Counters()
        started, cpu = time.perf_counter(), time.process_time()
        durable = Durable(
            Path(folder), Delivery("http://127.0.0.1:9556/v1/events"), counters,
            limit_bytes=1 << 40, pace=Pace(),
        )  # fmt: skip
        while counters.sent < events:
            time.sleep(0.01)
        taken, cpu = time.perf_counter() - started, time.process_time() - cpu
        durable.close()
        sink.terminate()
        sink.wait()
    print(
        f"\nsent {events:,} events that an earlier process left: {events / taken:,.0f} per second "
        f"({cpu / events * 1e6:.1f} µs of processor each)"
    )


def main() -> None:
    """Print a table."""
    print(
        f"visitor of {len(VISITOR)} bytes; Python {sys.version.split()[0]}; {os.cpu_count()} cores"
    )
    print(f"{'home':8}{'events a turn':>14}{'p50 µs':>9}{'p99 µs':>9}{'max µs':>10}{'MB left':>9}")
    for events, turns in TURNS.items():
        for home in (log, sqlite):
            runs = []
            for _ in range(ROUNDS):
                with tempfile.TemporaryDirectory() as folder:
                    runs.append(home(Path(folder), turns, events))
            found = [statistics.median(column) for column in zip(*runs, strict=True)]
            print(
                f"{home.__name__:8}{events:14}{found[0]:9.1f}{found[1]:9.1f}{found[2]:10.0f}"
                f"{found[3] / 1e6:9.1f}"
            )
    drain()


if __name__ == "__main__":
    main()
