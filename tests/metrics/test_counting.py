"""Answers and decisions, counted; several workers' counts made one."""

from __future__ import annotations

import inspect
import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.agent_client import AgentClient
from tests.fakes.editions import AnEdition

from bucketer import demo
from bucketer.api.http import Known, Request, Response
from bucketer.core import decide
from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User
from bucketer.metrics import decisions
from bucketer.metrics.decisions import OTHERS, DecisionCounts
from bucketer.metrics.names import BOUNDS_S, FAMILIES, HISTOGRAM, LEAST, MOST
from bucketer.metrics.requests import RequestCounts
from bucketer.metrics.routes import OTHER, ROUTES, route_of
from bucketer.metrics.samples import from_data, kept, to_data, together

RULESET = compile_datafile(parse_datafile(Path(demo.PATH).read_bytes()))
HER = User("cooper34523569", {"tier": "platinum", "member_since_days": 56})
EXPERIMENT = "checkout_flow_experiment"
DECISIONS, REQUESTS = "bucketer_decisions_total", "bucketer_requests_total"
DURATIONS = "bucketer_request_duration_seconds"


def answered(counts, path, status=200, seconds=0.0):
    counts.note(Request("GET", path), Response(status, (), b""), seconds)


def counted(counts):
    return {labels: count for labels, count in counts.samples()[REQUESTS].items() if count}


# -------------------------------------------------------------------------------- requests


def test_answers_are_counted_by_route_and_status():
    counts = RequestCounts()
    for path, status in (("/bucketer", 200), ("/bucketer", 200), ("/bucketer", 404), ("/x", 404)):
        answered(counts, path, status)

    assert {
        ("/bucketer", "200"): 2,
        ("/bucketer", "404"): 1,
        (OTHER, "404"): 1,
    } == counted(counts)


def test_failures_are_there_before_the_first_so_that_its_rate_can_be_told():
    counts = RequestCounts()
    before = counts.samples()[REQUESTS]
    answered(counts, "/bucketer", 500)

    assert {(route, "500"): 0 for route in (*ROUTES, OTHER)} == before
    assert before | {("/bucketer", "500"): 1} == counts.samples()[REQUESTS]


def test_what_never_became_a_request_has_a_status_and_no_time():
    counts = RequestCounts()
    answered(counts, "", 400)
    answered(counts, "/x", 404, 0.2)

    assert {(OTHER, "400"): 1, (OTHER, "404"): 1} == counted(counts)
    assert 0.2 == counts.samples()[DURATIONS][OTHER,][-1]
    assert 1 == sum(counts.samples()[DURATIONS][OTHER,][:-1])


@pytest.mark.parametrize("bound", range(len(BOUNDS_S)))
def test_a_time_counts_up_to_its_bound_and_not_beyond(bound):
    counts = RequestCounts()
    answered(counts, "/bucketer", seconds=BOUNDS_S[bound])
    answered(counts, "/bucketer", seconds=BOUNDS_S[bound] * 1.0001)

    *found, total = counts.samples()[DURATIONS]["/bucketer",]

    assert [1, 1] == found[bound : bound + 2]
    assert 2 == sum(found)
    assert total == pytest.approx(BOUNDS_S[bound] * 2.0001)


def test_paths_without_end_make_no_series_and_are_not_kept():
    counts = RequestCounts()
    for number in range(5_000):
        answered(counts, f"/{number}", 404)
        answered(counts, f"/{number}{'x' * 100}", 404)
        answered(counts, f"/ofrep/v1/evaluate/flags/{number}")

    assert 2 == len(counted(counts))
    assert len(counts._by_path) <= 256


@pytest.mark.parametrize(
    ("path", "prefix", "route"),
    [
        *((each, "", each) for each in sorted(ROUTES)),
        *((f"/x{each}", "/x", each) for each in ("/bucketer", "/v1/decide")),
        ("/xbucketer", "/x", OTHER),
        ("/x", "/x", "/"),
        ("/bucketer/", "", "/bucketer"),
        ("/bucketer//", "", OTHER),
        ("/ofrep/v1/evaluate/flags/a", "", "/ofrep/v1/evaluate/flags/{key}"),
        ("/ofrep/v1/evaluate/flags/a/b", "", OTHER),
        ("/ofrep/v1/evaluate/flags/", "", "/ofrep/v1/evaluate/flags/{key}"),
    ],
)
def test_a_route_is_one_of_those_that_there_are(path, prefix, route):
    assert route == route_of(path, prefix)


# -------------------------------------------------------------------------------- decisions


def ask(engine, experiment="checkout_flow_experiment", user=HER):
    return engine.activate(RULESET, experiment, user, None)


def test_a_decision_is_the_engines_own_and_counted_by_what_it_is():
    counts = DecisionCounts()
    engine = counts.counted(decide, "shop")
    flag = next(iter(RULESET.flags))

    assert ask(engine) is ask(engine)
    decided = engine.decide(RULESET, flag, HER)
    ask(engine, user=User("nobody", {}))

    assert {
        ("shop", "checkout_flow_experiment", "one_step_checkout", "experiment"): 2,
        ("shop", flag, decided.variation_key or "", decided.source): 1,
        ("shop", "checkout_flow_experiment", "", "none"): 1,
    } == counts.samples()[DECISIONS]


def test_a_key_that_nobody_has_is_the_engines_error_and_counted_as_nothing():
    counts = DecisionCounts()

    with pytest.raises(decide.UnknownFlag):
        counts.counted(decide, "shop").decide(RULESET, "nobody has it", HER)

    assert {} == counts.samples()[DECISIONS]


def test_by_environment_and_reason_alone_where_flags_are_not_wanted():
    counts = DecisionCounts(by_flag=False)
    ask(counts.counted(decide, "shop"))

    assert {("shop", OTHERS, "", "experiment"): 1} == counts.samples()[DECISIONS]


@pytest.mark.parametrize("extra", [0, 1, 500])
def test_series_are_bounded_and_what_is_beyond_is_still_counted(extra):
    counts = DecisionCounts()
    for number in range(decisions.MOST + extra):
        counts.cell("shop", (f"flag{number}", "on", "rollout"))[0] += 1
    found = counts.samples()[DECISIONS]

    assert decisions.MOST + extra == sum(found.values())
    assert extra == found.get(("shop", OTHERS, "", "rollout"), 0)
    assert len(found) == decisions.MOST + bool(extra)


def test_what_an_engine_remembers_is_bounded_and_what_is_beyond_is_still_counted():
    """A ruleset that has no room makes decisions anew, each with a base of its own."""
    flag = next(iter(RULESET.flags))
    made = []

    class Forgetful:
        activate = None

        @staticmethod
        def decide(*arguments):
            made.append(decide.decide(*arguments).but(variables={"new": 1}))
            return made[-1]

    counts = DecisionCounts()
    engine = counts.counted(Forgetful, "shop")
    for _ in range(decisions.REMEMBERED + 5):
        engine.decide(RULESET, flag, HER)
    remembered = inspect.getclosurevars(engine.decide).nonlocals["cell_of"].__self__

    assert decisions.REMEMBERED == len(remembered) < len({id(each.base) for each in made})
    assert [len(made)] == list(counts.samples()[DECISIONS].values())


def test_names_of_any_length_make_labels_of_a_bounded_one():
    counts = DecisionCounts()
    counts.counted(decide, "e" * 1_000)
    counts.cell("shop", ("f" * 1_000, "v" * 1_000, "rollout"))

    [labels] = counts.samples()[DECISIONS]

    assert [4, 100, 100, 7] == [len(each) for each in labels]


def test_threads_take_no_count_from_each_other():
    counts = DecisionCounts()
    engine = counts.counted(decide, "shop")
    threads = [
        threading.Thread(target=lambda: [ask(engine) for _ in range(5_000)]) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert [20_000] == list(counts.samples()[DECISIONS].values())


# -------------------------------------------------------------------------------- together

LABELS = st.text(max_size=3)


@st.composite
def some_samples(draw):
    samples = {}
    for family in draw(st.lists(st.sampled_from(FAMILIES), max_size=4, unique=True)):
        value = st.integers(0, 2**50)
        if family.kind == HISTOGRAM:
            value = st.lists(value, min_size=len(BOUNDS_S) + 2, max_size=len(BOUNDS_S) + 2)
        labels = st.tuples(*(LABELS for _ in family.labels))
        samples[family.name] = draw(st.dictionaries(labels, value, min_size=1, max_size=3))
    return samples


@given(st.lists(some_samples(), max_size=5))
def test_several_workers_make_the_sum_the_least_or_the_most_of_each_value(workers):
    made = together(workers)

    for family in FAMILIES:
        how = {LEAST: min, MOST: max}.get(family.several, sum)
        every = {labels for each in workers for labels in each.get(family.name, {})}
        for labels in every:
            values = [
                each[family.name][labels] for each in workers if labels in each.get(family.name, {})
            ]
            if family.kind == HISTOGRAM:
                assert [sum(column) for column in zip(*values, strict=True)] == (
                    made[family.name][labels]
                )
            else:
                assert how(values) == made[family.name][labels]
        assert every == set(made.get(family.name, {}))


@given(some_samples())
def test_samples_travel_as_json(samples):
    assert samples == from_data(json.loads(json.dumps(to_data(samples))))


@given(st.lists(some_samples(), max_size=3))
def test_what_goes_on_after_a_worker_is_its_counters(workers):
    made = kept(together(workers))

    assert {"counter", "histogram"} >= {family.kind for family in FAMILIES if family.name in made}
    assert made == together(kept(each) for each in workers)


@pytest.mark.parametrize("data", [[["name", "no list", 1]], [[1, [], 1]], [["a", [], None]], [[]]])
def test_what_is_no_sample_is_refused(data):
    with pytest.raises((TypeError, ValueError)):
        from_data(data)


def test_a_bandit_that_fails_is_counted_once_though_agents_api_asks_again_why():
    document = json.loads(Path(demo.PATH).read_text())
    experiment = next(each for each in document["experiments"] if each["key"] == EXPERIMENT)
    experiment["cmab"] = {"attributeIds": [], "trafficAllocation": 10000}
    experiment["audienceIds"], experiment["audienceConditions"] = [], []
    document["holdouts"] = []
    counts = DecisionCounts()
    outer = DecisionCounts()
    engine = outer.counted(counts.counted(decide, "shop"), "shop")
    agent = AgentClient(AnEdition(document), engine=engine)
    known = Known(predictions={experiment["id"]: None})

    _, told = agent.told("/v1/decide", {"userId": "a"}, query="keys=checkout_flow", known=known)

    assert told["reasons"]
    expected = {("shop", "checkout_flow", "", "error"): 1}
    assert expected == counts.samples()[DECISIONS] == outer.samples()[DECISIONS]
