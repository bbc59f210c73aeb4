"""OpenTelemetry's own collector takes what a server sends, and prints what it understood."""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from tests.clients.asking import BUILD, run_or_skip
from tests.fakes.ports import held_port
from tests.fakes.process import bucketer_serve
from tests.fakes.waiting import wait_until

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parents[1] / "tracing" / "collector"
HER = "/bucketer?e=checkout_flow_experiment&u=cooper34523569&a=tier:platinum,member_since_days:56"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_CONFIG = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{debug: {{verbosity: detailed}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [debug]}}
    logs: {{receivers: [otlp], exporters: [debug]}}
"""


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    """A collector made of its own modules; gives its URL and what it has printed so far."""
    if shutil.which("go") is None:
        pytest.skip("no go is here")
    folder = BUILD / "otel-collector"
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    run_or_skip(["go", "mod", "download"], folder, "the collector's modules can't be had")
    subprocess.run(["go", "build", "-o", "collector", "."], cwd=folder, check=True)
    own = tmp_path_factory.mktemp("collector")
    with held_port() as port, (own / "printed").open("wb") as printed:
        (own / "config.yaml").write_text(_CONFIG.format(port=port))
        command = [str(folder / "collector"), f"--config=file:{own}/config.yaml"]
        process = subprocess.Popen(command, stdout=printed, stderr=printed)
        try:
            wait_until(lambda: "Everything is ready" in (own / "printed").read_text(), 60)
            yield f"http://127.0.0.1:{port}", (own / "printed").read_text
        finally:
            process.terminate()
            process.wait(20)


def test_it_understands_the_span_and_the_event_of_a_decision(collector):
    url, printed = collector
    environ = {
        "BUCKETER_TRACES": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BLRP_SCHEDULE_DELAY": "50",
    }
    with bucketer_serve(**environ) as started:
        traceparent = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        request = urllib.request.Request(started.url + HER, headers=traceparent)
        urllib.request.urlopen(request, timeout=10).close()
        wait_until(lambda: "feature_flag" in printed() and "GET /bucketer" in printed(), 30)

    told = printed()
    for each in (
        r"service\.name: Str\(bucketer\)",
        rf"Trace ID +: {TRACE}",
        rf"Parent ID +: {PARENT}",
        r"Name +: GET /bucketer",
        r"Kind +: Server",
        r"http\.response\.status_code: Int\(200\)",
        r"EventName: feature_flag\.evaluation",
        r"feature_flag\.key: Str\(checkout_flow_experiment\)",
        r"feature_flag\.result\.variant: Str\(one_step_checkout\)",
        rf"Trace ID: {TRACE}",
    ):
        assert re.search(each, told), f"{each}\n{told}"
