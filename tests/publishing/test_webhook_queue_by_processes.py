"""Webhooks in server mode, on real processes: all workers follow, and older revisions stay askable."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request

import pytest
from tests.fakes.origin import Origin, ok
from tests.fakes.process import bucketer_serve
from tests.fakes.sources import revision
from tests.fakes.webhooks import PROJECT, SECRET, body_of, signature_of

pytestmark = pytest.mark.slow

QUERY = "e=checkout_flow_experiment&u=user-3&debug=1"


def _ask(url, body=None, **headers):
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def _send_webhook(server, cdn, number, secret=SECRET):
    body = body_of(number, f"{cdn.url}/datafiles/SDK-KEY.json")
    headers = {"X-Hub-Signature": signature_of(body, secret)}
    return _ask(f"{server.url}/webhooks/optimizely", body, **headers)


def _revisions(server, times):
    """What that many connections are decided by; with two workers they spread."""
    answers = [_ask(f"{server.url}/bucketer?{QUERY}") for _ in range(times)]
    return {answer["debug"]["datafile"]["revision"] for _, answer in answers}


@pytest.fixture
def cdn():
    with Origin(ok(revision(1), ETag='"1"')) as origin:
        yield origin


@pytest.fixture
def environ(cdn, tmp_path):
    return {
        "DATAFILE_URL": f"{cdn.url}/datafiles/SDK-KEY.json",
        "BUCKETER_STATE_DIR": str(tmp_path / "state"),
        "BUCKETER_WEBHOOK_SECRET": SECRET,
        "BUCKETER_PROJECT_ID": PROJECT,
        "BUCKETER_WEBHOOK_WAIT": "5",
    }


def test_a_webhook_reaches_every_worker_long_before_the_age(cdn, environ):
    with bucketer_serve("--workers", "2", **environ) as server:
        before = _revisions(server, 20)
        asked = len(cdn.requests)
        cdn.answers[:] = [ok(revision(2), ETag='"2"')]
        status, _ = _send_webhook(server, cdn, 2)
        deadline = time.monotonic() + 10
        while _revisions(server, 20) != {"2"} and time.monotonic() < deadline:
            time.sleep(0.1)
        after = _revisions(server, 40)

    assert ({"1"}, 202, {"2"}) == (before, status, after)
    assert 1 == asked  # both workers started from one fetch


def test_a_webhook_is_acted_on_where_the_url_stands_in_bucketer_datafile(cdn, environ):
    environ["BUCKETER_DATAFILE"] = f"{environ.pop('DATAFILE_URL')} packaged"
    with bucketer_serve(**environ) as server:
        cdn.answers[:] = [ok(revision(2), ETag='"2"')]
        status, _ = _send_webhook(server, cdn, 2)
        deadline = time.monotonic() + 10
        while _revisions(server, 1) != {"2"} and time.monotonic() < deadline:
            time.sleep(0.1)
        after = _revisions(server, 1)

    assert (202, {"2"}) == (status, after)


def test_a_forged_webhook_makes_nobody_fetch(cdn, environ):
    with bucketer_serve(**environ) as server:
        asked = len(cdn.requests)
        cdn.answers[:] = [ok(revision(2))]
        status, report = _send_webhook(server, cdn, 2, secret="guessed")
        time.sleep(0.5)
        found = _revisions(server, 1)

    assert (403, "webhook_refused", {"1"}) == (status, report["error"]["code"], found)
    assert asked == len(cdn.requests)


def test_a_restart_while_the_source_is_down_serves_the_last_one(cdn, environ):
    with bucketer_serve(**environ) as server:
        assert {"1"} == _revisions(server, 1)
    cdn.close()
    with bucketer_serve(**environ) as server:
        assert {"1"} == _revisions(server, 1)


def test_an_archived_revision_can_be_asked_and_an_unknown_one_not(environ, tmp_path):
    (tmp_path / "7.json").write_bytes(revision(7))
    with bucketer_serve(**environ, BUCKETER_REVISIONS=str(tmp_path)) as server:
        old, answer = _ask(f"{server.url}/bucketer?{QUERY}&revision=7")
        same, now = _ask(f"{server.url}/bucketer?{QUERY}&revision=1")
        none, missing = _ask(f"{server.url}/bucketer?{QUERY}&revision=8")
        odd, refused = _ask(f"{server.url}/bucketer?{QUERY}&revision=../secret")

    assert (200, "7") == (old, answer["debug"]["datafile"]["revision"])
    assert (200, "1") == (same, now["debug"]["datafile"]["revision"])
    assert (404, "unknown_revision") == (none, missing["error"]["code"])
    assert (400, "invalid_request") == (odd, refused["error"]["code"])


def test_a_server_fills_a_directory_of_revisions_by_itself(cdn, environ, tmp_path):
    archive = tmp_path / "archive"
    with bucketer_serve(**environ, BUCKETER_REVISIONS=str(archive)) as server:
        cdn.answers[:] = [ok(revision(2), ETag='"2"')]
        _send_webhook(server, cdn, 2)
        deadline = time.monotonic() + 10
        while _revisions(server, 1) != {"2"} and time.monotonic() < deadline:
            time.sleep(0.1)
        status, answer = _ask(f"{server.url}/bucketer?{QUERY}&revision=1")

    assert (200, "1") == (status, answer["debug"]["datafile"]["revision"])
    assert {"1.json", "2.json"} == {each.name for each in archive.iterdir()}


def test_where_revisions_are_not_enabled_the_parameter_means_nothing(environ):
    with bucketer_serve(**environ) as server:
        status, answer = _ask(f"{server.url}/bucketer?{QUERY}&revision=7")

    assert (200, "1") == (status, answer["debug"]["datafile"]["revision"])
