"""Rounds in; medians, ratios, a table for people and a plot out."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from benchmarks.bars import Bar, bars

if TYPE_CHECKING:
    from .load import Round

#: What the issue asks for: ours over theirs.
GOALS = {"granian + SDK": 14.0, "Node http + SDK": 4.0, "nginx, constant file": 0.5}


def summary(rounds: list[Round], memory_mb: float) -> dict[str, object]:
    """Return the medians of *rounds*, and the rounds themselves."""
    return {
        "requests_per_second": round(median(each.per_second for each in rounds)),
        "p50_ms": round(median(each.p50_ms for each in rounds), 2),
        "p99_ms": round(median(each.p99_ms for each in rounds), 2),
        "cpu_us_per_request": round(median(each.cpu_us for each in rounds), 1),
        "memory_mb": round(memory_mb),
        "rounds": [round(each.per_second) for each in rounds],
    }


def ratios(rounds_of: dict[str, list[Round]]) -> list[dict[str, object]]:
    """Return ours over each other one's, by the same treatment of events.

    The ratio is the median of the ratios of the rounds: what disturbs the machine for a while
    disturbs both of a round's numbers.
    """
    found = []
    for events in ("off", "on"):
        ours = rounds_of.get(f"bucketer, events {events}")
        for name, goal in GOALS.items():
            theirs = rounds_of.get(f"{name}, events {events}") or rounds_of.get(name)
            if ours is None or theirs is None:
                continue
            ratio = median(a.per_second / b.per_second for a, b in zip(ours, theirs, strict=True))
            found.append({"events": events, "over": name, "ratio": round(ratio, 2), "goal": goal})
    return found


def table(results: dict[str, dict[str, object]]) -> str:
    """Return *results* as a table, the fastest first."""
    lines = [f"{'':32}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'RSS MB':>9}"]
    order = sorted(results, key=lambda key: -float(str(results[key]["requests_per_second"])))
    lines += [
        f"{key:32}{row['requests_per_second']:>12,}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}"
        f"{row['cpu_us_per_request']:>9.1f}{row['memory_mb']:>9}"
        for key, row in ((key, results[key]) for key in order)
    ]
    return "\n".join(lines)


def ratio_lines(found: list[dict[str, object]]) -> str:
    """Return *found* as sentences."""
    return "\n".join(
        f"  events {row['events']:3}  {row['ratio']:>6.2f} times {row['over']}"
        f"  (the goal: {row['goal']})"
        for row in found
    )


def plot(results: dict[str, dict[str, object]], title: str, note: str) -> str:
    """Return *results* as an SVG with one bar each."""
    order = sorted(results, key=lambda key: -float(str(results[key]["requests_per_second"])))
    rows = [
        Bar(
            key,
            float(str(results[key]["requests_per_second"])),
            f"{results[key]['requests_per_second']:,}",
            strong=key.startswith("bucketer"),
        )
        for key in order
    ]
    return bars(title, rows, note)
