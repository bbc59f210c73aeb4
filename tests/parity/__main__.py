"""make parity: two million comparisons with new seeds, on every core, with a progress bar.

    python -m tests.parity [--comparisons N] [--seed S] [--jobs J]   a whole run
    python -m tests.parity --only "S/17" [--write FILE]              one datafile again

A run is reproducible: the same seed gives the same datafiles, visitors and questions.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from .breakages import BROKEN
from .broken import run_broken
from .compare import Tally, run
from .conditions import run_conditions
from .datafiles import CONSTRUCTS, generate
from .datafiles.coverage import COMBINATIONS
from .mutants import MUTATED, run_mutants

DATAFILES_PER_TASK = 25
#: One datafile in so many is also broken in half of the ways, and changed at random.
BROKEN_SHARE, MUTATED_SHARE = 12, 5
BAR = 40
#: Told one by one; the combinations only where one is missing.
CONSTRUCTS_OF_A_RUN = CONSTRUCTS | BROKEN | MUTATED
EVERYTHING = CONSTRUCTS_OF_A_RUN | COMBINATIONS


def task(seed: str, number: int) -> Tally:
    """One process's share: some datafiles, some of them broken too."""
    indices = range(number * DATAFILES_PER_TASK, (number + 1) * DATAFILES_PER_TASK)
    tally = run(f"{seed}/{index}" for index in indices)
    tally.add(run_broken(f"{seed}/{index}" for index in indices if index % BROKEN_SHARE == 0))
    tally.add(run_mutants(f"{seed}/{index}" for index in indices if index % MUTATED_SHARE == 0))
    tally.add(run_conditions([f"{seed}/{number}"]))
    return tally


def run_all(seed: str, comparisons: int, jobs: int) -> Tally:
    """Hand out tasks until *comparisons* answers have been compared."""
    total = Tally()
    started = time.monotonic()
    with ProcessPoolExecutor(jobs) as pool:
        numbers = itertools.count()
        waiting: set[Future[Tally]] = set()
        while total.comparisons < comparisons or waiting:
            while len(waiting) < jobs + 1 and total.comparisons < comparisons:
                waiting.add(pool.submit(task, seed, next(numbers)))
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for each in done:
                tally = each.result()
                if tally.differences and not total.differences:  # no need to wait for the end
                    sys.stderr.write(f"\n{tally.differences[0]}\n")
                total.add(tally)
            show_progress(total, comparisons, time.monotonic() - started)
    sys.stderr.write("\n")
    return total


def show_progress(total: Tally, wanted: int, elapsed_s: float) -> None:
    """One line that is written over."""
    share = min(total.comparisons / wanted, 1.0)
    bar = ("#" * round(share * BAR)).ljust(BAR, ".")
    rate = total.comparisons / elapsed_s if elapsed_s else 0
    sys.stderr.write(
        f"\r[{bar}] {total.comparisons:>9,} of {wanted:,}  {rate:,.0f}/s  "
        f"{total.differing:,} differences "
    )
    sys.stderr.flush()


def report(total: Tally, seed: str) -> Iterator[str]:
    """What the run has come to, line by line."""
    for difference in total.differences:
        yield f"{difference}\n"
    yield "Constructs met:"
    names = sorted((CONSTRUCTS_OF_A_RUN | set(total.seen)) - COMBINATIONS)
    for name in names:
        yield f"{total.seen[name]:>11,}  {name}"
    never = sorted(EVERYTHING - set(total.seen))
    if never:
        yield f"NEVER MET: {', '.join(never)}"
    yield (
        f"{total.comparisons:,} comparisons, {total.differing:,} differences, "
        f"{len(EVERYTHING) - len(never)} of {len(EVERYTHING)} constructs met "
        f"(combinations of match and values among them); seed {seed}"
    )
    if total.differences:
        again = total.differences[0].seed.split(",")[0]
        yield f"The first one again: python -m tests.parity --only {again!r} --write datafile.json"


def main() -> int:
    """Exit status: 0 all equal and every construct met, 1 not so."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--comparisons", type=int, default=2_000_000)
    parser.add_argument("--seed", default=None, help="default: a new one, printed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", help="compare on one datafile, by its seed")
    parser.add_argument("--write", type=Path, help="with --only: write the datafile here")
    arguments = parser.parse_args()
    if arguments.only is not None:
        return once(arguments.only, arguments.write)
    seed = arguments.seed or str(secrets.randbelow(10**9))
    sys.stdout.write(f"Seed {seed}, {arguments.jobs} processes\n")
    sys.stdout.flush()
    total = run_all(seed, arguments.comparisons, arguments.jobs)
    sys.stdout.write("\n".join(report(total, seed)) + "\n")
    return 1 if total.differing or EVERYTHING - set(total.seen) else 0


def once(seed: str, write: Path | None) -> int:
    """Compare on one datafile and show its differences."""
    if write is not None:
        write.write_text(json.dumps(generate(seed).datafile, indent=1), encoding="utf-8")
    tally = run([seed])
    tally.add(run_broken([seed, seed]))
    tally.add(run_mutants([seed]))
    for difference in tally.differences:
        sys.stdout.write(f"{difference}\n\n")
    sys.stdout.write(f"{tally.comparisons:,} comparisons, {tally.differing:,} differences\n")
    return 1 if tally.differing else 0


if __name__ == "__main__":
    sys.exit(main())
