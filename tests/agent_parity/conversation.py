"""A conversation: what is asked of an implementation, step by step.

    {"id", "agent": which of the four, "key": SDK key, "account": whose events, "steps": [step], "quiet"?}

A step: {"method", "path", "query"?, "headers": [[name, value]], "body"?, "listener"?: "admin" | "webhook",
"stream"?: seconds to listen, beside the steps that follow}. `quiet`: nothing is sent, so no event is waited for.
"""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

JSON = "application/json"
#: The demonstration datafile: its SDK key here, and its account.
DEMO, DEMO_ACCOUNT = "demonstration", "90000000000"
ODP, ODP_ACCOUNT = "demonstrationodp", "80000000001"


class Conversations:
    """The list as it grows; ids are numbered by kind."""

    def __init__(self):
        self.found = []
        self.counts = {}

    def say(self, kind, agent, key, account, *steps, quiet=False):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        made = {
            "id": f"{kind}-{self.counts[kind]:05}",
            "agent": agent,
            "key": key,
            "account": account,
            "steps": list(steps),
        }
        self.found.append(made | ({"quiet": True} if quiet else {}))

    def demo(self, kind, *steps, agent="open", quiet=False):
        self.say(kind, agent, DEMO, DEMO_ACCOUNT, *steps, quiet=quiet)


def step(
    method,
    path,
    key=None,
    body=None,
    query=None,
    content_type=JSON,
    request_id="lab-request",
    **more,
):
    headers = [["X-Optimizely-SDK-Key", key]] if key is not None else []
    if body is not None and content_type is not None:
        headers.append(["Content-Type", content_type])
    if request_id:
        headers.append(["X-Request-Id", request_id])
    headers += more.pop("headers", [])
    if body is not None and not isinstance(body, str):
        body = json.dumps(body, ensure_ascii=False)
    made = {"method": method, "path": path, "headers": headers, **more}
    if query is not None:
        made["query"] = query if isinstance(query, str) else urlencode(query, quote_via=quote)
    if body is not None:
        made["body"] = body
    return made


def post(path, key, body, query=None, **more):
    return step("POST", path, key, body, query, **more)
