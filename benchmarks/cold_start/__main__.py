"""Print and write the cold start table: python -m benchmarks.cold_start [--rounds N] [--python 3.13].

Rounds are interleaved: each starts every contestant once, so that a busy machine is busy for all.
Writes docs/benchmarks/cold_start.json and docs/benchmarks/cold_start.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable
from operator import sub, truediv
from pathlib import Path
from statistics import median

from benchmarks.bars import Bar, bars
from benchmarks.cold_start.bucket import Bucket
from benchmarks.cold_start.measure import (
    Contestant,
    cold,
    count_modules,
    event_of,
    handler_us,
    init_cpu_ms,
    settle,
    thawed,
    warm,
)
from benchmarks.cold_start.tasks import (
    byte_compile,
    empty_task,
    empty_task_with_extension,
    our_task,
    sdk_task,
    small_datafile,
)
from benchmarks.engine.projects import project
from tests.fakes.collector import Collector
from tests.lab.prepare import find_python, prepare

_DOCS = Path(__file__).parents[2] / "docs" / "benchmarks"
_SMALL = event_of("checkout_flow_experiment", "tier:%22platinum%22,member_since_days:56", "user-3")
_GOALS = (
    ("ours, small datafile", "empty handler", 1.3),
    ("ours, small datafile", "optimizely-sdk, small datafile", 0.3),
    ("ours, 700 KB datafile", "optimizely-sdk, 700 KB datafile", 0.35),
)
#: Warm invocations in a row.
_CALLS = 5
_WARM = (
    ("ours, small datafile", "empty handler"),
    ("ours, events off", "empty handler"),
    ("empty handler, with an extension", "empty handler"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--python", default="3.13")
    parser.add_argument("--warm-rounds", type=int, default=80)
    args = parser.parse_args()
    collector = Collector(keep_payloads=False)
    with tempfile.TemporaryDirectory(prefix="bucketer-cold-") as folder:
        report = run(args, Path(folder), {"BUCKETER_EVENTS_ENDPOINT": collector.url})
    collector.close()
    _DOCS.mkdir(parents=True, exist_ok=True)
    (_DOCS / "cold_start.json").write_text(json.dumps(report, indent=2) + "\n")
    (_DOCS / "cold_start.svg").write_text(plot(report))
    print(table(report))


def run(args: argparse.Namespace, folder: Path, delivering: dict[str, str]) -> dict:
    lab = prepare(args.python)
    # AWS's runtime client too: whose bytecode is older than its copy is compiled at each start.
    byte_compile(lab, lab.runtime)
    interpreter = find_python(args.python)
    big = project(200)
    small = small_datafile()
    key, attributes = big_question(big)
    big_event = event_of(key, attributes, "user-3")
    bucket = Bucket(json.dumps(small).encode(), folder)
    s3 = {
        "BUCKETER_DATAFILE": "s3://bench/datafile.json packaged",
        "AWS_ENDPOINT_URL_S3": bucket.url,
        "AWS_CA_BUNDLE": str(bucket.ca_file),
        **delivering,
    }
    ours, ours_bytes = our_task(lab, folder / "ours", small)
    ours_big, _ = our_task(lab, folder / "ours-big", big)
    sdk, sdk_bytes = sdk_task(lab, folder / "sdk", small, interpreter)
    sdk_big, _ = sdk_task(lab, folder / "sdk-big", big, interpreter)
    contestants = [
        Contestant("empty handler", empty_task(lab, folder / "empty"), _SMALL),
        Contestant(
            "empty handler, with an extension",
            empty_task_with_extension(lab, folder / "empty-extension"),
            _SMALL,
        ),
        Contestant("ours, small datafile", ours, _SMALL, delivering, ours_bytes),
        Contestant("ours, events off", ours, _SMALL, {"BUCKETER_EVENTS": "off"}, ours_bytes),
        Contestant("ours, S3 behind the answer", ours, _SMALL, s3, ours_bytes),
        Contestant(
            "ours, S3 before the answer", ours, _SMALL, {**s3, "BUCKETER_COLD_START": "fetch"}
        ),
        Contestant("ours, 700 KB datafile", ours_big, big_event, delivering, ours_bytes),
        Contestant("optimizely-sdk, small datafile", sdk, _SMALL, {}, sdk_bytes),
        Contestant("optimizely-sdk, 700 KB datafile", sdk_big, big_event, {}, sdk_bytes),
    ]
    for number in range(args.rounds + 1):
        for contestant in contestants:
            cold(lab, contestant)
            settle()
        if number == 0:  # the first round fills the file cache
            for contestant in contestants:
                contestant.cold_ms.clear()
                contestant.held_ms.clear()
                contestant.cpu_ms.clear()
                contestant.rss_mb.clear()
        print(f"round {number} of {args.rounds}", flush=True)
    for contestant in contestants:
        contestant.modules = count_modules(lab, contestant)
    warmed = [each for each in contestants if each.name != "ours, S3 before the answer"]
    small_ones = [each for each in warmed if each.event is _SMALL and "sdk" not in each.name]
    # In Lambda each has a machine to itself; here they share caches, so few run at a time.
    for together in (small_ones, [each for each in warmed if each not in small_ones]):
        warm(lab, together, args.warm_rounds, _CALLS)
        thawed(lab, together, args.warm_rounds, _CALLS)
    handlers = {each.name: handler_us(lab, each) for each in (contestants[0], contestants[2])}
    by_name = {each.name: each for each in contestants}
    waiting = by_name["ours, S3 before the answer"]
    own_ms = init_cpu_ms(lab, waiting) - init_cpu_ms(lab, by_name["ours, small datafile"])
    bucket.close()
    return {
        "python": args.python,
        "rounds": args.rounds,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
        "datafile_bytes": {"small": len(json.dumps(small)), "large": len(json.dumps(big))},
        "rows": [row(each) for each in contestants],
        "goals": [goal(contestants, *each) for each in _GOALS],
        "handler_alone_us": {name: round(value, 1) for name, value in handlers.items()},
        "warm_delta_ms": {
            f"{one} over {other}": delta(contestants, one, other) for one, other in _WARM
        },
        "warm_s3_over_packaged": over(contestants),
        "s3_before_the_answer_own_cpu_ms": round(own_ms, 1),
    }


def big_question(datafile: dict) -> tuple[str, str]:
    """Return an experiment without an audience that has room for everybody we ask about."""
    for each in datafile["experiments"]:
        if not each["audienceIds"]:
            return each["key"], "tier:%22gold%22,member_since_days:56"
    raise AssertionError("the project has no experiment for everybody")


def row(contestant: Contestant) -> dict:
    return {
        "name": contestant.name,
        "cold_ms": round(median(contestant.cold_ms), 1),
        "held_ms": round(median(contestant.held_ms), 1),
        "cold_ms_best": round(min(contestant.cold_ms), 1),
        "cpu_ms": round(median(contestant.cpu_ms), 1),
        "rss_mb": round(median(contestant.rss_mb), 1),
        "modules": contestant.modules,
        "zip_bytes": contestant.zip_bytes,
        "warm_ms": round(median(contestant.warm_ms), 3) if contestant.warm_ms else None,
        "thawed_ms": round(median(contestant.thawed_ms), 3) if contestant.thawed_ms else None,
    }


def goal(contestants: list[Contestant], ours: str, theirs: str, bound: float) -> dict:
    by_name = {each.name: each for each in contestants}
    one, other = by_name[ours], by_name[theirs]
    ratio = median(one.cold_ms) / median(other.cold_ms)
    # Round by round: what slows the machine for a while slows both.
    paired = median(a / b for a, b in zip(one.cold_ms, other.cold_ms, strict=True))
    return {
        "ours": ours,
        "against": theirs,
        "ratio": round(ratio, 3),
        "ratio_round_by_round": round(paired, 3),
        "goal": bound,
        "met": ratio <= bound,
    }


def delta(contestants: list[Contestant], one: str, other: str) -> dict[str, float]:
    by_name = {each.name: each for each in contestants}
    ours, theirs = by_name[one], by_name[other]
    return {
        "emulator": round(_round_by_round(ours.warm_ms, theirs.warm_ms, sub), 3),
        "thawed": round(_round_by_round(ours.thawed_ms, theirs.thawed_ms, sub), 3),
    }


def over(contestants: list[Contestant]) -> float:
    by_name = {each.name: each for each in contestants}
    s3, packaged = by_name["ours, S3 behind the answer"], by_name["ours, small datafile"]
    return round(_round_by_round(s3.thawed_ms, packaged.thawed_ms, truediv) - 1, 4)


def _round_by_round(
    ours: list[float], theirs: list[float], compare: Callable[[float, float], float]
) -> float:
    """Compare the medians of each round: what slows the machine for a while slows both."""
    return median(
        compare(median(ours[at : at + _CALLS]), median(theirs[at : at + _CALLS]))
        for at in range(0, len(ours), _CALLS)
    )


def table(report: dict) -> str:
    lines = [
        f"Python {report['python']}, {report['rounds']} rounds, {report['machine']}",
        f"{'':34} {'cold ms':>8} {'held':>7} {'best':>7} {'cpu ms':>7} {'RSS MB':>7} {'modules':>8} {'zip':>10} {'warm ms':>8} {'thawed':>7}",
    ]
    for each in report["rows"]:
        zipped = f"{each['zip_bytes']:,}" if each["zip_bytes"] else ""
        warmed = each["warm_ms"] or ""
        thawed_ = each["thawed_ms"] or ""
        lines.append(
            f"{each['name']:34} {each['cold_ms']:8} {each['held_ms']:7} {each['cold_ms_best']:7} {each['cpu_ms']:7} "
            f"{each['rss_mb']:7} {each['modules']:8} {zipped:>10} {warmed:>8} {thawed_:>7}"
        )
    for each in report["goals"]:
        mark = "met" if each["met"] else "MISSED"
        lines.append(
            f"{each['ours']} / {each['against']}: {each['ratio']} "
            f"(round by round {each['ratio_round_by_round']}), goal {each['goal']}: {mark}"
        )
    for name, value in report["warm_delta_ms"].items():
        both = f"{value['emulator']} ms in the emulator, {value['thawed']} ms thawed"
        lines.append(f"warm, {name}: {both}; goal 0.1")
    lines.append(f"handler alone, us: {report['handler_alone_us']}")
    lines.append(f"warm, S3 over packaged: {report['warm_s3_over_packaged']:.2%}, goal 2 %")
    own_ms = report["s3_before_the_answer_own_cpu_ms"]
    lines.append(
        f"S3 before the answer, processor time of our own (TLS included): {own_ms} ms, goal 20"
    )
    return "\n".join(lines)


def plot(report: dict) -> str:
    rows = [
        Bar(
            each["name"],
            each["cold_ms"],
            f"{each['cold_ms']} ms",
            strong=each["name"].startswith("ours"),
        )
        for each in report["rows"]
    ]
    note = f"AWS's emulator, Python {report['python']}, median of {report['rounds']} interleaved rounds"
    return bars("Start of the process to the first answer", rows, note)


if __name__ == "__main__":
    main()
