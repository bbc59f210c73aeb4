"""The server's log: what a line looks like, whatever a client has put into it."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import re
import signal
import subprocess
import sys

import pytest
from tests.fakes.process import bucketer_serve, start
from tests.fakes.serving import FakeRuntime, serving

from bucketer.api.http import Request, Response
from bucketer.doors.server.logs import (
    JsonAccessLines,
    JsonLines,
    LogFile,
    TextAccessLines,
    TextLines,
    access_log,
    note_access,
    quotable,
)
from bucketer.doors.server.speaker import Speaker

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def record(message, *args, failure=None):
    made = logging.LogRecord("bucketer.x", logging.WARNING, "x.py", 1, message, args, None)
    if failure is not None:
        made.exc_info = (type(failure), failure, None)
    return made


def test_a_file_that_takes_lines_again_is_told_of_again_when_it_takes_none(tmp_path, capsys):
    path = tmp_path / "log"
    path.symlink_to("/dev/full")
    log = LogFile(path)
    for place in ("/dev/full", tmp_path / "there", "/dev/full"):
        path.unlink()
        path.symlink_to(place)
        log.reopen()
        for _ in range(3):
            log.handle(record("a line"))
    path.unlink()
    log.reopen()  # lets go of what there was no room for
    log.close()

    assert 2 == capsys.readouterr().err.count("log lines can't be written: No space left")
    assert "a line\n" * 3 == (tmp_path / "there").read_text()


def access(caplog, *, path="/a", ip="192.0.2.7", method="GET"):
    caplog.set_level("INFO", "bucketer.access")
    request = Request(method, path, ip=ip, request_id="an-id")
    note_access(request, Response(200, (), b"12345"), 0.0000425)
    return caplog.records[-1]


def test_a_line_has_its_time_in_utc_and_says_so():
    made = record("all of %s", "it")
    made.created, made.msecs = 1795853414.987, 987.0

    assert "2026-11-28T08:10:14.987Z WARNING bucketer.x: all of it" == TextLines().format(made)


@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x00", "\x85", "\u2028", "\x7f"])
def test_a_line_stays_one_line_and_says_nothing_to_a_terminal(character):
    line = TextLines().format(record(f"a{character}b"))

    assert character not in line
    assert line.endswith(f"a\\x{ord(character):02x}b" if ord(character) < 256 else r"a\u2028b")
    assert json.loads(JsonLines().format(record(f"a{character}b")))["message"] == f"a{character}b"


def test_the_lines_of_an_exception_can_not_pass_for_others():
    failure = ValueError("first\n2026-11-28T08:00:00.000Z ERROR bucketer.x: made up")
    lines = TextLines().format(record("it failed", failure=failure)).split("\n")

    assert re.match(TIME, lines[0])
    assert all(line.startswith("  ") for line in lines[1:])
    assert "made up" in json.loads(JsonLines().format(record("x", failure=failure)))["exception"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/a", "/a"),
        ('/a"b', r"/a\x22b"),
        ("/a\\b", r"/a\x5cb"),
        ("/a\nb", r"/a\x0ab"),
        ("/aé€", r"/a\xe9\u20ac"),
        ("/" + "x" * 999, "/" + "x" * 999),
        ("/" + "x" * 1000, "/" + "x" * 999 + "..."),
    ],
)
def test_what_stands_between_quotes_can_not_end_them(caplog, text, shown):
    assert shown == quotable(text)

    line = TextAccessLines().format(access(caplog, path=text))

    assert re.fullmatch(
        rf'{TIME} 192\.0\.2\.7 "GET {re.escape(shown)}" 200 5 an-id 0\.000043', line
    )


def test_an_address_can_not_end_its_place_either(caplog):
    line = TextAccessLines().format(access(caplog, ip='fe80::1%"x\n'))

    assert r"fe80::1%\x22x\x0a" in line


def test_an_access_line_as_json_has_the_parts(caplog):
    told = json.loads(JsonAccessLines().format(access(caplog, path='/a"b')))
    refused = json.loads(JsonAccessLines().format(access(caplog, path="", method="")))

    assert re.fullmatch(TIME, told.pop("time"))
    assert told == {
        "ip": "192.0.2.7",
        "method": "GET",
        "path": '/a"b',
        "status": 200,
        "bytes": 5,
        "request_id": "an-id",
        "seconds": 0.000043,
    }
    assert (None, None) == (refused["method"], refused["path"])


def test_a_raw_quote_in_a_path_is_escaped_in_the_access_line_of_a_request(caplog):
    caplog.set_level("INFO", access_log.name)
    with serving(FakeRuntime(), watchers=[note_access]) as server, server.connect() as client:
        client.send('GET /a"_200_5 HTTP/1.1\r\nHost: test\r\n\r\n')
        client.answer()

    (line,) = [each.getMessage() for each in caplog.records if each.name == access_log.name]
    assert r'"GET /a\x22_200_5" 200 ' in line


def test_lines_say_the_same_time_whatever_the_machines_zone_is():
    with bucketer_serve("--access-log", TZ="Asia/Tokyo") as started:
        subprocess.run(["curl", "-s", f"{started.url}/health"], capture_output=True, check=True)
        _, out, _ = started.stop()

    written = dt.datetime.fromisoformat(out.split()[0])
    assert abs((dt.datetime.now(dt.UTC) - written).total_seconds()) < 60


@pytest.mark.parametrize(
    ("level", "told"), [("debug", True), ("info", True), ("warning", True), ("error", False)]
)
def test_what_is_less_grave_than_the_level_is_not_written(tmp_path, level, told):
    path = str(tmp_path / "not-there.json")
    with bucketer_serve("--datafile", path, BUCKETER_LOG_LEVEL=level) as started:
        _, _, err = started.stop()

    assert told is (" WARNING bucketer.datafile: " in err)


def test_as_json_each_line_of_the_process_is_an_object(tmp_path):
    """Also where there is trouble to tell: here a datafile that isn't there."""
    environ = {"BUCKETER_LOG_FORMAT": "json", "BUCKETER_EVENTS": "off"}
    command = [sys.executable, "-m", "bucketer", "serve", "--port", "0", "--access-log"]
    command += ["--datafile", str(tmp_path / "not-there.json")]
    process = subprocess.Popen(
        command, env=os.environ | environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    told = []
    while not told or "http://" not in told[-1]["message"]:
        told.append(json.loads(process.stderr.readline()))
    url = re.search(r"http://127\.0\.0\.1:\d+", told[-1]["message"])[0]
    subprocess.run(["curl", "-s", f"{url}/health"], capture_output=True, check=True)
    process.terminate()
    out, err = process.communicate(timeout=60)
    told += [json.loads(line) for line in err.splitlines()]

    assert ["/health"] == [json.loads(line)["path"] for line in out.splitlines()]
    assert {"time", "level", "logger", "message", "process"} == set.intersection(*map(set, told))
    assert {"warning", "info"} == {each["level"] for each in told}
    assert 1 == len([each for each in told if "No such file" in each["message"]])


def workers_of(started):
    found = []
    for pid in started.children():
        with open(f"/proc/{pid}/cmdline", "rb") as command:  # noqa: PTH123 -- /proc
            if b"spawn_main" in command.read():
                found.append(pid)
    return found


def test_a_killed_worker_is_told_of_once_with_its_signal_and_who_takes_its_place():
    started = start("--workers", "2")
    before = started.wait_for(lambda: pids if len(pids := workers_of(started)) == 2 else None)
    os.kill(before[0], signal.SIGKILL)
    now = started.wait_for(
        lambda: pids if len(pids := workers_of(started)) == 2 and pids != before else None
    )
    _, _, err = started.stop()

    (new,) = set(now) - set(before)
    (line,) = [line for line in err.splitlines() if str(before[0]) in line and "worker" in line]
    assert line.endswith(f"worker {before[0]} was killed by SIGKILL; worker {new} takes its place")


def test_a_start_that_fails_is_told_once_by_each_who_knows_something():
    code = (
        "import sys\n"
        "from bucketer import wiring\n"
        "from bucketer.doors.server.process import run\n"
        "from bucketer.settings import read_settings\n"
        "wiring.check = lambda settings: None\n"
        "environ = {'BUCKETER_EVENTS': 'flush', 'BUCKETER_PORT': '0'}\n"
        "sys.exit(run(read_settings(environ)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    (line,) = done.stderr.splitlines()
    assert "BUCKETER_EVENTS: found 'flush'" in line


def test_what_each_worker_finds_out_by_itself_is_told_once(tmp_path, demonstration):
    path = tmp_path / "datafile.json"
    path.write_bytes(b"{")
    home = {"BUCKETER_EVENTS": "outbox", "BUCKETER_STATE_DIR": str(tmp_path / "state")}
    started = start("--workers", "3", "--datafile", str(path), **home)
    started.wait_for(lambda: len(workers_of(started)) == 3)
    started.wait_for(lambda: asked_often(started, 503), 60)  # each has looked
    beside = tmp_path / "new.json"
    beside.write_bytes(json.dumps(demonstration).encode())
    beside.replace(path)  # nobody reads half of it
    started.wait_for(lambda: asked_often(started, 200), 60)
    _, _, err = started.stop()

    told = [line for line in err.splitlines() if "bucketer.datafile" in line]
    assert ["WARNING", "INFO"] == [line.split()[1] for line in told]
    assert 1 == err.count("the demonstration datafile is in use")


def asked_often(started, status):
    """Whether many clients, whom the kernel spreads over the workers, get *status*."""
    url = f"{started.url}/bucketer?e=checkout_flow_experiment&u=cooper34523569&a=tier:platinum,member_since_days:56"
    found = [
        subprocess.run(
            ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for _ in range(24)
    ]
    return {str(status)} == set(found)


def test_when_the_worker_that_speaks_is_gone_another_does(tmp_path):
    path = tmp_path / "speaking"
    path.touch()
    one, other = Speaker(str(path)), Speaker(str(path))
    by_each = logging.makeLogRecord({"found_by_each": True})

    assert [True, False, True] == [each.filter(by_each) for each in (one, other, one)]
    assert other.filter(logging.makeLogRecord({}))
    one.close()
    assert other.filter(by_each)
    other.close()
    path.unlink()
    assert one.filter(by_each)
