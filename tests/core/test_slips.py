"""What may have been meant: keys of the same kind, of another, attributes; and what that costs."""

import json
import sys

import pytest

from bucketer.core.compile import compile_datafile
from bucketer.core.errors import UnknownEvent, UnknownExperiment, UnknownFlag
from bucketer.core.parse import parse_datafile
from bucketer.core.slips import LONGEST, MOST, nearest, unknown, unknown_attributes


@pytest.fixture
def ruleset(demonstration):
    return compile_datafile(parse_datafile(json.dumps(demonstration)))


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("Tier", "tier"),
        ("TIER", "tier"),
        ("teir", "tier"),
        ("ier", "tier"),
        ("chekout", "checkout_flow"),
        ("flow_checkout", "checkout_flow"),
        ("", None),
        ("x", None),
    ],
)
def test_the_nearest_is_found_whatever_the_case(wrong, meant):
    assert meant == nearest(wrong, ["country", "checkout_flow", "tier"])


def test_among_a_thousand_keys_a_slip_anywhere_is_recognised():
    keys = [f"{number:03}_experiment_{number:03}" for number in range(1_000)]

    for wrong in ("500_experment_500", "00_experiment_500", "500_experiment_50x"):
        assert "500_experiment_500" == nearest(wrong, keys)


def calls(work):
    """How many functions are called, and how many bytes of text are made, is counted by calls."""
    count = 0

    def note(_frame, event, _arg):
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("letter", ["a", "ab", "\u0130"])
def test_a_longer_key_costs_no_more(letter):
    keys = [letter * LONGEST + str(number) for number in range(100)]
    nearest("warm", keys)

    assert calls(lambda: nearest(letter * LONGEST, keys)) == calls(
        lambda: nearest(letter * LONGEST * 1_000, keys)
    )


def test_longer_and_more_keys_of_a_datafile_cost_no_more():
    few = [f"{'a' * LONGEST}{number}" for number in range(MOST)]
    many = [f"{'a' * LONGEST * 100}{number}" for number in range(MOST * 4)]
    nearest("warm", few)

    assert calls(lambda: nearest("ab", few)) == calls(lambda: nearest("ab", many))


@pytest.mark.parametrize(
    ("kind", "key", "hint"),
    [
        (UnknownExperiment, "search", "That is a flag (f=search)."),
        (UnknownExperiment, "purchase", "That is a conversion event (/track?ev=purchase)."),
        (UnknownFlag, "search_ranking_experiment", "That is an experiment ("),
        (UnknownEvent, "search", "That is a flag (f=search)."),
        (UnknownFlag, "Purchase", "Perhaps it is a conversion event (/track?ev=purchase)."),
        (UnknownFlag, "Search", "Did you mean 'search'?"),
        (UnknownEvent, "PURCHASE", "Did you mean 'purchase'?"),
        (UnknownExperiment, "SEARCH_ranking_experiment", "mean 'search_ranking_experiment'?"),
    ],
)
def test_a_key_of_another_kind_or_case_is_told(ruleset, kind, key, hint):
    error = unknown(ruleset, kind, key)

    assert isinstance(error, kind)
    assert hint in str(error)


def test_an_attribute_that_the_datafile_lists_or_asks_for_is_known(ruleset, demonstration):
    demonstration["attributes"] = []
    asked = compile_datafile(parse_datafile(json.dumps(demonstration)))

    assert {} == unknown_attributes(ruleset, ["tier", "$opt_user_agent"])
    assert {} == unknown_attributes(asked, ["tier"])
    assert {"teir": "tier", "zzz": None} == unknown_attributes(asked, ["teir", "tier", "zzz"])


def test_so_many_attributes_are_told_of_and_so_much_of_each(ruleset):
    told = unknown_attributes(ruleset, [str(number) * 1_000 for number in range(100, 200)])

    assert (5, LONGEST) == (len(told), max(map(len, told)))


def test_attributes_that_begin_alike_are_looked_for_once(ruleset):
    """A debug answer to ten thousand of them took as many searches, a millisecond each."""

    def names(count):
        return ["a" * LONGEST + str(number) for number in range(count)]

    unknown_attributes(ruleset, names(1))  # what conditions ask for is found out once

    more = calls(lambda: unknown_attributes(ruleset, names(1_000)))
    fewer = calls(lambda: unknown_attributes(ruleset, names(1)))
    assert more - fewer <= 2 * 1_000 + 10  # of each it is asked how it begins, twice


def test_more_conditions_cost_an_attribute_no_more(demonstration):
    def cost(conditions):
        tree = [
            {"type": "custom_attribute", "match": "exact", "name": f"a{number}", "value": 1}
            for number in range(conditions)
        ]
        demonstration["typedAudiences"][0]["conditions"] = ["or", *tree]
        ruleset = compile_datafile(parse_datafile(json.dumps(demonstration)))
        unknown_attributes(ruleset, ["warm"])  # what conditions ask for is found out once
        return calls(lambda: unknown_attributes(ruleset, ["zzz"]))

    assert cost(MOST) == cost(MOST * 3)
