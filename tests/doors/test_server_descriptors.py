"""How many connections there are places for, and what happens when more come."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest
from tests.fakes.process import bucketer_serve

from bucketer.doors.server.descriptors import RESERVE, places


@pytest.mark.parametrize(
    ("descriptors", "expected"),
    [
        (1, 1),
        (64, 24),
        (256, 96),
        (358, 135),
        (383, 144),
        (384, 144),
        (385, 145),
        (1024, 784),
        (10_000 + RESERVE - 1, 9_999),
        (10_000 + RESERVE, 10_000),
        (1_000_000, 10_000),
    ],
)
def test_connections_take_what_files_do_not_need(descriptors, expected):
    assert expected == places(descriptors, 10_000)


@pytest.mark.parametrize(("hard", "expected"), [(300, 113), (20_000, 10_000)])
def test_the_soft_limit_is_raised_as_far_as_is_needed_and_allowed(hard, expected):
    code = (
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (200, {hard}))\n"
        "from bucketer.doors.server.descriptors import connections_within\n"
        "print(connections_within(10_000), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert f"{expected} {min(hard, 10_000 + RESERVE)} {hard}" == done.stdout.strip()


def ask(client, number):
    target = f"/bucketer?e=checkout_flow_experiment&u=visitor{number}&a=tier:platinum,member_since_days:56"
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = client.recv(65536)
    return int(answer.split()[1])


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="prlimit isn't installed")
def test_300_idle_connections_under_a_limit_of_256_stop_nobody_and_lose_no_event(tmp_path):
    """Each impression that was answered is in the journal, whoever else is there."""
    from bucketer.demo import __file__ as demo_init

    with open(os.path.join(os.path.dirname(demo_init), "datafile.json")) as file:  # noqa: PTH118, PTH120, PTH123 -- one line
        datafile = json.load(file) | {"accountId": "81234567890", "projectId": "11234567890"}
    path = tmp_path / "datafile.json"
    path.write_text(json.dumps(datafile))
    settings = {
        "BUCKETER_EVENTS": "outbox",
        "BUCKETER_STATE_DIR": str(tmp_path / "state"),
        "BUCKETER_EVENTS_ENDPOINT": "http://127.0.0.1:1/",
    }
    limited = ["prlimit", "--nofile=256:256"]
    with (
        bucketer_serve("--datafile", str(path), before=limited, **settings) as started,
        contextlib.ExitStack() as stack,
    ):
        address = ("127.0.0.1", started.port)
        os.kill(started.process.pid, signal.SIGSTOP)  # so that they come all at once
        for _ in range(300):
            stack.enter_context(socket.create_connection(address, 5))
        os.kill(started.process.pid, signal.SIGCONT)
        statuses = []
        for number in range(50):
            with socket.create_connection(address, 5) as client:
                statuses.append(ask(client, number))

        _, _, err = started.stop()

    assert [200] * 50 == statuses
    assert "Too many open files" not in err
    kept = b"".join(each.read_bytes() for each in (tmp_path / "state").rglob("*") if each.is_file())
    assert set(range(50)) == {n for n in range(50) if b'"visitor%d"' % n in kept}
