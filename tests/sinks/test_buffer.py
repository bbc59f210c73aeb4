"""Lambda's memory of events: bounded in time and bytes, emptied to the log at the end."""

import json
import os
import threading
import time

import pytest
from tests.fakes.collector import Collector
from tests.fakes.sources import Clock
from tests.fakes.visitors import a_ruleset, some_events

from bucketer.clock import SteadyClock
from bucketer.sinks.buffer import Buffer
from bucketer.sinks.counters import Counters
from bucketer.sinks.delivery import LATER, NEVER, Delivery, Verdict
from bucketer.sinks.outbox import Outbox


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector


@pytest.fixture
def open_outbox(collector):
    opened = []

    def open_(**options):
        counters = Counters()
        outbox = Outbox(Buffer(counters, Delivery(collector.url), **options), counters)
        opened.append(outbox)
        return outbox

    yield open_
    for outbox in opened:
        outbox.close()


def logged_whole(capfd):
    """Whose events standard error holds, whole; nothing else may have got into their lines."""
    found = []
    for line in capfd.readouterr().err.splitlines():
        if line.startswith("outbox: undelivered ("):
            event = json.loads(line[line.index("{") :])
            assert {"region", "account_id", "project_id", "revision", "visitors"} <= event.keys()
            found.append(event["visitors"][0]["visitor_id"])
    return found


def test_nothing_is_sent_before_the_response(open_outbox, collector):
    outbox = open_outbox()

    outbox.add(some_events(3))

    assert collector.requests == 0
    outbox.after_response(10.0)
    assert collector.uuids() == ["000000", "000001", "000002"]
    assert outbox.counters.sent == 3


def test_batches_are_kept_apart_and_within_their_size(open_outbox, collector):
    outbox = open_outbox(max_events=2)
    outbox.add([*some_events(3), *some_events(1, a_ruleset("8"), 3), *some_events(1, first=4)])

    outbox.after_response(10.0)

    assert [len(payload["visitors"]) for payload in collector.payloads] == [2, 2, 1]
    assert collector.uuids() == ["000000", "000001", "000002", "000004", "000003"]


def test_a_slow_collector_holds_no_longer_than_the_bound_and_the_rest_is_carried_over(
    open_outbox, collector
):
    collector.mood = "hang"
    outbox = open_outbox()
    outbox.add(some_events(2))
    started = time.monotonic()

    outbox.after_response(0.3)

    assert time.monotonic() - started < 5  # the collector never answers
    collector.mood = 200
    outbox.add(some_events(1, first=2))
    outbox.after_response(10.0)
    assert collector.uuids() == ["000000", "000001", "000002"]
    assert outbox.counters.retried == 2


def test_a_collector_that_asks_for_time_gets_it_and_time_that_lambda_is_frozen_counts(
    open_outbox, collector
):
    """The monotonic clock stands still then: a minute of it may be a day of seldom requests."""
    wall, monotonic = Clock(), Clock(7.0)
    collector.script = [(429, {"Retry-After": "60"})]
    outbox = open_outbox(clock=SteadyClock(wall, monotonic))
    outbox.add(some_events(1))
    outbox.after_response(10.0)

    wall.now += 59
    outbox.after_response(10.0)

    assert collector.requests == 1
    wall.now += 1
    outbox.after_response(10.0)
    assert collector.requests == 2


def test_a_rate_limit_while_a_batch_is_halved_repeats_nothing(open_outbox, collector, capfd):
    def judge(payload):
        if collector.requests % 2 == 0:
            return 429
        return 400 if "user-5" in {v["visitor_id"] for v in payload["visitors"]} else 204

    collector.judge = judge
    outbox = open_outbox()
    outbox.add(some_events(20))

    for _ in range(12):
        outbox.after_response(10.0)

    assert [f"{n:06}" for n in range(20) if n != 5] == collector.uuids()
    assert (outbox.counters.sent, outbox.counters.dead) == (19, 1)
    assert logged_whole(capfd) == ["user-5"]


def test_dividing_what_is_refused_takes_no_longer_than_a_flush_may(open_outbox, collector, capfd):
    collector.mood, collector.delay_s = 400, 0.04
    outbox = open_outbox()
    outbox.add(some_events(30))
    started = time.monotonic()

    outbox.after_response(0.3)

    assert time.monotonic() - started < 1.5  # all of it would take 2.4
    before = collector.requests
    for _ in range(20):
        outbox.after_response(0.3)
    assert outbox.counters.dead == 30
    assert collector.requests > before
    assert logged_whole(capfd) == [f"user-{n}" for n in range(30)]


def test_what_is_refused_for_good_is_logged_whole(open_outbox, collector, capfd):
    collector.judge = lambda payload: (
        400 if any(v["visitor_id"] == "user-1" for v in payload["visitors"]) else 200
    )
    outbox = open_outbox()
    outbox.add(some_events(4))

    outbox.after_response(10.0)

    assert logged_whole(capfd) == ["user-1"]
    assert (outbox.counters.sent, outbox.counters.dead) == (3, 1)


def test_at_the_end_what_is_left_is_logged_whole(open_outbox, collector, capfd):
    collector.mood = 503
    outbox = open_outbox()
    outbox.add(some_events(2))

    outbox.close()

    assert logged_whole(capfd) == ["user-0", "user-1"]


def test_at_the_end_the_last_resort_is_tried_first(collector, capfd):
    collector.mood = 503
    with Collector() as other:
        counters = Counters()
        buffer = Buffer(counters, Delivery(collector.url), last_resort=Delivery(other.url))
        Outbox(buffer, counters).add(some_events(2))

        buffer.close(10)

        assert other.uuids() == ["000000", "000001"]
    assert logged_whole(capfd) == []


def test_when_memory_is_full_the_oldest_go_to_the_log(open_outbox, collector, capfd):
    collector.mood = 503
    outbox = open_outbox(max_bytes=2_000)

    outbox.add(some_events(10))

    spilt = logged_whole(capfd)
    assert spilt == [f"user-{n}" for n in range(len(spilt))]
    assert 4 < len(spilt) < 10
    assert outbox.counters.accepted == 10


def test_more_at_once_than_memory_takes_is_sent_at_once_where_the_collector_is_well(
    open_outbox, collector, capfd
):
    outbox = open_outbox(max_bytes=2_000)

    outbox.add(some_events(10))

    assert [f"{n:06}" for n in range(10)] == collector.uuids()
    assert logged_whole(capfd) == []


def test_the_age_of_the_oldest_is_known_until_it_is_sent(open_outbox, collector):
    collector.mood = 503
    outbox = open_outbox()
    outbox.add(some_events(1))
    outbox.after_response(0.2)

    assert outbox.health()["oldest_age_s"] > 0
    collector.mood = 200
    outbox.after_response(0.2)
    assert outbox.health()["oldest_age_s"] == 0


def test_what_memory_has_no_room_for_is_forgotten_only_once_it_is_in_the_log(
    open_outbox, collector
):
    collector.mood = 503
    outbox = open_outbox(max_bytes=2_000)
    reader, broken = os.pipe()
    os.close(reader)
    kept = os.dup(2)
    os.dup2(broken, 2)
    os.close(broken)
    try:
        outbox.add(some_events(10))
    finally:
        os.dup2(kept, 2)
        os.close(kept)

    collector.mood = 204
    outbox.after_response(10.0)
    assert [f"{n:06}" for n in range(10)] == collector.uuids()


def test_a_full_memory_asks_a_collector_that_fails_only_once(open_outbox, collector):
    collector.mood = 503
    outbox = open_outbox(max_bytes=2_000)

    for n in range(10):
        outbox.add(some_events(5, first=5 * n))

    assert collector.requests == 1


class Odd:
    """A transport that raises what nobody foresaw, or never comes back."""

    def __init__(self, error=None):
        self.error = error
        self.aborted = threading.Event()

    def send(self, batch, visitors, timeout_s):
        if self.error:
            raise self.error
        self.aborted.wait(30)
        return Verdict(LATER, 0, "it was aborted", None)

    def abort(self):
        self.aborted.set()

    def close(self):
        pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("transport", [Odd(KeyError("MOON")), Odd()])
def test_whatever_the_last_flush_meets_what_is_left_is_logged_whole_and_in_time(transport, capfd):
    counters = Counters()
    outbox = Outbox(Buffer(counters, transport), counters)
    outbox.add(some_events(3))
    started = time.monotonic()

    outbox.close()

    assert logged_whole(capfd) == ["user-0", "user-1", "user-2"]
    assert time.monotonic() - started < 5  # the transport would take thirty


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_last_resort_is_tried_whatever_became_of_the_first(collector, capfd):
    counters = Counters()
    buffer = Buffer(counters, Odd(KeyError("MOON")), last_resort=Delivery(collector.url))
    Outbox(buffer, counters).add(some_events(2))

    buffer.close(10)

    assert collector.uuids() == ["000000", "000001"]
    assert logged_whole(capfd) == []


def test_a_full_memory_is_logged_whole_well_within_the_half_second_that_lambda_gives(
    collector, capfd
):
    collector.mood = "hang"
    counters = Counters()
    outbox = Outbox(Buffer(counters, Delivery(collector.url)), counters)
    events = some_events(4_000)  # of some 470 bytes
    counters.trouble = "known to hang"
    for n in range(0, 4_000, 100):
        outbox.add(events[n : n + 100])
    spilt = logged_whole(capfd)
    started, worked = time.monotonic(), time.process_time()

    outbox.close()

    assert time.process_time() - worked < 0.3
    assert time.monotonic() - started < 5  # the collector never answers
    assert [f"user-{n}" for n in range(4_000)] == spilt + logged_whole(capfd)
    assert 1_000 < len(spilt) < 3_000


def test_an_answer_with_line_breaks_does_not_break_the_line_of_an_event(
    open_outbox, collector, capfd
):
    class Verbose(Odd):
        def send(self, batch, visitors, timeout_s):
            return Verdict(NEVER, 403, "status 403: <html>\n{\r\n", None)

    counters = Counters()
    outbox = Outbox(Buffer(counters, Verbose()), counters)
    outbox.add(some_events(1))

    outbox.after_response(10.0)

    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith(
        'outbox: undelivered (refused by the collector: status 403: <html> {): {"'
    )


@pytest.mark.parametrize("mood", [500, "close", 302])
@pytest.mark.parametrize("guilty", [0, 7, 19])
def test_an_event_that_never_gets_through_holds_up_no_other_and_is_logged_whole(
    open_outbox, collector, capfd, mood, guilty
):
    collector.judge = lambda payload: (
        mood if any(v["visitor_id"] == f"user-{guilty}" for v in payload["visitors"]) else 204
    )
    outbox = open_outbox()
    outbox.add(some_events(20))

    for _ in range(30):
        outbox.after_response(10.0)

    assert set(collector.uuids()) == {f"{n:06}" for n in range(20) if n != guilty}
    assert [f"user-{guilty}"] == logged_whole(capfd)
    assert (19, 1) == (outbox.counters.sent, outbox.counters.dead)
    assert not outbox.waits()


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("mood", [500, "close", 429])
def test_a_collector_that_is_down_for_all_gives_nobody_up(
    open_outbox, collector, capfd, mood, known
):
    outbox = open_outbox()
    if known:
        outbox.add(some_events(1))
        outbox.after_response(10.0)
    collector.mood = mood
    outbox.add(some_events(20, first=1))

    for _ in range(30):
        outbox.after_response(10.0)

    assert outbox.counters.dead == 0
    assert [] == logged_whole(capfd)
    collector.mood = 204
    outbox.after_response(10.0)
    assert [f"{n:06}" for n in range(1, 21)] == collector.uuids()[-20:]


def test_a_flush_that_ends_in_a_search_gives_nobody_up(open_outbox, collector, capfd):
    """An attempt for which there was no time says nothing of anybody."""
    collector.judge = lambda payload: (
        500 if any(v["visitor_id"] == "user-3" for v in payload["visitors"]) else 204
    )
    collector.delay_s = 0.03
    outbox = open_outbox()
    outbox.add(some_events(20))

    for _ in range(40):
        outbox.after_response(0.2)

    assert [*logged_whole(capfd)] in ([], ["user-3"])
    assert {f"{n:06}" for n in range(20) if n != 3} == set(collector.uuids())


def test_environments_that_take_turns_are_sent_together(open_outbox, collector):
    outbox = open_outbox(max_events=4)
    rulesets = [a_ruleset(revision=revision) for revision in "12"]
    for number in range(10):
        outbox.add(some_events(1, rulesets[number % 2], first=number))

    outbox.after_response(5.0)

    assert outbox.counters.sent == 10
    assert [len(each["visitors"]) for each in collector.payloads] == [4, 4, 1, 1]
    for payload in collector.payloads:
        parity = {int(each["visitor_id"][-1]) % 2 for each in payload["visitors"]}
        assert parity == {int(payload["revision"]) - 1}
