"""Asks `/v1` of a handler as a door would, without a runtime around it."""

from __future__ import annotations

import itertools
import json

from tests.fakes.editions import NOW, AnEdition

from bucketer.api.http import Request
from bucketer.api.options import ApiOptions
from bucketer.api.routes import Handler
from bucketer.wiring.http import agent_api

KEY = "demonstration"
JSON = "application/json"


class AgentClient:
    """Asks as a client of Optimizely Agent does: with an SDK key, and JSON."""

    def __init__(self, edition="demonstration", options=None, **keywords):
        """Ask about *edition*; None for a handler that has none yet."""
        self.edition = AnEdition() if edition == "demonstration" else edition
        self.options = options or ApiOptions()
        self.options.apis = (("/v1/", agent_api),)
        keywords.setdefault("keys", frozenset({KEY}))
        self.handler = Handler(self.edition, self.options, **keywords)
        self.reply = None
        self._uuids = itertools.count(1)

    def ask(self, path, body=None, *, query="", method="POST", known=None, **headers):
        """Return the answer; `reply` has it with what it obliges to.

        A *body* that is no bytes is sent as JSON. A header of None isn't sent.
        """
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        sent = {"x-optimizely-sdk-key": KEY, "content-type": JSON}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value is not None}
        request = Request(method, path, query, sent, raw, request_id="r")
        self.reply = self.handler.handle(
            request, NOW, lambda: f"00000000-0000-4000-8000-{next(self._uuids):012d}", known
        )
        return self.reply.response

    def told(self, path, body=None, **more):
        """Return status and parsed body."""
        response = self.ask(path, body, **more)
        return response.status, json.loads(response.body)
