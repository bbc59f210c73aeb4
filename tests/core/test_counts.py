"""What can be counted is a gate: calls, blocks of memory, modules. Times are only reported."""

import gc
import json
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from bucketer import demo
from bucketer.core.compile import compile_datafile
from bucketer.core.decide import activate, decide
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User

RULESET = compile_datafile(parse_datafile(Path(demo.PATH).read_bytes()))
HER = User("cooper34523569", {"tier": "platinum", "member_since_days": 56})


def calls_of(ask):
    """How many Python functions *ask* enters."""
    entered = []
    sys.setprofile(lambda _frame, event, _arg: entered.append(event) if event == "call" else None)
    try:
        ask()
    finally:
        sys.setprofile(None)
    return len(entered)


@pytest.mark.parametrize(
    ("ask", "key"), [(activate, "checkout_flow_experiment"), (decide, "checkout_flow")]
)
def test_a_repeated_decision_keeps_no_memory(ask, key):
    for _ in range(10):
        ask(RULESET, key, HER)
    before = sys.getallocatedblocks()

    for _ in range(1_000):
        ask(RULESET, key, HER)

    assert sys.getallocatedblocks() - before < 10


def test_a_repeated_activation_enters_three_functions_at_most():
    [first, *_] = json.loads(Path(demo.PATH).read_text())["experiments"]
    for _ in range(2):  # judged, then written
        activate(RULESET, "checkout_flow_experiment", HER)

    # The lambda, activate, and the one function that the rule's audience and traffic became:
    # a whitelist that doesn't name the user costs no call.
    assert first["forcedVariations"]
    assert calls_of(lambda: activate(RULESET, "checkout_flow_experiment", HER)) <= 3


def failing(rules):
    """A flag whose experiments all keep everybody out, for their audience is unknown."""
    datafile = json.loads(Path(demo.PATH).read_text())
    [first, *_] = datafile["experiments"]
    many = [
        {**first, "id": f"9{n}", "key": f"rule{n}", "audienceConditions": ["nobody"]}
        for n in range(rules)
    ]
    datafile["experiments"] += many
    datafile["holdouts"] = []
    flag = {"id": "77", "key": "failing", "rolloutId": "", "variables": []}
    datafile["featureFlags"].append({**flag, "experimentIds": [each["id"] for each in many]})
    ruleset = compile_datafile(parse_datafile(json.dumps(datafile)))
    decide(ruleset, "failing", HER)
    return calls_of(lambda: decide(ruleset, "failing", HER))


def test_calls_grow_by_the_same_for_each_rule_that_fails():
    few, more, many = failing(2), failing(12), failing(22)

    assert many - more == more - few > 0


def test_only_who_asks_why_imports_the_explanation():
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from bucketer import demo\n"
        "from bucketer.core.compile import compile_datafile\n"
        "from bucketer.core.decide import decide\n"
        "from bucketer.core.parse import parse_datafile\n"
        "from bucketer.core.user import User\n"
        "ruleset = compile_datafile(parse_datafile(Path(demo.PATH).read_bytes()))\n"
        "decide(ruleset, 'search', User('u'))\n"
        "print('bucketer.core.explain' in sys.modules)\n"
        "decide(ruleset, 'search', User('u'), trace=[])\n"
        "print('bucketer.core.explain' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["False", "True"]


# ------------------------------------------------------------------- long audiences


def leaf(name, value, match="exact"):
    return {"type": "custom_attribute", "name": name, "match": match, "value": value}


def asking(tree, **audiences):
    """A ruleset with one rule, `rule`, whose tree names these audiences."""
    datafile = json.loads(Path(demo.PATH).read_text())
    [first, *_] = datafile["experiments"]
    datafile["experiments"] = [{**first, "id": "9", "key": "rule", "audienceConditions": tree}]
    datafile["typedAudiences"] = [
        {"id": id_, "name": id_, "conditions": conditions} for id_, conditions in audiences.items()
    ]
    datafile["featureFlags"] = []
    return compile_datafile(parse_datafile(json.dumps(datafile)))


def steps_of(ruleset, user):
    """The function calls of the first three decisions, together; calls into C count as well."""
    entered = []
    kinds = {"call", "c_call"}
    sys.setprofile(lambda _frame, event, _arg: entered.append(event) if event in kinds else None)
    try:
        for _ in range(3):
            activate(ruleset, "rule", user)
    finally:
        sys.setprofile(None)
    return len(entered)


def ids(count, wrap=lambda each: each):
    return [wrap(leaf("id", f"user-{n}")) for n in range(count)]


LONG_LISTS = {
    "ids": lambda n: asking(["a"], a=["or", *ids(n)]),
    "numbers": lambda n: asking(["a"], a=["or", *(leaf("id", each) for each in range(n))]),
    "wrapped ids": lambda n: asking(["a"], a=["and", ["or", *ids(n, lambda each: ["or", each])]]),
    "denied ids": lambda n: asking(["a"], a=["and", *ids(n, lambda each: ["not", each])]),
    "denied lists": lambda n: asking(["not", "a"], a=["or", *ids(n)]),
    "an audience for each id": lambda n: asking(
        ["or", *(f"a{each}" for each in range(n))],
        **{f"a{n}": each for n, each in enumerate(ids(n))},
    ),
    "one audience again and again": lambda n: asking(["or", *["a"] * n], a=leaf("id", 1, "gt")),
    "one audience in many nodes": lambda n: asking(
        ["or", *[["or", "a", "a"]] * n], a=leaf("id", 1, "gt")
    ),
    "ids among others": lambda n: asking(["a"], a=["or", leaf("n", 1, "gt"), *ids(n)]),
}


@pytest.mark.parametrize("shape", LONG_LISTS)
@pytest.mark.parametrize("have", ["user-9", "nobody", 9, True, None])
def test_a_long_list_costs_a_decision_what_a_short_one_costs(shape, have):
    user = User("her", {"id": have, "n": 0})

    assert steps_of(LONG_LISTS[shape](40), user) >= steps_of(LONG_LISTS[shape](4_000), user)


def texts_compiled(ruleset):
    """How many texts are compiled while the rule decides three times."""
    compiled = []

    def watch(_frame, event, arg):
        if event == "c_call" and arg is compile:
            compiled.append(arg)

    sys.setprofile(watch)
    try:
        for _ in range(3):
            activate(ruleset, "rule", HER)
    finally:
        sys.setprofile(None)
    return len(compiled)


@pytest.mark.parametrize(("conditions", "times"), [(31, 1), (32, 1), (33, 0), (5_000, 0)])
def test_only_what_is_small_is_written_out(conditions, times):
    many = ["or", *(leaf(f"n{n}", n, "gt") for n in range(conditions))]

    assert times == texts_compiled(asking(["a"], a=many))


@pytest.mark.parametrize(("listed", "times"), [(32, 1), (33, 0)])
def test_what_is_written_out_is_counted_over_all_that_a_rule_lists(listed, times):
    trees = {f"a{n}": ["and", leaf(f"n{n}", n, "gt")] for n in range(listed)}

    assert times == texts_compiled(asking(["or", *trees], **trees))


def test_an_audience_that_many_nodes_list_is_asked_once():
    """Three hundred conditions in each of a hundred nodes: not thirty thousand."""
    big = ["or", *(leaf(f"n{n}", n, "gt") for n in range(300))]
    small = {f"b{n}": leaf(f"m{n}", 1, "gt") for n in range(100)}
    ruleset = asking(["or", *(["and", "a", each] for each in small)], a=big, **small)

    assert calls_of(lambda: activate(ruleset, "rule", HER)) < 2_000


def test_a_ruleset_that_is_let_go_is_free_at_once():
    """Without circles: those of an older datafile would stay until Python walks through all memory."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        ruleset = compile_datafile(parse_datafile(Path(demo.PATH).read_bytes()))
        for options in ((), ("EXCLUDE_VARIABLES",)):
            for _ in range(3):
                decide(ruleset, "checkout_flow", HER, options)
                for key in ruleset.experiments:
                    activate(ruleset, key, HER)
        decide(ruleset, "search", HER, trace=[])
        parts = [weakref.ref(ruleset), *map(weakref.ref, ruleset.experiments.values())]
        del ruleset
        still_there = [each for each in parts if each() is not None]
        circles = gc.collect()
    finally:
        if was_enabled:
            gc.enable()

    assert [] == still_there
    assert circles < 20
