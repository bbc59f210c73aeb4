"""Bodies that can't be read, fields of another type, unusual users, big ones."""

from __future__ import annotations

import itertools

from tests.agent_parity.conversation import DEMO, step
from tests.agent_parity.routes import GOOD, POSTS, QUERY

BAD_BODIES = (
    "",
    " ",
    "{",
    "}",
    "[]",
    "null",
    "nul",
    "1",
    "true",
    '"userId"',
    "[1,2]",
    "{}",
    '{"userId":}',
    '{"userId":"a"',
    '{"userId":"a"}x',
    '{"userId":"a"}{"userId":"b"}',
    '{"userId":"a",}',
    "{'userId':'a'}",
    '{"userId":"a\\ud800"}',
    '{"userId":"\\u0000"}',
    '\ufeff{"userId":"a"}',
    '{"userId":"a","userId":"b"}',
    '{"USERID":"a"}',
    '{"userid":"a","userId":""}',
    '{"userId":"a","unknown":{"deep":[1,{"x":null}]}}',
    "[" * 200 + "]" * 200,
    '{"userId":"a","userAttributes":' + "[" * 12000,
    '{"userId":"a","userAttributes":{"x":1e999}}',
    '{"userId":"a","userAttributes":{"x":NaN}}',
    '{"userId":"a","userAttributes":{"x":01}}',
    '{"userId":"a\tb"}',
    '{"userId": "a", "userAttributes": {"a": 12345678901234567890123}}',
    '{"userId": "<&>\\u2028"}',
    '// c\n{"userId":"a"}',
)
FIELDS = {
    "/v1/decide": (
        "userId",
        "userAttributes",
        "decideOptions",
        "forcedDecisions",
        "fetchSegments",
        "fetchSegmentsOptions",
    ),
    "/v1/activate": ("userId", "userAttributes"),
    "/v1/track": ("userId", "userAttributes", "eventTags"),
    "/v1/override": ("userId", "experimentKey", "variationKey"),
    "/v1/lookup": ("userId",),
    "/v1/save": ("userId", "experimentBucketMap"),
    "/v1/send-odp-event": ("type", "action", "identifiers", "data"),
}
WRONG = (
    None,
    True,
    7,
    1.5,
    "text",
    "",
    [],
    ["a"],
    [None],
    {},
    {"a": 1},
    [{}],
    [{"flagKey": 1}],
    {"1": {"variation_id": "2"}},
    {"1": {"variation_id": 2}},
    {"1": {}},
    {"1": None},
    {"a": {"b": 1}},
    {"a": [1]},
)


def bad_bodies(talk):
    for agent, path, body in itertools.product(("open",), POSTS, BAD_BODIES):
        talk.demo("bad-bodies", step("POST", path, DEMO, body, QUERY.get(path)), agent=agent)
    for path in ("/v1/lookup", "/v1/save"):
        for body in BAD_BODIES:
            talk.demo("bad-bodies", step("POST", path, DEMO, body), agent="profiles", quiet=True)


def wrong_types(talk):
    for path, fields in FIELDS.items():
        for field, value in itertools.product(fields, WRONG):
            body = dict(GOOD[path]) | {field: value}
            talk.demo(
                "wrong-types",
                step("POST", path, DEMO, body, QUERY.get(path)),
                agent="profiles" if path in ("/v1/lookup", "/v1/save") else "open",
            )
        for field in fields:
            body = {name: value for name, value in GOOD[path].items() if name != field}
            talk.demo(
                "wrong-types",
                step("POST", path, DEMO, body, QUERY.get(path)),
                agent="profiles" if path in ("/v1/lookup", "/v1/save") else "open",
            )


def users(talk):
    users = ("", " ", "ü", "日本語", "🎉", "a\x00b", "x" * 1000, "<&>", "qa_anna", "a\u2028b")
    for user, path in itertools.product(
        users, ("/v1/decide", "/v1/activate", "/v1/track", "/v1/override", "/v1/lookup", "/v1/save")
    ):
        talk.demo(
            "users",
            step("POST", path, DEMO, GOOD[path] | {"userId": user}, QUERY.get(path)),
            agent="profiles" if path in ("/v1/lookup", "/v1/save") else "open",
        )


def big(talk):
    talk.demo(
        "big",
        step(
            "POST",
            "/v1/decide",
            DEMO,
            {
                "userId": "big",
                "userAttributes": {f"a{i}": "x" * 100 for i in range(3000)},
                "decideOptions": ["DISABLE_DECISION_EVENT"],
            },
            "keys=search",
        ),
    )
    talk.demo(
        "big",
        step(
            "POST",
            "/v1/track",
            DEMO,
            {"userId": "big", "eventTags": {f"a{i}": "x" * 100 for i in range(2000)}},
            "eventKey=purchase",
        ),
    )


def written(talk):
    for each in (bad_bodies, wrong_types, users, big):
        each(talk)
