"""The page's files as they are served: by whom they are framed, kept and packed, and from where."""

import zlib

import pytest
from tests.fakes.consoles import HERE, Console

BROWSER = {**HERE, "accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
SCRIPT = "/console/main.js"


@pytest.fixture(scope="module")
def console():
    return Console()


def test_a_browser_gets_the_page_and_a_program_the_index(console):
    page = console.ask("/", headers=BROWSER)

    assert "text/html; charset=utf-8" == dict(page.headers)["Content-Type"]
    assert page.body.lower().startswith(b"<!doctype html>")
    for accept in ("*/*", "application/json", ""):
        program = console.ask("/", headers={**HERE, "accept": accept})
        assert "application/json" == dict(program.headers)["Content-Type"]
        assert "Accept" == dict(program.headers)["Vary"]


def test_with_a_query_it_is_still_a_question_to_the_service(console):
    answer = console.ask("/", "f=search&u=a", headers=BROWSER)

    assert b"variation" in answer.body


@pytest.mark.parametrize("path", ["/", SCRIPT])
def test_each_file_says_what_the_page_may_do(console, path):
    headers = dict(console.ask(path, headers=BROWSER).headers)
    policy = dict(
        each.strip().split(" ", 1) for each in headers["Content-Security-Policy"].split(";")
    )

    assert "'none'" == policy.pop("default-src")
    assert "'none'" == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"]
    assert "'self'" == policy["script-src"] == policy["style-src"] == policy["connect-src"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert ("nosniff", "DENY", "no-referrer") == (
        headers["X-Content-Type-Options"], headers["X-Frame-Options"], headers["Referrer-Policy"],
    )  # fmt: skip
    assert not [name for name in headers if name.startswith("Access-Control")]


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True), ("br, gzip;q=0.5", True), ("GZIP", True), ("gzip;q=1.0", True),
        ("", False), ("br", False), ("gzip;q=0", False), ("gzip; q=0.000", False), ("xgzip", False),
    ],
)  # fmt: skip
def test_it_is_packed_for_who_can_unpack_it(console, accepted, packed):
    plain = console.ask(SCRIPT, headers=HERE)
    answer = console.ask(SCRIPT, headers={**HERE, "accept-encoding": accepted})

    assert packed is ("Content-Encoding" in dict(answer.headers))
    assert plain.body == (zlib.decompress(answer.body, 31) if packed else answer.body)
    assert "Accept-Encoding" in dict(answer.headers)["Vary"]
    assert dict(plain.headers)["ETag"] != ""


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("{}", 304),
        ('"x", {}', 304),
        ("W/{}", 304),
        ("*", 304),
        ('"x"', 200),
        ("", 200),
        ("x{}", 200),
    ],
)
def test_who_has_it_gets_no_body(console, asked, status):
    etag = dict(console.ask(SCRIPT, headers=HERE).headers)["ETag"]

    answer = console.ask(SCRIPT, headers={**HERE, "if-none-match": asked.format(etag)})

    assert status == answer.status
    assert bool(answer.body) is (status == 200)
    assert etag == dict(answer.headers)["ETag"]


@pytest.mark.parametrize(
    "path",
    [
        "/console/index.html", "/console/nothing.js", "/console/../__init__.py", "/console/%2e%2e/x.js",
        "/console//main.js", "/console/main.js/", "/consolemain.js", "/console/./main.js",
    ],
)  # fmt: skip
def test_no_other_path_leads_to_a_file(console, path):
    assert 404 == console.ask(path, headers=BROWSER).status


@pytest.mark.parametrize("path", ["/console", "/console/"])
def test_the_page_has_one_address(console, path):
    answer = console.ask(path, headers=BROWSER)

    assert (302, "/") == (answer.status, dict(answer.headers)["Location"])
    assert "nosniff" == dict(answer.headers)["X-Content-Type-Options"]


def test_behind_a_prefix_its_address_ends_with_a_slash():
    console = Console(BUCKETER_PATH_PREFIX="/experiments")

    answer = console.ask("/experiments", headers=BROWSER)
    assert (302, "/experiments/") == (answer.status, dict(answer.headers)["Location"])
    assert 200 == console.ask("/experiments/", headers=BROWSER).status
    assert 200 == console.ask("/experiments/console/main.js", headers=HERE).status
    assert 200 == console.ask("/experiments/console/api/project", headers=HERE).status


def test_a_head_has_the_length_alone(console):
    whole = console.ask(SCRIPT, headers=HERE)
    head = console.ask(SCRIPT, method="HEAD", headers=HERE)

    assert (b"", len(whole.body)) == (head.body, head.length)
