import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bucketer import demo

# A machine that does other things too draws and runs slowly: no law says how fast it holds.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A change lands or doesn't by what it does, not by the luck of the draw; people draw anew.
settings.register_profile("ci", settings.get_profile("house"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "house")
# How wide CI's own output may be says nothing to the commands that tests start.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COLUMNS", None)


@pytest.fixture
def demonstration():
    """The demonstration datafile, fresh, to be changed at will."""
    return json.loads(Path(demo.PATH).read_bytes())
