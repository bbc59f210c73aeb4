"""Whatever OpenFeature's clients are told is what the core decides: on generated datafiles and users."""

from __future__ import annotations

import json
import os
import sys
from random import Random

import pytest
from tests.fakes.runtimes import a_runtime
from tests.fakes.sources import FakeSource
from tests.parity.datafiles.build import generate

from bucketer import wiring
from bucketer.api.http import Request
from bucketer.core import decide
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.errors import InvalidUser
from bucketer.core.user import User
from bucketer.settings import read_settings
from bucketer.verify.visitors import plain_visitor
from bucketer.verify.vocabulary import Vocabulary

FLAGS = "/ofrep/v1/evaluate/flags"
#: `OFREP_SEEDS=6000` compares more than 100,000 evaluations.
SEEDS = int(os.environ.get("OFREP_SEEDS", "12"))
USERS = 12
ANY = {"DEFAULT", "DISABLED", "SPLIT", "STATIC", "TARGETING_MATCH"}
#: How many were compared in this process, and of how many seeds.
COMPARED, RAN = [0], [0]


def reason_of(flag, decision, trace):
    """The same as the API says, told by the explanation of the decision."""
    if not decision.enabled:
        return {"DISABLED"}
    rules = [each for each in (*flag.experiments, *flag.rollout) if each.key == decision.rule_key]
    if len(rules) != 1 or decision.source == "holdout":
        return ANY  # rules of one key can't be told apart by the decision
    codes = {each.code for each in trace if each.values.get("rule") == decision.rule_key}
    if "whitelisted" in codes:
        return {"TARGETING_MATCH", "SPLIT"} if codes & {"bucketed"} else {"TARGETING_MATCH"}
    last = flag.rollout[-1].key if flag.rollout else None
    split = any(
        each.code == "bucketed" and (each.values.get("start", 0), each.values["end"]) != (0, 10_000)
        for each in trace
        if each.values.get("rule") == decision.rule_key
    )
    [rule] = rules
    ends = {end for end, _, _ in rule.experiment.allocation.ranges}
    if split and (len(ends) > 1 or rule.experiment.allocation.ranges[-1][2] < 10_000):
        return {"SPLIT"}
    if decision.source == "feature-test":
        return {"TARGETING_MATCH", "SPLIT"}  # a group shares the traffic out
    if decision.rule_key == last:
        return {"DEFAULT", "STATIC", "SPLIT", "TARGETING_MATCH"}
    return {"TARGETING_MATCH", "SPLIT"}


def value_of(flag, decision):
    if not flag.variables:
        return decision.enabled
    values = decision.variables
    return next(iter(values.values()), None) if len(flag.variables) == 1 else dict(values)


def as_json(value):
    """What is left of a value once it was JSON: NaN and infinities are null there."""
    text = json.dumps(value, default=repr)
    return json.loads(text, parse_constant=lambda _: None)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_value_variant_and_reason_are_the_core_s(seed):
    RAN[0] += 1
    raw = generate(f"ofrep {seed}").text().encode()
    options = wiring.api_options(read_settings({"BUCKETER_OFREP_OFF": "values"}))
    runtime = a_runtime(FakeSource(raw), options=options)
    runtime.load()
    ruleset = runtime.edition.ruleset
    rng = Random(seed)
    vocabulary = Vocabulary(json.loads(raw))
    for _ in range(USERS):
        visitor = plain_visitor(rng, vocabulary)
        if not visitor.id:
            continue  # OpenFeature takes an empty targeting key for none
        sent = json.dumps({"context": {**visitor.attributes, "targetingKey": visitor.id}})
        context = json.loads(sent)["context"]
        user_id = context.pop("targetingKey")
        attributes = {k: v for k, v in context.items() if not isinstance(v, (list, dict))}
        answer = runtime.serve(Request("POST", FLAGS, body=sent.encode()))
        if answer.status != 200:
            continue
        told = {each["key"]: each for each in json.loads(answer.body)["flags"]}
        for key, flag in ruleset.flags.items():
            try:
                trace = []
                decision = decide.decide(ruleset, key, User(user_id, attributes), (), trace)
            except (PredictionNeeded, InvalidUser):
                continue
            each = told[key]
            assert each["value"] == as_json(value_of(flag, decision))
            assert each["variant"] == (decision.variation_key or "off")
            assert each["reason"] in reason_of(flag, decision, trace)
            assert told[f"{key}.enabled"]["value"] in {decision.enabled, *flag.variables}
            COMPARED[0] += 1


@pytest.fixture(scope="module", autouse=True)
def they_are_many():
    yield
    if RAN[0] == SEEDS:  # no other process has had a part of them
        assert COMPARED[0] >= 10 * SEEDS
    sys.stdout.write(f"{COMPARED[0]:,} evaluations compared\n")
