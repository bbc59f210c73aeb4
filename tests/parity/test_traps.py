"""One test per trap for whoever rebuilds the SDK's decisions, named by its number.

Each asks both engines and asserts that they agree, and what they agree on; or asserts where they
differ on purpose (docs/parity.md). Traps 34 to 39 are about events and hold in `test_events.py` and `tests/sinks`.
"""

import gc
import itertools
import json
import logging
import math
import subprocess
import sys
import weakref
from collections import OrderedDict
from random import Random

import pytest
from optimizely.event.event_processor import BaseEventProcessor
from optimizely.helpers.sdk_settings import OptimizelySdkSettings
from optimizely.optimizely import Optimizely

from bucketer.core.bucketing import bucket_of, bucket_value
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide, decide_all, decide_for_keys, shown
from bucketer.core.errors import InvalidUser
from bucketer.core.parse import parse_datafile
from bucketer.core.user import Prediction, User
from bucketer.reference.sdk import SILENT

from .scenes import (
    ALL,
    NOBODY,
    USER,
    Scene,
    audience,
    datafile,
    flag,
    holdout,
    judging,
    leaf,
    rollout,
    rule,
    variation,
)

EDGE = 2**53


class Nowhere(BaseEventProcessor):
    """Takes events and forgets them."""

    def process(self, _user_event):
        pass


def n(value):
    """A user with the attribute that the conditions ask for."""
    return User("somebody", {"n": value})


def test_trap_01_a_lone_surrogate_is_refused_and_never_hashed():
    program = (
        "import json; from bucketer.core.user import User\n"
        "for made in (lambda s: User(s), lambda s: User('u', {'$opt_bucketing_id': s})):\n"
        "    try: made(json.loads('\"\\\\ud800\"'))\n"
        "    except Exception as error: print(type(error).__name__)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert (0, "InvalidUser\nInvalidUser\n") == (done.returncode, done.stdout)
    with pytest.raises(InvalidUser):
        User(json.loads('"\\ud800"'))


def test_trap_02_integers_place_every_hash_where_the_floats_of_the_sdk_do():
    for bound in range(ALL + 1):
        edge = -(-bound * 2**32 // ALL)
        for hashed in range(max(edge - 2, 0), min(edge + 2, 2**32)):
            assert math.floor(float(hashed) / 2**32 * ALL) == bucket_of(hashed)
    assert 9999 == bucket_value("15580846", "default-rollout-386456-20914452332")


def test_trap_03_allocations_need_not_be_sorted():
    ends = (3000, 7000, 7000, ALL, 0)
    for order in itertools.permutations(ends):
        variations = [variation(str(index)) for index in range(len(ends))]
        traffic = [{"entityId": str(i), "endOfRange": end} for i, end in enumerate(order)]
        scene = Scene(datafile(rule("1", *variations, trafficAllocation=traffic)))
        for index in range(12):
            assert scene.variation("rule_1", User(f"u{index}")) is not None


@pytest.mark.parametrize("end", [math.inf, -math.inf, math.nan, 10**12, -5])
def test_trap_03_ends_of_range_beyond_the_line(end):
    """Delivery rules and bandits, where the SDK's schema doesn't look."""
    rest = rule("1", trafficAllocation=[{"entityId": "71", "endOfRange": end}])
    scene = Scene(datafile(rollouts=[rollout(rest)], featureFlags=[flag(rollout="r")]))
    bandit = Scene(datafile(rule("1", cmab={"attributeIds": [], "trafficAllocation": end})))
    user = User("u", predictions={"1": Prediction("71", "uuid")})

    assert ("V1" if end > 0 else None) == scene.decide()[0]
    assert ("V1" if end > 0 else None) == bandit.variation("rule_1", user)


@pytest.mark.parametrize(
    ("entity", "code", "sdk_says_so"),
    [("", "bucket_empty", True), ("404", "bucket_unknown", False)],
)
def test_trap_04_an_empty_and_an_unknown_entity_are_nobody_for_different_reasons(
    entity, code, sdk_says_so
):
    traffic = [{"entityId": entity, "endOfRange": ALL}]
    scene = Scene(datafile(rule("1", trafficAllocation=traffic), featureFlags=[flag("1")]))
    trace = []

    decide(scene.ruleset, "flag", USER, frozenset(), trace)
    theirs = scene.sdk.decide("flag", USER, ["INCLUDE_REASONS"]).value.reasons

    assert scene.variation("rule_1") is None
    assert code in [each.code for each in trace]
    assert sdk_says_so is any("empty traffic range" in each for each in theirs)


@pytest.mark.parametrize("bucketing_id", ["", "b", 5, None, 1.5, [1], {}])
def test_trap_05_a_bucketing_id_is_used_when_it_is_text_even_if_empty(bucketing_id):
    variations = [variation(str(index)) for index in range(50)]
    scene = Scene(datafile(rule("1", *variations)))
    hashed = bucketing_id if isinstance(bucketing_id, str) else "somebody"
    user = User("somebody", {"$opt_bucketing_id": bucketing_id}, profile={})

    answer = scene.ask("activate", "rule_1", user=user)

    assert repr(str(bucket_value(hashed, "1") // 200)) == answer.value
    assert answer.saved is not None


@pytest.mark.parametrize("wanted", [True, False, 1, 0, 1.0, "1", "true"])
@pytest.mark.parametrize("have", [True, False, 1, 0, 1.0, "1", "true"])
def test_trap_06_a_value_of_another_kind_is_unknown_and_not_false(wanted, have):
    kinds = {bool: "bool", int: "number", float: "number", str: "text"}
    same_kind = kinds[type(wanted)] == kinds[type(have)]

    assert (wanted == have if same_kind else None) is judging(leaf(value=wanted)).judge(n(have))


@pytest.mark.parametrize("match", ["exact", "gt", "ge", "lt", "le"])
def test_trap_07_numbers_count_up_to_2_to_the_53rd_and_no_further(match):
    values = (EDGE - 1, EDGE, EDGE + 1, EDGE + 2, 1, 1.0, float(EDGE), math.inf, math.nan, -EDGE)
    for wanted in (*values, -EDGE - 1):
        scene = judging(leaf(match, wanted))
        for have in values:
            known = all(math.isfinite(each) and abs(each) <= EDGE for each in (wanted, have))
            assert known is (scene.judge(n(have)) is not None)


def test_trap_08_exists_and_qualified_are_never_unknown():
    assert judging(leaf("exists")).judge(USER) is False
    assert judging(leaf("exists")).judge(n(None)) is False
    assert judging(leaf("exists")).judge(n("")) is True
    wants = datafile(
        rule("1", audienceConditions=["not", "a"]),
        typedAudiences=[audience(leaf("qualified", "vip"))], featureFlags=[flag("1")],
    )  # fmt: skip
    scene = Scene(wants)

    assert "V1" == scene.decide(User("u"))[0]
    assert "V1" == scene.decide(User("u", segments=[]))[0]
    assert scene.decide(User("u", segments=["vip"]))[0] is None


@pytest.mark.parametrize("name", [["n"], {"n": 1}, None, 5])
def test_trap_08_qualified_never_looks_at_a_name(name):
    vip = audience(leaf("qualified", "vip", name=name))
    scene = Scene(
        datafile(rule("1", audienceIds=["a"]), typedAudiences=[vip], featureFlags=[flag("1")])
    )

    assert "V1" == scene.decide(User("u", segments=["vip"]))[0]
    assert scene.decide(User("u", segments=["other"]))[0] is None


def test_trap_09_without_a_match_it_is_exact_and_without_a_type_unknown():
    assert judging(leaf(match="left out")).judge(n("x")) is True
    assert judging(leaf(match=None)).judge(n("y")) is False
    assert judging(leaf(type="left out")).judge(n("x")) is None
    assert judging(leaf(type="custom_dimension")).judge(n("x")) is None
    assert judging(leaf(type="third_party_dimension")).judge(n("x")) is True


def test_trap_10_empty_lists_and_operators_without_operands():
    yes, no = leaf("exists"), leaf("exists", name="other")
    unknown = leaf(type="custom_dimension")
    for operator in ("and", "or", "not", None):
        for operands in itertools.product((yes, no, unknown), repeat=2):
            tree = [operator, *operands] if operator else list(operands)
            judging(tree).judge(n(1))  # both agree, which is asserted within
    assert judging(["and"]).judge(USER) is True
    assert judging(["or"]).judge(USER) is False
    assert judging(["not"]).judge(USER) is None
    assert judging(["not", no, yes]).judge(n(1)) is True
    assert judging([]).judge(USER, raises=True) is None
    assert judging(["or", []]).judge(USER, raises=True) is None
    assert judging(["or", yes, []]).judge(n(1)) is True


def test_trap_11_versions_are_compared_as_the_sdk_does_and_what_raises_is_unknown():
    rng = Random(11)
    alphabet = "0123456789..++--ab²٢ "
    words = ["".join(rng.choices(alphabet, k=rng.randrange(1, 9))) for _ in range(60)]
    known = ["2.1.3", "2.1", "2", "2.1.3-beta", "2.1.3-5", "2.1.3+7", "1.²", "-beta"]
    raised = 0
    for target in (*known, *rng.sample(words, 12)):
        scene = judging(leaf("semver_ge", target))
        for have in (*known, *words):
            try:
                scene.judge(n(have))
            except AssertionError:
                scene.judge(n(have), raises=True)
                raised += 1
    assert raised > 10
    assert judging(leaf("semver_eq", "2.1.3-beta")).judge(n("2.1.3-5"), raises=True) is None


@pytest.mark.parametrize("typed", [True, False])
def test_trap_12_an_object_as_a_value_becomes_its_place(typed):
    conditions = ["or", leaf(value={"a": 1})]
    text = {"id": "a", "name": "a", "conditions": json.dumps(conditions)}
    sections = {} if typed else {"typedAudiences": [], "audiences": [text]}
    scene = judging(conditions, **sections)

    assert scene.judge(n(0)) is True
    assert scene.judge(n(1)) is False
    assert scene.judge(n({"a": 1})) is None


def test_trap_13_typed_audiences_win_over_their_dummy_twins():
    dummy = {"type": "custom_attribute", "name": "$opt_dummy_attribute", "value": "x"}
    twin = {"id": "a", "name": "a", "conditions": json.dumps(["or", dummy])}

    assert judging(leaf(), audiences=[twin]).judge(n("x")) is True


def test_trap_14_empty_audience_conditions_win_over_audience_ids():
    scene = Scene(datafile(rule("1", audienceIds=["404"], audienceConditions=[])))

    assert "V1" == scene.variation("rule_1")
    asked = Scene(datafile(rule("1", audienceIds=["404"], audienceConditions=None)))
    assert asked.variation("rule_1") is None


def test_trap_15_unknown_becomes_false_only_at_the_top():
    assert Scene(datafile(rule("1", audienceConditions=["not", "404"]))).variation("rule_1") is None


def test_trap_16_of_rules_with_one_key_the_last_one_answers_to_it():
    """Rollouts come after experiments and groups after both."""
    taken = rule("1", forcedVariations={"white": "V1"}, key="same")
    taker = rule("2", key="same")
    scene = Scene(datafile(taken, rollouts=[rollout(taker)], featureFlags=[flag("1", rollout="r")]))

    assert "V2" == scene.variation("same", User("white"))
    assert "V1" == scene.decide(User("white"))[0]  # by traffic: the whitelist looks up in rule 2
    assert "V2" == scene.variation("same", User("u", forced_variations={"same": "V2"}))
    assert "V2" == scene.variation("same", User("u", forced_variations={"same": "V1"}))
    stored = scene.ask("decide", "flag", (), user=User("u", profile={"1": "71"}))
    assert {"1": "71"} == stored.saved  # not found under the shared key, so bucketed anew
    group = {
        "id": "g", "policy": "overlapping", "trafficAllocation": [],
        "experiments": [rule("3", key="same")],
    }  # fmt: skip
    assert "V3" == Scene(datafile(taken, groups=[group], rollouts=[rollout(taker)])).variation(
        "same"
    )


def test_trap_17_activate_takes_delivery_rules_and_knows_no_holdouts():
    off = rule("1", variation("71", "V1", featureEnabled=False))
    scene = Scene(datafile(rollouts=[rollout(off)], holdouts=[holdout("h")]))

    answer = scene.ask("activate", "rule_1")

    assert "'V1'" == answer.value
    assert answer.sent[0].enabled is True


def test_trap_18_delivery_rules_know_no_status_no_whitelist_no_profile():
    paused = rule(
        "1", variation("71", "V1"), variation("72", "V2"), status="Paused",
        forcedVariations={"white": "V2"},
        trafficAllocation=[{"entityId": "71", "endOfRange": ALL}],
    )  # fmt: skip
    scene = Scene(datafile(rollouts=[rollout(paused)], featureFlags=[flag(rollout="r")]))
    user = User("white", profile={"1": "72"}, forced_variations={"rule_1": "V2"})

    assert "V1" == scene.decide(user)[0]
    assert scene.ask("decide", "flag", (), user=user).saved is None


def test_trap_19_a_rule_that_fits_but_misses_leads_to_the_last_one():
    rules = [rule("1", trafficAllocation=NOBODY), rule("2"), rule("3")]
    scene = Scene(datafile(rollouts=[rollout(*rules)], featureFlags=[flag(rollout="r")]))

    assert "V3" == scene.decide()[0]


def test_trap_20_of_rules_with_one_id_the_last_stands_at_the_first_ones_place():
    rules = [rule("1", variation("71", "first")), rule("2"), rule("1", variation("72", "last"))]
    scene = Scene(datafile(rollouts=[rollout(*rules)], featureFlags=[flag(rollout="r")]))

    assert "last" == scene.decide()[0]


def test_trap_21_everyone_else_has_an_audience_too():
    alone = rule("1", audienceIds=["404"])
    scene = Scene(datafile(rollouts=[rollout(alone)], featureFlags=[flag(rollout="r")]))

    assert scene.decide()[0] is None


def test_trap_22_a_feature_rollout_gives_everyone_else_the_last_rules_first_variation():
    last = rule("2", variation("72", "first"), variation("73", "second"))
    last["trafficAllocation"] = [{"entityId": "73", "endOfRange": ALL}]
    test = rule("1", type="fr", trafficAllocation=NOBODY)
    document = datafile(
        test, rollouts=[rollout(last)],
        featureFlags=[flag("1", rollout="r"), flag("1", rollout="r", key="other")],
    )  # fmt: skip
    scene = Scene(document)

    assert ("first", "rule_1") == (scene.decide()[0], scene.decide()[3])
    assert "first" == scene.variation("rule_1")
    paused = datafile(
        {**test, "status": "Paused"},
        rollouts=[rollout(last)],
        featureFlags=[flag("1", rollout="r")],
    )
    assert ("second", "rule_2") == Scene(paused).decide()[::3][:2]


def test_trap_23_what_holds_a_user_out_and_what_passes_by():
    fields = {"includedFlags": ["404"], "excludedFlags": ["5"], "includedRules": ["404"]}
    scene = Scene(datafile(rule("1"), featureFlags=[flag("1")], holdouts=[holdout("h", **fields)]))

    assert "off" == scene.decide()[0]
    by_flag, by_rule = {("flag", None): "V1"}, {("flag", "rule_1"): "V1"}
    assert ("V1", None) == scene.decide(User("u", forced_decisions=by_flag))[::3][:2]
    assert "off" == scene.decide(User("u", forced_decisions=by_rule))[0]
    local = Scene(
        datafile(
            rule("1"), featureFlags=[flag("1")], localHoldouts=[holdout("h", includedRules=["1"])]
        )
    )
    assert "off" == local.decide()[0]
    assert "V1" == local.decide(User("u", forced_decisions=by_rule))[0]


@pytest.mark.parametrize("section", ["holdouts", "localHoldouts"])
@pytest.mark.parametrize(
    "fields",
    [
        {"cmab": {"attributeIds": [], "trafficAllocation": 0}},
        {"cmab": {"attributeIds": [], "trafficAllocation": ALL}},
        {"cmab": {}},
        {"cmab": 5},
        {"groupPolicy": "random"},
        {"groupPolicy": "random", "groupId": "g"},
    ],
)
def test_trap_23_a_holdout_knows_no_bandit_and_no_group(section, fields):
    group = {"id": "g", "policy": "random", "experiments": [], "trafficAllocation": []}
    held = holdout("h", includedRules=["1"], **fields)
    document = datafile(rule("1"), featureFlags=[flag("1")], groups=[group], **{section: [held]})

    assert "off" == Scene(document).decide()[0]


def test_trap_24_a_holdout_that_spares_targeted_deliveries():
    spares = holdout("h", excludeTargetedDeliveries=True)
    flags = [flag("1", "2", rollout="r")]
    sections = {"featureFlags": flags, "holdouts": [spares], "rollouts": [rollout(rule("3"))]}
    delivered = Scene(datafile(rule("1"), rule("2", type="td"), **sections))

    answer = delivered.ask("decide", "flag", ())

    assert ["holdout", "feature-test"] == [each.rule_type for each in answer.sent]
    assert "rule_2" == answer.sent[1].rule_key
    assert (
        ()
        == Scene(datafile(rule("1"), rule("2"), **{**sections, "sendFlagDecisions": False}))
        .ask("is_feature_enabled", "flag")
        .sent
    )
    kept = holdout("l", variation("lv", "kept", featureEnabled=False), includedRules=["2"])
    local = Scene(datafile(rule("1"), rule("2", type="td"), **sections, localHoldouts=[kept]))
    assert ["kept"] == [each.variation_key for each in local.ask("decide", "flag", ()).sent]


def test_trap_25_an_impression_of_a_holdout_has_no_numeric_variation_and_no_layer():
    held = holdout("77", variation("$opt_dummy_variation_id", "off"), layerId="123")

    sent = Scene(
        datafile(rule("1"), featureFlags=[flag("1")], holdouts=[held])
    ).ask("decide", "flag", ()).sent  # fmt: skip

    assert (None, "off", "77") == (sent[0].variation_id, sent[0].variation_key, sent[0].campaign_id)


def test_trap_26_a_holdout_that_enables_a_flag_makes_its_variables_nothing():
    variables = [
        {"id": "1", "key": "text", "type": "string", "defaultValue": "x"},
        {"id": "2", "key": "truth", "type": "boolean", "defaultValue": "true"},
    ]
    for enabled, expected in ((True, (None, False)), (False, ("x", True))):
        held = holdout("h", variation("hv", "off", featureEnabled=enabled))
        scene = Scene(
            datafile(rule("1"), featureFlags=[flag("1", variables=variables)], holdouts=[held])
        )
        assert {"text": expected[0], "truth": expected[1]} == scene.decide()[2]


@pytest.mark.parametrize("value", [True, False, "true", "false", 1, 0, None, [], [0]])
def test_trap_27_decide_takes_truthy_for_enabled_and_is_feature_enabled_only_true(value):
    scene = Scene(
        datafile(rule("1", variation("71", featureEnabled=value)), featureFlags=[flag("1")])
    )

    assert bool(value) is scene.decide()[1]
    assert repr(value is True) == scene.ask("is_feature_enabled", "flag").value


def test_trap_28_variables_are_read_as_python_reads_them():
    texts = {
        "boolean": ("true", "True", "1"), "integer": (" 7 ", "1_0", "12.0", "x"),
        "double": ("1e3", "nan", "inf", " 2 ", "x"), "json": ('{"a": [1]}', "{", "null"),
        "string": ("x", ""), "other": ("x",), float("nan"): ("x",),
    }  # fmt: skip
    for kind, values in texts.items():
        for value in values:
            variable = {"id": "1", "key": "v", "type": kind, "defaultValue": value}
            overriding = variation("71", variables=[{"id": "1", "value": value}])
            for enabled in (True, False):
                on = {**overriding, "featureEnabled": enabled}
                scene = Scene(
                    datafile(rule("1", on), featureFlags=[flag("1", variables=[variable])])
                )
                scene.ask("decide", "flag", ())
                scene.ask("get_feature_variable", "flag", "v", None)
    variable = {"id": "1", "key": "v", "type": "string", "defaultValue": "default"}
    mine = rule("1", variation("70", "on", variables=[{"id": "1", "value": "first"}]))
    theirs = rule("2", variation("70", "on", variables=[{"id": "1", "value": "last"}]))
    shared = Scene(datafile(mine, theirs, featureFlags=[flag("1", variables=[variable])]))
    assert {"v": "last"} == shared.decide()[2]


@pytest.mark.parametrize("count", range(1, 7))
def test_trap_29_reasons_grow_with_the_rules_and_do_not_double(count):
    rules = [rule(str(index), status="Paused") for index in range(count)]
    scene = Scene(datafile(*rules, featureFlags=[flag(*(each["id"] for each in rules))]))
    trace = []

    decide(scene.ruleset, "flag", USER, frozenset(), trace)
    theirs = scene.sdk.decide("flag", USER, ["INCLUDE_REASONS"]).value.reasons

    assert count == sum(each.code == "not_running" for each in trace)
    assert len(theirs) >= 2**count - 1
    assert len(trace) <= 3 * count + 3


def test_trap_30_unknown_keys_and_failed_bandits_under_enabled_flags_only():
    """Unknown keys have an empty entry in the SDK's answer; here the API answers for them."""
    bandit = rule("1", cmab={"attributeIds": [], "trafficAllocation": ALL})
    flags = [flag("1"), flag("2", key="off"), flag("3", key="on")]
    off = rule("2", variation("72", featureEnabled=False))
    scene = Scene(datafile(bandit, off, rule("3"), featureFlags=flags))
    user = User("u", predictions={"1": None})
    keys = ["off", "unknown", "on", "flag"]

    shown = scene.ask("decide_for_keys", keys, ["ENABLED_FLAGS_ONLY"], user=user)

    expected = {"flag": (None, False, {}, None, True), "on": ("V3", True, {}, "rule_3", False)}
    assert repr(expected) == shown.value
    assert "unknown" in scene.sdk.decide_for_keys(keys, user, ["ENABLED_FLAGS_ONLY"]).value
    assert ["off", "on"] == [each.flag_key for each in shown.sent]


def test_trap_31_a_key_given_twice_is_one_decision_and_one_impression():
    scene = Scene(datafile(rule("1"), featureFlags=[flag("1"), flag("1")]))

    assert 1 == len(decide_for_keys(scene.ruleset, ["flag", "flag"], USER)["flag"].impressions)
    assert ["flag"] == list(decide_all(scene.ruleset, USER))
    assert 2 == len(scene.sdk.decide_for_keys(["flag", "flag"], USER).sent)
    assert 2 == len(scene.sdk.decide_all(USER).sent)


def test_trap_32_options_are_not_changed_by_a_decision():
    scene = Scene(datafile(rule("1"), featureFlags=[flag("1")]))
    options = frozenset({"ENABLED_FLAGS_ONLY", "EXCLUDE_VARIABLES"})

    first = decide(scene.ruleset, "flag", USER, options)
    second = decide(scene.ruleset, "flag", USER, options)

    assert frozenset({"ENABLED_FLAGS_ONLY", "EXCLUDE_VARIABLES"}) == options
    assert first.variation_key == second.variation_key == "V1"


def test_trap_32_a_list_of_options_stays_as_it_is_where_the_sdk_changes_its_clients():
    scene = Scene(datafile(rule("1"), featureFlags=[flag("1")]))
    options = ["ENABLED_FLAGS_ONLY", "EXCLUDE_VARIABLES"]
    client = Optimizely(
        json.dumps(datafile(rule("1"), featureFlags=[flag("1")])), logger=SILENT,
        event_processor=Nowhere(), default_decide_options=["ENABLED_FLAGS_ONLY"],
        settings=OptimizelySdkSettings(odp_disabled=True),
    )  # fmt: skip

    client.create_user_context("u").decide("flag")
    ours = decide(scene.ruleset, "flag", USER, options)

    assert [] == client.default_decide_options  # the defect that isn't to be copied
    assert ["ENABLED_FLAGS_ONLY", "EXCLUDE_VARIABLES"] == options
    assert "V1" == ours.variation_key


def test_trap_32_enabled_flags_only_may_be_given_twice():
    off = rule("1", variation("71", "V1", featureEnabled=False))
    scene = Scene(datafile(off, featureFlags=[flag("1")]))
    twice = ["ENABLED_FLAGS_ONLY"] * 2

    decided = decide_for_keys(scene.ruleset, ["flag"], USER, twice)

    assert {} == shown(decided, twice)
    assert "V1" == decide(scene.ruleset, "flag", USER, twice).variation_key
    with pytest.raises(KeyError):
        scene.sdk.decide("flag", USER, twice)


def test_trap_33_no_attributes_are_as_good_as_empty_ones_and_ids_must_be_text():
    scene = judging(leaf("exists"))

    assert scene.judge(User("u", None)) is scene.judge(User("u", {})) is False
    for nothing in ({}, [], (), "", 0, 0.0, False, OrderedDict()):
        assert scene.judge(User("u", nothing)) is False
        assert scene.sdk.client.activate("rule_2", "u", nothing) == "V2"
    some = OrderedDict(n=1)
    assert scene.judge(User("u", {"n": 1})) is True
    assert "V1" == activate(scene.ruleset, "rule_1", User("u", some)).variation_key
    assert scene.sdk.client.activate("rule_1", "u", some) is None  # it wants exactly a dict
    for wrong in (None, 5, True, ["u"]):
        with pytest.raises(InvalidUser):
            User(wrong)
        assert scene.sdk.client.activate("rule_1", wrong) is None


def test_trap_40_a_dangling_id_costs_its_flag_and_no_more():
    document = datafile(rule("1"), featureFlags=[flag("404", key="broken"), flag("1")])
    ruleset = compile_datafile(parse_datafile(json.dumps(document)))

    assert decide(ruleset, "broken", USER).variation_key is None
    assert "V1" == decide(ruleset, "flag", USER).variation_key
    assert ["/featureFlags/0/experimentIds/0"] == [each.pointer for each in ruleset.diagnostics]


def test_trap_41_new_content_counts_whatever_the_revision():
    """A ruleset is made of the content alone; the shell's half is in `tests/test_runtime.py`."""
    before, after = datafile(rule("1")), datafile(rule("1", status="Paused"))
    answers = [Scene(document).variation("rule_1") for document in (before, after)]

    assert ["V1", None] == answers


def test_trap_42_a_stored_variation_outlives_audience_and_traffic_but_no_pause():
    closed = {"audienceIds": ["404"], "trafficAllocation": NOBODY}
    scene = Scene(datafile(rule("1", **closed), rule("2", status="Paused"), rule("3")))
    user = User("u", profile={"1": "71", "2": "72", "3": "404"})

    kept = scene.ask("activate", "rule_1", user=user)
    again = scene.ask("activate", "rule_3", user=user)

    assert ("'V1'", None) == (kept.value, kept.saved)
    assert scene.variation("rule_2", user) is None
    assert {"1": "71", "2": "72", "3": "73"} == again.saved
    bandit = rule("1", cmab={"attributeIds": [], "trafficAllocation": ALL})
    stored = User("u", profile={"1": "71"}, predictions={"1": None})
    assert "V1" == Scene(datafile(bandit)).variation("rule_1", stored)


def test_trap_43_a_forced_variation_nobody_has_falls_through():
    scene = Scene(datafile(rule("1", forcedVariations={"white": "404"})))

    assert "V1" == scene.variation("rule_1", User("white"))
    assert "V1" == scene.variation("rule_1", User("u", forced_variations={"rule_1": "404"}))
    assert "V1" == scene.variation("rule_1", User("u", forced_variations={"404": "V1"}))


@pytest.mark.parametrize("policy", ["random", "overlapping", "Random", ""])
def test_trap_44_only_random_groups_exclude_and_only_at_the_traffic(policy):
    member = rule("1", forcedVariations={"white": "V1"})
    group = {
        "id": "g", "policy": policy, "experiments": [member],
        "trafficAllocation": [{"entityId": "404", "endOfRange": ALL}],
    }  # fmt: skip
    scene = Scene(datafile(groups=[group]))

    assert (None if policy == "random" else "V1") == scene.variation("rule_1")
    assert "V1" == scene.variation("rule_1", User("white"))
    for group_id in ("g", "404"):
        outsider = rule("2", groupPolicy=policy, groupId=group_id)
        asked = Scene(datafile(outsider, groups=[group])).variation("rule_2")
        assert (None if policy == "random" else "V2") == asked


@pytest.mark.parametrize("more", [{}, {"cmab": {"attributeIds": [], "trafficAllocation": ALL}}])
def test_trap_44_no_group_gives_its_traffic_to_an_empty_id(more):
    member = rule("", variation("71", "V1"), forcedVariations={"white": "V1"}, **more)
    group = {
        "id": "g", "policy": "random", "experiments": [member],
        "trafficAllocation": [{"entityId": "", "endOfRange": ALL}],
    }  # fmt: skip
    scene = Scene(datafile(groups=[group], featureFlags=[flag("")]))
    user = User("u", predictions={"": Prediction("71", "uuid")})
    trace = []

    decide(scene.ruleset, "flag", user, frozenset(), trace)

    assert scene.variation("rule_", user) is None
    assert scene.decide(user)[0] is None
    assert "V1" == scene.variation("rule_", User("white"))
    assert "group_out" in [each.code for each in trace]


@pytest.mark.parametrize("key", ["  ", "\t", "\n"])
def test_trap_45_nobody_is_bucketed_into_a_blank_key(key):
    scene = Scene(datafile(rule("1", key=key, forcedVariations={"white": "V1"})))

    assert scene.variation(key) is None
    assert "V1" == scene.variation(key, User("white"))


def test_trap_46_a_bandit_that_fails_ends_the_flag_and_activate_sends_no_uuid():
    bandit = rule("1", cmab={"attributeIds": ["50"], "trafficAllocation": ALL})
    document = datafile(
        bandit, rollouts=[rollout(rule("2"))], featureFlags=[flag("1", rollout="r")],
        attributes=[{"id": "50", "key": "tier"}],
    )  # fmt: skip
    scene = Scene(document)
    chosen = User("u", predictions={"1": Prediction("71", "the-uuid")})

    assert ["the-uuid"] == [
        each.cmab_uuid for each in scene.ask("decide", "flag", (), user=chosen).sent
    ]
    assert [None] == [each.cmab_uuid for each in scene.ask("activate", "rule_1", user=chosen).sent]
    failed = scene.ask("decide", "flag", (), user=User("u", predictions={"1": None}))
    assert ("(None, False, {}, None, True)", ()) == (failed.value, failed.sent)
    elsewhere = User("u", predictions={"1": Prediction("404", "the-uuid")})
    assert "V2" == scene.decide(elsewhere)[0]


def test_traps_47_and_48_the_adapter_neither_grows_nor_talks(caplog):
    from optimizely.user_profile import UserProfileTracker

    caplog.set_level(logging.DEBUG)  # at the root logger, which a Lambda function has, too
    scene = Scene({**datafile(rule("1")), "sdkKey": "a key"})
    without_key = Scene(datafile(rule("1")))  # of which the SDK has something to say
    before = len(UserProfileTracker.load_user_profile.__defaults__[0])
    for _ in range(20):
        scene.variation("rule_1")
        without_key.variation("rule_1")

    assert [] == caplog.records
    assert len(UserProfileTracker.load_user_profile.__defaults__[0]) <= before + 1


def test_trap_47_a_client_that_nobody_holds_is_gone_though_its_datafile_has_an_sdk_key():
    """Whatever stays reachable would stay for each new revision of a datafile."""
    scene = Scene({**datafile(rule("1")), "sdkKey": "a key of its own"})
    scene.variation("rule_1")
    client = weakref.ref(scene.sdk.client)

    del scene
    gc.collect()

    assert client() is None


def test_trap_49_kinds_of_numbers_count_as_the_sdk_counts_them():
    import decimal
    import enum
    import fractions

    class Level(enum.IntEnum):
        HIGH = 7

    scene = judging(leaf("gt", 5))

    assert scene.judge(n(Level.HIGH)) is True
    assert scene.judge(n(decimal.Decimal(7))) is None
    assert scene.judge(n(fractions.Fraction(7))) is None


def test_trap_50_is_feature_enabled_sends_no_impression_of_a_holdout():
    scene = Scene(datafile(rule("1"), featureFlags=[flag("1")], holdouts=[holdout("h")]))

    assert 1 == len(scene.ask("decide", "flag", ()).sent)
    assert () == scene.ask("is_feature_enabled", "flag").sent
