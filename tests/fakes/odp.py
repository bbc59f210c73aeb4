"""A stand-in for Optimizely Data Platform: a real HTTP server on loopback.

It says that users are in the segments of `qualified`, and takes events; `script` is a list of
moods, one per request, and `mood` is what it does when the list is empty. A mood is a status to be
sent with a proper body, the bytes of a body to be sent with status 200, or one of the words below.

    answer    answer properly
    unknown   say that there is no such user, as ODP does
    hang      say nothing until the server is closed
    close     close the connection without an answer
    drip      send one byte of the answer every 50 ms, without end
    huge      send 64 MB
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .datafiles import a_datafile

KEY = "odp-public-key"
UNKNOWN = {
    "errors": [
        {
            "message": "Exception while fetching data (/customer)",
            "extensions": {
                "code": "INVALID_IDENTIFIER_EXCEPTION",
                "classification": "DataFetchingException",
            },
        }
    ],
    "data": {"customer": None},
}


def with_odp(host="https://odp.example", *, segments=("gold", "silver"), **changes):
    """The demonstration datafile, integrated with ODP, whose flag `vip` asks for a segment.

    Whoever is in the first of *segments* is on; everybody else is off.
    """
    datafile = a_datafile(**changes)
    datafile["integrations"] = [{"key": "odp", "host": host, "publicKey": KEY}]
    for number, segment in enumerate(segments):
        leaf = {
            "type": "third_party_dimension",
            "match": "qualified",
            "name": "odp.audiences",
            "value": segment,
        }
        datafile["typedAudiences"].append(
            {"id": f"7{number}", "name": segment, "conditions": ["and", ["or", leaf]]}
        )
        datafile["audiences"].append(
            {
                "id": f"7{number}",
                "name": segment,
                "conditions": '["or", {"match": "exact", "name": "$opt_dummy_attribute",'
                ' "type": "custom_attribute", "value": "$opt_dummy_value"}]',
            }
        )
    rules = [_rule("7901", "vip_rule", ["70"], "79011"), _rule("7902", "vip_rest", [], "79021")]
    rules[1]["variations"][0] |= {"key": "off", "featureEnabled": False}
    datafile["rollouts"].append({"id": "79", "experiments": rules})
    datafile["featureFlags"].append(
        {"id": "78", "key": "vip", "rolloutId": "79", "experimentIds": [], "variables": []}
    )
    return datafile


def _rule(id_, key, audiences, variation):
    return {
        "id": id_,
        "key": key,
        "status": "Running",
        "layerId": "79",
        "audienceIds": audiences,
        "variations": [{"id": variation, "key": "on", "featureEnabled": True, "variables": []}],
        "trafficAllocation": [{"entityId": variation, "endOfRange": 10_000}],
        "forcedVariations": {},
    }


class Asked:
    """One request, as it arrived."""

    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body

    @property
    def json(self):
        """The body, parsed."""
        return json.loads(self.body)


class Odp:
    """Listens from its making to `close`.

    Attributes:
        questions, events: requests for segments, and with events, in order.
        qualified: segments that everybody is in.
        connections: how many were opened.
    """

    def __init__(self, *qualified):
        self.qualified = set(qualified)
        self.mood = "answer"
        self.script = []
        self.questions, self.events = [], []
        self.connections = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.released = threading.Event()
        self.released.set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.odp = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stop listening, and let go of those who hang."""
        self.closing.set()
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def sent(self):
        """All events that came, in order."""
        return [event for request in self.events for event in request.json]

    def body_for(self, asked):
        """What a proper answer says."""
        if not asked.path.endswith("/v3/graphql"):
            return json.dumps({"title": "Accepted", "status": 202}).encode()
        edges = [
            {"node": {"name": name, "state": self._state(name)}}
            for name in asked.json["variables"]["audiences"]
        ]
        return json.dumps({"data": {"customer": {"audiences": {"edges": edges}}}}).encode()

    def _state(self, name):
        return "qualified" if name in self.qualified else "not_qualified"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that gave up is nothing to tell about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        with self.server.odp.lock:
            self.server.odp.connections += 1

    def log_message(self, *_):
        """Say nothing."""

    def do_POST(self):
        odp = self.server.odp
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        with odp.lock:
            kept = odp.questions if self.path.endswith("/v3/graphql") else odp.events
            kept.append(asked)
            mood = odp.script.pop(0) if odp.script else odp.mood
        odp.released.wait()
        if mood in {"hang", "close"}:
            if mood == "hang":
                odp.closing.wait()
            self.close_connection = True
        elif mood == "drip":
            self.drip(odp)
        elif mood == "huge":
            self.say(200, b" " * 64_000_000)
        elif mood == "unknown":
            self.say(200, json.dumps(UNKNOWN).encode())
        elif isinstance(mood, int):
            self.say(mood, odp.body_for(asked))
        else:
            self.say(200, mood if isinstance(mood, bytes) else odp.body_for(asked))

    def say(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drip(self, odp):
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.close_connection = True
        while not odp.closing.wait(0.05):
            self.wfile.write(b" ")
