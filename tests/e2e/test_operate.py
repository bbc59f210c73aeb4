"""docs/operate.md, tried: each trouble is brought about, seen where the page says, and mended so."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.fakes.collector import Collector
from tests.fakes.origin import Origin, ok
from tests.fakes.ports import held_port
from tests.fakes.sources import revision
from tests.fakes.waiting import wait_until
from tests.soak.server import PATH, Server

pytestmark = pytest.mark.e2e

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "operate.md").read_text().split())
MIB = str(1024 * 1024)


def says(*words):
    """The page has these words, which the test is about."""
    assert [] == [each for each in words if each not in PAGE]


class Operated(Server):
    """A server as somebody at 3 a.m. has it: URLs, the log, the command."""

    def __init__(self, folder, collector_url="http://127.0.0.1:1/v1/events", **settings):
        usual = {"BUCKETER_METRICS": "local", "DATAFILE_MAX_AGE": "1"}
        super().__init__(folder, collector_url, **(usual | settings))
        self.folder = folder

    def metrics(self):
        """Each value by name, its labels' values behind it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return {
            " ".join((each.name, *each.labels.values())): each.value
            for family in text_string_to_metric_families(text)
            for each in family.samples
        }

    def ask(self, user="cooper34523569"):
        """Status and request id of a decision."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{PATH}{user}", timeout=10
            ) as answer:
                return answer.status, answer.headers["X-Request-Id"]
        except urllib.error.HTTPError as error:
            return error.code, error.headers["X-Request-Id"]

    def command(self, *words):
        """Status and output of the command, in the server's environment."""
        done = subprocess.run(
            [sys.executable, "-m", "bucketer", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def logged(self):
        return (self.folder / "server.log").read_text()

    def leave(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.held.close()
        self.log.close()


@pytest.fixture
def operated(tmp_path):
    """Makes servers, which end with the test."""
    made = []

    def make(*arguments, start=True, **settings):
        server = Operated(tmp_path, *arguments, **settings)
        made.append(server)
        if start:
            server.start()
        return server

    yield make
    for server in made:
        server.leave()


def test_the_command_has_the_services_environment(tmp_path):
    """As the page has it, but for who runs it, which takes root, and where its files are."""
    page = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
    function = page[page.index("    bucketer() {") : page.index("    }\n") + 6]
    environment = tmp_path / "environment"
    environment.write_text(f'BUCKETER_STATE_DIR="{tmp_path}/its state"\n')
    command = Path(sys.executable).with_name("bucketer")
    for ours, theirs in (
        ("runuser -u bucketer --", "env -i"),
        ("/etc/bucketer.env", str(environment)),
        ("/opt/bucketer/.venv/bin/bucketer", str(command)),
    ):
        assert ours in function
        function = function.replace(ours, theirs)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{function}\nbucketer doctor --json --offline"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert f"{tmp_path}/its state can be written to" in done.stdout


def test_nothing_answers_since_the_port_is_taken(operated):
    says("`cannot_listen`", "with status 1", "`bucketer settings` shows each setting")
    server = operated(start=False)
    with socket.create_server(("127.0.0.1", server.port)):
        status, told = server.command("serve")

    assert 1 == status
    assert f"cannot_listen: can't listen on 127.0.0.1:{server.port}" in told
    assert 1 == told.count("\n")
    server.start()
    assert 200 == server.ask()[0]


def test_nothing_answers_since_a_setting_is_impossible(operated):
    says("`invalid_settings` (which, what was found, what is allowed)")
    server = operated(start=False, BUCKETER_WORKERS="many")

    status, told = server.command("serve")

    assert 1 == status
    assert "invalid_settings: BUCKETER_WORKERS: found 'many'; allowed:" in told


def test_the_doctor_sees_what_is_missing_and_what_is_there(operated, tmp_path):
    says("`bucketer doctor`, with the server's environment")
    ill = operated(
        start=False,
        BUCKETER_DATAFILE="",
        DATAFILE_URL="http://127.0.0.1:1/KEY.json",
        BUCKETER_STATE_DIR="/proc/none",
    )
    status, told = ill.command("doctor")

    assert 1 == status
    assert "Connection refused" in told
    assert "BUCKETER_STATE_DIR" in told
    assert "KEY.json" not in told


def test_no_datafile_until_a_copy_serves_and_then_its_source(operated, tmp_path):
    says("`refresh.trouble`", "`failing_since`", "*Connection refused*", "goes over to the first")
    with held_port() as port:
        _see_a_copy_and_then_its_source(operated, port, tmp_path / "copy.json")


def _see_a_copy_and_then_its_source(operated, port, copy):
    url = f"http://127.0.0.1:{port}/KEY.json"
    server = operated(start=False, BUCKETER_DATAFILE="", DATAFILE_URL=url)
    with contextlib.suppress(AssertionError, urllib.error.HTTPError):
        server.start()
    assert 503 == server.ask()[0]
    assert 0 == server.metrics()["bucketer_datafile_ready default"]
    status, told = server.command("datafile", "status")
    assert 1 == status
    assert "Connection refused" in told

    server.process.terminate()
    server.process.wait(20)
    copy.write_bytes(revision(1))
    server.start(BUCKETER_DATAFILE=f"{url} {copy}")
    assert "1" == server.health()["datafile"]["revision"]
    with Origin(ok(revision(2)), port=port):
        wait_until(lambda: server.health()["datafile"]["revision"] == "2", 90)


def test_an_old_datafile_is_confirmed_when_its_source_answers(operated):
    says("`datafile.checked_at`", "It mends itself when the source answers")
    with Origin(ok(revision(1))) as origin:
        url = f"http://127.0.0.1:{origin.port}/KEY.json"
        server = operated(BUCKETER_DATAFILE="", DATAFILE_URL=url)
        port = origin.port
    wait_until(lambda: server.metrics()["bucketer_datafile_failing default"] == 1, 30)
    wait_until(lambda: server.metrics()["bucketer_datafile_age_seconds default"] > 3, 30)
    assert "refused" in server.health()["refresh"]["trouble"]
    assert 200 == server.ask("her")[0] or 404 == server.ask("her")[0]  # by the last good one
    with Origin(ok(revision(1)), port=port):
        wait_until(lambda: server.metrics()["bucketer_datafile_age_seconds default"] < 2, 90)
        assert 0 == server.metrics()["bucketer_datafile_failing default"]


def test_workers_of_one_server_come_to_the_same_revision(operated):
    says(
        "`bucketer_datafile_workers` by revision",
        "`curl -X POST URL/refresh`",
        "all begin with the same",
    )
    server = operated(start=False, BUCKETER_WORKERS="2", DATAFILE_MAX_AGE="3600")
    server.datafile.write_bytes(revision(1))
    server.start()
    ours = "bucketer_datafile_workers default"

    def by_revision():
        found = server.metrics()
        return {name.split()[-1]: value for name, value in found.items() if name.startswith(ours)}

    wait_until(lambda: by_revision() == {"1": 2}, 20)
    server.datafile.write_bytes(revision(2))
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: by_revision() == {"2": 2}, 20)


def test_a_500_is_logged_under_the_id_that_its_caller_has(operated, tmp_path):
    says("`request ID: unforeseen`", "`X-Request-Id`", "other requests aren't harmed")
    (tmp_path / "sitecustomize.py").write_text(
        "import bucketer.core.decide as decide\n"
        "whole = decide.activate\n"
        "def broken(ruleset, key, user, trace=None):\n"
        "    if user.id == 'broken':\n"
        "        raise RuntimeError('on purpose')\n"
        "    return whole(ruleset, key, user, trace)\n"
        "decide.activate = broken\n"
    )
    server = operated(PYTHONPATH=str(tmp_path))

    status, request_id = server.ask("broken")

    assert 500 == status
    assert f"request {request_id}: unforeseen" in server.logged()
    assert "RuntimeError: on purpose" in server.logged()
    assert 1 == server.metrics()["bucketer_requests_total /bucketer 500"]
    assert 200 == server.ask()[0]


def test_no_room_for_connections_shows_and_goes_with_a_higher_limit(operated):
    says("`bucketer_connections_limit`", "`LimitNOFILE=20000`")
    server = operated(start=False)
    script = f"ulimit -n 64; exec {sys.executable} -m bucketer serve"
    server.process = subprocess.Popen(
        ["sh", "-c", script], env=server._environment, stdout=server.log, stderr=server.log
    )
    wait_until(lambda: is_up(server), 30)
    limit = server.metrics()["bucketer_connections_limit"]
    with contextlib.ExitStack() as opened:
        for _ in range(int(limit) + 20):
            client = socket.create_connection(("127.0.0.1", server.port), 5)
            opened.callback(client.close)
            client.sendall(b"GET /bucketer?e=")
        time.sleep(0.5)
    wait_until(lambda: server.metrics()["bucketer_connections_refused_total"] > 0, 30)
    assert limit < 64

    server.process.terminate()
    server.process.wait(20)
    server.start()
    assert server.metrics()["bucketer_connections_limit"] > limit


def is_up(server):
    with contextlib.suppress(OSError):
        return server.health()


def test_a_process_that_was_kept_from_running_shows_it(operated):
    says("`bucketer_loop_lag_seconds`: above 0.1, the process was kept from running")
    server = operated()
    assert server.metrics()["bucketer_loop_lag_seconds"] < 5

    server.process.send_signal(signal.SIGSTOP)
    time.sleep(6)
    server.process.send_signal(signal.SIGCONT)

    wait_until(lambda: server.metrics()["bucketer_loop_lag_seconds"] > 5, 10)


def test_refused_events_say_why_and_more_room_ends_it(operated):
    says("`events.refusing`", "`BUCKETER_EVENTS_MAX_BYTES` and restart")
    server = operated(BUCKETER_EVENTS_MAX_BYTES=MIB)
    refused = "bucketer_events_refused_total events"
    for number in range(4_000):
        server.ask(f"user{number}")
        if number % 100 == 0 and server.metrics()[refused]:
            break
    assert server.metrics()[refused] > 0
    health = server.health()
    assert "events_refused" in {each["code"] for each in health["why"]}
    assert "limit" in health["events"]["refusing"]

    server.process.terminate()
    server.process.wait(20)
    server.start(BUCKETER_EVENTS_MAX_BYTES="1073741824")
    server.ask("one-more")
    assert 0 == server.metrics()[refused]
    assert 1 == server.metrics()["bucketer_events_accepted_total events"]


def test_events_pile_up_and_leave_when_the_collector_answers(operated):
    says("`events.oldest_age_s`", "how much waits", "*status 5xx*", "Delivery goes on by itself")
    collector = Collector()
    collector.mood = 503
    server = operated(collector.url)
    server.ask()
    wait_until(lambda: server.metrics()["bucketer_events_oldest_age_seconds events"] > 2, 30)
    told = server.metrics()
    assert 1 == told["bucketer_events_waiting events"]
    assert told["bucketer_events_waiting_bytes events"] > 100
    assert 1 == told["bucketer_events_troubled events"]
    assert "503" in server.health()["events"]["trouble"]
    assert re.search(r"waiting +1\b", server.command("events", "status")[1])

    collector.mood = 204
    wait_until(lambda: server.metrics()["bucketer_events_sent_total events"] == 1, 60)
    assert 0 == server.metrics()["bucketer_events_waiting events"]
    collector.close()


def test_dead_events_are_listed_with_the_answer_and_put_back(operated):
    says("`bucketer events list` shows them", "puts them back and delivers")
    collector = Collector()
    collector.mood = 400
    server = operated(collector.url)
    server.ask()
    wait_until(lambda: server.metrics()["bucketer_events_dead_total events"] == 1, 60)
    assert "400" in server.command("events", "list")[1]

    collector.mood = 204
    status, told = server.command("events", "retry")
    assert 0 == status, told
    wait_until(lambda: collector.payloads, 30)
    collector.close()


@pytest.mark.parametrize(
    ("number", "words"),
    [(signal.SIGKILL, "was killed by SIGKILL"), (signal.SIGTERM, "was killed by SIGTERM")],
)
def test_a_worker_that_is_gone_has_its_place_taken(operated, number, words):
    says("takes its place", "`kill -TERM` one worker after the other")
    server = operated(BUCKETER_WORKERS="2")
    wait_until(lambda: server.metrics()["bucketer_workers"] == 2, 30)
    first = min(_workers(server.process.pid))

    os.kill(first, number)

    wait_until(lambda: "takes its place" in server.logged(), 30)
    assert words in server.logged()
    wait_until(lambda: server.metrics()["bucketer_workers"] == 2, 30)
    assert server.metrics()["process_resident_memory_bytes"] > 0


def _workers(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = {int(each): Path(f"/proc/{each}/cmdline").read_bytes() for each in found}
    return [each for each, line in lines.items() if b"spawn_main" in line]


def asked_with(server, **headers):
    """Status and text of a decision, asked with these headers."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://127.0.0.1:{server.port}{PATH}cooper34523569"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=sent), timeout=10
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_callers_get_401_and_a_new_key_opens_without_a_restart(operated, tmp_path):
    says(
        "`bucketer keys list` shows those", "a server takes it within 5 s", "keys from before go on"
    )
    path = tmp_path / "keys"
    server = operated(BUCKETER_KEYS_FILE=str(path))
    status, told = asked_with(server, X_API_Key="bk_lost")
    assert (401, True) == (status, "it isn't known" in told)
    status, told = server.command("keys", "create", "--role", "evaluate", "--note", "3 a.m.")
    key = next(line for line in told.splitlines() if line.startswith("bk_"))
    assert "3 a.m." in server.command("keys", "list")[1]
    wait_until(lambda: asked_with(server, X_API_Key=key)[0] == 200, 10)

    with path.open("a") as file:
        file.write("nonsense\n")
    wait_until(
        lambda: asked_with(server, X_API_Key=key)[0] == 200 and "line 2" in server.logged(), 10
    )
    assert 200 == asked_with(server, X_API_Key=key)[0]


def test_callers_get_429_through_a_proxy_that_is_not_named(operated):
    says("they come through a proxy that isn't named", "name it in `BUCKETER_TRUSTED_PROXIES`")
    rate = {"BUCKETER_RATE_PER_ADDRESS": "0.01", "BUCKETER_RATE_BURST": "0"}
    server = operated(BUCKETER_TRUSTED_PROXIES="127.0.0.1", **rate)
    inner = "192.0.2.1, 10.0.0.1"  # as the proxy behind which another stands tells it

    assert [200, 429] == [asked_with(server, X_Forwarded_For=inner)[0] for _ in range(2)]
    assert 429 == asked_with(server, X_Forwarded_For="192.0.2.2, 10.0.0.1")[0]
    server.leave()
    named = operated(BUCKETER_TRUSTED_PROXIES="127.0.0.1 10.0.0.0/8", **rate)
    for visitor in ("192.0.2.1", "192.0.2.2"):
        assert 200 == asked_with(named, X_Forwarded_For=f"{visitor}, 10.0.0.1")[0]
