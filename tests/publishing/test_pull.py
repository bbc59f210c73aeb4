"""`bucketer datafile pull` and webhook.py: all of it, or nothing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.fakes.origin import Origin, answer, ok
from tests.fakes.sources import FakeSource, revision

from bucketer import wiring
from bucketer.core.errors import BucketerError
from bucketer.doors.cli.main import main
from bucketer.doors.cli.terminal import Terminal
from bucketer.publishing.pull import pull, write_atomically
from bucketer.settings import read_settings
from bucketer.sources.packaged import PackagedSource
from bucketer.sources.url import UrlSource

REPOSITORY = Path(__file__).parents[2]


def _run(*arguments, **environ):
    out, err = io.StringIO(), io.StringIO()
    status = main(list(arguments), Terminal(out, err, environ))
    return status, out.getvalue(), err.getvalue()


@pytest.fixture
def package(tmp_path):
    """A package that has revision 1 in it."""
    path = tmp_path / "packaged.json"
    pull(FakeSource(revision(1)), package=path)
    return path


def test_what_is_pulled_is_stored_with_where_it_came_from(tmp_path):
    path = tmp_path / "new" / "packaged.json"
    with Origin(ok(revision(7), ETag='"seven"')) as origin:
        url = f"{origin.url}/datafiles/SDK-KEY.json"
        pull(UrlSource(url, 60.0), package=path)

    document = json.loads(path.read_bytes())
    assert (url, "7", '"seven"') == tuple(
        document["package"][n] for n in ("url", "revision", "etag")
    )
    assert document["package"]["fetched_at"] > 1.7e9
    assert PackagedSource(str(path)).fetch(None).raw == revision(7)


def test_what_is_pulled_into_a_file_of_ones_own_is_the_datafile_as_it_came(tmp_path):
    path = tmp_path / "new" / "datafile.json"
    with Origin(ok(revision(7), ETag='"seven"')) as origin:
        url = f"{origin.url}/datafiles/SDK-KEY.json"
        status, out, _ = _run("datafile", "pull", "--into", str(path), DATAFILE_URL=url)
    decided, answered, _ = _run(
        *("decide", "-d", str(path), "-e", "checkout_flow_experiment", "-u", "x")
    )

    assert (0, 0) == (status, decided)
    assert "Stored revision 7 from 127.0.0.1." in out
    assert "SDK-KEY" not in out
    assert revision(7) == path.read_bytes()
    assert "checkout_flow_experiment" in answered


def test_what_is_no_file_is_written_to_and_stays_what_it_is(tmp_path):
    """As root it took the place of `/dev/null`. (By a link: only that can be lost here.)"""
    link, pipe = tmp_path / "null", tmp_path / "pipe"
    link.symlink_to(os.devnull)
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    for path in (link, pipe):
        write_atomically(path, b"something")
    reader.join(10)

    assert link.is_symlink()
    assert (True, [b"something"]) == (pipe.is_fifo(), read)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (answer(403, b"<Error/>"), "127.0.0.1: status 403"),
        (answer(500), "127.0.0.1: status 500"),
        (
            ok(b""),
            "127.0.0.1: what came (status 200, 0 bytes) can't be used: the datafile: expected JSON",
        ),
        (ok(b"<html>"), "what came (status 200, 6 bytes) can't be used"),
        (ok(b'{"version": "4"}'), "/revision: expected a string, found nothing"),
        (ok(revision(2).replace(b'"4"', b'"5"')), '/version: expected "2", "3" or "4"'),
        (ok(revision(2)[:-2]), "can't be used"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{", "closed the connection"),
    ],
    ids=["403", "500", "empty", "html", "field", "version", "cut", "short"],
)
def test_an_unusable_answer_changes_nothing_and_says_why(package, said, told):
    mine = package.parent / "datafile.json"
    mine.write_bytes(b"mine")
    before = package.read_bytes()
    with Origin(said) as origin:
        url = f"{origin.url}/SDK-KEY.json"
        with pytest.raises(BucketerError):
            pull(UrlSource(url, 60.0), package=package)
        status, out, err = _run("datafile", "pull", url, "--into", str(mine))

    assert (1, "") == (status, out)
    assert told in err
    assert "SDK-KEY" not in err
    assert before == package.read_bytes()
    assert b"mine" == mine.read_bytes()
    assert {package, mine} == set(package.parent.iterdir())  # nothing half-made is left


def test_a_package_that_cannot_be_written_to_stays_as_it_was(package):
    # A folder in the place of the file: the rename at the end fails, even for root.
    target = package.parent / "folder"
    (target / "x").mkdir(parents=True)
    with Origin(ok(revision(2))) as origin:
        status, _, err = _run("datafile", "pull", origin.url, "--into", str(target))

    assert 1 == status
    assert "source_failed" in err
    assert {package, target} == set(package.parent.iterdir())


def test_the_token_of_a_secure_environment_is_sent(tmp_path):
    with Origin(ok(revision(1))) as origin:
        _run(
            *("datafile", "pull", "--into", str(tmp_path / "p.json")),
            DATAFILE_URL=origin.url,
            DATAFILE_ACCESS_TOKEN="t0ken",
        )

    assert origin.headers()["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("environ", "sent"),
    [
        ({}, [False, False]),
        ({"DATAFILE_URL": "{one}/elsewhere"}, [True, False]),
        ({"DATAFILE_URL": "https://127.0.0.1/x"}, [False, False]),  # another port
        ({"DATAFILE_URL": "s3://bucket/key"}, [False, False]),
        ({"BUCKETER_DATAFILE": "{one}/x"}, [False, False]),
    ],
    ids=["two hosts", "one is ours", "neither is ours", "s3 is ours", "one is named twice"],
)
def test_two_hosts_are_not_both_told_the_token(environ, sent):
    with Origin(ok(revision(1))) as one, Origin(ok(revision(2))) as other:
        filled = {name: value.replace("{one}", one.url) for name, value in environ.items()}
        _run("datafile", "diff", one.url, other.url, DATAFILE_ACCESS_TOKEN="t0ken", **filled)

    assert sent == ["authorization" in each.headers() for each in (one, other)]


def test_two_datafiles_of_one_host_are_both_asked_with_the_token():
    with Origin(ok(revision(1))) as one:
        _run("datafile", "diff", f"{one.url}/a", f"{one.url}/b", DATAFILE_ACCESS_TOKEN="t0ken")

    assert ["Bearer t0ken"] * 2 == [one.headers(n)["authorization"] for n in (0, 1)]


def test_one_host_among_paths_and_buckets_is_asked_with_the_token(tmp_path):
    with Origin(ok(revision(1))) as one:
        _run(
            *("datafile", "status"),
            BUCKETER_DATAFILE=f"{tmp_path}/none.json {one.url}/a packaged",
            DATAFILE_ACCESS_TOKEN="t0ken",
        )

    assert "Bearer t0ken" == one.headers()["authorization"]


def test_a_token_that_is_not_sent_is_named_where_it_is_missed():
    with Origin(answer(403)) as one:
        _, _, err = _run(
            *("datafile", "pull", one.url),
            DATAFILE_URL="https://cdn.example/x",
            DATAFILE_ACCESS_TOKEN="t0ken",
        )

    assert "DATAFILE_ACCESS_TOKEN isn't sent there: it is for the host of DATAFILE_URL" in err


def test_without_a_url_it_says_what_to_set():
    status, _, err = _run("datafile", "pull")

    assert 1 == status
    assert "DATAFILE_URL" in err


def test_webhook_py_does_as_the_mission_says(tmp_path):
    path = tmp_path / "packaged.json"
    with Origin(ok(revision(9))) as origin:
        done = subprocess.run(
            [sys.executable, REPOSITORY / "webhook.py", "--into", path],
            env={"PATH": os.environ["PATH"], "DATAFILE_URL": origin.url, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert (0, "") == (done.returncode, done.stderr)
    assert revision(9) == path.read_bytes()


@pytest.fixture
def bare(tmp_path):
    """Run a copy of webhook.py where nothing is installed; give what it left."""
    program = tmp_path / "webhook.py"
    program.write_bytes((REPOSITORY / "webhook.py").read_bytes())
    (tmp_path / "src").symlink_to(REPOSITORY / "src")

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-S", program, *arguments],  # -S: without site-packages
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    return run


def test_webhook_py_goes_on_with_the_python_of_make_setup(bare, tmp_path):
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)

    done = bare("--into", "a b.json")

    told = f"{tmp_path / 'webhook.py'}\n--into\na b.json\n"
    assert (0, told, "") == (done.returncode, done.stdout, done.stderr)


def test_webhook_py_says_what_to_do_where_make_setup_was_not_run(bare):
    done = bare()

    assert (1, "") == (done.returncode, done.stdout)
    assert (
        "webhook.py: No module named 'mmh3'; "
        "run `make setup`, which puts all that it needs into .venv\n" == done.stderr
    )


def test_webhook_py_does_not_start_itself_for_ever(tmp_path):
    """A .venv that lacks a library as well, of which Python says that it is in it."""
    root = tmp_path / "clone"
    root.mkdir()
    program = root / "webhook.py"
    program.write_bytes((REPOSITORY / "webhook.py").read_bytes())
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / ".venv")], check=True)

    done = subprocess.run(
        [root / ".venv" / "bin" / "python", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert 1 == done.returncode
    assert "run `make setup`" in done.stderr


def test_status_asks_every_source_and_fails_with_the_first():
    with Origin(ok(revision(3), ETag='"3"')) as good, Origin(answer(404)) as bad:
        sources = f"{bad.url}/SDK-KEY {good.url}/SDK-KEY"
        status, out, _ = _run("datafile", "status", "--json", BUCKETER_DATAFILE=sources)
        turned, told, _ = _run("datafile", "status", BUCKETER_DATAFILE=f"{good.url} {bad.url}")

    first, second = json.loads(out)["sources"]
    assert (1, 0) == (status, turned)
    assert "status 404 (0 bytes)" == first["state"]
    assert ("ok", "3", '"3"') == (second["state"], second["revision"], second["etag"])
    assert {"source": "url", "where": "127.0.0.1", "revision": "3"} == json.loads(out)["serves"]
    assert "A service that starts now serves revision 3 from 127.0.0.1." in told
    assert "SDK-KEY" not in out


def test_status_says_when_nothing_would_serve(tmp_path):
    path = str(tmp_path / "none.json")
    status, out, _ = _run("datafile", "status", BUCKETER_DATAFILE=path)
    _, told, _ = _run("datafile", "status", "--json", BUCKETER_DATAFILE=path)

    assert 1 == status
    assert "A service that starts now has no datafile." in out
    assert json.loads(told)["serves"] is None


def test_status_of_a_running_service_is_its_health():
    report = b'{"status": "ok", "datafile": {"revision": "5"}, "refresh": {"failures": 2}}'
    with Origin(ok(report)) as origin:
        status, out, _ = _run("datafile", "status", "--server", origin.url)
    with Origin(answer(503, b'{"status": "no_datafile"}')) as origin:
        failing, told, _ = _run("datafile", "status", "--server", origin.url, "--json")
        _, told_too, _ = _run("datafile", "status", "--server", origin.url)

    assert (0, 1) == (status, failing)
    assert out.startswith("ok: revision 5 serves\n")
    assert "failures: 2" in out
    assert told_too.startswith("no_datafile: nothing serves\n")
    assert {"status": "no_datafile"} == json.loads(told)


def test_accept_lets_an_older_revision_serve_and_does_not_tell_the_key(tmp_path):
    with Origin(ok(revision(5), ETag='"5"'), ok(revision(4), ETag='"4"')) as origin:
        environ = {
            "DATAFILE_URL": f"{origin.url}/SDK-KEY.json",
            "BUCKETER_STATE_DIR": str(tmp_path),
            "BUCKETER_EVENTS": "off",
        }
        runtime = wiring.build(read_settings(environ), environ)
        status, out, _ = _run("datafile", "accept", **environ)
        runtime.default.sources[0].insist()
        runtime.default.refresh()
        runtime.close()

    assert (0, "4") == (status, runtime.edition.ruleset.revision)
    assert "An older revision from 127.0.0.1 serves at the server's next look" in out
    assert "SDK-KEY" not in out


def test_accept_needs_a_url_and_a_state_directory():
    assert 0 != _run("datafile", "accept", BUCKETER_DATAFILE="/a/path")[0]
    status, _, err = _run(
        "datafile", "accept", DATAFILE_URL="https://h/k", BUCKETER_STATE_DIR="/etc/hostname"
    )

    assert status != 0
    assert "BUCKETER_STATE_DIR: can't be written to (" in err
