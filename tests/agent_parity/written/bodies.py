"""Bodies that can't be read, fields of another type, unusual users, big ones."""

from __future__ import annotations

import base64
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


NUMBERS = (
    "-0", "-0.0", "1E5", "1e+5", "1e-7", "0.000001", "1e21", "1e20", "123456789012345678901",
    "1.7976931348623157e308", "5e-324", "1e-400", "0e999", "9007199254740993", "0.30000000000000004",
    "1.", ".5", "+1", "-", "1e", "0x1", "Infinity", "1_000", "1" + "0" * 308, "0." + "0" * 400 + "1",
)  # fmt: skip
ATTRIBUTES = (
    '{"a":[],"b":{},"c":[1,{"b":null}]}',
    '{"a":1,"a":2,"A":3}',
    '{"a":{"x":1},"a":{"y":2}}',
    '{"a":{"x":1,"x":{"y":1}}}',
    '{"\\ud83d":1,"\\ud83e":2,"\\ufffd":3}',
    '{"a":"\\ude00\\ud83d","b":"\\ud83d\\ude00"}',
    '{"a":"\\u0000\\b\\f\\/\x7f\u0085"}',
    '{"a":"\\x"}',
    '{"a":"\\u12g4"}',
    '{"a":1,}',
    '{"a":tru}',
    "{a:1}",
    '{"\ue000":1,"\U00010000":2,"z":3}',
)
TWINS = (
    '{"u\u017ferId":"a"}',
    '{"userId":"b","userID":"a"}',
    '{"userId":"a","userId":null}',
    '{"userId":"a","userId":1}',
    '{"userId":"a","userAttributes":{"x":1},"USERATTRIBUTES":null,"userAttributes":{"z":1}}',
    '{"userId":"a","decideOptions":["INCLUDE_REASONS"],"decideOptions":["EXCLUDE_VARIABLES"]}',
    '{"userId":"a","decideOptions":["INCLUDE_REASONS"],"decideOptions":[]}',
    '{"userId":"a","fetchSegments":0}',
    '{"userId":"a"}//x',
    '{"userId":"a"} \n\t',
    '{"userId":"a"}\f',
    '{"userId":"a"}\u00a0',
)


def values(talk):
    """Numbers and attributes of every kind, fields that stand twice, bytes that are no text."""
    told = '{"userId":"v","decideOptions":["DISABLE_DECISION_EVENT"],"userAttributes":%s}'
    bodies = [told % f'{{"a":{number}}}' for number in NUMBERS]
    bodies += [told % each for each in ATTRIBUTES]
    bodies += TWINS
    for body in bodies:
        talk.demo("values", step("POST", "/v1/decide", DEMO, body, "keys=search"))
    for raw in (
        b"a\xff",
        b"\xc3",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x98\xff",
    ):
        body = base64.b64encode(b'{"userId":"%b"}' % raw).decode()
        ask = step("POST", "/v1/decide", DEMO, None, "keys=search", body_b64=body)
        ask["headers"].append(["Content-Type", "application/json"])
        talk.demo("values", ask)


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
    for each in (values, bad_bodies, wrong_types, users, big):
        each(talk)
