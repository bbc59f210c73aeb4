import pytest
from tests.fakes.odp import KEY, Odp

from bucketer.core.integration import Integration
from bucketer.odp.client import SegmentsClient
from bucketer.odp.segments import CachedSegments


@pytest.fixture
def odp():
    with Odp("gold") as listening:
        yield listening


@pytest.fixture
def a_client():
    """Make clients that are closed in the end."""
    made = []

    def make(*arguments, **keywords):
        made.append(SegmentsClient(*arguments, **keywords))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def client(odp, a_client):
    return a_client(odp.url, timeout_s=5.0)


@pytest.fixture
def integration():
    return Integration("https://odp.example", KEY, ("gold", "silver"))


@pytest.fixture
def clock():
    """Seconds that stand still until a test moves them."""

    class Clock:
        now = 1_000.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def segments(client, clock):
    return CachedSegments(client, clock=clock)
