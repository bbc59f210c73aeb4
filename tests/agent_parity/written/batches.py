"""Batches by hand."""

from __future__ import annotations

from tests.agent_parity.conversation import DEMO, JSON, step


def written(talk):
    op = {
        "method": "GET",
        "url": "/v1/config",
        "operationID": "1",
        "headers": {"X-Optimizely-SDK-Key": DEMO},
        "params": {},
        "body": {},
    }
    decide = {
        "method": "POST",
        "url": "/v1/decide",
        "operationID": "2",
        "headers": {"X-Optimizely-SDK-Key": DEMO, "Content-Type": JSON, "X-Request-Id": "inner"},
        "params": {"keys": "search"},
        "body": {"userId": "ben", "decideOptions": ["DISABLE_DECISION_EVENT"]},
    }
    bodies = [
        "",
        "null",
        "[]",
        "{",
        "{}",
        '{"operations":null}',
        '{"operations":{}}',
        '{"operations":[null]}',
        '{"operations":[1]}',
        '{"operations":[{}]}',
        {"operations": [op]},
        {"operations": [decide]},
        {"operations": [decide, op]},
        {"operations": [op | {"operationID": 1}]},
        {"operations": [decide | {"params": {"keys": 1}}]},
        {"operations": [decide | {"params": None}]},
        {"operations": [decide | {"parameters": {"keys": "search"}, "params": {}}]},
        {"operations": [decide | {"headers": None}]},
        {"operations": [decide | {"body": None}]},
        {"operations": [decide | {"body": "text"}]},
        {"operations": [decide | {"body": []}]},
        {
            "operations": [
                decide | {"url": "/v1/decide?keys=search&keys=checkout_flow", "params": {}}
            ]
        },
        {"operations": [decide | {"url": "v1/decide"}]},
        {"operations": [decide | {"url": "http://other.example/v1/decide"}]},
        {"operations": [decide | {"url": "/health", "method": "GET"}]},
        {
            "operations": [
                {
                    "method": "POST",
                    "url": "/v1/batch",
                    "operationID": "n",
                    "headers": {},
                    "body": {"operations": [op]},
                }
            ]
        },
        {"operations": [op] * 501},
        {"operations": [op] * 12},
        {"operations": [op | {"method": "get"}]},
        {"operations": [op | {"method": "B AD"}]},
        {"operations": [op | {"url": ":"}]},
        {"operations": [op | {"url": "/v1/nothing"}]},
        {"operations": [op | {"url": "/v1/notifications/event-stream"}]},
    ]
    for url in (
        "/v1/decide?keys=search&a=%zz",
        "/v1/decide?keys=search;b",
        "/v1/decide?keys=search&b;c",
        "/v1/decide?keys=sear%63h&b",
        "/v1/decide?keys=search+",
        "/v1/decide?%zz",
        "/v1/decide#x",
        "/v1/decide ?keys=search",
        "/v1/./decide",
        "http://a b/v1/decide",
        "http://[::1]/v1/decide",
    ):
        bodies += [
            {"operations": [decide | {"url": url, "params": params}]}
            for params in ({}, None, {"x": "1"}, {"keys": "checkout_flow"}, {"": "a&b=c d"})
        ]
    bodies += [
        {"operations": [decide | {"operationID": "<\u00fc>\u2028"}]},
        {
            "operations": [
                decide | {"headers": {"x-optimizely-sdk-key": DEMO, "content-type": JSON}}
            ]
        },
        {"operations": [decide | {"body": {"userId": "ben", "UserId": "anna", "userID": "zed"}}]},
        {"operations": [op | {"url": "/v1/lookup", "method": "POST"}]},
        '{"operations":[{"method":"GET","method":"POST"}],"operations":[]}',
    ]
    for body in bodies:
        talk.demo("batches", step("POST", "/v1/batch", DEMO, body))
    for kind in (None, "text/plain"):
        talk.demo(
            "batches",
            step("POST", "/batch", None, {"operations": [op]}, content_type=kind),
            quiet=True,
        )
    for listener in ("admin", "webhook"):
        talk.demo(
            "batches",
            step(
                "POST",
                "/batch",
                None,
                {"operations": [op, op | {"url": "/info", "headers": {}}]},
                listener=listener,
            ),
            quiet=True,
        )
