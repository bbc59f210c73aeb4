"""Why a visitor got what they got: which rule, which condition, which bucket."""

import json
from pathlib import Path

import pytest

from bucketer import demo
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide
from bucketer.core.parse import parse_datafile
from bucketer.core.reasons import HOLDOUT_SENTENCES, SENTENCES, Reason
from bucketer.core.user import User

RULESET = compile_datafile(parse_datafile(Path(demo.PATH).read_bytes()))
HERS = {"tier": "platinum", "member_since_days": 56}


def compiled(datafile):
    return compile_datafile(parse_datafile(json.dumps(datafile)))


def reasons_of(ask, key, user):
    trace = []
    ask(RULESET, key, user, trace=trace)
    return trace


def test_the_experimenter_sees_every_condition_and_the_bucket():
    status, audience, bucket = reasons_of(
        activate, "checkout_flow_experiment", User("cooper34523569", HERS)
    )

    assert (status.code, audience.code) == ("running", "audience_met")
    [tree] = audience.children
    assert [child.values["outcome"] for child in tree.children] == ["TRUE", "TRUE"]
    assert bucket.message == (
        "Experiment 'checkout_flow_experiment': "
        "bucket 8278 of 10,000 is in 6666-9999 -> one_step_checkout."
    )
    assert bucket.sentence(dash="\N{EN DASH}", arrow="→") == (
        "Bucket 8278 of 10,000 is in 6666\N{EN DASH}9999 → one_step_checkout."
    )


def test_a_missing_attribute_is_unknown_and_keeps_her_out():
    _, audience = reasons_of(
        activate, "checkout_flow_experiment", User("cooper34523569", {"tier": "platinum"})
    )

    assert audience.code == "audience_missed"
    outcomes = [child.values["outcome"] for child in audience.children[0].children]
    assert outcomes == ["TRUE", "UNKNOWN"]


def test_a_condition_says_what_it_wants_and_what_she_has():
    _, audience, _ = reasons_of(activate, "checkout_flow_experiment", User("cooper34523569", HERS))

    days = audience.children[0].children[1].children[0]

    assert days.message == "member_since_days >= 30: TRUE (the user has 56)."
    assert (days.values["value"], days.values["user_value"]) == (30, 56)


def condition_on(user, match, name, value):
    """What is said of *user* where the first audience is that one condition."""
    datafile = json.loads(Path(demo.PATH).read_text())
    condition = {"match": match, "name": name, "type": "custom_attribute", "value": value}
    datafile["typedAudiences"][0]["conditions"] = ["and", condition]
    trace = []
    activate(compiled(datafile), "checkout_flow_experiment", user, trace=trace)
    return trace[1].children[0].children[0].children[0]


@pytest.mark.parametrize(
    ("attributes", "message", "told"),
    [
        ({}, "tier = 5: UNKNOWN (the user has no attribute 'tier').", ()),
        ({"tier": None}, "tier = 5: UNKNOWN (the user has null).", (None,)),
        (
            {"tier": "5"},
            'tier = 5: UNKNOWN (the user has "5", a string, which can\'t be compared).',
            ("5",),
        ),
        ({"tier": 4}, "tier = 5: FALSE (the user has 4).", (4,)),
        ({"tier": 5.0}, "tier = 5: TRUE (the user has 5.0).", (5.0,)),
    ],
)
def test_absent_null_and_of_the_wrong_kind_are_told_apart(attributes, message, told):
    condition = condition_on(User("ada", attributes), "exact", "tier", 5)

    assert message == condition.message
    assert told == tuple(value for name, value in condition.values.items() if name == "user_value")


def test_a_condition_that_nobody_can_be_judged_by_says_so():
    condition = condition_on(User("ada", {"tier": "gold"}), "resembles", "tier", "gold")

    assert 'tier resembles "gold": UNKNOWN (nobody can be judged by it).' == condition.message


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, "the user's segments are not known"),
        ({"segments": ["b", "a"]}, 'the user is in ["a", "b"]'),
    ],
)
def test_a_segment_is_sought_among_those_that_are_known(facts, why):
    condition = condition_on(User("ada", **facts), "qualified", "odp.audiences", "vip")

    assert f'in segment "vip": FALSE ({why}).' == condition.message


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (["and", "10000000201", "10000000202"], "All of these: TRUE."),
        (["or", "10000000201", "10000000202"], "Any of these: TRUE."),
        (["not", ["or", "10000000201", "10000000202"]], "None of these: FALSE."),
        (["not", ["and", "10000000201", "10000000202"]], "Not all of these: FALSE."),
        (["not", "10000000201"], "Not this: FALSE."),
    ],
)
def test_operators_are_told_in_words_that_read_on_into_what_stands_below(tree, words):
    datafile = json.loads(Path(demo.PATH).read_text())
    datafile["experiments"][0]["audienceConditions"] = tree
    trace = []
    activate(compiled(datafile), "checkout_flow_experiment", User("ada", HERS), trace=trace)

    [operator] = trace[1].children

    assert words == operator.message


# ---------------------------------------------------------------------------- what is told first


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        ("Running", "running", "Experiment 'checkout_flow_experiment' is Running."),
        (
            "Paused",
            "not_running",
            "Experiment 'checkout_flow_experiment' is Paused, not Running.",
        ),
    ],
)
@pytest.mark.parametrize("user_id", ["ada", "qa_ben"])
def test_the_status_is_told_before_anything_else(status, code, message, user_id):
    datafile = json.loads(Path(demo.PATH).read_text())
    datafile["experiments"][0]["status"] = status
    trace = []

    activate(compiled(datafile), "checkout_flow_experiment", User(user_id), trace=trace)

    assert (code, message) == (trace[0].code, trace[0].message)
    assert status == trace[0].values["status"]
    assert (1 if code == "not_running" else 2) == len(trace)


def test_a_broken_experiment_has_no_status_but_a_place_in_the_datafile():
    datafile = json.loads(Path(demo.PATH).read_text())
    datafile["experiments"][0]["trafficAllocation"] = [7]
    trace = []

    activate(compiled(datafile), "checkout_flow_experiment", User("ada", HERS), trace=trace)

    [broken] = trace
    assert broken.code == "experiment_broken"
    assert broken.message.endswith(
        "since the datafile is broken at /experiments/0/trafficAllocation/0."
    )


def test_who_owns_a_bucket_of_the_group_is_told_by_key():
    reasons = reasons_of(decide, "search", User("ben", {"app_version": "2.1"}))

    [lost] = [each for each in reasons if each.code == "group_out"]

    assert lost.message.endswith("to experiment 'search_synonyms_experiment'.")


def test_every_reason_about_a_rule_says_which_and_what_it_is():
    places = {
        (each.values.get("what"), each.values.get("rule"))
        for key in RULESET.flags
        for number in range(300)
        for each in reasons_of(decide, key, User(f"user{number}", HERS))
    }

    assert {"holdout", "experiment", "delivery rule"} == {what for what, _ in places}
    assert [] == [rule for what, rule in places if (what is None) is not (rule is None)]


def test_a_holdout_that_nobody_is_exempt_from_does_not_sound_like_an_invitation():
    first, second, *_ = reasons_of(decide, "search", User("ben"))

    assert (
        "Holdout 'holdout_2026': it may hold back anybody, since there is no audience."
        == first.message
    )
    assert (
        "Holdout 'holdout_2026': the user isn't held back, "
        "since bucket 9628 of 10,000 is beyond 0-199." == second.message
    )


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (0, 1, "0"),
        (0, 2, "0-1"),
        (1, 2, "1"),
        (0.5, 1.5, "1"),
        (0.5, 2.5, "1-2"),
        (0, 0, "no bucket at all"),
        (3.2, 3.8, "no bucket at all"),
        (6666, 10_000, "6666-9999"),
    ],
)
def test_a_range_is_told_by_its_first_and_its_last_bucket(start, end, words):
    values = {"bucket": 7, "of": 10_000, "start": start, "end": end}

    assert f"Bucket 7 of 10,000 is in {words}, which leads to no variation." == (
        Reason("bucket_empty", values).message
    )


@pytest.mark.parametrize(
    ("value", "code"),
    [("other", "bucketing_id_used"), (5, "bucketing_id_ignored")],
)
def test_a_bucketing_id_is_mentioned(value, code):
    user = User("cooper34523569", {**HERS, "$opt_bucketing_id": value})

    assert code in [each.code for each in reasons_of(activate, "checkout_flow_experiment", user)]


def test_a_flag_tells_its_rules_in_the_order_they_were_looked_at():
    codes = [each.code for each in reasons_of(decide, "search", User("cooper34523569"))]

    assert codes == [
        "audience_everybody",  # the holdout's audience
        "bucket_missed",  # and its traffic
        "running",  # the first experiment of the group
        "audience_everybody",
        "group_out",
        "running",  # the second one
        "audience_missed",
        "audience_everybody",  # Everyone Else
        "bucketed",
    ]


def test_a_reason_is_plain_json():
    reasons = reasons_of(decide, "checkout_flow", User("cooper34523569", HERS))

    shown = json.loads(json.dumps([each.to_json() for each in reasons]))

    assert shown
    assert all({"code", "message"} <= set(each) for each in shown)


def test_every_sentence_ends_and_has_a_code_of_its_own():
    sentences = [*SENTENCES.values(), *HOLDOUT_SENTENCES.values()]

    assert all(sentence.endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)
    assert set(HOLDOUT_SENTENCES) < set(SENTENCES)


def test_every_code_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text(encoding="utf-8")

    assert [] == [code for code in SENTENCES if f"`{code}`" not in page]


@pytest.mark.parametrize("number", range(200))
def test_asking_why_never_changes_the_answer(number):
    user = User(f"user{number}", {**HERS, "member_since_days": number})

    for ask, keys in ((activate, RULESET.experiments), (decide, RULESET.flags)):
        for key in keys:
            assert ask(RULESET, key, user, trace=[]) is ask(RULESET, key, user)


# ---------------------------------------------------------------------------- bounds


def leaf(name, value, match="exact"):
    return {"type": "custom_attribute", "name": name, "match": match, "value": value}


def asking(tree, rules=1, **audiences):
    """A ruleset whose flag `many` has so many experiments with this tree."""
    datafile = json.loads(Path(demo.PATH).read_text())
    [first, *_] = datafile["experiments"]
    datafile["experiments"] = [
        {**first, "id": f"9{n}", "key": f"rule{n}", "audienceConditions": tree}
        for n in range(rules)
    ]
    datafile["typedAudiences"] = [
        {"id": id_, "name": id_, "conditions": conditions} for id_, conditions in audiences.items()
    ]
    datafile["holdouts"] = []
    flag = {"id": "77", "key": "many", "rolloutId": "", "variables": []}
    ids = [each["id"] for each in datafile["experiments"]]
    datafile["featureFlags"] = [{**flag, "experimentIds": ids}]
    return compiled(datafile)


def answer_about(ruleset, attributes):
    trace = []
    decide(ruleset, "many", User("her", attributes), trace=trace)
    return json.dumps([reason.to_json() for reason in trace])


HUGE = "x" * 1_000_000
GREATER = [leaf(f"n{n}", n, "gt") for n in range(20_000)]
HOSTILE = {
    "many conditions": lambda: (asking(["a"], a=["or", *GREATER]), {"n1": 0}),
    "many values": lambda: (
        asking(["a"], a=["or", *(leaf("id", f"user-{n}") for n in range(20_000))]),
        {"id": "nobody"},
    ),
    "one audience again and again": lambda: (
        asking(["or", *["a"] * 300], a=["or", *GREATER[:300]]),
        {},
    ),
    "many audiences": lambda: (
        asking(
            ["or", *(f"a{n}" for n in range(5_000))],
            **{f"a{n}": each for n, each in enumerate(GREATER[:5_000])},
        ),
        {},
    ),
    "many lists": lambda: (asking(["or", *[["or"], ["and"]] * 5_000]), {}),
    "unknown audiences": lambda: (asking(["or", *(f"{n}" for n in range(20_000))]), {}),
    "many rules": lambda: (asking(["a"], rules=300, a=["or", *GREATER[:90]]), {}),
    "a huge value that many conditions name": lambda: (
        asking(["a"], a=["or", *(leaf("id", f"{n}", "substring") for n in range(90))]),
        {"id": HUGE},
    ),
    "a huge list that many conditions name": lambda: (
        asking(["a"], a=["or", *(leaf("id", n, "gt") for n in range(90))]),
        {"id": [HUGE] * 3 + [[1]] * 100_000},
    ),
    "a huge object that many conditions name": lambda: (
        asking(["a"], a=["or", *(leaf("id", n, "gt") for n in range(90))]),
        {"id": {HUGE: 1, **{f"{n}": n for n in range(100_000)}}},
    ),
    "huge values in conditions": lambda: (
        asking(["a"], a=["or", *(leaf("id", HUGE, "substring") for _ in range(20))]),
        {"id": "y"},
    ),
    "huge names": lambda: (
        asking(["a", HUGE], a=["or", *(leaf(HUGE, n, "gt") for n in range(20))]),
        {},
    ),
}


@pytest.mark.parametrize("shape", HOSTILE)
def test_an_explanation_has_a_bound_in_bytes(shape):
    assert len(answer_about(*HOSTILE[shape]())) < 700_000


def told(ruleset, attributes, code="condition"):
    def walk(reasons):
        for each in reasons:
            yield each
            yield from walk(each.children)

    trace = []
    decide(ruleset, "many", User("her", attributes), trace=trace)
    return [each for each in walk(trace) if each.code == code]


@pytest.mark.parametrize(("conditions", "one_by_one"), [(100, True), (101, False)])
def test_an_audience_is_told_condition_by_condition_up_to_a_hundred(conditions, one_by_one):
    ruleset = asking(["a"], a=["or", *GREATER[:conditions]])

    assert (conditions if one_by_one else 0) == len(told(ruleset, {}))
    [*many] = told(ruleset, {}, "conditions_many")
    assert ([] if one_by_one else [conditions]) == [each.values["count"] for each in many]


def test_many_values_are_one_condition_that_says_what_she_has():
    ruleset = asking(["a"], a=["or", *(leaf("id", f"user-{n}") for n in range(2_000))])

    [hers] = told(ruleset, {"id": "user-7"})
    [theirs] = told(ruleset, {"id": 7})

    assert hers.message == 'id is one of 2,000 values: TRUE (the user has "user-7").'
    assert theirs.message == (
        "id is one of 2,000 values: UNKNOWN (the user has 7, a number, which can't be compared)."
    )


@pytest.mark.parametrize(("audiences", "left_out"), [(499, 0), (500, 1)])
def test_a_rule_tells_of_what_there_is_room_for_and_counts_the_rest(audiences, left_out):
    """Room for a thousand: the OR, and of each audience its name and its condition."""
    trees = {f"a{n}": GREATER[n] for n in range(audiences)}
    ruleset = asking(["or", *trees], **trees)

    assert audiences - left_out == len(told(ruleset, {}))


def test_the_audience_that_lets_her_in_is_told_however_many_there_are():
    trees = {f"a{n}": GREATER[n] for n in range(5_000)}
    ruleset = asking(["or", *trees], **trees)

    let_in = [each.values["id"] for each in told(ruleset, {"n4900": 4_901}, "audience")]

    assert "a4900" in let_in


@pytest.mark.parametrize(("length", "whole"), [(200, True), (201, False)])
def test_a_value_is_cut_after_two_hundred_characters(length, whole):
    [condition] = told(asking(["a"], a=leaf("id", "z" * length)), {"id": "y" * length})

    assert condition.values.get("user_value") == ("y" * length if whole else None)
    assert condition.values.get("user_value_chars") == (None if whole else length)
    assert whole == (condition.values["value"] == "z" * length)
    assert len(condition.message) < 500
