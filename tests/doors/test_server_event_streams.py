"""OpenFeature's event streams of a whole server: who listens hears of each new revision."""

import contextlib
import gc
import http.client
import json
import tracemalloc

import pytest
from tests.fakes.datafiles import write_datafile
from tests.fakes.process import bucketer_serve
from tests.fakes.serving import serving
from tests.fakes.waiting import wait_until

from bucketer import wiring
from bucketer.api.http import Request
from bucketer.api.ofrep.streams import edition_notice, topic_of
from bucketer.api.streams import Room, Stream
from bucketer.doors.server import process
from bucketer.doors.server.limits import Limits
from bucketer.doors.server.streams import Streams
from bucketer.settings import read_settings

FLAGS = "/ofrep/v1/evaluate/flags"
ON = {"BUCKETER_OFREP_EVENT_STREAMS": "on", "BUCKETER_EVENTS": "off"}


def evaluated(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    body = json.dumps({"context": {"targetingKey": "ben"}})
    connection.request("POST", FLAGS, body, {"Content-Type": "application/json"})
    told = json.loads(connection.getresponse().read())
    connection.close()
    return told


def listening(port, address):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", address, headers={"X-Request-Id": "mine"})
    response = connection.getresponse()
    return connection, response


def message(stream):
    """The next event of a stream, as its fields; comments are passed over."""
    fields = {}
    while line := stream.readline().decode().rstrip("\n"):
        name, _, value = line.partition(": ")
        fields[name] = value
    return fields if "data" in fields else message(stream)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_each_who_listens_is_told_at_once_and_of_a_new_revision(tmp_path, workers):
    path = write_datafile(tmp_path / "datafile.json", revision="1")
    environ = {**ON, "BUCKETER_WORKERS": workers, "DATAFILE_MAX_AGE": "0.2"}
    with bucketer_serve(BUCKETER_DATAFILE=str(path), **environ) as started:
        [stream] = evaluated(started.port)["eventStreams"]
        address = stream["endpoint"]["requestUri"]
        # Whichever worker signed the address, each takes it.
        opened = [listening(started.port, address) for _ in range(8)]
        for _, response in opened:
            assert 200 == response.status
            assert {"type": "refetchEvaluation"} == json.loads(message(response)["data"])
        write_datafile(path, revision="2")
        for connection, response in opened:
            told = message(response)
            assert {"type": "refetchEvaluation", "etag": "2"} == json.loads(told["data"])
            assert "2" == told["id"]
            # Whoever asks again now is answered by the new one, by whichever worker.
            versions = {each["metadata"]["version"] for each in evaluated(started.port)["flags"]}
            assert {"2"} == versions
            response.close()
            connection.close()


@pytest.mark.slow
def test_unless_it_is_switched_on_there_are_none():
    with bucketer_serve(BUCKETER_EVENTS="off") as started:
        assert "eventStreams" not in evaluated(started.port)
        connection, response = listening(started.port, "/ofrep/v1/events?stream=x")
        assert 404 == response.status
        connection.close()


@contextlib.contextmanager
def a_server(**limits):
    runtime = wiring.build(read_settings(ON), {}, stream_secret=b"s" * 32)
    with serving(runtime, limits=Limits(**limits), listened=runtime.listened) as server:
        yield server, runtime


def test_where_all_places_are_taken_no_more_addresses_are_given():
    with a_server(connections=8) as (server, runtime):
        address = evaluated(server.port)["eventStreams"][0]["endpoint"]["requestUri"]
        opened = [listening(server.port, address) for _ in range(4)]
        assert "eventStreams" not in evaluated(server.port)
        connection, refused = listening(server.port, address)
        told = json.loads(refused.read())
        assert (503, "GENERAL", {}) == (refused.status, told["errorCode"], told["metadata"])
        assert refused.headers["Retry-After"].isdigit()
        assert "mine" == refused.headers["X-Request-Id"]
        connection.close()
        for connection, response in opened:
            response.close()
            connection.close()
        wait_until(lambda: not runtime.stream_room.is_full)
        assert "eventStreams" in evaluated(server.port)


def test_ten_thousand_may_listen_to_a_worker(monkeypatch):
    monkeypatch.setattr(process, "connections_within", lambda wanted: wanted)
    on, off = process.limits_of(read_settings(ON)), process.limits_of(read_settings({}))

    assert on.connections // 2 == process.LISTENERS == 10_000
    assert off.connections == Limits().connections


class Taker:
    def __init__(self):
        self.listener = None
        self.taken = 0

    def stream_ready(self):
        while self.listener.is_behind:
            self.taken += len(self.listener.take())

    def beat(self):
        """Nobody sends it."""


class Loop:
    """A loop that does all at once."""

    def time(self):
        return 0.0

    def call_later(self, after_s, call, *arguments):
        if call.__name__ != "_beat":
            call(*arguments)

    def call_soon(self, call, *arguments):
        call(*arguments)


def test_ten_thousand_listeners_cost_the_log_a_place_each_and_share_what_is_told():
    """What a topic keeps doesn't grow with them, nor what each has with what is told."""
    loop = Loop()
    room = Room()
    streams = Streams(loop, 10_000, set(), room)
    headers = (("Content-Type", "text/event-stream"),)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    takers = []
    for _ in range(10_000):
        taker = Taker()
        stream = Stream(headers, "r", topic_of("shop"), ("refetchEvaluation",))
        taker.listener = streams.join(stream, taker)
        takers.append(taker)
    after, _ = tracemalloc.get_traced_memory()
    for number in range(20):
        streams.tell([edition_notice("shop", f"{number}")])
    gc.collect()
    told, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert room.is_full
    assert streams.join(Stream(headers, "r", topic_of("shop"), ()), Taker()) is None
    assert (after - before) / len(takers) < 1_500
    assert told - after < 400_000  # what the takers count, and nothing of what they were told
    assert len({each.taken for each in takers}) == 1
    assert takers[0].taken > 0


def test_a_listener_costs_a_worker_few_kilobytes():
    """Connections, parsers and heads included: what two hundred of a real server's hold on to."""
    with a_server() as (server, _):
        address = evaluated(server.port)["eventStreams"][0]["endpoint"]["requestUri"]
        warm = listening(server.port, address)
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        clients = []
        for _ in range(200):
            client = server.connect()
            client.send(f"GET {address} HTTP/1.1\r\nHost: x\r\n\r\n")
            clients.append(client)
        wait_until(lambda: server.worker.streams.count == 201)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        for client in clients:
            client.sock.close()
            client._read.close()
        warm[1].close()
        warm[0].close()
        each = (after - before) / len(clients)

    # The test's own half, a socket with a reader of 8 KiB, is in it.
    assert each < 8 * 1024 + 10 * 1024, each


def test_a_preflight_allows_to_listen():
    runtime = wiring.build(read_settings(ON), {}, stream_secret=b"s" * 32)
    answer = runtime.serve(
        Request("OPTIONS", "/ofrep/v1/events", "", {"origin": "https://shop.example"})
    )

    assert 204 == answer.status
    assert "GET" in dict(answer.headers)["Allow"]
