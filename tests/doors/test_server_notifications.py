"""Notifications of a whole server: decisions and new datafiles reach who listens."""

import http.client
import json

import pytest
from tests.fakes.datafiles import write_datafile
from tests.fakes.process import bucketer_serve

SDK_KEY = "AbC"


def ask(port, method, path, body=None, key=SDK_KEY):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(
        method, path, body, {"Content-Type": "application/json", "X-Optimizely-SDK-Key": key}
    )
    return connection, connection.getresponse()


@pytest.mark.slow
def test_decisions_and_new_datafiles_are_told(tmp_path):
    path = write_datafile(tmp_path / "datafile.json", sdkKey=SDK_KEY, revision="1")
    environ = {"BUCKETER_AGENT_NOTIFICATIONS": "on", "DATAFILE_MAX_AGE": "0.2"}
    environ |= {"BUCKETER_EVENTS": "off", "BUCKETER_DATAFILE": str(path)}
    with bucketer_serve(**environ) as started:
        connection, stream = ask(started.port, "GET", "/v1/notifications/event-stream?raw")
        assert 200 == stream.status
        body = json.dumps({"userId": "ben"})
        other, decided = ask(started.port, "POST", "/v1/decide?keys=search", body)
        assert 200 == decided.status
        other.close()
        decided.close()
        assert "flag" == json.loads(stream.readline())["Type"]
        write_datafile(path, sdkKey=SDK_KEY, revision="2")
        expected = {"Type": "project_config_update", "Revision": "2"}
        assert expected == json.loads(stream.readline())
        stream.close()
        connection.close()


@pytest.mark.slow
def test_unless_it_is_switched_on_there_are_none():
    with bucketer_serve(BUCKETER_EVENTS="off") as started:
        connection, answer = ask(
            started.port, "GET", "/v1/notifications/event-stream", key="demonstration"
        )
        assert (403, b"Notification stream not enabled\n") == (answer.status, answer.read())
        connection.close()
