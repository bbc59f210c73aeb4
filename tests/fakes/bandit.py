"""A stand-in for Optimizely's prediction service: a real HTTP server on loopback.

It answers every question with `variation_id`, unless it is told to misbehave: `script` is a list
of moods, one per request, and `mood` is what it does when the list is empty. A mood is a status
to be sent with a proper body, the bytes of a body to be sent with status 200, or one of the words
below.

    answer    answer properly
    hang      say nothing until the server is closed
    close     close the connection without an answer
    drip      send one byte of the answer every 50 ms, without end
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Question:
    """One request, as it arrived."""

    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body

    @property
    def instance(self):
        """The only instance in the body."""
        [instance] = json.loads(self.body)["instances"]
        return instance


class Bandit:
    """Listens from its making to `close`.

    Attributes:
        questions: every request, in order.
        connections: how many were opened.
        most_at_once: the largest number of questions that were under way at the same time.
        choose: question → variation id, for one who looks at what it is asked.
    """

    def __init__(self, variation_id="1"):
        self.variation_id = variation_id
        self.choose = None
        self.mood = "answer"
        self.script = []
        self.delay_s = 0.0
        self.questions = []
        self.connections = 0
        self.most_at_once = self._at_once = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.bandit = self
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/predict/"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stop listening, and let go of those who hang."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def ask(self, question):
        """Note *question* and say in which mood it finds us."""
        with self.lock:
            self.questions.append(question)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            mood = self.script.pop(0) if self.script else self.mood
        time.sleep(self.delay_s)
        return mood

    def asked(self):
        """The question has been dealt with."""
        with self.lock:
            self._at_once -= 1

    def body_for(self, question):
        """What a proper answer says."""
        chosen = self.choose(question) if self.choose else self.variation_id
        return json.dumps({"predictions": [{"variation_id": chosen}]}).encode()


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
        with self.server.bandit.lock:
            self.server.bandit.connections += 1

    def log_message(self, *_):
        """Say nothing."""

    def do_POST(self):
        bandit = self.server.bandit
        body = self.rfile.read(int(self.headers["Content-Length"]))
        question = Question(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        mood = bandit.ask(question)
        try:
            self.answer(bandit, question, mood)
        finally:
            bandit.asked()

    def answer(self, bandit, question, mood):
        if mood == "hang":
            bandit.closing.wait()
            self.close_connection = True
        elif mood == "close":
            self.close_connection = True
        elif mood == "drip":
            self.drip(bandit)
        elif isinstance(mood, int):
            self.say(mood, bandit.body_for(question))
        else:
            self.say(200, mood if isinstance(mood, bytes) else bandit.body_for(question))

    def say(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drip(self, bandit):
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        self.close_connection = True
        while not bandit.closing.wait(0.05):
            self.wfile.write(b" ")
