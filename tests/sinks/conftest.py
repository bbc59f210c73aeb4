"""A durable outbox of this process, before a collector of this process."""

import pytest
from tests.fakes.collector import Collector

from bucketer.sinks import fault_finder
from bucketer.sinks.counters import Counters
from bucketer.sinks.delivery import Delivery
from bucketer.sinks.durable import Durable
from bucketer.sinks.outbox import Outbox
from bucketer.sinks.pace import Pace

QUICK = {"interval_s": 0.02, "timeout_s": 0.4, "first_wait_s": 0.02, "longest_wait_s": 0.1}


@pytest.fixture
def collector():
    with Collector() as collector:
        yield collector


@pytest.fixture
def nobody_is_suspected(monkeypatch):
    """However long the collector is down, all is sent in order, and once.

    A search that is under way when it comes back sends some events ahead, which their parcel
    repeats: that none is lost is all that holds then.
    """
    monkeypatch.setattr(fault_finder, "SUSPICIOUS_FAILURES", 1_000_000)


@pytest.fixture
def open_outbox(tmp_path, collector):
    opened = []

    def open_(home=tmp_path / "outbox", limit_bytes=1 << 30, closing_s=2.0, url="", **pace):
        counters = Counters()
        durable = Durable(
            home,
            Delivery(url or collector.url),
            counters,
            limit_bytes=limit_bytes,
            pace=Pace(**{**QUICK, **pace}),
            closing_s=closing_s,
        )
        outbox = Outbox(durable, counters)
        opened.append(outbox)
        return outbox

    yield open_
    for outbox in opened:
        outbox.close()
