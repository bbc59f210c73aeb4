"""What can be counted is a gate: calls, blocks of memory, modules. Times are only reported."""

import json
import subprocess
import sys
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
