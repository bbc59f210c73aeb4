import itertools

import pytest
from tests.fakes.bandit import Bandit

from bucketer.core.bandit import PredictionNeeded
from bucketer.predictions.client import PredictionClient
from bucketer.predictions.predictor import CachedPredictor


@pytest.fixture
def bandit():
    with Bandit("1") as listening:
        yield listening


@pytest.fixture
def client(bandit):
    made = PredictionClient(bandit.url, timeout_s=5.0)
    yield made
    made.close()


@pytest.fixture
def clock():
    """Epoch seconds that stand still until a test moves them."""

    class Clock:
        now = 1_000.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def predictor(client, clock):
    numbers = itertools.count(1)
    return CachedPredictor(client, lambda: f"uuid-{next(numbers)}", clock=clock)


@pytest.fixture
def needed():
    """What the core asks for about one user and rule."""

    def make(user_id="ben", rule_id="77", **attributes):
        return PredictionNeeded(rule_id, user_id, list(attributes.items()))

    return make
