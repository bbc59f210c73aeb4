"""A receiver of OTLP over HTTP on loopback, which reads what it gets with the official messages."""

from __future__ import annotations

import http.server
import threading

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver:
    """Listens until the block ends.

    Attributes:
        spans, events: what came, in order.
        resources: of each message, as a dictionary.
        problems: what could not be read.
    """

    def __init__(self):
        self.spans, self.events, self.resources, self.problems = [], [], [], []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    receiver.take(self.path, body)
                except Exception as error:  # noqa: BLE001 -- the test looks
                    receiver.problems.append(error)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, path, body):
        if path == "/v1/traces":
            message = ExportTraceServiceRequest.FromString(body)
            for each in message.resource_spans:
                self.resources.append(attributes(each.resource))
                self.spans += [span for scope in each.scope_spans for span in scope.spans]
        elif path == "/v1/logs":
            message = ExportLogsServiceRequest.FromString(body)
            for each in message.resource_logs:
                self.resources.append(attributes(each.resource))
                self.events += [log for scope in each.scope_logs for log in scope.log_records]
        else:
            raise ValueError(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def attributes(of):
    """The attributes of a message, as a dictionary."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}
