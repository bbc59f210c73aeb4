"""What nobody asked for isn't there: no class, no call, no import."""

from __future__ import annotations

import subprocess
import sys

from bucketer import wiring
from bucketer.core import decide
from bucketer.doors.server.connection import Connection
from bucketer.doors.server.listening import listen
from bucketer.doors.server.process import _config
from bucketer.doors.server.watchers import is_watched
from bucketer.doors.server.watching import WatchedConnection
from bucketer.settings import read_settings

OFF = {"BUCKETER_EVENTS": "off", "BUCKETER_PORT": "0"}


def protocol_of(**environ):
    settings = read_settings(OFF | environ)
    listener = listen("127.0.0.1", 0)
    try:
        return _config(settings, listener).http
    finally:
        listener.close()


def test_connections_are_the_plain_ones_unless_somebody_watches():
    assert Connection is protocol_of()
    for on in (
        {"BUCKETER_METRICS": "local"},
        {"BUCKETER_METRICS": "open"},
        {"BUCKETER_ACCESS_LOG": "on"},
    ):
        assert is_watched(read_settings(OFF | on))
        assert WatchedConnection is protocol_of(**on)


def test_a_route_decides_by_the_engine_itself():
    runtime = wiring.build(environ=OFF, stream_secret=b"x")
    route = runtime.handler._routes["/bucketer"]

    assert (decide.activate, decide.decide) == (route._activate, route._decide)


def test_nothing_of_it_is_imported():
    code = (
        "import sys\nfrom bucketer import wiring\n"
        "wiring.build(environ={'BUCKETER_EVENTS': 'off'}, stream_secret=b'x')\n"
        "ours = ('bucketer.metrics', 'bucketer.tracing', 'bucketer.tail', 'bucketer.wiring.metrics')\n"
        "found = [each for each in sys.modules if each.startswith(ours)]\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
