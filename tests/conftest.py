import json
from pathlib import Path

import pytest

from bucketer import demo


@pytest.fixture
def demonstration():
    """The demonstration datafile, fresh, to be changed at will."""
    return json.loads(Path(demo.PATH).read_bytes())
