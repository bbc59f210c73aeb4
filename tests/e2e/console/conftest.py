"""A browser, and servers to look at: each for the tests of one file.

Not for longer: Playwright runs an event loop in this thread, which other tests have to themselves.
"""

from __future__ import annotations

import json

import pytest
from tests.fakes.browsers import chromium
from tests.fakes.datafiles import a_datafile
from tests.fakes.hostile_project import write_hostile_datafile
from tests.fakes.process import bucketer_serve


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def demo():
    """A server as it starts with nothing configured."""
    with bucketer_serve() as started:
        yield started


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A server with all that can be seen: two revisions, profiles, an outbox.

    The newer revision gives the third variation of its first experiment to nobody any more.
    """
    folder = tmp_path_factory.mktemp("service")
    (folder / "archive").mkdir()
    newer = a_datafile(revision="22")
    [experiment] = newer["experiments"]
    experiment["trafficAllocation"] = [
        {"entityId": "10000000601", "endOfRange": 5000},
        {"entityId": "10000000602", "endOfRange": 10_000},
    ]
    for each in (a_datafile(revision="21"), newer):
        (folder / "archive" / f"{each['revision']}.json").write_text(json.dumps(each))
    (folder / "datafile.json").write_text(json.dumps(newer))
    with bucketer_serve(
        BUCKETER_DATAFILE=str(folder / "datafile.json"),
        BUCKETER_REVISIONS=str(folder / "archive"),
        BUCKETER_EVENTS="outbox",
        BUCKETER_METRICS="local",
        BUCKETER_PROFILES="memory",
        BUCKETER_STATE_DIR=str(folder / "state"),
    ) as started:
        yield started


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A server of a thousand flags, some of which have names that want to be markup."""
    datafile = write_hostile_datafile(tmp_path_factory.mktemp("hostile") / "datafile.json")
    with bucketer_serve(BUCKETER_DATAFILE=str(datafile)) as started:
        yield started
