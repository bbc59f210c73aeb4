"""Compare Bucketer with a real Optimizely Agent: one core each, interleaved rounds, medians.

    python -m benchmarks.agent --agent PATH [--rounds 5] [--seconds 4] [--json FILE]

PATH is Agent's binary, which you build yourself. Both have their defaults and keep events: Agent in its memory,
ours in its file. nginx is their CDN and takes the events; it shares the other core with wrk.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.requests.contestants import Missing
from benchmarks.requests.load import Round, run_script
from benchmarks.told import facts_of, medians_of

from .rows import ROWS, Row
from .servers import Server, check, nginx, servers

_CHECKED_USERS = 200
_SERVER_CORE, _LOAD_CORE = "0", "1"
_START_UPS = 5


def main(argv: list[str] | None = None) -> int:
    """Measure. Exit status: 0 done, 2 something is missing, and it says what."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.agent",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--agent", type=Path, required=True, help="Agent's binary")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="of a round (default: %(default)s)")
    parser.add_argument("--only", default="", help="rows whose names contain this")
    parser.add_argument("--json", type=Path, help="write the results there")
    args = parser.parse_args(argv)
    directory = Path(tempfile.mkdtemp(prefix="bucketer-bench-"))
    directory.chmod(0o755)  # nginx's workers aren't root
    try:
        check(args.agent)
        found = _run(args, directory)
    except Missing as missing:
        print(f"benchmarks.agent: {missing}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(directory)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def _run(args: argparse.Namespace, directory: Path) -> dict[str, Any]:
    origin = nginx(directory)
    origin.ask = lambda _number: {}  # type: ignore[method-assign]  # its port is open: that is enough
    pair: tuple[Server, ...] = ()
    try:
        origin.start(_LOAD_CORE, 1)
        pair = servers(directory, args.agent.resolve(), f"http://127.0.0.1:{origin.port}")
        started = _start(pair)
        fresh_mb = {each.name: round(each.memory_mb()) for each in pair}
        rows = [row for row in ROWS if args.only in row.name]
        for row in rows:
            _check_answers(row, pair)
        print(f"{_CHECKED_USERS} answers of each row agree", flush=True)
        found = [_measure(row, pair, directory, args) for row in rows]
        loaded_mb = {each.name: round(each.memory_mb()) for each in pair}
    finally:
        for each in (*pair, origin):
            each.stop()
    print(f"start-up ms {started}   memory MB {fresh_mb}, after the load {loaded_mb}")
    facts = facts_of(args.rounds, args.seconds)
    told = {"facts": facts, "start_up_ms": started, "memory_mb": {"fresh": fresh_mb}}
    told["memory_mb"]["loaded"] = loaded_mb
    return told | {"rows": found}


def _start(pair: tuple[Server, ...]) -> dict[str, int]:
    """Start each several times, in turn; leave them running. The medians of the milliseconds."""
    seen: dict[str, list[float]] = {each.name: [] for each in pair}
    for _ in range(_START_UPS):
        for each in pair:
            each.stop()
            seen[each.name].append(each.start_up_s(_SERVER_CORE) * 1000)
            each.answer(ROWS[1], 1)
    return {name: round(median(times)) for name, times in seen.items()}


def _check_answers(row: Row, pair: tuple[Server, ...]) -> None:
    """Compare what they answer.

    Raises:
        AssertionError: they decide differently, so their speed means nothing.
    """
    for number in range(_CHECKED_USERS):
        ours, theirs = (each.answer(row, number) for each in pair)
        assert ours == theirs, (row.name, number, ours, theirs)


def _measure(
    row: Row, pair: tuple[Server, ...], directory: Path, args: argparse.Namespace
) -> dict[str, Any]:
    rounds: dict[str, list[Round]] = {each.name: [] for each in pair}
    for number in range(args.rounds):
        for each in pair:
            script = row.script(number * 10_000_000)
            rounds[each.name].append(run_script(each, script, directory, _LOAD_CORE, args.seconds))
    ours, theirs = (rounds[each.name] for each in pair)
    ratio = median(a.per_second / b.per_second for a, b in zip(ours, theirs, strict=True))
    told: dict[str, Any] = {"name": row.name, "ratio": round(ratio, 2), "goal": row.goal}
    for name, found in rounds.items():
        told[name] = medians_of(found)
    print(_line(told), flush=True)
    return told


def _line(told: dict[str, Any]) -> str:
    sides = "   ".join(
        f"{name} {told[name]['requests_per_second']:>7,}/s p50 {told[name]['p50_ms']:>7.2f} "
        f"p99 {told[name]['p99_ms']:>7.2f} ms, {told[name]['cpu_us']:>5} µs of processor"
        for name in ("bucketer", "Agent")
    )
    return f"{told['name']:30}{told['ratio']:>6.2f} x (goal {told['goal']})   {sides}"


if __name__ == "__main__":
    sys.exit(main())
