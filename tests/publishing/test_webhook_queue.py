"""Webhooks in one server process: one thread, one that waits, however many come."""

from __future__ import annotations

import logging
import threading

import pytest
from tests.fakes.runtimes import a_runtime
from tests.fakes.sources import Clock, FakeSource, revision
from tests.fakes.waiting import wait_until
from tests.fakes.webhooks import body_of

from bucketer.publishing.publisher import Publisher
from bucketer.publishing.webhook_queue import WebhookQueue
from bucketer.sources.shared import SharedSource


class GatedSource(FakeSource):
    """Gives its content only while the gate is open, and says when somebody stands before it."""

    def __init__(self, content):
        super().__init__(content)
        self.gate, self.knocked = threading.Event(), threading.Event()

    def fetch(self, mark):
        self.knocked.set()
        self.gate.wait(10)
        return super().fetch(mark)


@pytest.fixture
def cdn():
    """Where the publisher looks, as slow as the test wants it."""
    return GatedSource(revision(5))


@pytest.fixture
def runtime():
    made = a_runtime(FakeSource(revision(5)))
    made.load()
    return made


@pytest.fixture
def queue(cdn, runtime):
    publisher = Publisher(cdn, [], wait_s=0.1)
    return WebhookQueue(publisher, runtime.default, insist=lambda revision: None, wait_s=0.1)


def _threads():
    return [each for each in threading.enumerate() if each.name == "webhook"]


def test_many_webhooks_are_one_thread_and_two_looks(queue, cdn):
    queue(body_of(5))
    cdn.knocked.wait(10)
    for _ in range(400):
        queue(body_of(5))
    most = len(_threads())
    cdn.gate.set()
    wait_until(lambda: not _threads())

    assert 1 == most
    assert 2 == len(cdn.asked)  # the first webhook's, and one for the 400 that came meanwhile


def test_replays_of_an_older_webhook_do_not_displace_a_newer_one(queue, cdn, caplog):
    caplog.set_level(logging.WARNING, logger="bucketer")
    queue(body_of(5))
    cdn.knocked.wait(10)
    for number in (5, 6, 5, 5):
        queue(body_of(number))
    cdn.gate.set()
    wait_until(lambda: not _threads())

    assert ["webhook: cdn.example still shows revision 5, not 6"] == [
        each.getMessage() for each in caplog.records
    ]


def test_a_webhook_after_a_quiet_time_is_acted_on_too(queue, cdn, runtime):
    cdn.gate.set()
    queue(body_of(5))
    wait_until(lambda: not _threads())
    runtime.default.sources[0].content = revision(6)
    cdn.content = revision(6)
    queue(body_of(6))
    wait_until(lambda: runtime.edition.ruleset.revision == "6")


def test_a_bug_in_the_acting_does_not_end_it_for_good(queue, cdn, caplog):
    cdn.gate.set()
    cdn.content = ZeroDivisionError("a bug")
    queue(body_of(5))
    wait_until(lambda: not _threads())
    cdn.content = revision(5)
    queue(body_of(5))
    wait_until(lambda: len(cdn.asked) == 2)

    assert ["webhook: failed in a way that nobody foresaw"] == [
        each.getMessage() for each in caplog.records
    ]


# -------------------------------------------------------------------- an older revision


@pytest.fixture
def turned_back(tmp_path):
    """A server that serves revision 5, fetched at 1000, while its URL shows 4 by now."""
    clock = Clock(1000.0)
    source = FakeSource(revision(5), '"5"')
    shared = SharedSource(source, tmp_path, clock=clock)
    runtime = a_runtime(shared, clock=clock)
    runtime.load()
    source.content, source.etag = revision(4), '"4"'
    clock.now = 2000.0
    publisher = Publisher(source, [], wait_s=0.1)
    queue = WebhookQueue(publisher, runtime.default, insist=shared.insist, wait_s=0.1, clock=clock)

    def told(body):
        queue(body)
        wait_until(lambda: not _threads())
        return runtime.edition.ruleset.revision

    return told


def test_a_webhook_that_names_the_older_revision_asks_for_it(turned_back):
    assert "4" == turned_back(body_of(4, sent_at=1990))


@pytest.mark.parametrize(
    "sent_at",
    [
        999,  # before revision 5 was fetched: a replay of when 4 was new
        1000,
        2301,  # yet to come: nobody knows when
        None,
        True,
        "1990",
        10**400,
        1e999,
    ],
)
def test_a_webhook_that_was_sent_before_the_newer_one_was_fetched_does_not(turned_back, sent_at):
    assert "5" == turned_back(body_of(4, sent_at=sent_at))


def test_a_webhook_about_another_revision_does_not_ask_for_this_one(turned_back):
    assert "5" == turned_back(body_of(3, sent_at=1990))
