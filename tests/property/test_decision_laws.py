"""Laws of a decision: it depends on nothing but its input, and explaining doesn't change it."""

import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity.datafiles import generate

from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide, decide_all
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User
from bucketer.verify.visitors import attributes, knowing_visitor, user_id
from bucketer.verify.vocabulary import Vocabulary

SEEDS = st.integers(0, 10**6)


def told(decision):
    """All of a decision that can be seen."""
    sent = [
        tuple(getattr(each, name) for name in type(each).__slots__ if name != "rendered")
        for each in decision.impressions
    ]
    return repr(
        (
            decision.variation_key,
            decision.enabled,
            sorted(decision.variables.items()),
            decision.rule_key,
            decision.source,
            decision.bucketed,
            decision.error,
            sent,
        )
    )


def compiled(seed):
    datafile = generate(f"laws/{seed}").datafile
    return compile_datafile(parse_datafile(json.dumps(datafile))), Vocabulary(datafile)


@settings(max_examples=60)
@given(SEEDS)
def test_the_order_of_attributes_does_not_matter(seed):
    ruleset, vocabulary = compiled(seed)
    rng = Random(seed)
    who, facts = user_id(rng, vocabulary), attributes(rng, vocabulary)
    predictions = dict.fromkeys(vocabulary.bandits)
    shuffled = list(facts.items())
    rng.shuffle(shuffled)
    one = User(who, facts, predictions=predictions)
    other = User(who, dict(shuffled), predictions=predictions)

    for key, decision in decide_all(ruleset, one).items():
        assert told(decision) == told(decide(ruleset, key, other))


@settings(max_examples=60)
@given(SEEDS)
def test_an_explained_decision_is_the_same_decision(seed):
    ruleset, vocabulary = compiled(seed)
    user = knowing_visitor(Random(seed), vocabulary)

    for key in ruleset.flags:
        trace = []
        explained = decide(ruleset, key, user, frozenset(), trace)

        assert trace
        assert all(reason.message for reason in trace)
        assert told(decide(ruleset, key, user)) == told(explained)
    for key in ruleset.experiments:
        trace = []
        explained = activate(ruleset, key, user, trace)

        assert told(activate(ruleset, key, user)) == told(explained)


@settings(max_examples=60)
@given(SEEDS)
def test_a_decision_is_the_same_every_time_and_after_any_other(seed):
    """Rulesets remember what they have spelled out; it must not show."""
    ruleset, vocabulary = compiled(seed)
    rng = Random(seed)
    users = [knowing_visitor(rng, vocabulary) for _ in range(4)]
    first = [[told(decide(ruleset, key, user)) for key in ruleset.flags] for user in users]
    fresh, _ = compiled(seed)

    for user, answers in reversed(list(zip(users, first, strict=True))):
        assert answers == [told(decide(fresh, key, user)) for key in fresh.flags]
        assert answers == [told(decide(ruleset, key, user)) for key in ruleset.flags]
