"""Lambda's outbox until there is time: what it was given is never nowhere."""

import json
import threading

import pytest
from tests.fakes.visitors import some_events

from bucketer.sinks.counters import Counters
from bucketer.sinks.outbox import Outbox
from bucketer.sinks.postponed import Postponed


class Home:
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
def home():
    return Home()


@pytest.fixture
def opened():
    return []


@pytest.fixture
def postponed(home, opened):
    def open_outbox():
        opened.append(True)
        return Outbox(home, Counters())

    return Postponed(open_outbox, iter(map(str, range(1_000, 2_000))).__next__)


def test_nothing_is_opened_before_there_is_time(postponed, home, opened):
    assert not postponed.waits()
    postponed.add(some_events(2))

    assert postponed.waits()
    assert ([], []) == (opened, home.visitors)


def test_after_the_response_all_is_handed_over_once_in_order(postponed, home, opened):
    for _ in range(3):
        postponed.add(some_events(2))
        postponed.add(some_events(1))
        postponed.after_response(0.5)

    assert 9 == len(home.visitors)
    assert ([True], [0.5] * 3) == (opened, home.deadlines)
    assert not postponed.waits()


def test_what_the_home_carried_over_waits(postponed, home):
    postponed.add(some_events(1))
    postponed.after_response(0.5)
    home.has_more = True

    assert postponed.waits()


def test_health_tells_of_what_was_given_just_now(postponed):
    postponed.add(some_events(3))

    assert 3 == postponed.health()["accepted"]


def test_the_end_hands_over_what_is_left(postponed, home):
    postponed.add(some_events(2))
    postponed.close()

    assert 2 == len(home.visitors)
    assert home.closed


def test_an_end_without_an_event_opens_nothing(postponed, opened):
    postponed.close()

    assert [] == opened


def test_an_end_in_the_middle_of_a_handover_waits_for_it(home):
    """SIGTERM closes in one thread while the extension's is at it in another."""
    in_the_middle, go_on = threading.Event(), threading.Event()

    def open_outbox():
        in_the_middle.set()
        go_on.wait(5)
        return Outbox(home, Counters())

    postponed = Postponed(open_outbox, str)
    postponed.add(some_events(2))
    worker = threading.Thread(target=postponed.after_response, args=(0.5,))
    worker.start()
    in_the_middle.wait(5)
    threading.Timer(0.05, go_on.set).start()
    postponed.close()
    worker.join()

    assert 2 == len(home.visitors)
    assert home.closed


def test_events_without_a_name_get_one_each_and_named_ones_keep_theirs(postponed, home):
    events = some_events(3)
    for event in events[1:]:
        event.uuid = postponed.name_event()
    postponed.add(events)
    postponed.after_response(0.5)

    names = [json.loads(each)["snapshots"][0]["events"][0]["uuid"] for each in home.visitors]
    assert ["000000", "1000", "1001"] == names
