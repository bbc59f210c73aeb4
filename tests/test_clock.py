"""The clock that waiting goes by."""

from tests.fakes.sources import Clock

from bucketer.clock import SteadyClock
from bucketer.predictions.client import PredictionClient
from bucketer.predictions.predictor import CachedPredictor
from bucketer.sinks.buffer import Buffer
from bucketer.sources.archive import Archive


def _steady():
    wall, monotonic = Clock(), Clock(7.0)
    return SteadyClock(wall, monotonic), wall, monotonic


def test_time_that_passes_on_both_clocks_counts_once():
    steady, wall, monotonic = _steady()
    wall.now += 5
    monotonic.now += 5

    assert 5 == steady() == steady()


def test_a_wall_clock_that_is_set_back_takes_nothing_away_and_holds_nothing_up():
    steady, wall, monotonic = _steady()
    wall.now -= 7200
    before = steady()
    wall.now += 3
    monotonic.now += 3

    assert (0, 3) == (before, steady())


def test_a_monotonic_clock_that_stood_still_is_made_up_for():
    steady, wall, _ = _steady()
    wall.now += 3600

    assert 3600 == steady()


def test_what_ages_in_a_process_goes_by_it_unless_a_test_says_otherwise():
    predictor = CachedPredictor(None, str)
    lines = PredictionClient()._lines
    archive = Archive(None)
    buffer = Buffer(None, None)

    assert {SteadyClock} == {type(each._clock) for each in (predictor, lines, archive, buffer)}
