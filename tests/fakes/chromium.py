"""A page in a real Chromium, and a server that gives it the page and takes its report."""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Without a network, a screen, or what a first start asks for. Root has no sandbox.
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_or_skip():
    """Return the path of Chromium; without one the test is skipped, and says why."""
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    return pytest.skip("no Chromium is here: apt-get install chromium, or brew install chromium")


class Pages:
    """Serves one page, at ``/``, and keeps what scripts post to ``/report``.

    Attributes:
        html: the page; its own origin is known before it is written.
        origin: where it is.
        reports: what came, parsed.
    """

    def __init__(self):
        self.html = ""
        self.reports = queue.Queue()
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = pages.html.encode() if self.path == "/" else b""
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                pages.reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def opened(pages, folder):
    """Open the page of *pages* in Chromium, which keeps its things in *folder*."""
    command = [chromium_or_skip(), *_OPTIONS, f"--user-data-dir={folder}", f"{pages.origin}/"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
