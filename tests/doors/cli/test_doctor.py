"""`bucketer doctor`: each thing that a server needs, found missing, and what to do about it."""

import json
import os
import resource
import sys
import time
from email.utils import formatdate
from types import SimpleNamespace

import pytest
from tests.fakes.origin import Origin, answer, ok
from tests.fakes.terminals import Kept

from bucketer.access.keys import digest_of
from bucketer.doors.cli import examining

#: The one of RFC 8037, A.2.
PUBLISHED = {
    "kty": "OKP",
    "crv": "Ed25519",
    "kid": "one",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
EVENTS_OFF = {"BUCKETER_EVENTS": "off"}


def findings(*argv, **environ):
    """What is found, by what was looked at: states and texts."""
    kept = Kept("doctor", "--json", *argv, **environ)
    told = [json.loads(line) for line in kept.lines]
    assert (1 if "problem" in {each["state"] for each in told} else 0) == kept.status
    assert all(bool(each["do"]) is (each["state"] != "ok") for each in told)
    return {each["what"]: each for each in told}


def offline(**environ):
    return findings("--offline", **EVENTS_OFF, **environ)


def head(date, status=405):
    return answer(status, Date=date)


# ---------------------------------------------------------------------------- all is well


def test_where_all_is_well_it_says_so_of_each_thing(tmp_path, demonstration):
    datafile = ok(json.dumps(demonstration).encode())
    with Origin(datafile) as cdn, Origin(head(formatdate(usegmt=True))) as collector:
        told = findings(
            DATAFILE_URL=f"{cdn.url}/s3cret-key.json",
            BUCKETER_EVENTS_ENDPOINT=f"{collector.url}/v1/events",
            BUCKETER_STATE_DIR=str(tmp_path / "state"),
        )

    states = {what: each["state"] for what, each in told.items() if what != "user"}
    assert {"ok"} == set(states.values()) - ({"warning"} if "open files" in states else set())
    assert {
        "settings",
        "access",
        "state directory",
        "datafile of default",
        "collector",
        "clock",
    } <= {*states}
    assert "revision 22 from 127.0.0.1" in told["datafile of default"]["found"]
    assert "s3cret" not in json.dumps(told)
    assert collector.requests[0].startswith(b"HEAD /v1/events ")


def test_for_people_it_is_a_tree_that_begins_with_what_it_comes_to():
    kept = Kept("doctor", "--offline", BUCKETER_ACCESS="keys", **EVENTS_OFF)

    assert "1 problem" in kept.lines[0]
    assert "there are none" in kept.out
    assert "`bucketer keys create` makes one." in kept.out


# ---------------------------------------------------------------------------- settings, access


def test_impossible_settings_are_all_told_and_nothing_else_is_looked_at():
    kept = Kept("doctor", "--json", BUCKETER_PORT="x", BUCKETER_WORKERS="0")
    told = [json.loads(line) for line in kept.lines]

    assert ["problem", "problem"] == [each["state"] for each in told]
    assert {"BUCKETER_PORT", "BUCKETER_WORKERS"} == {
        each["found"].partition(":")[0] for each in told
    }


def test_a_variable_that_is_no_setting_is_told():
    kept = Kept("doctor", "--json", "--offline", BUCKETER_PROT="1", **EVENTS_OFF)

    assert "Is BUCKETER_PORT meant?" in json.loads(kept.lines[0])["found"]


@pytest.mark.parametrize(
    ("environ", "state", "told"),
    [
        ({}, "ok", "to this machine alone"),
        ({"BUCKETER_HOST": "::1"}, "ok", "to this machine alone"),
        ({"BUCKETER_HOST": "0.0.0.0"}, "warning", "open to whoever reaches 0.0.0.0"),
        ({"BUCKETER_KEYS": f"{digest_of('x').hex()}:read:*"}, "ok", "1 key"),
        ({"BUCKETER_ACCESS": "keys"}, "problem", "there are none"),
        ({"BUCKETER_AUTH_HMAC_SECRETS": "czNjcmV0"}, "ok", "0 keys, and tokens"),
        ({"BUCKETER_KEYS": f"{digest_of('x').hex()}:read:nowhere"}, "problem", "keys for nowhere"),
    ],
)
def test_who_may_ask_is_told(environ, state, told):
    found = offline(**environ)["access"]

    assert (state, True) == (found["state"], told in found["found"])


def test_rates_without_a_trusted_proxy_are_told():
    assert "warning" == offline(BUCKETER_RATE_PER_ADDRESS="5")["rates"]["state"]
    both = {"BUCKETER_RATE_PER_ADDRESS": "5", "BUCKETER_TRUSTED_PROXIES": "10.0.0.0/8"}
    assert "rates" not in offline(**both)


# ---------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("mode", "state"), [(0o600, "ok"), (0o640, "ok"), (0o644, "warning"), (0o660, "problem")]
)
def test_a_file_of_keys_is_its_owners(tmp_path, mode, state):
    path = tmp_path / "keys"
    path.write_text(f"{digest_of('x').hex()}:read:*\n")
    path.chmod(mode)

    assert state == offline(BUCKETER_KEYS_FILE=str(path))["BUCKETER_KEYS_FILE"]["state"]


def test_a_file_of_keys_that_can_not_be_used_is_a_problem(tmp_path):
    path = tmp_path / "keys"
    path.write_text("nonsense\n")

    found = offline(BUCKETER_KEYS_FILE=str(path))["access"]
    assert ("problem", f"{path}: line 1 isn't HASH:ROLE:ENVIRONMENT") == (
        found["state"],
        found["found"],
    )


def test_a_file_of_keys_that_this_user_can_not_read_is_a_problem_and_nothing_beside(
    tmp_path, caplog
):
    told = offline(BUCKETER_KEYS_FILE=str(tmp_path))  # a directory: so it is for root, too

    assert f"{tmp_path}: Is a directory" == told["access"]["found"]
    assert f"chown {os.getuid()} {tmp_path}" in told["access"]["do"]
    assert [] == caplog.records


@pytest.mark.parametrize(
    "environ",
    [
        {"BUCKETER_METRICS": "emf"},
        {"BUCKETER_TRACES": "otlp"},
        {"BUCKETER_WEBHOOK_SECRET": "s3cret"},  # and no URL to fetch from
    ],
)
def test_what_a_server_can_not_do_is_a_problem(environ, monkeypatch):
    """Each setting is allowed; `bucketer serve` would end with status 1."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "bucketer.tracing.export", raising=False)
    found = offline(**environ)["settings"]

    assert ("problem", True) == (found["state"], next(iter(environ)) in found["found"])


def test_a_log_that_can_not_be_written_is_a_problem(tmp_path):
    assert "problem" == offline(BUCKETER_LOG_FILE="/nowhere/log")["BUCKETER_LOG_FILE"]["state"]
    folder = offline(BUCKETER_ACCESS_LOG_FILE=str(tmp_path))["BUCKETER_ACCESS_LOG_FILE"]
    assert f"{tmp_path} is a directory" == folder["found"]
    assert "BUCKETER_LOG_FILE" not in offline(BUCKETER_LOG_FILE=str(tmp_path / "log"))


def test_a_state_directory_that_is_none_is_a_problem(tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    kept = {"BUCKETER_EVENTS": "outbox", "BUCKETER_STATE_DIR": str(path)}
    found = findings("--offline", **kept)["state directory"]

    assert ("problem", True) == (found["state"], "is no directory" in found["found"])
    assert "Name a directory" in found["do"]


def test_one_that_is_not_there_and_can_not_be_made_is_made_by_root():
    kept = {"BUCKETER_EVENTS": "outbox", "BUCKETER_STATE_DIR": "/proc/none"}
    found = findings("--offline", **kept)["state directory"]

    assert found["do"].startswith(f"As root: install -d -o {os.getuid()} /proc/none;")


def test_one_without_any_room_is_a_problem(tmp_path, monkeypatch):
    full = SimpleNamespace(f_bavail=0, f_frsize=4096, f_blocks=100)
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    kept = {"BUCKETER_EVENTS": "outbox", "BUCKETER_STATE_DIR": str(tmp_path)}
    found = findings("--offline", **kept)["state directory"]

    assert ("problem", True) == (found["state"], "no room left" in found["found"])


def test_a_state_directory_without_the_room_that_events_may_take_is_told(tmp_path):
    kept = {
        "BUCKETER_EVENTS": "outbox",
        "BUCKETER_STATE_DIR": str(tmp_path),
        "BUCKETER_EVENTS_MAX_BYTES": "1099511627776",
    }
    disk = os.statvfs(tmp_path)
    has_room = disk.f_bavail * disk.f_frsize > 1_099_511_627_776 + 64 * 1024 * 1024
    lines = Kept("doctor", "--json", "--offline", **kept).lines
    states = {each["state"] for each in map(json.loads, lines) if each["what"] == "state directory"}

    assert ("warning" in states) is not has_room


# ---------------------------------------------------------------------------- the machine


@pytest.mark.parametrize(("hard", "state"), [(10_240, "ok"), (10_239, "warning"), (-1, "ok")])
def test_fewer_open_files_than_connections_need_are_told(monkeypatch, hard, state):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (min(hard, 1024), hard))

    assert state == offline()["open files"]["state"]


def test_root_is_told(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert "warning" == offline()["user"]["state"]
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert "user" not in offline()


# ---------------------------------------------------------------------------- other machines


def test_a_datafile_that_can_not_be_had_is_a_problem_unless_another_source_has_one(
    tmp_path, demonstration
):
    with Origin(answer(403)) as cdn:
        url = f"{cdn.url}/s3cret-key.json"
        alone = findings(DATAFILE_URL=url, **EVENTS_OFF)["datafile of default"]
        path = tmp_path / "datafile.json"
        path.write_text(json.dumps(demonstration))
        kept = Kept("doctor", "--json", BUCKETER_DATAFILE=f"{url} {path}", **EVENTS_OFF)
    both = [each["state"] for each in map(json.loads, kept.lines) if "datafile" in each["what"]]

    assert ("problem", True) == (alone["state"], "403" in alone["found"])
    assert "SDK key" in alone["do"]
    assert "s3cret" not in json.dumps(alone)
    assert ["warning", "ok"] == both


def test_each_environment_is_asked_for(tmp_path, demonstration):
    (tmp_path / "one.json").write_text(json.dumps(demonstration))
    (tmp_path / "two.json").write_text("{}")
    config = tmp_path / "bucketer.toml"
    config.write_text(
        f'[environments.one]\ndatafile = "{tmp_path}/one.json"\n'
        f'[environments.two]\ndatafile = "{tmp_path}/two.json"\n'
    )
    told = findings(BUCKETER_CONFIG=str(config), **EVENTS_OFF)

    assert "ok" == told["datafile of one"]["state"]
    assert "problem" == told["datafile of two"]["state"]
    assert "`bucketer lint --environment two`" in told["datafile of two"]["do"]


def test_what_the_compiler_gave_up_on_is_told(tmp_path, demonstration):
    demonstration["experiments"][0]["trafficAllocation"] = "nonsense"
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(demonstration))

    found = findings(BUCKETER_DATAFILE=str(path), **EVENTS_OFF)["datafile of default"]
    assert ("warning", True) == (found["state"], "lint" in found["do"])


def test_a_datafile_that_is_not_there_is_nothing_to_lint(tmp_path):
    found = findings(BUCKETER_DATAFILE=str(tmp_path / "none.json"), **EVENTS_OFF)

    assert "Is it there" in found["datafile of default"]["do"]


@pytest.mark.parametrize(
    ("there", "state", "told"),
    [
        (answer(500), "problem", "127.0.0.1: status 500 (0 bytes)"),
        (ok(b"[]"), "problem", "what is published there is no JWKS"),
        (ok(b'{"keys": []}'), "problem", "0 from 127.0.0.1:{port} can be used"),
        (ok(json.dumps({"keys": [PUBLISHED]}).encode()), "ok", "1 from 127.0.0.1:{port}"),
    ],
)
def test_the_keys_of_tokens_are_asked_for(there, state, told):
    with Origin(there) as issuer:
        url = f"{issuer.url}/s3cret.json"
        found = findings(BUCKETER_AUTH_JWKS_URL=url, **EVENTS_OFF)["keys of tokens"]
        assert (state, told.format(port=issuer.port)) == (found["state"], found["found"])
    assert "keys of tokens" not in offline(BUCKETER_AUTH_JWKS_URL=url)


def test_a_collector_that_can_not_be_reached_is_a_problem(tmp_path, demonstration):
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(demonstration))
    told = findings(
        BUCKETER_DATAFILE=str(path),
        BUCKETER_EVENTS="outbox",
        BUCKETER_EVENTS_ENDPOINT="http://127.0.0.1:9/v1/events",
        BUCKETER_STATE_DIR=str(tmp_path / "state"),
    )

    assert ("problem", "127.0.0.1:9: Connection refused") == (
        told["collector"]["state"],
        told["collector"]["found"],
    )


def test_of_the_demonstration_nobody_is_asked(tmp_path):
    told = findings(BUCKETER_STATE_DIR=str(tmp_path))

    assert "isn't asked" in told["collector"]["found"]


@pytest.mark.parametrize(
    ("ahead_s", "state", "told"),
    [
        (0, "ok", "within"),
        (4, "ok", "within"),
        (61, "problem", "behind"),
        (-61, "problem", "ahead of"),
    ],
)
def test_a_clock_that_differs_from_the_collectors_is_a_problem(ahead_s, state, told):
    now = float(int(time.time()))
    [found] = examining._clock(formatdate(now + ahead_s, usegmt=True), now)

    assert (state, True) == (found.state, told in found.found)
    assert [] == [*examining._clock("", now)]
    assert [] == [*examining._clock("yesterday", now)]
