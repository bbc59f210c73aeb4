"""A real Prometheus scrapes a real server: what it understands of it."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
import yaml
from tests.fakes.process import bucketer_serve
from tests.fakes.prometheus import prometheus, where
from tests.fakes.waiting import wait_until

from bucketer.metrics.names import BY_NAME, COUNTER, GAUGE, HISTOGRAM

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(where() is None, reason="no prometheus: apt-get install prometheus"),
]

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "alerts.yaml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
HER = "/bucketer?e=checkout_flow_experiment&u=cooper34523569&a=tier:platinum,member_since_days:56"
ASKED = 200


@pytest.fixture(scope="module")
def scraped(tmp_path_factory):
    directory = tmp_path_factory.mktemp("prometheus")
    state = {"BUCKETER_STATE_DIR": str(directory / "state"), "BUCKETER_EVENTS": "auto"}
    with (
        bucketer_serve("--workers", "2", BUCKETER_METRICS="local", **state) as server,
        prometheus(directory, server.port, ALERTS) as told,
    ):
        for _ in range(ASKED):
            with urllib.request.urlopen(f"{server.url}{HER}", timeout=10) as answer:
                answer.read()
        yield told


def test_it_counts_as_many_as_were_asked_of_all_workers(scraped):
    asked = 'sum(bucketer_requests_total{route="/bucketer",status="200"})'
    decided = 'sum(bucketer_decisions_total{variation="one_step_checkout"})'

    wait_until(lambda: ASKED == scraped.value(asked) == scraped.value(decided), 30)
    assert 2 == scraped.value("bucketer_workers")
    assert 1 == scraped.value("up")


def test_it_knows_the_kind_and_the_meaning_of_each(scraped):
    wait_until(lambda: scraped.value("bucketer_workers") == 2, 30)
    # It asks for OpenMetrics, where a counter's name has no `_total`.
    known = scraped.get("targets/metadata", match_target='{job="bucketer"}')["data"]
    told = {each["metric"]: (each["type"], each["help"]) for each in known}

    for family in BY_NAME.values():
        name = family.name.removesuffix("_total").removesuffix("_info")
        if name in told and family.kind in {COUNTER, GAUGE, HISTOGRAM}:
            assert (family.kind, family.help) == told[name]
    assert len(told) > 25


def expressions():
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]


@pytest.mark.parametrize(("title", "expression"), list(expressions()))
def test_every_panel_of_the_dashboard_has_something_to_show(scraped, title, expression):
    filled = expression.replace("$job", "bucketer").replace("$instance", ".*")
    filled = filled.replace("$__rate_interval", "1m")

    def answered():
        result = scraped.get("query", query=filled)
        assert result["status"] == "success", result
        return bool(result["data"]["result"])

    if title.startswith(("Failing", "Datafile confirmed", "Since it was confirmed")):
        answered()  # nothing fails, and nothing is fetched, so there is nothing
    else:
        wait_until(answered, 30)


def test_every_alert_is_loaded_and_none_fires_while_all_is_well(scraped):
    rules = scraped.get("rules")["data"]["groups"][0]["rules"]

    assert [each["alert"] for each in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]] == [
        each["name"] for each in rules
    ]
    wait_until(
        lambda: all(
            each["health"] == "ok" for each in scraped.get("rules")["data"]["groups"][0]["rules"]
        ),
        30,
    )
    firing = [
        each["name"]
        for each in scraped.get("rules")["data"]["groups"][0]["rules"]
        if each["state"] == "firing"
    ]
    assert [] == firing
