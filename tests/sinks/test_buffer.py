"""Lambda's memory of events: bounded in time and bytes, emptied to the log at the end."""

import json
import time

import pytest
from tests.fakes.collector import Collector
from tests.fakes.visitors import a_ruleset, some_events

from bucketer.sinks.buffer import Buffer
from bucketer.sinks.counters import Counters
from bucketer.sinks.delivery import Delivery
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


def logged_whole(caplog):
    return [
        json.loads(record.getMessage().partition("): ")[2])["visitors"][0]["visitor_id"]
        for record in caplog.records
        if "undelivered" in record.getMessage()
    ]


def test_nothing_is_sent_before_the_response(open_outbox, collector):
    outbox = open_outbox()

    outbox.add(some_events(3))

    assert collector.requests == 0
    outbox.after_response(1.0)
    assert collector.uuids() == ["000000", "000001", "000002"]
    assert outbox.counters.sent == 3


def test_batches_are_kept_apart_and_within_their_size(open_outbox, collector):
    outbox = open_outbox(max_events=2)
    outbox.add([*some_events(3), *some_events(1, a_ruleset("8"), 3), *some_events(1, first=4)])

    outbox.after_response(1.0)

    assert [len(payload["visitors"]) for payload in collector.payloads] == [2, 1, 1, 1]
    assert collector.uuids() == [f"{n:06}" for n in range(5)]


def test_a_slow_collector_holds_no_longer_than_the_bound_and_the_rest_is_carried_over(
    open_outbox, collector
):
    collector.mood = "hang"
    outbox = open_outbox()
    outbox.add(some_events(2))
    started = time.monotonic()

    outbox.after_response(0.3)

    assert time.monotonic() - started < 0.5
    collector.mood = 200
    outbox.add(some_events(1, first=2))
    outbox.after_response(1.0)
    assert collector.uuids() == ["000000", "000001", "000002"]
    assert outbox.counters.retried == 2


def test_a_collector_that_asks_for_time_gets_it(open_outbox, collector):
    collector.script = [(429, {"Retry-After": "1"})]
    outbox = open_outbox()
    outbox.add(some_events(1))
    outbox.after_response(0.5)

    outbox.after_response(0.5)

    assert collector.requests == 1
    time.sleep(1.0)
    outbox.after_response(0.5)
    assert collector.requests == 2


def test_a_rate_limit_while_a_batch_is_halved_repeats_nothing(open_outbox, collector, caplog):
    def judge(payload):
        if collector.requests % 2 == 0:
            return 429
        return 400 if "user-5" in {v["visitor_id"] for v in payload["visitors"]} else 204

    collector.judge = judge
    outbox = open_outbox()
    outbox.add(some_events(20))

    for _ in range(12):
        outbox.after_response(1.0)

    assert [f"{n:06}" for n in range(20) if n != 5] == collector.uuids()
    assert (outbox.counters.sent, outbox.counters.dead) == (19, 1)
    assert logged_whole(caplog) == ["user-5"]


def test_what_is_refused_for_good_is_logged_whole(open_outbox, collector, caplog):
    collector.judge = lambda payload: (
        400 if any(v["visitor_id"] == "user-1" for v in payload["visitors"]) else 200
    )
    outbox = open_outbox()
    outbox.add(some_events(4))

    outbox.after_response(1.0)

    assert logged_whole(caplog) == ["user-1"]
    assert (outbox.counters.sent, outbox.counters.dead) == (3, 1)


def test_at_the_end_what_is_left_is_logged_whole(open_outbox, collector, caplog):
    collector.mood = 503
    outbox = open_outbox()
    outbox.add(some_events(2))

    outbox.close()

    assert logged_whole(caplog) == ["user-0", "user-1"]


def test_at_the_end_the_last_resort_is_tried_first(open_outbox, collector, caplog):
    collector.mood = 503
    with Collector() as other:
        outbox = open_outbox(last_resort=Delivery(other.url))
        outbox.add(some_events(2))

        outbox.close()

        assert other.uuids() == ["000000", "000001"]
    assert logged_whole(caplog) == []


def test_when_memory_is_full_the_oldest_go_to_the_log(open_outbox, caplog):
    outbox = open_outbox(max_bytes=2_000)

    outbox.add(some_events(10))

    spilt = logged_whole(caplog)
    assert spilt == [f"user-{n}" for n in range(len(spilt))]
    assert 4 < len(spilt) < 10
    assert outbox.counters.accepted == 10


def test_the_age_of_the_oldest_is_known_until_it_is_sent(open_outbox, collector):
    collector.mood = 503
    outbox = open_outbox()
    outbox.add(some_events(1))
    outbox.after_response(0.2)

    assert outbox.health()["oldest_age_s"] > 0
    collector.mood = 200
    outbox.after_response(0.2)
    assert outbox.health()["oldest_age_s"] == 0
