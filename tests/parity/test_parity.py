"""Our core beside the official SDK: the same questions, the same answers.

Fixed seeds; `make parity` draws new ones. A construct that a run never meets fails it, so that
the generator can't quietly stop to reach something.
"""

import sys

import pytest

from .breakages import BROKEN
from .broken import run_broken
from .compare import run
from .conditions import run_conditions
from .datafiles import CONSTRUCTS
from .datafiles.coverage import COMBINATIONS
from .mutants import MUTATED, run_mutants

#: Two halves, so that two cores share the work. Each meets every construct by itself.
HALVES = ("first", "second")
DATAFILES, COMPARISONS = 270, 50_000
BROKEN_DATAFILES = 8
MUTATED_DATAFILES = 60


@pytest.mark.slow
@pytest.mark.parametrize("half", HALVES)
def test_fifty_thousand_answers_are_the_official_sdks(half):
    """Every call of the SDK's API, every construct of a datafile, no difference."""
    tally = run(f"{half} half/{index}" for index in range(DATAFILES))
    tally.add(run_broken(f"{half} half, broken/{index}" for index in range(BROKEN_DATAFILES)))
    tally.add(run_conditions([f"{half} half, conditions"]))

    expected = CONSTRUCTS | BROKEN | COMBINATIONS
    never_met = sorted(expected - set(tally.seen))
    unlisted = sorted(set(tally.seen) - expected)

    sys.stdout.write(f"{tally.comparisons:,} comparisons\n")  # seen with -rP, and on failure
    for name, count in sorted(tally.seen.items()):
        sys.stdout.write(f"{count:>9,}  {name}\n")
    assert not tally.differences, "\n\n".join(map(str, tally.differences))
    assert not never_met
    assert not unlisted
    assert tally.comparisons >= COMPARISONS


@pytest.mark.slow
@pytest.mark.parametrize("half", HALVES)
def test_a_datafile_changed_at_random_never_breaks_a_decision(half):
    """Nothing is raised; and where the SDK takes the datafile too, both decide the same."""
    tally = run_mutants(f"{half} half, mutant/{index}" for index in range(MUTATED_DATAFILES))

    assert not tally.differences, "\n\n".join(map(str, tally.differences))
    assert set(tally.seen) >= MUTATED
    assert tally.seen["mutant taken by both"] > MUTATED_DATAFILES
    assert tally.seen["mutant refused by the SDK alone"] > MUTATED_DATAFILES
