"""What would have to change: each change is tried, and none that is nearer is missed.

The other side is brute force on the datafile's JSON: it is changed there, compiled anew, decided.
"""

import copy
import json
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.parity.datafiles import generate

from bucketer import demo
from bucketer.core import change as those
from bucketer.core.alternatives import ABSENT
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.compile import compile_datafile
from bucketer.core.counterfactuals import counterfactuals, result_of
from bucketer.core.decide import activate, decide
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User
from bucketer.verify.visitors import attributes, knowing_visitor, user_id
from bucketer.verify.vocabulary import Vocabulary

CHECKOUT = "checkout_flow_experiment"
SEEDS = st.integers(0, 10**6)
LOTS = 200_000


def demonstration():
    return json.loads(Path(demo.PATH).read_text())


def compiled(document):
    return compile_datafile(parse_datafile(json.dumps(document)))


def ask(ruleset, kind, key, user):
    """Decide, whatever a bandit would say."""
    while True:
        try:
            if kind == "flag":
                return decide(ruleset, key, user)
            return activate(ruleset, key, user)
        except PredictionNeeded as needed:
            user = user.knowing(predictions={**(user.predictions or {}), needed.rule_id: None})


def changes_of(ruleset, kind, key, user, budget=LOTS):
    return counterfactuals(ruleset, user, **{f"{kind}_key": key}, budget=budget)


def attribute_changes(found):
    """Names and values of each change of attributes, with what it gives."""
    return [
        ({axis.name: value for axis, value in each.axes}, each.gives.variation_key)
        for each in found.items
        if each.kind == those.ATTRIBUTES
    ]


# ---------------------------------------------------------------------------- by hand


def test_a_visitor_of_whom_nothing_is_known_is_told_all_that_is_missing():
    found = changes_of(compiled(demonstration()), "experiment", CHECKOUT, User("cooper34523569"))

    assert [
        ({"tier": "platinum", "member_since_days": 30}, "one_step_checkout")
    ] == attribute_changes(found)
    assert (3, "") == (found.together, found.why)


def test_one_attribute_is_enough_where_the_other_is_right():
    user = User("cooper34523569", {"tier": "gold", "member_since_days": 12})

    found = changes_of(compiled(demonstration()), "experiment", CHECKOUT, user)

    assert [({"member_since_days": 30}, "one_step_checkout")] == attribute_changes(found)


def test_who_is_in_is_told_what_would_put_her_out():
    user = User("cooper34523569", {"tier": "platinum", "member_since_days": 56})

    found = changes_of(compiled(demonstration()), "experiment", CHECKOUT, user)

    assert [({"tier": "other"}, None), ({"member_since_days": 29}, None)] == attribute_changes(
        found
    )
    [out] = [each for each in found.items if each.kind == those.TRAFFIC]
    assert (False, None) == (out.is_in, out.gives.variation_key)
    others = {
        each.gives.variation_key: each.user.id for each in found.items if each.kind == those.USER
    }
    assert {"current_checkout", "two_step_checkout"} == set(others)


def test_whom_the_datafile_forces_is_told_what_she_would_get_without():
    user = User("qa_anna", {"tier": "platinum", "member_since_days": 56})

    found = changes_of(compiled(demonstration()), "experiment", CHECKOUT, user)

    [free] = [each for each in found.items if each.kind == those.WHITELIST]
    document = demonstration()
    document["experiments"][0]["forcedVariations"] = {}
    assert activate(compiled(document), CHECKOUT, user).variation_key == free.gives.variation_key


def test_more_traffic_is_told_in_buckets_and_as_a_share():
    document = demonstration()
    document["experiments"][0]["trafficAllocation"] = [
        {"endOfRange": 500, "entityId": "10000000601"},
        {"endOfRange": 1000, "entityId": "10000000602"},
    ]
    user = User("cooper34523569", {"tier": "platinum", "member_since_days": 56})

    found = changes_of(compiled(document), "experiment", CHECKOUT, user)

    [more] = [each for each in found.items if each.kind == those.TRAFFIC]
    assert (True, "two_step_checkout") == (more.is_in, more.gives.variation_key)
    assert more.share == more.end / 10_000 > 0.1


@pytest.mark.parametrize("count", [4, 5, 30])
def test_where_many_attributes_must_be_right_one_way_is_told(count):
    document = demonstration()
    leaves = [
        ["or", cond(f"n{number}", "ge", number), ["not", cond(f"w{number}", "exact", "x")]]
        for number in range(count)
    ]
    document["typedAudiences"][0]["conditions"] = [
        "and",
        *leaves,
        ["not", ["or", cond("z", "exact", True)]],
    ]

    found = changes_of(compiled(document), "experiment", CHECKOUT, User("cooper34523569"), 3_000)

    [(changes, gives)] = attribute_changes(found)
    assert "one_step_checkout" == gives
    assert {"z": False, "member_since_days": 30} | {f"n{n}": n for n in range(count)} == changes


@pytest.mark.parametrize("budget", [1, 2, 3, 5])
def test_what_may_not_be_tried_is_said(budget):
    found = changes_of(compiled(demonstration()), "flag", "search", User("a"), budget)

    assert found.tried <= budget
    assert found.why == f"after {found.tried:,} tries no more were made"
    assert found.together < 3


def test_conditions_cost_what_they_weigh():
    document = demonstration()
    leaf = {"match": "gt", "name": "member_since_days", "type": "custom_attribute"}
    conditions = ["or", *({**leaf, "value": 1_000 + number} for number in range(1_600))]
    document["typedAudiences"][1]["conditions"] = conditions

    found = changes_of(compiled(document), "experiment", CHECKOUT, User("a"), 3_000)

    # A decision takes 1 + 1,602 // 16; to look for values takes room too, and one way in is sought.
    assert found.tried <= 3_000 * 5 // 4 // (1 + 1_602 // 16)
    assert found.why


@pytest.mark.parametrize("budget", [400, 3_000])
def test_rules_cost_what_they_weigh(budget):
    """Nor is a flag of a thousand rules copied a thousand times."""
    document = demonstration()
    rule = document["experiments"][0]
    document["experiments"] = [
        {**rule, "id": f"7{number}", "key": f"rule_{number}", "status": "Paused"}
        for number in range(1_000)
    ]
    document["featureFlags"][0]["experimentIds"] = [each["id"] for each in document["experiments"]]

    found = changes_of(compiled(document), "flag", "checkout_flow", User("a"), budget)

    assert found.tried <= budget * 5 // 4 // (1 + 1_000 // 8)
    assert found.why


@pytest.mark.parametrize(("chars", "tries"), [(100, 2), (4_000, 8 + 29)])
def test_texts_cost_what_conditions_may_read_of_them(chars, tries):
    """30 conditions on 4,000 characters took eight milliseconds for each that asked why."""
    document = demonstration()
    conditions = ["or"] + [
        {"type": "custom_attribute", "name": "note", "match": "substring", "value": f"x{n}"}
        for n in range(31)
    ]
    document["typedAudiences"] = []
    for each in document["audiences"]:
        each["conditions"] = json.dumps(conditions)
    user = User("a", {"note": "y" * chars})
    found = changes_of(compiled(document), "experiment", "checkout_flow_experiment", user, 400)

    assert 0 < found.tried <= 400 * 5 // 4 // tries


@pytest.mark.parametrize(("budget", "most"), [(400, 100), (3_000, 300)])
def test_other_users_are_a_quarter_of_what_is_tried_at_most(budget, most):
    user = User("a", {"$opt_bucketing_id": "x"})
    key = "checkout_flow_experiment"
    same = changes_of(compiled(demonstration()), "experiment", key, user, budget)
    found = changes_of(compiled(demonstration()), "experiment", key, User("a"), budget)

    assert most == found.tried - same.tried


@pytest.mark.parametrize(("chars", "is_tried"), [(4_000, True), (4_001, False)])
def test_long_attributes_are_not_tried_in_many_ways(chars, is_tried):
    user = User("cooper34523569", {"tier": "gold", "x": "x" * (chars - 4)})

    found = changes_of(compiled(demonstration()), "experiment", CHECKOUT, user)

    assert is_tried is bool(attribute_changes(found))
    assert is_tried is not found.why.startswith("the user's attributes are too long")


# ---------------------------------------------------------------------------- each is so


def drawn(seed, who=None):
    datafile = generate(f"changes/{seed}").datafile
    vocabulary = Vocabulary(datafile)
    rng = Random(seed)
    if who is None:
        user = User(user_id(rng, vocabulary), attributes(rng, vocabulary))
    else:
        user = who(rng, vocabulary)
    return datafile, vocabulary, user


def subjects(ruleset, rng, most=3):
    keys = [("flag", key) for key in ruleset.flags if key]
    keys += [("experiment", key) for key in ruleset.experiments if key]
    rng.shuffle(keys)
    return keys[:most]


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_every_change_gives_the_other_variation_when_it_is_made(seed):
    datafile, _, user = drawn(seed, knowing_visitor)
    user = user.knowing(predictions=None)
    ruleset = compiled(datafile)

    for kind, key in subjects(ruleset, Random(seed)):
        now = ask(ruleset, kind, key, user)
        for each in changes_of(ruleset, kind, key, user, 3_000).items:
            assert result_of(each.gives) != result_of(now)
            if each.user is not None:
                assert result_of(each.gives) == result_of(ask(ruleset, kind, key, each.user))
            if each.kind == those.ATTRIBUTES:
                assert made_by_hand(user, each) == seen(each.user)


def seen(user):
    return user.id, dict(user.attributes), set(user.segments or ())


def made_by_hand(user, change):
    facts, inside = dict(user.attributes), set(user.segments or ())
    for axis, value in change.axes:
        if axis.is_segment:
            (inside.add if value else inside.discard)(axis.name)
        elif value is ABSENT:
            del facts[axis.name]
        else:
            facts[axis.name] = value
    return user.id, facts, inside


def rules_in(datafile):
    """Every experiment and rule of the JSON."""
    for section in ("experiments", "holdouts", "localHoldouts"):
        yield from datafile.get(section, ())
    for section in ("groups", "rollouts"):
        for each in datafile.get(section, ()):
            yield from each["experiments"]


def plain(seed):
    """A datafile in which each rule has a key and an id of its own, and who is to be decided."""
    rng = Random(seed)
    document = demonstration()
    document["sendFlagDecisions"] = False
    for rule in rules_in(document):
        ends = sorted(rng.sample(range(10_001), len(rule["trafficAllocation"])))
        for entry, end in zip(rule["trafficAllocation"], ends, strict=True):
            entry["endOfRange"] = end
            if rng.random() < 0.2:
                entry["entityId"] = ""
        if "status" in rule and rng.random() < 0.3 and rule["key"] != "holdout_2026":
            rule["status"] = "Paused"
    facts = {}
    if rng.random() < 0.7:
        facts |= {"tier": "platinum", "member_since_days": 56, "app_version": "2.2"}
    if rng.random() < 0.5:
        facts |= {"country": "DE", "beta_tester": True}
    who = rng.choice(("qa_anna", "qa_ben", *(f"user-{number}" for number in range(20))))
    return document, User(who, facts)


KEYS = [
    ("flag", "search"), ("flag", "checkout_flow"), ("flag", "free_shipping"),
    ("experiment", CHECKOUT), ("experiment", "search_ranking_experiment"),
]  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_a_change_of_the_datafile_is_so_when_the_datafile_is_changed(seed):
    document, user = plain(seed)
    ruleset = compiled(document)

    for kind, key in KEYS:
        for change in changes_of(ruleset, kind, key, user, 3_000).items:
            other = copy.deepcopy(document)
            [rule] = [each for each in rules_in(other) if each["key"] == change.rule] or [None]
            if change.kind == those.STATUS:
                rule["status"] = "Running"
            elif change.kind == those.WHITELIST:
                rule["forcedVariations"] = {}
            elif change.kind == those.HOLDOUT:
                rule["status"] = "Paused"
            else:
                continue
            assert result_of(ask(compiled(other), kind, key, user)) == result_of(change.gives)


@settings(max_examples=8, deadline=None)
@given(SEEDS)
def test_traffic_is_told_to_the_bucket(seed):
    document, user = plain(seed)
    ruleset = compiled(document)

    for kind, key in KEYS:
        now = ask(ruleset, kind, key, user)
        told = {
            c.rule: c
            for c in changes_of(ruleset, kind, key, user, 3_000).items
            if c.kind == those.TRAFFIC
        }
        for number, rule in enumerate(list(rules_in(document))):
            nearest = nearest_end(document, number, kind, key, user, now)
            change = told.get(rule["key"])
            if nearest is not None:
                assert nearest == (change and (change.end, result_of(change.gives)))
            elif change is not None:
                assert rule["trafficAllocation"]


def nearest_end(document, number, kind, key, user, now):
    """By trying: the least that one range, the last that leads anywhere, must grow or shrink.

    None where that changes nothing, or where there are ranges behind it (those stay where they are).
    """
    rule = list(rules_in(document))[number]
    line = rule["trafficAllocation"]
    if "featureEnabled" not in rule["variations"][0] or rule["key"].startswith("holdout"):
        return None
    leading = [i for i, each in enumerate(line) if each["entityId"]]
    if not leading or leading[-1] != len(line) - 1:
        return None
    last = len(line) - 1
    start = line[last - 1]["endOfRange"] if last else 0
    end = line[last]["endOfRange"]
    if end <= start:
        return None

    def given(new_end):
        other = copy.deepcopy(document)
        list(rules_in(other))[number]["trafficAllocation"][last]["endOfRange"] = new_end
        return result_of(ask(compiled(other), kind, key, user))

    if given(10_000) != result_of(now):  # grows: find by bisection where it begins
        low, high = end, 10_000
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if given(middle) != result_of(now) else (middle, high)
        return high, given(high)
    if given(start) != result_of(now):
        low, high = start, end
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if given(middle) != result_of(now) else (low, middle)
        return low, given(low)
    return None


# ---------------------------------------------------------------------------- none is missed


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_no_value_of_one_attribute_that_conditions_mention_is_missed(seed):
    datafile, vocabulary, user = drawn(seed)
    ruleset = compiled(datafile)

    for kind, key in subjects(ruleset, Random(seed)):
        now = ask(ruleset, kind, key, user)
        told = {}
        for each in changes_of(ruleset, kind, key, user).items:
            if each.kind == those.ATTRIBUTES and len(each.axes) == 1:
                [(axis, value)] = each.axes
                told[axis.name, result_of(each.gives)] = value
        for name, values in vocabulary.values.items():
            if name == "$opt_bucketing_id":
                continue
            for value in [each for each in values if hashable(each)]:
                then = ask(ruleset, kind, key, User(user.id, {**user.attributes, name: value}))
                if result_of(then) == result_of(now):
                    continue
                assert (name, result_of(then)) in told, (kind, key, name, value)
                ours, mine = told[name, result_of(then)], user.attributes.get(name)
                if all(map(is_number, (ours, mine, value))):
                    # Between two numbers the whole one is told, which is the one that people say.
                    assert abs(ours - mine) < abs(value - mine) + 1


def hashable(value):
    return value is None or isinstance(value, str | int | float)


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 2**53


@st.composite
def small_cases(draw):
    """A flag with a few rules over two numbers and a word, and somebody."""
    leaf = st.one_of(
        st.builds(
            cond,
            st.sampled_from("ab"),
            st.sampled_from(["gt", "ge", "lt", "le", "exact"]),
            st.integers(0, 6),
        ),
        st.builds(
            lambda m, v: cond("w", m, v),
            st.sampled_from(["exact", "substring"]),
            st.sampled_from(["x", "y", "xy"]),
        ),
    )
    tree = st.recursive(
        leaf,
        lambda inside: st.one_of(
            st.lists(inside, min_size=1, max_size=3).map(lambda some: ["and", *some]),
            st.lists(inside, min_size=1, max_size=3).map(lambda some: ["or", *some]),
            inside.map(lambda one: ["not", one]),
        ),
        max_leaves=5,
    )
    document = demonstration()
    for audience in document["typedAudiences"]:
        audience["conditions"] = draw(tree)
    number = st.one_of(st.none(), st.integers(-1, 8))
    facts = {
        "a": draw(number),
        "b": draw(number),
        "w": draw(st.sampled_from([None, "x", "z", "xy"])),
    }
    who = draw(st.sampled_from([f"user-{n}" for n in range(8)]))
    return document, User(who, {name: value for name, value in facts.items() if value is not None})


def cond(name, match, value):
    return {"name": name, "match": match, "value": value, "type": "custom_attribute"}


NUMBERS = [ABSENT, *range(-3, 11)]
WORDS = [ABSENT, "x", "y", "xy", "z", "x y", "yx"]


@settings(max_examples=30, deadline=None)
@given(small_cases(), st.sampled_from(KEYS))
def test_no_smaller_and_no_nearer_change_is_missed(case, subject):
    document, user = case
    kind, key = subject
    ruleset = compiled(document)
    now = result_of(ask(ruleset, kind, key, user))
    found = changes_of(ruleset, kind, key, user)
    ours = {}
    for each in found.items:
        if each.kind == those.ATTRIBUTES:
            names = frozenset(axis.name for axis, _ in each.axes)
            ours.setdefault((names, result_of(each.gives)), each)
    theirs = brute(ruleset, kind, key, user, now)

    assert set(theirs) <= {(names, result) for names, result in covered(ours)}
    for (names, result), distance in theirs.items():
        if len(names) == 1 and (names, result) in ours and distance is not None:
            [(axis, value)] = ours[names, result].axes
            assert abs(value - user.attributes[axis.name]) <= distance


def covered(ours):
    """Every set of attributes of which a part, or all, is enough."""
    everything = [
        frozenset(each)
        for each in (("a",), ("b",), ("w",), ("a", "b"), ("a", "w"), ("b", "w"), ("a", "b", "w"))
    ]
    for names, result in ours:
        for more in everything:
            if names <= more:
                yield more, result


def brute(ruleset, kind, key, user, now):
    """(names, result) → the least distance of a single number, by trying each value of each."""
    found = {}
    for a in [..., *NUMBERS]:
        for b in [..., *NUMBERS]:
            for w in [..., *WORDS]:
                values = {"a": a, "b": b, "w": w}
                chosen = {name: value for name, value in values.items() if value is not ...}
                facts = {**user.attributes, **chosen}
                facts = {name: value for name, value in facts.items() if value is not ABSENT}
                result = result_of(ask(ruleset, kind, key, User(user.id, facts)))
                if result == now:
                    continue
                distance = None
                if len(chosen) == 1:
                    [(name, value)] = chosen.items()
                    mine = user.attributes.get(name)
                    if is_number(value) and is_number(mine):
                        distance = abs(value - mine)
                at = frozenset(chosen), result
                before = found.get(at)
                found[at] = (
                    distance
                    if before is None
                    else before
                    if distance is None
                    else min(before, distance)
                )
    return found
