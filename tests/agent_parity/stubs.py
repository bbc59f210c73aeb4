"""CDN, event host, CMAB and ODP on one loopback port, for Agent and Bucketer alike.

    GET  /datafiles/KEY.json         datafiles/KEY.json; 403 unknown; by name: status404, status500,
                                     broken, empty, hangup; /datafiles/auth/KEY.json wants a Bearer
    POST /v1/events                  204, kept
    POST /predict/RULE               a prediction, the same for the same visitor and rule
    POST /odp/v3/graphql             segments, the same for the same visitor; POST /odp/v3/events: 200, kept

Visitor ids that begin with `fail-` get 500 from CMAB and ODP, `odd-` an answer that is no JSON,
`none-` an unknown variation, or no segments.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

MODIFIED = formatdate(1_700_000_000, usegmt=True)


class Stubs(ThreadingHTTPServer):
    """All of them at once; begin with `with Stubs(directory) as stubs: stubs.begin()`.

    Args:
        directory: of KEY.json.
        port: on 127.0.0.1; 0 takes a free one.
    """

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, directory: Path, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.directory = directory
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.lock = threading.Lock()
        self.kept: dict[str, list] = {"events": [], "odp": [], "cmab": []}
        self.variations = variations_by_rule(directory)

    def begin(self) -> None:
        """Answer in a thread."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def since(self, kind: str, start: int) -> list:
        """What was kept of a kind, from that number on."""
        with self.lock:
            return self.kept[kind][start:]


def variations_by_rule(directory: Path) -> dict[str, list[str]]:
    """The variation ids of every bandit."""
    found: dict[str, set[str]] = {}
    for path in sorted(directory.glob("*.json")):
        datafile = json.loads(path.read_text())
        rules = [*datafile.get("experiments", ())]
        for parent in (*datafile.get("groups", ()), *datafile.get("rollouts", ())):
            rules += parent.get("experiments", ())
        for rule in rules:
            if rule.get("cmab"):
                ids = {str(v.get("id")) for v in rule.get("variations", ()) if isinstance(v, dict)}
                found.setdefault(str(rule.get("id")), set()).update(ids)
    return {rule: sorted(ids) for rule, ids in found.items()}


def number(*parts: str) -> int:
    return int(
        hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8], 16
    )


def is_qualified(visitor: str, segment: str) -> bool:
    """Whether ODP counts the visitor to a segment."""
    return not visitor.startswith("none-") and number(visitor, segment) % 2 == 1


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Stubs

    def log_message(self, *_):
        pass

    def _say(self, status, body=b"", **headers):
        if not isinstance(body, bytes):
            body, headers = (
                json.dumps(body).encode(),
                {"Content-Type": "application/json", **headers},
            )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        parts = urlsplit(self.path)
        if parts.path.startswith("/datafiles/"):
            return self._datafile(
                unquote(parts.path.removeprefix("/datafiles/").removesuffix(".json"))
            )
        return self._say(404)

    def _datafile(self, key):
        if key.startswith("auth/"):
            key = key.removeprefix("auth/")
            if not self.headers.get("Authorization", "").startswith("Bearer "):
                return self._say(403)
        if key.startswith("status"):
            return self._say(int(key.removeprefix("status") or 500))
        if key == "broken":
            return self._say(200, b'{"version": "4", ', Content_Type="application/json")
        if key == "empty":
            return self._say(200, b"")
        if key == "hangup":
            self.close_connection = True
            return None
        path = self.server.directory / f"{key}.json"
        if "/" in key or not path.is_file():
            return self._say(
                403, b"<Error><Code>AccessDenied</Code></Error>", Content_Type="application/xml"
            )
        if self.headers.get("If-Modified-Since") == MODIFIED:
            return self._say(304, Last_Modified=MODIFIED)
        text = path.read_text().replace("@ODP@", f"{self.server.url}/odp").encode()
        etag = '"' + hashlib.sha256(text).hexdigest()[:16] + '"'
        return self._say(
            200, text, Content_Type="application/json", Last_Modified=MODIFIED, ETag=etag
        )

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = {"unreadable": raw.decode("latin-1")}
        if path == "/v1/events":
            with self.server.lock:
                self.server.kept["events"].append({"at": time.time(), "body": body})
            return self._say(204)
        if path.startswith("/predict/"):
            rule = unquote(path.removeprefix("/predict/"))
            with self.server.lock:
                self.server.kept["cmab"].append({"at": time.time(), "rule": rule, "body": body})
            return self._predict(rule, body)
        if path == "/odp/v3/graphql":
            with self.server.lock:
                self.server.kept["odp"].append(
                    {"at": time.time(), "key": self.headers.get("x-api-key"), "graphql": body}
                )
            return self._segments(body)
        if path == "/odp/v3/events":
            with self.server.lock:
                self.server.kept["odp"].append(
                    {"at": time.time(), "key": self.headers.get("x-api-key"), "events": body}
                )
            return self._say(
                200, {"title": "Accepted", "status": 202, "timestamp": "2026-01-01T00:00:00.000Z"}
            )
        return self._say(404)

    def _predict(self, rule, body):
        try:
            visitor = str(body["instances"][0]["visitorId"])
        except (TypeError, KeyError, IndexError):
            return self._say(400)
        if visitor.startswith("fail-"):
            return self._say(500)
        if visitor.startswith("odd-"):
            return self._say(200, b"<html>")
        ids = self.server.variations.get(rule) or ["999"]
        chosen = "999" if visitor.startswith("none-") else ids[number(visitor, rule) % len(ids)]
        return self._say(200, {"predictions": [{"variation_id": chosen}]})

    def _segments(self, body):
        variables = (body or {}).get("variables") or {}
        visitor, wanted = str(variables.get("userId")), variables.get("audiences") or []
        if visitor.startswith("fail-"):
            return self._say(500)
        if visitor.startswith("odd-"):
            return self._say(200, b"<html>")
        if visitor.startswith("bad-"):
            error = {
                "message": "Exception while fetching data",
                "extensions": {
                    "code": "INVALID_IDENTIFIER_EXCEPTION",
                    "classification": "DataFetchingException",
                },
            }
            return self._say(200, {"errors": [error], "data": {"customer": None}})

        states = ("not_qualified", "qualified")
        edges = [
            {"node": {"name": name, "state": states[is_qualified(visitor, name)]}}
            for name in wanted
        ]
        return self._say(200, {"data": {"customer": {"audiences": {"edges": edges}}}})
