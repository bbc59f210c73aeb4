"""Paths, methods, SDK keys, content types, CORS, hosts, request ids, other headers."""

from __future__ import annotations

import itertools

from tests.agent_parity.conversation import DEMO, JSON, step
from tests.agent_parity.routes import GETS, GOOD, POSTS, QUERY

METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POST", "FOO")
CONTENT_TYPES = (
    JSON,
    "application/json; charset=utf-8",
    "APPLICATION/JSON",
    "application/json;",
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "application/vnd.api+json",
    "",
    "json",
    "application/json, text/plain",
    " application/json ",
    "application/json ;charset=utf-8",
    "application/json\t; a=b",
    "application/json;charset=latin1",
    "application/json; charset=utf-16",
    "application/problem+json",
    '"application/json"',
    ";application/json",
)


def methods(talk):
    everywhere = (
        *POSTS,
        *GETS,
        "/v1/reset",
        "/v1/batch",
        "/v1/notifications/event-stream",
        "/v1/nothing",
        "/v1",
        "/v1/",
        "/",
        "/index.html",
        "/openapi.yaml",
        "/health",
        "/nothing",
        "/oauth/token",
        "/v1//decide",
        "/V1/decide",
        "/v1/decide/",
        "/x/HEALTH",
        "/xhealth",
        "/x/batch",
        "/x/BATCH",
    )
    for path, method in itertools.product(everywhere, METHODS):
        if (path == "/v1/reset" and method == "POST") or path == "/v1/notifications/event-stream":
            continue
        talk.demo(
            "methods",
            step(
                method,
                path,
                DEMO,
                GOOD.get(path, {}) if method not in ("GET", "HEAD", "TRACE", "OPTIONS") else None,
                QUERY.get(path),
            ),
            quiet=True,
        )


def keys(talk):
    for path in (*POSTS, *GETS, "/v1/nothing", "/v1/reset", "/v1/notifications/event-stream"):
        body = GOOD.get(path)
        method = "POST" if body or path == "/v1/reset" else "GET"
        for key in (
            None,
            "",
            " ",
            "bad-key",
            "a b",
            "ü",
            "lab00,lab01",
            f"{DEMO} ",
            "a" * 5000,
            "unheardof",
            "status404",
            "status500",
            "status429",
            "status200",
            "broken",
            "empty",
            "raw00",
            f"{DEMO}:",
            f":{DEMO}",
            f"{DEMO}:token",
            f"{DEMO}:a:b",
            f"{DEMO}/",
            f"{DEMO}=",
            "+",
            "../demonstration",
        ):
            if (path == "/v1/reset" and key == DEMO) or (
                path.endswith("stream") and key == f"{DEMO}:token"
            ):
                continue
            talk.demo("keys", step(method, path, key, body, QUERY.get(path)), quiet=True)
        talk.demo(
            "keys",
            step(
                method, path, None, body, QUERY.get(path), headers=[["x-optimizely-sdk-key", DEMO]]
            )
            if path != "/v1/reset"
            else step("GET", "/health"),
            quiet=True,
        )
        if path != "/v1/reset":
            talk.demo(
                "keys",
                step(
                    method,
                    path,
                    None,
                    body,
                    QUERY.get(path),
                    headers=[["X-Optimizely-SDK-Key", DEMO], ["X-Optimizely-SDK-Key", "unheardof"]],
                ),
                quiet=True,
            )
    talk.demo(
        "keys", step("POST", "/v1/reset", None), step("POST", "/v1/reset", "", "{}"), quiet=True
    )


def content_types(talk):
    for path, kind in itertools.product(POSTS, CONTENT_TYPES):
        talk.demo(
            "content-types",
            step("POST", path, DEMO, GOOD[path], QUERY.get(path), content_type=kind),
            quiet=True,
        )
    for path in POSTS:
        talk.demo(
            "content-types",
            step("POST", path, DEMO, GOOD[path], QUERY.get(path), content_type=None),
            quiet=True,
        )
        talk.demo(
            "content-types",
            step("POST", path, DEMO, None, QUERY.get(path), headers=[["Content-Length", "0"]]),
            quiet=True,
        )
        talk.demo(
            "content-types",
            step(
                "POST",
                path,
                DEMO,
                None,
                QUERY.get(path),
                headers=[["Content-Length", "0"], ["Content-Type", "text/plain"]],
            ),
            quiet=True,
        )
        talk.demo(
            "content-types",
            step(
                "POST",
                path,
                DEMO,
                "{}",
                QUERY.get(path),
                content_type=None,
                headers=[["Content-Type", JSON], ["Content-Type", "text/plain"]],
            ),
            quiet=True,
        )


def cors(talk):
    for origin, method, asked in itertools.product(
        ("https://shop.example", "null", ""),
        ("POST", "GET", "DELETE", ""),
        ("content-type", "x-optimizely-sdk-key, content-type", "authorization", ""),
    ):
        headers = [["Origin", origin], ["Access-Control-Request-Method", method]] + (
            [["Access-Control-Request-Headers", asked]] if asked else []
        )
        talk.demo(
            "cors", {"method": "OPTIONS", "path": "/v1/decide", "headers": headers}, quiet=True
        )
    for path in ("/v1/decide", "/v1/config", "/v1/nothing", "/health", "/v1/batch", "/oauth/token"):
        talk.demo(
            "cors",
            step(
                "POST" if path != "/v1/config" else "GET",
                path,
                DEMO,
                {"userId": "ben"},
                headers=[["Origin", "https://shop.example"]],
            ),
            quiet=True,
        )
        talk.demo(
            "cors",
            step("GET", path, None, headers=[["Origin", "https://shop.example"]]),
            quiet=True,
        )


def hosts(talk):
    for host in (
        "shop.example.com",
        "example.com",
        "a.b.example.com",
        "evil.test",
        "localhost:1",
        "LOCALHOST",
        "[::1]:80",
        "",
    ):
        for path in ("/health", "/v1/config", "/v1/batch"):
            talk.demo(
                "hosts",
                step(
                    "POST" if "batch" in path else "GET",
                    path,
                    DEMO,
                    '{"operations":[]}' if "batch" in path else None,
                    headers=[["Host", host]],
                ),
                quiet=True,
            )
        talk.demo(
            "hosts",
            step("GET", "/v1/config", DEMO, headers=[["X-Forwarded-Host", host]]),
            quiet=True,
        )
        talk.demo(
            "hosts",
            step("GET", "/v1/config", DEMO, headers=[["Forwarded", f"for=1.2.3.4;host={host}"]]),
            quiet=True,
        )


def headers(talk):
    for request_id in ("", "a", "x" * 300, "ü", "a b", "<script>"):
        talk.demo("request-ids", step("GET", "/v1/config", DEMO, request_id=request_id), quiet=True)
        talk.demo(
            "request-ids",
            step("POST", "/v1/decide", None, {"userId": "a"}, request_id=request_id),
            quiet=True,
        )
    for headers in (
        [["X-Optimizely-UPS-Name", "in-memory"]],
        [["X-Optimizely-UPS-Name", "unheard-of"]],
        [["X-Optimizely-ODP-Cache-Name", "in-memory"]],
        [["Accept-Encoding", "gzip"]],
        [["Accept", "text/html"]],
        [["Expect", "100-continue"]],
        [["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]],
        [["If-None-Match", "*"]],
        [["Range", "bytes=0-1"]],
    ):
        talk.demo("headers", step("GET", "/v1/config", DEMO, headers=headers), quiet=True)
        talk.demo(
            "headers",
            step("POST", "/v1/decide", DEMO, {"userId": "h"}, "keys=search", headers=headers),
        )


def paths(talk):
    """Escapes, dots and parameters in paths, and what a query may look like."""
    for path in (
        "/v1/%64ecide",
        "/v1/decide%20",
        "/v1/decide%2F",
        "/v1/./decide",
        "/v1/../v1/decide",
        "/v1/decide;x=1",
        "/v1/decide%3Fkeys=search",
        "/v1/d\u00e9cide",
    ):
        body = {"userId": "p", "decideOptions": ["DISABLE_DECISION_EVENT"]}
        talk.demo("paths", step("POST", path, DEMO, body), quiet=True)
    for query in (
        "keys=sea%72ch&ke%79s=checkout_flow",
        "keys=search+&keys=%20search",
        "keys=%e2%82&keys=%E2%82%AC",
        "=search",
        "keys=search=1",
        "keys[]=search",
        "keys=search&&keys=checkout_flow&",
        "keys=search&%zz=1",
        "keys=%2",
        "a;b&keys=search",
        "keys=a%0d%0ab",
        "keys=%u0041",
        "&".join(["keys=search"] * 300),
        "&".join(f"k{i}=1" for i in range(500)) + "&keys=search",
        "debug=1&exposure=later&keys=search",
    ):
        body = {"userId": "p", "decideOptions": ["DISABLE_DECISION_EVENT"]}
        talk.demo("paths", step("POST", "/v1/decide", DEMO, body, query), quiet=True)


def chunks(talk):
    """Bodies in chunks of several sizes, with extensions and trailers."""
    text = '{"userId":"c","decideOptions":["DISABLE_DECISION_EVENT"]}'
    for size, extension, trailer in (
        (1, "", ""),
        (7, "", ""),
        (7, ";a=b", ""),
        (100, "", "X-A: b\r\n"),
    ):
        parts = [text[i : i + size] for i in range(0, len(text), size)]
        body = "".join(f"{len(part):x}{extension}\r\n{part}\r\n" for part in parts)
        headers = [["Transfer-Encoding", "chunked"]]
        body += f"0\r\n{trailer}\r\n"
        ask = step("POST", "/v1/decide", DEMO, body, "keys=search", headers=headers)
        talk.demo("chunks", ask, quiet=True)
    for kind in ("gzip", "identity", "deflate"):
        headers = [["Content-Encoding", kind]]
        talk.demo(
            "chunks",
            step("POST", "/v1/decide", DEMO, text, "keys=search", headers=headers),
            quiet=True,
        )


def written(talk):
    for each in (paths, chunks, methods, keys, content_types, cors, hosts, headers):
        each(talk)
