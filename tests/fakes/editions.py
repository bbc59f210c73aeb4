"""Editions for handlers under test, without a runtime around them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

from bucketer import demo
from bucketer.api.http import Request
from bucketer.api.routes import Handler
from bucketer.core.compile import compile_datafile
from bucketer.core.parse import parse_datafile

#: When every request of a `Client` arrives: 2018-04-09 17:06:02.698754 UTC.
NOW = 1_523_293_562.698754


class AnEdition:
    """What the API reads of an edition, of a datafile fetched from a CDN 90 s before `NOW`."""

    def __init__(self, datafile=None, **facts):
        """Compile *datafile*, the demonstration if None; *facts* replace what stands below."""
        raw = Path(demo.PATH).read_bytes() if datafile is None else json.dumps(datafile).encode()
        self.raw = raw
        self.ruleset = compile_datafile(parse_datafile(raw))
        self.label = "https://cdn.example/datafiles/SDK-KEY.json"
        self.where = "cdn.example"
        self.source = "url"
        self.etag = '"0123"'
        self.fetched_at = NOW - 90
        self.checked_at = NOW - 30
        self.freshness = None
        for name, value in facts.items():
            setattr(self, name, value)

    def datafile(self):
        """Return the JSON text."""
        return self.raw


class Client:
    """Asks a handler as a door would, and reads its answers."""

    def __init__(self, edition="demonstration", options=None, ip="203.0.113.7", **keywords):
        """Ask about *edition*; None for a handler that has none yet."""
        self.edition = AnEdition() if edition == "demonstration" else edition
        self.handler = Handler(self.edition, options, **keywords)
        self._ip = ip
        self._uuids = itertools.count(1)

    def ask(
        self,
        query="",
        *,
        method="GET",
        path="/bucketer",
        body=b"",
        known=None,
        ip=None,
        headers=None,
    ):
        """Return the `Reply`; a *body* that isn't bytes is sent as JSON."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        address = self._ip if ip is None else ip
        request = Request(method, path, query, headers or {}, body, address, "request-1")
        return self.handler.handle(request, NOW, lambda: f"uuid-{next(self._uuids)}", known)

    def json(self, query="", **keywords):
        """Return the answer's body, parsed."""
        return json.loads(self.ask(query, **keywords).response.body)

    def post(self, **parameters):
        """POST *parameters* to /bucketer; return the `Reply`."""
        return self.ask(method="POST", body=parameters)
