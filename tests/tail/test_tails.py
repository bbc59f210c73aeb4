"""Decisions as they happen: who is told which, how many, and what it costs the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.fakes.sources import Clock

from bucketer import demo
from bucketer.api.wanted import Wanted
from bucketer.core import decide
from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile
from bucketer.core.user import User
from bucketer.tail.tails import LONGEST, MOST_LISTENERS, Tails

RULESET = compile_datafile(parse_datafile(Path(demo.PATH).read_bytes()))
HER = User("cooper34523569", {"tier": "platinum", "member_since_days": 56})
EXPERIMENT = "checkout_flow_experiment"


class Tailed:
    """Tails with an engine, a clock and what was told."""

    def __init__(self):
        self.listened, self.told, self.clock = set(), [], Clock()
        self.tails = Tails(self.listened, self.clock)
        self.tails.tell = self.told.extend
        self.engine = self.tails.watched(decide, "shop")

    def listen(self, per_second=1_000, **wanted):
        topic, self.opening = self.tails.open(Wanted(per_second=per_second, **wanted))
        if topic:
            self.listened.add(topic)
        return topic

    def ask(self, user=HER):
        return self.engine.activate(RULESET, EXPERIMENT, user, None)

    def heard(self, topic):
        return [json.loads(each.data) for each in self.told if each.topic == topic]


@pytest.fixture
def tailed():
    return Tailed()


def test_a_decision_is_told_whole_and_is_the_engines_own(tailed):
    topic = tailed.listen()

    decision = tailed.ask()

    assert decision is decide.activate(RULESET, EXPERIMENT, HER, None)
    [told] = tailed.heard(topic)
    assert told.pop("at_ms") > 0
    assert {
        "environment": "shop",
        "revision": "22",
        "flag": EXPERIMENT,
        "user": "cooper34523569",
        "variation": "one_step_checkout",
        "enabled": decision.enabled,
        "reason": "experiment",
        "rule": decision.rule_key,
        "skipped": 0,
    } == told


@pytest.mark.parametrize(
    ("wanted", "hears"),
    [
        ({}, 2),
        ({"user": "cooper34523569"}, 1),
        ({"user": "cooper"}, 0),
        ({"flag": EXPERIMENT}, 2),
        ({"flag": "search"}, 0),
        ({"reason": "experiment"}, 1),
        ({"reason": "none"}, 1),
        ({"variation": "one_step_checkout"}, 1),
        ({"environment": "shop", "reason": "none"}, 1),
        ({"environment": "other"}, 0),
    ],
)
def test_each_hears_what_it_wants(tailed, wanted, hears):
    topic = tailed.listen(**wanted)
    everything = tailed.listen()
    tailed.ask()
    tailed.ask(User("nobody", {}))

    assert (hears, 2) == (len(tailed.heard(topic)), len(tailed.heard(everything)))


def test_whoever_may_ask_some_environments_hears_of_no_others(tailed):
    tailed.tails.covered = lambda may: {each for each in ("shop", "blog") if may(each, ())}
    of_shop, of_others = (
        tailed.tails.open(Wanted(per_second=9), may)[0]
        for may in (lambda name, _: name == "shop", lambda name, _: name == "blog")
    )
    tailed.listened |= {of_shop, of_others}
    tailed.ask()

    assert (1, 0) == (len(tailed.heard(of_shop)), len(tailed.heard(of_others)))


def test_flags_are_told_as_experiments_are(tailed):
    topic = tailed.listen()
    tailed.engine.decide(RULESET, "search", HER)

    assert "search" == tailed.heard(topic)[0]["flag"]


@pytest.mark.parametrize("asked", [2, 3, 4, 100])
def test_of_each_second_so_many_are_told_and_the_rest_is_counted(tailed, asked):
    topic = tailed.listen(per_second=3)
    for _ in range(asked):
        tailed.ask()
    tailed.clock.now += 1
    tailed.ask()

    *first, last = tailed.heard(topic)
    assert min(asked, 3) == len(first)
    assert max(0, asked - 3) == last["skipped"]


def test_one_who_is_gone_is_told_nothing_and_makes_room(tailed):
    topics = [tailed.listen() for _ in range(MOST_LISTENERS)]
    tailed.ask()
    assert "" == tailed.listen()

    tailed.listened.discard(topics[0])
    tailed.told.clear()
    tailed.ask()

    assert [] == tailed.heard(topics[0])
    assert tailed.listen()


def test_one_who_never_came_is_forgotten(tailed):
    tailed.tails.open(Wanted(per_second=1))
    tailed.clock.now += 0.6
    tailed.ask()

    assert {} == tailed.tails._tails
    assert [] == tailed.told


def test_while_nobody_listens_nothing_is_made(tailed):
    def note(*_):
        raise AssertionError("nobody listens")

    tailed.tails._note = note
    tailed.engine = tailed.tails.watched(decide, "shop")
    tailed.ask()


def test_names_of_any_length_are_cut(tailed):
    topic = tailed.listen()
    tailed.ask(User("u" * 5_000, {}))

    assert LONGEST == len(tailed.heard(topic)[0]["user"])
