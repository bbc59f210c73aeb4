"""Compare servers by requests per second on one core, in one interleaved run."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from . import report
from .contestants import DAYS, Contestant, Missing, contestants, default_python, python_version
from .load import CONNECTIONS, Round, run_load

ROOT = Path(__file__).parents[2]
_CHECKED_USERS = 300
_SERVER_CORE, _LOAD_CORE, _BOTH = "0", "1", "0,1"


def main(argv: list[str] | None = None) -> int:
    """Run the comparison. Exit status: 0 done, 2 something is missing, and it says what."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.requests", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument(
        "--seconds", type=int, default=4, help="of each round (default: %(default)s)"
    )
    parser.add_argument("--workers", default="1,2", help="counts of workers (default: %(default)s)")
    parser.add_argument("--only", help="contestants whose names contain this, and nginx")
    parser.add_argument("--python", default=default_python(), help="of the servers in Python")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--plots", type=Path, help="write SVGs into this directory, such as docs/")
    args = parser.parse_args(argv)
    directory = Path(tempfile.mkdtemp(prefix="bucketer-bench-"))
    directory.chmod(0o755)  # nginx's workers aren't root
    try:
        return _run(args, directory)
    except Missing as missing:
        print(f"benchmarks.requests: {missing}", file=sys.stderr)
        return 2
    finally:
        shutil.rmtree(directory)


def _run(args: argparse.Namespace, directory: Path) -> int:
    datafile = _datafile(directory)
    facts = {
        "python": python_version(args.python),
        "cores": os.cpu_count(),
        "connections": CONNECTIONS,
        "rounds": args.rounds,
        "seconds": args.seconds,
    }
    print("  ".join(f"{name} {value}" for name, value in facts.items()))
    everything: dict[str, object] = {"facts": facts}
    for workers in map(int, args.workers.split(",")):
        chosen = [
            each
            for each in contestants(_fresh(directory, workers), datafile, args.python)
            if args.only is None or args.only in each.key or not each.decides
        ]
        results, found = _compare(chosen, directory, workers, args)
        everything[f"workers_{workers}"] = {"results": results, "ratios": found}
        print(f"\n{workers} worker{'s' * (workers > 1)}\n{report.table(results)}\n")
        print(report.ratio_lines(found))
        if args.plots:
            where = "on one core" if workers == 1 else "on two cores, shared with the load"
            title = f"GET /bucketer per second, {workers} worker{'s' * (workers > 1)} {where}"
            note = (
                f"wrk, {CONNECTIONS} connections, medians of {args.rounds} interleaved rounds of "
                f"{args.seconds} s; Python {facts['python']}"
            )
            svg = report.plot(results, title, note)
            (args.plots / f"requests-{workers}.svg").write_text(svg, encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    return 0


def _compare(
    chosen: list[Contestant], directory: Path, workers: int, args: argparse.Namespace
) -> tuple[dict[str, dict[str, object]], list[dict[str, object]]]:
    """Start all, check their answers, load one after the other, round after round."""
    server_cores, load_cores = (_SERVER_CORE, _LOAD_CORE) if workers == 1 else (_BOTH, _BOTH)
    rounds: dict[str, list[Round]] = {each.key: [] for each in chosen}
    try:
        for each in chosen:
            for name, value in each.environ.items():  # nginx is started first, and takes events
                each.environ[name] = value.replace("{nginx}", str(chosen[0].port))
            each.start(server_cores, workers)
        _check_answers([each for each in chosen if each.decides])
        for number in range(args.rounds):
            for each in chosen:
                first = number * 10_000_000
                rounds[each.key].append(run_load(each, directory, load_cores, args.seconds, first))
                print(".", end="", flush=True, file=sys.stderr)
        print(file=sys.stderr)
        results = {each.key: report.summary(rounds[each.key], each.memory_mb()) for each in chosen}
    finally:
        for each in chosen:
            each.stop()
    return results, report.ratios(rounds)


def _check_answers(deciding: list[Contestant]) -> None:
    """Compare what they answer, user by user, with the official Python SDK in this process.

    Raises:
        AssertionError: somebody decides otherwise, so its speed means nothing.
    """
    from optimizely.logger import NoOpLogger
    from optimizely.optimizely import Optimizely

    client = Optimizely(datafile_text(), logger=NoOpLogger())
    seen = set()
    for number in range(_CHECKED_USERS):
        user = f"user{number}"
        attributes = {"tier": "platinum", "member_since_days": number % DAYS}
        expected = {
            "variation": client.get_variation("checkout_flow_experiment", user, attributes),
            "user": user,
            "experiment": "checkout_flow_experiment",
        }
        seen.add(expected["variation"])
        for each in deciding:
            assert each.ask(number) == expected, (each.key, user, expected)
    assert len(seen) > 1, "every user got the same variation: that proves little"
    client.close()
    print(f"{_CHECKED_USERS} answers of each agree with optimizely-sdk in process")


def datafile_text() -> str:
    """The demonstration, as if it were somebody's: events of the demonstration are never kept."""
    text = (ROOT / "src/bucketer/demo/datafile.json").read_text(encoding="utf-8")
    return json.dumps(json.loads(text) | {"accountId": "81234567890", "projectId": "11234567890"})


def _datafile(directory: Path) -> Path:
    path = directory / "datafile.json"
    path.write_text(datafile_text(), encoding="utf-8")
    return path


def _fresh(directory: Path, workers: int) -> Path:
    path = directory / f"workers{workers}"
    path.mkdir()
    return path


if __name__ == "__main__":
    sys.exit(main())
