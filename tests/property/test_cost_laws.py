"""Law: what a request costs grows at most in proportion to its bytes (docs/decisions/0090).

Nothing here takes the time. Lines of Python, what C methods are called on, steps of patterns and
bytes of memory are counted: doubling a request may at most about double them.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import json
import re
import tracemalloc
from pathlib import Path

import pytest
from tests.fakes.editions import Client
from tests.fakes.work import Pattern, work_of

import bucketer.api
from bucketer.api import body
from bucketer.api.agent import batch, fields, go_json, go_query
from bucketer.api.bucketer import attributes, form
from bucketer.api.options import ApiOptions
from bucketer.core.events import visitor_json
from bucketer.core.slips import nearest
from bucketer.doors.aws_lambda import UnknownTrigger, to_request

EXPERIMENT = b'{"e":"checkout_flow_experiment","u":"x",'
GOAL = b'{"event":"purchase","user":"x",'
MIB = 1024 * 1024


def members(count, form=b'"%06d":0'):
    return b",".join(form % number for number in range(count))


#: What somebody might send to hurt: n → a body of a size in proportion to n.
BODIES = {
    "an unterminated string of escapes": lambda n: b'{"e":"' + b"[" * 40 + b'\\"' * n,
    "an unterminated string of backslashes": lambda n: b'{"e":"' + b"[" * 40 + b"\\\\" * n + b"\\",
    "quotes": lambda n: b'"' * n,
    "brackets": lambda n: b"[" * n,
    "brackets in pairs": lambda n: b'{"x":[' + b"[]," * n + b"0]}",
    "objects": lambda n: b'{"x":[' + b'{"x":0},' * n + b"0]}",
    "many names": lambda n: b"{" + members(n) + b"}",
    "many names, the first again": lambda n: b"{" + members(n) + b',"000000":0}',
    "many names, the last again": lambda n: b"{" + members(n) + b',"%06d":0}' % (n - 1),
    "many names, each twice": lambda n: b"{" + members(n) + b"," + members(n) + b"}",
    "names twice further in": lambda n: EXPERIMENT + b'"a":{' + b'"k":0,' * n + b'"k":1}}',
    "integers and a bad word": lambda n: b'{"x":[' + (b"9" * 300 + b",") * (n // 100) + b"!",
    "integers and NaN": lambda n: b'{"x":[' + (b"9" * 300 + b",") * (n // 100) + b"NaN]}",
    "an integer": lambda n: EXPERIMENT + b'"a":{"x":' + b"9" * n + b"}}",
    "a fraction": lambda n: EXPERIMENT + b'"a":{"x":0.' + b"9" * n + b"}}",
    "strings and NaN": lambda n: b'{"x":[' + b'"\\"",' * n + b"NaN]}",
    "white space": lambda n: b" " * n,
    "lines and a bad word": lambda n: b"{" + b"\n" * n + b"!",
    "a form": lambda n: b"a=b&" * n,
    "a form with a long user": lambda n: b"e=checkout_flow_experiment&u=" + b"%41" * n,
    "a form with a list": lambda n: b"e=checkout_flow_experiment&u=x&a=" + b"k:1," * n,
    "a form with bad pieces": lambda n: b"e=x&u=x&" + b"%" * n,
    "a word": lambda n: b"a" * n,
    "bytes that are no UTF-8": lambda n: b'{"e":"' + b"x" * n + b"\xff",
    "a long key": lambda n: b'{"e":"' + "é".encode() * n + b'","u":"x"}',
    "a long user": lambda n: b'{"e":"checkout_flow_experiment","u":"' + b"\\u00e9" * n + b'"}',
    "a long user and debug": lambda n: (
        b'{"f":"search","debug":1,"track":0,"u":"' + b"x" * n + b'"}'
    ),
    "attributes": lambda n: EXPERIMENT + b'"a":{' + members(n) + b"}}",
    "attributes and debug": lambda n: (
        EXPERIMENT + b'"debug":1,"track":0,"a":{' + members(n) + b"}}"
    ),
    "attributes, the last bad": lambda n: EXPERIMENT + b'"a":{' + members(n) + b',"x":[]}}',
    "reserved attributes": lambda n: EXPERIMENT + b'"a":{' + members(n, b'"$opt_%06d":0') + b"}}",
    "a long attribute": lambda n: (
        EXPERIMENT + b'"a":{"tier":"' + b"x" * n + b'"},"debug":1,"track":0}'
    ),
    "a long version": lambda n: (
        EXPERIMENT + b'"a":{"app_version":"' + b"1." * n + b'"},"debug":1,"track":0}'
    ),
    "a long name of an attribute": lambda n: EXPERIMENT + b'"a":{"' + b"~/" * n + b'":[]}}',
    "attributes twice": lambda n: (
        EXPERIMENT + b'"a":{' + members(n) + b'},"attributes":{' + members(n) + b"}}"
    ),
    "a user nobody knows": lambda n: b'{"e":"checkout_flow_experiment",' + members(n) + b"}",
}
GOALS = {
    "arrays in tags": lambda n: GOAL + b'"tags":{"x":[' + b"[]," * n + b"0]}}",
    "nulls in tags": lambda n: GOAL + b'"tags":{"x":[' + b'{"value":null},' * n + b"0]}}",
    "tags": lambda n: GOAL + b'"tags":{' + members(n) + b"}}",
    "a long revenue": lambda n: GOAL + b'"tags":{"revenue":"' + b"9" * n + b'"}}',
    "a long value": lambda n: GOAL + b'"tags":{"value":"' + b"9" * n + b'"}}',
    "a long event": lambda n: b'{"user":"x","event":"' + b"x" * n + b'"}',
    "a long id": lambda n: GOAL + b'"id":"' + b"x" * n + b'"}',
    "a long timestamp": lambda n: GOAL + b'"timestamp":"' + b"9" * n + b'"}',
    "goals": lambda n: b"[" + b",".join([GOAL[:-1] + b"}"] * (n // 10)) + b"]",
    "goals, the last bad": lambda n: b"[" + (GOAL[:-1] + b"},") * (n // 10) + b"1]",
    "goals with names twice": lambda n: (
        b"[" + (GOAL + b'"tags":{"a":1,"a":2}},') * (n // 10) + GOAL + b'"user":"y"}]'
    ),
    "goals with names of their own": lambda n: (
        b"[" + b",".join([GOAL + b'"id":7,"timestamp":"2018-04-09T17:06:02Z"}'] * (n // 10)) + b"]"
    ),
}
#: What `a` in a URL may hold, n → text; `tags` is read by the same functions.
TEXTS = {
    "items": lambda n: "k:1," * n,
    "long items": lambda n: "k" * n + ":" + "v" * n,
    "quoted items": lambda n: '"k,":"v,",' * n,
    "an unterminated string": lambda n: 'k:"' + '\\"' * n,
    "unterminated strings": lambda n: '"k' * n,
    "escapes": lambda n: 'k:"' + "\\n" * n + '"',
    "bad escapes": lambda n: 'k:"' + "\\n" * n + '\\q"',
    "numbers": lambda n: "k:" + "9" * n,
    "fractions": lambda n: "k:0." + "9" * n + "e",
    "white space": lambda n: "k:" + " " * n + "1" + " " * n,
    "colons": lambda n: ":" * n,
    "commas": lambda n: "," * n,
    "an object": lambda n: "{" + '"k":1,' * n + '"x":1}',
    "an object that ends badly": lambda n: "{" + '"k":1,' * n + "x",
    "an object and space": lambda n: '{"k":1}' + " " * n + "x",
    "objects in an object": lambda n: '{"k":' * n,
}


def ask(client, path, raw):
    reply = client.ask(path=path, method="POST", body=raw)
    for event in reply.events:
        visitor_json(event)
    return reply


def assert_in_proportion(cost_of, small=300, times=4):
    """*cost_of* n may grow as n does; by half more, since a large body is counted before it is read.

    What grows by the square of n would grow by 16.
    """
    cost_of(10)  # what is imported and kept on first use
    one, many = cost_of(small), cost_of(small * times)

    assert many <= one * times * 1.5


@pytest.mark.parametrize(
    ("path", "make"),
    [
        *(pytest.param("/bucketer", make, id=name) for name, make in BODIES.items()),
        *(pytest.param("/track", make, id=name) for name, make in (BODIES | GOALS).items()),
    ],
)
def test_the_work_of_a_body_is_in_proportion(path, make):
    client = Client()

    def cost(n):
        raw = make(n)
        return work_of(lambda: ask(client, path, raw))

    assert_in_proportion(cost)


#: The same of `/expose`, whose client has a token; most are refused, each for itself.
TOKENS = {
    "one token again and again": lambda n, one: f"{one} ".encode() * (n // 2),
    "a form of tokens": lambda n, one: f"token={one}&".encode() * (n // 2),
    "a list of tokens": lambda n, one: json.dumps([one] * (n // 2)).encode(),
    "tokens that were changed": lambda n, one: f"{one[:-1]}- ".encode() * (n // 2),
    "a long token": lambda n, one: one.encode() * n,
    "dots": lambda n, one: b"." * n,
    "words": lambda n, one: b"x " * (n // 2),
}


@pytest.mark.parametrize(
    "make",
    [
        *(pytest.param(make, id=name) for name, make in TOKENS.items()),
        *(
            pytest.param(lambda n, _one, make=make: make(n), id=name)
            for name, make in BODIES.items()
        ),
    ],
)
def test_the_work_of_exposing_is_in_proportion(make):
    options = ApiOptions()
    options.signing_secrets = (b"s" * 32,)
    client = Client(options=options)
    one = client.json("f=search&u=x&track=later")["exposure"]

    def cost(n):
        raw = make(n, one)
        return work_of(lambda: ask(client, "/expose", raw))

    assert_in_proportion(cost)


@pytest.mark.parametrize("name", ["a", "tags", "u", "x%", "debug", "timestamp"])
@pytest.mark.parametrize("make", TEXTS.values(), ids=TEXTS)
def test_the_work_of_a_query_is_in_proportion(make, name):
    client = Client()
    path, start = (
        ("/track", "ev=purchase") if name in {"tags", "timestamp"} else ("/bucketer", "e=x")
    )

    def cost(n):
        text = make(n)
        query = f"{start}&{name}={text}&{text}"
        return work_of(lambda: client.ask(query, path=path))

    assert_in_proportion(cost, small=100)


@pytest.mark.parametrize(
    "piece", ["&", "u&", "&%", "%41", "%2", "=", "&uid", "+", "\udcff", "%75=&"]
)
def test_the_work_of_pieces_of_a_query_is_in_proportion(piece):
    client = Client()

    assert_in_proportion(lambda n: work_of(lambda: client.ask("e=x&" + piece * n)), small=100)


def test_the_work_of_a_wrong_key_has_a_bound():
    """Whatever its length, and however many keys it is compared with."""
    known = [f"{'ab' * 40}{number}" for number in range(4_000)]

    wrong = work_of(lambda: nearest("ab" * 100_000, known))

    assert wrong <= 1.1 * work_of(lambda: nearest("ab" * 50, known[:1_000]))


EVENTS_OF_LAMBDA = {
    "one header again and again": lambda n: {"multiValueHeaders": {"X-A": ["x"] * n}},
    "one header in two cases": lambda n: {
        "multiValueHeaders": {"X-A": ["x"] * n, "x-a": ["y"] * n}
    },
    "many headers": lambda n: {"multiValueHeaders": {f"x-{each}": ["x"] for each in range(n)}},
    "one parameter again and again": lambda n: {
        "multiValueQueryStringParameters": {"e": ["x"] * n}
    },
    "many parameters": lambda n: {
        "multiValueQueryStringParameters": {f"\u00e9{each}": ["%"] for each in range(n)}
    },
    "a long parameter": lambda n: {"multiValueQueryStringParameters": {"u": ["\u00e9%" * n]}},
    "a long address": lambda n: {"multiValueHeaders": {"X-Forwarded-For": ["1.2.3.4, " * n]}},
    "a long path": lambda n: {"path": "/x" * n},
    "text as a body": lambda n: {"httpMethod": "POST", "body": "[" * n},
    "base64 as a body": lambda n: {
        "httpMethod": "POST",
        "body": "W1tb" * n,
        "isBase64Encoded": True,
    },
    "bad base64 as a body": lambda n: {
        "httpMethod": "POST",
        "body": "=" * n,
        "isBase64Encoded": True,
    },
    "many keys that nobody knows": lambda n: {
        "httpMethod": 1,
        **{f"k{each}": 1 for each in range(n)},
    },
}


@pytest.mark.parametrize("trigger", ["rest_multi", "alb_multi"])
@pytest.mark.parametrize("make", EVENTS_OF_LAMBDA.values(), ids=EVENTS_OF_LAMBDA)
def test_the_work_of_an_event_of_lambda_is_in_proportion(make, trigger):
    path = Path(__file__).parents[1] / "lambda_events" / f"{trigger}.json"
    usual = json.loads(path.read_bytes())
    client = Client()

    def answer(event):
        with contextlib.suppress(UnknownTrigger):
            client.handler.handle(to_request(event, "r"), 0.0, lambda: "u")

    def cost(n):
        event = {**usual, **make(n)}
        return work_of(lambda: answer(event))

    assert_in_proportion(cost, small=100)


# Memory


FULL = {
    name: make
    for name, make in (BODIES | GOALS).items()
    if name != "an integer"  # refused at its first digits
}


def largest(make):
    """The largest body of a kind that is read."""
    unit = (len(make(2_000)) - len(make(1_000))) / 1_000
    return make(int((MIB - 1_000) / unit))


@pytest.mark.parametrize("path", ["/bucketer", "/track"])
@pytest.mark.parametrize("make", FULL.values(), ids=FULL)
def test_the_memory_of_a_full_body_has_a_bound(path, make):
    """A body of a megabyte, its text, its values, its answer: a small multiple of it."""
    client = Client()
    ask(client, path, make(10))
    raw = largest(make)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        ask(client, path, raw)
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(raw) <= MIB
    assert peak - before <= 24 * MIB
    assert after - before <= 256 * 1024


@pytest.mark.parametrize("debug", [False, True])
def test_what_is_kept_of_requests_has_a_bound_in_bytes(debug):
    """Each is new: keys of attributes, users, wrong keys; none of it stays."""
    client = Client()

    def send(number):
        long = f"{number}" * 20_000
        attributes = {f"$opt_{long}": 1, long: 2, **{f"{number}-{n}": n for n in range(50)}}
        for given in ({"e": "checkout_flow_experiment"}, {"e": long}, {"f": "search"}, {"f": long}):
            ask(
                client,
                "/bucketer",
                json.dumps({**given, "u": long, "a": attributes, "debug": debug}).encode(),
            )
        goal = {
            "event": "purchase",
            "user": long,
            "attributes": attributes,
            "tags": {long[:999]: 1},
        }
        ask(client, "/track", json.dumps(goal).encode())
        ask(client, "/track", json.dumps({**goal, "event": long}).encode())

    for number in range(100, 105):
        send(number)
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(200, 260):
            send(number)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before <= 256 * 1024


# Patterns: what they do in C is counted by matching them as `re` does, step by step


#: Every pattern of the API; whether it is sought from place to place, or tried at one.
PATTERNS = {
    "a lexeme of a body": (body._LEXEME, re.DOTALL, True),
    "the name of a form": (r"[\w.%+-]++=", 0, False),
    "the look of a form": (form._LOOKS.pattern.decode(), 0, False),
    "an item of a list": (attributes._ITEM, re.VERBOSE | re.DOTALL, True),
    "a member of an object": (attributes._MEMBER, re.VERBOSE | re.DOTALL, False),
    "its name": (attributes._MEMBER_KEY, re.DOTALL, False),
    "its value": (attributes._MEMBER_VALUE, 0, False),
    "an empty object": (attributes._EMPTY_OBJECT, 0, False),
    "a string": (attributes._STRING, re.DOTALL, False),
    "a lone surrogate": (fields._SURROGATES.pattern, 0, True),
    "a lone surrogate that is told": (go_json._SURROGATES.pattern, 0, True),
    "an escape of a query": (go_query._ESCAPE.pattern.decode(), 0, True),
    "a bad one": (go_query._BAD_ESCAPE.pattern, 0, True),
    "what is no UTF-8": (go_query._NO_UTF8.pattern, 0, True),
    "the URL of an operation": (batch._URL.pattern, 0, False),
}
UNITS = [
    '"',
    "\\",
    '\\"',
    "\\\\",
    "a",
    "9",
    "-",
    "9.",
    "9e",
    "[",
    "{",
    " ",
    ":",
    ",",
    "{ ",
    '""',
    '"a":1,',
    "=",
    "é\n",
]
STARTS = ["", '"', "-", "{", 'a:"', '"a":']
ENDS = ["", "\\", "!", '"']


def steps(pattern, flags, text, *, sought):
    counted = Pattern(pattern, flags)
    if sought:
        counted.spans(text)
    else:
        counted.match(text)
    return counted.steps


def grows_in_proportion(pattern, flags, start, unit, end, *, sought):
    one, many = (steps(pattern, flags, start + unit * n + end, sought=sought) for n in (24, 96))
    return many <= 4.4 * one + 40


@pytest.mark.parametrize(("pattern", "flags", "sought"), PATTERNS.values(), ids=PATTERNS)
def test_no_pattern_reads_anything_again(pattern, flags, sought):
    texts = [(start, unit, end) for start in STARTS for unit in UNITS for end in ENDS]

    assert [] == [
        text for text in texts if not grows_in_proportion(pattern, flags, *text, sought=sought)
    ]


@pytest.mark.parametrize(("pattern", "flags", "sought"), PATTERNS.values(), ids=PATTERNS)
def test_the_counted_matches_are_those_of_re(pattern, flags, sought):
    del sought
    for text in (s + u * n + e for s in STARTS for u in UNITS for e in ENDS for n in (0, 1, 3)):
        found = [each.span() for each in re.finditer(pattern, text, flags)]

        assert Pattern(pattern, flags).spans(text) == found, text


def test_every_pattern_of_the_api_is_in_the_table():
    """Whoever adds one says how it is used, and has it counted."""
    used = []
    for path in Path(bucketer.api.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "re"
            ):
                used += (
                    [path.name]
                    if node.attr
                    in {
                        "compile",
                        "match",
                        "search",
                        "finditer",
                        "findall",
                        "fullmatch",
                        "sub",
                        "split",
                    }
                    else []
                )

    # That of health.py reads what our own modules say, those of variables.py what a datafile does.
    assert {
        "attributes.py": 6,
        "batch.py": 1,
        "body.py": 2,
        "fields.py": 1,
        "go_json.py": 1,
        "form.py": 1,
        "go_query.py": 3,
        "health.py": 1,
        "variables.py": 4,
    } == {name: used.count(name) for name in used}


# The counters see what they are there for


@pytest.mark.parametrize(
    ("pattern", "unit", "start"),
    [
        (r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', '\\"', '"'),  # what counted brackets, until it was seen
        (r"-?[0-9]{200,}", "9", ""),
        (r"(?:a|a)*b", "a", ""),
        (r"\s+$".replace("$", "\\Z"), " ", "x"),
    ],
)
def test_a_pattern_that_reads_again_is_caught(pattern, unit, start):
    assert not grows_in_proportion(pattern, re.DOTALL, start, unit, "!", sought=True)


def test_counting_each_name_in_all_of_them_is_caught():
    def cost(n):
        names = [str(number) for number in range(n)]
        return work_of(lambda: [name for name in names if names.count(name) > 1])

    with pytest.raises(AssertionError):
        assert_in_proportion(cost)
