"""Lines that are given back, against a real server that counts who connects."""

import time

import pytest
from tests.fakes.bandit import Bandit

from bucketer.clock import SteadyClock
from bucketer.core.errors import SourceError
from bucketer.wire.idle import MAX_IDLE, MAX_IDLE_S, IdleLines


class Clock:
    """Seconds that stand still until a test moves them."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def bandit():
    with Bandit() as listening:
        yield listening


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lines(clock):
    made = IdleLines(clock)
    yield made
    made.close()


@pytest.fixture
def ask(lines, bandit):
    """Ask one path of the server, by a line that is taken and given back."""

    def once(path):
        url = f"{bandit.url}{path}"
        line = lines.take(url)
        line.ask({}, method="POST", body=b"{}", deadline=time.monotonic() + 10, max_bytes=1_000)
        lines.put_back(url, line)

    return once


def test_a_line_serves_the_next_question_to_the_same_url(ask, bandit):
    for _ in range(3):
        ask("77")

    assert (3, 1) == (len(bandit.questions), bandit.connections)


def test_a_line_that_is_lent_is_nobody_elses(lines, bandit):
    first, second = lines.take(bandit.url), lines.take(bandit.url)
    lines.put_back(bandit.url, first)

    assert second is not first
    assert lines.take(bandit.url) is first


@pytest.mark.parametrize(("waited", "connections"), [(MAX_IDLE_S, 1), (MAX_IDLE_S + 1, 2)])
def test_a_line_that_has_waited_too_long_is_not_trusted(ask, bandit, clock, waited, connections):
    ask("77")
    clock.now += waited
    ask("77")

    assert connections == bandit.connections


def test_of_too_many_the_oldest_is_let_go(ask, bandit):
    for number in range(MAX_IDLE + 1):
        ask(str(number))
    ask("1")

    assert MAX_IDLE + 1 == bandit.connections

    ask("0")

    assert MAX_IDLE + 2 == bandit.connections


def test_a_line_grows_old_while_lambda_is_frozen():
    """The monotonic clock stands still then; ODP's lines went by it."""
    assert isinstance(IdleLines()._clock, SteadyClock)


def test_what_is_closed_keeps_no_line(ask, lines, bandit):
    ask("77")
    lines.close()
    ask("77")

    assert 2 == bandit.connections


def test_what_is_no_url_can_not_be_asked(lines):
    with pytest.raises(SourceError):
        lines.take("ftp://example")
