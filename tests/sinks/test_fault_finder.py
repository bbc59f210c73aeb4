"""Events that never get through, among others that do; and a collector that is down for all."""

import json
import threading
import time

import pytest
from tests.fakes.visitors import a_ruleset, some_events
from tests.fakes.waiting import wait_until

from bucketer.core.events import Event
from bucketer.core.user import User
from bucketer.sinks.counters import Counters
from bucketer.sinks.dead_letters import DeadLetters
from bucketer.sinks.delivery import LATER, NEVER, SENT, Verdict
from bucketer.sinks.durable import Durable
from bucketer.sinks.outbox import Outbox
from bucketer.sinks.pace import Pace
from bucketer.sinks.suspects import ROUNDS, Suspects


def large(number, size):
    [event] = some_events(1, first=number)
    return Event(event.what, User("large", {"tier": "x" * size}), event.ruleset, 0, event.uuid)


def names_of(payload):
    return {visitor["visitor_id"] for visitor in payload["visitors"]}


def dead_in(tmp_path):
    letters = DeadLetters(tmp_path / "outbox/dead", "x", 1 << 30)
    return [json.loads(letter.visitor)["visitor_id"] for letter in letters]


def test_an_event_that_the_collector_hangs_up_on_holds_up_nothing_for_ever(
    open_outbox, collector, tmp_path
):
    """One of 600 KB, before a collector that takes 500 KB at most."""
    collector.judge = lambda payload: "close" if len(json.dumps(payload)) > 500_000 else 204
    outbox = open_outbox()

    outbox.add([large(0, 600_000), *some_events(50, first=1)])

    collector.wait_for(50)
    wait_until(lambda: outbox.counters.dead)
    assert ["large"] == dead_in(tmp_path)
    assert set(collector.uuids()) == {f"{n:06}" for n in range(1, 51)}


@pytest.mark.parametrize("mood", [500, "close", "garbage", 408, 302])
@pytest.mark.parametrize("guilty", [[0], [49], range(10, 26)], ids=["first", "last", "many"])
def test_whatever_the_collector_says_to_somebody_the_others_arrive(
    open_outbox, collector, tmp_path, mood, guilty
):
    bad = {f"user-{n}" for n in guilty}
    collector.judge = lambda payload: mood if bad & names_of(payload) else 204
    outbox = open_outbox()

    outbox.add(some_events(50))

    collector.wait_for(50 - len(bad))
    wait_until(lambda: outbox.counters.dead == len(bad))
    assert sorted(bad) == sorted(dead_in(tmp_path))
    assert outbox.counters.sent == 50 - len(bad)
    [letter, *_] = DeadLetters(tmp_path / "outbox/dead", "x", 1 << 30)
    assert letter.why.startswith("given up, since others get through: ")


def test_somebody_whom_it_asks_to_wait_for_ever_holds_up_nobody(open_outbox, collector):
    busy = (429, {"Retry-After": "0.01"})
    collector.judge = lambda payload: busy if "user-3" in names_of(payload) else 204
    outbox = open_outbox()

    outbox.add(some_events(20))

    collector.wait_for(19)
    wait_until(lambda: outbox.counters.dead == 1)


def test_a_whole_parcel_of_one_visitor_at_fault_lets_those_behind_it_pass(
    open_outbox, collector, tmp_path
):
    collector.judge = lambda payload: 500 if "user" in names_of(payload) else 204
    outbox = open_outbox(max_events=20)
    [event] = some_events(1)
    bad = [Event(event.what, User("user", {}), event.ruleset, n, f"bad-{n}") for n in range(45)]

    outbox.add([*bad, *some_events(30)])

    collector.wait_for(30)
    wait_until(lambda: outbox.counters.dead == 45)
    assert ["user"] * 45 == dead_in(tmp_path)


def test_alone_in_the_outbox_an_event_waits_and_the_next_one_is_not_held_up(
    open_outbox, collector, tmp_path
):
    collector.judge = lambda payload: 500 if "user-0" in names_of(payload) else 204
    outbox = open_outbox()
    outbox.add(some_events(1))
    wait_until(lambda: outbox.counters.retried > 15)
    assert outbox.counters.dead == 0

    outbox.add(some_events(3, first=1))

    collector.wait_for(3)
    wait_until(lambda: outbox.counters.dead == 1)
    assert ["user-0"] == dead_in(tmp_path)


@pytest.mark.parametrize("mood", [500, "close", "hang", (429, {})])
@pytest.mark.parametrize("known", [False, True])
def test_a_collector_that_is_down_for_all_costs_nobody_and_nothing_overtakes(
    open_outbox, collector, tmp_path, mood, known
):
    outbox = open_outbox(timeout_s=0.01)
    if known:
        outbox.add(some_events(3))
        collector.wait_for(3)
    first = 3 if known else 0
    mends = threading.Event()

    def judge(payload):
        """It is up again with a whole parcel: what a search was sending ahead isn't the first."""
        whole = len(payload["visitors"]) > 1
        up = f"{first:06}" in collector.uuids() or (mends.is_set() and whole)
        return 204 if up else mood

    collector.judge = judge
    outbox.add(some_events(40, first=first))
    wait_until(lambda: outbox.counters.retried > 40 * 12, 60)

    assert outbox.counters.dead == 0
    mends.set()
    collector.wait_for(first + 40, 60)
    seen = list(dict.fromkeys(collector.uuids()))
    assert [f"{n:06}" for n in range(first + 40)] == seen
    assert [] == dead_in(tmp_path)


@pytest.mark.parametrize("up", [2, 3, 7])
def test_a_collector_that_is_up_now_and_then_gives_nobody_up(open_outbox, collector, tmp_path, up):
    """Every second, third, seventh request succeeds."""
    collector.judge = lambda _: 204 if collector.requests % up == 0 else 500
    outbox = open_outbox(longest_wait_s=0.02)

    for n in range(10):
        outbox.add(some_events(10, first=10 * n))
        time.sleep(0.02)

    collector.wait_for(100)
    wait_until(lambda: outbox.counters.sent == 100)
    assert [] == dead_in(tmp_path)


def test_payloads_are_smaller_from_then_on_for_a_collector_that_takes_no_larger_ones(
    open_outbox, collector
):
    collector.judge = lambda payload: "close" if len(json.dumps(payload)) > 300_000 else 204
    outbox = open_outbox()

    for n in range(300):
        outbox.add([large(n, 10_000)])

    collector.wait_for(300)
    wait_until(lambda: outbox.counters.sent == 300)
    assert outbox.counters.dead == 0
    refused = collector.requests - len(collector.payloads)
    assert refused < 30  # and not six for each payload


def test_a_region_that_is_up_says_nothing_of_one_that_is_down_and_does_not_wait_for_it(tmp_path):
    class TwoRegions:
        def send(self, batch, visitors, timeout_s):
            return Verdict(SENT if batch.region == "US" else LATER, 500, "status", None)

        def abort(self):
            pass

        close = abort

    counters = Counters()
    pace = Pace(interval_s=0.01, first_wait_s=0.001, longest_wait_s=0.002)
    durable = Durable(tmp_path / "outbox", TwoRegions(), counters, limit_bytes=1 << 30, pace=pace)
    outbox = Outbox(durable, counters)
    outbox.add(some_events(5, a_ruleset(region="US")))
    outbox.add(some_events(5, a_ruleset(region="EU"), first=5))
    outbox.add(some_events(5, a_ruleset(region="US"), first=10))

    wait_until(lambda: counters.retried > 5 * 60)

    assert (counters.sent, counters.dead) == (10, 0)
    outbox.close()


class Script:
    """Verdicts by who is asked; `down` makes it fail for all after so many requests."""

    def __init__(self, bad="", *, down_after=10**9):
        self.bad, self.down_after, self.asked = bad, down_after, []

    def __call__(self, _batch, visitors):
        self.asked.append("".join(visitors))
        if len(self.asked) > self.down_after or set(self.bad) & set(visitors):
            return Verdict(LATER, 500, "status 500", None)
        return Verdict(SENT, 204, "", None)


@pytest.mark.parametrize("down_after", range(30))
def test_an_outage_at_any_moment_of_a_search_condemns_nobody(down_after):
    script = Script("cd", down_after=down_after)
    suspects = Suspects(script, (None, "!"))

    rounds = [suspects.ask(None, "abcdefgh") for _ in range(ROUNDS + 2)]

    if any(found.down for found in rounds[:ROUNDS]):
        assert all(not found.dead for found in rounds)


def test_only_who_fails_in_each_round_is_given_up():
    script = Script("c")
    suspects = Suspects(script, (None, "!"))

    first = suspects.ask(None, "abcd")
    assert (first.sent, first.left, first.dead) == (3, [2], [])
    for _ in range(ROUNDS - 2):
        assert suspects.ask(None, "c").left == [0]
    last = suspects.ask(None, "c")

    [(visitors, verdict)] = last.dead
    assert (visitors, verdict.kind, verdict.status) == (["c"], NEVER, 500)
    assert script.asked[:2] == ["!", "abcd"]
    assert script.asked[-3:] == ["!", "c", "!"]


def test_a_search_before_a_collector_that_goes_down_asks_few():
    script = Script(down_after=1)

    found = Suspects(script, (None, "!")).ask(None, ["x"] * 500)

    assert found.down is not None
    assert len(script.asked) < 40
