"""Why a visitor got what they got: which rule, which condition, which bucket."""

import json
from pathlib import Path

import pytest

from bucketer import demo
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide
from bucketer.core.parse import parse_datafile
from bucketer.core.reasons import SENTENCES
from bucketer.core.user import User

RULESET = compile_datafile(parse_datafile(Path(demo.PATH).read_bytes()))
HERS = {"tier": "platinum", "member_since_days": 56}


def reasons_of(ask, key, user):
    trace = []
    ask(RULESET, key, user, trace=trace)
    return trace


def test_the_experimenter_sees_every_condition_and_the_bucket():
    audience, bucket = reasons_of(
        activate, "checkout_flow_experiment", User("cooper34523569", HERS)
    )

    assert audience.code == "audience_met"
    [tree] = audience.children
    assert [child.values["outcome"] for child in tree.children] == ["TRUE", "TRUE"]
    assert bucket.message == (
        "Bucket 8278 of 10000 falls in [6666, 10000): "
        "variation 'one_step_checkout' of 'checkout_flow_experiment'."
    )


def test_a_missing_attribute_is_unknown_and_keeps_her_out():
    [audience] = reasons_of(
        activate, "checkout_flow_experiment", User("cooper34523569", {"tier": "platinum"})
    )

    assert audience.code == "audience_missed"
    outcomes = [child.values["outcome"] for child in audience.children[0].children]
    assert outcomes == ["TRUE", "UNKNOWN"]


def test_a_condition_says_what_it_wants_and_what_she_has():
    audience, _ = reasons_of(activate, "checkout_flow_experiment", User("cooper34523569", HERS))

    days = audience.children[0].children[1].children[0]

    assert days.message == "member_since_days >= 30 is TRUE."
    assert (days.values["value"], days.values["user_value"]) == (30, 56)


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
        "audience_everybody",  # the first experiment of the group
        "group_out",
        "audience_missed",  # the second one
        "audience_everybody",  # Everyone Else
        "bucketed",
    ]


def test_a_reason_is_plain_json():
    reasons = reasons_of(decide, "checkout_flow", User("cooper34523569", HERS))

    shown = json.loads(json.dumps([each.to_json() for each in reasons]))

    assert all({"code", "message"} <= set(each) for each in shown)


def test_every_sentence_ends_and_has_a_code_of_its_own():
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())
    assert len(set(SENTENCES.values())) == len(SENTENCES)


@pytest.mark.parametrize("number", range(200))
def test_asking_why_never_changes_the_answer(number):
    user = User(f"user{number}", {**HERS, "member_since_days": number})

    for ask, keys in ((activate, RULESET.experiments), (decide, RULESET.flags)):
        for key in keys:
            assert ask(RULESET, key, user, trace=[]) is ask(RULESET, key, user)
