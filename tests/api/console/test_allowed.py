"""Who may see the console: whoever sits at the machine, and nobody whom another page sends."""

import itertools

import pytest
from tests.fakes.consoles import HERE, Console

from bucketer import wiring
from bucketer.api.http import Request
from bucketer.api.local import host_of, is_loopback_name

PROJECT = "/console/api/project"
BROWSER = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module")
def console():
    return Console()


def test_on_a_loopback_address_it_is_there_by_default(console):
    assert 200 == console.ask(PROJECT).status


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]:9", "a.localhost:80"]
)
def test_this_machine_has_these_names(console, host):
    assert 200 == console.ask(PROJECT, headers={"host": host}).status


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "0.0.0.0",
        "10.0.0.1",
        "127.evil.0.1",
        "xlocalhost",
        "127.0.0.1@evil",
        "[::2]",
        "::1.evil",
    ],
)
def test_a_name_that_another_zone_may_have_rebound_is_refused(console, host):
    answer = console.ask(PROJECT, headers={"host": host})

    assert 403 == answer.status
    assert b"console_is_local" in answer.body


def test_without_a_host_it_is_refused(console):
    assert 403 == console.ask(PROJECT, headers={}).status


@pytest.mark.parametrize("ip", ["", "192.0.2.1", "10.0.0.1", "::2", "::ffff:10.0.0.1", "128.0.0.1"])
def test_whoever_asks_from_elsewhere_is_refused(console, ip):
    assert 403 == console.ask(PROJECT, ip=ip).status


@pytest.mark.parametrize(
    "name",
    ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host", "x-forwarded-proto"],
)
def test_what_came_through_a_proxy_was_not_made_here(console, name):
    assert 403 == console.ask(PROJECT, headers={**HERE, name: "127.0.0.1"}).status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://localhost:8080"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_of_another_origin_gets_nothing(console, headers, method):
    path = PROJECT if method == "GET" else "/console/api/try"
    headers = {**HERE, "content-type": "application/json", **headers}
    body = {"flag": "search", "user": "a"}

    answer = console.ask(path, method=method, headers=headers, body=body)

    assert 403 == answer.status
    assert b"foreign_origin" in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_its_own_page_and_programs_are_answered(console, headers):
    assert 200 == console.ask(PROJECT, headers={**HERE, **headers}).status


@pytest.mark.parametrize("path", ["project", "list", "flag", "nothing", "try"])
def test_no_answer_may_be_read_by_other_pages_be_framed_or_kept(console, path):
    answer = console.ask(f"/console/api/{path}", "key=search")
    headers = dict(answer.headers)

    assert not [name for name in headers if name.startswith("Access-Control")]
    assert "no-store" == headers["Cache-Control"]
    assert "nosniff" == headers["X-Content-Type-Options"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_it_can_be_switched_off():
    console = Console(BUCKETER_CONSOLE="off")

    assert 404 == console.ask(PROJECT).status
    assert b"service" in console.ask("/", headers={**HERE, **BROWSER}).body


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "shop.example"])
def test_where_the_server_listens_elsewhere_there_is_none_by_default(host):
    console = Console(BUCKETER_HOST=host)

    assert 404 == console.ask(PROJECT).status
    assert b"service" in console.ask("/", headers={**HERE, **BROWSER}).body


@pytest.mark.parametrize("mode", ["lambda", "command"])
def test_only_a_server_has_one(mode):
    runtime = wiring.build(environ={"BUCKETER_EVENTS": "off", "BUCKETER_CONSOLE": "on"}, mode=mode)

    assert 404 == runtime.serve(Request("GET", PROJECT, "", HERE, b"", "127.0.0.1", "r")).status


@pytest.mark.parametrize("path", ["/", "/console/index.js"])
def test_whoever_may_not_see_it_gets_no_page(console, path):
    answer = console.ask(path, headers={"host": "evil.example", **BROWSER})

    assert b"<html" not in answer.body.lower()


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("a:1", "a"),
        ("a", "a"),
        ("a:", "a"),
        ("[::1]:8", "[::1]"),
        ("[::1]", "[::1]"),
        ("::1", "::1"),
        (" a:1 ", "a"),
    ],
)
def test_the_port_is_no_part_of_the_host(written, host):
    assert host == host_of(written).strip()


def test_no_name_of_a_few_characters_passes_for_this_machine_by_accident():
    passed = {
        name
        for length in range(1, 6)
        for name in map("".join, itertools.product("1:.[]", repeat=length))
        if is_loopback_name(name)
    }

    assert {"::1", "[::1]", "[::1", "::1]"} == passed
