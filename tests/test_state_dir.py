"""A state directory that can't be written to at all stops the start; a full disk doesn't."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.fakes.disks import fill, small_disk
from tests.fakes.origin import Origin, ok
from tests.fakes.sources import revision

from bucketer import wiring
from bucketer.api.http import Request
from bucketer.core.errors import SettingsError
from bucketer.settings import read_settings


def _settings(state_dir, **more):
    return read_settings({"BUCKETER_STATE_DIR": str(state_dir), **more})


def _file(tmp_path):
    (tmp_path / "file").write_text("")
    return tmp_path / "file"


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (lambda _: "/etc/hostname", "is no directory"),
        (lambda _: "/etc/hostname/state", "Not a directory"),
        (_file, "is no directory"),
        (lambda tmp: _file(tmp) / "deep" / "state", "Not a directory"),
        (lambda tmp: tmp / ("x" * 300), "File name too long"),
        (lambda _: "/proc/bucketer/state", "can't be written to"),
        (lambda _: "/proc", "can't be written to"),
        (lambda _: "~nobody-of-this-name/state", "can't be written to"),
    ],
)
def test_what_can_not_be_written_to_stops_the_start(place, why, tmp_path):
    settings = _settings(place(tmp_path))
    for begin in (wiring.check, lambda each: wiring.build(each, {})):
        with pytest.raises(SettingsError) as caught:
            begin(settings)
        assert str(caught.value).startswith("BUCKETER_STATE_DIR: found ")
        assert why in str(caught.value)
        assert "allowed: a directory that can be written to" in str(caught.value)
        assert "the outbox (BUCKETER_EVENTS)" in str(caught.value)


def test_a_file_system_that_is_mounted_for_reading_only_stops_the_start(tmp_path):
    with small_disk(tmp_path / "disk") as folder:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        with pytest.raises(SettingsError, match="Read-only file system"):
            wiring.check(_settings(folder))


@pytest.mark.skipif(os.getuid() != 0, reason="becomes somebody else")
def test_a_parent_without_permission_stops_the_start(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = (
        "import os, sys; from bucketer import wiring; "
        "from bucketer.settings import read_settings; "
        "told = [read_settings({'BUCKETER_STATE_DIR': each}) for each in sys.argv[1:]]; "
        "wiring.check(told[0]); os.setuid(65534); wiring.check(told[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(closed / "sound"), str(closed / "state")],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode != 0
    assert "can't be written to (Permission denied)" in done.stderr


@pytest.mark.parametrize(
    ("more", "needed"),
    [
        ({"BUCKETER_EVENTS": "off"}, None),
        ({"BUCKETER_EVENTS": "stdout"}, None),
        ({"BUCKETER_EVENTS": "off", "BUCKETER_DATAFILE": "/some/file.json"}, None),
        ({"BUCKETER_EVENTS": "off", "DATAFILE_URL": "https://h/x"}, "the copy of the datafile"),
        ({"BUCKETER_EVENTS": "off", "BUCKETER_DATAFILE": "s3://b/k"}, "the copy of the datafile"),
        ({"BUCKETER_EVENTS": "off", "BUCKETER_PROFILES": "sqlite"}, "user profiles"),
        ({"BUCKETER_EVENTS": "off", "BUCKETER_PROFILES": "sqlite:/x/y"}, None),
    ],
)
def test_it_is_looked_at_only_where_something_would_be_written(more, needed):
    settings = _settings("/etc/hostname", **more)
    if needed is None:
        wiring.check(settings)
    else:
        with pytest.raises(SettingsError, match=needed):
            wiring.check(settings)


def test_a_command_and_lambda_need_none():
    for mode in (wiring.COMMAND, wiring.LAMBDA):
        wiring.check(_settings("/etc/hostname"), {}, mode=mode)


def test_bucketer_serve_says_so_and_leaves_no_trace():
    done = subprocess.run(
        [sys.executable, "-m", "bucketer", "serve", "--port", "0"],
        env={**os.environ, "BUCKETER_STATE_DIR": "/etc/hostname"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode != 0
    assert "BUCKETER_STATE_DIR: found '/etc/hostname', which is no directory" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("rounds", [1, 2])
def test_on_a_full_disk_a_server_starts_and_restarts_and_never_answers_503(tmp_path, rounds):
    with small_disk(tmp_path / "disk") as folder, Origin(ok(revision(7), ETag='"7"')) as origin:
        settings = _settings(folder, DATAFILE_URL=origin.url, BUCKETER_EVENTS="off")
        fill(folder)
        for _ in range(rounds):
            runtime = wiring.build(settings, {})
            answer = runtime.serve(Request("GET", "/health", ""))
            runtime.close()
            assert (200, "7") == (answer.status, json.loads(answer.body)["datafile"]["revision"])
            assert [] == [*folder.rglob(".writable-*")]


def health_of(runtime):
    answer = runtime.serve(Request("GET", "/health", ""))
    said = json.loads(answer.body)
    assert answer.status == 200
    return said["status"], [each["code"] for each in said.get("why", [])]


def test_health_is_degraded_while_the_disk_is_full_and_well_when_there_is_room_again(tmp_path):
    with small_disk(tmp_path / "disk") as folder:
        runtime = wiring.build(_settings(folder), {})
        assert health_of(runtime) == ("ok", [])

        filler = fill(folder)
        assert health_of(runtime) == ("degraded", ["state_unwritable"])

        filler.unlink()
        assert health_of(runtime) == ("ok", [])
        runtime.close()


def test_health_tells_of_a_state_directory_that_is_gone_and_of_none_that_is_not_needed(tmp_path):
    folder = tmp_path / "state"
    needed = wiring.build(_settings(folder, BUCKETER_EVENTS="outbox"), {})
    unneeded = wiring.build(_settings(tmp_path / "none", BUCKETER_EVENTS="off"), {})
    folder.rename(tmp_path / "elsewhere")

    assert health_of(needed) == ("degraded", ["state_unwritable"])
    assert health_of(unneeded) == ("ok", [])

    needed.close()
    unneeded.close()


def test_health_is_degraded_when_the_source_has_not_confirmed_the_datafile_for_too_long(tmp_path):
    """Fetched once, and then the source is gone: what counts is its last good answer."""
    with Origin(ok(revision(7), ETag='"7"')) as origin:
        settings = _settings(
            tmp_path, DATAFILE_URL=origin.url, BUCKETER_EVENTS="off", BUCKETER_HEALTH_MAX_AGE="60"
        )
        runtime = wiring.build(settings, {})
        assert health_of(runtime) == ("ok", [])

        runtime.edition.checked_at -= 61
        assert health_of(runtime) == ("degraded", ["datafile_old"])
        runtime.close()
