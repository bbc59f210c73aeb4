"""A CDN on loopback: datafiles by path, some of them only for whoever has the token."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Cdn:
    """Answers `datafiles[path]`, which is (bytes, token or None); 403 for anything else.

    Attributes:
        datafiles: what is published; may be changed at any time.
        asked: path and Authorization of each request.
    """

    def __init__(self, datafiles):
        self.datafiles = dict(datafiles)
        self.asked = []
        cdn = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                token = self.headers.get("Authorization")
                cdn.asked.append((self.path, token))
                raw, wanted = cdn.datafiles.get(self.path, (b"", "nobody's"))
                right = wanted is None or token == f"Bearer {wanted}"
                self.send_response(200 if right else 403)
                body = raw if right else b""
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
