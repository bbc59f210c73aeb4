"""The decide options, and what only a caller in the same process can ask for."""

from pathlib import Path

import pytest

from bucketer import demo
from bucketer.core import decide as core
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.compile import compile_datafile
from bucketer.core.errors import UnknownExperiment, UnknownFlag, UnknownVariable
from bucketer.core.flags import (
    get_all_feature_variables,
    get_enabled_features,
    get_feature_variable,
    is_feature_enabled,
)
from bucketer.core.parse import parse_datafile
from bucketer.core.user import Prediction, User

RULESET = compile_datafile(parse_datafile(Path(demo.PATH).read_bytes()))
HERS = {"tier": "platinum", "member_since_days": 56}
HER = User("cooper34523569", HERS)


def bandit():
    """A ruleset whose one experiment asks a contextual bandit."""
    datafile = parse_datafile(Path(demo.PATH).read_bytes())
    experiment = datafile["experiments"][0]
    first = datafile["attributes"][0]
    experiment["cmab"] = {"attributeIds": [first["id"], "404"], "trafficAllocation": 10_000}
    experiment["forcedVariations"] = {}
    return compile_datafile(datafile), experiment, first["key"]


def test_an_unknown_experiment_is_answered_with_the_nearest_key():
    with pytest.raises(UnknownExperiment) as unknown:
        core.activate(RULESET, "checkout_flow_experimnt", HER)

    assert unknown.value.suggestion == "checkout_flow_experiment"


def test_an_unknown_flag_far_from_every_key_gets_no_suggestion():
    with pytest.raises(UnknownFlag) as unknown:
        core.decide(RULESET, "zzzz", HER)

    assert unknown.value.suggestion is None


def test_a_repeated_decision_is_the_same_object():
    assert core.decide(RULESET, "checkout_flow", HER) is core.decide(RULESET, "checkout_flow", HER)


def test_copies_remember_what_they_are_copies_of():
    silent = core.decide(RULESET, "checkout_flow", HER, {core.DISABLE_DECISION_EVENT})

    assert silent.impressions == ()
    assert silent.base is core.decide(RULESET, "checkout_flow", HER).base


def test_without_variables_the_answer_reads_differently_and_is_nobodys_copy():
    bare = core.decide(RULESET, "checkout_flow", HER, {core.EXCLUDE_VARIABLES})

    assert bare.variables == {}
    assert bare.base is not core.decide(RULESET, "checkout_flow", HER).base


def test_enabled_flags_only_shows_less_but_decides_all():
    options = {core.ENABLED_FLAGS_ONLY}

    decided = core.decide_all(RULESET, HER, options)

    assert list(decided) == list(RULESET.flag_order)
    assert list(core.shown(decided, options)) == [key for key, d in decided.items() if d.enabled]
    assert core.shown(decided, ()) is decided


def test_unknown_and_repeated_keys_are_decided_once_or_not_at_all():
    decided = core.decide_for_keys(RULESET, ["search", "nope", "search"], HER)

    assert list(decided) == ["search"]


def test_a_forced_decision_beats_everything_for_its_flag():
    user = User("anyone", forced_decisions={("checkout_flow", None): "one_step_checkout"})

    decision = core.decide(RULESET, "checkout_flow", user)

    assert (decision.variation_key, decision.rule_key) == ("one_step_checkout", None)
    assert [each.experiment_id for each in decision.impressions] == [""]


def test_a_forced_decision_for_an_unknown_variation_is_ignored():
    user = User(HER.id, HERS, forced_decisions={("checkout_flow", None): "nope"})

    assert (
        core.decide(RULESET, "checkout_flow", user).base
        is core.decide(RULESET, "checkout_flow", HER).base
    )


def test_a_profile_keeps_her_where_she_was_and_asks_to_remember_what_is_new():
    experiment = RULESET.experiments["checkout_flow_experiment"]
    stored = next(iter(experiment.by_id.values()))

    fresh = core.activate(RULESET, experiment.key, User(HER.id, HERS, profile={}))
    kept = core.activate(RULESET, experiment.key, User("x", profile={experiment.id: stored.id}))

    assert fresh.bucketed == (experiment.id, experiment.by_key["one_step_checkout"].id)
    assert (kept.variation_key, kept.bucketed) == (stored.key, None)


def test_ignoring_profiles_neither_reads_nor_asks_to_write():
    user = User(HER.id, HERS, profile={})

    decision = core.decide(RULESET, "checkout_flow", user, {core.IGNORE_USER_PROFILE_SERVICE})

    assert decision.bucketed is None


def test_a_bandit_says_what_it_needs_to_know():
    ruleset, experiment, key = bandit()

    with pytest.raises(PredictionNeeded) as needed:
        core.activate(ruleset, experiment["key"], HER)

    assert (needed.value.rule_id, needed.value.user_id) == (experiment["id"], HER.id)
    assert needed.value.attributes == [
        (experiment["cmab"]["attributeIds"][0], HERS[key]),
    ]


def test_a_bandits_choice_carries_its_uuid_into_the_impression_of_a_flag_only():
    ruleset, experiment, _ = bandit()
    chosen = experiment["variations"][0]
    user = HER.knowing(predictions={experiment["id"]: Prediction(chosen["id"], "the-uuid")})

    flag = next(
        f for f in ruleset.flags.values() if any(r.id == experiment["id"] for r in f.experiments)
    )
    decided = core.decide(ruleset, flag.key, user)
    activated = core.activate(ruleset, experiment["key"], user)

    assert decided.variation_key == activated.variation_key == chosen["key"]
    assert [each.cmab_uuid for each in decided.impressions] == ["the-uuid"]
    assert [each.cmab_uuid for each in activated.impressions] == [None]


def test_a_bandit_that_failed_ends_the_decision_without_an_impression():
    ruleset, experiment, _ = bandit()
    user = HER.knowing(predictions={experiment["id"]: None})

    flag = next(
        f for f in ruleset.flags.values() if any(r.id == experiment["id"] for r in f.experiments)
    )
    decision = core.decide(ruleset, flag.key, user)

    assert (decision.variation_key, decision.impressions, decision.variables) == (None, (), {})
    assert experiment["key"] in (decision.error or "")
    assert core.activate(ruleset, experiment["key"], user).variation_key is None


def test_the_older_questions_agree_with_decide():
    decision = core.decide(RULESET, "checkout_flow", HER)

    assert is_feature_enabled(RULESET, "checkout_flow", HER).enabled is decision.enabled
    asked = get_all_feature_variables(RULESET, "checkout_flow", HER)
    assert (asked.variables, asked.impressions) == (decision.variables, ())
    assert get_enabled_features(RULESET, HER)["checkout_flow"].enabled is decision.enabled


def test_a_variable_asked_by_the_wrong_type_is_nothing():
    assert get_feature_variable(RULESET, "checkout_flow", "steps", HER)[0] == 1
    assert get_feature_variable(RULESET, "checkout_flow", "steps", HER, "integer")[0] == 1
    assert get_feature_variable(RULESET, "checkout_flow", "steps", HER, "string") == (None, None)


def test_an_unknown_variable_is_answered_with_the_nearest_key():
    with pytest.raises(UnknownVariable) as unknown:
        get_feature_variable(RULESET, "checkout_flow", "step", HER)

    assert unknown.value.suggestion == "steps"


@pytest.mark.parametrize(
    ("asked", "suggested"),
    [
        ("chekout", "checkout_flow_experiment"),
        ("Checkout_Flow_Experiment", "checkout_flow_experiment"),
        ("search", "search_ranking_experiment"),
        ("x", None),
        ("", None),
        ("z" * 100_000, None),
    ],
)
def test_a_slip_or_a_beginning_is_recognised(asked, suggested):
    with pytest.raises(UnknownExperiment) as unknown:
        core.activate(RULESET, asked, HER)

    assert unknown.value.suggestion == suggested
