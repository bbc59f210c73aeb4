"""Access lines: what one says, how many are one write, and whose key is in none."""

from __future__ import annotations

import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.serving import serving

from bucketer import wiring
from bucketer.api.http import Request, Response
from bucketer.doors.server.access_lines import AccessLines
from bucketer.doors.server.logs import JsonAccessLines, TextAccessLines, note_access

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
KEY, TOKEN = "SecretSdkKey123", "SecretToken456"


class Loop:
    """Calls when the test says that a turn is over."""

    def __init__(self):
        self.due = []

    def call_soon(self, call):
        self.due.append(call)

    def turn(self):
        due, self.due = self.due, []
        for call in due:
            call()


def lines(*, as_json=False, write=None):
    loop, written = Loop(), []
    made = AccessLines(loop, lambda request: "shop", as_json=as_json, write=write or written.append)
    return loop, written, made


def a_request(path="/a", ip="192.0.2.7", method="GET", request_id="an-id"):
    return Request(method, path, ip=ip, request_id=request_id)


ANSWER = Response(200, (), b"12345")


@given(
    path=st.text(max_size=30),
    ip=st.sampled_from(["", "192.0.2.7", "2001:db8::1", 'fe80::1%"\n']),
    method=st.sampled_from(["", "GET", "POST", 'F"O']),
    seconds=st.floats(0, 100),
)
def test_a_line_is_the_one_that_logging_would_write(path, ip, method, seconds):
    request = a_request(path, ip, method)
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    log = logging.getLogger("bucketer.access")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        note_access(request, ANSWER, seconds)
    finally:
        log.removeHandler(handler)
    for as_json, formatter in ((False, TextAccessLines()), (True, JsonAccessLines())):
        loop, written, watcher = lines(as_json=as_json)
        watcher(request, ANSWER, seconds)
        loop.turn()
        [line] = written
        theirs = formatter.format(records[0])
        if as_json:
            told = json.loads(line)
            assert "shop" == told.pop("environment")
            assert re.fullmatch(TIME, told.pop("time"))
            expected = json.loads(theirs)
            del expected["time"]
            assert told == expected
        else:
            assert theirs[25:] == line.decode()[25:-1]
            assert re.match(TIME, line.decode())


def test_the_lines_of_a_turn_are_one_write():
    loop, written, watcher = lines()
    for number in range(20):
        watcher(a_request(f"/{number}"), ANSWER, 0.0)
    assert ([], 1) == (written, len(loop.due))
    loop.turn()
    watcher(a_request("/later"), ANSWER, 0.0)
    loop.turn()

    assert [20, 1] == [each.count(b"\n") for each in written]


@given(st.lists(st.integers(0, 6_000), min_size=1, max_size=40))
def test_no_write_is_longer_than_a_pipe_takes_whole_but_for_a_line_that_is(sizes):
    loop, written, watcher = lines(as_json=True)
    for size in sizes:
        watcher(a_request("/" + "x" * size), ANSWER, 0.0)
    loop.turn()

    assert sizes == [len(json.loads(line)["path"]) - 1 for line in b"".join(written).splitlines()]
    for each in written:
        assert each.endswith(b"\n")
        assert len(each) <= 4096 or each.count(b"\n") == 1


def test_that_nobody_takes_them_is_told_once_until_somebody_does(caplog):
    fails = [True, True, False, True]

    def write(data):
        if fails.pop(0):
            raise BrokenPipeError(32, "Broken pipe")

    loop, _, watcher = lines(write=write)
    for _ in range(4):
        watcher(a_request(), ANSWER, 0.0)
        loop.turn()

    assert 2 == caplog.text.count("access lines can't be written: Broken pipe")


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_key_and_no_visitor_is_in_any_line(form, tmp_path, caplog):
    """Named by header, by query, with a token, and by one that nobody listed."""
    config = tmp_path / "bucketer.toml"
    config.write_text(
        'default = "main"\n[environments.main]\ndatafile = "demonstration"\n'
        f'[environments.shop]\nsdk_key = "{KEY}"\naccess_token = "{TOKEN}"\n'
        'datafile = "demonstration"\n'
    )
    runtime = wiring.build(environ={"BUCKETER_EVENTS": "off", "BUCKETER_CONFIG": str(config)})
    loop, written = Loop(), []
    as_json = form == "json"
    watcher = AccessLines(loop, runtime.environment_name, as_json=as_json, write=written.append)
    asked = "/bucketer?e=checkout_flow_experiment&u=secret-visitor"
    with serving(runtime, watchers=[watcher]) as server, server.connect() as client:
        for path, header in (
            (asked, "X: y"),
            (asked, f"X-Optimizely-SDK-Key: {KEY}"),
            (f"{asked}&sdk_key={KEY}", "X: y"),
            (asked, f"X-Optimizely-SDK-Key: {KEY}:{TOKEN}"),
            (asked, f"X-Optimizely-SDK-Key: Other{KEY}"),
            (f"{asked}&sdk_key=%%%", "X: y"),
        ):
            client.send(f"GET {path} HTTP/1.1\r\nHost: test\r\n{header}\r\n\r\n")
            client.answer()
    loop.turn()

    out = b"".join(written).decode()
    for secret in (KEY, TOKEN, "secret-visitor"):
        assert secret not in out + caplog.text
    assert 6 == len(out.splitlines())
    if as_json:
        told = [json.loads(each) for each in out.splitlines()]
        assert ["main", "shop", "shop", "shop", "", ""] == [each["environment"] for each in told]
        assert all(each["seconds"] > 0 for each in told)
