"""The image and the Kubernetes example call what exists, and agree with each other.

No container engine runs here, so they are read, not run; but for the wheel, which is built from
what the image's build stage copies.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
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


# -- the wheel that the image installs --------------------------------------------------------

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def _wheel(source, target):
    """What `pip install` makes of a folder, without a network."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--no-deps", "--no-build-isolation", "--wheel-dir", target, source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr[-2000:]
    (built,) = target.glob("*.whl")
    with zipfile.ZipFile(built) as file:
        return set(file.namelist())


def test_what_the_image_copies_is_enough_to_build_the_wheel(tmp_path):
    source = tmp_path / "src"
    source.mkdir()
    for names, place in re.findall(r"^COPY (?!--)(.+) (\S+)$", DOCKERFILE, re.MULTILINE):
        for name in names.split():
            target = tmp_path / place.strip("/")
            if (ROOT / name).is_dir():  # a folder's content goes into the target
                shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, target)
    names = _wheel(source, tmp_path / "wheels")

    assert {
        "bucketer/publishing/app.py",
        "bucketer/publishing/template.yaml",
        "bucketer/demo/datafile.json",
        "bucketer/sources/amazon_roots.pem",
    } <= names


def test_the_source_distribution_is_enough_to_build_the_wheel(tmp_path):
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as file:
        file.extractall(tmp_path, filter="data")
    (source,) = [each for each in tmp_path.iterdir() if each.is_dir()]

    assert "bucketer/publishing/template.yaml" in _wheel(source, tmp_path / "wheels")


def test_the_image_has_the_extras_of_everything_that_it_may_be_set_to():
    (extras,) = re.findall(r"'/src\[(.+)\]'", DOCKERFILE)

    # Serving, and publishing what a webhook announces.
    assert ["server", "aws"] == extras.split(",")
    assert set(extras.split(",")) <= PROJECT["project"]["optional-dependencies"].keys()
