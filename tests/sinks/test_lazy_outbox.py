"""Lambda's outbox until there is time: what it was given is never nowhere."""

import json
import threading

import pytest
from tests.fakes.visitors import some_events

from bucketer.sinks.counters import Counters
from bucketer.sinks.lazy_outbox import LazyOutbox
from bucketer.sinks.outbox import Outbox


class Sink:
    """Keeps what is written; notes how it was used."""

    def __init__(self):
        self.visitors, self.deadlines, self.closed = [], [], False
        self.has_more = False

    def write(self, batch, visitors):
        self.visitors += visitors

    def waits(self):
        return self.has_more

    def after_response(self, deadline_s):
        self.deadlines.append(deadline_s)

    def close(self):
        self.closed = True


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def opened():
    return []


@pytest.fixture
def lazy(sink, opened):
    def open_outbox():
        opened.append(True)
        return Outbox(sink, Counters())

    return LazyOutbox(open_outbox, iter(map(str, range(1_000, 2_000))).__next__)


def test_nothing_is_opened_before_there_is_time(lazy, sink, opened):
    assert not lazy.waits()
    lazy.add(some_events(2))

    assert lazy.waits()
    assert ([], []) == (opened, sink.visitors)


def test_after_the_response_all_is_handed_over_once_in_order(lazy, sink, opened):
    for _ in range(3):
        lazy.add(some_events(2))
        lazy.add(some_events(1))
        lazy.after_response(0.5)

    assert 9 == len(sink.visitors)
    assert ([True], [0.5] * 3) == (opened, sink.deadlines)
    assert not lazy.waits()


def test_what_the_home_carried_over_waits(lazy, sink):
    lazy.add(some_events(1))
    lazy.after_response(0.5)
    sink.has_more = True

    assert lazy.waits()


def test_health_tells_of_what_was_given_just_now(lazy):
    lazy.add(some_events(3))

    assert 3 == lazy.health()["accepted"]


def test_the_end_hands_over_what_is_left(lazy, sink):
    lazy.add(some_events(2))
    lazy.close()

    assert 2 == len(sink.visitors)
    assert sink.closed


def test_an_end_without_an_event_opens_nothing(lazy, opened):
    lazy.close()

    assert [] == opened


def test_an_end_in_the_middle_of_a_handover_waits_for_it(sink):
    """SIGTERM closes in one thread while the extension's is at it in another."""
    in_the_middle, go_on = threading.Event(), threading.Event()

    def open_outbox():
        in_the_middle.set()
        go_on.wait(60)
        return Outbox(sink, Counters())

    lazy = LazyOutbox(open_outbox, str)
    lazy.add(some_events(2))
    worker = threading.Thread(target=lazy.after_response, args=(0.5,))
    worker.start()
    in_the_middle.wait(60)
    threading.Timer(0.05, go_on.set).start()
    lazy.close()
    worker.join()

    assert 2 == len(sink.visitors)
    assert sink.closed


def test_events_without_a_name_get_one_each_and_named_ones_keep_theirs(lazy, sink):
    events = some_events(3)
    for event in events[1:]:
        event.uuid = lazy.name_event()
    lazy.add(events)
    lazy.after_response(0.5)

    names = [json.loads(each)["snapshots"][0]["events"][0]["uuid"] for each in sink.visitors]
    assert ["000000", "1000", "1001"] == names
