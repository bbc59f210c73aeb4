"""A console under test: a runtime as a server has it, asked as a browser on this machine would."""

from __future__ import annotations

import json

from bucketer import wiring
from bucketer.api.http import Request

#: What a browser on this machine sends.
HERE = {"host": "127.0.0.1:8080"}


class Console:
    """Asks the routes of a runtime's console."""

    def __init__(self, environ=None, *, datafile=None, tmp_path=None, **settings):
        """Build a runtime; *datafile* is a document, written below *tmp_path*."""
        environ = {"BUCKETER_EVENTS": "off", **(environ or {}), **settings}
        if datafile is not None:
            path = tmp_path / "datafile.json"
            path.write_text(json.dumps(datafile))
            environ["BUCKETER_DATAFILE"] = str(path)
        self.runtime = wiring.build(environ=environ)

    def ask(self, path, query="", *, method="GET", body=b"", headers=None, ip="127.0.0.1"):
        """Return the `Response` of any path."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = HERE if headers is None else headers
        return self.runtime.serve(Request(method, path, query, headers, body, ip, "request-1"))

    def get(self, route, query="", status=200, **keywords):
        """Return what a route tells, parsed."""
        answer = self.ask(f"/console/api/{route}", query, **keywords)
        assert status == answer.status, answer.body
        return json.loads(answer.body)

    def post(self, route, body, status=200, **keywords):
        """Post *body*; return what comes back, parsed."""
        headers = {**HERE, "content-type": "application/json", **keywords.pop("headers", {})}
        answer = self.ask(
            f"/console/api/{route}", method="POST", body=body, headers=headers, **keywords
        )
        assert status == answer.status, answer.body
        return json.loads(answer.body)
