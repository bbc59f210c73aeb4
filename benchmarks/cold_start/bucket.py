"""A stand-in for S3 over TLS on loopback: one object, conditional requests, no signature check.

For measuring only; what checks signatures is in tests/sources.
"""

from __future__ import annotations

import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ETAG = '"bench"'


class Bucket:
    """Serves *raw* at any path until `close`.

    Attributes:
        url: its endpoint.
        ca_file: what to trust it by.
        requests: answered so far.
    """

    def __init__(self, raw: bytes, folder: Path) -> None:
        self.requests = 0
        self.ca_file = folder / "ca.pem"
        key = folder / "key.pem"
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                ),
                *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key),
                *("-addext", "subjectAltName=DNS:localhost", "-out", self.ca_file),
            ],
            check=True,
            capture_output=True,
        )
        outer = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests += 1
                known = self.headers.get("If-None-Match") == _ETAG
                body = b"" if known else raw
                self.send_response(304 if known else 200)
                self.send_header("ETag", _ETAG)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
