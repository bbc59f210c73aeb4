"""What people really call it with: curl, requests, httpx, Node's fetch, wrk, http.client."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess

import httpx
import pytest
import requests
from tests.fakes.process import bucketer_serve

QUERY = "e=checkout_flow_experiment&u=cooper34523569"
ATTRIBUTES = {"tier": "platinum", "member_since_days": 56}
ANSWER = {
    "variation": "one_step_checkout",
    "user": "cooper34523569",
    "experiment": "checkout_flow_experiment",
}
BODY = {"e": "checkout_flow_experiment", "u": "cooper34523569", "a": ATTRIBUTES}


@pytest.fixture(scope="module")
def url():
    with bucketer_serve() as started:
        yield started.url


def needs(command):
    return pytest.mark.skipif(shutil.which(command) is None, reason=f"{command} isn't installed")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    assert done.returncode == 0, done.stderr
    return done.stdout


@needs("curl")
def test_curl_takes_the_readme_s_url_as_it_is_written(url):
    target = f'{url}/bucketer?{QUERY}&a=tier:"platinum",member_since_days:56'

    assert json.loads(run("curl", "-sg", target)) == ANSWER


@needs("curl")
@pytest.mark.parametrize("option", ["--http1.0", "--http1.1", "--http2", "--no-keepalive"])
def test_curl_agrees_over_each_version_of_http(url, option):
    """--http2 asks for an upgrade on a plain connection, which is ignored."""
    target = f"{url}/bucketer?{QUERY}&a=tier:platinum,member_since_days:56"

    assert json.loads(run("curl", "-s", option, target)) == ANSWER


@needs("curl")
@pytest.mark.parametrize("header", ["Expect: 100-continue", "Transfer-Encoding: chunked"])
def test_curl_posts(url, header):
    text = run("curl", "-s", "-H", header, "-d", json.dumps(BODY), f"{url}/bucketer")

    assert json.loads(text) == ANSWER


@needs("curl")
def test_curl_is_told_that_its_upload_is_too_big(url, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(b"x" * 20_000_000)
    text = run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-T", str(big), "-X", "POST",
               f"{url}/bucketer")  # fmt: skip

    assert text == "413"


@needs("curl")
def test_curl_heads(url):
    text = run("curl", "-sI", f"{url}/bucketer?{QUERY}")

    assert text.startswith("HTTP/1.1 200 OK")
    assert re.search(r"content-length: \d{2,}", text)


def test_requests_agrees(url):
    with requests.Session() as session:
        for _ in range(3):
            a = json.dumps(ATTRIBUTES)
            answer = session.get(f"{url}/bucketer?{QUERY}", params={"a": a}, timeout=60)

            assert answer.json() == ANSWER

        assert session.post(f"{url}/bucketer", json=BODY, timeout=60).json() == ANSWER
        assert session.head(f"{url}/bucketer?{QUERY}", timeout=60).status_code == 200
        assert session.options(f"{url}/bucketer", timeout=60).status_code == 204

        chunks = iter([json.dumps(BODY).encode()])

        assert session.post(f"{url}/bucketer", data=chunks, timeout=60).json() == ANSWER


def test_httpx_agrees(url):
    with httpx.Client() as session:
        a = json.dumps(ATTRIBUTES)
        answer = session.get(f"{url}/bucketer?{QUERY}", params=httpx.QueryParams(QUERY).set("a", a))

        assert answer.json() == ANSWER
        assert session.post(f"{url}/bucketer", json=BODY).json() == ANSWER


def test_the_standard_library_agrees(url):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    for _ in range(2):
        connection.request("GET", f"/bucketer?{QUERY}&a=tier:platinum,member_since_days:56")

        assert json.load(connection.getresponse()) == ANSWER

    connection.close()


@needs("node")
def test_nodes_fetch_agrees(url):
    script = f"""
        const url = '{url}/bucketer';
        const query = '{QUERY}&a=' + encodeURIComponent(JSON.stringify({json.dumps(ATTRIBUTES)}));
        const got = await (await fetch(url + '?' + query)).json();
        const body = JSON.stringify({json.dumps(BODY)});
        const posted = await (await fetch(url, {{method: 'POST', body}})).json();
        console.log(JSON.stringify([got, posted]));
    """

    assert json.loads(run("node", "--input-type=module", "-e", script)) == [ANSWER, ANSWER]


@needs("wrk")
def test_wrk_sees_no_error_over_32_connections(url):
    text = run("wrk", "-t1", "-c32", "-d1", f"{url}/bucketer?{QUERY}")

    assert "requests in" in text
    assert "Non-2xx" not in text
    assert "Socket errors" not in text
