"""Streams of notifications, webhooks, the admin listener."""

from __future__ import annotations

import hashlib
import hmac
import json

from tests.agent_parity.conversation import DEMO, DEMO_ACCOUNT, JSON, post, step


def streams(talk, datafile):
    key, account = "lab02", "910002"
    event = datafile["events"][0]["key"] if datafile.get("events") else "none"
    for query in (
        None,
        "filter=decision",
        "filter=track",
        "filter=decision,track",
        "filter=decision&filter=track",
        "filter=unknown",
        "filter=project_config_update",
        "raw",
        "raw=",
        "filter=&raw=1",
        "filter=DECISION",
    ):
        talk.say(
            "streams",
            "profiles",
            key,
            account,
            step("GET", "/v1/notifications/event-stream", key, None, query, stream=1.2),
            post("/v1/decide", key, {"userId": "stream", "userAttributes": {"a": 1}}),
            post(
                "/v1/decide",
                key,
                {"userId": "stream"},
                [("keys", each["key"]) for each in datafile["featureFlags"][:1]],
            ),
            post("/v1/activate", key, {"userId": "stream"}, "type=experiment"),
            post("/v1/activate", key, {"userId": "stream"}, "type=feature"),
            post(
                "/v1/track",
                key,
                {"userId": "stream", "eventTags": {"revenue": 1}},
                [("eventKey", event)],
            ),
        )
    for agent in ("open", "bare", "closed"):
        talk.say(
            "streams",
            agent,
            DEMO,
            DEMO_ACCOUNT,
            step("GET", "/v1/notifications/event-stream", DEMO),
            quiet=True,
        )
    talk.say(
        "streams",
        "profiles",
        DEMO,
        DEMO_ACCOUNT,
        step("GET", "/v1/notifications/event-stream", None),
        step("GET", "/v1/notifications/event-stream", "unheardof"),
        step("POST", "/v1/notifications/event-stream", DEMO, "{}"),
        quiet=True,
    )


def webhooks(talk):
    good = {
        "project_id": 42,
        "timestamp": 42424242,
        "event": "project.datafile_updated",
        "data": {"revision": 101, "origin_url": "o", "cdn_url": "c", "environment": "Production"},
    }

    def signed(raw, secret=b"I am secret"):
        return [
            ["X-Hub-Signature", "sha1=" + hmac.new(secret, raw.encode(), hashlib.sha1).hexdigest()]
        ]

    bodies = [
        json.dumps(each)
        for each in (
            good,
            good | {"project_id": 43},
            good | {"project_id": 99},
            good | {"project_id": "42"},
            good | {"data": {"revision": "101"}},
            good | {"data": {"revision": 2**40}},
            good | {"data": None},
            good | {"event": 1},
            good | {"event": "other"},
            {},
        )
    ] + ["", "{", "null", "[]"]
    for raw in bodies:
        for headers in (
            signed(raw),
            signed(raw, b"x"),
            [],
            [["X-Hub-Signature", "sha1="]],
            [["X-Hub-Signature", signed(raw)[0][1].upper()]],
            [["X-Hub-Signature-256", "sha256=x"]],
        ):
            talk.demo(
                "webhooks",
                step(
                    "POST", "/webhooks/optimizely", None, raw, headers=headers, listener="webhook"
                ),
                quiet=True,
            )
    for method, kind in (
        ("GET", None),
        ("PUT", JSON),
        ("POST", "text/plain"),
        ("POST", None),
        ("POST", JSON + "; charset=utf-8"),
    ):
        raw = json.dumps(good)
        talk.demo(
            "webhooks",
            step(
                method,
                "/webhooks/optimizely",
                None,
                raw if method != "GET" else None,
                content_type=kind,
                headers=signed(raw),
                listener="webhook",
            ),
            quiet=True,
        )
    for path in ("/info", "/config", "/metrics", "/health", "/nothing", "/"):
        if path != "/metrics":
            talk.demo("admin", step("GET", path, None, listener="admin"), quiet=True)
            talk.demo("admin", step("GET", path, None, listener="webhook"), quiet=True)
