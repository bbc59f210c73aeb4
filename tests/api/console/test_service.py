"""`GET service`: what health says, with every environment, and counts where somebody counts."""

import json

from tests.fakes.consoles import HERE, Console
from tests.fakes.datafiles import a_datafile

from bucketer import wiring
from bucketer.api.http import Request
from bucketer.metrics.collector import Collector
from bucketer.metrics.requests import RequestCounts


def test_the_service_is_as_health_says_with_its_environment():
    console = Console()

    told = console.get("service")

    [environment] = told["environments"]
    assert ("ok", []) == (told["status"], told["why"])
    assert ("default", "22", "demonstration") == (
        environment["title"],
        environment["revision"],
        environment["source"],
    )
    assert environment["age_s"] is None  # nobody confirms what is in the package
    assert told["requests"] is None
    assert told["events"] is None
    assert told["now"] > 0 <= told["uptime_s"]


def test_what_is_amiss_is_told_with_its_reason(tmp_path):
    console = Console(datafile=a_datafile(), tmp_path=tmp_path, BUCKETER_HEALTH_MAX_AGE="1")
    console.runtime.default.edition.checked_at -= 100

    told = console.get("service")

    [why] = told["why"]
    assert ("degraded", "datafile_old") == (told["status"], why["code"])
    assert 100 <= told["environments"][0]["age_s"]


def test_without_a_datafile_the_service_is_told_all_the_same(tmp_path):
    console = Console(BUCKETER_DATAFILE=str(tmp_path / "nothing.json"))

    told = console.get("service")

    assert ("no_datafile", "no_datafile") == (told["status"], told["why"][0]["code"])
    assert told["environments"][0]["revision"] is None
    assert "no_datafile" == console.get("project", status=503)["error"]["code"]


def test_events_are_those_of_health(tmp_path):
    console = Console(
        datafile=a_datafile(),
        tmp_path=tmp_path,
        BUCKETER_EVENTS="outbox",
        BUCKETER_EVENTS_ENDPOINT="http://127.0.0.1:9/",
        BUCKETER_STATE_DIR=str(tmp_path / "state"),
    )
    console.ask("/bucketer", "e=checkout_flow_experiment&u=qa_anna")
    told = console.get("service")
    health = json.loads(console.ask("/health").body)
    console.runtime.close()

    assert health["events"]["accepted"] == told["events"]["accepted"] == 1


def test_requests_are_told_where_they_are_counted():
    collector, counts = Collector(), RequestCounts()
    collector.parts.append(counts.samples)
    runtime = wiring.build(
        environ={"BUCKETER_EVENTS": "off", "BUCKETER_METRICS": "local"}, collector=collector
    )
    asked = Request("GET", "/console/api/service", "", HERE, b"", "127.0.0.1", "request-1")
    answer = runtime.serve(asked)
    for status in (200, 200, 404, 500, 503):
        answer.status = status
        counts.note(asked, answer, 0.001)

    told = json.loads(runtime.serve(asked).body)

    assert {"total": 5, "errors": 2} == told["requests"]
