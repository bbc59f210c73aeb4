"""Ours and optimizely-sdk side by side: python -m benchmarks.engine [--rounds N] [--json FILE]."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

from benchmarks.bars import Bar, bars
from benchmarks.engine import projects, size
from benchmarks.engine.contests import contests, sdk_decides, we_decide
from benchmarks.engine.rival import client
from benchmarks.engine.timing import Outcome, check, per_call_us, run

from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile

DOCS = Path(__file__).parents[2] / "docs" / "benchmarks"
_FLAGS = 200


def main() -> int:
    """Measure, print, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", type=Path, default=DOCS / "engine.json")
    parser.add_argument("--plots", type=Path, default=DOCS)
    args = parser.parse_args()
    raw = projects.as_bytes(projects.project(_FLAGS))
    rows = contests(raw)
    asked = sum(len(each.asked) for each in rows if check(each))
    print(f"{asked} answers agree with optimizely-sdk 5.7.0; Python {platform.python_version()}")
    outcomes = run(rows, args.rounds, lambda: print(".", end="", file=sys.stderr, flush=True))
    print(file=sys.stderr)
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": platform.platform(),
        "rounds": args.rounds,
        "datafile_bytes": len(raw),
        "calls": [_row(each) for each in outcomes],
        "compile": size.compile_times(raw, args.rounds),
        "memory": size.memory(raw),
        "growth": _growth(args.rounds),
        "failing_rules": _failing(args.rounds),
    }
    _tell(found)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    args.plots.mkdir(parents=True, exist_ok=True)
    (args.plots / "engine.svg").write_text(_plot(found), encoding="utf-8")
    return 0


def _row(outcome: Outcome) -> dict[str, Any]:
    low, high = outcome.spread
    return {
        "name": outcome.name.strip(),
        "ours_us": round(outcome.ours_us, 3),
        "theirs_us": round(outcome.theirs_us, 2),
        "ratio": round(outcome.ratio, 1),
        "quartiles": [round(low, 1), round(high, 1)],
        "goal": outcome.goal,
        "met": outcome.met,
    }


def _growth(rounds: int) -> list[dict[str, Any]]:
    """Deciding the same flags, and compiling, as the datafile grows around them."""
    found = []
    for flags in (10, 100, 1_000):
        raw = projects.as_bytes(projects.project(flags))
        decides = we_decide(compile_datafile(parse_datafile(raw)))
        asked = [(f"flag_{n % 8}", *visitor) for n, visitor in enumerate(projects.visitors(240))]
        per_call_us(decides, asked, 3)
        times = sorted(per_call_us(decides, asked, 20) for _ in range(rounds))
        ready = size.compile_times(raw, 3)
        found.append(
            {
                "flags": flags,
                "decide_us": round(times[len(times) // 2], 3),
                "compile_ms": round(ready["ours_ms"], 2),
                "sdk_compile_ms": round(ready["theirs_ms"], 1),
            }
        )
    return found


def _failing(rounds: int) -> list[dict[str, Any]]:
    """Time per decision as the rules that fail grow: the SDK's doubles, rule by rule."""
    found = []
    for rules in (1, 5, 10, 14):
        raw = projects.as_bytes(projects.failing(rules))
        ours = we_decide(compile_datafile(parse_datafile(raw)))
        theirs = sdk_decides(client(raw.decode()))
        asked = [("flag", *visitor) for visitor in projects.visitors(8)]
        per_call_us(ours, asked, 10)
        times = sorted(per_call_us(ours, asked, 200) for _ in range(rounds))
        found.append(
            {
                "rules": rules,
                "ours_us": round(times[len(times) // 2], 3),
                "theirs_us": round(per_call_us(theirs, asked, 1), 1),
            }
        )
    return found


def _verdict(met: bool | None) -> str:
    return "" if met is None else "met" if met else "NOT met"


def _tell(found: dict[str, Any]) -> None:
    print(f"\n{'':32}{'ours µs':>10}{'SDK µs':>11}{'times':>8}{'quartiles':>16}{'goal':>6}")
    for row in found["calls"]:
        low, high = row["quartiles"]
        goal = "" if row["goal"] is None else f"{row['goal']:.0f}"
        print(
            f"{row['name']:32}{row['ours_us']:>10.2f}{row['theirs_us']:>11.1f}{row['ratio']:>8.1f}"
            f"{f'{low}-{high}':>16}{goal:>6} {_verdict(row['met'])}"
        )
    ready, kept = found["compile"], found["memory"]
    share = kept["ours"]["live_bytes"] / kept["theirs"]["live_bytes"]
    print(
        f"\ncompile {found['datafile_bytes']:,} bytes: {ready['ours_ms']:.1f} ms, the SDK "
        f"{ready['theirs_ms']:.1f} ms, {ready['ratio']:.1f} times (goal 4) {_verdict(ready['ratio'] >= 4)}"
        f"\nmemory kept: {kept['ours']['live_bytes']:,} bytes of the SDK's "
        f"{kept['theirs']['live_bytes']:,}: {share:.2f} (goal 0.5) {_verdict(share <= 0.5)}; "
        f"peak {kept['ours']['peak_bytes']:,} of {kept['theirs']['peak_bytes']:,}\n"
    )
    for row in found["growth"]:
        print(
            f"{row['flags']:>6} flags: decide {row['decide_us']:.2f} µs, "
            f"compile {row['compile_ms']:.1f} ms (the SDK {row['sdk_compile_ms']:.0f})"
        )
    print()
    for row in found["failing_rules"]:
        print(
            f"{row['rules']:>3} rules that fail: {row['ours_us']:.2f} µs, the SDK {row['theirs_us']:,.0f}"
        )


def _plot(found: dict[str, Any]) -> str:
    rows = [
        Bar(row["name"], row["ratio"], f"{row['ratio']:.0f} times", strong=True)
        for row in found["calls"]
        if row["goal"] is not None
    ]
    rows.append(
        Bar(
            "compile 700 KB",
            found["compile"]["ratio"],
            f"{found['compile']['ratio']:.1f} times",
            strong=True,
        )
    )
    note = f"How many times faster than optimizely-sdk 5.7.0. Medians of {found['rounds']} rounds, Python {found['python']}."
    return bars("Deciding, beside the official SDK", rows, note)


if __name__ == "__main__":
    sys.exit(main())
