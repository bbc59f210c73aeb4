"""`bucketer serve` as a process: its first line, its signals, its workers, its troubles."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter

import pytest
from tests.fakes.process import bucketer_serve, start
from tests.fakes.waiting import wait_until

from bucketer.demo import __file__ as demo_init

DEMO = os.path.join(os.path.dirname(demo_init), "datafile.json")  # noqa: PTH118, PTH120 -- one line


def ask(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.status, json.load(answer)


@pytest.fixture(scope="module")
def server():
    with bucketer_serve() as started:
        yield started


def test_with_nothing_configured_it_says_so_on_its_first_line_with_a_url_that_answers(server):
    assert "demonstration" in server.lines[0]
    assert "DATAFILE_URL" in server.lines[0]

    answer = ask(server.lines[0].split()[-1])[1]

    assert "one_step_checkout" == answer["variation"]
    assert answer["debug"]["reasons"]
    assert "Revision 22: 3 flags, 3 experiments, 5 delivery rules." == server.lines[1]


def test_the_first_request_of_the_readme_is_answered(server):
    url = f"{server.url}/bucketer?e=checkout_flow_experiment&u=cooper34523569"
    status, body = ask(url + "&a=tier:%22platinum%22,member_since_days:56")

    assert status == 200
    assert body == {
        "variation": "one_step_checkout",
        "user": "cooper34523569",
        "experiment": "checkout_flow_experiment",
    }


def test_health_is_answered(server):
    assert ask(f"{server.url}/health")[1]["status"] == "ok"


def test_a_datafile_given_by_path_is_named_on_the_first_line():
    with bucketer_serve("--datafile", DEMO) as started:
        assert f"the datafile from {DEMO} at {started.url}/bucketer?e=" in started.lines[0]
        assert started.lines[1].startswith("Revision 22: ")


def test_without_any_datafile_it_starts_answers_503_and_says_so():
    with bucketer_serve(DATAFILE_URL="http://127.0.0.1:1/secret-key.json") as started:
        with pytest.raises(urllib.error.HTTPError) as answered:
            ask(f"{started.url}/bucketer?e=x")

        assert answered.value.code == 503
        assert json.load(answered.value)["error"]["code"] == "no_datafile"
        assert "no datafile" in started.lines[0]

        _, out, err = started.stop()

    assert "secret-key" not in out + err


def test_a_datafile_that_is_not_there_is_told_with_its_directory_and_may_still_come(tmp_path):
    with bucketer_serve("--datafile", str(tmp_path / "late.json")) as started:
        assert "no datafile" in started.lines[0]

        _, _, err = started.stop()

    told = f"there is no 'late.json' in {tmp_path}; the server goes on looking for it"
    assert f"bucketer: {tmp_path / 'late.json'}: {told}" == err.splitlines()[0]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0_and_not_a_word_of_trouble(workers, number):
    started = start("--workers", workers)
    children = _workers(started)
    status, _, err = started.stop(number)

    assert (status, err) == (0, "")
    for child in children:
        assert not os.path.exists(f"/proc/{child}")  # noqa: PTH110 -- /proc


def turns_away(port):
    """Say whether nobody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_request_that_is_being_sent_at_sigterm_is_still_answered():
    started = start()
    with socket.create_connection(("127.0.0.1", started.port), 5) as client:
        body = json.dumps({"e": "checkout_flow_experiment", "u": "someone"}).encode()
        client.sendall(
            b"POST /bucketer HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")  # it has begun with it
        client.sendall(body[:-5])
        stopping = threading.Thread(target=started.stop)
        stopping.start()
        wait_until(lambda: turns_away(started.port))
        client.sendall(body[-5:])
        answer = b""
        while piece := client.recv(65536):
            answer += piece
    stopping.join()

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in answer
    assert started.process.returncode == 0


def test_an_open_idle_connection_does_not_keep_it_from_ending():
    started = start()
    with socket.create_connection(("127.0.0.1", started.port), 5) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        client.recv(65536)
        began = time.monotonic()
        status, _, _ = started.stop()

    assert status == 0
    assert time.monotonic() - began < 9  # and not the ten that a request may take


@pytest.mark.slow
def test_a_client_that_never_finishes_its_request_holds_up_the_end_for_ten_seconds_at_most():
    started = start()
    with socket.create_connection(("127.0.0.1", started.port), 5) as client:
        client.sendall(
            b"POST /bucketer HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
            b"Content-Length: 100\r\n\r\n"
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
        began = time.monotonic()
        status, _, err = started.stop(patience_s=20)

    assert status == 0
    assert time.monotonic() - began < 18
    assert "Traceback" not in err


def test_a_taken_port_is_told_plainly():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "bucketer", "serve", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)

    assert done.returncode == 1
    assert done.stderr.startswith("bucketer: cannot_listen: can't listen on ")
    assert f"port {port} is taken" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_impossible_host_is_told_plainly():
    command = [sys.executable, "-m", "bucketer", "serve", "--host", "no.such.host.invalid"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)

    assert done.returncode == 1
    assert "no.such.host.invalid" in done.stderr
    assert "Traceback" not in done.stderr


def ended(*options, **environ):
    """Run the command until it ends by itself."""
    command = [sys.executable, "-m", "bucketer", "serve", "--port", "0", *options]
    return subprocess.run(
        command,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    "environ",
    [
        {"BUCKETER_EVENTS": "flush"},
        {"BUCKETER_EVENTS": "sqs://h:abc/1/q", "AWS_REGION": "x"},
        {"DATAFILE_URL": "http://127.0.0.1:abc/x"},
        {"BUCKETER_WEBHOOK_SECRET": "hush"},
        {"BUCKETER_WEBHOOK_SECRET": "hush", "BUCKETER_DATAFILE": "packaged"},
    ],
    ids=lambda environ: next(iter(environ.values())),
)
def test_an_impossible_setting_is_told_in_one_line_with_status_1(workers, environ):
    done = ended("--workers", workers, **environ)

    assert (1, "", 1) == (done.returncode, done.stdout, len(done.stderr.splitlines()))
    assert done.stderr.startswith(f"bucketer: invalid_settings: {next(iter(environ))}: found ")


def test_a_worker_that_cannot_start_ends_the_server_with_status_1():
    """What only a worker can find out: here the parent has been made blind to the setting."""
    code = (
        "import sys\n"
        "from bucketer import wiring\n"
        "from bucketer.doors.server.process import run\n"
        "from bucketer.settings import read_settings\n"
        "wiring.check = lambda settings: None\n"
        "environ = {'BUCKETER_EVENTS': 'flush', 'BUCKETER_PORT': '0', 'BUCKETER_WORKERS': '2'}\n"
        "sys.exit(run(read_settings(environ)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    assert 1 == done.returncode
    assert "BUCKETER_EVENTS: found 'flush'" in done.stderr


def test_access_lines_are_written_only_when_asked_for():
    for options, lines in (((), 0), (("--access-log",), 2)):
        started = start(*options)
        ask(f"{started.url}/bucketer?e=checkout_flow_experiment&u=secret-visitor")
        ask(f"{started.url}/health")
        _, out, _ = started.stop()

        assert len(out.splitlines()) == lines
        assert "secret-visitor" not in out


def test_several_workers_share_the_port_and_a_killed_one_is_replaced():
    with bucketer_serve("--workers", "2") as started:
        workers = started.wait_for(lambda: pids if len(pids := _workers(started)) == 2 else None)

        assert len([line for line in started.lines if "/bucketer?" in line]) == 1

        os.kill(workers[0], signal.SIGKILL)
        now = started.wait_for(
            lambda: pids if len(pids := _workers(started)) == 2 and pids != workers else None
        )

        assert workers[1] in now

        for _ in range(20):
            assert ask(f"{started.url}/health")[0] == 200


def test_clients_are_spread_over_the_workers():
    with bucketer_serve("--workers", "2") as started:
        # The first worker answers while the second one still starts.
        seen: set[str] = set()
        started.wait_for(lambda: seen.add(_worker_that_answers(started.url)) or len(seen) == 2)
        workers = Counter(_worker_that_answers(started.url) for _ in range(60))

    assert len(workers) == 2
    assert min(workers.values()) >= 10  # of 60 coins, fewer fall on one side once in 30 million


def _worker_that_answers(url):
    """Each worker begins the request ids that it makes with letters of its own."""
    with urllib.request.urlopen(f"{url}/health", timeout=60) as answer:
        return answer.headers["x-request-id"].partition("-")[0]


def test_two_servers_of_several_workers_do_not_share_a_port_by_mistake():
    with bucketer_serve("--workers", "2") as started:
        command = [sys.executable, "-m", "bucketer", "serve", "--workers", "2"]
        command += ["--port", str(started.port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)

    assert done.returncode == 1
    assert "is taken" in done.stderr


def _workers(started):
    """Process ids of the workers; the other child is the tracker of Python's multiprocessing."""
    found = []
    for pid in started.children():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as command:  # noqa: PTH123 -- /proc
                if b"spawn_main" in command.read():
                    found.append(pid)
        except FileNotFoundError:
            continue
    return found


def test_a_new_datafile_is_taken_up_without_a_request_asking_for_it(tmp_path):
    with open(DEMO, encoding="utf-8") as file:  # noqa: PTH123 -- short
        datafile = json.load(file)
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(datafile))
    with bucketer_serve("--datafile", str(path), DATAFILE_MAX_AGE="0.2") as started:
        path.write_text(json.dumps(datafile | {"revision": "9999"}))

        assert started.wait_for(
            lambda: ask(f"{started.url}/health")[1]["datafile"]["revision"] == "9999"
        )


def test_a_server_that_never_gets_ready_holds_no_test_up():
    with pytest.raises(AssertionError, match=r"wasn't ready in 0\.2 s"):
        start(before=("sh", "-c", "sleep 60 & wait"), patience_s=0.2)
