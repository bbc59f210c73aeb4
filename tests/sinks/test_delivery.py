"""One batch, several attempts: who was at fault, what is settled, what has to wait."""

import pytest

from bucketer.core.envelope import Batch
from bucketer.sinks.delivery import LATER, NEVER, SENT, Delivery, Verdict, deliver, judge

BATCH = Batch("US", '{"visitors": [')
ACCEPTED = Verdict(SENT, 204, "", None)
REFUSED = Verdict(NEVER, 400, "status 400", None)
TOO_MANY = Verdict(LATER, 429, "status 429", None)


class Scripted:
    """A collector that refuses some visitors, and says *later* to some of the requests."""

    def __init__(self, guilty=(), later=()):
        self.sizes = []
        self.guilty, self.later = set(guilty), later

    def __call__(self, _batch, visitors):
        self.sizes.append(len(visitors))
        if len(self.sizes) in self.later:
            return TOO_MANY
        return REFUSED if self.guilty.intersection(visitors) else ACCEPTED


def outcome_of(collector, visitors):
    found = deliver(collector, BATCH, visitors)
    dead = [each for part, _ in found.dead for each in part]
    return found.sent, "".join(dead), found.settled, found.later, found.put_off


def test_the_visitors_at_fault_are_found_and_the_others_are_sent():
    assert outcome_of(Scripted("cf"), "abcdefgh") == (6, "cf", 8, None, 0)


def test_what_was_settled_before_the_collector_asked_for_time_stays_settled():
    collector = Scripted("c", later=[7])

    assert outcome_of(collector, "abcdefgh") == (3, "c", 4, TOO_MANY, 4)
    assert collector.sizes == [8, 4, 2, 2, 1, 1, 4]


def test_a_collector_that_asks_for_time_at_once_settles_nothing():
    assert outcome_of(Scripted(later=[1]), "abcd") == (0, "", 0, TOO_MANY, 4)


def test_a_part_of_nobody_is_not_halved_for_ever():
    assert outcome_of(lambda *_: REFUSED, "") == (0, "", 0, None, 0)


def test_too_large_is_never_hopeless():
    """Eight visitors too large each say nothing of the ninth."""

    def send(_batch, visitors):
        too_large = len(visitors) > 1 or visitors < "i"
        return Verdict(NEVER, 413, "status 413", None) if too_large else ACCEPTED

    assert outcome_of(send, "abcdefghijkl") == (4, "abcdefgh", 12, None, 0)


@pytest.mark.parametrize("batch", [Batch("MOON", "{"), Batch([], "{"), Batch("US", "\u00e9")])
def test_a_damaged_batch_is_refused_and_nothing_raised(batch):
    verdict = Delivery().send(batch, ["{}"], 1.0)

    assert (verdict.kind, verdict.why) == (NEVER, "what they have in common is damaged")


def test_an_endpoint_that_is_none_lets_events_wait():
    verdict = Delivery("http://127.0.0.1:99999/").send(BATCH, ["{}"], 1.0)

    assert (verdict.kind, verdict.why) == (
        LATER,
        "the endpoint is no URL: it has a port outside 1 to 65535",
    )


@pytest.mark.parametrize(
    ("asked", "wait_s"),
    [("7", 7.0), (" 0.5 ", 0.5), ("9" * 400, 3_600.0), ("3600", 3_600.0), ("3601", 3_600.0)]
    + [
        (odd, None)
        for odd in (
            "inf",
            "Infinity",
            "1e400",
            "1e3",
            "1_0",
            "nan",
            "-5",
            "0",
            "",
            ".",
            "1.2.3",
            "\u0661",
        )
    ],
)
def test_a_collector_is_waited_for_as_long_as_it_asks_in_seconds_and_an_hour_at_most(asked, wait_s):
    assert judge(429, asked).wait_s == wait_s
