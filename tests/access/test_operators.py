"""What operators ask a server: alive, ready, what it is, its settings, a refresh; signals."""

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.fakes.environments import environments_file
from tests.fakes.origin import Origin, answer, ok
from tests.fakes.process import bucketer_serve, start
from tests.fakes.states import state_dir
from tests.fakes.waiting import wait_until

from bucketer import wiring
from bucketer.access.keys import digest_of, new_key
from bucketer.api.http import Request

TEXTS = {role: new_key(role.ljust(32).encode()) for role in ("evaluate", "read", "admin")}
KEYS = " ".join(f"{digest_of(text).hex()}:{role}:*" for role, text in TEXTS.items())
#: Settings that hold a secret, or a place whose path is one.
SECRETS = {
    "BUCKETER_WEBHOOK_SECRET": "s3cret-of-webhooks",
    "DATAFILE_ACCESS_TOKEN": "s3cret-of-datafiles",
    "BUCKETER_AUTH_HMAC_SECRETS": "czNjcmV0LW9mLXRva2Vucw==",
    "BUCKETER_SIGNING_SECRETS": "czNjcmV0LXRoYXQtc2lnbnMtZXhwb3N1cmVz",
    "BUCKETER_KEYS": KEYS,
}


class Server:
    """A runtime as a server has it, whose clock can be set."""

    def __init__(self, mode=wiring.SERVER, **environ):
        ours = {"BUCKETER_EVENTS": "off", "BUCKETER_STATE_DIR": state_dir()}
        self.runtime = wiring.build(environ=ours | environ, mode=mode)
        self.ahead_s = 0.0
        self.runtime.clock = lambda: time.time() + self.ahead_s

    def ask(self, path, role=None, method="GET"):
        headers = {"x-api-key": TEXTS[role]} if role else {}
        response = self.runtime.serve(Request(method, path, "", headers, request_id="r"))
        return response.status, json.loads(response.body or "null")


# ---------------------------------------------------------------------------- alive, ready


def test_a_server_with_a_datafile_is_alive_and_ready_and_asks_nobody_for_a_key():
    server = Server(BUCKETER_KEYS=KEYS)

    for path in ("/livez", "/readyz", "/livez/"):
        assert (200, {"status": "ok"}) == server.ask(path)


def test_without_a_datafile_it_is_alive_and_not_ready():
    with Origin(answer(500)) as there:
        server = Server(DATAFILE_URL=f"{there.url}/datafile.json")
        assert 200 == server.ask("/livez")[0]
        status, told = server.ask("/readyz")

    assert (503, "no_datafile", "no_datafile") == (status, told["status"], told["error"]["code"])


def test_with_a_datafile_that_nobody_has_confirmed_for_longer_than_is_set_it_is_not_ready(
    demonstration,
):
    with Origin(ok(json.dumps(demonstration).encode())) as there:
        url = {"DATAFILE_URL": f"{there.url}/datafile.json"}
        server = Server(BUCKETER_READY_MAX_AGE="60", **url)
        ages = {}
        for server.ahead_s in (0, 58, 62):
            ages[server.ahead_s] = server.ask("/readyz")[0]
        assert {0: 200, 58: 200, 62: 503} == ages
        assert "60 s are allowed" in server.ask("/readyz")[1]["error"]["message"]
        assert 200 == server.ask("/livez")[0]
        usual = Server(**url)
        usual.ahead_s = 1e6
        assert 200 == usual.ask("/readyz")[0]


def test_in_lambda_there_is_nothing_of_that():
    server = Server(mode=wiring.LAMBDA)

    for path in ("/livez", "/readyz", "/info", "/config", "/refresh"):
        assert 404 == server.ask(path)[0]


# ---------------------------------------------------------------------------- info, config


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/info", "GET", [401, 403, 200, 200]),
        ("/config", "GET", [401, 403, 403, 200]),
        ("/refresh", "POST", [401, 403, 403, 200]),
        ("/refresh", "GET", [405, 405, 405, 405]),
    ],
)
def test_each_takes_a_role(path, method, statuses):
    server = Server(BUCKETER_KEYS=KEYS)

    assert statuses == [server.ask(path, role, method)[0] for role in (None, *TEXTS)]


@pytest.mark.parametrize(("path", "method"), [("/config", "GET"), ("/refresh", "POST")])
def test_where_access_is_open_nobody_is_an_admin(path, method):
    status, told = Server().ask(path, method=method)

    assert (403, "forbidden") == (status, told["error"]["code"])
    assert "docs/access.md" in told["error"]["message"]


def test_info_says_what_it_is_and_since_when():
    server = Server()
    server.ahead_s = 100
    told = server.ask("/info")[1]

    assert {
        "service",
        "version",
        "python",
        "engine",
        "workers",
        "access",
        "uptime_s",
    } == told.keys()
    assert "open" == told["access"]
    assert 99 < told["uptime_s"] < 160


def test_config_has_every_setting_in_force_and_no_secret():
    url = "http://127.0.0.1:9/s3cret-sdk-key.json"
    server = Server(DATAFILE_URL=url, BUCKETER_PORT="9090", **SECRETS)
    told = server.ask("/config", "admin")[1]

    assert 9090 == told["settings"]["BUCKETER_PORT"]
    assert dict.fromkeys(SECRETS, "(set)") == {name: told["settings"][name] for name in SECRETS}
    assert "http://127.0.0.1:9/…" == told["settings"]["DATAFILE_URL"]
    assert ["default"] == told["environments"]
    text = json.dumps(told)
    assert not any(part in text for part in ("s3cret", "czNjcmV0", TEXTS["admin"]))
    assert digest_of(TEXTS["admin"]).hex() not in text


# ---------------------------------------------------------------------------- refresh


def test_a_refresh_asks_now_and_says_what_came_of_it(demonstration):
    with Origin(ok(json.dumps(demonstration).encode())) as there:
        server = Server(DATAFILE_URL=f"{there.url}/datafile.json", BUCKETER_KEYS=KEYS)
        assert 1 == len(there.requests)
        demonstration["revision"] = "23"
        there.answers = [ok(json.dumps(demonstration).encode())]
        first = server.ask("/refresh", "admin", "POST")[1]["environments"]["default"]
        second = server.ask("/refresh", "admin", "POST")[1]["environments"]["default"]
        there.answers = [answer(500)]
        third = server.ask("/refresh", "admin", "POST")[1]["environments"]["default"]

    assert ("23", True, "") == (first["revision"], first["changed"], first["trouble"])
    assert ("23", False, "") == (second["revision"], second["changed"], second["trouble"])
    assert ("23", False) == (third["revision"], third["changed"])
    assert "500" in third["trouble"]
    assert "datafile.json" not in third["trouble"]


def test_a_key_refreshes_the_environments_that_it_is_for(tmp_path, demonstration):
    config = environments_file(tmp_path, dict.fromkeys(("first", "second"), demonstration))
    one = digest_of(TEXTS["admin"]).hex()
    server = Server(BUCKETER_CONFIG=str(config), BUCKETER_KEYS=f"{one}:admin:first")

    assert ["first"] == [*server.ask("/refresh", "admin", "POST")[1]["environments"]]


# ---------------------------------------------------------------------------- signals


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sighup_asks_for_the_datafile_at_once_and_opens_the_logs_anew(
    workers, demonstration, tmp_path
):
    log, lines = tmp_path / "log", tmp_path / "access"
    with Origin(ok(json.dumps(demonstration).encode())) as there:
        settings = {
            "DATAFILE_URL": f"{there.url}/datafile.json",
            "DATAFILE_MAX_AGE": "3600",
            "BUCKETER_STATE_DIR": str(tmp_path / "state"),
            "BUCKETER_LOG_FILE": str(log),
            "BUCKETER_ACCESS_LOG_FILE": str(lines),
            "BUCKETER_ACCESS_LOG": "on",
        }
        with bucketer_serve("--workers", workers, **settings) as server:
            health = f"{server.url}/health"
            assert '"revision": "22"' in get(health)[1]
            demonstration["revision"] = "23"
            there.answers = [ok(json.dumps(demonstration).encode())]
            for path in (log, lines):
                path.rename(f"{path}.1")
            os.kill(server.process.pid, signal.SIGHUP)
            wait_until(lambda: '"revision": "23"' in get(health)[1])
            wait_until(lambda: get(health) and lines.exists() and "/health" in lines.read_text())
            wait_until(lambda: log.exists() and "SIGHUP" in log.read_text())
            assert "/health" in (tmp_path / "access.1").read_text()
            status, _, err = server.stop()

    assert (0, "") == (status, err)


def test_sighup_to_each_process_ends_none_of_them(tmp_path):
    """So `systemctl kill -s HUP` sends it: to workers twice, and to Python's own tracker."""
    log = tmp_path / "log"
    settings = {"BUCKETER_METRICS": "local", "BUCKETER_LOG_FILE": str(log)}
    with bucketer_serve("--workers", "2", **settings) as server:

        def are_there():
            return "bucketer_workers 2\n" in get(f"{server.url}/metrics")[1]

        wait_until(are_there)
        before = server.children()
        for pid in (server.process.pid, *before):
            os.kill(pid, signal.SIGHUP)
        wait_until(lambda: log.read_text().count("SIGHUP: the datafiles") >= 2)
        worker = next(
            each for each in before if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()
        )
        os.kill(worker, signal.SIGKILL)  # whatever starts another looks at the tracker
        wait_until(lambda: "takes its place" in log.read_text())
        status, _, err = server.stop()

    assert (0, "") == (status, err)
    assert 1 == log.read_text().count("takes its place")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_logs_that_can_not_be_opened_anew_go_on_in_the_files_from_before(workers, tmp_path):
    folder, before = tmp_path / "logs", tmp_path / "before"
    folder.mkdir()
    settings = {
        "BUCKETER_STATE_DIR": str(tmp_path / "state"),
        "BUCKETER_LOG_FILE": str(folder / "log"),
        "BUCKETER_ACCESS_LOG_FILE": str(folder / "access"),
        "BUCKETER_ACCESS_LOG": "on",
        "BUCKETER_METRICS": "local",
    }
    with bucketer_serve("--workers", workers, **settings) as server:
        # From now on all of them hear signals.
        wait_until(lambda: f"bucketer_workers {workers}\n" in get(f"{server.url}/metrics")[1])
        folder.rename(before)
        os.kill(server.process.pid, signal.SIGHUP)
        wait_until(lambda: "SIGHUP: the datafiles" in (before / "log").read_text())
        assert 200 == get(f"{server.url}/health")[0]
        wait_until(lambda: "/health" in (before / "access").read_text())
        folder.mkdir()
        os.kill(server.process.pid, signal.SIGHUP)
        wait_until(lambda: (folder / "log").exists() and "SIGHUP" in (folder / "log").read_text())
        status, _, err = server.stop()

    told = (before / "log").read_text()
    assert "log lines go on in the file from before: No such file or directory" in told
    assert "access lines go on in the file from before: No such file or directory" in told
    assert (0, "") == (status, err)


def test_a_log_on_a_full_disk_is_told_of_once_and_keeps_nothing_from_its_work(
    demonstration, tmp_path
):
    with Origin(ok(json.dumps(demonstration).encode())) as there:
        settings = {
            "DATAFILE_URL": f"{there.url}/datafile.json",
            "DATAFILE_MAX_AGE": "3600",
            "BUCKETER_STATE_DIR": str(tmp_path / "state"),
            "BUCKETER_LOG_FILE": "/dev/full",
            "BUCKETER_ACCESS_LOG_FILE": "/dev/full",
            "BUCKETER_ACCESS_LOG": "on",
        }
        with bucketer_serve(**settings) as server:
            health = f"{server.url}/health"
            for revision in ("22", "23", "24"):
                wait_until(lambda said=f'"revision": "{revision}"': said in get(health)[1])
                demonstration["revision"] = str(int(revision) + 1)
                there.answers = [ok(json.dumps(demonstration).encode())]
                os.kill(server.process.pid, signal.SIGHUP)
            status, _, err = server.stop()

    told = "bucketer: log lines can't be written: No space left on device\n"
    assert (0, told) == (status, err)


def test_a_file_of_the_log_that_can_not_be_written_is_told_before_anything_is_started(tmp_path):
    for name in ("BUCKETER_LOG_FILE", "BUCKETER_ACCESS_LOG_FILE"):
        with pytest.raises(AssertionError, match=f"{name}: '/nowhere/log' can't be written"):
            start(**{name: "/nowhere/log"})


def test_who_never_sends_their_request_to_its_end_does_not_keep_it_from_stopping():
    """The bound of the drain: without it, one client would hold it up for ever."""
    server = start(BUCKETER_STOP_TIMEOUT="1")
    with socket.create_connection(("127.0.0.1", server.port), 5) as client:
        client.sendall(
            b"POST /bucketer HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: 99\r\n\r\n"
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        began = time.monotonic()
        status = server.stop()[0]

    assert 0 == status
    assert time.monotonic() - began < 8
