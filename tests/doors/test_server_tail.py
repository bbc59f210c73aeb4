"""`GET /tail` and `bucketer tail` of a real server."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest
from tests.fakes.environments import environments_file
from tests.fakes.process import bucketer_serve
from tests.fakes.waiting import wait_until

from bucketer.access.keys import digest_of, new_key

HER = "/bucketer?e=checkout_flow_experiment&u=cooper34523569&a=tier:platinum,member_since_days:56"


@pytest.fixture(scope="module")
def server():
    with bucketer_serve(BUCKETER_TAIL="on") as started:
        yield started


class Listening:
    """`bucketer tail --json`, as a process."""

    def __init__(self, *options):
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bucketer", "tail", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200"},
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def ask(url, path=HER, **headers):
    request = urllib.request.Request(url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def until_heard(server, listening, count=1):
    def heard():
        ask(server.url)
        return len(listening.lines) >= count

    wait_until(heard, 30)


def test_the_command_shows_each_decision_in_a_line(server):
    with Listening("--url", server.url, "--user", "cooper34523569") as listening:
        until_heard(server, listening)

    assert "checkout_flow_experiment → one_step_checkout" in listening.lines[0]
    assert '"cooper34523569"' in listening.lines[0]
    assert "experiment" in listening.lines[0]


def test_for_programs_each_is_an_object(server):
    with Listening(
        "--url", server.url, "--json", "--flag", "checkout_flow_experiment"
    ) as listening:
        until_heard(server, listening)

    told = json.loads("".join(listening.lines).partition("}")[0] + "}")
    assert ("decision", "one_step_checkout") == (told["event"], told["variation"])


def test_what_nobody_wants_is_not_shown(server):
    with (
        Listening("--url", server.url) as everything,
        Listening("--url", server.url, "--reason", "rollout") as other,
    ):
        until_heard(server, everything, 3)

    assert [] == other.lines


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tail?per_second=0", 400),
        ("/tail?per_second=1001", 400),
        ("/tail?per_second=many", 400),
        ("/tail?per_second=-1", 400),
        ("/tail?per_second=%D9%A1", 400),
        ("/tail?reason=experiments", 400),
    ],
)
def test_a_rate_is_a_whole_number_within_bounds_and_a_reason_one_that_there_is(
    server, path, status
):
    assert status == ask(server.url, path)[0]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "Host"])
def test_nobody_else_may_listen(server, header):
    status, body = ask(server.url, "/tail", **{header: "rebound.example"})

    assert 403 == status
    assert b"local_only" in body


def test_a_ninth_is_told_to_come_back(server):
    listening = [Listening("--url", server.url) for _ in range(8)]
    try:
        until_heard(server, listening[-1])
        wait_until(lambda: all(each.lines for each in listening) or ask(server.url) is None, 30)
        status, body = ask(server.url, "/tail")
    finally:
        for each in listening:
            each.__exit__()

    assert 503 == status
    assert b"too_many_listen" in body


def test_it_is_not_there_unless_it_is_asked_for():
    with bucketer_serve() as started:
        assert 404 == ask(started.url, "/tail")[0]
        done = ended("--url", started.url)

    assert 1 == done.returncode
    assert "Is BUCKETER_TAIL on there?" in done.stderr


def ended(*options):
    """The command, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bucketer", "tail", *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def told_by_tail(*options):
    """Status and what was said, of a command that ends."""
    done = ended(*options)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "its first line is none"),
        ("bk_s3cret\x1b[31m\n", "its first line is none"),
        ("bk_s3cret\u00e9\n", "its first line is none"),
        (f"\nbk_s3cret\n{'0' * 64}:admin:*\n", "Connection refused"),  # as it is written
    ],
)
def test_a_key_is_the_first_line_of_its_file_and_never_told(tmp_path, text, why):
    path = tmp_path / "key"
    path.write_text(text)
    status, told = told_by_tail("--url", "http://127.0.0.1:1", "--key-file", str(path))

    assert (1, True) == (status, why in told)
    assert "s3cret" not in told


def test_what_can_not_be_meant_is_refused(server):
    status, told = told_by_tail("--url", server.url, "--per-second", "0")
    assert (1, True) == (status, "per_second is a whole number" in told)
    status, told = told_by_tail("--url", server.url, "--reason", "experiments")
    assert (2, True) == (status, "found 'experiments'; allowed: experiment," in told)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--url", "http://127.0.0.1:1"), "Connection refused"),
        (("--url", "ftp://x"), "--url: found 'ftp://x'"),
        (("--key-file", "/nowhere/key"), "the key can't be read"),
    ],
)
def test_what_is_wrong_is_said_and_status_1_is_returned(options, why):
    done = ended(*options)

    assert 1 == done.returncode
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_where_there_are_keys_it_takes_one_of_the_role_admin(tmp_path):
    keys = tmp_path / "keys"

    def create(role):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "bucketer", "keys", "create", "--file", str(keys)),
                *("--role", role, "--environment", "*"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()[0]

    made = {role: create(role) for role in ("evaluate", "read", "admin")}
    key_file = tmp_path / "admin"
    key_file.write_text(made["admin"])
    with bucketer_serve(BUCKETER_TAIL="on", BUCKETER_KEYS_FILE=str(keys)) as started:
        assert 401 == ask(started.url, "/tail")[0]
        for role in ("evaluate", "read"):
            assert 403 == ask(started.url, "/tail", **{"X-API-Key": made[role]})[0]
        with Listening("--url", started.url, "--key-file", str(key_file)) as listening:

            def heard():
                ask(started.url, **{"X-API-Key": made["evaluate"]})
                return listening.lines

            wait_until(heard, 30)


def test_an_admin_of_one_environment_learns_nothing_of_another(tmp_path, demonstration):
    """Not by listening, and not from what is counted."""
    datafiles = {name: demonstration | {"sdkKey": name} for name in ("first", "second")}
    config = environments_file(tmp_path, datafiles, sdk_key="{name}")
    keys = {name: new_key(name.ljust(32).encode()) for name in datafiles}
    lines = [f"{digest_of(text).hex()}:admin:{name}" for name, text in keys.items()]
    with bucketer_serve(
        BUCKETER_TAIL="on",
        BUCKETER_METRICS="local",
        BUCKETER_CONFIG=str(config),
        BUCKETER_STATE_DIR=str(tmp_path / "state"),
        BUCKETER_KEYS=" ".join(lines),
    ) as started:
        with urllib.request.urlopen(
            urllib.request.Request(f"{started.url}/tail", headers={"X-API-Key": keys["first"]}),
            timeout=20,
        ) as stream:
            assert b"event: worker\n" == stream.readline()
            for name in ("second", "first"):
                assert 200 == ask(started.url, **{"X-API-Key": keys[name]})[0]
            told = b""
            while b'"flag"' not in told:
                told += stream.readline()
        counted = {
            name: ask(started.url, "/metrics", **{"X-API-Key": text})[1].decode()
            for name, text in keys.items()
        }

    assert b'"environment": "first"' in told
    assert b"second" not in told
    for name, text in counted.items():
        assert {name} == set(re.findall('environment="(.*?)"', text))
        assert "bucketer_decisions_total{" in text
        assert "bucketer_requests_total{" in text  # the whole service's


def test_all_workers_are_heard():
    with bucketer_serve("--workers", "3", BUCKETER_TAIL="on", BUCKETER_METRICS="local") as started:

        def counted():
            _, body = ask(started.url, "/metrics")
            return b"\nbucketer_workers 3\n" in body

        wait_until(counted, 30)
        with Listening("--url", started.url, "--per-second", "1000") as listening:
            until_heard(started, listening)
            wait_until(lambda: _all_heard(started, listening), 60)


def _all_heard(started, listening):
    """Thirty in a row, whichever worker decided."""
    before = len(listening.lines)
    for _ in range(30):
        ask(started.url)
    with contextlib.suppress(AssertionError):
        wait_until(lambda: len(listening.lines) >= before + 30, 2)
    return len(listening.lines) >= before + 30
