"""The official SDK behind the core's functions, and behind GET /bucketer."""

import json
from pathlib import Path

import pytest
from tests.fakes.runtimes import a_runtime
from tests.fakes.sources import Clock, FakeSource, revision

from bucketer import demo, wiring
from bucketer.api.http import Request
from bucketer.core import decide as core
from bucketer.core.bandit import PredictionNeeded
from bucketer.core.errors import SettingsError, UnknownExperiment, UnknownFlag
from bucketer.core.user import Prediction, User
from bucketer.reference import engine
from bucketer.reference.sdk import ReferenceRejected
from bucketer.settings import read_settings
from bucketer.verify.visitors import visitors
from bucketer.verify.vocabulary import Vocabulary

RAW = Path(demo.PATH).read_bytes()
ALL = 10_000


def told(decision):
    """All of a decision that goes over the wire or into a store."""
    return (
        decision.flag_key,
        decision.rule_key,
        decision.variation_key,
        decision.variables,
        decision.bucketed,
        decision.error is None,
        [
            [getattr(each, name) for name in type(each).__slots__ if name != "rendered"]
            for each in decision.impressions
        ],
    )


@pytest.fixture(scope="module")
def ruleset():
    return engine.compile_datafile(RAW)


@pytest.fixture(scope="module")
def users():
    """Some with a profile service, some without."""
    found = visitors(Vocabulary(json.loads(RAW)), seed=5, count=60)
    return [user.knowing(profile={}) if n % 2 else user for n, user in enumerate(found)]


def test_every_experiment_is_decided_as_the_core_decides_it(ruleset, users):
    for user in users:
        without_context = user.knowing(segments=None)
        for key in ruleset.experiments:
            for ask in ("activate", "get_variation"):
                ours = getattr(core, ask)(ruleset, key, without_context)
                assert told(ours) == told(getattr(engine, ask)(ruleset, key, without_context))


def test_every_flag_is_decided_as_the_core_decides_it(ruleset, users):
    for user in users:
        for options in (frozenset(), frozenset({"EXCLUDE_VARIABLES", "DISABLE_DECISION_EVENT"})):
            ours = core.decide_all(ruleset, user, options)
            theirs = engine.decide_all(ruleset, user, options)

            assert {k: told(d) for k, d in ours.items()} == {k: told(d) for k, d in theirs.items()}
            assert [d.enabled for d in ours.values()] == [d.enabled for d in theirs.values()]


def test_unknown_keys_are_told_as_the_core_tells_them(ruleset):
    with pytest.raises(UnknownExperiment, match="checkout_flow_experiment"):
        engine.activate(ruleset, "checkout_flow_experimen", User("u"))
    with pytest.raises(UnknownFlag, match="checkout_flow"):
        engine.decide(ruleset, "checkout_flo", User("u"))


def test_the_reasons_are_the_sdks_words_each_said_once(ruleset):
    trace = []

    engine.decide(ruleset, "checkout_flow", User("u"), frozenset(), trace)

    words = [reason.message for reason in trace]
    assert words
    assert len(set(words)) == len(words)
    assert {"sdk"} == {reason.to_json()["code"] for reason in trace}


def test_a_bandit_that_has_not_been_asked_is_asked_for():
    datafile = json.loads(RAW)
    rule = datafile["experiments"][0]
    rule.update(
        cmab={"attributeIds": [], "trafficAllocation": ALL}, audienceIds=[], audienceConditions=[]
    )
    rule["forcedVariations"] = {}
    ruleset = engine.compile_datafile(json.dumps(datafile).encode())
    chosen = rule["variations"][0]

    with pytest.raises(PredictionNeeded) as needed:
        engine.activate(ruleset, rule["key"], User("u"))

    assert (rule["id"], "u") == (needed.value.rule_id, needed.value.user_id)
    user = User("u", predictions={rule["id"]: Prediction(chosen["id"], "uuid")})
    assert chosen["key"] == engine.activate(ruleset, rule["key"], user).variation_key


def test_a_datafile_that_the_sdk_refuses_is_refused_whole():
    datafile = json.loads(RAW)
    datafile["featureFlags"][0]["experimentIds"].append("404")

    with pytest.raises(ReferenceRejected, match="the official SDK refuses the datafile"):
        engine.compile_datafile(json.dumps(datafile).encode())


@pytest.mark.parametrize("asked", ["e=checkout_flow_experiment", "f=checkout_flow"])
def test_get_bucketer_answers_the_same_with_either_engine(asked):
    answers = []
    for name in ("bucketer", "sdk"):
        settings = read_settings({"BUCKETER_ENGINE": name, "BUCKETER_EVENTS": "off"})
        runtime = wiring.build(settings, {}, mode=wiring.COMMAND)
        query = f'{asked}&u=cooper34523569&a=tier:"platinum",member_since_days:56'
        request = Request(
            method="GET",
            path="/bucketer",
            query=query.replace('"', "%22"),
            headers={},
            body=b"",
            ip="127.0.0.1",
            request_id="r",
        )
        response = runtime.serve(request)
        answers.append((response.status, json.loads(response.body)))

    assert 200 == answers[0][0]
    assert answers[0] == answers[1]


def test_the_engine_is_the_core_unless_the_sdk_is_asked_for():
    assert (core, None) == wiring.engine_of(read_settings({}))
    assert engine is wiring.engine_of(read_settings({"BUCKETER_ENGINE": "sdk"}))[0]
    with pytest.raises(SettingsError, match="BUCKETER_ENGINE"):
        read_settings({"BUCKETER_ENGINE": "other"})


def test_an_older_revision_waits_whoever_decides():
    clock = Clock()
    source = FakeSource(revision(5))
    runtime = a_runtime(source, compile_raw=engine.compile_datafile, clock=clock, engine=engine)
    runtime.load()
    served = []
    for wait_s in (61, 601):
        source.content = revision(4)
        clock.now += wait_s
        runtime.after_response(1.0)
        served.append(runtime.edition.ruleset.revision)

    assert ["5", "4"] == served
