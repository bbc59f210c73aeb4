"""The image and the Kubernetes example call what exists, and agree with each other.

No container engine runs here, so they are read, not run.
"""

import re
from pathlib import Path

import pytest
import yaml

from bucketer.settings import read_settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
DOCUMENTS = {
    each["kind"]: each for each in yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text())
}
POD = DOCUMENTS["StatefulSet"]["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
ENVIRONMENT = dict(re.findall(r"(BUCKETER_\w+)=(\S+)", DOCKERFILE))


def test_the_images_environment_is_one_that_the_settings_accept():
    settings = read_settings(ENVIRONMENT)

    assert (settings.host, settings.port) == ("0.0.0.0", 8080)


def test_the_port_is_the_same_everywhere():
    [port] = CONTAINER["ports"]
    [service] = DOCUMENTS["Service"]["spec"]["ports"]

    assert f"EXPOSE {port['containerPort']}" in DOCKERFILE
    assert service["targetPort"] == port["containerPort"] == int(ENVIRONMENT["BUCKETER_PORT"])


def test_events_that_wait_have_a_volume():
    [mount] = CONTAINER["volumeMounts"]
    claims = DOCUMENTS["StatefulSet"]["spec"]["volumeClaimTemplates"]

    assert mount["mountPath"] == ENVIRONMENT["BUCKETER_STATE_DIR"]
    assert [each["metadata"]["name"] for each in claims] == [mount["name"]]


def test_nobody_runs_as_root_and_the_numbers_agree():
    assert POD["securityContext"]["runAsUser"] == int(re.search(r"--uid (\d+)", DOCKERFILE)[1])
    assert "USER bucketer" in DOCKERFILE


@pytest.mark.parametrize("copied", re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE))
def test_what_the_image_copies_is_there(copied):
    assert all((ROOT / each).exists() for each in copied.split())


def test_the_readiness_probe_asks_a_route_that_exists():
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/health"
