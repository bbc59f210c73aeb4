"""`GET /metrics` of a real server: what it tells, of how many workers, and to whom."""

from __future__ import annotations

import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from tests.fakes.process import bucketer_serve
from tests.fakes.serving import FakeRuntime, serving
from tests.fakes.waiting import wait_until

from bucketer.metrics.names import BY_NAME

HER = "/bucketer?e=checkout_flow_experiment&u=cooper34523569&a=tier:platinum,member_since_days:56"
COUNTED = 'bucketer_requests_total{route="/bucketer",status="200"}'


def scrape(url, accept="text/plain"):
    request = urllib.request.Request(f"{url}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode(), answer.headers


def values(url):
    """What is told, by name and labels as they are written."""
    return {
        f"{each.name}{{{_pairs(each.labels)}}}": each.value
        for family in prometheus(scrape(url)[0])
        for each in family.samples
    }


def _pairs(labels):
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


def ask(url, path=HER):
    try:
        with urllib.request.urlopen(f"{url}{path}", timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(scope="module")
def server():
    with bucketer_serve(BUCKETER_METRICS="local") as started:
        yield started


def test_what_was_asked_is_counted(server):
    before = values(server.url)
    for path in (HER, HER, "/bucketer?e=nobody-has-it&u=x", "/nowhere", "/v1/config"):
        ask(server.url, path)
    now = values(server.url)

    def grown(name):
        return now.get(name, 0) - before.get(name, 0)

    assert 2 == grown(COUNTED)
    assert 1 == grown('bucketer_requests_total{route="/bucketer",status="404"}')
    assert 1 == grown('bucketer_requests_total{route="other",status="404"}')
    assert 1 == grown('bucketer_requests_total{route="/metrics",status="200"}')
    assert 3 == grown('bucketer_request_duration_seconds_count{route="/bucketer"}')
    decided = 'environment="default",flag="checkout_flow_experiment",variation="one_step_checkout"'
    assert 2 == grown(f'bucketer_decisions_total{{{decided},reason="experiment"}}')


def test_the_state_of_datafile_and_process_is_told(server):
    told = values(server.url)

    assert 1 == told['bucketer_datafile_ready{environment="default"}']
    assert (
        1
        == told[
            'bucketer_datafile_workers{environment="default",project="10000000000",revision="22"}'
        ]
    )
    assert 1 <= told["bucketer_connections{}"] <= told["bucketer_connections_limit{}"]
    assert 1 == told["bucketer_workers{}"]
    assert told["process_resident_memory_bytes{}"] > 1_000_000
    assert told["process_cpu_seconds_total{}"] > 0


def test_every_family_is_one_that_is_listed(server):
    for family in prometheus(scrape(server.url)[0]):
        assert {family.name, f"{family.name}_total"} & BY_NAME.keys(), family.name


def test_openmetrics_is_told_to_whoever_accepts_it(server):
    text, headers = scrape(server.url, "application/openmetrics-text; version=1.0.0")

    assert "application/openmetrics-text; version=1.0.0; charset=utf-8" == headers["Content-Type"]
    assert "bucketer_requests" in {family.name for family in openmetrics(text)}


def test_no_page_may_read_it(server):
    assert not [each for each in scrape(server.url)[1] if each.lower().startswith("access-")]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        *((each, "127.0.0.1") for each in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")),
        ("Host", "rebound.example"),
    ],
)
def test_a_proxy_on_this_machine_and_a_page_that_calls_it_otherwise_are_not_on_it(
    server, header, value
):
    request = urllib.request.Request(f"{server.url}/metrics", headers={header: value})

    with pytest.raises(urllib.error.HTTPError) as answered:
        urllib.request.urlopen(request, timeout=10)

    assert 403 == answered.value.code
    assert b"BUCKETER_METRICS" in answered.value.read()


def test_unless_it_is_open_to_anybody():
    with bucketer_serve(BUCKETER_METRICS="open", BUCKETER_TRUSTED_PROXIES="127.0.0.1") as started:
        request = urllib.request.Request(
            f"{started.url}/metrics", headers={"X-Forwarded-For": "192.0.2.1"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert 200 == answer.status


def test_it_is_not_there_unless_it_is_asked_for():
    with bucketer_serve() as started:
        assert 404 == ask(started.url, "/metrics")


def test_several_workers_are_told_of_together_and_nothing_is_forgotten_with_one():
    with bucketer_serve("--workers", "3", BUCKETER_METRICS="local") as started:
        wait_until(lambda: values(started.url)["bucketer_workers{}"] == 3, 30)
        assert 3 == values(started.url)["bucketer_workers_started_total{}"]
        for _ in range(60):
            ask(started.url)
        wait_until(lambda: values(started.url).get(COUNTED) == 60, 10)
        assert (
            3
            == values(started.url)[
                'bucketer_datafile_workers{environment="default",project="10000000000",revision="22"}'
            ]
        )

        victim = min(children(started.process.pid))
        os.kill(victim, signal.SIGKILL)
        # Its memory goes before its sockets do: it is gone when another has taken its place.
        wait_until(lambda: len(children(started.process.pid) - {victim}) == 3, 30)
        for _ in range(20):
            ask(started.url)

        wait_until(lambda: values(started.url)["bucketer_workers{}"] == 3, 30)
        wait_until(lambda: values(started.url)[COUNTED] == 80, 10)
        assert 4 == values(started.url)["bucketer_workers_started_total{}"]


def children(pid):
    """The workers of a server: those of its children that are servers themselves."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {
        int(each)
        for each in found
        if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()
        and b"resource_tracker" not in Path(f"/proc/{each}/cmdline").read_bytes()
    }


# ------------------------------------------------------------------- who watches is told of all


def test_each_kind_of_answer_is_told_of_once():
    told = []

    def watcher(request, response, seconds):
        told.append((request.path, response.status, seconds >= 0))

    runtime = FakeRuntime()
    runtime.go_on.set()
    with serving(runtime, watchers=[watcher]) as server, server.connect() as client:
        for path in ("/a", "/slow", "/failed", "/big"):
            client.send(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
            client.answer()
        client.send("GET /x HTTP/1.1\r\nX-Request-Id: no-host\r\n\r\n")
        client.answer()

    assert [
        ("/a", 200, True),
        ("/slow", 200, True),
        ("/failed", 500, True),
        ("/big", 200, True),
        ("", 400, True),
    ] == told


def test_the_time_of_what_is_served_apart_is_its_own():
    told = {}

    def watcher(request, response, seconds):
        told[request.path] = seconds

    runtime = FakeRuntime()
    with serving(runtime, watchers=[watcher]) as server, server.connect() as slow:
        slow.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_until(lambda: server.worker.connections, 5)
        with server.connect() as client:
            for number in range(50):
                client.send(f"GET /{number} HTTP/1.1\r\nHost: test\r\n\r\n")
                client.answer()
        runtime.go_on.set()
        slow.answer()

    assert told["/slow"] > sum(seconds for path, seconds in told.items() if path != "/slow")
