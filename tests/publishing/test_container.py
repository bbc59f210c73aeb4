"""The image and the Kubernetes example call what exists, and agree with each other.

No container engine runs here, so they are read, not run; but for the wheel, which is built from
what the image's build stage copies, and the health check, which asks a server.
"""

import importlib.util
import inspect
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tomllib
import urllib.error
import urllib.request
import uuid
import zipfile
from pathlib import Path

import pytest
import yaml
from tests.fakes.process import bucketer_serve

from bucketer import __version__
from bucketer.doors.server.limits import Limits
from bucketer.profiles.sqlite import SqliteProfiles
from bucketer.settings import TABLE, read_settings
from bucketer.sinks.durable import Durable
from bucketer.sources.file import MAX_DATAFILE_BYTES

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MANIFEST = list(yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text()))
DOCUMENTS = {(each["kind"], each["metadata"]["name"]): each for each in MANIFEST}
SET = DOCUMENTS["StatefulSet", "bucketer"]["spec"]
POD = SET["template"]["spec"]
[CONTAINER] = POD["containers"]
VARIABLES = {each["name"]: each for each in CONTAINER["env"]}
ENVIRONMENT = dict(re.findall(r"(BUCKETER_\w+)=(\S+)", DOCKERFILE))
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def _bytes(quantity):
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)", quantity).groups()
    return int(number) * UNITS[unit]


def _settings():
    """What the pod's settings come to, with something in place of each secret."""
    given = {name: each.get("value", "") for name, each in VARIABLES.items()}
    given["DATAFILE_URL"] = _secret("DATAFILE_URL")
    return read_settings(ENVIRONMENT | given)


def _secret(name):
    """The value of the variable *name*, from the Secret of the manifest."""
    asked = VARIABLES[name]["valueFrom"]["secretKeyRef"]
    return DOCUMENTS["Secret", asked["name"]]["stringData"][asked["key"]]


# -- the image --------------------------------------------------------------------------------


def test_the_images_environment_is_one_that_the_settings_accept():
    settings = read_settings(ENVIRONMENT)

    assert (settings.host, settings.port) == ("0.0.0.0", 8080)


@pytest.mark.parametrize("copied", re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE))
def test_what_the_image_copies_is_there(copied):
    assert all((ROOT / each).exists() for each in copied.split())


def _health_check(port):
    """Run what HEALTHCHECK says, as the image's shell would; return the exit status."""
    [line] = re.findall(r"^HEALTHCHECK .*\\\n +CMD (.+)$", DOCKERFILE, re.MULTILINE)
    here = line.replace("/venv/bin/bucketer", f"{sys.executable} -m bucketer")
    done = subprocess.run(
        ["/bin/sh", "-c", here],
        env=ENVIRONMENT | {"BUCKETER_PORT": str(port), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode


def test_the_health_check_is_content_with_a_server_that_can_decide():
    with bucketer_serve() as server:
        assert 0 == _health_check(server.port)


def test_the_health_check_is_not_content_without_a_datafile(tmp_path):
    nothing = tmp_path / "missing.json"
    with bucketer_serve(BUCKETER_DATAFILE=str(nothing)) as server:
        assert 1 == _health_check(server.port)


def test_the_health_check_is_not_content_without_a_server():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and doesn't listen
        assert 1 == _health_check(held.getsockname()[1])


# -- the manifest -----------------------------------------------------------------------------


def test_the_port_is_the_same_everywhere():
    [port] = CONTAINER["ports"]
    assert f"EXPOSE {port['containerPort']}" in DOCKERFILE
    assert port["containerPort"] == int(ENVIRONMENT["BUCKETER_PORT"])
    for name in ("bucketer", "bucketer-pods"):
        [service] = DOCUMENTS["Service", name]["spec"]["ports"]
        assert service["targetPort"] == port["name"]
    assert {port["name"]} == {CONTAINER[probe]["httpGet"]["port"] for probe in PROBES}


def test_what_selects_pods_finds_them():
    labels = SET["template"]["metadata"]["labels"]
    services = [each["spec"]["selector"] for each in MANIFEST if each["kind"] == "Service"]

    assert [labels] * 3 == [SET["selector"]["matchLabels"], *services]
    # A StatefulSet names its pods through a service of its own, without an address.
    assert "None" == DOCUMENTS["Service", SET["serviceName"]]["spec"]["clusterIP"]


def test_every_secret_that_is_referred_to_is_there_and_none_is_real():
    referred = [name for name, each in VARIABLES.items() if "valueFrom" in each]

    assert ["DATAFILE_URL", "DATAFILE_ACCESS_TOKEN"] == referred
    assert "YOUR_SDK_KEY" in _secret("DATAFILE_URL")
    assert "" == _secret("DATAFILE_ACCESS_TOKEN")


def test_the_pods_settings_are_accepted_and_say_what_the_defaults_do():
    settings = _settings()

    assert _secret("DATAFILE_URL") == settings.datafile_url
    assert read_settings({}).events_max_bytes == settings.events_max_bytes
    assert set(VARIABLES) <= {row.name for row in TABLE}


def test_the_image_has_the_tag_of_this_version():
    name, _, tag = CONTAINER["image"].rpartition(":")

    assert ("bucketer", __version__) == (name, tag)
    assert f"docker build -t {name}:{tag} ." in (ROOT / "docs/deploy.md").read_text()


def test_what_is_kept_has_a_volume():
    [mount] = CONTAINER["volumeMounts"]
    [claim] = SET["volumeClaimTemplates"]

    assert mount["mountPath"] == ENVIRONMENT["BUCKETER_STATE_DIR"]
    assert claim["metadata"]["name"] == mount["name"]
    assert mount.get("readOnly") is not True


def test_the_volume_holds_all_that_may_lie_in_it(tmp_path):
    users, sample = 1_000_000, 2_000
    assert str(users) in next(r.explanation for r in TABLE if r.name == "BUCKETER_PROFILES_MAX")
    store = SqliteProfiles(tmp_path / "profiles.sqlite", users)
    for number in range(sample):
        user_id = str(uuid.UUID(int=number << 96))
        store.save(user_id, {str(10**10 + each): str(2 * 10**10 + each) for each in range(3)})
    store.close()
    profiles = (tmp_path / "profiles.sqlite").stat().st_size * users // sample
    waiting, dead = [_settings().events_max_bytes] * 2
    copies = 2 * MAX_DATAFILE_BYTES  # while one takes the place of the other
    [claim] = SET["volumeClaimTemplates"]
    size = _bytes(claim["spec"]["resources"]["requests"]["storage"])

    assert 1.2 * (waiting + dead + profiles + copies) <= size


def test_probes_ask_routes_that_answer_what_they_are_for(tmp_path):
    nothing = tmp_path / "missing.json"

    def ask(server, probe):
        try:
            url = server.url + CONTAINER[probe]["httpGet"]["path"]
            return urllib.request.urlopen(url, timeout=5).status
        except urllib.error.HTTPError as error:
            return error.code

    with bucketer_serve() as server:
        assert [200] * 3 == [ask(server, each) for each in PROBES]
    # Without a datafile it is kept from requests, and not restarted: that would mend nothing.
    with bucketer_serve(BUCKETER_DATAFILE=str(nothing)) as server:
        assert [200, 503, 200] == [ask(server, each) for each in PROBES]


def test_there_is_time_to_stop_in_and_for_the_service_to_notice():
    [pause_s] = re.findall(r"sleep\((\d+)\)", str(CONTAINER["lifecycle"]["preStop"]))
    closing_s = inspect.signature(Durable).parameters["closing_s"].default
    needed_s = int(pause_s) + Limits().stop_s + closing_s

    assert needed_s < POD["terminationGracePeriodSeconds"]


def test_it_is_restricted_as_the_pod_security_standard_of_that_name_asks():
    pod, container = POD["securityContext"], CONTAINER["securityContext"]

    assert pod["runAsNonRoot"] is True
    assert {"type": "RuntimeDefault"} == pod["seccompProfile"]
    assert container["allowPrivilegeEscalation"] is False
    assert container["readOnlyRootFilesystem"] is True
    assert {"drop": ["ALL"]} == container["capabilities"]
    assert POD["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes"} & POD.keys()


def test_nobody_runs_as_root_and_the_numbers_agree():
    user = int(re.search(r"--uid (\d+)", DOCKERFILE)[1])

    assert user > 0
    assert {user} == {POD["securityContext"][each] for each in ("runAsUser", "fsGroup")}
    assert "USER bucketer" in DOCKERFILE


def test_what_it_may_use_is_bounded():
    asked, limit = (CONTAINER["resources"][each] for each in ("requests", "limits"))

    assert {"memory", "ephemeral-storage"} == limit.keys()  # a limit of processor time only delays
    assert all(_bytes(asked[each]) <= _bytes(limit[each]) for each in limit)


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
        "bucketer/web/index.html",
        "bucketer/web/vendor/preact.js",
        "bucketer/web/vendor/preact.LICENSE",
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
    assert ["server", "aws", "jwt"] == extras.split(",")
    assert set(extras.split(",")) <= PROJECT["project"]["optional-dependencies"].keys()
