"""Expected shares: what the traffic lines say, and what ten thousand users come to."""

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.datafiles import a_datafile
from tests.parity.datafiles import generate

from bucketer.api.console.split import arm_of
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide
from bucketer.core.parse import parse_datafile
from bucketer.core.shares import NOTHING, expected_of_experiment, expected_of_flag
from bucketer.core.user import User
from bucketer.verify.visitors import attributes
from bucketer.verify.vocabulary import Vocabulary


def compiled(document):
    return compile_datafile(parse_datafile(json.dumps(document)))


def shares_of(kind, key, facts, document=None):
    ruleset = compiled(document or a_datafile())
    if kind == "flag":
        return expected_of_flag(ruleset, ruleset.flags[key], User("", facts))
    return expected_of_experiment(ruleset, ruleset.experiments[key], User("", facts))


def told(shares):
    return {(arm[1], arm[2]): round(share, 4) for arm, share in shares.items()}


def test_an_experiment_is_shared_out_by_its_line():
    facts = {"tier": "gold", "member_since_days": 56}

    shares = shares_of("experiment", "checkout_flow_experiment", facts)

    key = "checkout_flow_experiment"
    assert {
        (key, "current_checkout"): 0.3333, (key, "two_step_checkout"): 0.3333, (key, "one_step_checkout"): 0.3334,
    } == told(shares)  # fmt: skip


def test_whom_the_audience_keeps_out_gets_nothing():
    assert {NOTHING: 1.0} == shares_of("experiment", "checkout_flow_experiment", {"tier": "tin"})


def test_experiments_of_one_group_find_the_same_user_in_the_same_place():
    """Half are the one's, and the other half all are the other's: not half of that half."""
    shares = told(shares_of("flag", "search", {"app_version": "2.2"}))

    held = 0.02
    assert {
        ("holdout_2026", "off"): held,
        **{
            ("search_ranking_experiment", v): round(0.98 / 4, 4)
            for v in ("by_popularity", "by_margin")
        },
        **{
            ("search_synonyms_experiment", v): round(0.98 / 4, 4)
            for v in ("without_synonyms", "with_synonyms")
        },
    } == shares


def test_whom_a_rule_misses_falls_to_everyone_else():
    shares = told(shares_of("flag", "free_shipping", {"country": "DE"}))

    assert {
        ("holdout_2026", "off"): 0.02,
        ("free_shipping_dach", "on"): 0.49,
        ("default-rollout-10000000703", "off"): 0.49,
    } == shares


@pytest.mark.parametrize("kind", ["flag", "experiment"])
def test_nobody_knows_where_the_user_brings_a_bucketing_id(kind):
    key = "search" if kind == "flag" else "checkout_flow_experiment"

    assert shares_of(kind, key, {"$opt_bucketing_id": "x"}) is None


COUNT = 3_000


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_what_a_crowd_comes_to_is_near_what_is_expected(seed):
    """Within six standard deviations, of whatever datafile."""
    datafile = generate(f"shares/{seed}").datafile
    ruleset, vocabulary = compiled(datafile), Vocabulary(datafile)
    facts = attributes(Random(seed), vocabulary)
    facts.pop("$opt_bucketing_id", None)
    crowd = [User(f"somebody-{number}", facts) for number in range(COUNT)]

    for key, flag in ruleset.flags.items():
        if key:
            compare(
                expected_of_flag(ruleset, flag, crowd[0]),
                lambda user, key=key: decide(ruleset, key, user),
                crowd,
            )
    for key, experiment in ruleset.experiments.items():
        if key:
            expected = expected_of_experiment(ruleset, experiment, crowd[0])
            compare(expected, lambda user, key=key: activate(ruleset, key, user), crowd)


def compare(expected, ask, crowd):
    if expected is None:
        return
    assert abs(sum(expected.values()) - 1) < 1e-9
    counts = Counter(arm_of(ask(user)) for user in crowd)
    for arm in {*counts, *expected}:
        share = expected.get(arm, 0.0)
        spread = 6 * (COUNT * share * (1 - share)) ** 0.5
        assert abs(counts[arm] - COUNT * share) <= spread + 1e-6, (arm, counts, expected)


def test_nothing_is_promised_where_two_lines_hash_a_user_to_one_place():
    document = a_datafile()
    [group] = document["groups"]
    first, _ = group["experiments"]
    first["id"] = group["trafficAllocation"][0]["entityId"] = group["id"]
    [flag] = [each for each in document["featureFlags"] if each["key"] == "search"]
    flag["experimentIds"][0] = group["id"]

    assert shares_of("experiment", first["key"], {}, document) is None
    assert shares_of("flag", "search", {}, document) is None
    assert shares_of("flag", "free_shipping", {}, document) is not None


def test_of_two_variations_with_one_key_the_key_leads_to_one():
    """`activate` gives the last of them, with its switch, whichever the line leads to."""
    document = a_datafile()
    [experiment] = document["experiments"]
    one, two, _ = experiment["variations"]
    two |= {"key": one["key"], "featureEnabled": False}
    facts = {"tier": "gold", "member_since_days": 56}

    shares = shares_of("experiment", experiment["key"], facts, document)

    of_key = {arm[3] for arm in shares if arm[2] == one["key"]}
    assert {False} == of_key
