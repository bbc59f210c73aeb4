"""The alert rules and the dashboard: every metric that they name is there, and promtool agrees."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from bucketer.metrics.names import BY_NAME, HISTOGRAM

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "alerts.yaml"
RULES = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
PANELS = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
#: Every expression, by where it stands.
EXPRESSIONS = {each["alert"]: each["expr"] for each in RULES} | {
    f"{panel['title']}: {target['refId']}": target["expr"]
    for panel in PANELS
    for target in panel["targets"]
}
#: What stands in the same places as a metric.
_OF_PROMETHEUS = {"up"}


def metrics_in(expression):
    """The names of metrics, and the labels that each is asked for by."""
    without_labels = re.sub(r"\{[^}]*\}", "{}", expression)
    without_labels = re.sub(r"\b(by|without) *\([^)]*\)", "", without_labels)
    return set(re.findall(r"\b(?:bucketer|process)_\w+|\bup\b", without_labels))


def family_of(name):
    bare = re.sub(r"_(bucket|sum|count)$", "", name)
    found = BY_NAME.get(name) or BY_NAME.get(bare)
    if found is not None and name != found.name:
        assert HISTOGRAM == found.kind, name
    return found


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_each_metric_is_one_that_there_is(where):
    named = metrics_in(EXPRESSIONS[where]) - _OF_PROMETHEUS

    assert named or "up{" in EXPRESSIONS[where]
    assert [] == [each for each in named if family_of(each) is None]


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_each_label_is_one_that_its_metrics_have(where):
    expression = EXPRESSIONS[where]
    labels = {"job", "instance", "le"}
    for each in metrics_in(expression) - _OF_PROMETHEUS:
        labels |= set(family_of(each).labels)
    asked = set(re.findall(r"(\w+) *=~?\"", expression))
    for grouped in re.findall(r"by *\(([^)]*)\)", expression):
        asked |= {each.strip() for each in grouped.split(",")}

    assert asked <= labels


def test_each_alert_says_how_grave_it_is_and_where_to_look():
    page = (ROOT / "docs" / "operate.md").read_text()
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}

    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        page_name, _, anchor = rule["annotations"]["look"].partition("#")
        assert "operate.md" == page_name
        assert anchor in anchors, rule["alert"]


def test_panels_have_their_own_numbers_and_none_lies_on_another():
    every = DASHBOARD["panels"]
    cells = [
        (x, y)
        for panel in every
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(every) == len({each["id"] for each in every})
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def promtool(*arguments):
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool isn't here: apt-get install prometheus")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_rules():
    assert f"SUCCESS: {len(RULES)} rules found" in promtool("check", "rules", str(ALERTS))


def test_each_rule_fires_on_its_side_of_its_threshold_and_not_on_the_other():
    tested = (Path(__file__).parent / "alerts_test.yaml").read_text()

    assert [] == [each["alert"] for each in RULES if each["alert"] not in tested]
    promtool("test", "rules", str(Path(__file__).parent / "alerts_test.yaml"))
