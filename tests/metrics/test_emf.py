"""Lambda's line of metrics: as CloudWatch reads it, once for each answer."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from tests.fakes.recorded_events import RECORDED

from bucketer import wiring
from bucketer.core.errors import SettingsError
from bucketer.doors.aws_lambda import make_handler
from bucketer.metrics.emf import METRICS, NAMESPACE, Meter
from bucketer.sinks.counters import Counters

ROOT = Path(__file__).parents[2]
ENVIRON = {"AWS_LAMBDA_FUNCTION_NAME": "shop", "AWS_LAMBDA_FUNCTION_VERSION": "7"}


def fake_runtime(*, age_s=None, asked=True, counters=None, odp=None):
    edition = None
    if age_s is not None:
        ruleset = SimpleNamespace(revision="22")
        edition = SimpleNamespace(ruleset=ruleset, checked_at=time.time() - age_s)
    sources = [SimpleNamespace(max_age_s=10.0 if asked else 0.0), SimpleNamespace(max_age_s=0.0)]
    return SimpleNamespace(
        edition=edition,
        default=SimpleNamespace(edition=edition, sources=sources),
        outbox=SimpleNamespace(counters=counters),
        odp_events=SimpleNamespace(counters=odp),
    )


def line_of(runtime, status=200):
    written = []
    meter = Meter(runtime, ENVIRON, written.append)
    meter.metered(lambda event, context: {"statusCode": status}, None)({}, None)
    [line] = written
    return json.loads(line)


def test_it_is_what_the_embedded_metric_format_says():
    line = line_of(fake_runtime(age_s=3, counters=Counters()))

    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 60
    assert (NAMESPACE, [["FunctionName"]]) == (directive["Namespace"], directive["Dimensions"])
    assert METRICS == {each["Name"]: each["Unit"] for each in directive["Metrics"]}
    for name in METRICS:
        assert isinstance(line[name], int | float)
    assert ("shop", "7", "22", 200) == tuple(
        line[each] for each in ("FunctionName", "FunctionVersion", "Revision", "Status")
    )


@pytest.mark.parametrize(("status", "errors"), [(200, 0), (404, 0), (499, 0), (500, 1), (503, 1)])
def test_server_errors_are_those_from_500_on(status, errors):
    line = line_of(fake_runtime(age_s=0), status)

    assert (1, errors, status) == (line["Requests"], line["ServerErrors"], line["Status"])


def test_an_age_is_told_where_a_source_is_asked():
    assert line_of(fake_runtime(age_s=70))["DatafileAge"] == pytest.approx(70, abs=10)
    assert "DatafileAge" not in line_of(fake_runtime(age_s=70, asked=False))


def test_without_a_datafile_it_says_so():
    line = line_of(fake_runtime())

    assert 0 == line["DatafileReady"]
    assert not {"DatafileAge", "Revision", "EventsSent"} & set(line)


def test_events_are_those_since_the_line_before():
    counters, written = Counters(), []
    meter = Meter(fake_runtime(counters=counters), ENVIRON, written.append)
    handler = meter.metered(lambda event, context: {"statusCode": 200}, None)
    for accepted, sent in ((2, 0), (3, 3), (3, 3)):
        counters.accepted, counters.sent = accepted, sent
        handler({}, None)

    told = [json.loads(each) for each in written]
    assert [(2, 0), (1, 3), (0, 0)] == [(e["EventsAccepted"], e["EventsSent"]) for e in told]


def test_events_for_odp_are_events_that_may_be_lost_too():
    counters, odp, written = Counters(), Counters(), []
    runtime = fake_runtime(counters=counters)
    handler = Meter(runtime, ENVIRON, written.append).metered(
        lambda event, context: {"statusCode": 200}, None
    )
    counters.refused = 2
    handler({}, None)
    runtime.odp_events.counters = odp  # with the first of its events
    odp.refused, odp.dead, odp.accepted = 3, 1, 4
    handler({}, None)

    told = [json.loads(each) for each in written]
    assert [(0, 2, 0), (4, 3, 1)] == [
        (e["EventsAccepted"], e["EventsRefused"], e["EventsDead"]) for e in told
    ]


def test_with_something_to_call_after_the_answer_nothing_is_written_before():
    written, called = [], []
    meter = Meter(fake_runtime(), ENVIRON, written.append)
    handler = meter.metered(lambda event, context: {"statusCode": 200}, lambda: called.append(1))

    handler({}, None)
    assert ([], [1]) == (written, called)
    meter.tell()
    meter.tell()
    assert 1 == len(written)


def test_a_line_that_can_not_be_written_costs_no_answer(caplog):
    def write(line):
        raise OSError("nobody reads")

    handler = Meter(fake_runtime(), ENVIRON, write).metered(lambda *_: {"statusCode": 200}, None)

    assert {"statusCode": 200} == handler({}, None)
    assert "metrics could not be written" in caplog.text


def test_a_real_function_writes_one_line_for_each_trigger(capsys):
    runtime = wiring.build(
        environ={"BUCKETER_EVENTS": "off", "BUCKETER_METRICS": "emf"}, mode=wiring.LAMBDA
    )
    handler = Meter(runtime, ENVIRON).metered(make_handler(runtime), None)
    for each in RECORDED.values():
        handler(each["event"], None)

    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert len(RECORDED) == len(lines)
    assert all(0 < each["Duration"] < 10_000 for each in lines)


def test_it_counts_where_it_can(tmp_path):
    def build(word, mode):
        environ = {"BUCKETER_EVENTS": "off", "BUCKETER_METRICS": word}
        return wiring.build(environ=environ, mode=mode)

    for word, mode in (("emf", wiring.SERVER), ("local", wiring.LAMBDA), ("open", wiring.LAMBDA)):
        with pytest.raises(SettingsError, match=f"BUCKETER_METRICS: found '{word}'; allowed: "):
            build(word, mode)
    for word in ("emf", "local", "open", "off"):
        build(word, wiring.COMMAND)


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms for what stands behind them."""


_LOADER_ANY = "!"
_Loader.add_multi_constructor(
    _LOADER_ANY,
    lambda loader, suffix, node: (
        loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node, deep=True)
    ),
)


def template():
    return yaml.load((ROOT / "template.yaml").read_text(), _Loader)


def test_the_templates_alarms_and_dashboard_name_what_is_written():
    resources = template()["Resources"]
    ours = {
        each["Properties"]["MetricName"]
        for each in resources.values()
        if each["Type"] == "AWS::CloudWatch::Alarm" and each["Properties"]["Namespace"] == NAMESPACE
    }
    assert {"DatafileAge", "EventsRefused", "EventsDead"} == ours <= set(METRICS)

    text = resources["MetricsDashboard"]["Properties"]["DashboardBody"]
    body = json.loads(re.sub(r"\$\{[^}]*\}", "x", text))
    shown, namespace, name = set(), "", ""
    for widget in body["widgets"]:
        for metric in widget["properties"]["metrics"]:
            words = [each for each in metric if isinstance(each, str)]
            if words != ["..."]:
                namespace = words[0] if words[0] != "." else namespace
                name = words[1]
            if namespace == NAMESPACE:
                shown.add(name)
    assert shown == set(METRICS)
